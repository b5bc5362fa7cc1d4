"""Recognising GTZAN's tracks by their sound.

The package carries fingerprints of GTZAN's tracks, made by `scripts/make_fingerprints.py`; only
jazz.00054 has none. Pieces of a recording are compared with every stretch of every track by matrix
products, 10 ms for a clip of 2.5 s; where they fit best, the recordings are compared as a whole.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from threadpoolctl import threadpool_limits

from gtzan_helpers import config
from gtzan_helpers.datasets.fingerprints import BITS, PERIOD, compare
from gtzan_helpers.files import load_arrays

# Frames of a piece (3.4 s of audio), and at most so many from one piece to the next (10 s), so that
# several lie in any excerpt of 30 s.
PIECE, SPACING = 39, 129

# How many tracks are compared as a whole for each piece.
CANDIDATES = 5

# The smallest score of a recognised recording; see `_matches`. It separates two populations. Clips
# of 2 to 3 s of `mini`, as MP3 of 128 kbit/s: 99 % score above 9.3, half of them above 14. Others
# stay below 7.7: 28,600 pieces of GTZAN compared with the tracks of other artists (7.3), 3000
# recordings of the embedded dataset (7.3), 520 of synthetic speech (6.8), noise, tones, chirps
# (7.7), beats and hum.
SCORE = 8.5

# GTZAN holds some recordings more than once. Tracks whose score is at least this share of the best
# one are taken for the same recording; of replicas in `mini`, most have 0.8 to 1.
ALIKE = 0.75

# Frames of the tracks that are multiplied at a time, few enough to stay in a processor's cache.
BLOCK = 1 << 14


@dataclass(frozen=True)
class Recognition:
    """A track of GTZAN in a recording.

    Attributes
    ----------
    track_id : str
        Such as blues.00002.
    start_s : float
        Where in that track the recording begins, in seconds; negative if it begins earlier.
    alike : tuple of str
        Later tracks of GTZAN that hold the same music.
    """

    track_id: str
    start_s: float
    alike: tuple[str, ...] = ()


@threadpool_limits.wrap(limits=1)  # products are small: threads would only wait for one another
def recognise(fingerprint: np.ndarray) -> Recognition | None:
    """Recognise a recording that is a track of GTZAN, a part of one, or has one in it.

    Parameters
    ----------
    fingerprint : ndarray, shape (n_frames, 32), int8
        See `fingerprints.from_audio`. Recordings should last 2 s; of those of 1 s a quarter is
        recognised.

    Returns
    -------
    Recognition or None
        None if there is no such track, or if the recording is too short or too noisy to tell. If
        several tracks hold the same music, the first one, so that all parts of a recording are
        recognised as the same.
    """
    matches = sorted(_matches(fingerprint))
    if not matches or matches[-1][0] < SCORE:
        return None
    least = max(SCORE, ALIKE * matches[-1][0])
    lags = {track: lag for score, track, lag in matches if score >= least}  # the best one is last
    first, *others = sorted(lags)
    ids = _references()[0]
    return Recognition(ids[first], lags[first] * PERIOD, tuple(ids[other] for other in others))


def _matches(fingerprint: np.ndarray) -> Iterator[tuple[float, int, int]]:
    """Yield scores of the most similar tracks, their numbers, and the frames where they are met.

    The score is the number of bits that agree, less those that differ, in the frames in common, as
    a multiple of what is to be expected by chance. Monotonous recordings agree with much by chance;
    so this is measured: it is the root mean square over all tracks and lags.
    """
    _, starts, bits = _references()
    n_pieces = 1 + max(0, math.ceil((len(fingerprint) - PIECE) / SPACING))
    for first in np.linspace(0, max(0, len(fingerprint) - PIECE), n_pieces).astype(int):
        piece = fingerprint[first : first + PIECE]
        agreement = _agreement(piece, bits)
        chance = np.sqrt(np.mean(agreement**2) / max(1, np.count_nonzero(piece)))
        if chance == 0:  # silence
            continue
        # A piece is met in the track that has its middle; its ends may lie beyond.
        edges = starts - len(piece) // 2
        best = np.maximum.reduceat(agreement, edges[:-1])
        for track in np.argsort(-best, kind="stable")[:CANDIDATES].tolist():
            place = edges[track] + agreement[edges[track] : edges[track + 1]].argmax()
            lag = int(place - starts[track] - first)
            own = bits[starts[track] : starts[track + 1]]
            error_rate, n_frames = compare(own, fingerprint, lag)
            yield (1 - 2 * error_rate) * math.sqrt(n_frames * BITS) / chance, track, lag


def _agreement(piece: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Bits that agree less bits that differ, for the piece at each place among the frames."""
    agreement = np.zeros(len(bits) - len(piece) + 1, np.float32)
    query = piece.astype(np.float32)
    for first in range(0, agreement.size, BLOCK):
        part = agreement[first : first + BLOCK]
        frames = bits[first : first + part.size + len(piece) - 1]
        for row, products in enumerate(query @ frames.T.astype(np.float32)):
            part += products[row : row + part.size]
    return agreement


@lru_cache(maxsize=1)
def _references() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids of the tracks; the frame at which each starts, and the end; all frames, as 1 and -1.

    Frames of zeros come before the first track and after the last one.
    """
    arrays = load_arrays(config.facts_dir() / "fingerprints.npz")
    bits = 2 * np.unpackbits(arrays["bits"], axis=1).view(np.int8) - 1
    starts = PIECE + np.cumsum([0, *arrays["n_frames"]])
    return arrays["track_id"].astype(str).tolist(), starts, np.pad(bits, ((PIECE, PIECE), (0, 0)))
