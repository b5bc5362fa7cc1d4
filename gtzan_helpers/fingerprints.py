"""Fingerprints: bits by which a recording is known again, whatever became of its file.

About 13 times a second a fingerprint says, for 32 pairs of neighbouring bands, whether the
difference in loudness between the two grows or shrinks. Gain cancels out; encoders, filters
and other sampling rates turn few of the bits; a cut only moves them. The method is that of
Haitsma & Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002), on the mel bands
and at the pace of a feature pack, so that audio and packs have fingerprints alike.

Taught in notebook 00.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gtzan_helpers.errors import NotPossibleError

BITS = 32
PERIOD = 0.0775
"""Seconds from one frame of a fingerprint to the next."""

WINDOW = 5 * PERIOD
"""Seconds over which loudness is averaged, so that half a frame's shift changes little."""

STEP = 2
"""Frames between the two moments that are compared."""

RANGE = (3 / 128, 102 / 128)
"""Which share of the mel bands is used: below lies a DC offset, above what encoders drop."""

FLOOR_DB = 50.0
"""What lies further below the loudest point is left out: encoders and converters spoil it."""

STILL_DB = 0.01
"""A smaller change is none: silence, or below the floor."""

NEIGHBOURS = 64
"""With how many others of the same word, at most, one is compared, so that the time has a bound."""

WORDS_IN_COMMON = 2
"""One may be chance."""

CHANCE = 2.0
"""Two fingerprints match where fewer of their bits differ than half, less `CHANCE` over the
root of the frames in common. Unrelated tracks of GTZAN stay below 1, wherever one is laid
against the other."""


EMPTY = np.zeros((0, BITS), np.int8)
"""The fingerprint of what cannot be heard."""


@dataclass(frozen=True)
class Match:
    """Two fingerprints that have a stretch in common.

    Attributes
    ----------
    one, other : int
        Their places among those that were searched; `one` comes first.
    lag : int
        Frames by which `other` begins later in the music than `one`; earlier where negative.
    error_rate : float
        Share of the bits in common that differ, 0 (equal) to 0.5 (unrelated).
    """

    one: int
    other: int
    lag: int
    error_rate: float

    @property
    def shift(self) -> float:
        """The lag in seconds."""
        return self.lag * PERIOD


def take(log_mel: np.ndarray, *, frame_rate: float) -> np.ndarray:
    """Take the fingerprint of a recording.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        Mel spectrogram in dB, of at least 43 bands.
    frame_rate : float
        Frames per second.

    Returns
    -------
    ndarray, shape (n_frames_out, 32), int8
        A frame every `PERIOD`: 1 where the upper of two bands gains on the lower one, -1 where
        it loses, 0 where neither changes. A recording shorter than `WINDOW` has no frame.

    Raises
    ------
    NotPossibleError
        If there are too few bands.
    """
    low, high = (share * len(log_mel) for share in RANGE)
    if high - low < BITS + 1:
        raise NotPossibleError(f"{len(log_mel)} mel bands are too few for a fingerprint; 43 do")
    edges = np.linspace(low, high, BITS + 2).round().astype(int)
    heard = np.maximum(log_mel[: edges[-1]], log_mel.max(initial=-np.inf) - FLOOR_DB)
    bands = np.add.reduceat(heard, edges[:-1], axis=0, dtype=float)
    loudness = _averaged(bands / np.diff(edges)[:, None], frame_rate)
    contrast = np.diff(loudness, axis=0)
    change = contrast[:, STEP:] - contrast[:, :-STEP]
    return np.where(np.abs(change) > STILL_DB, np.sign(change), 0).astype(np.int8).T


def _averaged(bands: np.ndarray, frame_rate: float) -> np.ndarray:
    """Means over `WINDOW`, a new one every `PERIOD`, whatever the frame rate."""
    sums = np.pad(np.cumsum(bands, axis=1), ((0, 0), (1, 0))) / frame_rate
    seconds = np.arange(sums.shape[1]) / frame_rate
    starts = np.arange(0, seconds[-1] - WINDOW, PERIOD)
    at = [np.interp([starts, starts + WINDOW], seconds, row) for row in sums]
    return np.diff(at, axis=1)[:, 0] / WINDOW


def overlap(one: np.ndarray, other: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut two fingerprints to the frames that lie against one another.

    Parameters
    ----------
    one, other : ndarray, shape (n_frames, 32)
        See `take`.
    lag : int
        Frame of `one` that the first of `other` is laid against; may be negative.

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
        Share that differs of the bits that both have, 0.5 where there is none.
    n_frames : float
        Frames' worth of bits that both have.
    """
    both = np.multiply(*overlap(one, other, lag))
    n_bits = np.count_nonzero(both)
    error_rate = np.count_nonzero(both < 0) / n_bits if n_bits else 0.5
    return float(error_rate), n_bits / BITS


def search(prints: Sequence[np.ndarray]) -> list[Match]:
    """Find the pairs of fingerprints that have a stretch in common.

    Frames are looked up by three words, each two thirds of their bits. Where two tracks have
    words in common, and as far apart, their fingerprints are laid against one another there.
    So most pairs are never looked at.

    Parameters
    ----------
    prints : sequence of ndarray, shape (n_frames, 32)
        See `take`.

    Returns
    -------
    list of Match
        In the order of their tracks; of each pair the likeliest lag. Songs that are merely
        alike, by one band in one tempo, come with higher error rates than one recording.
    """
    matches = []
    for one, other, lag in _candidates(prints):
        error_rate, n_frames = compare(prints[one], prints[other], lag)
        if (0.5 - error_rate) * np.sqrt(n_frames) >= CHANCE:
            matches.append(Match(one, other, lag, error_rate))
    return matches


def _candidates(prints: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Pairs that have words in common, each at the lag at which they have most."""
    track = np.repeat(np.arange(len(prints)), [len(one) for one in prints])
    frame = np.concatenate([np.arange(len(one)) for one in [*prints, EMPTY]])
    bits = np.concatenate([*prints, EMPTY])
    # Silent frames are all alike, and say nothing.
    spoken = np.count_nonzero(bits, axis=1) >= BITS // 2
    track, frame, bits = track[spoken], frame[spoken], bits[spoken] > 0
    span = 2 * int(frame.max(initial=0)) + 1
    shared = []
    for left_out in range(3):
        word = np.arange(BITS) % 3 != left_out
        for one, other in _equal(bits[:, word] @ (1 << np.arange(word.sum()))):
            apart = track[one] != track[other]
            one, other = one[apart], other[apart]
            pair = track[one] * len(prints) + track[other]
            shared.append(pair * span + frame[one] - frame[other] + span // 2)
    found, votes = np.unique(np.concatenate(shared), return_counts=True)
    found, votes = found[votes >= WORDS_IN_COMMON], votes[votes >= WORDS_IN_COMMON]
    order = np.lexsort((votes, found // span))
    best = found[order[np.flatnonzero(np.diff(found[order] // span, append=-1))]]
    pair, lag = np.divmod(best, span)
    one, other = np.divmod(pair, max(1, len(prints)))
    return list(zip(one.tolist(), other.tolist(), (lag - span // 2).tolist(), strict=True))


def _equal(words: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of equal words, pair by pair, the earlier first."""
    order = np.argsort(words, kind="stable")
    ordered = words[order]
    for step in range(1, NEIGHBOURS + 1):
        same = np.flatnonzero(ordered[step:] == ordered[:-step])
        yield order[same], order[same + step]
