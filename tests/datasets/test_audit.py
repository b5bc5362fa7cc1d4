"""What `gtzan check` finds: unreadable, odd, duplicate, missing, wrong and skipped files."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from test_download import FIRST, SECOND, TRACKS, known_tracks  # noqa: F401

from gtzan_helpers.audio import reading
from gtzan_helpers.audio.feature_sets import feature_set
from gtzan_helpers.datasets import audit
from gtzan_helpers.datasets.embedded.artists import draw_song
from gtzan_helpers.datasets.embedded.playing import play
from gtzan_helpers.datasets.facts import gtzan_facts
from gtzan_helpers.datasets.kinds.packs import write_pack
from gtzan_helpers.datasets.sources import open_source
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


def findings(source):
    """Findings as a list of (fault, track, description)."""
    return list(audit.check(source, jobs=1).findings.itertuples(index=False, name=None))


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
    ((fault, track_id, text),) = findings(clean)
    assert (fault, track_id) == ("unreadable", "bad")
    assert reason in text
    assert str(clean) not in text


@pytest.mark.parametrize(
    ("y", "reason"), [(np.zeros(4 * SR), "silent"), (tone(300, seconds=0.5), "lasts 0.50 s")]
)
def test_a_recording_that_is_of_no_use_is_unreadable(clean, y, reason):
    write(clean / "polka" / "bad.wav", y)
    ((fault, track_id, text),) = findings(clean)
    assert (fault, track_id) == ("unreadable", "bad")
    assert reason in text


@pytest.mark.parametrize(
    ("y", "sr", "words"),
    [
        (tone(330, sr=48_000), 48_000, "48000 Hz, not 22050"),
        (np.stack([tone(330)] * 2, axis=1), SR, "2 channels"),
        (tone(330, seconds=2), SR, "lasts 2.00 s"),
        (np.clip(4 * tone(330), -1, 1), SR, "clipped"),
        (tone(330) + 0.1, SR, "DC offset of +0.100"),
        (np.append(tone(330), np.zeros(3 * SR)), SR, "silent for 3.0 s of 6.5 s"),
    ],
    ids=["rate", "channels", "short", "clipped", "offset", "silent"],
)
def test_an_odd_recording_is_reported_once_for_its_oddity(clean, y, sr, words):
    write(clean / "polka" / "odd.wav", y, sr=sr)
    ((fault, track_id, text),) = findings(clean)
    assert (fault, track_id) == ("odd", "odd")
    assert words in text


def test_a_recording_that_is_odd_in_two_ways_has_two_findings(clean):
    write(clean / "polka" / "odd.wav", np.stack([tone(330, sr=44_100)] * 2, axis=1), sr=44_100)
    assert [fault for fault, *_ in findings(clean)] == ["odd", "odd"]


def test_a_few_samples_at_full_scale_are_not_clipping(clean):
    y = tone(330)
    y[1000:1005] = 1
    write(clean / "polka" / "loud.wav", y)
    assert findings(clean) == []


def test_identical_files_are_duplicates_and_other_labels_are_pointed_out(clean):
    shutil.copy(clean / "polka" / "p1.wav", clean / "polka" / "p3.wav")
    shutil.copy(clean / "polka" / "p1.wav", clean / "waltz" / "w2.wav")
    assert findings(clean) == [
        ("duplicate", "p3", "the same music as p1"),
        ("duplicate", "w2", "the same music as p1, under another label"),
    ]


def test_files_that_are_not_audio_are_skipped_and_hidden_files_are_not_even_mentioned(clean):
    for name in ("README.md", "notes.txt", ".DS_Store", "._p1.wav"):
        (clean / "polka" / name).write_text("words", encoding="utf-8")
    report = audit.check(clean, jobs=1)
    assert [path.name for path in report.skipped] == ["README.md", "notes.txt"]
    assert report.findings.empty
    assert report.n_tracks == 3


def test_music_outside_the_labels_folders_is_skipped(labelled_folder):
    root = labelled_folder(seconds=3.0)
    for place in ("top.wav", "tone/deeper/lost.wav"):
        (root / place).parent.mkdir(exist_ok=True)
        shutil.copy(root / "tone" / "tone.00000.wav", root / place)
    assert audit.check(root, jobs=1).skipped == [root / "tone/deeper/lost.wav", root / "top.wav"]


@pytest.mark.parametrize(("name", "n_tracks"), [("mini", 100), ("gtzan", 1000)])
def test_tracks_that_a_dataset_lacks_are_missing_by_name(tmp_path, monkeypatch, name, n_tracks):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path))
    write(tmp_path / name / "genres" / "blues" / "blues.00000.wav", tone(300))
    missing = {track_id for fault, track_id, _ in findings(name) if fault == "missing"}
    assert len(missing) == n_tracks - 1
    assert missing.isdisjoint({"blues.00000", "-"})
    assert ("jazz.00011" in missing, "jazz.00003" in missing) == (True, name == "gtzan")


@pytest.mark.parametrize("name", ["mini", "gtzan"])
def test_wrong_tracks_of_a_dataset_are_named(known_tracks, tmp_path, monkeypatch, name):  # noqa: F811
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path))
    songs = {FIRST: TRACKS[FIRST], SECOND: b"another", "genres/jazz/own.wav": b"song"}
    for place, content in songs.items():
        (tmp_path / name / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / place).write_bytes(content)
    wrong = [track_id for fault, track_id, _ in findings(name) if fault == "wrong"]
    assert wrong == ["jazz.00000", "own"]
    (tmp_path / name / SECOND).write_bytes(TRACKS[SECOND])
    (tmp_path / name / "genres/jazz/own.wav").unlink()
    kinds = {fault for fault, _, _ in findings(name)}
    assert kinds - {"odd"} == ({"missing"} if name == "gtzan" else set())  # jazz.00054


def test_exchanged_tracks_are_wrong_ones(known_tracks, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path))
    for place, content in ((FIRST, TRACKS[SECOND]), (SECOND, TRACKS[FIRST])):
        (tmp_path / "mini" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mini" / place).write_bytes(content)
    wrong = [track_id for fault, track_id, _ in findings("mini") if fault == "wrong"]
    assert wrong == ["blues.00000", "jazz.00000"]


@pytest.mark.parametrize("name", ["mini", "gtzan"])
def test_of_a_folder_that_is_only_called_so_nothing_is_expected(clean, tmp_path, name):
    clean.rename(tmp_path / name)
    assert findings(tmp_path / name) == []


def test_every_fault_of_a_folder_is_found_at_once(clean):
    (clean / "polka" / "a.wav").write_bytes(b"")
    write(clean / "waltz" / "b.wav", tone(300, seconds=2))
    shutil.copy(clean / "polka" / "p2.wav", clean / "waltz" / "c.wav")
    faults = {(fault, track_id) for fault, track_id, _ in findings(clean)}
    assert faults == {("unreadable", "a"), ("odd", "b"), ("duplicate", "c")}


# Near duplicates


@pytest.fixture(scope="module")
def song():
    return play(draw_song("blues", 0, 0, seed=1), 8.0)


def test_a_song_that_was_cut_scaled_and_encoded_again_is_a_near_duplicate(clean, song):
    write(clean / "polka" / "a.wav", song)
    y = reading.resample(0.3 * song[2 * SR :], sr=SR, target_sr=16_000)
    write(clean / "polka" / "b.mp3", y, sr=16_000)
    write(clean / "waltz" / "c.ogg", song)
    (odd, *near) = findings(clean)
    assert odd[:2] == ("odd", "b")
    assert [finding[:2] for finding in near] == [("near replica", "b"), ("near replica", "c")]
    assert re.fullmatch(
        r"sounds like a \(bit error rate 0\.\d\d, shifted by \+2\.\d s\)", near[0][2]
    )
    assert near[1][2].endswith("shifted by +0.0 s), under another label")


def test_an_exact_duplicate_is_not_reported_as_a_near_one_too(clean, song):
    write(clean / "polka" / "a.wav", song)
    write(clean / "polka" / "b.wav", 0.5 * song)
    shutil.copy(clean / "polka" / "a.wav", clean / "polka" / "c.wav")
    assert [finding[:2] for finding in findings(clean)] == [
        ("duplicate", "c"),
        ("near replica", "b"),
    ]


def test_of_several_near_duplicates_the_most_similar_is_named(clean, song):
    write(clean / "polka" / "a.mp3", song)
    write(clean / "polka" / "b.wav", 0.5 * song)
    write(clean / "polka" / "c.wav", song)
    assert [text.split()[2] for *_, text in findings(clean)] == ["a", "b"]


def pairs_found(source):
    """Pairs of duplicates among the findings, by kind."""
    pairs = {"duplicate": set(), "near replica": set()}
    for fault, track_id, text in findings(source):
        if fault in pairs:
            pairs[fault].add((re.search(r"(?:as|like) ([^ ,]+)", text)[1], track_id))
    return pairs


def pairs_planned(plan, kind):
    """Pairs of tracks of the same song in a plan, the later one a duplicate of that kind."""
    songs = plan.groupby("song").track_id.agg(sorted)
    exact = set(plan.track_id[plan.replica != "near"])
    pairs = {(ids[0], later) for ids in songs for later in ids[1:]}
    return {pair for pair in pairs if ("exact" if set(pair) <= exact else "near") == kind}


def test_exactly_the_duplicates_of_the_embedded_dataset_are_found_in_audio_and_in_packs(tmp_path):
    folder = open_source("synthetic", profile="smoke").path
    plan = pd.read_csv(folder / "plan.csv")
    pairs = pairs_found(folder)
    assert pairs["duplicate"] == pairs_planned(plan, "exact") != set()
    assert pairs["near replica"] == pairs_planned(plan, "near") != set()

    write_pack(tmp_path / "p.npz", folder, frame_period=0.0775, jobs=1)
    assert pairs_found(tmp_path / "p.npz") == pairs
    report = audit.check(tmp_path / "p.npz")
    assert report.n_tracks == 40 and report.skipped == []
    assert "a pack holds no sound" in report.left_out


def test_real_tracks_are_all_readable_and_different(real_data):
    report = audit.check(real_data / "gtzan_mini", jobs=1)
    assert report.n_tracks == 100
    assert set(report.findings.fault) <= {"odd"}


def test_the_real_pack_holds_the_known_duplicates_and_others_by_the_same_artists(real_data):
    source = real_data / "gtzan_log_mel.npz"
    pairs = pairs_found(source)
    facts = gtzan_facts().set_index("track_id")
    present = open_source(source).tracks.track_id
    known = facts.loc[present].duplicate_of.dropna()
    known = known[known.isin(present)]
    assert pairs["duplicate"] == set(zip(known, known.index, strict=True))
    near = np.array(sorted(pairs["near replica"]))
    assert len(near) > 30
    artists = facts.artist_group
    assert (artists[near[:, 0]].to_numpy() == artists[near[:, 1]].to_numpy()).all()
    listed = facts.sturm_removed[near[:, 0]].to_numpy() | facts.sturm_removed[near[:, 1]].to_numpy()
    assert listed.mean() > 0.9


# What cannot be checked


def test_a_table_cannot_be_checked(tmp_path):
    table = pd.DataFrame(0.0, index=range(2), columns=list(feature_set("kaggle").columns))
    table.assign(filename=["a.wav", "b.wav"], label=["a", "b"]).to_csv(
        tmp_path / "t.csv", index=False
    )
    with pytest.raises(NotPossibleError, match=r"t \(table\): only audio and packs are checked"):
        audit.check(tmp_path / "t.csv")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        audit.check(tmp_path / "nowhere")


def test_similar_tracks_are_the_duplicates_that_the_embedded_dataset_knows():
    source = open_source("synthetic", profile="smoke")
    table = audit.similar(source, audit.check(source).fingerprints)
    known = source.tracks.duplicate_of.notna().sum()
    assert len(table) == known == table.known.sum() and table.bits.is_monotonic_decreasing
    assert table.bits.max() <= audit.DUPLICATE_ERROR_RATE
