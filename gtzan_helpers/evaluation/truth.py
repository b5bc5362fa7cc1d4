"""Intervals checked against the truth, which only a composer of songs can know.

Taught in notebook 00.
"""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from gtzan_helpers import config
from gtzan_helpers.audio import FEATURE_SETS
from gtzan_helpers.datasets import embedded
from gtzan_helpers.evaluation.scores import accuracy_interval, artist_interval
from gtzan_helpers.files import cached
from gtzan_helpers.workers import progress_bar

# A training set, and each test set: artists of each genre, and songs of each artist.
TRAINING, TEST = (8, 3), (4, 6)

SECONDS, FEATURES = 3.0, FEATURE_SETS["logmel"]


def coverage(classifier: BaseEstimator, *, n_sets: int, seed: int) -> pd.DataFrame:
    """How often the intervals of an accuracy hold the mean over many test sets.

    A classifier is trained once, on composed songs, and tested on set after set of songs by new
    artists. Each set gives an accuracy and its two intervals, as one that is all there is would.

    Parameters
    ----------
    classifier : estimator
    n_sets : int
        Number of test sets.
    seed : int
        Random seed of the composer.

    Returns
    -------
    DataFrame
        One line per set: `accuracy`, `song_low`, `song_high` (see `accuracy_interval`),
        `artist_low`, `artist_high` (see `artist_interval`), `truth` (the mean accuracy over all
        sets), `song_holds`, `artist_holds`.
    """
    X, labels, _ = _songs(TRAINING, 0, seed)
    model = clone(classifier).fit(X, labels)
    lines = []
    for number in progress_bar(range(n_sets), total=n_sets, description="test sets", unit="set"):
        first = TRAINING[0] + number * TEST[0]
        X, labels, artists = _songs(TEST, first, seed)
        right = model.predict(X) == labels
        of_artists = artist_interval(right, labels, artists)
        lines.append((right.mean(), *accuracy_interval(right), *of_artists))
    columns = ["accuracy", "song_low", "song_high", "artist_low", "artist_high"]
    table = pd.DataFrame(lines, columns=columns)
    truth = table.accuracy.mean()
    for name in ("song", "artist"):
        table[f"{name}_holds"] = table[f"{name}_low"].le(truth) & table[f"{name}_high"].ge(truth)
    return table.assign(truth=truth)


def _songs(
    size: tuple[int, int], first: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, genres and artists of composed songs, by the artists from number `first` on."""
    name = f"{size[0]}x{size[1]}-{first}-{seed}-v{embedded.VERSION}-{FEATURES.version}"

    def compose() -> dict[str, np.ndarray]:
        rows = [
            # No two songs may have one number, or chance would treat them alike.
            (genre, artist, _described(genre, artist, (artist * size[1] + song) * 10 + place, seed))
            for place, genre in enumerate(config.GENRES)
            for artist in range(first, first + size[0])
            for song in range(size[1])
        ]
        genres, artists, values = zip(*rows, strict=True)
        names = [f"{genre} {artist}" for genre, artist in zip(genres, artists, strict=True)]
        return {"values": np.stack(values), "genres": np.array(genres), "artists": np.array(names)}

    arrays = cached(config.cache_dir() / "composed" / f"{name}.npz", compose, of=name)
    return arrays["values"], arrays["genres"], arrays["artists"]


def _described(genre: str, artist: int, number: int, seed: int) -> np.ndarray:
    y = embedded.play(embedded.draw_song(genre, artist, number, seed=seed), SECONDS)
    return FEATURES.from_audio(y, sr=config.SR, segment_seconds=SECONDS).values[0]
