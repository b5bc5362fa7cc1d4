"""Reading, resampling and cutting audio. `y` is always mono, float32, nominally in [-1, 1]."""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gtzan_helpers.errors import AudioError

SUFFIXES = (".wav", ".au", ".flac", ".mp3", ".ogg")
MIN_RATE, MAX_RATE = 1_000, 768_000
MIN_SECONDS = 1.0
"""A shorter recording is refused: it holds too little music to name."""


def read(path: str | Path, *, sr: int | None = None) -> tuple[np.ndarray, int]:
    """Read a recording as mono float32.

    Parameters
    ----------
    path : str or Path
        Any file that libsndfile reads: WAV, AU, FLAC, MP3, OGG.
    sr : int or None
        Sampling rate to resample to, in Hz; None keeps the file's own.

    Returns
    -------
    y : ndarray, shape (n_samples,), float32
        The mean of the channels.
    sr : int
        Its sampling rate in Hz.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, truncated, silent, shorter than
        `MIN_SECONDS`, or holds samples that are not finite.

    Notes
    -----
    Taught in notebook 01.
    """
    path = Path(path)
    y, native_sr = _decode(path)
    fault = _fault(y, native_sr)
    if fault:
        raise AudioError(f"{path}: {fault}")
    if sr is None or sr == native_sr:
        return y, native_sr
    return resample(y, sr=native_sr, target_sr=sr), sr


def stream(path: str | Path, *, sr: int, seconds: float) -> Iterator[np.ndarray]:
    """Read a recording piece by piece, as mono float32; memory stays flat.

    Parameters
    ----------
    path : str or Path
        See `read`.
    sr : int
        Sampling rate to resample to, in Hz.
    seconds : float
        Length of a piece; the last one is what is left.

    Yields
    ------
    ndarray, shape (n_samples,), float32

    Raises
    ------
    AudioError
        As for `read`, but for silence, of which a piece may consist.
    """
    import soundfile

    path = Path(path)
    with _refusing(path):
        _check_size(path)
        with soundfile.SoundFile(path) as file:
            native_sr, total = file.samplerate, 0
            if not MIN_RATE <= native_sr <= MAX_RATE:
                raise AudioError(
                    f"{path}: its sampling rate of {native_sr:,} Hz is beyond {MIN_RATE:,} to "
                    f"{MAX_RATE:,} Hz; convert it"
                )
            for samples in file.blocks(round(seconds * native_sr), dtype="float32", always_2d=True):
                y = samples.mean(axis=1)
                fault = _not_finite(y) or (None if total else _too_short(y, native_sr))
                if fault:
                    raise AudioError(f"{path}: {fault}")
                total += y.size
                if not _too_short(y, native_sr):  # else the last breath of a longer song
                    yield y if native_sr == sr else resample(y, sr=native_sr, target_sr=sr)
            if total == 0:
                raise AudioError(f"{path}: holds no sound; copy or fetch it again")


def _decode(path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    with _refusing(path):
        _check_size(path)
        # libsndfile scales 32-bit floats as they are and integers to [-1, 1).
        samples, sr = soundfile.read(path, dtype="float32", always_2d=True)
    # The sum, not the mean, would clip what was in phase.
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1), sr


def _check_size(path: Path) -> None:
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: an empty file (0 bytes); copy or fetch it again")
    promised, held = _data_bytes(path)
    if promised > held:
        raise AudioError(
            f"{path}: truncated: its header promises {promised:,} bytes of sound, the file "
            f"holds {held:,}; copy or fetch it again"
        )


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say in one line why a file cannot be read."""
    import soundfile

    try:
        yield
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: not audio that libsndfile can read ({error.error_string.strip(' .')}); "
            "convert it to WAV or FLAC"
        ) from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror})") from error


def _data_bytes(path: Path) -> tuple[int, int]:
    """Return the bytes of sound that a WAV or AU header promises, and those that follow it.

    libsndfile reads a file that was cut short without a word. (0, 0) where there is nothing
    to compare: another format, or the length left open by a program that streams.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        head = file.read(12)
        if len(head) == 12 and head[:4] == b".snd":
            offset, length = struct.unpack(">II", head[4:])
            return (0, 0) if length >= 0x7FFFF000 else (length, size - offset)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0, 0
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                open_ended = length == 0 or length >= 0x7FFFF000
                return (0, 0) if open_ended else (length, size - file.tell())
            file.seek(length + length % 2, 1)
    return 0, 0


def _fault(y: np.ndarray, sr: int) -> str | None:
    silent = None if y.any() else "silent: every sample is zero; there is nothing to classify"
    return _not_finite(y) or _too_short(y, sr) or silent


def _not_finite(y: np.ndarray) -> str | None:
    bad = np.count_nonzero(~np.isfinite(y))
    if not bad:
        return None
    return f"{bad:,} of {y.size:,} samples are not finite (NaN or infinite); encode it again"


def _too_short(y: np.ndarray, sr: int) -> str | None:
    if y.size >= MIN_SECONDS * sr:
        return None
    return f"lasts {y.size / sr:.2f} s; at least {MIN_SECONDS:g} s is needed"


def resample(y: np.ndarray, *, sr: int, target_sr: int) -> np.ndarray:
    """Resample with soxr's high quality setting.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Audio at `sr` Hz.
    sr, target_sr : int
        Sampling rates in Hz.

    Returns
    -------
    ndarray, shape (about n_samples * target_sr / sr,), float32
    """
    import soxr

    return soxr.resample(y.astype(np.float32, copy=False), sr, target_sr, quality="HQ")


def segment_starts(n_samples: int, *, sr: float, segment_seconds: float) -> np.ndarray:
    """Say where the segments of a recording start.

    There are ``max(1, round(duration / segment_seconds))``, spread evenly so that the last
    one ends where the recording ends. Neighbours overlap a little, or leave a little out,
    when the length is no multiple of the segment.

    Parameters
    ----------
    n_samples : int
        Length of the recording.
    sr : float
        Samples (or frames) per second.
    segment_seconds : float
        Length of a segment in seconds; 0 for the whole recording as one segment.

    Returns
    -------
    ndarray of int, shape (n_segments,)
        First sample of each segment.

    Examples
    --------
    >>> segment_starts(10 * 100, sr=100, segment_seconds=3).tolist()
    [0, 350, 700]
    """
    if segment_seconds == 0:
        return np.zeros(1, dtype=int)
    length = round(segment_seconds * sr)
    if n_samples <= length:
        return np.zeros(1, dtype=int)
    n_segments = max(1, round(n_samples / sr / segment_seconds))
    # Backwards, so that a single segment, too, ends where the recording ends.
    return np.linspace(n_samples - length, 0, n_segments).round().astype(int)[::-1]


def cut(y: np.ndarray, start: int, length: int) -> np.ndarray:
    """Return `length` samples of `y` from `start` on; a shorter recording is repeated.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    start, length : int
        In samples; a `length` of 0 means all of `y`.

    Returns
    -------
    ndarray, shape (length,)
    """
    if length == 0:
        return y
    piece = y[start : start + length]
    return piece if piece.size == length else np.resize(piece, length)
