"""Augmentations and corruptions: known signals, before and after."""

import random

import numpy as np
import pytest

from gtzan_helpers.audio import changes
from gtzan_helpers.audio.feature_sets import feature_set
from gtzan_helpers.errors import SettingError

SR = 22_050
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * SR) / SR)).astype(np.float32)


def pitch(y):
    spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size)))
    return np.fft.rfftfreq(y.size, 1 / SR)[spectrum.argmax()]


def changed(change, seed=1):
    return changes.augment(TONE, sr=SR, change=change, seed=seed)


@pytest.fixture
def log_mel(rng):
    values = rng.uniform(-60, -20, (64, 40)).astype(np.float32)
    values[20] = 0.0  # one loud band
    return values


# Augmented audio


@pytest.mark.parametrize("change", changes.AUGMENTATIONS)
def test_augmented_audio_keeps_its_length_and_differs(change):
    y = changed(change)
    assert y.shape == TONE.shape and y.dtype == np.float32 and np.isfinite(y).all()
    assert not np.array_equal(y, TONE)
    assert np.array_equal(changed(change), y)
    assert not np.array_equal(changed(change), changed(change, seed=2))


def test_pitch_moves_by_at_most_two_semitones_and_stretching_leaves_it():
    shifts = [12 * np.log2(pitch(changed("pitch", seed)) / 440) for seed in range(6)]
    assert 0.3 < np.abs(shifts).max() < 2.2
    assert abs(12 * np.log2(pitch(changed("stretch")) / 440)) < 0.1


def test_gain_scales_and_noise_lies_below_the_music():
    ratio = changed("gain") / np.where(np.abs(TONE) > 0.01, TONE, np.nan)
    assert np.nanstd(ratio) < 1e-3 and 0.5 <= np.nanmean(ratio) <= 2
    noise = changed("noise") - TONE
    snr = 20 * np.log10(TONE.std() / noise.std())
    assert changes.SNR_DB[0] - 0.5 < snr < changes.SNR_DB[1] + 0.5


def test_faster_audio_does_not_end_in_silence():
    for seed in range(6):
        assert np.abs(changed("stretch", seed)[-200:]).max() > 0.05


def test_the_global_generators_are_left_alone():
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    changed("noise")
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


def test_an_unknown_change_is_refused_with_those_that_exist(log_mel, rng):
    with pytest.raises(SettingError, match="'reverb' does not exist; choose from pitch, gain"):
        changed("reverb")
    with pytest.raises(SettingError, match=r"'reverb' .* pitch.*stretch"):
        changes.augment_log_mel(log_mel, change="reverb", rng=rng)


# Augmented spectrograms


@pytest.mark.parametrize("change", changes.LOG_MEL_AUGMENTATIONS)
def test_an_augmented_spectrogram_keeps_its_shape_and_differs(change, log_mel):
    results = [
        changes.augment_log_mel(log_mel, change=change, rng=np.random.default_rng(seed))
        for seed in (1, 1, 3)
    ]
    assert results[0].shape == log_mel.shape and results[0].dtype == np.float32
    assert np.isfinite(results[0]).all()
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], log_mel) or not np.array_equal(results[2], log_mel)


def test_shifting_moves_the_loud_band_by_at_most_the_bound(log_mel):
    places = {
        int(
            changes.augment_log_mel(log_mel, change="pitch", rng=np.random.default_rng(s))
            .mean(1)
            .argmax()
        )
        for s in range(60)
    }
    assert places == set(range(20 - changes.BANDS, 20 + changes.BANDS + 1))


def test_gain_adds_the_same_everywhere(log_mel, rng):
    louder = changes.augment_log_mel(log_mel, change="gain", rng=rng) - log_mel
    assert np.ptp(louder) < 1e-4 and 0 < abs(louder.mean()) <= changes.GAIN_DB


def test_noise_fills_the_quiet_and_leaves_the_loud(log_mel, rng):
    noisy = changes.augment_log_mel(log_mel, change="noise", rng=rng)
    assert (noisy >= log_mel - 1e-4).all()
    assert abs(noisy[20] - log_mel[20]).max() < 1.0
    assert (noisy - log_mel)[log_mel < -55].mean() > 5


# Mixup


# Corrupted audio


def corrupted(kind, severity, y=TONE):
    return changes.corrupt(y, sr=SR, kind=kind, severity=severity)


def test_noise_lies_as_far_below_the_music_as_its_severity():
    noise = corrupted("noise", 20.0) - TONE
    assert 20 * np.log10(TONE.std() / noise.std()) == pytest.approx(20, abs=0.2)


def test_gain_is_in_decibels_and_clips():
    assert np.abs(corrupted("gain", -20.0)).max() == pytest.approx(0.03, rel=0.01)
    loud = corrupted("gain", 12.0)
    assert np.abs(loud).max() == 1 and (np.abs(loud) == 1).mean() > 0.3


@pytest.mark.parametrize("semitones", [2.0, -2.0])
def test_pitch_moves_in_semitones_and_keeps_the_length(semitones):
    y = corrupted("pitch", semitones)
    assert y.size == TONE.size
    assert pitch(y) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.01)


def test_speed_changes_the_length_and_not_the_pitch():
    y = corrupted("speed", 1.25)
    assert y.size == pytest.approx(TONE.size / 1.25, rel=0.01)
    assert pitch(y) == pytest.approx(440, rel=0.01)


def test_a_low_pass_keeps_the_frequencies_below():
    high = np.sin(2 * np.pi * 6000 * np.arange(TONE.size) / SR)
    inner = slice(SR // 4, -SR // 4)
    y = corrupted("low-pass", 1000.0, TONE + high)
    np.testing.assert_allclose(y[inner], TONE[inner], atol=0.01)


def test_clipping_is_a_share_of_the_peak():
    assert np.abs(corrupted("clipping", 0.1)).max() == pytest.approx(0.03, rel=0.01)


def test_a_log_mel_ignores_gain_but_not_a_low_pass(song):
    """Its levels are relative to the maximum."""

    def log_mel(y):
        features = feature_set("log_mel").from_audio(y, sr=SR, segment_seconds=3)
        return features.values[0].astype(float)

    assert np.abs(log_mel(corrupted("gain", -20.0, song)) - log_mel(song)).max() <= 1
    muffled = corrupted("low-pass", 500.0, song)
    assert log_mel(muffled)[64:].mean() < 0.5 * log_mel(song)[64:].mean()


# Corrupted spectrograms


@pytest.mark.parametrize("kind", changes.LOG_MEL_CORRUPTIONS)
def test_a_corrupted_log_mel_stays_in_its_range(rng, kind):
    values = rng.uniform(-80, 0, (2, 16, 10))
    for severity in changes.LOG_MEL_CORRUPTIONS[kind]:
        corrupt = changes.corrupt_log_mel(values, kind=kind, severity=severity)
        assert corrupt.shape == values.shape and corrupt.min() >= -80 and corrupt.max() <= 0
        assert not np.allclose(corrupt, values)


def test_a_shift_moves_bands_up_and_noise_is_a_floor():
    values = np.full((8, 3), -70.0)
    values[2] = 0
    shifted = changes.corrupt_log_mel(values, kind="shift", severity=2.0)
    assert shifted[4].tolist() == [0, 0, 0]
    noisy = changes.corrupt_log_mel(values, kind="noise", severity=40.0)
    assert noisy.min() == pytest.approx(-40, abs=0.1)


def test_an_unknown_corruption_is_refused_with_those_that_exist():
    with pytest.raises(SettingError, match="corruption 'echo' does not exist; choose from noise"):
        corrupted("echo", 1.0)
    with pytest.raises(SettingError, match="'echo' does not exist; choose from noise, gain, shift"):
        changes.corrupt_log_mel(np.zeros((4, 4)), kind="echo", severity=1.0)


def test_every_corruption_has_a_unit():
    assert set(changes.UNITS) == {*changes.CORRUPTIONS, *changes.LOG_MEL_CORRUPTIONS}
