"""Audio fingerprints: bits that identify a recording, whatever happened to its file.

About 13 times a second a fingerprint records, for 32 pairs of neighbouring bands, whether the
difference in loudness between the two grows or shrinks. Gain cancels out; encoders, filters
and other sampling rates change few of the bits; a cut only shifts them. The method is that of
Haitsma & Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002), applied to mel
bands at the frame rate of a feature pack, so that audio and packs give similar fingerprints.

Taught in notebook 00.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gtzan_helpers import config
from gtzan_helpers.errors import NotPossibleError

BITS = 32
#: Seconds from one frame of a fingerprint to the next.
PERIOD = 0.0775

#: Seconds over which loudness is averaged, so that a shift of half a frame changes little.
WINDOW = 5 * PERIOD

# Frames between the two moments that are compared.
STEP = 2

# The share of the mel bands in use: a DC offset lies below, what encoders drop lies above.
RANGE = (3 / 128, 102 / 128)

# Levels this far below the maximum are clipped: encoders and converters distort them.
FLOOR_DB = 50.0

# Smaller changes count as none: silence, or levels below the floor.
STILL_DB = 0.01

# The largest number of equal words that one word is compared with; it bounds the time.
NEIGHBOURS = 64

# A single word may be equal by chance.
WORDS_IN_COMMON = 2

# Two fingerprints match if their bit error rate is below 0.5 by more than this over the square root
# of the number of frames in common. Unrelated tracks of GTZAN stay below 1 at any lag.
SIGNIFICANCE = 2.0

#: Longer recordings are cut, so that memory has a bound.
LONGEST_SECONDS = 300.0

# The fingerprint of a file that cannot be read.
EMPTY = np.zeros((0, BITS), np.int8)


@dataclass(frozen=True)
class Match:
    """Two fingerprints that have a stretch in common.

    Attributes
    ----------
    one, other : int
        Their places in the list that was searched; `one` comes first.
    lag : int
        Frames by which `other` begins later in the music than `one`; negative if earlier.
    error_rate : float
        Share of the common bits that differ, from 0 (equal) to 0.5 (unrelated).
    """

    one: int
    other: int
    lag: int
    error_rate: float

    @property
    def shift(self) -> float:
        """The lag in seconds."""
        return self.lag * PERIOD


def from_log_mel(log_mel: np.ndarray, *, frame_rate: float) -> np.ndarray:
    """Compute the fingerprint of a recording.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        Mel spectrogram in dB, of at least 43 bands.
    frame_rate : float
        Frames per second.

    Returns
    -------
    ndarray, shape (n_frames_out, 32), int8
        One frame every `PERIOD`: 1 where the upper of two bands gains on the lower one, -1
        where it loses, 0 where nothing changes. Empty for recordings shorter than `WINDOW`.

    Raises
    ------
    NotPossibleError
        If there are too few bands.
    """
    low, high = (share * len(log_mel) for share in RANGE)
    if high - low < BITS + 1:
        raise NotPossibleError(f"{len(log_mel)} mel bands are too few for a fingerprint; 43 do")
    edges = np.linspace(low, high, BITS + 2).round().astype(int)
    levels = np.maximum(log_mel[: edges[-1]], log_mel.max(initial=-np.inf) - FLOOR_DB)
    bands = np.add.reduceat(levels, edges[:-1], axis=0, dtype=float)
    loudness = _averaged(bands / np.diff(edges)[:, None], frame_rate)
    contrast = np.diff(loudness, axis=0)
    change = contrast[:, STEP:] - contrast[:, :-STEP]
    return np.where(np.abs(change) > STILL_DB, np.sign(change), 0).astype(np.int8).T


def from_audio(y: np.ndarray, *, sr: int) -> np.ndarray:
    """Compute the fingerprint of audio.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        The first `LONGEST_SECONDS` are used.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    ndarray, shape (n_frames, 32), int8
        See `from_log_mel`.
    """
    from gtzan_helpers.audio import reading, spectra  # librosa takes long to import

    y = reading.resample(y[: round(LONGEST_SECONDS * sr)], sr=sr, target_sr=config.SR)
    frame_rate = config.SR / spectra.HOP_LENGTH
    return from_log_mel(spectra.log_mel(y, sr=config.SR), frame_rate=frame_rate)


def _averaged(bands: np.ndarray, frame_rate: float) -> np.ndarray:
    """Average over `WINDOW`, once every `PERIOD`, at any frame rate."""
    sums = np.pad(np.cumsum(bands, axis=1), ((0, 0), (1, 0))) / frame_rate
    seconds = np.arange(sums.shape[1]) / frame_rate
    starts = np.arange(0, seconds[-1] - WINDOW, PERIOD)
    ends = [np.interp([starts, starts + WINDOW], seconds, row) for row in sums]
    return np.diff(ends, axis=1)[:, 0] / WINDOW


def overlap(one: np.ndarray, other: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames of two fingerprints that overlap at a lag.

    Parameters
    ----------
    one, other : ndarray, shape (n_frames, 32)
        See `from_log_mel`.
    lag : int
        Frame of `one` with which the first frame of `other` is aligned; may be negative.

    Returns
    -------
    ndarray, ndarray, both of shape (n_frames_in_common, 32)
    """
    n_frames = max(0, min(len(one) - max(lag, 0), len(other) + min(lag, 0)))
    return one[max(lag, 0) :][:n_frames], other[max(-lag, 0) :][:n_frames]


def compare(one: np.ndarray, other: np.ndarray, lag: int) -> tuple[float, float]:
    """Count the bits in which two fingerprints differ.

    Parameters
    ----------
    one, other, lag
        See `overlap`.

    Returns
    -------
    error_rate : float
        Share of the common bits that differ; 0.5 if there are none.
    n_frames : float
        Number of common bits, in frames.
    """
    products = np.multiply(*overlap(one, other, lag))
    n_bits = np.count_nonzero(products)
    return np.count_nonzero(products < 0) / n_bits if n_bits else 0.5, n_bits / BITS


def search(fingerprints: Sequence[np.ndarray]) -> list[Match]:
    """Find the pairs of fingerprints that have a stretch in common.

    Each frame is looked up by three words, each made of two thirds of its bits. Two
    fingerprints that share words at the same lag are compared at that lag, so that most pairs
    are never compared.

    Parameters
    ----------
    fingerprints : sequence of ndarray, shape (n_frames, 32)
        See `from_log_mel`.

    Returns
    -------
    list of Match
        Ordered by track; each pair at its most likely lag. Different songs that are merely
        similar (the same band, the same tempo) have higher error rates than duplicates.
    """
    matches = []
    for one, other, lag in _candidates(fingerprints):
        error_rate, n_frames = compare(fingerprints[one], fingerprints[other], lag)
        if (0.5 - error_rate) * np.sqrt(n_frames) >= SIGNIFICANCE:
            matches.append(Match(one, other, lag, error_rate))
    return matches


def _candidates(fingerprints: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Pairs that have words in common, each at the lag at which they have most."""
    track = np.repeat(np.arange(len(fingerprints)), [len(bits) for bits in fingerprints])
    frame = np.concatenate([np.arange(len(bits)) for bits in [*fingerprints, EMPTY]])
    bits = np.concatenate([*fingerprints, EMPTY])
    # Silent frames are all equal and carry no information.
    audible = np.count_nonzero(bits, axis=1) >= BITS // 2
    track, frame, bits = track[audible], frame[audible], bits[audible] > 0
    span = 2 * int(frame.max(initial=0)) + 1
    shared = []
    for left_out in range(3):
        word = np.arange(BITS) % 3 != left_out
        for one, other in _equal(bits[:, word] @ (1 << np.arange(word.sum()))):
            apart = track[one] != track[other]
            one, other = one[apart], other[apart]
            pair = track[one] * len(fingerprints) + track[other]
            shared.append(pair * span + frame[one] - frame[other] + span // 2)
    alignments, votes = np.unique(np.concatenate(shared), return_counts=True)
    common = votes >= WORDS_IN_COMMON
    alignments, votes = alignments[common], votes[common]
    alignments = alignments[np.lexsort((votes, alignments // span))]
    best = alignments[np.flatnonzero(np.diff(alignments // span, append=-1))]
    pair, lag = np.divmod(best, span)
    one, other = np.divmod(pair, max(1, len(fingerprints)))
    return list(zip(one.tolist(), other.tolist(), (lag - span // 2).tolist(), strict=True))


def _equal(words: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the places of equal words, as arrays of pairs, the earlier place first."""
    order = np.argsort(words, kind="stable")
    ordered = words[order]
    for step in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(ordered[step:] == ordered[:-step])
        yield order[same], order[same + step]
