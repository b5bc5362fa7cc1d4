"""From segment probabilities to figures: votes, accuracies, intervals, confusions.

Arrays and frames only. Taught in notebooks 00 and 03.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn import metrics

N_BOOTSTRAP = 2000


@dataclass(frozen=True)
class Scores:
    """What one set of predictions is worth; all shares from 0 to 1.

    Attributes
    ----------
    segment_accuracy : float
        Share of segments named right.
    track_accuracy : float
        Share of tracks named right, by the mean of their segments' probabilities.
    track_ci_low, track_ci_high : float
        Bootstrap 95 % interval of `track_accuracy`, over tracks.
    macro_f1 : float
        Mean over labels of the tracks' F1.
    """

    segment_accuracy: float
    track_accuracy: float
    track_ci_low: float
    track_ci_high: float
    macro_f1: float


def probabilities(estimator, X: np.ndarray) -> np.ndarray:
    """Class probabilities of a fitted scikit-learn classifier.

    An estimator without them (a support vector machine) gives the softmax of its decision
    function: its ranking, not calibrated.

    Parameters
    ----------
    estimator : classifier
    X : ndarray, shape (n_examples, n_features)

    Returns
    -------
    ndarray, shape (n_examples, n_labels), rows add up to 1
    """
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(X)
    scores = estimator.decision_function(X)
    if scores.ndim == 1:  # two labels
        scores = np.stack([-scores, scores], axis=1) / 2
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


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


def accuracy_interval(
    correct: np.ndarray, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of an accuracy.

    Parameters
    ----------
    correct : ndarray of bool, shape (n_tracks,)
        Whether each track was named right.
    level : float
        Share of resamples inside.
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
    correct = np.asarray(correct, dtype=float)
    if correct.size == 0:
        raise ValueError("correct is empty: there is no accuracy of no track")
    rng = np.random.default_rng(seed)
    hits = rng.binomial(correct.size, correct.mean(), N_BOOTSTRAP)
    low, high = np.quantile(hits / correct.size, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_interval(values: np.ndarray, *, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Bootstrap interval of a mean, such as that of shares; see `accuracy_interval`.

    Parameters
    ----------
    values : ndarray, shape (n_tracks,)
    level : float
        Share of resamples inside.
    seed : int
        Random seed of the resamples.

    Returns
    -------
    low, high : float
    """
    if len(values) == 0:
        raise ValueError("values is empty: there is no mean of nothing")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(values), (N_BOOTSTRAP, len(values)))
    means = np.asarray(values)[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def scores(track_ids: np.ndarray, probs: np.ndarray, y_true: np.ndarray) -> Scores:
    """Score predictions by segment and by track.

    Parameters
    ----------
    track_ids : ndarray, shape (n_segments,)
    probs : ndarray, shape (n_segments, n_labels)
    y_true : ndarray of int, shape (n_segments,)

    Returns
    -------
    Scores
    """
    _, track_probs, track_true = by_track(track_ids, probs, y_true)
    track_pred = track_probs.argmax(axis=1)
    correct = track_pred == track_true
    low, high = accuracy_interval(correct)
    return Scores(
        segment_accuracy=float((probs.argmax(axis=1) == y_true).mean()),
        track_accuracy=float(correct.mean()),
        track_ci_low=low,
        track_ci_high=high,
        macro_f1=float(metrics.f1_score(track_true, track_pred, average="macro", zero_division=0)),
    )


def confusion(y_true: np.ndarray, y_pred: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """Confusion matrix as shares: row `i` says what label `i` was taken for.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n,)
        Indices into `labels`.
    labels : list of str

    Returns
    -------
    DataFrame, shape (n_labels, n_labels)
        Rows add up to 1, or are 0 for a label that does not occur.
    """
    counts = metrics.confusion_matrix(y_true, y_pred, labels=np.arange(len(labels)))
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    return pd.DataFrame(shares, index=labels, columns=labels)


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
    counts = metrics.confusion_matrix(y_true, y_pred, labels=np.arange(len(labels)))
    # Tracks drawn with replacement are cells of the table drawn as often as they hold tracks.
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(counts.sum(), counts.ravel() / counts.sum(), N_BOOTSTRAP)
    found, resampled = _rates(counts), _rates(drawn.reshape(-1, *counts.shape))
    table = pd.DataFrame(index=[*labels, "mean"])
    for name, values in found.items():
        table[name] = np.nan_to_num(values)
        table[f"{name}_low"], table[f"{name}_high"] = _bounds(resampled[name])
    examples = counts.sum(axis=1)
    return table.assign(examples=[*examples, examples.sum()])


def _rates(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, F1 of confusion counts, shape (..., n_labels, n_labels); last the mean.

    NaN where there is nothing to divide by; in the mean it counts as 0.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    called, are = counts.sum(axis=-2), counts.sum(axis=-1)
    parts = {"precision": (hits, called), "recall": (hits, are), "f1": (2 * hits, called + are)}
    rates = {
        name: np.where(lower > 0, upper / np.maximum(lower, 1), np.nan)
        for name, (upper, lower) in parts.items()
    }
    means = {name: np.nan_to_num(rate).mean(axis=-1, keepdims=True) for name, rate in rates.items()}
    return {name: np.concatenate([rates[name], means[name]], axis=-1) for name in parts}


def _bounds(drawn: np.ndarray) -> np.ndarray:
    """Bounds of the middle 95 % of each column, shape (2, n_columns); NaN for one without any."""
    columns = (column[~np.isnan(column)] for column in drawn.T)
    both = [np.quantile(c, [0.025, 0.975]) if c.size else (np.nan, np.nan) for c in columns]
    return np.array(both).T


def confused_pairs(matrix: pd.DataFrame, n: int = 5) -> pd.DataFrame:
    """The pairs of labels that are mistaken most.

    Parameters
    ----------
    matrix : DataFrame
        See `confusion`.
    n : int
        How many pairs.

    Returns
    -------
    DataFrame
        `label`, `taken_for`, `share` of the label's tracks; the largest first.
    """
    wrong = matrix.where(~np.eye(len(matrix), dtype=bool), 0.0)
    wrong = wrong.rename_axis("label").reset_index()
    found = wrong.melt("label", var_name="taken_for", value_name="share")
    found = found[found.share > 0].sort_values("share", ascending=False, kind="stable")
    return found.head(n).reset_index(drop=True)


def top_accuracy(probs: np.ndarray, y_true: np.ndarray, k: int = 2) -> float:
    """Share of examples whose label is among the `k` likeliest."""
    likeliest = np.argsort(-probs, axis=1, kind="stable")[:, :k]
    return float((likeliest == np.asarray(y_true)[:, None]).any(axis=1).mean())


def clusters(matrix: pd.DataFrame, n_clusters: int = 4) -> tuple[np.ndarray, dict[str, int]]:
    """Group labels that are mistaken for one another.

    Parameters
    ----------
    matrix : DataFrame
        See `confusion`.
    n_clusters : int

    Returns
    -------
    linkage : ndarray
        For `scipy.cluster.hierarchy.dendrogram`.
    cluster_of : dict
        Number of each label's cluster, from 0.

    Notes
    -----
    Distance is one minus the mean share of confusions in both directions; average linkage.
    """
    # Here, because `gtzan predict` needs none of it and has to be quick.
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    confused = (matrix.to_numpy() + matrix.to_numpy().T) / 2
    distance = 1 - confused
    np.fill_diagonal(distance, 0)
    linkage = hierarchy.linkage(squareform(distance, checks=False), "average")
    numbers = hierarchy.fcluster(linkage, min(n_clusters, len(matrix)), "maxclust") - 1
    return linkage, {str(k): int(v) for k, v in zip(matrix.index, numbers, strict=True)}


def tree(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Join classes by the distance of their means, all columns on one scale.

    Parameters
    ----------
    values : ndarray, shape (n_examples, n_columns)
    labels : array of str, shape (n_examples,)

    Returns
    -------
    linkage : ndarray
        For `scipy.cluster.hierarchy.dendrogram`; average linkage.
    names : list of str
        The classes in its order.
    """
    from scipy.cluster import hierarchy

    deviation = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    means = pd.DataFrame(scaled).groupby(np.asarray(labels)).mean()
    return hierarchy.linkage(means, "average"), means.index.tolist()


def cluster_accuracy(
    y_true: np.ndarray, y_pred: np.ndarray, labels: list[str], cluster_of: dict[str, int]
) -> float:
    """Share of examples that are put into the right cluster of labels."""
    numbers = np.array([cluster_of[label] for label in labels])
    return float((numbers[y_true] == numbers[y_pred]).mean())


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """Tell whether two systems differ, from the tracks that only one of them names right.

    Parameters
    ----------
    right_a, right_b : ndarray of bool, shape (n_tracks,)
        Of the same tracks.

    Returns
    -------
    float
        Probability of such a difference if neither were better: McNemar's exact test (1947).
    """
    only_a = int((right_a & ~right_b).sum())
    only_b = int((right_b & ~right_a).sum())
    return 1.0 if only_a + only_b == 0 else float(binomtest(only_a, only_a + only_b).pvalue)


# Calibration


def loss(probs: np.ndarray, y_true: np.ndarray) -> float:
    """Mean of minus the logarithm of the true label's probability, from 0.001 on."""
    theirs = probs[np.arange(len(probs)), y_true] / probs.sum(axis=1)
    return float(-np.log(np.maximum(theirs, 1e-3)).mean())


def tempered(probs: np.ndarray, heat: float) -> np.ndarray:
    """Make probabilities less sure (`heat` above 1) or surer; their order stays."""
    logits = np.log(np.maximum(probs, 1e-4)) / heat
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def temperature(probs: np.ndarray, y_true: np.ndarray) -> float:
    """Fit the temperature that makes probabilities as sure as they are right.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
        Of valid: test has to be judged with it.
    y_true : ndarray of int, shape (n_examples,)

    Returns
    -------
    float
        Between 0.1 and 10 (Guo et al. 2017, arXiv:1706.04599).
    """
    found = minimize_scalar(
        lambda power: loss(tempered(probs, np.exp(power)), y_true),
        bounds=(np.log(0.1), np.log(10)),
        method="bounded",
    )
    return float(np.exp(found.x))


def reliability(probs: np.ndarray, y_true: np.ndarray, n_bins: int = 10) -> pd.DataFrame:
    """How often answers are right, by how sure they are.

    Returns
    -------
    DataFrame, one row per bin that is not empty
        `sure` (mean probability of the answer), `right` (share), `n`.
    """
    sure, right = probs.max(axis=1), probs.argmax(axis=1) == y_true
    bins = np.minimum((sure * n_bins).astype(int), n_bins - 1)
    table = pd.DataFrame({"bin": bins, "sure": sure, "right": right.astype(float)})
    grouped = table.groupby("bin")
    return grouped[["sure", "right"]].mean().assign(n=grouped.size()).reset_index(drop=True)


def calibration_error(probs: np.ndarray, y_true: np.ndarray, n_bins: int = 10) -> float:
    """Expected calibration error: mean distance of `sure` and `right`, weighted by bin."""
    bins = reliability(probs, y_true, n_bins)
    return float((bins.n * (bins.sure - bins.right).abs()).sum() / bins.n.sum())
