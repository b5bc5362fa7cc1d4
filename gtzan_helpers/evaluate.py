"""From segment probabilities to figures: votes, accuracies, intervals, confusions.

Arrays and frames only. Taught in notebooks 00 and 03.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
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
    """Precision, recall, F1 and number of examples of each label.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n,)
        Indices into `labels`.
    labels : list of str

    Returns
    -------
    DataFrame, indexed by label, with a last row `mean` (of the labels)
    """
    columns = ["precision", "recall", "f1", "examples"]
    parts = metrics.precision_recall_fscore_support(
        y_true, y_pred, labels=np.arange(len(labels)), zero_division=0
    )
    table = pd.DataFrame(dict(zip(columns, parts, strict=True)), index=labels)
    table.loc["mean"] = [*table[columns[:3]].mean(), table.examples.sum()]
    return table.astype({"examples": int})
