"""Classical models, by system id: scikit-learn pipelines and one Gaussian mixture a class.

Every pipeline begins with a scaler that sees train only. Taught in notebook 03.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted

from gtzan_helpers import evaluate, files
from gtzan_helpers.errors import NotPossibleError, SettingError
from gtzan_helpers.inputs import Inputs, reading

TRUSTED = (
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)
"""Types that skops does not trust by itself, of which our models are made."""

N_COMPONENTS = 900
"""Principal components of the stacked study; a train part of fewer tracks allows fewer."""


class ClassMixtures(ClassifierMixin, BaseEstimator):
    """One Gaussian mixture a class; the class under which an example is likeliest wins.

    Parameters
    ----------
    n_components : int
        Gaussians a class; their covariances are full.
    reg_covar : float
        Added to the diagonal of each covariance.
    random_state : int or None

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    mixtures_ : list of GaussianMixture
        One per class, in that order.

    Notes
    -----
    Works in float64: with fewer examples a class than dimensions a covariance is singular
    but for `reg_covar`, and single precision cannot invert it.
    """

    def __init__(self, n_components=1, reg_covar=1e-6, random_state=None):
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.random_state = random_state

    def fit(self, X, y):
        """Fit a mixture to the examples of each class.

        Parameters
        ----------
        X : ndarray, shape (n_examples, n_features)
        y : ndarray, shape (n_examples,)
            Labels.

        Raises
        ------
        NotPossibleError
            If a class has a single example.
        """
        X = np.asarray(X, dtype=np.float64)
        self.classes_, counts = np.unique(y, return_counts=True)
        if counts.min() < 2:
            raise NotPossibleError(
                "a covariance needs two examples of each class; "
                f"class {self.classes_[counts.argmin()]} has {counts.min()}"
            )
        self.mixtures_ = [
            GaussianMixture(
                self.n_components, reg_covar=self.reg_covar, random_state=self.random_state
            ).fit(X[y == label])
            for label in self.classes_
        ]
        return self

    def decision_function(self, X):
        """Log-likelihood under each class, shape (n_examples, n_classes)."""
        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float64)
        return np.stack([mixture.score_samples(X) for mixture in self.mixtures_], axis=1)

    def predict(self, X):
        """Label of the likeliest class, shape (n_examples,)."""
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X):
        """Probabilities under equal priors, shape (n_examples, n_classes)."""
        logs = self.decision_function(X)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


def _xgboost(**settings):
    # Imported here because it takes a second, and only one system needs it.
    from xgboost import XGBClassifier

    return XGBClassifier(**settings)


_MODELS: Mapping[str, Callable[..., Any]] = {
    "capstone_logistic_regression": lambda seed: LogisticRegression(max_iter=3000),
    # Weighted by distance, so that train is learnt by heart, as the study found.
    "capstone_knn": lambda seed: KNeighborsClassifier(5, weights="distance"),
    "capstone_random_forest": lambda seed: RandomForestClassifier(200, random_state=seed),
    "capstone_svm": lambda seed: SVC(C=10, random_state=seed),
    "capstone_gradient_boosting": lambda seed: GradientBoostingClassifier(
        subsample=0.8, max_features="sqrt", random_state=seed
    ),
    # On a few hundred tracks more threads only wait for one another.
    "capstone_xgboost": lambda seed: _xgboost(
        n_estimators=200, max_depth=4, subsample=0.8, n_jobs=1, random_state=seed
    ),
    "ours_svm_segments": lambda seed: SVC(random_state=seed),
    "ours_svm_tuned": lambda seed: SVC(C=10, random_state=seed),
    "ours_musicnn_svm": lambda seed: SVC(random_state=seed),
    "ours_musicnn_logistic_regression": lambda seed: LogisticRegression(C=0.01, max_iter=3000),
    "stacked_gmm": lambda seed: ClassMixtures(random_state=seed),
    "stacked_svm": lambda seed: SVC(kernel="linear", random_state=seed),
    "stacked_cnn_gmm": lambda seed: ClassMixtures(random_state=seed),
    "stacked_cnn_svm": lambda seed: SVC(kernel="linear", random_state=seed),
}

SEARCH: Mapping[str, tuple[dict[str, Any], ...]] = {
    "capstone_logistic_regression": tuple({"C": c} for c in (0.01, 0.1, 1.0)),
    "capstone_knn": tuple({"n_neighbors": k} for k in (1, 3, 5, 9, 15)),
    "capstone_random_forest": tuple({"max_features": m} for m in ("sqrt", 0.3)),
    "capstone_svm": tuple(
        {"C": c, "gamma": gamma} for c in (1, 3, 10, 30) for gamma in ("scale", 0.003)
    ),
    "capstone_gradient_boosting": tuple({"learning_rate": r} for r in (0.05, 0.1, 0.2)),
    "capstone_xgboost": tuple({"max_depth": d} for d in (2, 4, 6)),
    "stacked_svm": tuple({"C": c} for c in (0.001, 0.01, 1.0)),
}
"""Settings tried on valid in `full` under the honest protocol; other systems have none to try."""


@dataclass(frozen=True)
class Fitted:
    """A fitted model, and what it was fitted to.

    Attributes
    ----------
    model : scikit-learn classifier
    inputs : Inputs
    """

    model: Any
    inputs: Inputs

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Probabilities of each example, shape (n_examples, n_labels)."""
        return evaluate.probabilities(self.model, values)

    def save(self, path: str | Path) -> Path:
        """Write a `.skops` file that also says what the model was fitted to."""
        import skops.io

        with files.replacing(path) as temporary:
            skops.io.dump(self.model, temporary)
            self.inputs.put_into(temporary)
        return Path(path)


def load(path: str | Path) -> Fitted:
    """Read a model that `Fitted.save` wrote.

    Raises
    ------
    SourceError
        If there is none, it is damaged, or it holds more than models of this series.
    """
    import skops.io

    with reading(path):
        strange = skops.io.get_untrusted_types(file=path)
        model = skops.io.load(path, [t for t in strange if t in TRUSTED])
        inputs = Inputs.out_of(path)
        inputs.refuse_outputs(len(model.classes_))
        return Fitted(model, inputs)


def build(system_id: str, *, n_train: int, seed: int, **settings) -> Pipeline:
    """Build the pipeline of a classical system.

    Parameters
    ----------
    system_id : str
        See `names`.
    n_train : int
        Examples that it will be fitted to; bounds principal components and neighbours.
    seed : int
        Random seed.
    **settings
        Parameters of the last step, instead of its own.

    Returns
    -------
    Pipeline
        Takes an array of shape (n_examples, ...).

    Raises
    ------
    SettingError
        If there is no such system.
    """
    if system_id not in _MODELS:
        raise SettingError(
            f"{system_id!r} is no classical system; choose from {', '.join(_MODELS)}"
        )
    model = _MODELS[system_id](seed).set_params(**settings)
    if isinstance(model, KNeighborsClassifier):
        model.set_params(n_neighbors=min(model.n_neighbors, n_train))
    if not system_id.startswith("stacked"):
        return make_pipeline(StandardScaler(), model)
    return make_pipeline(
        FunctionTransformer(_flatten),
        StandardScaler(),
        PCA(components(n_train), svd_solver="full", random_state=seed),
        model,
    )


def components(n_train: int) -> int:
    """Principal components that the stacked systems keep: 900, or what `n_train` tracks allow.

    Centred data of n examples spans n - 1 dimensions.
    """
    return min(N_COMPONENTS, n_train - 1)


def _flatten(X: np.ndarray) -> np.ndarray:
    return X.reshape(len(X), -1).astype(np.float32)


def names() -> list[str]:
    """Ids of the classical systems."""
    return list(_MODELS)
