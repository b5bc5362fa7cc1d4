"""Learners: how a system learns. Everything here is settings; the work is done elsewhere.

Keras and scikit-learn are imported when a learner fits, so that a system's settings can be read
without them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gtzan_helpers import datasets, models  # their modules are imported when they are used
from gtzan_helpers.errors import NotPossibleError, SettingError
from gtzan_helpers.models.fitted import Fitted, Inputs

if TYPE_CHECKING:
    import keras

# Name of the layer of `networks.stacked_cnn` that `OnConvolutions` builds on.
CONVOLUTIONAL_OUTPUT = "convolutional_output"


def canonical(value: Any) -> Any:
    """Bring settings to the one form that keys are made of: JSON, whole numbers as integers.

    Raises
    ------
    TypeError
        If there is anything in them but names and numbers.
    """
    if isinstance(value, Mapping):
        return {str(name): canonical(value[name]) for name in sorted(value)}
    if isinstance(value, tuple | list):
        return [canonical(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"settings are names and numbers, not {type(value).__name__}")


@dataclass(frozen=True)
class Task:
    """What a learner is fitted to.

    Attributes
    ----------
    values : ndarray, shape ``(n_examples,) + inputs.shape``
        As stored; may be a memory map.
    labels : ndarray of int, shape (n_examples,)
        Indices into `inputs.labels`.
    split : Split
        Rows of the training and validation sets; the test set is not touched.
    inputs : Inputs
        What the values are.
    seed : int
        Of weights, dropout and the order of examples.
    steps_limit : int or None
        Number of optimizer steps after which the last epoch ends.
    fetch : bool
        Whether pretrained weights may be downloaded.
    tuned : bool
        Whether hyperparameters are searched.
    balanced : bool
        Whether each label weighs the same, however many examples it has.
    description : str
        Of the progress bar.
    base : Fitted or None
        The fitted model of the system `Learner.base`.
    artists : ndarray, shape (n_examples,)
        Who plays; empty if that is not known.
    """

    values: np.ndarray
    labels: np.ndarray
    split: "datasets.Split"
    inputs: Inputs
    seed: int
    steps_limit: int | None = None
    fetch: bool = False
    tuned: bool = False
    balanced: bool = False
    description: str = "epochs"
    base: Fitted | None = None
    artists: np.ndarray = field(default_factory=lambda: np.zeros(0, str))

    def class_weights(self) -> np.ndarray:
        """Weight of the examples of each label, of mean 1 over the training set."""
        counts = np.bincount(self.labels[self.split.train], minlength=len(self.inputs.labels))
        weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
        return weights if self.balanced else np.ones(len(counts))


class Learner(ABC):
    """How a system learns from examples: a frozen dataclass of names and numbers.

    Attributes
    ----------
    copies : tuple of str
        Augmentations of which each gives a copy of the training set.
    components : bool
        Whether inputs are projected onto their principal components.
    search : mapping
        Hyperparameters to search on the validation set.
    base : str
        Id of the system on whose fitted model it builds; empty for none.
    """

    copies: tuple[str, ...] = ()
    components: bool = False
    search: Mapping[str, Sequence[Any]] = MappingProxyType({})
    base: str = ""

    @property
    def trains_epochs(self) -> bool:
        """Whether a network is trained, which takes longer than a classical model."""
        return False

    @property
    def pretrained(self) -> str:
        """Which pretrained weights it starts from; empty for none."""
        return ""

    def settings(self, *, tuned: bool = False) -> dict[str, Any]:
        """Everything that fitting depends on but data and seed, as names and numbers.

        Parameters
        ----------
        tuned : bool
            Whether the hyperparameters to search are part of it.

        Returns
        -------
        dict
            Can be written as JSON; settings equal to their defaults are left out.
        """
        chosen: dict[str, Any] = {"learner": type(self).__name__}
        for setting in fields(self):  # type: ignore[arg-type]
            value = getattr(self, setting.name)
            if isinstance(value, Learner):
                chosen[setting.name] = value.settings(tuned=tuned)
            elif value not in (setting.default, {}) and (tuned or setting.name != "search"):
                chosen[setting.name] = canonical(value)
        return chosen

    def prepare(self, features: "datasets.Features", *, fetch: bool) -> "datasets.Features":
        """Turn features into the examples that it learns from.

        Parameters
        ----------
        features : Features
        fetch : bool
            Whether pretrained weights may be downloaded.

        Raises
        ------
        MissingWeightsError, NotPossibleError
            If they are missing and cannot be downloaded.
        """
        return features

    def fit(
        self, values: np.ndarray, labels: np.ndarray, split: "datasets.Split", **options: Any
    ) -> Fitted:
        """Fit on the training set; epoch and hyperparameters are chosen on the validation set.

        Parameters
        ----------
        values, labels, split, **options
            The attributes of `Task`; `inputs` and `seed` are required.

        Raises
        ------
        NotPossibleError
            If the training set lacks a label, or examples are too small for a network.
        SourceError
            If values are not finite.
        """
        return self.fit_task(Task(values, labels, split, **options))

    @abstractmethod
    def fit_task(self, task: Task) -> Fitted:
        """Fit as `fit` does."""


@dataclass(frozen=True)
class Classical(Learner):
    """A scikit-learn pipeline: a scaler, then one estimator.

    Attributes
    ----------
    estimator : str
        See `classical.ESTIMATORS`.
    options : mapping
        Keyword arguments of the estimator.
    search : mapping
        Options of which all combinations are tried on the validation set: their values by name.
    components : bool
        Whether inputs are flattened and projected onto their principal components.
    """

    estimator: str
    options: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    components: bool = False

    def fit_task(self, task: Task) -> Fitted:
        return models.classical.fit(self, task)


@dataclass(frozen=True)
class Calibrated(Learner):
    """A classifier for few songs with many columns, calibrated on the validation set.

    Attributes
    ----------
    options : mapping
        Keyword arguments of the classifier.
    weights : mapping
        Of `kernels.KernelRidge`: weights of the blocks of columns, by the names that columns
        begin with. Empty for shrinkage LDA.
    copies : tuple of str
        Augmentations of which each gives a copy of the training set, which counts a tenth of it.
    """

    options: Mapping[str, Any]
    weights: Mapping[str, float] = field(default_factory=dict)
    copies: tuple[str, ...] = ()

    def fit_task(self, task: Task) -> Fitted:
        return models.kernels.fit(self, task)


@dataclass(frozen=True)
class Network(Learner):
    """A neural network and how it is trained.

    Attributes
    ----------
    body : str
        Name of the architecture, a function of `networks`.
    options : mapping
        Arguments of that function, where they differ from its defaults.
    epochs : int
        Upper bound of the number of epochs.
    batch_size : int
    learning_rate : float
        Of AdamW at the start; it falls to 0 along half a cosine.
    weight_decay : float
        Of AdamW, relative to the learning rate.
    patience : int or None
        Epochs without a better validation accuracy before training stops; the weights of the
        best epoch are restored. None: all epochs are run and the last weights stay.
    copies : tuple of str
        Augmentations of which each gives a copy of the training set (`changes.AUGMENTATIONS`).
    components : bool
        Whether inputs are flattened and projected onto their principal components.
    version : int
        To be raised when the architecture changes, so that results become stale.
    """

    body: str
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int | None = 12
    copies: tuple[str, ...] = ()
    components: bool = False
    version: int = 1

    trains_epochs = True

    def build(self, shape: tuple[int, ...], n_labels: int, **settings: Any) -> "keras.Model":
        """Build the model, not yet trained; see `networks.build`."""
        return models.networks.build(self, shape, n_labels, **settings)

    def fit_task(self, task: Task) -> Fitted:
        return models.training.fit(self, task)


@dataclass(frozen=True)
class Transfer(Learner):
    """A network pretrained on photos, with a new head; its upper part is fine-tuned.

    Attributes
    ----------
    backbone : str
        See `transfer.BACKBONES`.
    size : int
        Height and width of the pictures, in pixels.
    units : int
        Of the head's hidden layer.
    dropout : float
    learning_rate, tuning_rate : float
        At the start, of the head and of fine-tuning.
    epochs, tuning_epochs : int
    batch_size : int
    """

    backbone: str
    size: int = 224
    units: int = 128
    dropout: float = 0.3
    learning_rate: float = 1e-3
    tuning_rate: float = 1e-4
    epochs: int = 30
    tuning_epochs: int = 10
    batch_size: int = 32

    trains_epochs = True
    pretrained = "imagenet"

    def head(self) -> Network:
        """The network that is trained on the frozen backbone."""
        options = {"units": (self.units,), "dropout": self.dropout}
        rate = self.learning_rate
        return Network("dense", options, self.epochs, self.batch_size, rate, patience=8)

    def prepare(self, features: "datasets.Features", *, fetch: bool) -> "datasets.Features":
        return models.transfer.activations(self, features, fetch=fetch)

    def fit_task(self, task: Task) -> Fitted:
        return models.transfer.fit(self, task)


@dataclass(frozen=True)
class OnMusicnn(Learner):
    """A learner on embeddings of MusiCNN, which was pretrained on music.

    Attributes
    ----------
    head : Learner
    pooled : tuple of str
        Layers of `musicnn.LAYERS` whose means over a song it is given; empty for all layers of
        each segment.
    """

    head: Learner
    pooled: tuple[str, ...] = ()

    pretrained = "MusiCNN"

    @property
    def trains_epochs(self) -> bool:
        return self.head.trains_epochs

    def prepare(self, features: "datasets.Features", *, fetch: bool) -> "datasets.Features":
        return models.musicnn.embed_features(features, *self.pooled)

    def fit_task(self, task: Task) -> Fitted:
        return self.head.fit_task(task)


@dataclass(frozen=True)
class OnLite0(Learner):
    """A learner on embeddings of EfficientNet-Lite0, which was pretrained on photographs.

    Attributes
    ----------
    head : Learner
    weights : str
        ``imagenet`` or ``random``.
    """

    head: Learner
    weights: str = "imagenet"

    @property
    def pretrained(self) -> str:
        return self.weights

    def prepare(self, features: "datasets.Features", *, fetch: bool) -> "datasets.Features":
        return models.lite0.embed_features(features, self.weights)

    def fit_task(self, task: Task) -> Fitted:
        return self.head.fit_task(task)


@dataclass(frozen=True)
class OnConvolutions(Classical):
    """A classical learner on what the convolutions of a trained network give."""

    base: str = "stacked_cnn"

    trains_epochs = True

    def fit_task(self, task: Task) -> Fitted:
        if task.base is None:
            raise SettingError(f"the fitted network of {self.base} is missing; give it as `base`")
        task.base.inputs.refuse_other(task.inputs)
        return super().fit_task(task)


@dataclass(frozen=True)
class Average(Learner):
    """The mean of the probabilities of the systems that `System.joins` names; it learns nothing."""

    def fit_task(self, task: Task) -> Fitted:
        raise NotPossibleError("an ensemble joins the predictions of other systems")
