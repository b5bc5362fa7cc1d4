"""Calibration: whether predicted probabilities are right as often as they say.

Taught in notebook 08.
"""

import numpy as np
import pandas as pd
from scipy.special import softmax


def log_loss(probs: np.ndarray, y_true: np.ndarray) -> float:
    """Mean of minus the logarithm of the true label's probability, which is at least 0.001.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
    y_true : ndarray of int, shape (n_examples,)
        Indices of the true labels.
    """
    theirs = probs[np.arange(len(probs)), y_true] / probs.sum(axis=1)
    return float(-np.log(np.maximum(theirs, 1e-3)).mean())


def tempered(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Lower the confidence of probabilities (`temperature` above 1) or raise it.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
    temperature : float
        Above 0; 1 changes nothing.

    Returns
    -------
    ndarray, shape (n_examples, n_labels)
        In the same order as before; rows add up to 1.
    """
    return softmax(np.log(np.maximum(probs, 1e-4)) / temperature, axis=1)


def temperature(probs: np.ndarray, y_true: np.ndarray) -> float:
    """Fit the temperature with which probabilities are as confident as they are accurate.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
        Of the validation set: the test set is to be judged with it.
    y_true : ndarray of int, shape (n_examples,)

    Returns
    -------
    float
        Between 0.1 and 10 (Guo et al. 2017, arXiv:1706.04599); 1 without examples.
    """
    from scipy.optimize import minimize_scalar

    if len(probs) == 0:
        return 1.0

    def loss(power: float) -> float:
        return log_loss(tempered(probs, np.exp(power)), y_true)

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.1), np.log(10))).x))


def reliability(probs: np.ndarray, y_true: np.ndarray) -> pd.DataFrame:
    """Accuracy by confidence, in five bins of equally many examples.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
    y_true : ndarray of int, shape (n_examples,)
        Indices of the true labels.

    Returns
    -------
    DataFrame, one row per bin
        `confidence` (mean probability of the predicted label), `accuracy`, `n`; and `low`,
        `high`, between which 95 % of the accuracies of a calibrated model would lie.
    """
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == y_true
    calibrated = _as_calibrated(confidence)
    lines = []
    for rows in _bins(confidence):
        low, high = np.quantile(calibrated[:, rows].mean(axis=1), (0.025, 0.975))
        lines.append((confidence[rows].mean(), correct[rows].mean(), len(rows), low, high))
    return pd.DataFrame(lines, columns=["confidence", "accuracy", "n", "low", "high"])


def calibration_error(probs: np.ndarray, y_true: np.ndarray) -> float:
    """Expected calibration error: how far accuracy is from confidence, on average over examples.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
    y_true : ndarray of int, shape (n_examples,)
        Indices of the true labels.

    Returns
    -------
    float
        Mean of the distances in the bins of `reliability`, weighted by their examples: 0 is
        calibrated, 1 always wrong and sure of it. See `error_of_calibrated` for how small it can
        be.
    """
    correct = probs.argmax(axis=1) == y_true
    return float(_errors(probs.max(axis=1), correct[None].astype(float)).sum())


def error_of_calibrated(probs: np.ndarray) -> tuple[float, float]:
    """The calibration error of a calibrated model that is as confident, by chance alone.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)

    Returns
    -------
    mean, high : float
        Its mean, and what it exceeds once in twenty times.
    """
    confidence = probs.max(axis=1)
    errors = _errors(confidence, _as_calibrated(confidence).astype(float))
    return float(errors.mean()), float(np.quantile(errors, 0.95))


def _bins(confidence: np.ndarray) -> list[np.ndarray]:
    parts = np.array_split(np.argsort(confidence, kind="stable"), 5)
    return [rows for rows in parts if len(rows)]


def _as_calibrated(confidence: np.ndarray) -> np.ndarray:
    """Which examples a calibrated model would classify correctly, 2000 times."""
    return np.random.default_rng(0).random((2000, len(confidence))) < confidence


def _errors(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Calibration error of each row of `correct`."""
    gaps = [
        len(rows) * np.abs(confidence[rows].mean() - correct[:, rows].mean(axis=1))
        for rows in _bins(confidence)
    ]
    return np.sum(gaps, axis=0) / max(len(confidence), 1)


# Prediction sets


def set_threshold(probs: np.ndarray, y_true: np.ndarray, coverage: float) -> float:
    """The probability from which on labels belong to a prediction set.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
        Of examples that chose neither the model nor its temperature.
    y_true : ndarray of int, shape (n_examples,)
        Indices of the true labels.
    coverage : float
        Share of the sets that shall hold the true label, such as 0.9.

    Returns
    -------
    float
        0 if there are too few examples to promise it: then every label belongs to every set.

    Notes
    -----
    Split conformal prediction: Vovk, Gammerman & Shafer, "Algorithmic learning in a random
    world", 2005. On new examples like these, sets hold the true label with at least that
    probability, whatever the model.
    """
    theirs = np.sort(probs[np.arange(len(probs)), y_true])
    rank = int(np.floor((1 - coverage) * (len(theirs) + 1)))
    return float(theirs[rank - 1]) if rank else 0.0


def prediction_sets(probs: np.ndarray, threshold: float) -> np.ndarray:
    """Which labels are probable enough to be named.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
    threshold : float
        See `set_threshold`.

    Returns
    -------
    ndarray of bool, shape (n_examples, n_labels)

    Examples
    --------
    >>> prediction_sets(np.array([[0.6, 0.3, 0.1]]), threshold=0.25).tolist()
    [[True, True, False]]
    """
    return probs >= threshold
