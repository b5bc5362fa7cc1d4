"""Reading and resampling audio. `y` is always mono, float32, nominally in [-1, 1].

`decoders` decode; here is what is read of a recording, and what is refused.
"""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from gtzan_helpers.audio import decoders
from gtzan_helpers.errors import AudioError, AudioWarning
from gtzan_helpers.files import regular

#: Endings of the files that are taken for audio. Of a video the first sound track is read.
SUFFIXES = (
    *(".wav", ".au", ".flac", ".mp3", ".ogg", ".m4a", ".aac", ".opus", ".wma", ".aif", ".aiff"),
    *(".aifc", ".caf", ".mp4", ".webm", ".mka", ".mkv", ".mov", ".oga", ".spx", ".m4b", ".m4r"),
    *(".m4v", ".3gp", ".3g2", ".weba", ".asf", ".avi", ".mp2", ".mpga", ".wave", ".bwf"),
    *(".w64", ".rf64", ".snd", ".ac3", ".eac3", ".dts", ".amr", ".ape", ".wv", ".tta", ".tak"),
    *(".mpc", ".dsf"),
)

MIN_RATE, MAX_RATE = 1_000, 768_000
MAX_CHANNELS = 32
# Louder samples (full scale is 1) are errors; 32-bit integers read as floats stay below.
MAX_LEVEL = 2.0**31

#: Maximum length of a recording in samples, 6 h at 22,050 Hz; even a small file may hold more.
MAX_SAMPLES = 1 << 29

#: Shorter recordings are refused: they hold too little music to classify.
MIN_SECONDS = 1.0

# A channel is silent if its power is a smaller share of the loudest channel's (-25 dB).
SILENT_SHARE = 0.003

# Channels cancel out if the power of their sum is a smaller share of the sum of their powers: 2
# for equal channels, 1 for independent ones, 0.2 for a correlation of -0.8.
CANCELLED_SHARE = 0.2


def read(path: str | Path, *, sr: int | None = None) -> tuple[np.ndarray, int]:
    """Read a recording as mono float32, to its end, whatever its header says.

    Parameters
    ----------
    path : str or Path
        A file that libsndfile or FFmpeg reads; see `SUFFIXES`.
    sr : int or None
        Sampling rate to resample to, in Hz; None keeps the file's own.

    Returns
    -------
    y : ndarray, shape (n_samples,), float32
        The mean of the channels that are not silent, or the louder one if they cancel out.
    sr : int
        Its sampling rate in Hz.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, empty, silent, shorter than `MIN_SECONDS` or longer
        than `MAX_SAMPLES`, if it holds samples that are not finite, or if its sampling rate or
        number of channels is absurd.

    Warns
    -----
    AudioWarning
        If the file is cut off or damaged, a channel is silent, or channels cancel out.

    Notes
    -----
    Taught in notebook 01.
    """
    with _named(path):
        recording = _Recording(Path(path))
        if recording.n_samples > MAX_SAMPLES:
            hours = MAX_SAMPLES / recording.sr / 3600
            raise AudioError(f"lasts more than {hours:.1f} h; cut it into pieces")
        y = np.concatenate(list(recording.blocks()))
    sr = sr or recording.sr
    return resample(y, sr=recording.sr, target_sr=sr), sr


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
        As for `read`, except for excess length, and before the first piece.

    Warns
    -----
    AudioWarning
        As for `read`, before the first piece.
    """
    with _named(path):
        recording = _Recording(Path(path))
        for y in _pieces(recording.blocks(), round(seconds * recording.sr)):
            yield resample(y, sr=recording.sr, target_sr=sr)


def header(path: str | Path) -> tuple[int, int, int]:
    """Read a recording's length, rate and number of channels, without decoding it.

    Parameters
    ----------
    path : str or Path
        See `read`.

    Returns
    -------
    n_samples : int
        Per channel; of damaged files more than there are.
    sr : int
        In Hz.
    n_channels : int

    Raises
    ------
    AudioError
        If the file cannot be opened, or if its rate or number of channels is absurd.
    """
    with _named(path):
        decoder, exact = _decoders(Path(path))
        n_samples, sr = decoder.count(), decoder.sr
        if exact and exact.count() / exact.sr > n_samples / sr - decoders.SLACK_SECONDS:
            n_samples, sr = min(exact.count(), round(n_samples / sr * exact.sr)), exact.sr
        return n_samples, sr, decoder.n_channels


def _decoders(path: Path) -> tuple[decoders.Decoder, decoders.Sndfile | None]:
    """The decoders of a file whose rate and number of channels are possible; see `choose`."""
    decoder, exact = decoders.choose(path)
    if not MIN_RATE <= decoder.sr <= MAX_RATE:
        bounds = f"{MIN_RATE:,} to {MAX_RATE:,} Hz"
        raise AudioError(f"sampling rate of {decoder.sr:,} Hz is beyond {bounds}")
    if decoder.n_channels > MAX_CHANNELS:
        raise AudioError(f"{decoder.n_channels} channels are more than {MAX_CHANNELS}")
    return decoder, exact


@contextlib.contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Put errors while a file is opened and read in one line with its name."""
    try:
        if regular(path).st_size == 0:
            raise AudioError("an empty file (0 bytes); copy or fetch it again")
        Path(path).open("rb").close()  # the decoders do not say why they may not
        yield
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: {decoders.NOT_AUDIO}") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be opened ({error.strerror})") from error


class _Recording:
    """A recording, after a first pass has found its decoder, its channels and its faults."""

    def __init__(self, path: Path) -> None:
        self.decoder, exact = _decoders(path)
        n_samples, n_bad, loudest, products = 0, 0, 0.0, np.zeros((1, 1))
        with np.errstate(over="ignore", invalid="ignore"):  # bad samples are counted
            for block in self.decoder.blocks():
                levels = np.abs(block)
                n_samples += len(block)
                n_bad += block.size - int(np.count_nonzero(levels <= MAX_LEVEL))
                loudest = max(loudest, levels.max())
                products = products + block.T @ block
        if not n_samples:
            raise AudioError(decoders.NO_SOUND)
        if n_bad:
            counts = f"{n_bad:,} of {n_samples * len(products):,} samples"
            raise AudioError(f"{counts} are not finite, or huge; encode it again")
        seconds = n_samples / self.decoder.sr
        if seconds < MIN_SECONDS:
            shown = int(100 * seconds) / 100  # rounded down, never up to the required length
            raise AudioError(f"lasts {shown:.2f} s; at least {MIN_SECONDS:g} s is needed")
        if not loudest:
            raise AudioError("silent: every sample is zero; there is nothing to classify")
        fault = self.decoder.fault(seconds)
        if exact and not fault:
            if exact.gives(seconds):
                self.decoder = exact
            elif exact.format == "FLAC":  # FFmpeg does not compare its check sums
                fault = decoders.DAMAGED
        self.sr, self.n_samples = self.decoder.sr, round(seconds * self.decoder.sr)
        self.channels, remark = _channels(products)
        for words in filter(None, (fault, remark)):
            warnings.warn(AudioWarning(f"{path}: {words}"), stacklevel=3)

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode as mono."""
        for block in self.decoder.blocks():
            if len(self.channels) == 1:
                yield block[:, self.channels[0]]
            else:
                yield block[:, self.channels].mean(axis=1)


def _channels(products: np.ndarray) -> tuple[list[int], str]:
    """The channels to take the mean of, and what is wrong with the others.

    Parameters
    ----------
    products : ndarray, shape (n_channels, n_channels)
        Of each pair of channels, summed over the samples.
    """
    powers = np.diag(products)
    is_silent = powers < SILENT_SHARE * powers.max()
    others = np.flatnonzero(~is_silent).tolist()
    if products[np.ix_(others, others)].sum() < CANCELLED_SHARE * powers[others].sum():
        remark = "channels out of phase: they cancel out in the mean; the louder one is used"
        return [int(powers.argmax())], remark
    if not is_silent.any():
        return others, ""
    if len(powers) == 2:
        return others, "one channel silent; the other one is used"
    return others, f"{is_silent.sum()} of {len(powers)} channels silent; the others are used"


def _pieces(blocks: Iterator[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Join and cut blocks to pieces of that many samples; the last one may be shorter."""
    pending = np.zeros(0, np.float32)
    for block in blocks:
        pending = np.concatenate([pending, block])
        while pending.size >= length:
            yield pending[:length]
            pending = pending[length:]
    if pending.size:
        yield pending


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
