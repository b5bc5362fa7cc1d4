"""Classical models: scikit-learn pipelines, and one Gaussian mixture per class.

Every pipeline begins with a scaler that is fitted to the training set only. Taught in notebook 03.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from gtzan_helpers.audio import FEATURE_SETS
from gtzan_helpers.errors import NotPossibleError, choose
from gtzan_helpers.models.fitted import Fitted
from gtzan_helpers.models.learners import CONVOLUTIONAL_OUTPUT, Classical, Task

# Types of our models that skops does not trust by itself.
TRUSTED = (
    "gtzan_helpers.models.kernels.ClippedScaler",
    "gtzan_helpers.models.kernels.KernelRidge",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)

# Principal components of the stacked study.
N_COMPONENTS = 900

#: The estimators that `Classical` knows, and where they are imported from.
ESTIMATORS: Mapping[str, str] = {
    "ClassMixtures": __name__,
    "GradientBoostingClassifier": "sklearn.ensemble",
    "KNeighborsClassifier": "sklearn.neighbors",
    "LogisticRegression": "sklearn.linear_model",
    "RandomForestClassifier": "sklearn.ensemble",
    "SVC": "sklearn.svm",
    "XGBClassifier": "xgboost",
}


# Estimators that files of models consist of.
PARTS = {*ESTIMATORS, "Pipeline", "StandardScaler"}
PARTS |= {"ClippedScaler", "KernelRidge", "LinearDiscriminantAnalysis"}
PARTS |= {"DecisionTreeClassifier", "DecisionTreeRegressor", "DummyClassifier"}


class ClassMixtures(ClassifierMixin, BaseEstimator):
    """One Gaussian mixture per class; the class with the largest likelihood is predicted.

    Parameters
    ----------
    n_components : int
        Gaussians per class; their covariances are full.
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
    Computes in float64: with fewer examples per class than dimensions a covariance is singular
    but for `reg_covar`, and single precision cannot invert it.
    """

    def __init__(self, n_components: int = 1, reg_covar: float = 1e-6, random_state: Any = None):
        self.n_components = n_components
        self.reg_covar = reg_covar
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> "ClassMixtures":
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
            few = self.classes_[counts.argmin()]
            raise NotPossibleError(f"a covariance needs two examples of each class; {few} has one")
        mixture = GaussianMixture(**self.get_params())
        self.mixtures_ = [clone(mixture).fit(X[y == label]) for label in self.classes_]
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Log-likelihood under each class, shape (n_examples, n_classes)."""
        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float64)
        return np.stack([mixture.score_samples(X) for mixture in self.mixtures_], axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Label of the most likely class, shape (n_examples,)."""
        likelihoods = self.decision_function(X)
        return self.classes_[likelihoods.argmax(axis=1)]


@dataclass(frozen=True, eq=False)
class FittedClassical(Fitted):
    """A fitted pipeline; with `base`, it is given the convolutional output of that network."""

    base: Fitted | None = None

    ending = ".skops"

    @property
    def suffix(self) -> str:
        """Empty for models of arrays and embeddings, which take hundreds of megabytes."""
        table = FEATURE_SETS.get(self.inputs.features)
        return self.ending if table and table.columns else ""

    def _probabilities(self, values: np.ndarray) -> np.ndarray:
        """Predict the probability of each label, shape (n_examples, n_labels).

        An estimator without probabilities (a support vector machine) gives the softmax of its
        decision function: the right order, but not calibrated.
        """
        X = _seen(values, self.base)
        if hasattr(self.model, "predict_proba"):
            return self.model.predict_proba(X)
        scores = self.model.decision_function(X)
        if scores.ndim == 1:  # two labels
            scores = np.stack([-scores, scores], axis=1) / 2
        return softmax(scores, axis=1)

    def _write(self, path: Path) -> None:
        skops.io.dump(self.model, path)

    @staticmethod
    def _read(path: str | Path, shape: tuple[int, ...]) -> tuple[Any, int]:
        unknown = skops.io.get_untrusted_types(file=path)
        trusted = [name for name in unknown if name in TRUSTED]
        if "xgboost.core.Booster" in trusted:
            _refuse_crashing(path, trusted)
        model = skops.io.load(path, trusted)
        for part in _parts(model):
            name = type(part).__name__
            foreign = issparse(part) or (isinstance(part, BaseEstimator) and name not in PARTS)
            if foreign or (name in FITTING and not FITTING[name](part, shape[0])):
                raise ValueError(f"its {name} does not fit in, or together")
        return model, len(model.classes_)


# What is in a file: skops checks types, but compiled code trusts numbers, too


def _refuse_crashing(path: str | Path, trusted: list[str]) -> None:
    """Load in another process first: XGBoost's reader of damaged bytes may end its process."""
    code = "import sys, skops.io; skops.io.load(sys.argv[1], sys.argv[2:])"
    command = [sys.executable, "-P", "-c", code, str(path), *trusted]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if ended.returncode not in (0, 1):  # 1 for an exception, which will be raised here, too
        raise ValueError("XGBoost cannot read its booster")


def _parts(model: Any) -> list[Any]:
    """Everything that a model consists of."""
    waiting, seen = [model], {}
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, np.ndarray):
            part = part.ravel().tolist() if part.dtype == object else []
        elif not isinstance(part, list | tuple | set | dict):
            part = getattr(part, "__dict__", {})
        waiting += part.values() if isinstance(part, dict) else part
    return list(seen.values())


def _nodes_fit(width: int, left: Any, right: Any, feature: Any, value: Any) -> bool:
    """Whether the nodes of a tree are leaves, or ask for a feature and lead to later nodes."""
    left, right, feature = np.asarray(left), np.asarray(right), np.asarray(feature)
    nodes = np.arange(left.size)
    inner = (nodes < left) & (left < nodes.size) & (nodes < right) & (right < nodes.size)
    inner &= (feature >= 0) & (feature < width)
    sound = inner | ((left == -1) & (right == -1))
    return bool(nodes.size and sound.all() and np.isfinite(value).all())


def _tree_fits(tree: Any, width: int) -> bool:
    # A tree that claims more nodes than it has must not even be looked at.
    return tree.capacity == tree.node_count and _nodes_fit(
        width, tree.children_left, tree.children_right, tree.feature, tree.value
    )


def _boosting_fits(model: Any, width: int) -> bool:
    start = model._raw_predict_init(np.zeros((1, width), np.float32))
    shapes = {tree.tree_.value.shape[1:] for tree in model.estimators_.flat}
    return start.shape == (1, model.estimators_.shape[1]) and shapes == {(1, 1)}


def _booster_fits(booster: Any, width: int) -> bool:
    learner = json.loads(booster.save_raw("json"))["learner"]
    model, parameters = learner["gradient_booster"]["model"], learner["learner_model_param"]
    trees, n_classes = model["trees"], max(1, int(parameters["num_class"]))
    columns = ("left_children", "right_children", "split_indices", "split_conditions")
    return (
        learner["objective"]["name"] in ("multi:softprob", "binary:logistic")
        and int(parameters["num_feature"]) == width
        and len(trees) == len(model["tree_info"]) == model["iteration_indptr"][-1]
        and all(0 <= number < n_classes for number in model["tree_info"])
        and all(not any(tree["split_type"]) for tree in trees)
        and all(_nodes_fit(width, *(tree[name] for name in columns)) for tree in trees)
    )


def _svc_fits(svc: Any, width: int) -> bool:
    n, k = len(svc.support_vectors_), len(svc.classes_)
    arrays = (svc.support_vectors_, svc.support_, svc._dual_coef_, svc._n_support, svc._intercept_)
    shapes = [(n, width), (n,), (k - 1, n), (k,), (k * (k - 1) // 2,)]
    known = svc.kernel in ("linear", "poly", "rbf", "sigmoid") and svc._impl == "c_svc"
    plain = not svc._sparse and svc._probA.size == svc._probB.size == 0
    counted = svc._n_support.min() >= 0 and svc._n_support.sum() == n
    return known and plain and counted and [array.shape for array in arrays] == shapes


def _neighbours_fit(model: Any, width: int) -> bool:
    labels = model._y
    shapes = [model._fit_X.shape, labels.shape] == [(labels.size, width), (labels.size,)]
    known = labels.min() >= 0 and labels.max() < len(model.classes_)
    how = (model._fit_method, model._tree, model.effective_metric_)
    return shapes and known and how == ("brute", None, "euclidean") and not model.outputs_2d_


# Whether the numbers of a part fit together, by its type, for examples of so many features.
FITTING: Mapping[str, Callable[[Any, int], bool]] = {
    "Booster": _booster_fits,
    "GradientBoostingClassifier": _boosting_fits,
    "KNeighborsClassifier": _neighbours_fit,
    "SVC": _svc_fits,
    "Tree": _tree_fits,
}


def fit(learner: Classical, task: Task) -> FittedClassical:
    """Fit a pipeline; where options are searched, the best on the validation set is taken.

    Parameters
    ----------
    learner : Classical
    task : Task
        With a `base`, the pipeline is fitted to the convolutional output of that network.
    """
    train, valid, base = task.split.train, task.split.valid, task.base
    X, labels = _seen(task.values[train], base), task.labels
    n_train = min(len(X), X[0].size + 1) if learner.components else len(X)
    choices = ParameterGrid(dict(learner.search) if task.tuned else {})
    models = [build(learner, n_train=n_train, seed=task.seed, **options) for options in choices]
    weights = {}
    if task.balanced and has_fit_parameter(models[0][-1], "sample_weight"):
        name = models[0].steps[-1][0]
        weights = {f"{name}__sample_weight": task.class_weights()[labels[train]]}
    models = [model.fit(X, labels[train], **weights) for model in models]
    if len(models) == 1:
        return FittedClassical(models[0], task.inputs, base=base)
    X_valid = _seen(task.values[valid], base)
    best = int(np.argmax([model.score(X_valid, labels[valid]) for model in models]))
    words = " ".join(f"{name}={value}" for name, value in choices[best].items())
    return FittedClassical(models[best], task.inputs, f"chosen on valid: {words}", base=base)


def _seen(values: np.ndarray, base: Fitted | None) -> np.ndarray:
    return values if base is None else base.hidden(values, CONVOLUTIONAL_OUTPUT)


def build(learner: Classical, *, n_train: int, seed: int, **options: Any) -> Pipeline:
    """Build the pipeline of a classical learner.

    Parameters
    ----------
    learner : Classical
    n_train : int
        Size of the training set; bounds principal components and neighbours.
    seed : int
        Random seed.
    **options
        Parameters of the estimator, instead of its own.

    Raises
    ------
    SettingError
        If there is no such estimator.
    """
    module = importlib.import_module(choose(ESTIMATORS, learner.estimator, "estimator"))
    model = getattr(module, learner.estimator)(**{**learner.options, **options})
    if hasattr(model, "random_state"):
        model.random_state = seed
    if hasattr(model, "n_neighbors"):
        model.n_neighbors = min(model.n_neighbors, n_train)
    if not learner.components:
        return make_pipeline(StandardScaler(), model)
    flatten = FunctionTransformer(lambda X: X.reshape(len(X), -1).astype(np.float32))
    pca = PCA(components(n_train), svd_solver="full", random_state=seed)
    return make_pipeline(flatten, StandardScaler(), pca, model)


def components(n_train: int) -> int:
    """Principal components of the stacked study: 900, or as many as `n_train` tracks allow.

    Centred data of n examples spans n - 1 dimensions.
    """
    return min(N_COMPONENTS, n_train - 1)
