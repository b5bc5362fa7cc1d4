"""Filter banks over the bins of a spectrum: mel bands, pitch classes.

They are librosa's to the last digit that a single precision number has, and made here because
the first import of librosa after an installation compiles for half a minute: too long a wait
for the genre of one song.
"""

from functools import lru_cache

import numpy as np


def frequencies(sr: int, n_fft: int) -> np.ndarray:
    """Frequency in Hz of each bin of a Fourier transform, shape (1 + n_fft / 2,)."""
    return np.fft.rfftfreq(n_fft, 1 / sr)


@lru_cache(maxsize=8)
def hann(n_fft: int) -> np.ndarray:
    """Hann window, periodic, shape (n_fft,), float32."""
    # scipy.signal takes seconds to import.
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


def mel(sr: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Triangles over the bins, equally far apart in mel, each of the same area.

    Parameters
    ----------
    sr : int
        Sampling rate in Hz.
    n_fft, n_mels : int

    Returns
    -------
    ndarray, shape (n_mels, 1 + n_fft / 2), float32

    Notes
    -----
    The mel scale is that of Slaney's "Auditory Toolbox" (Interval Research, technical report
    1998-010): linear below 1000 Hz, logarithmic above.
    """
    mels = _mels(sr, n_mels)
    corners = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    low, centre, high = (corners[i : i + n_mels, None] for i in range(3))
    here = frequencies(sr, n_fft)
    triangles = np.minimum((here - low) / (centre - low), (high - here) / (high - centre))
    return (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)


def mel_centres(sr: int, n_mels: int) -> np.ndarray:
    """Where the middle of each band of `mel` lies, in mel, shape (n_mels,)."""
    return _mels(sr, n_mels)[1:-1]


def _mels(sr: int, n_mels: int) -> np.ndarray:
    highest = 15 + 27 * np.log(sr / 2000) / np.log(6.4) if sr >= 2000 else sr / 2 * 3 / 200
    return np.linspace(0, highest, n_mels + 2)


@lru_cache(maxsize=128)
def chroma(sr: int, n_fft: int, tuning: float) -> np.ndarray:
    """How much each bin counts for each pitch class, C first.

    Parameters
    ----------
    sr : int
        Sampling rate in Hz.
    n_fft : int
    tuning : float
        How far the music is from A = 440 Hz, in semitones.

    Returns
    -------
    ndarray, shape (12, 1 + n_fft / 2), float32

    Notes
    -----
    A bell around each pitch as wide as a bin is there, weighted by another one over the octaves
    around the fifth (Ellis, "Chroma feature analysis and synthesis", 2007).
    """
    semitones = np.arange(1, n_fft // 2 + 2) * sr / n_fft
    semitones = 12 * np.log2(semitones / (440 / 16 * 2 ** (tuning / 12)))
    semitones = np.concatenate([[semitones[0] - 18], semitones])  # no sound lies at 0 Hz
    width = np.maximum(np.diff(semitones), 1)
    semitones = semitones[:-1]
    classes = (np.arange(12)[:, None] + 3) % 12  # from A, where octaves begin, to C
    distance = (semitones - classes + 6) % 12 - 6
    bells = np.exp(-2 * (distance / width) ** 2)
    bells /= np.linalg.norm(bells, axis=0)
    return (bells * np.exp(-((semitones / 12 - 5) ** 2) / 8)).astype(np.float32)
