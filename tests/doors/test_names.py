"""Names that people give their labels and songs, and what is written where."""

import contextlib
import io
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from gtzan_helpers import files
from gtzan_helpers.datasets import open_source
from gtzan_helpers.errors import GtzanError
from gtzan_helpers.experiments import results
from gtzan_helpers.report import book

SR = 22_050

NASTY = [
    "A$AP_Rocky_-_$ave", "Ca$h_Money__Ca$h", "'quoted'", 'say "x"', "=1+1", "-rf", "+49",
    "@sum", "<b>bold", "&amp;", "\x1b[31mred", "two\nlines", "tab\there", "\u202egnp", "a|b", "`x`",
    "%s{0}", "[x](y)", "\\x1b", "NaN", "None", "007", " spaced ", "a...",
    "naïve 音楽 🎷", "n" * 251,
    os.fsdecode(b"\xff\xfe no UTF-8"),
]  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """A function that writes a folder in which labels and songs have such names."""

    def write(names, copies):
        root = tmp_path / "na$ty \x1b[31m=1 '音楽"
        for place, name in enumerate(names):
            (root / name).mkdir(parents=True)
            for copy in range(copies):
                song = root / name / f"{name[:250]}{copy}.wav"
                tone = np.sin(2 * np.pi * (200 + 20 * place + 7 * copy) * np.arange(3 * SR) / SR)
                with io.BytesIO() as sound:  # libsndfile opens no name that is not UTF-8
                    soundfile.write(sound, 0.3 * tone, SR, format="WAV")
                    song.write_bytes(sound.getvalue())
        return root

    return write


def harmless(text):
    """Whether text holds neither control characters nor marks that turn the order of letters."""
    return all(line.isprintable() for line in text.splitlines())


def test_nasty_names_go_through_check_extract_and_predict(gtzan, write, here):
    nasty = write(NASTY, 2)
    checked = gtzan("check", nasty)
    assert checked.returncode == 0 and harmless(checked.stdout + checked.stderr)
    assert checked.stdout.count("\n") == 1, checked.stdout

    extracted = gtzan("extract", nasty, "--csv", "=table.csv", "--segment-seconds", "0")
    assert extracted.returncode == 0 and harmless(extracted.stdout + extracted.stderr)
    table = pd.read_csv(here / "=table.csv", dtype=str, keep_default_na=False)
    assert len(table) == 2 * len(NASTY) and table.label.nunique() == len(NASTY)
    for cell in table[["filename", "label"]].to_numpy().flat:
        assert cell[0] not in "=+-@" and harmless(cell)
    assert open_source(here / "=table.csv").labels == open_source(nasty).labels

    predicted = gtzan("predict", "--model", "small", *sorted(nasty.glob("*/*0.wav")))
    assert predicted.returncode == 0 and harmless(predicted.stdout + predicted.stderr)
    assert predicted.stdout.count("\n") == len(NASTY)

    missing = gtzan("predict", "--model", "small", nasty / "no\x1b[2Jthing.wav")
    assert missing.returncode == 1 and harmless(missing.stderr)


@pytest.mark.slow
def test_nasty_names_go_through_a_run(gtzan_process, write, tmp_path):
    nasty, run = write([*NASTY[:2], *NASTY[4::4], NASTY[-1]], 5), tmp_path / "run"
    ended = gtzan_process("run", nasty, "--profile", "smoke", "--only", "00,03", "--out", run)
    assert ended.returncode == 0 and harmless(ended.stdout + ended.stderr), ended.stderr
    pages = [run / "index.html", *(run / "notebooks").glob("*.html")]
    assert len(pages) == 3
    assert "<b>bold" not in "".join(page.read_text(encoding="utf-8") for page in pages)


def test_a_folder_called_synthetic_is_none_of_ours(labelled_folder):
    source = open_source(labelled_folder(name="synthetic_pop"))
    assert not source.synthetic
    assert not source.name.startswith("synthetic")  # by which pages know it


@pytest.mark.parametrize("name", ["gtzan", "mini"])
def test_a_folder_that_is_only_called_so_has_a_name_of_its_own(labelled_folder, name):
    assert open_source(labelled_folder(name=name)).name not in (name, "synthetic")


def test_labels_that_are_shown_alike_are_refused(labelled_folder):
    source = labelled_folder(("=a", "'=a"))
    assert "'=a" in str(failure(lambda: open_source(source).tracks))
    assert isinstance(failure(lambda: open_source(source).tracks), str)


def test_a_user_who_does_not_exist_has_no_folder(gtzan, labelled_folder, here):
    ended = gtzan("extract", labelled_folder(), "--csv", "~nosuchuser/t.csv")
    assert ended.returncode == 0 and (here / "~nosuchuser" / "t.csv").exists()


@pytest.mark.parametrize("mode", [0o000, 0o744], ids=["closed", "listed only"])
def test_an_unreadable_folder_is_named_and_the_rest_used(labelled_folder, mode):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        Path(name).chmod(0o755)
        root = labelled_folder().rename(Path(name) / "songs")
        shutil.copytree(next(root.iterdir()), root / "locked")
        (root / "locked").chmod(mode)
        user = os.geteuid()
        os.seteuid(65_534 if user == 0 else user)  # root reads everything
        try:
            source = open_source(root)
            assert len(source.tracks) == 6
        finally:
            os.seteuid(user)
        (root / "locked").chmod(0o755)
    assert any("locked" in remark for remark in source.remarks)


# Writing


def test_a_song_of_the_source_is_not_overwritten(gtzan, labelled_folder, tmp_path):
    source = labelled_folder()
    song = next(source.glob("*/*.wav"))
    link = tmp_path / "table.csv"
    link.hardlink_to(song)
    before = song.read_bytes()
    for target in (song, link):
        ended = gtzan("extract", source, "--csv", target, "--force")
        assert (ended.returncode, song.read_bytes()) == (2, before)
        assert re.fullmatch(r"error: .*source.*\n", ended.stderr)


def test_a_run_is_not_put_into_its_source(gtzan, labelled_folder):
    source = labelled_folder()
    before = sorted(source.rglob("*"))
    ended = gtzan("run", source, "--out", source / "tone", "--only", "05", "--profile", "smoke")
    assert (ended.returncode, sorted(source.rglob("*"))) == (2, before)


def test_a_result_is_on_the_disk_when_it_is_declared_done(tmp_path, monkeypatch):
    synced, sync = [], os.fsync

    def watched(number):
        synced.append(os.fstat(number).st_ino)
        sync(number)

    monkeypatch.setattr(os, "fsync", watched)
    path = files.write_text(tmp_path / "row.json", "{}")
    assert synced == [path.stat().st_ino, tmp_path.stat().st_ino]


def test_another_containers_temporary_file_stays(tmp_path, monkeypatch):
    with monkeypatch.context() as container:
        container.setattr("platform.node", lambda: "container")
        writing = files.replacing(tmp_path / "shared")
        theirs = writing.__enter__()
    monkeypatch.setattr("psutil.pid_exists", lambda pid: False)  # its processes are not seen here
    with contextlib.closing(writing.gen):
        theirs.write_text("theirs")
        files.write_text(tmp_path / "shared", "mine")
        assert theirs.exists()


# What was tampered with

STATE = {
    "source": "songs", "profile": "quick", "n_tracks": 4, "n_labels": 2, "chance": 0.5,
    "notebooks": {}, "left_out": {},
}  # fmt: skip
ENTRY = {"title": "05 cnn", "error": "", "parameters": {"source": "songs"}}


@pytest.mark.parametrize(
    "changes",
    [
        {"source": 3},
        {"source": None},
        {"profile": "huge"},
        {"chance": "much"},
        {"chance": float("nan")},
        {"notebooks": []},
        {"notebooks": {"05_cnn.ipynb": {**ENTRY, "error": None}}},
        {"notebooks": {"05_cnn.ipynb": {**ENTRY, "parameters": {}}}},
        {"notebooks": {"05_cnn.ipynb": 1}},
        {"notebooks": {"../05_cnn.ipynb": ENTRY}},
        {"notebooks": {"05_' onclick='x.ipynb": ENTRY}},
        {"left_out": {"05_cnn.ipynb": "why"}},
        {"left_out": {"05_cnn.ipynb": ["05 cnn", 1]}},
    ],
    ids=str,
)
def test_a_run_that_was_tampered_with_is_refused(tmp_path, changes):
    (tmp_path / "run.json").write_text(json.dumps(STATE | changes))
    (tmp_path / "notebooks").mkdir()
    assert type(failure(lambda: book.write_sources(tmp_path, tmp_path / "sources"))) is str


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", "../../x"),
        ("source", ".."),
        ("note", "two\n| lines"),
        ("seed", 10**30),
        ("n_test", 10**400),
        ("track_accuracy", float("nan")),
        ("fit_seconds", float("inf")),
    ],
    ids=["path", "dots", "lines", "seed", "digits", "nan", "inf"],
)
def test_a_result_that_no_run_writes_is_refused(tmp_path, name, value):
    row = results.Row("slices_cnn", "songs", "logmel", 3.0, "track_random", 0, "measured",
                      track_accuracy=0.5)  # fmt: skip
    path = results.write_row(tmp_path / "results", row, key="k")
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    assert "not a result" in str(failure(lambda: results.read_run(tmp_path)))


def failure(call):
    """The message of an expected failure; any other error as it is."""
    try:
        return call()
    except GtzanError as error:
        return str(error)
    except Exception as error:
        return error
