"""What `gtzan check` finds: unreadable, odd, duplicate, missing and skipped files."""

import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from gtzan_helpers import audit, dataset
from gtzan_helpers.errors import NotPossibleError, SourceError

SR = 22_050


def tone(frequency, *, seconds=3.5, sr=SR):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)


def write(path, y, *, sr=SR):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, sr)
    return path


@pytest.fixture
def clean(tmp_path):
    """A folder of three sound recordings under two labels."""
    for frequency, name in ((300, "polka/p1"), (400, "polka/p2"), (500, "waltz/w1")):
        write(tmp_path / "songs" / f"{name}.wav", tone(frequency))
    return tmp_path / "songs"


def found(source):
    """Findings as a list of (fault, track, words)."""
    report = audit.check(source, jobs=1)
    return list(report.findings.itertuples(index=False, name=None))


def test_a_clean_folder_has_no_findings(clean):
    report = audit.check(clean, jobs=1)
    assert report.n_tracks == 3
    assert report.findings.empty
    assert report.skipped == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"a shopping list\n" * 99, "not audio"), (b"RIFF\x00\x00", "not audio")],
)
def test_a_file_that_cannot_be_read_is_unreadable(clean, content, reason):
    (clean / "polka" / "bad.wav").write_bytes(content)
    ((fault, track_id, what),) = found(clean)
    assert (fault, track_id) == ("unreadable", "bad")
    assert reason in what
    assert str(clean) not in what


@pytest.mark.parametrize(
    ("y", "reason"), [(np.zeros(4 * SR), "silent"), (tone(300, seconds=0.5), "lasts 0.50 s")]
)
def test_a_recording_that_is_of_no_use_is_unreadable(clean, y, reason):
    write(clean / "polka" / "bad.wav", y)
    ((fault, track_id, what),) = found(clean)
    assert (fault, track_id) == ("unreadable", "bad")
    assert reason in what


@pytest.mark.parametrize(
    ("y", "sr", "words"),
    [
        (tone(330, sr=48_000), 48_000, "48000 Hz, not 22050"),
        (np.stack([tone(330)] * 2, axis=1), SR, "2 channels"),
        (tone(330, seconds=2), SR, "lasts 2.00 s"),
        (np.clip(4 * tone(330), -1, 1), SR, "clipped"),
        (tone(330) + 0.1, SR, "DC offset of +0.100"),
    ],
    ids=["rate", "channels", "short", "clipped", "offset"],
)
def test_a_recording_that_is_odd_is_told_in_one_way(clean, y, sr, words):
    write(clean / "polka" / "odd.wav", y, sr=sr)
    ((fault, track_id, what),) = found(clean)
    assert (fault, track_id) == ("odd", "odd")
    assert words in what


def test_a_recording_that_is_odd_in_two_ways_has_two_findings(clean):
    write(clean / "polka" / "odd.wav", np.stack([tone(330, sr=44_100)] * 2, axis=1), sr=44_100)
    assert [fault for fault, *_ in found(clean)] == ["odd", "odd"]


def test_a_few_samples_at_full_scale_are_not_clipping(clean):
    y = tone(330)
    y[1000:1005] = 1
    write(clean / "polka" / "loud.wav", y)
    assert found(clean) == []


def test_the_same_bytes_twice_are_a_duplicate(clean):
    shutil.copy(clean / "polka" / "p1.wav", clean / "polka" / "p3.wav")
    assert found(clean) == [("duplicate", "p3", "the same music as p1")]


def test_the_same_bytes_under_two_labels_are_told_apart(clean):
    shutil.copy(clean / "polka" / "p1.wav", clean / "waltz" / "w2.wav")
    assert found(clean) == [("duplicate", "w2", "the same music as p1, under another label")]


def test_files_that_are_no_audio_are_skipped_not_faults(clean):
    for name in ("README.md", "notes.txt"):
        (clean / "polka" / name).write_text("words", encoding="utf-8")
    report = audit.check(clean, jobs=1)
    assert [path.name for path in report.skipped] == ["README.md", "notes.txt"]
    assert report.findings.empty
    assert report.n_tracks == 3


def test_hidden_files_are_not_even_skipped(clean):
    for name in (".DS_Store", "._p1.wav"):
        (clean / "polka" / name).write_bytes(b"x")
    assert audit.check(clean, jobs=1).skipped == []


def test_tracks_that_mini_lacks_are_missing(clean, tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path))
    shutil.copytree(clean, tmp_path / "mini" / "genres")
    assert found("mini") == [("missing", "-", "97 of mini's 100 tracks")]


def test_tracks_that_gtzan_lacks_are_missing_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path))
    write(tmp_path / "gtzan" / "genres" / "blues" / "blues.00000.wav", tone(300))
    with pytest.warns(UserWarning, match="named like GTZAN's"):
        missing = [track_id for fault, track_id, _ in found("gtzan") if fault == "missing"]
    assert len(missing) == 999
    assert "blues.00001" in missing
    assert "blues.00000" not in missing


def test_every_fault_of_a_folder_is_found_at_once(clean):
    (clean / "polka" / "a.wav").write_bytes(b"")
    write(clean / "waltz" / "b.wav", tone(300, seconds=2))
    shutil.copy(clean / "polka" / "p2.wav", clean / "waltz" / "c.wav")
    faults = {(fault, track_id) for fault, track_id, _ in found(clean)}
    assert faults == {("unreadable", "a"), ("odd", "b"), ("duplicate", "c")}


def test_the_exact_replicas_of_the_embedded_dataset_are_all_found():
    folder = dataset.resolve("synthetic", profile="smoke").path
    plan = pd.read_csv(folder / "plan.csv")
    planted = plan.track_id[plan.replica == "exact"]
    duplicates = {track_id for fault, track_id, _ in found(folder) if fault == "duplicate"}
    assert len(planted) > 0
    # Read as any folder, of two equal files the first by name passes for the original.
    assert duplicates <= set(planted) | set(plan.duplicate_of.dropna())
    assert len(duplicates) == len(planted)


def test_real_tracks_are_all_readable_and_different(real_data):
    report = audit.check(real_data / "gtzan_mini", jobs=1)
    assert report.n_tracks == 100
    assert set(report.findings.fault) <= {"odd"}


def test_a_pack_cannot_be_checked(real_data):
    with pytest.raises(NotPossibleError, match="is a pack; only audio can be checked"):
        audit.check(real_data / "gtzan_log_mel.npz")


def test_a_table_cannot_be_checked(tmp_path):
    (tmp_path / "t.csv").write_text("filename,label\n", encoding="utf-8")
    with pytest.raises(NotPossibleError, match="t is a table; only audio can be checked"):
        audit.check(tmp_path / "t.csv")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        audit.check(tmp_path / "nowhere")
