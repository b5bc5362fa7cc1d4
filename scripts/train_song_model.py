"""Train the two models of songs that `gtzan predict` carries; `song_card.py` writes their card.

Usage: ``python scripts/train_song_model.py PACK``: a feature pack of GTZAN. ``--without`` leaves
out some tracks, and ``--out`` names a folder for the models, so that they can be tested on these.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config, files
from gtzan_helpers.audio import blocks, changes, spectra
from gtzan_helpers.datasets import Pack, open_source, read_pack, splits
from gtzan_helpers.models import songs
from gtzan_helpers.models.songs import SongModel, similarity
from gtzan_helpers.models.songs.model import FRAME_RATE
from gtzan_helpers.models.songs.similarity import BLOCKS, FRAMES, LENGTHS, Songs
from gtzan_helpers.workers import Workers

sys.path.append(str(config.checkout() / "tests"))
import signals  # sounds that are no music

# Excerpts of each song that are examples, for each of `LENGTHS`: odd, so that one is the middle.
EXCERPTS = (5, 5, 3, 3, 1)
# What the changed copies of a song count, and all that is no music, beside 1 for each song.
COPY_WEIGHT, NO_MUSIC_WEIGHT = 0.2, 0.3
# Sounds of each kind.
SEEDS = range(6)
# Added to the diagonal of the kernel.
RIDGE = 0.02


@dataclass(frozen=True, eq=False)
class Examples:
    """Recordings of one length that a model is fitted to.

    Attributes
    ----------
    values : ndarray, shape (n_examples, n_columns)
        See `similarity.columns`.
    songs : ndarray of int, shape (n_examples,)
        Which song each is an excerpt or a changed copy of; -1 for what is no music.
    weights : ndarray, shape (n_examples,)
    """

    values: np.ndarray
    songs: np.ndarray
    weights: np.ndarray

    def of(self, chosen: np.ndarray) -> "Examples":
        """The chosen ones."""
        return Examples(self.values[chosen], self.songs[chosen], self.weights[chosen])

    def small(self) -> "Examples":
        """Without the columns of MusiCNN."""
        n_columns = sum(size for size, _ in BLOCKS.values())
        return Examples(self.values[:, :n_columns], self.songs, self.weights)


# What is learnt from


def excerpts(levels: np.ndarray, frame_rate: float, n_of_lengths: Sequence[int]) -> list:
    """Columns of excerpts of each of `LENGTHS`, spread evenly; a list of arrays."""
    described = []
    for n_frames, n in zip(FRAMES, n_of_lengths, strict=True):
        length = round(n_frames * blocks.PERIOD * frame_rate)
        last = max(0, levels.shape[1] - length)
        starts = np.linspace(0, last, n).round().astype(int) if n > 1 else [last // 2]
        parts = [levels[:, start : start + length] for start in starts]
        rows = [similarity.columns(each, frame_rate=frame_rate, music=True) for each in parts]
        described.append(np.stack(rows).astype(np.float16))
    return described


def of_song(path: str, row: int) -> list:
    """Columns of a song of a pack: its excerpts, then the middles of its copies."""
    log_mel = _pack(path).log_mel(row).astype(np.float32)
    described = [excerpts(log_mel, 1 / blocks.PERIOD, EXCERPTS)]
    for number, change in enumerate(changes.RECORDINGS):
        rng = np.random.default_rng([row, number])
        copy = changes.augment_log_mel(log_mel, change=change, rng=rng)
        described.append(excerpts(copy, 1 / blocks.PERIOD, [1] * len(LENGTHS)))
    return [np.concatenate(parts) for parts in zip(*described, strict=True)]


@lru_cache
def _pack(path: str) -> Pack:
    return read_pack(path)


def of_sound(kind: str, seed: int) -> list:
    """Columns of a sound that is no music."""
    y = signals.NOT_MUSIC[kind](31.0, config.SR, seed)
    levels = spectra.levels(y, sr=config.SR)
    return excerpts(levels, FRAME_RATE, EXCERPTS)


def examples(path: str) -> list[Examples]:
    """All that is learnt from, for each of `LENGTHS`; computed once, and kept in the cache."""
    kinds = tuple(signals.NOT_MUSIC)
    tasks = [(of_song, path, row) for row in range(len(_pack(path).track_id))]
    tasks += [(of_sound, kind, seed) for kind in kinds for seed in SEEDS]
    place = config.cache_dir() / "songs" / "examples.npz"

    def make() -> dict[str, np.ndarray]:
        rows = list(Workers(2).map(_call, [tuple(task) for task in tasks], trial=False))
        lengths = range(len(LENGTHS))
        arrays = {f"values_{i}": np.concatenate([row[i] for row in rows]) for i in lengths}
        return arrays | {f"n_{i}": np.array([len(row[i]) for row in rows]) for i in lengths}

    arrays = files.cached(place, make, of=f"{files.file_hash(path)} {kinds} {EXCERPTS}")
    return [_weighted(arrays[f"values_{i}"], arrays[f"n_{i}"], tasks) for i in range(len(LENGTHS))]


def _call(function, *arguments):
    return function(*arguments)


def _weighted(values: np.ndarray, counts: np.ndarray, tasks: list) -> Examples:
    is_song = np.array([task[0] is of_song for task in tasks])
    n_copies, weights = len(changes.RECORDINGS), []
    for n, song in zip(counts, is_song, strict=True):
        own = n - n_copies * song
        # All sounds together count a share of all songs.
        worth = 1 if song else NO_MUSIC_WEIGHT * is_song.sum() / sum(~is_song)
        each = np.full(own, worth / own)
        weights += [*each, *[COPY_WEIGHT] * (n - own)]
    rows = np.where(is_song, np.arange(len(tasks)), -1)
    return Examples(values, np.repeat(rows, counts), np.array(weights))


def middles(each: Examples, n: int, rows: np.ndarray) -> np.ndarray:
    """Columns of the excerpts from the middle of songs, of which there are `n` of each."""
    first = np.searchsorted(each.songs[: np.argmin(each.songs)], rows)
    return each.values[first + n // 2]


# Fitting


def fit(
    name: str, every: Sequence[Examples], tracks: pd.DataFrame, chosen: np.ndarray
) -> SongModel:
    """Fit a model to some songs; it is not calibrated yet.

    Parameters
    ----------
    name : str
        In words.
    every : sequence of Examples
        For each of `LENGTHS`.
    tracks : DataFrame
        `track_id`, `genre`, `artist_group`: the songs.
    chosen : ndarray of int
        Songs to fit the model to.

    Notes
    -----
    Kernel ridge regression as in `kernels.KernelRidge`, with kernels around whole songs only, and
    excerpts and changed copies as further examples: the least squares of all examples, under the
    same penalty (subset of regressors; Rasmussen & Williams, "Gaussian processes for machine
    learning", 2006, section 8.3.1). Being a song is learnt in the same way: songs are 1, what is
    no music is 0.
    """
    labels, y = np.unique(tracks.genre.to_numpy(str), return_inverse=True)
    targets, artists = np.eye(len(labels))[y], tracks.artist_group.to_numpy()
    # Ten songs of one artist tell less than ten of ten.
    worth = pd.Series(artists[chosen]).value_counts().reindex(artists).to_numpy() ** -0.5
    learnt = [each.of(np.isin(each.songs, [-1, *chosen])) for each in every]
    music = [each.values[each.songs >= 0].astype(np.float32) for each in learnt]
    mean = np.stack([values.mean(axis=0) for values in music])
    deviation = np.stack([values.std(axis=0) for values in music])
    deviation[deviation == 0] = 1
    whole = middles(every[-1], 1, chosen)
    known = Songs.of(tracks.iloc[chosen], whole, mean, deviation)
    between = known.similarities(whole, len(LENGTHS) - 1)
    votes, likeness, shares = [], [], []
    for length, each in enumerate(learnt):
        in_all, in_blocks = _kernels(known, each.values, length)
        is_song = each.songs >= 0
        weights = np.where(is_song, each.weights * worth[each.songs], each.weights)
        weights *= len(chosen) / weights[is_song].sum()
        truth = targets[each.songs[is_song]]
        shares.append(np.average(truth, axis=0, weights=weights[is_song]))
        to_learn = in_all[is_song], truth - shares[-1], weights[is_song]
        votes.append(_solved(*to_learn, between.sum(axis=0)))
        penalty = between[: len(BLOCKS)].sum(axis=0)
        likeness.append(_solved(in_blocks, is_song[:, None], weights, penalty)[:, 0])
    heads = [np.stack(each).astype(np.float32) for each in (votes, likeness, shares)]
    none = np.ones(len(LENGTHS)), np.zeros(len(LENGTHS))
    return SongModel(name, tuple(labels.tolist()), known, *heads, *none)


def _kernels(known: Songs, values: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the kernels of all blocks, and of `BLOCKS`; shape (n_examples, n_songs)."""
    sums = []
    for part in np.array_split(values, max(1, len(values) // 500)):
        kernels = known.similarities(part, length)
        sums.append((kernels.sum(axis=0), kernels[: len(BLOCKS)].sum(axis=0)))
    in_all, in_blocks = zip(*sums, strict=True)
    return np.concatenate(in_all).astype(float), np.concatenate(in_blocks).astype(float)


def _solved(
    kernels: np.ndarray, targets: np.ndarray, weights: np.ndarray, penalty: np.ndarray
) -> np.ndarray:
    products = (kernels.T * weights) @ kernels + RIDGE * penalty
    # The penalty alone is nearly singular: some songs are in GTZAN twice.
    products += 1e-6 * np.eye(len(products))
    return np.linalg.solve(products, kernels.T @ (weights[:, None] * targets))


# Calibrating, and the rest


def scored(model: SongModel, every: Sequence[Examples], rows: np.ndarray) -> list[np.ndarray]:
    """Scores of the middles of songs, for each of `LENGTHS`; shape (n_songs, n_labels)."""
    cut = [middles(each, n, rows) for each, n in zip(every, EXCERPTS, strict=True)]
    kernels = (model.songs.similarities(values, length) for length, values in enumerate(cut))
    return [model.scores(each, length) for length, each in enumerate(kernels)]


def out_of_fold(
    every: Sequence[Examples], tracks: pd.DataFrame, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Scores of songs by models that have met neither them nor their artists.

    Returns
    -------
    rows, folds : ndarray of int, shape (n_songs,)
        The songs, duplicates left out, and the fold that each is in.
    scores : list of ndarray, shape (n_songs, n_labels)
        For each of `LENGTHS`.
    """
    some = tracks.iloc[chosen].reset_index(drop=True)
    rows, folds, scores = [], [], []
    parts = splits.make("artist_grouped", some[["track_id", "genre"]], some, seed=0)
    for number, part in enumerate(parts):
        model = fit("", every, tracks, chosen[np.concatenate([part.train, part.valid])])
        rows.append(chosen[part.test])
        folds.append(np.full(len(part.test), number))
        scores.append(scored(model, every, rows[-1]))
    of_lengths = [np.concatenate(parts) for parts in zip(*scores, strict=True)]
    return np.concatenate(rows), np.concatenate(folds), of_lengths


def trained(
    name: str, every: Sequence[Examples], tracks: pd.DataFrame, chosen: np.ndarray
) -> tuple[SongModel, tuple]:
    """A model of some songs, calibrated; and what it was calibrated by, see `out_of_fold`."""
    y = np.unique(tracks.genre.to_numpy(str), return_inverse=True)[1]
    rows, _, scores = known = out_of_fold(every, tracks, chosen)
    words = f"{name} model, trained on {len(chosen)} songs of GTZAN"
    return fit(words, every, tracks, chosen).calibrated(scores, y[rows]), known


def main() -> None:
    """Train the models, and write them, and their card if they are those that are carried."""
    parser = argparse.ArgumentParser(description="Train the models that `gtzan predict` carries.")
    parser.add_argument("pack", help="a feature pack of GTZAN")
    parser.add_argument("--without", default="", help="ids of tracks to leave out, with commas")
    parser.add_argument("--out", default=config.facts_dir(), type=Path, help="folder of the models")
    asked = parser.parse_args()
    tracks = open_source(asked.pack, profile="full").tracks.reset_index(drop=True)
    every = examples(asked.pack)
    chosen = np.flatnonzero(~tracks.track_id.isin(asked.without.split(",")))
    for name in ("small", "large"):
        these = every if name == "large" else [each.small() for each in every]
        model, _ = trained(name, these, tracks, chosen)
        songs.save(asked.out / f"songs_{name}.npz", model)


if __name__ == "__main__":
    main()
