"""The filter banks are librosa's."""

import librosa
import numpy as np
import pytest

from gtzan_helpers import filters

SHAPES = [(22_050, 2048), (16_000, 512), (44_100, 4096), (1_500, 256)]


@pytest.mark.parametrize("n_mels", [32, 96, 128])
@pytest.mark.parametrize(("sr", "n_fft"), SHAPES)
@pytest.mark.filterwarnings("ignore:Empty filters")  # bands narrower than a bin
def test_mel_bands_are_librosas(sr, n_fft, n_mels):
    expected = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels)
    found = filters.mel(sr, n_fft, n_mels)
    np.testing.assert_allclose(found, expected, atol=2e-7 * expected.max())
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("tuning", [-0.5, -0.13, 0, 0.49])
@pytest.mark.parametrize(("sr", "n_fft"), SHAPES)
def test_pitch_classes_are_librosas(sr, n_fft, tuning):
    expected = librosa.filters.chroma(sr=sr, n_fft=n_fft, tuning=tuning)
    found = filters.chroma(sr, n_fft, tuning)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert found.dtype == expected.dtype


def test_mel_bands_are_equally_far_apart_in_hertz_below_1000_and_in_octaves_above():
    peaks = filters.mel(22_050, 1 << 16, 40).argmax(axis=1) * 22_050 / (1 << 16)
    low, high = peaks[peaks < 1000], peaks[peaks > 1000]
    np.testing.assert_allclose(np.diff(low), np.diff(low).mean(), atol=0.5)
    np.testing.assert_allclose(
        high[1:] / high[:-1], (high[-1] / high[0]) ** (1 / (high.size - 1)), rtol=1e-3
    )


def test_the_window_is_scipys():
    from scipy.signal import get_window

    np.testing.assert_allclose(filters.hann(2048), get_window("hann", 2048), atol=1e-7)
