"""MusiCNN's input, from audio and from a log-mel spectrogram."""

import numpy as np

from gtzan_helpers.audio.reading import resample
from gtzan_helpers.audio.spectra import (
    LOUDEST_DB,
    PATCH_SHAPE,
    PATCH_SR,
    log_mel,
    patches,
    patches_from_log_mel,
)

SR = 22_050


def test_patches_are_the_compressed_mel_spectrogram_at_each_start():
    n = np.arange(10 * PATCH_SR)
    y = np.sin(2 * np.pi * 440 * n / PATCH_SR) * (n > 5 * PATCH_SR)
    silent, sounding = values = patches(y, np.array([0.0, 7.0]))
    assert values.shape == (2, *PATCH_SHAPE) and values.dtype == np.float16
    assert not silent.any() and sounding.max() > 1


def test_patches_from_a_log_mel_equal_those_of_the_audio_where_it_is_steady(rng):
    n = np.arange(8 * SR)
    y = 0.3 * np.sin(2 * np.pi * 880 * n / SR) + 0.02 * rng.standard_normal(n.size)
    y *= 10 ** ((LOUDEST_DB - log_mel(y, sr=SR).max()) / 20)
    settings = {"frame_rate": SR / 512, "sr": SR, "n_fft": 2048}
    rebuilt = patches_from_log_mel(log_mel(y, sr=SR) - LOUDEST_DB, np.array([2.0]), **settings)
    true = patches(resample(y, sr=SR, target_sr=PATCH_SR), np.array([2.0]))
    rebuilt, true = (part[0].astype(float).mean(axis=0) for part in (rebuilt, true))
    near = np.abs(np.arange(96) - true.argmax()) <= 3  # short frames widen the tone
    near[-2:] = True  # resampling removes the highest frequencies
    assert abs(int(rebuilt.argmax()) - int(true.argmax())) <= 1
    assert np.abs(rebuilt - true)[~near].max() < 0.2  # 2 dB
