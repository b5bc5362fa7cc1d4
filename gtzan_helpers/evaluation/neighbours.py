"""Similar songs: the nearest neighbours of each song, and how often they share its label.

Taught in notebook 10.
"""

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.evaluation.scores import mean_interval


def candidates(tracks: pd.DataFrame, *, artist_filter: bool) -> np.ndarray:
    """Mark which songs may be neighbours of which.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `artist_group`, `duplicate_of`; see `Source.tracks`.
    artist_filter : bool
        Whether to leave out songs by a song's own artist, and its duplicates.

    Returns
    -------
    ndarray of bool, shape (n_songs, n_songs)
        Row `i` marks what may be a neighbour of song `i`; a song is never its own.

    Notes
    -----
    The filter is that of Pampalk, Flexer & Widmer 2005 ("Improvements of audio-based music
    similarity and genre classification", ISMIR). It can only separate known artists: a song by
    an unknown one (NA) counts as by nobody else.
    """
    if not artist_filter:
        return ~np.eye(len(tracks), dtype=bool)
    originals = tracks.duplicate_of.fillna(tracks.track_id)
    return ~(_shared(tracks.artist_group) | _shared(originals))


def _shared(labels: pd.Series) -> np.ndarray:
    """Which pairs have the same label; one that is NA is shared with none."""
    codes, _ = pd.factorize(labels)
    return (codes[:, None] == codes) & (codes >= 0)


def similar(
    X: pd.DataFrame | np.ndarray, allowed: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest neighbours of every song.

    Parameters
    ----------
    X : DataFrame or ndarray, shape (n_songs, n_columns)
        A vector for each song, all columns on one scale.
    allowed : ndarray of bool, shape (n_songs, n_songs)
        See `candidates`.
    k : int

    Returns
    -------
    rows : ndarray of int, shape (n_songs, k)
        The neighbours of each song as rows of `X`, nearest first.
    distances : ndarray, shape (n_songs, k)
        One minus the cosine of the angle between two songs: 0 the same direction, 1 nothing
        in common, 2 opposites.

    Raises
    ------
    NotPossibleError
        If a song has fewer than `k` candidates.

    Notes
    -----
    scikit-learn ranks all songs by distance; the first `k` that are allowed are taken.
    """
    fewest = int(allowed.sum(axis=1).min())
    if fewest < k:
        raise NotPossibleError(f"{k} neighbours: a song has {fewest} candidates; ask for fewer")
    values = np.asarray(X)
    ranks = NearestNeighbors(n_neighbors=len(values), metric="cosine").fit(values)
    distances, rows = ranks.kneighbors(values)
    left_out = ~np.take_along_axis(allowed, rows, axis=1)
    first = np.argsort(left_out, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, first, axis=1), np.take_along_axis(distances, first, axis=1)


def precision(rows: np.ndarray, labels: pd.Series, allowed: np.ndarray) -> pd.DataFrame:
    """Precision at k of every song: the share of its neighbours that have its label.

    Parameters
    ----------
    rows : ndarray of int, shape (n_songs, k)
        See `similar`.
    labels : Series, shape (n_songs,)
        Genres, or artists; NA where not known.
    allowed : ndarray of bool, shape (n_songs, n_songs)
        The candidates that the neighbours were chosen from.

    Returns
    -------
    DataFrame, indexed as `labels`
        `precision`; `chance`, the precision of random neighbours; `possible`, the most that the
        candidates allow. NaN where no candidate has the song's label.
    """
    shared = _shared(labels) & allowed
    n_shared = shared.sum(axis=1)
    table = pd.DataFrame(index=labels.index)
    table["precision"] = np.take_along_axis(shared, rows, axis=1).mean(axis=1)
    table["chance"] = n_shared / allowed.sum(axis=1)
    table["possible"] = np.minimum(n_shared / rows.shape[1], 1)
    table[n_shared == 0] = np.nan
    return table


def averaged(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Average precision over songs, with its interval.

    Parameters
    ----------
    scores : DataFrame
        See `precision`; NaN is left out.
    by : list of str
        Columns; songs that agree in them are averaged.

    Returns
    -------
    DataFrame
        `by`, `precision`, `low`, `high` (bootstrap over songs, 95 %), `chance`, `possible`, `n`.
    """
    lines = []
    for names, group in scores.dropna(subset=["precision"]).groupby(by, sort=False):
        low, high = mean_interval(group.precision.to_numpy())
        means = group[["chance", "possible"]].mean()
        lines.append((*names, group.precision.mean(), low, high, *means, len(group)))
    columns = [*by, "precision", "low", "high", "chance", "possible", "n"]
    return pd.DataFrame(lines, columns=columns)
