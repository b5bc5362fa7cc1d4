"""Reading and resampling audio. `y` is always mono, float32, nominally in [-1, 1]."""

import contextlib
import ctypes
import os
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from gtzan_helpers.errors import AudioError
from gtzan_helpers.files import regular

#: Endings of the files that are taken for audio.
SUFFIXES = (".wav", ".au", ".flac", ".mp3", ".ogg")
MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 32
# Louder samples (full scale is 1) are errors; 32-bit integers read as floats stay below.
MAX_LEVEL = 2.0**31

#: Maximum length of a recording in samples, 6 h at 22,050 Hz; even a small file may hold more.
MAX_SAMPLES = 1 << 29

#: Shorter recordings are refused: they hold too little music to classify.
MIN_SECONDS = 1.0

# A recording is truncated if a larger share of its promised length is missing; headers of
# compressed audio may be wrong by less.
MISSING_SHARE = 0.05

# How many chunks of a WAV file are searched for its samples.
MAX_CHUNKS = 1000

# Programs that stream do not know the length, and write at least this number.
OPEN_LENGTH = 0x7FFFF000

BLOCK = 1 << 18


def read(path: str | Path, *, sr: int | None = None) -> tuple[np.ndarray, int]:
    """Read a recording as mono float32.

    Parameters
    ----------
    path : str or Path
        A file that libsndfile reads: WAV, AU, FLAC, MP3, OGG.
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
        `MIN_SECONDS` or longer than `MAX_SAMPLES`, if it holds samples that are not finite, or
        if its sampling rate or number of channels is absurd.

    Notes
    -----
    Taught in notebook 01.
    """
    with _opened(path) as file:
        y, native_sr = _whole(file), file.samplerate
        _check_samples(y)
        _check_length(y, native_sr)
        if not y.any():
            raise AudioError("silent: every sample is zero; there is nothing to classify")
    sr = sr or native_sr
    return resample(y, sr=native_sr, target_sr=sr), sr


def stream(path: str | Path, *, sr: int, seconds: float) -> Iterator[np.ndarray]:
    """Read a recording piece by piece, as mono float32, in constant memory.

    Parameters
    ----------
    path : str or Path
        See `read`.
    sr : int
        Sampling rate to resample to, in Hz.
    seconds : float
        Length of a piece; the last one may be shorter.

    Yields
    ------
    ndarray, shape (n_samples,), float32

    Raises
    ------
    AudioError
        As for `read`, except for silence, because a piece may be silent, and for excess length.
    """
    with _opened(path) as file:
        for number, y in enumerate(_pieces(file, round(seconds * file.samplerate))):
            _check_samples(y)
            if number == 0:
                _check_length(y, file.samplerate)
            yield resample(y, sr=file.samplerate, target_sr=sr)


def header(path: str | Path) -> tuple[int, int, int]:
    """Read a recording's header, which may be wrong.

    Parameters
    ----------
    path : str or Path
        See `read`.

    Returns
    -------
    n_samples : int
        Per channel.
    sr : int
        In Hz.
    n_channels : int

    Raises
    ------
    AudioError
        If the file cannot be opened, or if its rate or number of channels is absurd.
    """
    with _opened(path) as file:
        return file.frames, file.samplerate, file.channels


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[soundfile.SoundFile]:
    """Open a recording; errors while it is opened or read become one line with its name."""
    path = Path(path)
    try:
        if regular(path).st_size == 0:
            raise AudioError("an empty file (0 bytes); copy or fetch it again")
        _check_complete(*_data_bytes(path), "bytes")
        with _muted():
            # As bytes, a name need not be UTF-8; on Windows it always is.
            file = soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else path)
        with file:
            if not MIN_RATE <= file.samplerate <= MAX_RATE:
                bounds = f"{MIN_RATE:,} to {MAX_RATE:,} Hz"
                raise AudioError(f"sampling rate of {file.samplerate:,} Hz is beyond {bounds}")
            if file.channels > MAX_CHANNELS:
                raise AudioError(f"{file.channels} channels are more than {MAX_CHANNELS}")
            yield file
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError for .raw files
        reason = getattr(error, "error_string", str(error)).strip(" .")
        fault = f"not audio that libsndfile can read ({reason}); convert it to WAV or FLAC"
        raise AudioError(f"{path}: {fault}") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror})") from error


_MUTED = threading.Lock()


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Keep libsndfile from reporting damage on stdout, and libmpg123 on stderr."""
    # Where one is closed, its number may now belong to another file.
    numbers = [n for n, stream in ((1, sys.__stdout__), (2, sys.__stderr__)) if stream]
    with _MUTED, Path(os.devnull).open("wb") as nowhere:
        copies = [os.dup(number) for number in numbers]
        for number in numbers:
            os.dup2(nowhere.fileno(), number)
        try:
            yield
        finally:
            if os.name == "posix":  # what was said may still wait in C's own buffer
                ctypes.CDLL(None).fflush(None)
            for number, copy in zip(numbers, copies, strict=True):
                os.dup2(copy, number)
                os.close(copy)


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Read as mono until the end of the file, because the header's length may be wrong."""
    total = 0
    while True:
        with _muted():
            # libsndfile scales 32-bit floats as they are and integers to [-1, 1).
            samples = file.read(BLOCK, dtype="float32", always_2d=True)
        if not len(samples):
            break
        total += len(samples)
        with np.errstate(over="ignore", invalid="ignore"):  # `_check_samples` reports these
            yield samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not total:
        raise AudioError("holds no sound; copy or fetch it again")
    _check_complete(total, file.frames, "samples", MISSING_SHARE)


def _pieces(file: soundfile.SoundFile, length: int) -> Iterator[np.ndarray]:
    """Read in pieces of that many samples; the last one may be shorter."""
    pending = np.zeros(0, np.float32)
    for block in _blocks(file):
        pending = np.concatenate([pending, block])
        while pending.size >= length:
            yield pending[:length]
            pending = pending[length:]
    if pending.size:
        yield pending


def _whole(file: soundfile.SoundFile) -> np.ndarray:
    blocks = []
    for block in _blocks(file):
        blocks.append(block)
        if len(blocks) * BLOCK > MAX_SAMPLES:
            hours = MAX_SAMPLES / file.samplerate / 3600
            raise AudioError(f"lasts more than {hours:.1f} h; cut it into pieces")
    return np.concatenate(blocks)


def _data_bytes(path: Path) -> tuple[int, int]:
    """Bytes that follow the header of a WAV or AU file, and bytes of sound that it promises.

    libsndfile reads truncated files without an error. (0, 0) for other formats.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        head = file.read(12)
        if len(head) == 12 and head[:4] == b".snd":
            offset, length = struct.unpack(">II", head[4:])
            return size - offset, length
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0, 0
        for _ in range(MAX_CHUNKS):
            if len(header := file.read(8)) < 8:
                break
            name, length = struct.unpack("<4sI", header)
            if name == b"data":
                return size - file.tell(), length
            file.seek(length + length % 2, 1)
    return 0, 0


def _check_complete(held: int, promised: int, unit: str, missing_share: float = 0) -> None:
    if held < (1 - missing_share) * promised and promised < OPEN_LENGTH:
        counts = f"its header promises {promised:,} {unit}, the file holds {held:,}"
        raise AudioError(f"truncated: {counts}; copy or fetch it again")


def _check_samples(y: np.ndarray) -> None:
    bad = y.size - np.count_nonzero(np.abs(y) <= MAX_LEVEL)
    if bad:
        raise AudioError(f"{bad:,} of {y.size:,} samples are not finite, or huge; encode it again")


def _check_length(y: np.ndarray, sr: int) -> None:
    if y.size < MIN_SECONDS * sr:
        seconds = int(100 * y.size / sr) / 100  # rounded down, never up to the required length
        raise AudioError(f"lasts {seconds:.2f} s; at least {MIN_SECONDS:g} s is needed")


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
    if sr == target_sr:
        return y
    return soxr.resample(y.astype(np.float32, copy=False), sr, target_sr, quality="HQ")
