"""Scores of predictions: accuracies with intervals, confusions, a test of two systems.

Taught in notebooks 00, 03 and 08.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.cluster import AgglomerativeClustering

#: Number of bootstrap resamples.
N_BOOTSTRAP = 2000
# Quantiles between which 95 % of the resamples lie.
MIDDLE = [(1 - 0.95) / 2, (1 + 0.95) / 2]


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions; all shares from 0 to 1.

    Attributes
    ----------
    segment_accuracy : float
        Share of segments classified correctly.
    track_accuracy : float
        Share of tracks classified correctly, by the mean of their segments' probabilities.
    track_ci_low, track_ci_high : float
        Bootstrap 95 % interval of `track_accuracy`, over tracks.
    macro_f1 : float
        Mean over labels of the tracks' F1.
    artist_ci_low, artist_ci_high : float
        The same interval over artists, see `artist_interval`; NaN where they are not known.
    """

    segment_accuracy: float
    track_accuracy: float
    track_ci_low: float
    track_ci_high: float
    macro_f1: float
    artist_ci_low: float = math.nan
    artist_ci_high: float = math.nan


def by_track(
    track_ids: np.ndarray, probs: np.ndarray, y_true: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average the probabilities of each track's segments.

    Parameters
    ----------
    track_ids : ndarray, shape (n_segments,)
    probs : ndarray, shape (n_segments, n_labels)
    y_true : ndarray of int, shape (n_segments,)
        Label of each segment's track.

    Returns
    -------
    tracks : ndarray, shape (n_tracks,), sorted
    track_probs : ndarray, shape (n_tracks, n_labels)
    track_true : ndarray of int, shape (n_tracks,)

    Examples
    --------
    >>> probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> by_track(np.array(["a", "a", "b"]), probs, np.array([0, 0, 1]))[1].tolist()
    [[0.65, 0.35], [0.2, 0.8]]
    """
    tracks, first, index = np.unique(track_ids, return_index=True, return_inverse=True)
    sums = np.zeros((len(tracks), probs.shape[1]))
    np.add.at(sums, index, probs)
    return tracks, sums / np.bincount(index)[:, None], np.asarray(y_true)[first]


def score(
    track_ids: np.ndarray,
    probs: np.ndarray,
    y_true: np.ndarray,
    artists: pd.Series | None = None,
) -> Scores:
    """Score predictions by segment and by track.

    Of labels with the same probability the first one counts.

    Parameters
    ----------
    track_ids : ndarray, shape (n_segments,)
    probs : ndarray, shape (n_segments, n_labels)
    y_true : ndarray of int, shape (n_segments,)
        Label of each segment's track.
    artists : Series or None
        Who plays, by the ids of tracks; None, or with gaps, where that is not known.

    Examples
    --------
    Two segments of song a, one of song b:

    >>> probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    >>> scores = score(np.array(["a", "a", "b"]), probs, np.array([0, 0, 1]))
    >>> round(scores.segment_accuracy, 2), scores.track_accuracy
    (0.67, 1.0)
    """
    tracks, track_probs, track_true = by_track(track_ids, probs, y_true)
    track_pred = track_probs.argmax(axis=1)
    correct = track_pred == track_true
    by_segment = float((probs.argmax(axis=1) == y_true).mean())
    macro_f1 = float(metrics.f1_score(track_true, track_pred, average="macro", zero_division=0))
    scores = (by_segment, float(correct.mean()), *accuracy_interval(correct), macro_f1)
    groups = None if artists is None else artists.reindex(tracks)
    if groups is None or groups.isna().any():
        return Scores(*scores)
    return Scores(*scores, *artist_interval(correct, track_true, groups.to_numpy()))


# Intervals


def accuracy_interval(correct: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Bootstrap 95 % interval of an accuracy.

    Parameters
    ----------
    correct : ndarray of bool, shape (n_tracks,)
        Whether each track was classified correctly.
    seed : int
        Random seed of the resamples.

    Returns
    -------
    low, high : float

    Notes
    -----
    Tracks are drawn with replacement `N_BOOTSTRAP` times (Efron 1979, the percentile method);
    tracks and not segments, because the segments of a track succeed and fail together.
    """
    n = len(correct)
    hits = np.random.default_rng(seed).binomial(n, np.mean(correct), N_BOOTSTRAP)
    return tuple(np.quantile(hits / n, MIDDLE).tolist())


def artist_interval(
    correct: np.ndarray, labels: np.ndarray, artists: np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap 95 % interval of an accuracy, for new artists: whole artists are drawn.

    Parameters
    ----------
    correct : ndarray of bool, shape (n_tracks,)
        Whether each track was classified correctly.
    labels, artists : array, shape (n_tracks,)
        The true label and the artist of each track.
    seed : int
        Random seed of the resamples.

    Returns
    -------
    low, high : float

    Notes
    -----
    Artists are drawn with replacement within their label, with all their tracks, and each label
    counts in proportion to its number of tracks. A label with a single artist cannot vary.
    """
    rng, total = np.random.default_rng(seed), np.zeros(N_BOOTSTRAP)
    table = pd.DataFrame({"hits": correct, "label": labels, "artist": artists})
    for _, tracks in table.groupby("label"):
        of_artists = tracks.groupby("artist").hits
        hits, sizes = of_artists.sum().to_numpy(), of_artists.size().to_numpy()
        drawn = rng.integers(0, len(sizes), (N_BOOTSTRAP, len(sizes)))
        total += len(tracks) * hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return tuple(np.quantile(total / len(table), MIDDLE).tolist())


def mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Bootstrap 95 % interval of a mean; see `accuracy_interval`.

    Parameters
    ----------
    values : ndarray, shape (n_tracks,)

    Returns
    -------
    low, high : float
    """
    drawn = np.random.default_rng(0).integers(0, len(values), (N_BOOTSTRAP, len(values)))
    return tuple(np.quantile(np.asarray(values)[drawn].mean(axis=1), MIDDLE).tolist())


# Confusions


def confusion(y_true: np.ndarray, y_pred: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """Confusion matrix as shares: row `i` shows how label `i` was classified.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n,)
        Indices into `labels`.
    labels : list of str

    Returns
    -------
    DataFrame, shape (n_labels, n_labels)
        Rows add up to 1, or are 0 for a label that does not occur.

    Examples
    --------
    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), ["jazz", "rock"])
          jazz  rock
    jazz   0.5   0.5
    rock   0.0   1.0
    """
    counts = _counts(y_true, y_pred, len(labels))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(shares, index=labels, columns=labels)


def _counts(y_true: np.ndarray, y_pred: np.ndarray, n_labels: int) -> np.ndarray:
    # By hand, because scikit-learn refuses to count nothing.
    cells = np.asarray(y_true, dtype=int) * n_labels + np.asarray(y_pred, dtype=int)
    return np.bincount(cells, minlength=n_labels**2).reshape(n_labels, n_labels)


def confusion_clusters(matrix: pd.DataFrame) -> dict[str, int]:
    """Group labels that are confused with one another, into four clusters at most.

    Parameters
    ----------
    matrix : DataFrame
        See `confusion`.

    Returns
    -------
    dict
        Number of each label's cluster, from 0.

    Notes
    -----
    Distance is one minus the mean share of confusions in both directions; average linkage.
    """
    if len(matrix) < 2:
        return dict.fromkeys(matrix.index, 0)
    distance = 1 - (matrix.to_numpy() + matrix.to_numpy().T) / 2
    np.fill_diagonal(distance, 0)
    n = min(4, len(matrix))
    numbers = AgglomerativeClustering(n, metric="precomputed", linkage="average")
    return dict(zip(matrix.index, numbers.fit_predict(distance).tolist(), strict=True))


def report(y_true: np.ndarray, y_pred: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """Precision, recall and F1 of each label with their intervals, and its number of examples.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n,)
        Indices into `labels`.
    labels : list of str

    Returns
    -------
    DataFrame, indexed by label, with a last row `mean` (of the labels)
        `precision`, `recall`, `f1`, each followed by its bounds, `precision_low` and so on
        (bootstrap over tracks, 95 %), and `examples`. What cannot be divided counts as 0.
    """
    counts = _counts(y_true, y_pred, len(labels))
    # Drawing tracks with replacement draws cells of the matrix, in proportion to their counts.
    shares = counts.ravel() / max(counts.sum(), 1)
    drawn = np.random.default_rng(0).multinomial(counts.sum(), shares, N_BOOTSTRAP)
    rates, resampled = _rates(counts), _rates(drawn.reshape(-1, *counts.shape))
    table = pd.DataFrame(index=[*labels, "mean"])
    for name, values in rates.items():
        table[name] = np.nan_to_num(values)
        bounds = pd.DataFrame(resampled[name]).quantile(MIDDLE)
        table[f"{name}_low"], table[f"{name}_high"] = bounds.to_numpy()
    examples = counts.sum(axis=1)
    return table.assign(examples=[*examples, examples.sum()])


def _rates(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, F1 of confusion counts, shape (..., n_labels, n_labels); last the mean.

    NaN where there is nothing to divide by; in the mean it counts as 0.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    predicted, true = counts.sum(axis=-2), counts.sum(axis=-1)
    sizes = {"precision": predicted, "recall": true, "f1": (predicted + true) / 2}
    rates = {}
    for name, size in sizes.items():
        rate = np.where(size > 0, hits / np.maximum(size, 0.5), np.nan)
        mean = np.nan_to_num(rate).mean(axis=-1, keepdims=True)
        rates[name] = np.concatenate([rate, mean], axis=-1)
    return rates


# Comparisons


def paired_tests(
    hits: pd.DataFrame, pairs: Iterable[tuple[str, str]], artists: pd.Series
) -> pd.DataFrame:
    """Test which systems differ, on the same tracks, and correct for the number of comparisons.

    Parameters
    ----------
    hits : DataFrame of bool, indexed by track
        Whether each system, a column, classified each track correctly.
    pairs : iterable of (str, str)
        Systems to compare.
    artists : Series
        Who plays, by the ids of tracks; tracks of unknown artists stand for themselves.

    Returns
    -------
    DataFrame, one row per pair
        `first`, `second`; `first_only` and `second_only`, tracks that only one of them classifies
        correctly; `difference` of the accuracies; `p`, the probability of a difference at least
        as large if neither were better; and `corrected`, the same for all comparisons together
        (Holm 1979).

    Notes
    -----
    Songs of one artist succeed and fail together. So all of an artist's songs change sides at
    once, at random, `N_BOOTSTRAP` times: a permutation test of paired differences.
    """
    groups = artists.reindex(hits.index).astype("string")
    groups = groups.fillna(hits.index.to_series().astype("string"))
    rng, lines = np.random.default_rng(0), []
    for first, second in pairs:
        gain = hits[first].astype(int) - hits[second].astype(int)
        of_artists = gain.groupby(groups).sum().to_numpy()
        signs = rng.choice([-1, 1], (N_BOOTSTRAP, len(of_artists)))
        as_large = np.abs(signs @ of_artists) >= abs(of_artists.sum())
        p = (1 + as_large.sum()) / (1 + N_BOOTSTRAP)
        lines.append((first, second, (gain > 0).sum(), (gain < 0).sum(), gain.mean(), p))
    names = ["first", "second", "first_only", "second_only", "difference", "p"]
    table = pd.DataFrame(lines, columns=names)
    ordered = table.p.sort_values()
    steps = ordered * np.arange(len(ordered), 0, -1)
    return table.assign(corrected=steps.cummax().clip(upper=1))
