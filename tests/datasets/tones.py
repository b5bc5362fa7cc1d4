"""Small recordings that the tests of datasets write."""

import numpy as np
import soundfile

SR = 22_050


def write_tone(path, frequency, *, seconds=1.5):
    """A tone; each frequency gives a file of other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * SR)) / SR)
    soundfile.write(path, y, SR)
    return path


def write_tracks(root, *names):
    """Tones under ``root``, no two alike."""
    for k, name in enumerate(names):
        write_tone(root / name, 200 + 10 * k)
    return root
