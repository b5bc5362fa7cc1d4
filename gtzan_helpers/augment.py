"""Augmentation: music changed so that its genre stays what it is.

On a waveform the changes are audiomentations'; a log-mel spectrogram has counterparts that
need no audio. Only ever of training data; taught in notebook 05.
"""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from gtzan_helpers.errors import SettingError

SEMITONES = 2.0
GAIN_DB = 6.0
SNR_DB = (10.0, 30.0)
RATES = (0.85, 1.18)
BANDS = 4
"""Mel bands that a spectrogram is shifted by at most."""

EQUALIZER_DB = 3.0
"""Deviation of each of an equalizer's knobs."""

SILENCE_DB = -80.0


def waveform(y: np.ndarray, *, sr: int, change: str, seed: int) -> np.ndarray:
    """Change a piece of audio.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr : int
        Its sampling rate in Hz.
    change : {"pitch", "gain", "noise", "stretch"}
        Up or down by at most 2 semitones; louder or softer by at most 6 dB; white noise 10 to
        30 dB below the music; faster or slower by at most 18 %.
    seed : int
        Random seed of how much.

    Returns
    -------
    ndarray, shape (n_samples,), float32

    Raises
    ------
    SettingError
        If there is no such change.
    """
    audiomentations = _audiomentations()
    transforms: Mapping[str, Callable] = {
        "pitch": lambda: audiomentations.PitchShift(-SEMITONES, SEMITONES, p=1.0),
        "gain": lambda: audiomentations.Gain(-GAIN_DB, GAIN_DB, p=1.0),
        "noise": lambda: audiomentations.AddGaussianSNR(*SNR_DB, p=1.0),
        "stretch": lambda: audiomentations.TimeStretch(*RATES, leave_length_unchanged=False, p=1.0),
    }
    with _seeded(seed):
        changed = _choose(transforms, change)()(np.asarray(y, np.float32), sr)
    # What became shorter begins anew at its end, so that no silence tells of the change.
    return np.resize(np.asarray(changed, np.float32), np.shape(y))


def _audiomentations():
    # Imported here because it takes seconds, and few callers change audio; Python 3.12 warns
    # of an escape sequence in it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import audiomentations
    return audiomentations


WAVEFORM = ("pitch", "gain", "noise", "stretch")
"""Changes that `waveform` knows."""


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, which audiomentations draws from, and put them back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def log_mel(values: np.ndarray, *, change: str, rng: np.random.Generator) -> np.ndarray:
    """Change a log-mel spectrogram.

    Parameters
    ----------
    values : ndarray, shape (n_mels, n_frames)
        In dB; 0 is the loudest of the track, -80 the softest that is kept.
    change : str
        One of `SPECTRAL`.
    rng : numpy Generator
        Decides how much.

    Returns
    -------
    ndarray, shape (n_mels, n_frames), float32

    Raises
    ------
    SettingError
        If there is no such change.
    """
    return _choose(SPECTRAL, change)(np.asarray(values, np.float32), rng).astype(np.float32)


def _shift(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Up or down by at most `BANDS` bands; the band at the edge is repeated."""
    by = int(rng.integers(-BANDS, BANDS + 1))
    bands = np.clip(np.arange(len(values)) - by, 0, len(values) - 1)
    return values[bands]


def _gain(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.maximum(values + rng.uniform(-GAIN_DB, GAIN_DB), SILENCE_DB)


def _noise(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise 10 to 30 dB below the mean power; it is as loud in every band."""
    power = 10 ** (values / 10)
    level = power.mean() * 10 ** (-rng.uniform(*SNR_DB) / 10)
    # The power of noise in one frame of one band is itself random.
    return 10 * np.log10(power + level * rng.chisquare(8, values.shape) / 8)


def _stretch(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Faster (the music begins anew at its end) or slower (its end is lost)."""
    n_frames = values.shape[1]
    frames = (np.arange(n_frames) * rng.uniform(*RATES)).astype(int)
    return values[:, frames % n_frames]


def _equalize(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn the knobs of a six-band equalizer: another studio, another microphone."""
    knobs = np.linspace(0, len(values) - 1, 6)
    curve = np.interp(np.arange(len(values)), knobs, rng.normal(0, EQUALIZER_DB, knobs.size))
    return np.maximum(values + curve[:, None], SILENCE_DB)


def _mask(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hide a group of bands and a stretch of time (SpecAugment; Park et al. 2019)."""
    masked = values.copy()
    mean = values.mean(axis=1, keepdims=True)
    for axis in (0, 1):
        width = int(rng.integers(0, max(2, values.shape[axis] // 6)))
        start = int(rng.integers(0, values.shape[axis] - width + 1))
        if axis == 0:
            masked[start : start + width] = values.mean()
        else:
            masked[:, start : start + width] = mean
    return masked


SPECTRAL: Mapping[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "pitch": _shift,
    "gain": _gain,
    "noise": _noise,
    "stretch": _stretch,
    "mask": _mask,
    "equalizer": _equalize,
}
"""Changes that `log_mel` knows."""


def mixup(
    x: np.ndarray, targets: np.ndarray, *, alpha: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Blend each example of a batch with another one, and their targets alike.

    Parameters
    ----------
    x : ndarray, shape (n_examples, ...)
    targets : ndarray, shape (n_examples, n_labels)
        One-hot, or already mixed.
    alpha : float
        The larger, the more often both parts are equal; shares are Beta(alpha, alpha).
    rng : numpy Generator

    Returns
    -------
    x, targets : ndarray
        Of the same shapes.

    Notes
    -----
    Zhang et al. 2018, "mixup: Beyond empirical risk minimization".
    """
    shares = rng.beta(alpha, alpha, len(x)).astype(np.float32)
    shares = np.maximum(shares, 1 - shares)  # each example stays the larger part of its blend
    others = rng.permutation(len(x))
    own = shares.reshape(-1, *[1] * (x.ndim - 1))
    share = shares[:, None]
    return own * x + (1 - own) * x[others], share * targets + (1 - share) * targets[others]


def _choose(changes: Mapping[str, Callable], name: str) -> Callable:
    if name not in changes:
        raise SettingError(f"change {name!r} does not exist; choose from {', '.join(changes)}")
    return changes[name]
