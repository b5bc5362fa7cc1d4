"""Recognising GTZAN's tracks by their sound.

The package carries the fingerprints of GTZAN's tracks (but for jazz.00054) that
`scripts/make_fingerprints.py` makes. A recording is compared with all of them at all lags, by
matrix products, which takes some 20 ms for a piece of 3 s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gtzan_helpers import config
from gtzan_helpers.datasets.fingerprints import BITS, PERIOD, compare
from gtzan_helpers.files import load_arrays

# Frames of the pieces of a recording that are searched for (3.4 s of audio), and the largest
# number of frames from one piece to the next (10 s), so that some lie in any excerpt of 30 s.
PIECE, SPACING = 39, 129

# How many tracks are compared with the whole recording, for each piece.
CANDIDATES = 5

# The smallest score of a recognised recording; see `recognise`.
SCORE = 8.0

# Frames of the references that are multiplied at a time, few enough to stay in a processor's cache.
BLOCK = 1 << 14


@dataclass(frozen=True)
class Recognition:
    """A recording that is one of GTZAN's tracks, or a part of it, or holds it.

    Attributes
    ----------
    track_id : str
        Such as blues.00002.
    start_s : float
        Where in that track the recording begins, in seconds; negative if before it.
    """

    track_id: str
    start_s: float


def recognise(fingerprint: np.ndarray) -> Recognition | None:
    """Recognise a track of GTZAN.

    Parameters
    ----------
    fingerprint : ndarray, shape (n_frames, 32), int8
        Of the recording; see `fingerprints.from_audio`.

    Returns
    -------
    Recognition or None
        None if the recording is not GTZAN's, or too short or too quiet to tell. If GTZAN itself
        holds the recording twice, the track that is more alike, or the earlier of equal ones.
    """
    score, track, lag = max(_matches(fingerprint), default=(0.0, 0, 0), key=lambda match: match[0])
    if score < SCORE:
        return None
    return Recognition(str(_references()[0][track]), lag * PERIOD)


def _matches(fingerprint: np.ndarray) -> Iterator[tuple[float, int, int]]:
    """Yield the tracks that are most alike: score, number, and frame at which a recording begins.

    A score is the number of bits that agree, less those that differ, in all frames in common,
    over what unrelated music has there: its root mean square over all tracks and lags.
    """
    _, starts, bits = _references()
    n_pieces = 1 + max(0, -(-(len(fingerprint) - PIECE) // SPACING))
    for first in np.linspace(0, max(0, len(fingerprint) - PIECE), n_pieces).astype(int):
        piece = fingerprint[first : first + PIECE]
        agreement = _agreement(piece, bits)
        chance = np.sqrt(np.mean(agreement**2) / max(1, np.count_nonzero(piece)))
        if chance == 0:
            continue
        # A piece belongs to the track that holds its middle; it may stand out at either end.
        edges = starts - len(piece) // 2
        best = np.maximum.reduceat(agreement, edges[:-1])
        for track in np.argsort(-best, kind="stable")[:CANDIDATES]:
            place = edges[track] + agreement[edges[track] : edges[track + 1]].argmax()
            lag = int(place - starts[track] - first)
            own = bits[starts[track] : starts[track + 1]]
            error_rate, n_frames = compare(own, fingerprint, lag)
            yield (1 - 2 * error_rate) * np.sqrt(n_frames * BITS) / chance, int(track), lag


def _agreement(piece: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Bits that agree less bits that differ, with the piece beginning at each frame of `bits`."""
    agreement = np.zeros(len(bits) - len(piece) + 1, np.float32)
    query = piece.astype(np.float32)
    for first in range(0, agreement.size, BLOCK):
        part = agreement[first : first + BLOCK]
        frames = bits[first : first + part.size + len(piece) - 1]
        for row, products in enumerate(query @ frames.T.astype(np.float32)):
            part += products[row : row + part.size]
    return agreement


@lru_cache(maxsize=1)
def _references() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids of the tracks, the frames at which they start and the last one ends, and all frames.

    Frames without bits precede the first track and follow the last one, so that a piece may stand
    out.
    """
    arrays = load_arrays(config.facts_dir() / "fingerprints.npz")
    bits = 2 * np.unpackbits(arrays["bits"], axis=1).view(np.int8) - 1
    starts = PIECE + np.cumsum([0, *arrays["n_frames"]])
    return arrays["track_id"].astype(str), starts, np.pad(bits, ((PIECE, PIECE), (0, 0)))
