"""Feature sets: segments, shapes, refusals, and values that belong to a version."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from gtzan_helpers.audio import feature_sets, segments, spectra, tables
from gtzan_helpers.audio.analysis import Analysis, MelAnalysis
from gtzan_helpers.audio.feature_sets import FEATURE_SETS, FRAME_PERIOD, feature_set
from gtzan_helpers.errors import NotPossibleError, SettingError

SR = 22_050
STORED = Path(__file__).with_name("stored_features.json")
OF_AUDIO = [name for name, each in FEATURE_SETS.items() if each.can_use_audio]
OF_LOG_MEL = [name for name, each in FEATURE_SETS.items() if each.can_use_log_mel]


def seconds_of(name):
    only = FEATURE_SETS[name].only_segment_seconds
    return 3.0 if only is None else only


def from_audio(name, y, **settings):
    settings = {"segment_seconds": seconds_of(name), **settings}
    return feature_set(name).from_audio(y, sr=SR, **settings)


def from_log_mel(name, y, **settings):
    """Features of a log-mel spectrogram as a pack stores it."""
    log_mel = spectra.track_log_mel(y, sr=SR)
    thinned = log_mel[:, segments.kept_frames(log_mel.shape[1], FRAME_PERIOD * SR / 512)]
    settings = {"segment_seconds": seconds_of(name), **settings}
    return feature_set(name).from_log_mel(
        spectra.decode(spectra.encode(thinned)),
        frame_rate=1 / FRAME_PERIOD,
        sr=SR,
        n_fft=2048,
        **settings,
    )


# Values that belong to a version


def describe():
    """Values of every feature set for one signal: of each segment's first, averaged over time."""
    t = np.arange(4 * SR) / SR
    tones = sum(np.sin(2 * np.pi * k * (180 + 40 * t) * t) / k for k in range(1, 12))
    noise = np.random.default_rng(0).standard_normal(t.size)
    y = (0.2 * tones + 0.3 * noise * np.exp(-20 * (t % 0.5))).astype(np.float32)
    described = {}
    for origin, names, compute in (
        ("audio", OF_AUDIO, from_audio),
        ("log-mel", OF_LOG_MEL, from_log_mel),
    ):
        for name in names:
            values = compute(name, y).values[0].astype(float)
            row = values if values.ndim == 1 else values.mean(axis=-1)
            described[f"{name} of {origin}, version {FEATURE_SETS[name].version}"] = row
    return described


def store():
    """Write the file of stored values anew.

    For a new feature set, or when a formula was changed and the version of its set raised; in
    this folder: ``python -c "import test_feature_sets; test_feature_sets.store()"``.
    """
    lines = [
        f"{json.dumps(name)}: {json.dumps([float(f'{value:.6g}') for value in row])}"
        for name, row in describe().items()
    ]
    STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def test_values_change_with_the_version_only():
    stored, described = json.loads(STORED.read_text(encoding="utf-8")), describe()
    assert stored.keys() == described.keys(), store.__doc__
    for name, row in described.items():
        np.testing.assert_allclose(row, stored[name], rtol=1e-3, atol=1e-4, err_msg=name)


# Segments


def test_segments_end_with_the_track_and_each_row_belongs_to_its_own(song):
    features = from_audio("kaggle", np.concatenate([song, 0.1 * song]), segment_seconds=3)
    assert features.starts_s.tolist() == pytest.approx([0, 3.47, 6.94], abs=0.01)
    assert not features.repeated
    last = Analysis(0.1 * song[-3 * SR :], sr=SR)
    assert features.values[2] == pytest.approx(tables.row(last, "kaggle"), rel=1e-6)


def test_short_audio_is_repeated_to_the_length_of_a_segment(noise):
    features = from_audio("kaggle", noise[: 2 * SR])
    assert features.repeated and features.starts_s.tolist() == [0]
    repeated = Analysis(np.resize(noise[: 2 * SR], 3 * SR), sr=SR)
    assert features.values[0] == pytest.approx(tables.row(repeated, "kaggle"))


@pytest.mark.parametrize("name", OF_AUDIO)
def test_a_feature_set_has_its_columns_or_shape(song, name):
    features = from_audio(name, song)
    n_segments = 1 if seconds_of(name) == 0 else 2
    shapes = {
        "log_mel": (128, 39), "mfcc": (20, 39), "stacked": (87, 233), "patches": (187, 96),
    }  # fmt: skip
    columns = FEATURE_SETS[name].columns
    shape = (len(columns),) if columns else shapes[name]
    assert features.values.shape == (n_segments, *shape)
    assert np.isfinite(features.values).all()


def test_a_copy_with_fewer_columns_computes_these(song):
    columns = ("rms_mean", "tempo")
    whole = from_audio("kaggle", song)
    few = dataclasses.replace(feature_set("kaggle"), columns=columns)
    values = few.from_audio(song, sr=SR, segment_seconds=3).values
    places = [feature_set("kaggle").columns.index(name) for name in columns]
    assert values.tolist() == whole.values[:, places].tolist()


# Arrays


def test_the_log_mel_is_bytes_and_its_cosine_transform_the_mfcc(song):
    log_mel, mfcc = (from_audio(name, song).values for name in ("log_mel", "mfcc"))
    assert log_mel.dtype == np.uint8 and mfcc.dtype == np.float16
    assert log_mel.max() == 255  # the maximum of a track is 0 dB
    expected = MelAnalysis(spectra.decode(log_mel[1]), frame_rate=1 / FRAME_PERIOD).mfcc
    assert np.abs(mfcc[1] - expected).max() < 3


@pytest.mark.parametrize("name", ["log_mel", "mfcc"])
def test_audio_and_its_log_mel_give_the_same_arrays(song, name):
    audio, log_mel = from_audio(name, song), from_log_mel(name, song)
    assert audio.values.shape == log_mel.values.shape
    assert audio.starts_s.tolist() == log_mel.starts_s.tolist()
    difference = np.abs(audio.values.astype(float) - log_mel.values)
    assert np.quantile(difference, 0.99) <= (0 if name == "log_mel" else 1.5)


def test_a_log_mel_gives_the_stacked_array_and_patches_at_its_own_frames(song):
    assert from_log_mel("stacked", song).values.shape == (1, 87, 65)
    assert from_log_mel("patches", song).values.shape == (2, 187, 96)


def test_arrays_with_the_frames_of_a_log_mel_are_known():
    framed = {each.name: (each.framed(False), each.framed(True)) for each in FEATURE_SETS.values()}
    assert framed.pop("log_mel") == framed.pop("mfcc") == (True, True)
    assert framed.pop("stacked") == (False, True)
    assert set(framed.values()) == {(False, False)}


# Augmented copies


@pytest.mark.parametrize("compute", [from_audio, from_log_mel])
@pytest.mark.parametrize("change", ["pitch", "gain", "noise", "stretch"])
def test_augmented_copies_stand_in_the_order_of_their_originals(song, change, compute):
    y = np.concatenate([song, song[::-1]])
    plain = compute("mfcc", y)
    copy = compute("mfcc", y, change=change)
    assert copy.values.shape == plain.values.shape
    assert copy.starts_s.tolist() == plain.starts_s.tolist()
    assert np.array_equal(compute("mfcc", y, change=change).values, copy.values)
    own, other = (
        np.abs(values.astype(float) - plain.values).mean(axis=(1, 2))
        for values in (copy.values, copy.values[::-1])
    )
    assert own.any() and own.sum() < other.sum()


# Refusals


def test_copies_of_tables_and_unknown_changes_are_refused(noise):
    with pytest.raises(
        SettingError, match="copies are made of log_mel, mfcc, blocks, blocks_fast, not"
    ):
        from_audio("kaggle", noise, change="pitch")
    with pytest.raises(SettingError, match="'reverb' does not exist; choose from pitch"):
        from_audio("mfcc", noise, change="reverb")


def test_lengths_of_segments_that_a_set_does_not_allow_are_refused():
    with pytest.raises(SettingError, match="segment_seconds=3: 'stacked' needs segment_seconds=0"):
        feature_set("stacked").check(3)
    with pytest.raises(SettingError, match="segment_seconds=0: 'patches' needs segment_seconds=3"):
        feature_set("patches").check(0)


@pytest.mark.parametrize("seconds", [-1, 0.01, 1e9, float("nan"), float("inf")])
def test_segments_of_an_impossible_length_are_refused(seconds):
    with pytest.raises(SettingError, match=r"is not possible: 0 for whole tracks, or 0\.1"):
        feature_set("logmel").check(seconds)


def test_features_that_cannot_be_computed_are_refused(noise):
    with pytest.raises(NotPossibleError, match="'kaggle' cannot be computed from a log-mel"):
        from_log_mel("kaggle", noise)
    with pytest.raises(NotPossibleError, match="'pictures' cannot be computed from audio"):
        from_audio("pictures", noise)


def test_an_unknown_feature_set_is_refused_with_those_that_exist():
    with pytest.raises(SettingError, match="'magic' does not exist; choose from kaggle, capstone"):
        feature_set("magic")
    assert set(feature_sets.TABLE_SETS) == set(tables.TABLES)
