"""The loop over tracks: cached, parallel, every failure in a table."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from gtzan_helpers import datasets, workers
from gtzan_helpers.audio import FEATURE_SETS, tables
from gtzan_helpers.audio.analysis import Analysis, MelAnalysis
from gtzan_helpers.audio.feature_sets import FRAME_PERIOD, SegmentFeatures
from gtzan_helpers.audio.spectra import decode
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotPossibleError, SettingError

SR = 22_050


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that nothing else has written to."""
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def extract(source, feature_set="kaggle", *, profile="quick", **options):
    return open_source(source, profile=profile).features(feature_set, jobs=1, **options)


def sound(seed, *, seconds=4.0):
    """A tone that pulses twice a second in noise."""
    t = np.arange(round(seconds * SR)) / SR
    noise = np.random.default_rng(seed).standard_normal(t.size)
    pulse = np.exp(-6 * (t % 0.5))
    return 0.4 * pulse * np.sin(2 * np.pi * (200 + 90 * seed) * t) + 0.02 * noise


def chord(*, sr=SR):
    """Three seconds of the first twelve harmonics of 400 Hz: the same at every rate."""
    t = np.arange(3 * sr) / sr
    return 0.15 * sum(np.sin(2 * np.pi * 400 * k * t) / k for k in range(1, 13))


def write(path, y, *, sr=SR, subtype=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, y, sr, subtype=subtype)
    return path


@pytest.fixture
def four_songs(tmp_path):
    """Two labels of two songs, 4 to 7 s long."""
    root = tmp_path / "songs"
    for seed, name in enumerate(["polka/p1", "polka/p2", "waltz/w1", "waltz/w2"]):
        write(root / f"{name}.wav", sound(seed, seconds=4 + seed))
    return root


def entries(cache):
    """Files of the cache of features, and when each was written."""
    return {p: p.stat().st_mtime_ns for p in (cache / "features").rglob("*") if p.is_file()}


# Segments


def test_segments_are_counted_by_rounding_and_end_with_the_track(tmp_path):
    write(tmp_path / "a" / "x.wav", sound(1, seconds=10))
    segments = extract(tmp_path).segments
    assert segments.segment.tolist() == [0, 1, 2]
    assert segments.start_s.tolist() == pytest.approx([0, 3.5, 7])
    assert not segments.repeated.any()


def test_each_row_of_values_belongs_to_its_segment(tmp_path):
    write(tmp_path / "a" / "x.wav", np.concatenate([sound(1, seconds=3), sound(5, seconds=3)]))
    values = extract(tmp_path).values
    expected = tables.row(Analysis(sound(5, seconds=3).astype(np.float32), sr=SR), "kaggle")
    assert values[1] == pytest.approx(expected, rel=1e-2, abs=1e-3)
    assert values[0] != pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_two_seconds_are_one_segment_repeated_and_flagged(tmp_path):
    y = sound(1, seconds=2)
    write(tmp_path / "a" / "x.wav", y, subtype="FLOAT")
    features = extract(tmp_path)
    assert features.segments[["segment", "repeated"]].to_numpy().tolist() == [[0, True]]
    repeated = Analysis(np.resize(y, 3 * SR).astype(np.float32), sr=SR)
    assert features.values[0] == pytest.approx(tables.row(repeated, "kaggle"))


def test_zero_seconds_means_one_row_per_track(four_songs):
    features = extract(four_songs, segment_seconds=0)
    assert features.segments.track_id.tolist() == ["p1", "p2", "w1", "w2"]
    assert features.segments.genre.tolist() == ["polka", "polka", "waltz", "waltz"]
    assert features.segments.segment.tolist() == [0, 0, 0, 0]


def test_smoke_uses_six_seconds_of_a_recording(tmp_path):
    write(tmp_path / "a" / "x.wav", sound(1, seconds=12))
    assert len(extract(tmp_path, "logmel", profile="quick").segments) == 4
    assert len(extract(tmp_path, "logmel", profile="smoke").segments) == 2


@pytest.mark.parametrize("table", tables.TABLES)
def test_every_table_is_finite_and_has_its_columns(tmp_path, table):
    write(tmp_path / "a" / "x.wav", sound(1))
    features = extract(tmp_path, table)
    assert features.columns == tables.columns(table) and features.feature_set == table
    assert features.frame().columns[5:].tolist() == list(features.columns)
    assert features.values.shape == (len(features.segments), len(features.columns))
    assert np.isfinite(features.values).all()


def test_values_that_do_not_fit_the_segments_are_an_error(four_songs):
    features = extract(four_songs)
    with pytest.raises(ValueError, match=r"\d+ segments, but \d+ values"):
        replace(features, values=features.values[:-1])


# Formats and names


@pytest.mark.parametrize(
    ("sr", "channels", "subtype", "suffix"),
    [(48_000, 2, "PCM_24", "wav"), (44_100, 1, "FLOAT", "wav"), (22_050, 1, "PCM_16", "au")],
)
def test_other_formats_of_the_same_sound_give_nearly_the_same(
    tmp_path, sr, channels, subtype, suffix
):
    write(tmp_path / "plain" / "a" / "x.wav", chord())
    y = np.stack([chord(sr=sr)] * channels, axis=1)
    write(tmp_path / "other" / "a" / f"x.{suffix}", y, sr=sr, subtype=subtype)
    names = ["rms_mean", "spectral_centroid_mean", "spectral_bandwidth_mean", "chroma_stft_mean"]
    plain = extract(tmp_path / "plain").frame()[names].to_numpy()
    other = extract(tmp_path / "other").frame()[names].to_numpy()
    assert other == pytest.approx(plain, rel=0.05)


def test_eight_bits_give_the_same_loudness_and_chroma(tmp_path):
    # Not the same spectrum: their rounding adds noise to all of it.
    write(tmp_path / "a" / "coarse.wav", chord(), subtype="PCM_U8")
    write(tmp_path / "a" / "fine.wav", chord(), subtype="FLOAT")
    coarse, fine = extract(tmp_path).frame()[["rms_mean", "chroma_stft_mean"]].to_numpy()
    assert coarse == pytest.approx(fine, rel=0.05)


def test_stereo_is_used_as_the_mean_of_its_channels(tmp_path):
    left, right = sound(2), sound(3)
    write(tmp_path / "a" / "both.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    write(tmp_path / "a" / "mono.wav", (left + right) / 2, subtype="FLOAT")
    both, mono = extract(tmp_path, segment_seconds=0).values
    assert both == pytest.approx(mono, rel=1e-5)


# Cache


def test_a_second_run_computes_nothing(four_songs, own_cache):
    first = extract(four_songs)
    before = entries(own_cache)
    second = extract(four_songs)
    assert len(before) == 4
    assert entries(own_cache) == before
    assert np.array_equal(first.values, second.values)
    pd.testing.assert_frame_equal(first.segments, second.segments)


def test_the_cache_is_named_by_feature_set_version_and_settings(four_songs, own_cache):
    extract(four_songs, segment_seconds=3)
    extract(four_songs, segment_seconds=3.0)
    (folder,) = {path.parent.parent.name for path in entries(own_cache)}
    assert folder.startswith("kaggle-v1-") and len(folder) == len("kaggle-v1-") + 12
    whole = extract(four_songs, segment_seconds=0)
    assert len(entries(own_cache)) == 8
    assert len(whole.segments) == 4


def test_a_new_or_changed_track_computes_only_itself(four_songs, own_cache):
    first = extract(four_songs, segment_seconds=0)
    before = entries(own_cache)
    write(four_songs / "waltz" / "w3.wav", sound(9))
    write(four_songs / "polka" / "p1.wav", sound(7))
    second = extract(four_songs, segment_seconds=0)
    after = entries(own_cache)
    assert len(after) == 6
    assert before.items() <= after.items()
    assert not np.array_equal(first.values[0], second.values[0])
    assert np.array_equal(first.values[1:], second.values[1:4])


@pytest.mark.parametrize("damage", ["emptied", "cut short", "overwritten"])
def test_a_damaged_cache_entry_is_computed_again(four_songs, own_cache, damage):
    first = extract(four_songs)
    entry = sorted(entries(own_cache))[0]
    whole = entry.read_bytes()
    damaged = {"emptied": b"", "cut short": whole[: len(whole) // 2], "overwritten": b"x" * 99}
    entry.write_bytes(damaged[damage])
    second = extract(four_songs)
    assert np.array_equal(first.values, second.values)
    assert entry.read_bytes() == whole


def test_one_and_two_processes_give_equal_values(four_songs, tmp_path, monkeypatch):
    results = []
    monkeypatch.setattr(workers, "WORTH_PROCESSES", 0)
    for jobs in (1, 2):
        monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / f"cache{jobs}"))
        results.append(open_source(four_songs).features("kaggle", jobs=jobs))
        assert len(entries(tmp_path / f"cache{jobs}")) == 4
    assert np.array_equal(results[0].values, results[1].values)
    pd.testing.assert_frame_equal(results[0].segments, results[1].segments)


# Failures


def cut_in_half(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def write_bad_files(folder):
    """One of each kind of bad file; returns what the reason of each must say."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("a shopping list\n" * 99, encoding="utf-8")
    write(folder / "silent.wav", np.zeros(3 * SR))
    write(folder / "short.wav", sound(1, seconds=0.5))
    y = sound(1)
    y[1000] = np.nan
    write(folder / "nan.wav", y, subtype="FLOAT")
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    return {
        "empty": "empty",
        "text": "not audio",
        "silent": "silent",
        "short": "lasts 0.50 s",
        "nan": "not finite",
        "gone": "cannot be opened",
    }


def test_every_bad_file_is_in_the_failures_with_its_reason(four_songs):
    alone = extract(four_songs)
    expected = write_bad_files(four_songs / "polka")
    among = extract(four_songs)
    reasons = among.failures.set_index("track_id").reason.to_dict()
    assert reasons.keys() == expected.keys()
    assert {name for name in expected if expected[name] not in reasons[name]} == set()
    assert not any(str(four_songs) in reason for reason in reasons.values())
    assert {Path(path).stem for path in among.failures.path} == expected.keys()
    assert np.array_equal(alone.values, among.values)
    assert among.tracks.track_id.tolist() == ["p1", "p2", "w1", "w2"]


def test_a_file_that_is_cut_off_is_used_and_named(four_songs):
    whole = sound(1, seconds=6)
    for suffix in ("wav", "flac", "au"):  # the last is GTZAN's own format
        path = four_songs / "polka" / f"cut {suffix}.{suffix}"
        cut_in_half(write(path, whole, subtype="PCM_16"))
    features = extract(four_songs)
    assert features.failures.empty and len(features.tracks) == 7
    (remark,) = open_source(four_songs).remarks
    assert remark.startswith("not as expected: 3 recordings, the first: ")
    assert "cut off" in remark and "promises 6.0 s, the file holds 3.0 s" in remark


def test_a_track_that_needs_more_memory_than_there_is_is_a_failure(four_songs, own_cache):
    source, features = open_source(four_songs), None

    def describe(path, feature_set):
        size = 1 << 50 if path.endswith("p2.wav") else 57
        return SegmentFeatures(np.zeros(1), np.zeros((1, size)), repeated=False)

    with contextlib.suppress(MemoryError):
        features = datasets.extract(
            source, source.tracks.path, describe, FEATURE_SETS["kaggle"], {}, workers.Workers(1)
        )
    assert features is not None, "all is lost"
    assert features.tracks.track_id.tolist() == ["p1", "w1", "w2"]
    assert "needs more memory than there is" in features.failures.reason[0]


def test_a_failure_repaired_is_no_failure_any_more(four_songs):
    path = four_songs / "polka" / "p1.wav"
    good = path.read_bytes()
    path.write_bytes(b"")
    assert extract(four_songs).failures.track_id.tolist() == ["p1"]
    path.write_bytes(good)
    assert extract(four_songs).failures.empty


def test_a_source_of_bad_files_only_is_refused_in_one_line(tmp_path):
    write(tmp_path / "a" / "silent.wav", np.zeros(3 * SR))
    with pytest.raises(NotPossibleError, match=r"not one of 1 tracks .*: silent") as caught:
        extract(tmp_path)
    assert "\n" not in str(caught.value)


# Arrays


def test_the_log_mel_array_is_bytes_of_the_tracks_spectrogram():
    features = extract("synthetic", "log_mel", profile="smoke")
    assert features.values.shape == (80, 128, 39) and features.values.dtype == np.uint8
    assert features.columns == () and features.frame_period == FRAME_PERIOD
    assert features.values.max() == 255  # the loudest of a track is 0 dB


def test_mfcc_are_the_cosine_transform_of_the_log_mel():
    log_mel, mfcc = (
        extract("synthetic", name, profile="smoke").values for name in ("log_mel", "mfcc")
    )
    expected = MelAnalysis(decode(log_mel[7]), frame_rate=12.9).mfcc
    assert mfcc.dtype == np.float16
    assert np.abs(mfcc[7] - expected).max() < 3


def test_whole_tracks_get_one_length(four_songs):
    features = extract(four_songs, "log_mel", segment_seconds=0)
    lengths = [round(seconds / FRAME_PERIOD) for seconds in (4, 5, 6, 7)]
    assert features.values.shape[-1] == pytest.approx(np.median(lengths), abs=1)


def test_the_stacked_array_is_one_per_track(four_songs):
    features = extract(four_songs, "stacked", segment_seconds=0)
    assert features.values.shape == (4, 87, 256) and features.frame_period is None


@pytest.mark.parametrize("change", ["noise", "stretch"])
def test_augmented_copies_stand_in_the_same_order(change):
    plain = extract("synthetic", "mfcc", profile="smoke")
    copy = extract("synthetic", "mfcc", change=change, profile="smoke")
    assert copy.segments.equals(plain.segments) and copy.values.shape == plain.values.shape
    own = np.abs(copy.values.astype(float) - plain.values).mean(axis=(1, 2))
    other = np.abs(np.roll(copy.values, 4, axis=0).astype(float) - plain.values).mean(axis=(1, 2))
    assert (own > 0).all() and np.median(own) < np.median(other)


# Settings


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("spectral", {}, "'spectral' does not exist; choose from kaggle"),
        ("stacked", {"segment_seconds": 3}, "needs segment_seconds=0"),
        ("patches", {"segment_seconds": 0}, "needs segment_seconds=3"),
        (
            "kaggle",
            {"change": "pitch"},
            "copies are made of log_mel, mfcc, blocks, blocks_fast, not of 'kaggle'",
        ),
        ("mfcc", {"change": "reverb"}, "'reverb' does not exist; choose from pitch"),
    ],
)
def test_settings_that_are_not_possible_are_refused(name, options, words):
    with pytest.raises(SettingError, match=words):
        extract("synthetic", name, profile="smoke", **options)


@pytest.mark.parametrize("seconds", [-1, 0.01, 1e9, float("nan"), float("inf")])
def test_segments_of_an_impossible_length_are_refused(seconds):
    with pytest.raises(SettingError, match=r"is not possible: 0 for whole tracks, or 0\.1"):
        extract("synthetic", "logmel", segment_seconds=seconds, profile="smoke")
