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
    """Accuracy by confidence, in ten bins of equal width.

    Parameters
    ----------
    probs : ndarray, shape (n_examples, n_labels)
    y_true : ndarray of int, shape (n_examples,)
        Indices of the true labels.

    Returns
    -------
    DataFrame, one row per bin that is not empty
        `confidence` (mean probability of the predicted label), `accuracy`, `n`.
    """
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == y_true
    table = pd.DataFrame({"confidence": confidence, "accuracy": correct.astype(float)})
    grouped = table.groupby(np.minimum((confidence * 10).astype(int), 9))
    return grouped.mean().assign(n=grouped.size()).reset_index(drop=True)


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
        calibrated, 1 always wrong and sure of it.
    """
    bins = reliability(probs, y_true)
    return float((bins.n * (bins.confidence - bins.accuracy).abs()).sum() / max(bins.n.sum(), 1))
