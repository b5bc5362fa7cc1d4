"""Caches and keys across processes: an edit of prose recomputes nothing."""

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import gtzan_helpers
from gtzan_helpers import datasets
from gtzan_helpers.models import transfer

PACKAGE = Path(gtzan_helpers.__file__).parent


def python(*words, **places):
    env = {**os.environ, **{name: str(value) for name, value in places.items()}}
    subprocess.run([sys.executable, *words], env=env, check=True, capture_output=True)


def test_an_edited_docstring_recomputes_no_features(tmp_path, labelled_folder):
    source = labelled_folder(tracks=2)
    copy, folder = tmp_path / "copy" / "gtzan_helpers", tmp_path / "cache" / "features"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def extracted():
        python(
            *("-m", "gtzan_helpers", "extract", source),
            PYTHONPATH=copy.parent,
            GTZAN_CACHE=tmp_path / "cache",
        )
        return {path: path.stat().st_mtime_ns for path in folder.glob("**/*.npz")}

    before = extracted()
    assert len(before) == 4
    for path in copy.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"""', '"""Edited. ', 1), encoding="utf-8")
    assert extracted() == before


@pytest.mark.slow
def test_a_stacked_system_is_not_fitted_twice(tmp_path, labelled_folder):
    source, folder = labelled_folder(tracks=6), tmp_path / "run"
    code = (
        "from gtzan_helpers import experiments\n"
        f"run = experiments.start({str(source)!r}, run_dir={str(folder)!r})\n"
        "run.measure('stacked_svm', 'stacked_gmm', protocols='track_random')\n"
    )
    python("-c", code)
    rows = {path: path.stat().st_mtime_ns for path in (folder / "results").iterdir()}
    python("-c", code)
    assert {path: path.stat().st_mtime_ns for path in rows} == rows and len(rows) == 2


# What an entry is of


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def exchanged(entries):
    first = entries[0].read_bytes()
    for path, other in itertools.pairwise(entries):
        path.write_bytes(other.read_bytes())
    entries[-1].write_bytes(first)


def changed(entries, change):
    for path in entries:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        np.savez(path, **change(arrays))


def rows(arrays, values):
    return {**arrays, "values": values, "starts_s": arrays["starts_s"][: len(values)]}


@pytest.mark.parametrize(
    "damage",
    [
        exchanged,
        lambda entries: changed(entries, lambda a: rows(a, a["values"] * np.nan)),
        lambda entries: changed(entries, lambda a: rows(a, a["values"][:1])),
        lambda entries: changed(entries[1:], lambda a: rows(a, a["values"][:0])),
        lambda entries: changed(entries, lambda a: rows(a, a["values"].astype(np.float16))),
    ],
    ids=["of other tracks", "not finite", "fewer rows", "no rows", "of another type"],
)
def test_an_entry_that_is_not_the_tracks_own_is_made_again(cache, labelled_folder, damage):
    source = datasets.open_source(labelled_folder(tracks=2, seconds=6.0))
    values = source.features("logmel", jobs=1).values
    entries = sorted(cache.glob("features/*/*/*.npz"))
    damage(entries)
    damaged = [path.read_bytes() for path in entries]
    again = source.features("logmel", jobs=1)
    assert again.values.shape == values.shape and (again.values == values).all()
    healed = [path.read_bytes() != old for path, old in zip(entries, damaged, strict=True)]
    assert sum(healed) >= len(entries) - 1


def test_a_song_that_is_replaced_while_it_is_read_is_a_failure_and_not_stored(
    cache, labelled_folder, rng
):
    folder = labelled_folder(tracks=2)
    path = folder / "tone" / "tone.00001.wav"
    original = path.read_bytes()
    source = datasets.open_source(folder)
    assert len(source.tracks) == 4  # and now they are hashed
    soundfile.write(path, 0.1 * rng.standard_normal(44_100), 22_050)
    failures = source.features("logmel", jobs=1).failures
    assert failures.reason.tolist() == ["changed while it was read; run again"]
    path.write_bytes(original)
    values = datasets.open_source(folder).features("logmel", jobs=1).values
    shutil.rmtree(cache)
    assert (datasets.open_source(folder).features("logmel", jobs=1).values == values).all()


def test_an_embedding_is_not_taken_for_another(cache):
    def embedded(value):
        return transfer.embed(lambda batch: batch + 1, np.full((2, 3), value), name="one more")

    embedded(1.0)
    (first,) = cache.glob("embeddings/*")
    embedded(2.0)
    (second,) = set(cache.glob("embeddings/*")) - {first}
    shutil.copy(first, second)
    assert (embedded(2.0) == 3).all()
