"""Classifiers for more columns than songs: kernel ridge on blocks of columns, shrinkage LDA.

Columns are standardised and clipped, probabilities calibrated on the validation set.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from gtzan_helpers.evaluation import temperature
from gtzan_helpers.models.classical import FittedClassical
from gtzan_helpers.models.learners import Calibrated, Task
from gtzan_helpers.models.songs.similarity import distances

# What an augmented copy of a song counts, beside 1 for the song.
COPY_WEIGHT = 0.1


class ClippedScaler(StandardScaler):
    """Standardises columns and clips them to 3 standard deviations: no outlier decides."""

    def transform(self, X: np.ndarray, copy: bool | None = None) -> np.ndarray:
        """Standardise and clip, shape (n_examples, n_columns)."""
        return np.clip(super().transform(X, copy), -3, 3)


class KernelRidge(ClassifierMixin, BaseEstimator):
    """Ridge regression of one-hot labels on a weighted sum of kernels, one for each block.

    Parameters
    ----------
    sizes : sequence of int
        Number of columns of each block, from left to right.
    weights : sequence of float
        Weight of each block's kernel.
    ridge : float
        Added to the diagonal.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    X_ : ndarray, shape (n_examples, n_columns), float32
        What it was fitted to.
    scales_ : list of float
        Mean squared distance of two of these examples in each block.
    coefficients_ : ndarray, shape (n_examples, n_classes)

    Notes
    -----
    A block's kernel is ``exp(-d**2 / (2 m))``, of the distance d of two examples and the mean m
    of all squared distances: the width needs no search. With the sum K of the kernels,
    ``(K + ridge diag(1 / w)) a = Y``, of the examples' weights w with mean 1 and the one-hot labels
    Y less their means. See Saunders, Gammerman & Vovk, "Ridge regression learning algorithm in
    dual variables", ICML 1998; for sums of kernels Gönen & Alpaydın, "Multiple kernel learning
    algorithms", JMLR 12, 2011.
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[float], ridge: float = 0.02):
        self.sizes = sizes
        self.weights = weights
        self.ridge = ridge

    @threadpool_limits.wrap(limits=1)  # sums in another order would round otherwise
    def fit(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> "KernelRidge":
        """Solve the equations.

        Parameters
        ----------
        X : ndarray, shape (n_examples, n_columns)
            Standardised.
        y : ndarray, shape (n_examples,)
            Labels.
        sample_weight : ndarray, shape (n_examples,), or None
            How much each example counts.
        """
        self.X_ = np.asarray(X, np.float32)
        self.classes_, indices = np.unique(y, return_inverse=True)
        self.scales_ = [float(distances(part, part).mean()) or 1.0 for part in self._blocks(X)]
        targets = np.eye(len(self.classes_))[indices]
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, float)
        kernel = self._kernel(X) + self.ridge * np.diag(weights.mean() / weights)
        self.coefficients_ = np.linalg.solve(kernel, targets - targets.mean(axis=0))
        return self

    def _blocks(self, X: np.ndarray) -> list[np.ndarray]:
        return np.split(np.asarray(X, np.float32), np.cumsum(self.sizes)[:-1], axis=1)

    def _kernel(self, X: np.ndarray) -> np.ndarray:
        """The sum of kernels between examples and those it was fitted to."""
        total = np.zeros((len(X), len(self.X_)))
        parts = zip(self._blocks(X), self._blocks(self.X_), self.weights, self.scales_, strict=True)
        for part, fitted, weight, scale in parts:
            total += weight * np.exp(-0.5 / scale * distances(part, fitted))
        return total

    @threadpool_limits.wrap(limits=1)
    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """What each label's share is above its mean, shape (n_examples, n_classes)."""
        check_is_fitted(self)
        return self._kernel(X) @ self.coefficients_

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Softmax of ten times the scores, shape (n_examples, n_classes); to be calibrated."""
        return softmax(10 * self.decision_function(X), axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Label of the largest score, shape (n_examples,)."""
        return self.classes_[self.decision_function(X).argmax(axis=1)]


def fit(learner: Calibrated, task: Task) -> FittedClassical:
    """Fit a classifier, and the temperature of its probabilities on the validation set.

    Parameters
    ----------
    learner : Calibrated
    task : Task
        Where the learner makes copies, the last of `values` are those.
    """
    rows, values = task.split.train, task.values
    is_copy = rows >= len(values) // (1 + len(learner.copies))
    scaler = ClippedScaler().fit(values[rows[~is_copy]])
    X, labels = scaler.transform(values[rows]), task.labels[rows]
    if learner.weights:
        blocks = [name.rpartition("_")[0] for name in task.inputs.columns]
        sizes = [blocks.count(name) for name in dict.fromkeys(blocks)]
        weights = [learner.weights[name] for name in dict.fromkeys(blocks)]
        artists = task.artists if len(task.artists) else np.arange(len(values))
        counts = pd.Series(artists[rows[~is_copy]]).value_counts()
        # Ten songs of one artist tell less than ten of ten.
        example_weights = np.where(is_copy, COPY_WEIGHT, 1) / counts[artists[rows]] ** 0.5
        example_weights *= task.class_weights()[labels]
        model: Any = KernelRidge(sizes, weights, **learner.options)
        model.fit(X, labels, example_weights.to_numpy())
    else:
        n_labels = len(task.inputs.labels)
        priors = [1 / n_labels] * n_labels
        model = LinearDiscriminantAnalysis("lsqr", priors=priors, **learner.options)
        # It takes no weights, so songs are repeated.
        chosen = np.repeat(np.arange(len(X)), np.where(is_copy, 1, round(1 / COPY_WEIGHT)))
        model.fit(X[chosen], labels[chosen])
    fitted = FittedClassical(make_pipeline(scaler, model), task.inputs)
    probs = fitted.probabilities(values[task.split.valid])
    heat = temperature(probs, task.labels[task.split.valid])
    inputs = replace(task.inputs, temperature=round(heat, 4))
    return replace(fitted, inputs=inputs)
