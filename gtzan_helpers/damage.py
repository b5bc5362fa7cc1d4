"""What recordings suffer on their way to a listener, in doses: for tests of robustness.

Unlike `augment`, nothing is random but the noise. Taught in notebook 08.
"""

from collections.abc import Mapping

import numpy as np

from gtzan_helpers.errors import SettingError

WAVEFORM: Mapping[str, tuple[float, ...]] = {
    "noise": (30.0, 20.0, 10.0),
    "gain": (-20.0, 12.0),
    "pitch": (-2.0, -1.0, 1.0, 2.0),
    "speed": (0.8, 0.9, 1.1, 1.25),
    "low-pass": (8000.0, 4000.0, 1000.0),
    "clipping": (0.5, 0.1),
}
"""Doses: noise in dB below the music; gain in dB, above which samples are clipped at 1; pitch in
semitones; speed as a factor; the highest frequency left, in Hz; clipping at that share of the
peak."""

LOG_MEL: Mapping[str, tuple[float, ...]] = {
    "noise": (60.0, 40.0, 20.0),
    "gain": (-20.0, -10.0),
    "shift": (-4.0, -2.0, 2.0, 4.0),
}
"""Doses: a floor of noise in dB below the loudest point; gain in dB; a shift in mel bands."""

UNITS: Mapping[str, str] = {
    **{"noise": "dB below", "gain": "dB", "pitch": "semitones", "speed": "x", "low-pass": "Hz"},
    **{"clipping": "of the peak", "shift": "bands"},
}
"""What each kind of dose counts, for pictures."""


def waveform(y: np.ndarray, *, sr: int, kind: str, dose: float, seed: int = 0) -> np.ndarray:
    """Damage a recording.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
        Its sampling rate in Hz.
    kind : str
        One of `WAVEFORM`, which explains the doses.
    dose : float
    seed : int
        Of the noise.

    Returns
    -------
    ndarray, shape (n_samples,), float32; of another length where the speed changes
    """
    if kind == "noise":
        level = np.sqrt(np.mean(y**2)) * 10 ** (-dose / 20)
        damaged = y + level * np.random.default_rng(seed).standard_normal(y.size)
    elif kind == "gain":
        damaged = np.clip(y * 10 ** (dose / 20), -1, 1)
    elif kind == "pitch":
        import librosa

        damaged = librosa.effects.pitch_shift(y, sr=sr, n_steps=dose)
    elif kind == "speed":
        import librosa

        damaged = librosa.effects.time_stretch(y, rate=dose)
    elif kind == "low-pass":
        from scipy import signal

        filters = signal.butter(8, dose, fs=sr, output="sos")
        damaged = signal.sosfiltfilt(filters, y)
    elif kind == "clipping":
        damaged = np.clip(y, -dose * np.abs(y).max(), dose * np.abs(y).max())
    else:
        raise SettingError(f"damage {kind!r} does not exist; choose from {', '.join(WAVEFORM)}")
    return damaged.astype(np.float32)


def log_mel(values: np.ndarray, *, kind: str, dose: float) -> np.ndarray:
    """Damage a log-mel spectrogram as far as it can be done without the sound.

    Parameters
    ----------
    values : ndarray, shape (..., n_bands, n_frames)
        In dB, 0 the loudest point, -80 silence.
    kind : str
        One of `LOG_MEL`, which explains the doses.
    dose : float

    Returns
    -------
    ndarray of the same shape
        Between -80 and 0 dB.
    """
    if kind == "noise":
        damaged = 10 * np.log10(10 ** (values / 10) + 10 ** (-dose / 10))
    elif kind == "gain":
        damaged = values + dose
    elif kind == "shift":
        bands = np.arange(values.shape[-2]) - round(dose)
        damaged = values[..., np.clip(bands, 0, values.shape[-2] - 1), :]
    else:
        raise SettingError(f"damage {kind!r} does not exist; choose from {', '.join(LOG_MEL)}")
    return np.clip(damaged, -80, 0)
