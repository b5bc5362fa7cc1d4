"""Block features: a log-mel spectrogram of any length becomes vectors of fixed lengths.

Each block answers one question: how fast do levels change, and over how many bands at a time; is
a point of the spectrogram part of a tone or of a beat; how far do levels spread. All take a
log-mel spectrogram of 128 bands in dB relative to the track's maximum, floored at -80, with a
frame every `PERIOD` seconds.
"""

from collections.abc import Callable, Mapping

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from gtzan_helpers.audio.segments import kept_frames

#: Seconds from one frame to the next.
PERIOD = 0.0775

# Ends of a recording are silent where every band is so far below the loudest level, in dB.
SILENT_DB = 60.0

# Neighbouring bands that are averaged: 32 groups of 4 bands.
_GROUP = 4


def audible(levels: np.ndarray, *, frame_rate: float, offset: int = 0) -> np.ndarray:
    """What the blocks are given: levels without silent ends, relative to their maximum.

    Frames are picked after the beginning is known, so that silence before it changes nothing.

    Parameters
    ----------
    levels : ndarray, shape (128, n_frames)
        In dB, relative to anything.
    frame_rate : float
        Frames per second, of which one every `PERIOD` is kept.
    offset : int
        Frames to leave out at the beginning.

    Returns
    -------
    ndarray, shape (128, n_frames_left), float32
        From -80 to 0 dB.
    """
    loudest = levels.max(axis=0)
    heard = np.flatnonzero(loudest > loudest.max() - SILENT_DB)
    first = min(heard[0] + offset, heard[-1])
    kept = first + kept_frames(heard[-1] + 1 - first, PERIOD * frame_rate)
    picked = levels[:, kept].astype(np.float32)
    return np.maximum(picked - picked.max(), -80)


def modulations(log_mel: np.ndarray, *, bands: int, frames: int, windows: int) -> np.ndarray:
    """Modulation spectra of patches of a spectrogram: how it ripples over bands and over time.

    Parameters
    ----------
    log_mel : ndarray, shape (n_bands, n_frames)
        In dB. One shorter than a patch is continued by its reflection.
    bands, frames : int
        Size of a patch. Successive patches overlap by half.
    windows : int
        Ranges of bands that patches are cut from, spread evenly over all bands.

    Returns
    -------
    ndarray, shape (windows, n_patches, bands / 2 + 1, frames)
        Magnitudes in dB. The third axis is the scale, in cycles per `bands` bands; the last one
        the rate, in cycles per `frames` frames, in the order of `numpy.fft.fftfreq`: ripples that
        rise in pitch have negative rates, those that fall positive ones.

    Notes
    -----
    The two-dimensional Fourier transform of a patch, less its mean, under a Hann window: the
    scale-rate analysis of Chi, Ru & Shamma, "Multiresolution spectrotemporal analysis of complex
    sounds", JASA 118(2), 2005, without its filters.
    """
    log_mel = _at_least(log_mel, frames)
    first = np.linspace(0, len(log_mel) - bands, windows).round().astype(int)
    patches = sliding_window_view(log_mel, (bands, frames))[first, :: frames // 2]
    patches = patches - patches.mean(axis=(2, 3), keepdims=True)
    patches *= np.outer(_hann(bands), _hann(frames)).astype(np.float32)
    return np.abs(scipy.fft.rfft2(patches, axes=(3, 2)))


def scale_rate(
    log_mel: np.ndarray, *, bands: int, frames: int, windows: int, scales: int, rates: int
) -> np.ndarray:
    """Mean modulation spectrum, in geometric ranges of scales and rates.

    Parameters
    ----------
    log_mel, bands, frames, windows
        See `modulations`.
    scales, rates : int
        Ranges that scales and rates above 0 are averaged in; 0 is a range of its own.

    Returns
    -------
    ndarray, shape (windows * (1 + scales) * (1 + rates),)
        ``log(1 + x)`` of the mean over patches of the magnitudes x at a rate and at its negative.
    """
    magnitudes = modulations(log_mel, bands=bands, frames=frames, windows=windows).mean(axis=1)
    forwards = magnitudes[..., : frames // 2 + 1]
    backwards = magnitudes[..., -np.arange(frames // 2 + 1)]
    of_scales, of_rates = _ranges(bands // 2, scales), _ranges(frames // 2, rates)
    return np.log1p(of_scales @ (forwards + backwards) @ of_rates.T).ravel()


def _ranges(last: int, n: int) -> np.ndarray:
    """Averages of bins in geometric ranges from 1 to `last`, after bin 0; shape (1 + n, 1 + last).

    A range that holds no bin takes the one nearest to its middle.
    """
    edges, bins = np.geomspace(1, last, n + 1), np.arange(1 + last)
    weights = np.zeros((1 + n, 1 + last), np.float32)
    weights[0, 0] = 1
    inside = np.minimum(np.searchsorted(edges, bins[1:] + 1e-6) - 1, n - 1)
    weights[1 + inside, bins[1:]] = 1
    for row in np.flatnonzero(weights.sum(axis=1) == 0):
        weights[row, round(np.sqrt(edges[row - 1] * edges[row]))] = 1
    return weights / weights.sum(axis=1, keepdims=True)


def harmonic_percussive(log_mel: np.ndarray, *, frames: int, bands: int) -> np.ndarray:
    """How far each band is made of tones, and how far of beats.

    Parameters
    ----------
    log_mel : ndarray, shape (128, n_frames)
        In dB.
    frames, bands : int
        Lengths of the medians, both odd.

    Returns
    -------
    ndarray, shape (256,)
        In dB, each for 32 groups of bands: of H - P the mean and the standard deviation over
        time; the standard deviations of L - H and of L - P; and the means of what L exceeds H by,
        falls short of it by, exceeds P by and falls short of it by.

    Notes
    -----
    H is the median of the spectrogram L over frames, which keeps tones, and P that over bands,
    which keeps beats: Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx
    2010. There the two are masks; here their differences are described.
    """
    tones = _median(log_mel, frames)
    beats = _median(log_mel.T, bands).T
    ratio, to_tones, to_beats = tones - beats, log_mel - tones, log_mel - beats
    spreads = [part.std(axis=1) for part in (ratio, to_tones, to_beats)]
    excess = [np.maximum(part, 0).mean(axis=1) for part in _signed(to_tones, to_beats)]
    return _grouped(np.stack([ratio.mean(axis=1), *spreads, *excess], axis=1)).T.ravel()


def _signed(*parts: np.ndarray) -> list[np.ndarray]:
    return [sign * part for part in parts for sign in (1, -1)]


def _median(rows: np.ndarray, size: int) -> np.ndarray:
    """Sliding median along each row; edges are mirrored."""
    padded = np.pad(rows, ((0, 0), (size // 2, size // 2)), mode="symmetric")
    windows = sliding_window_view(padded, size, axis=1)
    return np.partition(windows, size // 2, axis=2)[..., size // 2]


def spread(log_mel: np.ndarray) -> np.ndarray:
    """Each band's standard deviation and RMS difference of frames, in dB, and skewness; (384,)."""
    mean, deviation = log_mel.mean(axis=1, keepdims=True), log_mel.std(axis=1)
    skewness = ((log_mel - mean) ** 3).mean(axis=1) / np.maximum(deviation, 0.01) ** 3
    return np.concatenate([deviation, _rms_difference(log_mel), skewness])


def percentiles(log_mel: np.ndarray) -> np.ndarray:
    """The 5th, 25th, 75th and 95th percentile of each band, in dB; shape (512,)."""
    return np.percentile(log_mel, (5, 25, 75, 95), axis=1).ravel()


def cepstrum(log_mel: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and RMS difference of 40 cosine coefficients (MFCC); shape (120,).

    Davis & Mermelstein, "Comparison of parametric representations for monosyllabic word
    recognition in continuously spoken sentences", IEEE TASSP 28(4), 1980.
    """
    coefficients = scipy.fft.dct(log_mel, axis=0, norm="ortho")[:40]
    parts = coefficients.mean(axis=1), coefficients.std(axis=1), _rms_difference(coefficients)
    return np.concatenate(parts)


def correlations(log_mel: np.ndarray) -> np.ndarray:
    """Correlations, from -1 to 1, of the changes of each two of 32 groups of bands; shape (496,).

    The changes are differences of successive frames: which parts of the spectrum are struck
    together. A group that never changes correlates with none.

    Notes
    -----
    After the correlation pattern of Seyerlehner, Widmer & Pohle, "Fusing block-level features for
    music similarity estimation", DAFx 2010.
    """
    changes = np.diff(_grouped(log_mel), axis=1)
    changes = changes - changes.mean(axis=1, keepdims=True)
    lengths = np.sqrt((changes**2).sum(axis=1))
    unit = changes / np.maximum(lengths, 1e-3)[:, None]
    return (unit @ unit.T)[np.triu_indices(len(unit), 1)]


def sorted_levels(log_mel: np.ndarray) -> np.ndarray:
    """The levels of 32 groups of bands in 10 frames, sorted, in dB; shape (320,).

    Of all blocks of 10 frames, which overlap by half, the 90th percentile of the quietest frame,
    of the second quietest, and so on.

    Notes
    -----
    The spectral pattern of Seyerlehner, Widmer & Pohle; see `correlations`.
    """
    levels = sliding_window_view(_at_least(_grouped(log_mel), 10), 10, axis=1)[:, ::5]
    return np.percentile(np.sort(levels, axis=2), 90, axis=1).ravel()


def pulses(log_mel: np.ndarray) -> np.ndarray:
    """How regularly levels rise, in 8 ranges of bands and in all; shape (234,).

    Autocorrelation of the rise from frame to frame at lags from 0.3 to 6 s, 1 at lag 0: every
    third of its values, sorted from the highest, and their standard deviation. Sorted, they tell
    how strong a pulse is, whatever its tempo.

    Notes
    -----
    After the beat spectrum of Foote & Uchihashi, "The beat spectrum: a new approach to rhythm
    analysis", ICME 2001.
    """
    log_mel = _at_least(log_mel, 2 * _LAGS.stop)
    rise = np.maximum(np.diff(log_mel, axis=1), 0)
    rises = np.vstack([rise.reshape(8, -1, rise.shape[1]).mean(axis=1), rise.mean(axis=0)])
    power = np.abs(scipy.fft.rfft(rises, 2 * rises.shape[1], axis=1)) ** 2
    products = scipy.fft.irfft(power, axis=1)
    shares = products[:, _LAGS] / np.maximum(products[:, :1], 1e-3)
    ranked = -np.sort(-shares, axis=1)
    return np.hstack([ranked[:, ::3], shares.std(axis=1, keepdims=True)]).ravel()


# Lags of autocorrelations, in frames.
_LAGS = slice(4, 78)


def _hann(n: int) -> np.ndarray:
    """A Hann window without the zeros at its ends."""
    return np.hanning(n + 2)[1:-1]


def _at_least(log_mel: np.ndarray, n_frames: int) -> np.ndarray:
    """A spectrogram, continued by its reflection where it is shorter."""
    missing = max(0, n_frames - log_mel.shape[1])
    return np.pad(log_mel, ((0, 0), (0, missing)), mode="reflect") if missing else log_mel


def _grouped(of_bands: np.ndarray) -> np.ndarray:
    return of_bands.reshape(-1, _GROUP, of_bands.shape[1]).mean(axis=1)


def _rms_difference(rows: np.ndarray) -> np.ndarray:
    return np.sqrt((np.diff(rows, axis=1) ** 2).mean(axis=1))


#: The blocks by name; each is called with a log-mel spectrogram. Names of `scale_rate` and of
#: `harmonic_percussive` give the size of patches, and the lengths of medians.
#:
#: :meta hide-value:
BLOCKS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "sr24x16": lambda x: scale_rate(x, bands=24, frames=16, windows=10, scales=8, rates=6),
    "hp9": lambda x: harmonic_percussive(x, frames=9, bands=9),
    "sr32x64": lambda x: scale_rate(x, bands=32, frames=64, windows=7, scales=8, rates=10),
    "sr128x64": lambda x: scale_rate(x, bands=128, frames=64, windows=1, scales=16, rates=10),
    "hp5": lambda x: harmonic_percussive(x, frames=5, bands=5),
    "hp31": lambda x: harmonic_percussive(x, frames=31, bands=25),
    "spread": spread,
    "percentiles": percentiles,
    "cepstrum": cepstrum,
    "correlations": correlations,
    "sorted_levels": sorted_levels,
    "pulses": pulses,
}

#: Number of columns of each block.
#:
#: :meta hide-value:
SIZES: Mapping[str, int] = dict(
    zip(BLOCKS, (630, 256, 693, 187, 256, 256, 384, 512, 120, 496, 320, 234), strict=True)
)

#: The two blocks that tell most for their time.
FAST = ("sr24x16", "hp9")

#: Weights of the blocks' kernels: half of all weight is that of these two.
#:
#: :meta hide-value:
WEIGHTS: Mapping[str, float] = {
    name: 0.5 / len(BLOCKS) + (0.25 if name in FAST else 0) for name in BLOCKS
}


def columns(*names: str) -> tuple[str, ...]:
    """Names of the columns of some blocks: ``hp9_0``, ``hp9_1`` and so on.

    Parameters
    ----------
    *names : str
        Keys of `BLOCKS`.
    """
    return tuple(f"{name}_{number}" for name in names for number in range(SIZES[name]))
