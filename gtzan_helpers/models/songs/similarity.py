"""How similar a recording is to each of many songs: kernels on what the ear might compare.

What `audio.blocks` describes, and what MusiCNN hears, is compared block by block.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gtzan_helpers.audio import blocks

#: Lengths of recordings in seconds, and in frames, that are compared each in their own way.
LENGTHS = (1, 3, 5, 10, 30)
FRAMES = np.array([round(seconds / blocks.PERIOD) for seconds in LENGTHS])

# A recording may lack so much of a length: silent ends are taken away.
MISSING = 0.1

# Standard deviations at which columns are clipped, and the largest byte, which stands for them.
CLIP, BYTE = 3.0, 127

#: Columns of each block, and the weight of its kernel.
BLOCKS = {name: (blocks.SIZES[name], blocks.WEIGHTS[name]) for name in blocks.BLOCKS}
#: The same for MusiCNN.
MUSIC = {"mean_pool": (753, 0.5), "max_pool": (753, 0.5)}


def length_of(n_frames: int) -> int:
    """Index of the longest of `LENGTHS` that a recording has, or of the shortest."""
    return max(0, int(np.searchsorted(FRAMES, n_frames / (1 - MISSING), side="right")) - 1)


def columns(levels: np.ndarray, *, frame_rate: float, music: bool) -> np.ndarray:
    """Describe a recording.

    Where frames are picked, the columns of `BLOCKS` are means over the frame to begin with: they
    depend on it, a little for 30 s, more for 3 s.

    Parameters
    ----------
    levels : ndarray, shape (128, n_frames)
        In dB; see `spectra.levels`.
    frame_rate : float
        Frames per second.
    music : bool
        Whether MusiCNN describes it, too.

    Returns
    -------
    ndarray, shape (n_columns,), float32
        Those of `BLOCKS`, then those of `MUSIC`.

    Raises
    ------
    NotPossibleError
        If musicnn is not installed.
    """
    every = max(1, int(blocks.PERIOD * frame_rate))
    log_mels = [_at_least_1_s(levels, frame_rate, offset) for offset in range(every)]
    rows = [np.concatenate([block(each) for block in _BLOCKS]) for each in log_mels]
    values = [np.mean(rows, axis=0)]
    if music:
        from gtzan_helpers.models.pretrained import musicnn

        values.append(musicnn.pooled(log_mels[0], frame_rate=1 / blocks.PERIOD))
    return np.concatenate(values).astype(np.float32)


_BLOCKS = tuple(blocks.BLOCKS.values())


def _at_least_1_s(levels: np.ndarray, frame_rate: float, offset: int) -> np.ndarray:
    log_mel = blocks.audible(levels, frame_rate=frame_rate, offset=offset)
    missing = max(0, FRAMES[0] - log_mel.shape[1])
    return np.pad(log_mel, ((0, 0), (0, missing)), mode="symmetric")


@dataclass(frozen=True, eq=False)
class Songs:
    """Songs that recordings are compared with.

    Attributes
    ----------
    track_id, genre : ndarray of str, shape (n_songs,)
    mean, deviation : ndarray, shape (n_lengths, n_columns)
        Of the columns, for each of `LENGTHS`.
    points : ndarray, shape (n_songs, n_columns), int8
        The songs' standardised columns, as bytes.
    scales : ndarray, shape (n_blocks,)
        Mean squared distance of two songs in each block.
    """

    track_id: np.ndarray
    genre: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    points: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(
        cls, tracks: pd.DataFrame, whole: np.ndarray, mean: np.ndarray, deviation: np.ndarray
    ) -> "Songs":
        """Put songs in their places.

        Parameters
        ----------
        tracks : DataFrame
            `track_id` and `genre`.
        whole : ndarray, shape (n_songs, n_columns)
            Columns of the longest of `LENGTHS`.
        mean, deviation : ndarray, shape (n_lengths, n_columns)
        """
        standard = np.clip((whole - mean[-1]) / deviation[-1], -CLIP, CLIP)
        points = np.round(standard * (BYTE / CLIP)).astype(np.int8)
        words = tracks.track_id.to_numpy(str), tracks.genre.to_numpy(str)
        songs = cls(*words, mean, deviation, points, scales=np.ones(0))
        scales = [distances(each, each).mean() for each in songs._split(songs._places)]
        return replace(songs, scales=np.array(scales))

    @property
    def blocks(self) -> dict[str, tuple[int, float]]:
        """Of `BLOCKS` and `MUSIC`, those that songs are compared by."""
        with_music = self.points.shape[1] > sum(size for size, _ in BLOCKS.values())
        return BLOCKS | MUSIC if with_music else BLOCKS

    def columns(self, levels: np.ndarray, *, frame_rate: float) -> np.ndarray:
        """Describe a recording by these blocks; see `columns`."""
        return columns(levels, frame_rate=frame_rate, music=self.blocks is not BLOCKS)

    @threadpool_limits.wrap(limits=1)  # sums in another order would round otherwise
    def similarities(self, values: np.ndarray, length: int) -> np.ndarray:
        """Weighted kernels of recordings and songs; see `kernels.KernelRidge`.

        Parameters
        ----------
        values : ndarray, shape (n_recordings, n_columns)
        length : int
            Index into `LENGTHS`.

        Returns
        -------
        ndarray, shape (n_blocks, n_recordings, n_songs), float32
            Between 0 and the weight of each block.
        """
        standard = np.clip((values - self.mean[length]) / self.deviation[length], -CLIP, CLIP)
        pairs = zip(self._split(standard), self._split(self._places), strict=True)
        squares = np.stack([distances(one, other) for one, other in pairs])
        weights = np.array([weight for _, weight in self.blocks.values()], np.float32)
        scales = self.scales.astype(np.float32)[:, None, None]
        return weights[:, None, None] * np.exp(-0.5 / scales * squares)

    def nearest(self, kernels: np.ndarray, n: int) -> pd.DataFrame:
        """The most similar songs.

        Parameters
        ----------
        kernels : ndarray, shape (n_blocks, n_songs)
            See `similarities`.
        n : int
            How many.

        Returns
        -------
        DataFrame
            `track_id`, `genre`, `similarity` (1 for the same recording).
        """
        similarity = kernels.sum(axis=0) / sum(weight for _, weight in self.blocks.values())
        order = np.argsort(-similarity, kind="stable")[:n]
        table = {"track_id": self.track_id, "genre": self.genre, "similarity": similarity}
        return pd.DataFrame({name: values[order] for name, values in table.items()})

    @cached_property
    def _places(self) -> np.ndarray:
        return self.points * np.float32(CLIP / BYTE)

    def _split(self, values: np.ndarray) -> list[np.ndarray]:
        edges = np.cumsum([size for size, _ in self.blocks.values()])[:-1]
        return np.split(np.asarray(values, np.float32), edges, axis=1)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of rows, shape (len(a), len(b))."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)
    return np.maximum(squares - 2 * a @ b.T, 0)
