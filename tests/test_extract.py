"""The loop over tracks: cached, parallel, every failure in a table, and files for others."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from gtzan_helpers import dataset, extract, features, packs, workers
from gtzan_helpers.errors import NotPossibleError, SettingError

SR = 22_050

KAGGLE_HEADER = [
    "filename",
    "length",
    *(
        f"{name}_{stat}"
        for name in (
            "chroma_stft",
            "rms",
            "spectral_centroid",
            "spectral_bandwidth",
            "rolloff",
            "zero_crossing_rate",
            "harmony",
            "perceptr",
        )
        for stat in ("mean", "var")
    ),
    "tempo",
    *(f"mfcc{k}_{stat}" for k in range(1, 21) for stat in ("mean", "var")),
    "label",
]
"""Header of features_30_sec.csv and features_3_sec.csv of the Kaggle release."""

UNLIKE_KAGGLE = ("harmony_mean", "perceptr_mean", "tempo")
"""Means of waveforms, which are all but zero, and a column of few distinct values."""


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that nothing else has written to."""
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def sound(seed, *, seconds=4.0, sr=SR):
    """A tone that pulses twice a second in noise."""
    t = np.arange(round(seconds * sr)) / sr
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
    result = extract.extract(tmp_path, jobs=1)
    assert result.segments.segment.tolist() == [0, 1, 2]
    assert result.segments.start_s.tolist() == pytest.approx([0, 3.5, 7])
    assert not result.segments.repeated.any()


def test_each_row_of_values_belongs_to_its_segment(tmp_path):
    write(tmp_path / "a" / "x.wav", np.concatenate([sound(1, seconds=3), sound(5, seconds=3)]))
    result = extract.extract(tmp_path, jobs=1)
    loudest = features.Analysis(sound(5, seconds=3).astype(np.float32), sr=SR)
    expected = features.row(loudest, "kaggle")
    assert result.values[1] == pytest.approx(expected, rel=1e-2, abs=1e-3)
    assert result.values[0] != pytest.approx(expected, rel=1e-2, abs=1e-3)


def test_two_seconds_are_one_segment_repeated_and_flagged(tmp_path):
    y = sound(1, seconds=2)
    write(tmp_path / "a" / "x.wav", y, subtype="FLOAT")
    result = extract.extract(tmp_path, jobs=1)
    assert result.segments[["segment", "repeated"]].to_numpy().tolist() == [[0, True]]
    repeated = features.Analysis(np.resize(y, 3 * SR).astype(np.float32), sr=SR)
    assert result.values[0] == pytest.approx(features.row(repeated, "kaggle"))


def test_zero_seconds_means_one_row_per_track(four_songs):
    result = extract.extract(four_songs, segment_seconds=0, jobs=1)
    assert result.segments.track_id.tolist() == ["p1", "p2", "w1", "w2"]
    assert result.segments.segment.tolist() == [0, 0, 0, 0]


def test_smoke_hears_six_seconds_of_a_recording(tmp_path):
    write(tmp_path / "a" / "x.wav", sound(1, seconds=12))
    assert len(extract.extract(tmp_path, profile="quick", jobs=1).segments) == 4
    assert len(extract.extract(tmp_path, profile="smoke", jobs=1).segments) == 2


@pytest.mark.parametrize("table", features.TABLES)
def test_every_table_is_finite_and_has_its_columns(tmp_path, table):
    write(tmp_path / "a" / "x.wav", sound(1))
    result = extract.extract(tmp_path, table, jobs=1)
    assert result.columns == features.columns(table)
    assert result.values.shape == (len(result.segments), len(result.columns))
    assert np.isfinite(result.values).all()


def test_the_stacked_array_is_one_per_track(four_songs):
    result = extract.extract(four_songs, "stacked", segment_seconds=0, jobs=1)
    assert result.values.shape == (4, 87, 1400)


def test_values_that_do_not_fit_the_segments_are_an_error(four_songs):
    result = extract.extract(four_songs, jobs=1)
    with pytest.raises(ValueError, match=r"\d+ segments, but \d+ values"):
        extract.Extraction(
            result.segments, result.values[:-1], result.columns, result.failures, result.tracks
        )


# Formats and names


@pytest.mark.parametrize(
    ("sr", "channels", "subtype", "suffix"),
    [
        (48_000, 2, "PCM_24", "wav"),
        (44_100, 1, "FLOAT", "wav"),
        (22_050, 1, "PCM_16", "au"),
        (44_100, 2, "PCM_16", "flac"),
    ],
)
def test_other_formats_of_the_same_sound_give_nearly_the_same(
    tmp_path, sr, channels, subtype, suffix
):
    write(tmp_path / "plain" / "a" / "x.wav", chord())
    y = np.stack([chord(sr=sr)] * channels, axis=1)
    write(tmp_path / "other" / "a" / f"x.{suffix}", y, sr=sr, subtype=subtype)
    names = ["rms_mean", "spectral_centroid_mean", "spectral_bandwidth_mean", "chroma_stft_mean"]
    plain = extract.extract(tmp_path / "plain", jobs=1).frame()[names].to_numpy()
    other = extract.extract(tmp_path / "other", jobs=1).frame()[names].to_numpy()
    assert other == pytest.approx(plain, rel=0.05)


def test_eight_bits_give_the_same_loudness_and_chroma(tmp_path):
    # Not the same spectrum: their rounding is heard as noise in all of it.
    write(tmp_path / "a" / "coarse.wav", chord(), subtype="PCM_U8")
    write(tmp_path / "a" / "fine.wav", chord(), subtype="FLOAT")
    names = ["rms_mean", "chroma_stft_mean"]
    coarse, fine = extract.extract(tmp_path, jobs=1).frame()[names].to_numpy()
    assert coarse == pytest.approx(fine, rel=0.05)


def test_stereo_is_heard_as_the_mean_of_its_channels(tmp_path):
    y = sound(2)
    write(tmp_path / "a" / "left.wav", np.stack([y, np.zeros_like(y)], axis=1), subtype="FLOAT")
    write(tmp_path / "a" / "mono.wav", 0.5 * y, subtype="FLOAT")
    left, mono = extract.extract(tmp_path, segment_seconds=0, jobs=1).values
    assert left == pytest.approx(mono, rel=1e-6)


def test_spaces_and_umlauts_in_names_are_kept(tmp_path):
    path = write(tmp_path / "Schöne Lieder" / "Über alle Berge.wav", sound(1))
    result = extract.extract(tmp_path, segment_seconds=0, jobs=1)
    assert result.segments[["track_id", "genre"]].to_numpy().tolist() == [
        ["Über alle Berge", "Schöne Lieder"]
    ]
    written = extract.write_csv(tmp_path / "Größen.csv", result, segment_seconds=0)
    assert pd.read_csv(written).filename.tolist() == [path.name]


# Cache


def test_a_second_run_computes_nothing(four_songs, own_cache):
    first = extract.extract(four_songs, jobs=1)
    before = entries(own_cache)
    second = extract.extract(four_songs, jobs=1)
    assert len(before) == 4
    assert entries(own_cache) == before
    assert np.array_equal(first.values, second.values)
    pd.testing.assert_frame_equal(first.segments, second.segments)


def test_a_new_track_computes_only_itself(four_songs, own_cache):
    extract.extract(four_songs, jobs=1)
    before = entries(own_cache)
    write(four_songs / "waltz" / "w3.wav", sound(9))
    extract.extract(four_songs, jobs=1)
    after = entries(own_cache)
    assert len(after) == 5
    assert before.items() <= after.items()


def test_other_settings_share_no_entries(four_songs, own_cache):
    extract.extract(four_songs, segment_seconds=3, jobs=1)
    whole = extract.extract(four_songs, segment_seconds=0, jobs=1)
    assert len(entries(own_cache)) == 8
    assert len(whole.segments) == 4


def test_a_changed_recording_is_computed_again(four_songs, own_cache):
    first = extract.extract(four_songs, segment_seconds=0, jobs=1)
    write(four_songs / "polka" / "p1.wav", sound(7))
    second = extract.extract(four_songs, segment_seconds=0, jobs=1)
    assert not np.array_equal(first.values[0], second.values[0])
    assert np.array_equal(first.values[1:], second.values[1:])


@pytest.mark.parametrize("damage", ["emptied", "cut short", "overwritten"])
def test_a_damaged_cache_entry_is_computed_again(four_songs, own_cache, damage):
    first = extract.extract(four_songs, jobs=1)
    entry = sorted(entries(own_cache))[0]
    whole = entry.read_bytes()
    damaged = {"emptied": b"", "cut short": whole[: len(whole) // 2], "overwritten": b"x" * 99}
    entry.write_bytes(damaged[damage])
    second = extract.extract(four_songs, jobs=1)
    assert np.array_equal(first.values, second.values)
    assert entry.read_bytes() == whole


def test_one_and_two_processes_give_equal_values(four_songs, tmp_path, monkeypatch):
    results = []
    monkeypatch.setattr(workers, "WORTH_PROCESSES", 0)
    for jobs in (1, 2):
        monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / f"cache{jobs}"))
        results.append(extract.extract(four_songs, jobs=jobs))
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
    for suffix in ("wav", "flac"):
        cut_in_half(write(folder / f"cut {suffix}.{suffix}", sound(1, seconds=6)))
    write(folder / "silent.wav", np.zeros(3 * SR))
    write(folder / "short.wav", sound(1, seconds=0.5))
    y = sound(1)
    y[1000] = np.nan
    write(folder / "nan.wav", y, subtype="FLOAT")
    return {
        "empty": "empty",
        "text": "not audio",
        "cut wav": "truncated",
        "cut flac": "not audio",
        "silent": "silent",
        "short": "lasts 0.50 s",
        "nan": "not finite",
    }


def test_every_bad_file_is_in_the_failures_with_its_reason(four_songs):
    expected = write_bad_files(four_songs / "polka")
    result = extract.extract(four_songs, jobs=1)
    reasons = result.failures.set_index("track_id").reason.to_dict()
    assert reasons.keys() == expected.keys()
    assert {name: expected[name] in reason for name, reason in reasons.items()} == dict.fromkeys(
        expected, True
    )
    assert {Path(path).stem for path in result.failures.path} == expected.keys()


def test_bad_files_do_not_touch_the_good_ones(four_songs):
    alone = extract.extract(four_songs, jobs=1)
    write_bad_files(four_songs / "polka")
    among = extract.extract(four_songs, jobs=1)
    assert np.array_equal(alone.values, among.values)
    assert among.tracks.track_id.tolist() == ["p1", "p2", "w1", "w2"]


def test_a_truncated_au_is_a_failure(four_songs):
    # GTZAN's own format; libsndfile reads what is left of one without a word.
    cut_in_half(write(four_songs / "polka" / "cut.au", sound(1, seconds=6), subtype="PCM_16"))
    failures = extract.extract(four_songs, jobs=1).failures
    assert failures.track_id.tolist() == ["cut"]
    assert "truncated" in failures.reason[0]


def test_a_reason_does_not_repeat_the_path(four_songs):
    (four_songs / "polka" / "empty.wav").write_bytes(b"")
    failures = extract.extract(four_songs, jobs=1).failures
    assert str(four_songs) not in failures.reason[0]
    assert failures.path[0] == str(four_songs / "polka" / "empty.wav")


def test_a_link_to_nowhere_is_a_failure(four_songs):
    (four_songs / "polka" / "gone.wav").symlink_to(four_songs / "nowhere.wav")
    failures = extract.extract(four_songs, jobs=1).failures
    assert failures.track_id.tolist() == ["gone"]
    assert "cannot be opened" in failures.reason[0]


def test_a_failure_repaired_is_no_failure_any_more(four_songs):
    path = four_songs / "polka" / "p1.wav"
    good = path.read_bytes()
    path.write_bytes(b"")
    assert extract.extract(four_songs, jobs=1).failures.track_id.tolist() == ["p1"]
    path.write_bytes(good)
    assert extract.extract(four_songs, jobs=1).failures.empty


def test_a_source_of_bad_files_only_is_refused_in_one_line(tmp_path):
    write(tmp_path / "a" / "silent.wav", np.zeros(3 * SR))
    with pytest.raises(NotPossibleError, match=r"not one of 1 tracks .*: silent") as caught:
        extract.extract(tmp_path, jobs=1)
    assert "\n" not in str(caught.value)


# Tables for others


def test_a_csv_has_the_header_of_the_kaggle_release(four_songs, tmp_path):
    result = extract.extract(four_songs, jobs=1)
    path = extract.write_csv(tmp_path / "t.csv", result, segment_seconds=3)
    assert path.read_text(encoding="utf-8").splitlines()[0].split(",") == KAGGLE_HEADER


def test_the_header_is_that_of_the_real_release(real_data):
    with (real_data / "features_30_sec.csv").open(encoding="utf-8") as file:
        assert file.readline().strip().split(",") == KAGGLE_HEADER


def test_segments_are_named_as_in_the_kaggle_release(tmp_path):
    write(tmp_path / "polka" / "polka.00000.wav", sound(1, seconds=6))
    result = extract.extract(tmp_path, jobs=1)
    table = pd.read_csv(extract.write_csv(tmp_path / "t.csv", result, segment_seconds=3))
    assert table.filename.tolist() == ["polka.00000.0.wav", "polka.00000.1.wav"]
    assert table.length.tolist() == [3 * SR, 3 * SR]
    assert table.label.tolist() == ["polka", "polka"]


def test_whole_tracks_have_plain_names_and_their_own_length(tmp_path):
    write(tmp_path / "polka" / "polka.00000.wav", sound(1, seconds=6))
    write(tmp_path / "polka" / "polka.00001.flac", sound(2, seconds=5, sr=44_100), sr=44_100)
    result = extract.extract(tmp_path, segment_seconds=0, jobs=1)
    table = pd.read_csv(extract.write_csv(tmp_path / "t.csv", result, segment_seconds=0))
    assert table.filename.tolist() == ["polka.00000.wav", "polka.00001.flac"]
    assert table.length.tolist() == [6 * SR, 5 * SR]


@pytest.mark.parametrize(
    ("table", "segment_seconds"), [("kaggle", 3), ("kaggle", 0), ("capstone", 3), ("logmel", 0)]
)
def test_a_written_csv_read_back_gives_the_same_values(
    four_songs, tmp_path, table, segment_seconds
):
    heard = extract.extract(four_songs, table, segment_seconds=segment_seconds, jobs=1)
    path = extract.write_csv(tmp_path / "t.csv", heard, segment_seconds=segment_seconds)
    read = extract.extract(path, table, segment_seconds=segment_seconds)
    names = ["track_id", "segment", "genre"]
    assert read.segments[names].to_numpy().tolist() == heard.segments[names].to_numpy().tolist()
    np.testing.assert_allclose(read.values, heard.values, rtol=1e-12)


def test_a_csv_of_songs_as_short_as_a_segment_reads_back_as_segments(tmp_path):
    write(tmp_path / "songs" / "polka" / "p1.wav", sound(1, seconds=3))
    heard = extract.extract(tmp_path / "songs", jobs=1)
    path = extract.write_csv(tmp_path / "t.csv", heard, segment_seconds=3)
    read = extract.extract(path, segment_seconds=3)
    np.testing.assert_allclose(read.values, heard.values, rtol=1e-12)


def test_a_table_of_a_table_is_named_as_the_first(four_songs, tmp_path):
    heard = extract.extract(four_songs, jobs=1)
    first = extract.write_csv(tmp_path / "first.csv", heard, segment_seconds=3)
    second = extract.write_csv(tmp_path / "2.csv", extract.extract(first), segment_seconds=3)
    assert pd.read_csv(second).filename.tolist() == pd.read_csv(first).filename.tolist()


@pytest.mark.parametrize("wanted", ["capstone", "full", "logmel"])
def test_a_table_asked_for_other_features_is_refused_in_one_line(four_songs, tmp_path, wanted):
    result = extract.extract(four_songs, jobs=1)
    path = extract.write_csv(tmp_path / "t.csv", result, segment_seconds=3)
    with pytest.raises(NotPossibleError, match=f"'{wanted}' needs audio; the table t") as caught:
        extract.extract(path, wanted)
    assert "\n" not in str(caught.value)


def test_a_table_asked_for_the_stacked_array_is_refused(four_songs, tmp_path):
    result = extract.extract(four_songs, jobs=1)
    path = extract.write_csv(tmp_path / "t.csv", result, segment_seconds=3)
    with pytest.raises(NotPossibleError, match="'stacked' needs audio"):
        extract.extract(path, "stacked", segment_seconds=0)


@pytest.mark.parametrize(("held", "asked"), [(3, 0), (0, 3)])
def test_a_table_asked_for_other_segments_is_refused(four_songs, tmp_path, held, asked):
    result = extract.extract(four_songs, segment_seconds=held, jobs=1)
    path = extract.write_csv(tmp_path / "t.csv", result, segment_seconds=held)
    holds = "segments" if held else "whole tracks"
    with pytest.raises(NotPossibleError, match=f"the table t holds {holds} only"):
        extract.extract(path, segment_seconds=asked)


# Packs for others


def test_a_written_pack_gives_nearly_the_values_of_the_audio(tmp_path):
    for seed in (1, 2):
        write(tmp_path / "songs" / "polka" / f"p{seed}.wav", sound(seed, seconds=6))
    failures = extract.write_pack(tmp_path / "p.npz", tmp_path / "songs", jobs=1)
    assert failures.empty
    heard = extract.extract(tmp_path / "songs", "logmel", jobs=1)
    packed = extract.extract(tmp_path / "p.npz", "logmel", jobs=1)
    assert packed.segments.track_id.tolist() == heard.segments.track_id.tolist()
    assert packed.segments.start_s.tolist() == pytest.approx(heard.segments.start_s.tolist())
    # A step of the pack's 8 bits is 0.31 dB, so 0.16 dB a band at most; MFCC sum 128 of them.
    bands = [name.startswith("mel") for name in heard.columns]
    assert packed.values[:, bands] == pytest.approx(heard.values[:, bands], abs=0.16)
    assert packed.values == pytest.approx(heard.values, abs=1.0)


def test_a_frame_period_thins_the_pack_out(tmp_path):
    write(tmp_path / "songs" / "polka" / "p.wav", sound(1, seconds=6))
    extract.write_pack(tmp_path / "p.npz", tmp_path / "songs", frame_period=0.0775, jobs=1)
    pack = packs.read(tmp_path / "p.npz")
    assert pack.frame_period == pytest.approx(0.0775)
    assert pack.stored.shape == (1, 128, pytest.approx(6 / 0.0775, abs=1))


def test_a_thinned_pack_keeps_frames_of_the_whole_one(tmp_path):
    write(tmp_path / "songs" / "polka" / "p.wav", sound(1, seconds=6))
    hop_s = 512 / SR
    for name, period in (("all", None), ("third", 3 * hop_s)):
        path = tmp_path / f"{name}.npz"
        extract.write_pack(path, tmp_path / "songs", frame_period=period, jobs=1)
    whole, third = packs.read(tmp_path / "all.npz"), packs.read(tmp_path / "third.npz")
    assert whole.frame_period == pytest.approx(hop_s)
    assert np.array_equal(third.stored, whole.stored[:, :, ::3])


def test_a_pack_lists_bad_files_and_holds_the_rest(four_songs, tmp_path):
    expected = write_bad_files(four_songs / "polka")
    failures = extract.write_pack(tmp_path / "p.npz", four_songs, jobs=1)
    assert set(failures.track_id) == expected.keys()
    assert packs.read(tmp_path / "p.npz").track_id.tolist() == ["p1", "p2", "w1", "w2"]


def test_a_second_run_over_a_pack_computes_nothing(four_songs, tmp_path, own_cache):
    extract.write_pack(tmp_path / "p.npz", four_songs, jobs=1)
    first = extract.extract(tmp_path / "p.npz", "logmel")
    before = entries(own_cache)
    second = extract.extract(tmp_path / "p.npz", "logmel")
    assert len(before) == 1
    assert entries(own_cache) == before
    assert np.array_equal(first.values, second.values)


def test_a_damaged_entry_of_a_pack_is_computed_again(four_songs, tmp_path, own_cache):
    extract.write_pack(tmp_path / "p.npz", four_songs, jobs=1)
    first = extract.extract(tmp_path / "p.npz", "logmel")
    (entry,) = entries(own_cache)
    entry.write_bytes(b"")
    assert np.array_equal(extract.extract(tmp_path / "p.npz", "logmel").values, first.values)


def test_a_pack_gives_the_stacked_array_at_its_own_frames(four_songs, tmp_path):
    extract.write_pack(tmp_path / "p.npz", four_songs, jobs=1)
    n_frames = packs.read(tmp_path / "p.npz").stored.shape[2]
    result = extract.extract(tmp_path / "p.npz", "stacked", segment_seconds=0)
    assert result.values.shape == (4, 87, n_frames)


@pytest.mark.parametrize("wanted", ["kaggle", "capstone", "full"])
def test_a_pack_asked_for_what_needs_audio_is_refused_in_one_line(four_songs, tmp_path, wanted):
    extract.write_pack(tmp_path / "p.npz", four_songs, jobs=1)
    with pytest.raises(NotPossibleError, match=f"'{wanted}' needs audio; the pack p") as caught:
        extract.extract(tmp_path / "p.npz", wanted)
    assert "\n" not in str(caught.value)


def test_a_pack_is_made_from_audio_only(four_songs, tmp_path):
    extract.write_pack(tmp_path / "p.npz", four_songs, jobs=1)
    with pytest.raises(NotPossibleError, match="made from audio; p is a pack"):
        extract.write_pack(tmp_path / "q.npz", tmp_path / "p.npz", jobs=1)
    assert not (tmp_path / "q.npz").exists()


# Settings


def test_an_unknown_table_is_refused(four_songs):
    with pytest.raises(SettingError, match="'spectral' does not exist; choose from kaggle"):
        extract.extract(four_songs, "spectral")


def test_the_stacked_array_of_segments_is_refused(four_songs):
    with pytest.raises(SettingError, match="use segment_seconds=0"):
        extract.extract(four_songs, "stacked", segment_seconds=3)


# Against the real release


def median_differences(real_data, folder):
    """Median over tracks of each kaggle column's relative difference from the release's."""
    ours = extract.extract(folder, "kaggle", segment_seconds=0, jobs=1)
    rows, _ = dataset.read_table(real_data / "features_30_sec.csv")
    theirs = rows.set_index("track_id").loc[ours.segments.track_id, list(ours.columns)].to_numpy()
    differences = np.median(np.abs(ours.values - theirs) / np.abs(theirs), axis=0)
    return pd.Series(differences, index=list(ours.columns)).drop(list(UNLIKE_KAGGLE))


def test_whole_tracks_agree_with_the_kaggle_release(real_data, tmp_path):
    for folder in sorted((real_data / "gtzan_mini" / "genres").iterdir()):
        for path in sorted(folder.glob("*.wav"))[:2]:
            (tmp_path / "some" / folder.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "some" / folder.name)
    differences = median_differences(real_data, tmp_path / "some")
    assert differences[differences > 0.01].to_dict() == {}


@pytest.mark.slow
def test_all_hundred_tracks_agree_with_the_kaggle_release(real_data):
    differences = median_differences(real_data, real_data / "gtzan_mini")
    assert differences[differences > 0.01].to_dict() == {}


# Arrays


def test_the_log_mel_array_is_bytes_of_the_tracks_spectrogram():
    found = extract.extract("synthetic", "log_mel", segment_seconds=3.0, profile="smoke")
    assert found.values.shape == (80, 128, 39) and found.values.dtype == np.uint8
    assert found.columns == () and found.frame_period == extract.FRAME_PERIOD
    assert found.values.max() == 255  # the loudest of a track is 0 dB


def test_audio_and_a_pack_made_of_it_give_the_same_arrays(tmp_path):
    extract.write_pack(
        tmp_path / "p.npz", "synthetic", profile="smoke", frame_period=extract.FRAME_PERIOD
    )
    for what in ("log_mel", "mfcc"):
        audio, pack = (
            extract.extract(source, what, segment_seconds=3.0, profile="smoke")
            for source in ("synthetic", str(tmp_path / "p.npz"))
        )
        difference = np.abs(audio.values.astype(float) - pack.values)
        assert audio.values.shape == pack.values.shape
        assert np.quantile(difference, 0.99) <= (0 if what == "log_mel" else 1.5)


def test_mfcc_are_the_cosine_transform_of_the_log_mel():
    log_mel, mfcc = (
        extract.extract("synthetic", what, segment_seconds=3.0, profile="smoke").values
        for what in ("log_mel", "mfcc")
    )
    decoded = packs.decode(log_mel[7], *extract.DB_RANGE)
    expected = features.LogMel(decoded, frame_rate=12.9).mfcc
    assert mfcc.dtype == np.float16
    assert np.abs(mfcc[7] - expected).max() < 3


def test_whole_tracks_get_one_length():
    found = extract.extract("synthetic", "log_mel", segment_seconds=0, profile="smoke")
    assert found.values.shape == (40, 128, 78)


@pytest.mark.parametrize("change", ["pitch", "gain", "noise", "stretch"])
def test_changed_copies_stand_in_the_same_order(change):
    plain = extract.extract("synthetic", "mfcc", segment_seconds=3.0, profile="smoke")
    copy = extract.extract("synthetic", "mfcc", segment_seconds=3.0, change=change, profile="smoke")
    assert copy.segments.equals(plain.segments) and copy.values.shape == plain.values.shape
    own = np.abs(copy.values.astype(float) - plain.values).mean(axis=(1, 2))
    other = np.abs(np.roll(copy.values, 4, axis=0).astype(float) - plain.values).mean(axis=(1, 2))
    assert (own > 0).all() and np.median(own) < np.median(other)


def test_copies_of_tables_and_unknown_changes_are_refused():
    with pytest.raises(SettingError, match="copies are made of log_mel and mfcc, not of 'kaggle'"):
        extract.extract("synthetic", "kaggle", change="pitch", profile="smoke")
    with pytest.raises(SettingError, match="'reverb' does not exist; choose from pitch"):
        extract.extract("synthetic", "mfcc", change="reverb", profile="smoke")


# Lengths and periods that cannot be


@pytest.mark.parametrize("seconds", [-1, 0.01, 1e-5, 1e9, float("nan"), float("inf")])
def test_segments_of_an_impossible_length_are_refused(four_songs, seconds):
    with pytest.raises(SettingError, match=r"is not possible: 0 for whole tracks, or 0\.1"):
        extract.extract(four_songs, "logmel", segment_seconds=seconds, jobs=1)


@pytest.mark.parametrize("period", [0.001, 100.0, float("nan"), float("inf")])
def test_a_pack_of_an_impossible_frame_period_is_refused(four_songs, tmp_path, period):
    with pytest.raises(SettingError, match="is not possible"):
        extract.write_pack(tmp_path / "p.npz", four_songs, frame_period=period, jobs=1)
    assert not (tmp_path / "p.npz").exists()


def test_a_pack_has_the_ending_of_one(four_songs, tmp_path):
    with pytest.raises(SettingError, match=r"a pack's name ends in \.npz"):
        extract.write_pack(tmp_path / "pack", four_songs, jobs=1)
    assert not any(path.name.startswith(".pack") for path in tmp_path.iterdir())


def test_a_table_of_other_segments_is_refused(four_songs, tmp_path):
    heard = extract.extract(four_songs, segment_seconds=1, jobs=1)
    path = extract.write_csv(tmp_path / "t.csv", heard, segment_seconds=1)
    with pytest.raises(NotPossibleError, match="holds segments of 1 s, not of 3 s"):
        extract.extract(path, segment_seconds=3)
