"""The series on every kind of source: to its end, or left out with the reason."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gtzan_helpers import experiments, reproduce
from gtzan_helpers.datasets import open_source


def copies(root, tracks, name):
    """Links to recordings under new names, made of `genre` and a number `n`."""
    for n, track in enumerate(tracks.itertuples()):
        path = root / name.format(genre=track.genre, n=n)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(track.path)
    return root


@pytest.fixture
def embedded():
    return open_source("synthetic", profile="smoke").tracks


def audio(root, tracks, gtzan):
    return copies(root, tracks, "{genre}/song {n}.wav")


def flat(root, tracks, gtzan):
    return copies(root, tracks, "{genre}_{n}.wav")


def two_labels(root, tracks, gtzan):
    return copies(root, tracks[tracks.genre.isin(["metal", "classical"])], "{genre}/{n}.wav")


def thirty_labels(root, tracks, gtzan):
    more = pd.concat([tracks.assign(genre=tracks.genre + str(k)) for k in range(3)])
    root = copies(root, more, "{genre}/{n}.wav")
    return copies(root, tracks[:2], "small/{n}.wav")


def listed(root, tracks, gtzan):
    copies(root, tracks, "audio/{n}.wav")
    names = [f"audio/{n}.wav" for n in range(len(tracks))]
    table = pd.DataFrame({"file_name": names, "label": tracks.genre, "artist": tracks.artist_group})
    table.to_csv(root / "metadata.csv", index=False)
    return root


def parquet(root, tracks, gtzan):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    root.mkdir()
    audio = [{"bytes": Path(path).read_bytes(), "path": None} for path in tracks.path]
    table = pa.table({"audio": audio, "label": tracks.genre.tolist()})
    pyarrow.parquet.write_table(table, root / "train.parquet")
    return root


def pictures(root, tracks, gtzan):
    for track in tracks.itertuples():
        path = root / track.genre / f"{track.track_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 30), len(str(path)), np.uint8)).save(path)
    return root


def pack(root, tracks, gtzan):
    path = root.with_suffix(".npz")
    assert gtzan("extract", "synthetic", "--profile", "smoke", "--pack", path).returncode == 0
    return path


def table(root, tracks, gtzan, seconds="3"):
    path, options = root.with_suffix(".csv"), ("--profile", "smoke", "--segment-seconds", seconds)
    assert gtzan("extract", "synthetic", *options, "--csv", path).returncode == 0
    return path


def whole_table(root, tracks, gtzan):
    return table(root, tracks, gtzan, "0")


def run(source, folder, only=()):
    """Run the series; returns its notes, and why notebooks were left out."""
    said = []
    reproduce.run(str(source), profile="smoke", only=only, out=folder, say=said.append)
    state = json.loads((folder / "run.json").read_text())
    assert {entry["error"] for entry in state["notebooks"].values()} == {""}
    return said, {name[:2]: why for name, (_, why) in state["left_out"].items()}


KINDS = [audio, flat, listed, parquet, two_labels, thirty_labels, pack, table, whole_table]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@pytest.mark.matrix
@kinds
def test_every_notebook_runs_on_every_kind_of_source_that_gives_what_it_needs(
    tmp_path, embedded, gtzan, kind
):
    _, left_out = run(kind(tmp_path / "source", embedded, gtzan), tmp_path / "run")
    assert all(why.startswith("needs ") for why in left_out.values())
    if kind in (audio, flat, listed, parquet, two_labels, thirty_labels):
        assert not left_out


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pack, table], ids=lambda kind: kind.__name__)
def test_the_series_runs_on_what_extract_writes(tmp_path, embedded, gtzan, kind):
    run(kind(tmp_path / "source", embedded, gtzan), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [listed, thirty_labels], ids=lambda kind: kind.__name__)
def test_the_first_notebooks_run_on_other_kinds(tmp_path, embedded, gtzan, kind):
    source = kind(tmp_path / "source", embedded, gtzan)
    said, left_out = run(source, tmp_path / "run", only=["00", "02", "03", "04"])
    assert not left_out
    notes = [line for line in said if line.startswith("note: ")]
    if kind is thirty_labels:
        assert "2 tracks of 1 label (small); a label needs 3 tracks" in " ".join(notes)
    else:
        rows = experiments.resume(source, profile="smoke", run_dir=tmp_path / "run").results()
        assert "artist_grouped" in set(rows.table.protocol[rows.table.status == "measured"])


@pytest.mark.matrix
def test_a_run_on_pictures_says_what_all_notebooks_but_01_lack(tmp_path, embedded, gtzan):
    _, left_out = run(pictures(tmp_path / "source", embedded, gtzan), tmp_path / "run")
    assert len(left_out) == 10 and "01" not in left_out  # which shows the embedded dataset
    assert all(why.startswith("needs ") for why in left_out.values())
