"""Spectra are librosa's; bytes hold a log-mel spectrogram to half a step."""

import os
import subprocess
import sys

import librosa
import numpy as np
import pytest

from gtzan_helpers.audio import spectra
from gtzan_helpers.audio.analysis import Analysis

SR = 22_050


def test_the_inverse_transform_returns_the_audio(song):
    back = spectra.istft(spectra.stft(song), song.size)
    np.testing.assert_allclose(back, song, atol=1e-6)


@pytest.mark.parametrize("n_samples", [100, 512 * 64, 40_000])
def test_a_mel_spectrogram_in_one_pass_equals_that_of_an_analysis(rng, n_samples):
    y = rng.standard_normal(n_samples).astype(np.float32)
    whole = Analysis(y, sr=SR)
    mel = spectra.mel_of_power(whole.power, sr=SR)
    np.testing.assert_allclose(spectra.mel(y, sr=SR), mel, rtol=1e-4)
    np.testing.assert_allclose(spectra.log_mel(y, sr=SR), whole.log_mel, atol=1e-3)


def test_a_mel_spectrogram_of_other_frames_and_bands_is_librosas(song):
    settings = {"sr": SR, "n_fft": 1024, "n_mels": 40}
    expected = librosa.feature.melspectrogram(y=song, hop_length=256, **settings)
    mel = spectra.mel(song, hop_length=256, **settings)
    np.testing.assert_allclose(mel, expected, rtol=1e-4, atol=1e-6)


def test_decibels_are_librosas_even_for_silence(rng):
    power = rng.exponential(size=(4, 50)).astype(np.float32) * 10.0 ** rng.integers(-14, 3, 50)
    power = np.append(power, np.zeros((1, 50)), axis=0).astype(np.float32)
    np.testing.assert_allclose(spectra.decibels(power), librosa.power_to_db(power), rtol=1e-6)


def test_the_log_mel_of_a_track_is_relative_to_its_maximum_or_to_a_reference(song):
    levels = spectra.track_log_mel(song, sr=SR)
    assert levels.max() == 0 and levels.min() >= -80
    loudest = spectra.log_mel(song, sr=SR).max()
    softer = spectra.track_log_mel(0.1 * song, sr=SR, reference=loudest)
    assert softer.max() == pytest.approx(-20, abs=1e-3) and softer.min() == -80


def test_bytes_are_linear_in_db_and_clipped_at_the_ends_of_the_range():
    stored = np.array([0, 51, 255], dtype=np.uint8)
    np.testing.assert_allclose(spectra.decode(stored), [-80, -64, 0], atol=1e-5)
    np.testing.assert_allclose(spectra.decode(stored, -100, 0), [-100, -80, 0], atol=1e-5)
    assert spectra.encode(np.array([-200.0, -40.0, 50.0])).tolist() == [0, 128, 255]
    assert spectra.decode(np.array([-3.5])).tolist() == [-3.5]  # floats are dB already


def test_encoding_loses_at_most_half_a_step(rng):
    log_mel = rng.uniform(-80, 0, (128, 40)).astype(np.float32)
    back = spectra.decode(spectra.encode(log_mel))
    assert np.abs(back - log_mel).max() <= 80 / 255 / 2 + 1e-4


@pytest.mark.slow
def test_what_is_compiled_once_is_not_compiled_again(tmp_path):
    script = "from gtzan_helpers.audio import tables; tables.compile_kernels()"
    states = []
    for _ in range(2):
        places = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=places, check=True, capture_output=True, text=True
        )
        assert not done.stderr
        states.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb*")})
    assert states[0] == states[1]
    assert {"median._run", "spectra.spectrum_shape"} <= {
        path.name.split("-")[0] for path in states[0]
    }
