"""Signals that the tests of audio share: a little song, and noise."""

import numpy as np
import pytest

from gtzan_helpers.audio.analysis import Analysis

SR = 22_050


def play(seconds=4.97):
    """Chords of decaying harmonics over a beat of noise, twice a second.

    By default no whole number of frames, like a real recording.
    """
    rng = np.random.default_rng(20)
    t = np.arange(round(seconds * SR)) / SR
    y = (0.3 * np.exp(-30 * (t % 0.5)) + 1e-3) * rng.standard_normal(t.size)
    for number, root in enumerate((220.0, 174.6, 261.6, 196.0, 220.0)):
        sounding = (t >= number) & (t < number + 1)
        for interval in (1, 5 / 4, 3 / 2):
            for k in range(1, 8):
                phase = rng.uniform(0, 2 * np.pi)
                tone = np.sin(2 * np.pi * k * interval * root * t + phase) / k
                y += 0.1 * sounding * np.exp(-2 * (t % 1)) * tone
    return y.astype(np.float32)


def draw_noise():
    return 0.1 * np.random.default_rng(0).standard_normal(3 * SR).astype(np.float32)


@pytest.fixture(scope="session")
def song():
    return play()


@pytest.fixture(scope="session")
def noise():
    return draw_noise()


@pytest.fixture(scope="session", params=[play, draw_noise], ids=["song", "noise"])
def analysis(request):
    return Analysis(request.param(), sr=SR)
