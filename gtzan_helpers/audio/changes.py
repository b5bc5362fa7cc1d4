"""Changes of audio and of log-mel spectrograms: augmentation and corruption.

Augmentation changes training data at random such that the genre stays the same (notebook 05).
Corruption degrades test data to a given severity, for tests of robustness (notebook 08).
"""

import random
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gtzan_helpers.audio.spectra import DB_RANGE, mel_centres
from gtzan_helpers.config import SR
from gtzan_helpers.errors import choose

GAIN_DB = 6.0
SNR_DB = (10.0, 30.0)
RATES = (0.85, 1.18)
# Maximum shift of an augmented spectrogram in mel bands.
BANDS = 4

# Standard deviation of each gain of an equalizer.
EQUALIZER_DB = 3.0

# Of copies of a log-mel as another recording might have it: shares that are low-pass filtered,
# and that have white noise, in dB below the music.
LOW_PASSED, CORNER_HZ, SLOPE_DB = 0.4, (2500.0, 10_000.0), 96.0
NOISY, NOISE_DB = 0.7, (10.0, 45.0)

#: Augmentations of audio: transforms of audiomentations, and their settings: semitones; gain in
#: dB; noise in dB below the music; speed as a factor, which may change the length.
AUGMENTATIONS: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "pitch": ("PitchShift", (-2.0, 2.0)),
    "gain": ("Gain", (-GAIN_DB, GAIN_DB)),
    "noise": ("AddGaussianSNR", SNR_DB),
    "stretch": ("TimeStretch", (*RATES, False)),
}

#: Severities, from mild to strong: noise in dB below the music; gain in dB, clipped at 1; pitch in
#: semitones; speed as a factor; the cutoff frequency in Hz; clipping at a share of the peak.
CORRUPTIONS: Mapping[str, tuple[float, ...]] = {
    "noise": (30.0, 20.0, 10.0),
    "gain": (6.0, 12.0, 20.0),
    "pitch": (1.0, 2.0, 4.0),
    "speed": (1.1, 1.25, 1.5),
    "low-pass": (8000.0, 4000.0, 1000.0),
    "clipping": (0.5, 0.1, 0.03),
}

#: Severities, from mild to strong: a noise floor in dB below the maximum; gain in dB; a shift in
#: mel bands.
LOG_MEL_CORRUPTIONS: Mapping[str, tuple[float, ...]] = {
    "noise": (60.0, 40.0, 20.0),
    "gain": (-5.0, -10.0, -20.0),
    "shift": (2.0, 4.0, 8.0),
}

#: Unit of each corruption's severity.
UNITS: Mapping[str, str] = {
    "noise": "dB below the music",
    "gain": "dB",
    "pitch": "semitones",
    "speed": "times as fast",
    "low-pass": "Hz",
    "clipping": "of the peak",
    "shift": "bands",
}


# Augmentation


def augment(y: np.ndarray, *, sr: int, change: str, seed: int) -> np.ndarray:
    """Change audio at random.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr : int
        Its sampling rate in Hz.
    change : str
        One of `AUGMENTATIONS`.
    seed : int
        Random seed of the strength.

    Returns
    -------
    ndarray, shape (n_samples,), float32

    Raises
    ------
    SettingError
        If there is no such change.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of one of its escape sequences
        import audiomentations

    transform, settings = choose(AUGMENTATIONS, change, "change")
    # audiomentations uses the global generators; they are restored afterwards.
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        apply = getattr(audiomentations, transform)(*settings, p=1.0)
        changed = apply(np.asarray(y, np.float32), sr)
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
    # Shortened audio is repeated, so that no silence at its end reveals the change.
    return np.resize(np.asarray(changed, np.float32), np.shape(y))


def augment_log_mel(log_mel: np.ndarray, *, change: str, rng: np.random.Generator) -> np.ndarray:
    """Change a log-mel spectrogram at random.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        In dB, from -80 (silence) to 0 (the track's maximum).
    change : str
        One of `LOG_MEL_AUGMENTATIONS`.
    rng : numpy Generator
        Decides the strength.

    Returns
    -------
    ndarray, shape (n_mels, n_frames), float32

    Raises
    ------
    SettingError
        If there is no such change.
    """
    function = choose(LOG_MEL_AUGMENTATIONS, change, "change")
    return np.maximum(function(np.asarray(log_mel, np.float32), rng), DB_RANGE[0], dtype=np.float32)


def _shift(log_mel: np.ndarray, bands: int) -> np.ndarray:
    """Shift up, or down if negative; the band at the edge is repeated."""
    n_mels = log_mel.shape[-2]
    return log_mel[..., np.clip(np.arange(n_mels) - bands, 0, n_mels - 1), :]


def _noise(log_mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add white noise 10 to 30 dB below the mean power, equally loud in every band."""
    power = 10 ** (log_mel / 10)
    level = power.mean() * 10 ** (-rng.uniform(*SNR_DB) / 10)
    # The power of noise in one frame of one band is itself random.
    return 10 * np.log10(power + level * rng.chisquare(8, log_mel.shape) / 8)


def _stretch(log_mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Play faster (and repeat the beginning at the end) or slower (and lose the end)."""
    frames = np.arange(log_mel.shape[1]) * rng.uniform(*RATES)
    return log_mel.take(frames.astype(int), axis=1, mode="wrap")


def _equalize(log_mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a six-band equalizer: another studio, another microphone."""
    centres = np.linspace(0, len(log_mel) - 1, 6)
    curve = np.interp(np.arange(len(log_mel)), centres, rng.normal(0, EQUALIZER_DB, 6))
    return log_mel + curve[:, None]


def _recording(log_mel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another recording of the same music: an equalizer, maybe a low-pass filter, maybe noise."""
    import librosa

    changed, hz = _equalize(log_mel, rng), librosa.mel_to_hz(mel_centres(SR, len(log_mel)))
    if rng.random() < LOW_PASSED:
        octaves = np.log2(np.maximum(hz / np.exp(rng.uniform(*np.log(CORNER_HZ))), 1))
        changed -= SLOPE_DB * octaves[:, None]
    if rng.random() < NOISY:
        power = 10 ** (changed / 10)
        # White noise is equally loud in every band: a band's level is a mean over its width.
        loudness = np.average(power.mean(axis=1), weights=np.gradient(hz))
        noise = loudness * 10 ** (-rng.uniform(*NOISE_DB) / 10) * rng.chisquare(8, power.shape) / 8
        changed = 10 * np.log10(power + noise)
    return changed - changed.max()


#: Copies of a log-mel as another recording of the same music might have it.
RECORDINGS = {f"recording {number}": _recording for number in (1, 2, 3)}

#: Augmentations of a log-mel spectrogram: pitch, gain, noise, stretch, and those of `RECORDINGS`.
#:
#: :meta hide-value:
LOG_MEL_AUGMENTATIONS: Mapping[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "pitch": lambda log_mel, rng: _shift(log_mel, int(rng.integers(-BANDS, BANDS + 1))),
    "gain": lambda log_mel, rng: log_mel + rng.uniform(-GAIN_DB, GAIN_DB),
    "noise": _noise,
    "stretch": _stretch,
    **RECORDINGS,
}


# Corruption


def corrupt(y: np.ndarray, *, sr: int, kind: str, severity: float, seed: int = 0) -> np.ndarray:
    """Corrupt a recording.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
        Its sampling rate in Hz.
    kind : str
        One of `CORRUPTIONS`, which explains the severities.
    severity : float
    seed : int
        Random seed of the noise.

    Returns
    -------
    ndarray, shape (n_samples,), float32; of another length if the speed changes

    Raises
    ------
    SettingError
        If there is no such corruption.
    """
    import librosa
    from scipy import signal

    peak, rms, rng = np.abs(y).max(), np.sqrt(np.mean(y**2)), np.random.default_rng(seed)
    functions = {
        "noise": lambda: y + rms * 10 ** (-severity / 20) * rng.standard_normal(y.size),
        "gain": lambda: np.clip(y * 10 ** (severity / 20), -1, 1),
        "pitch": lambda: librosa.effects.pitch_shift(y, sr=sr, n_steps=severity),
        "speed": lambda: librosa.effects.time_stretch(y, rate=severity),
        "low-pass": lambda: signal.sosfiltfilt(signal.butter(8, severity, fs=sr, output="sos"), y),
        "clipping": lambda: np.clip(y, -severity * peak, severity * peak),
    }
    return choose(functions, kind, "corruption")().astype(np.float32)


def corrupt_log_mel(log_mel: np.ndarray, *, kind: str, severity: float) -> np.ndarray:
    """Corrupt a log-mel spectrogram, as far as possible without the audio.

    Parameters
    ----------
    log_mel : ndarray, shape (..., n_mels, n_frames)
        In dB, from -80 (silence) to 0 (the track's maximum).
    kind : str
        One of `LOG_MEL_CORRUPTIONS`, which explains the severities.
    severity : float

    Returns
    -------
    ndarray of the same shape
        Between -80 and 0 dB.

    Raises
    ------
    SettingError
        If there is no such corruption.
    """
    functions = {
        "noise": lambda: 10 * np.log10(10 ** (log_mel / 10) + 10 ** (-severity / 10)),
        "gain": lambda: log_mel + severity,
        "shift": lambda: _shift(log_mel, round(severity)),
    }
    return np.clip(choose(functions, kind, "corruption")(), *DB_RANGE)
