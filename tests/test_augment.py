"""Changes keep shape, length and most of the music; each does what its name says."""

import random

import numpy as np
import pytest

from gtzan_helpers import augment
from gtzan_helpers.errors import SettingError

SR = 22_050
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * SR) / SR)).astype(np.float32)


def pitch(y):
    spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size)))
    return np.fft.rfftfreq(y.size, 1 / SR)[spectrum.argmax()]


def changed(change, seed=1):
    return augment.waveform(TONE, sr=SR, change=change, seed=seed)


@pytest.fixture
def log_mel(rng):
    values = rng.uniform(-60, -20, (64, 40)).astype(np.float32)
    values[20] = 0.0  # one loud band
    return values


# Waveforms


@pytest.mark.parametrize("change", augment.WAVEFORM)
def test_a_waveform_keeps_its_length_and_differs(change):
    y = changed(change)
    assert y.shape == TONE.shape and y.dtype == np.float32 and np.isfinite(y).all()
    assert not np.array_equal(y, TONE)


@pytest.mark.parametrize("change", augment.WAVEFORM)
def test_the_same_seed_gives_the_same_change_and_another_one_another(change):
    assert np.array_equal(changed(change), changed(change))
    assert not np.array_equal(changed(change), changed(change, seed=2))


def test_pitch_moves_by_at_most_two_semitones_and_stretching_leaves_it():
    shifts = [12 * np.log2(pitch(changed("pitch", seed)) / 440) for seed in range(6)]
    assert 0.3 < np.abs(shifts).max() < augment.SEMITONES + 0.2
    assert abs(12 * np.log2(pitch(changed("stretch")) / 440)) < 0.1


def test_gain_scales_and_noise_lies_below_the_music():
    ratio = changed("gain") / np.where(np.abs(TONE) > 0.01, TONE, np.nan)
    assert np.nanstd(ratio) < 1e-3 and 0.5 <= np.nanmean(ratio) <= 2
    noise = changed("noise") - TONE
    snr = 20 * np.log10(TONE.std() / noise.std())
    assert augment.SNR_DB[0] - 0.5 < snr < augment.SNR_DB[1] + 0.5


def test_a_faster_waveform_does_not_end_in_silence():
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
    with pytest.raises(SettingError, match=r"'reverb' .* pitch.*equalizer"):
        augment.log_mel(log_mel, change="reverb", rng=rng)


# Spectrograms


@pytest.mark.parametrize("change", augment.SPECTRAL)
def test_a_spectrogram_keeps_its_shape_and_differs(change, log_mel):
    results = [
        augment.log_mel(log_mel, change=change, rng=np.random.default_rng(seed))
        for seed in (1, 1, 3)
    ]
    assert results[0].shape == log_mel.shape and results[0].dtype == np.float32
    assert np.isfinite(results[0]).all()
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], log_mel) or not np.array_equal(results[2], log_mel)


def test_shifting_moves_the_loud_band_by_at_most_the_bound(log_mel):
    places = {
        int(augment.log_mel(log_mel, change="pitch", rng=np.random.default_rng(s)).mean(1).argmax())
        for s in range(60)
    }
    assert places == set(range(20 - augment.BANDS, 20 + augment.BANDS + 1))


def test_gain_adds_the_same_everywhere_and_an_equalizer_the_same_in_time(log_mel, rng):
    louder = augment.log_mel(log_mel, change="gain", rng=rng) - log_mel
    assert np.ptp(louder) < 1e-4 and 0 < abs(louder.mean()) <= augment.GAIN_DB
    coloured = augment.log_mel(log_mel, change="equalizer", rng=rng) - log_mel
    assert np.ptp(coloured, axis=1).max() < 1e-4 and np.ptp(coloured[:, 0]) > 1


def test_noise_fills_the_quiet_and_leaves_the_loud(log_mel, rng):
    noisy = augment.log_mel(log_mel, change="noise", rng=rng)
    assert (noisy >= log_mel - 1e-4).all()
    assert abs(noisy[20] - log_mel[20]).max() < 1.0
    assert (noisy - log_mel)[log_mel < -55].mean() > 5


def test_a_mask_hides_whole_bands_and_whole_frames(rng):
    log_mel = rng.uniform(-60, -20, (64, 40)).astype(np.float32)
    hidden = augment.log_mel(log_mel, change="mask", rng=np.random.default_rng(4)) != log_mel
    bands, frames = hidden.all(axis=1), hidden.all(axis=0)
    assert bands.any() or frames.any()
    assert not hidden[np.ix_(~bands, ~frames)].any()


# Mixup


def test_mixup_blends_examples_and_labels_alike(rng):
    targets = np.eye(4, dtype=np.float32)
    x = targets[:, :, None] * np.ones((4, 4, 3), np.float32)
    mixed, labels = augment.mixup(x, targets, alpha=0.4, rng=rng)
    assert mixed.shape == x.shape and np.allclose(labels.sum(axis=1), 1)
    assert np.allclose(mixed[:, :, 0], labels, atol=1e-6)
    assert (labels.argmax(axis=1) == np.arange(4)).all() or (labels.max(axis=1) == 0.5).any()
    assert (labels.max(axis=1) < 1).any()
