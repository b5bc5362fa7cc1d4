"""What every fitted model has in common, and what is stored with it."""

import json
import math
import zipfile
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gtzan_helpers import errors, files, models, workers
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.evaluation.calibration import tempered

_NAME = "gtzan.json"

# Numbers that an example, or a layer's output for it, may consist of.
LARGEST = 1 << 24

# How long a model may take to load and to predict from one example.
TRIAL_SECONDS = 60


@dataclass(frozen=True)
class Inputs:
    """What a model was trained on, and therefore what it can predict from.

    Attributes
    ----------
    features : str
        Name of a feature set, or of embeddings ("musicnn").
    segment_seconds : float
        Length of a segment in seconds; 0 for whole tracks.
    shape : tuple of int
        Shape of one example.
    labels : tuple of str
        In the order of the model's outputs.
    frame_period : float or None
        Seconds from one frame to the next; None for tables.
    columns : tuple of str
        Columns of a table that are used; empty for all of them, and for arrays.
    temperature : float
        By which the probabilities are calibrated.
    source : str
        Name of the source that it was trained on.
    """

    features: str
    segment_seconds: float
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    frame_period: float | None = None
    columns: tuple[str, ...] = ()
    temperature: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        words = {label for label in self.labels if isinstance(label, str) and label.strip()}
        if len(words) < max(2, len(self.labels)):
            cause = "are not two or more different words; name the folders of a dataset so"
            raise NotPossibleError(f"labels {list(self.labels)} {cause}")
        numbers = (self.segment_seconds, self.frame_period or 0.0, self.temperature)
        if not all(0 <= number < 1e6 for number in numbers) or self.temperature < 1e-6:
            raise SourceError(f"lengths and temperature {numbers} are not possible")
        if min(self.shape) < 1 or math.prod(self.shape) > LARGEST:
            raise SourceError(f"examples of shape {self.shape} are not possible")

    def refuse_other(self, other: "Inputs") -> None:
        """Compare with other inputs; labels may differ.

        Parameters
        ----------
        other : Inputs
            What is to be predicted from.

        Raises
        ------
        SettingError
            If they were made otherwise.
        """
        for name in ("features", "segment_seconds", "frame_period", "shape"):
            mine, theirs = getattr(self, name), getattr(other, name)
            # A pack keeps the period in single precision, rounded.
            close = name == "frame_period" and math.isclose(mine or 0, theirs or 0, rel_tol=0.01)
            if mine != theirs and not close:
                settings = f"the model was trained with {name}={mine}, the input has {theirs}"
                raise SettingError(f"{settings}; extract it with the model's settings")

    def put_into(self, path: str | Path) -> None:
        """Add the inputs to the file of a model, ``.keras`` or ``.skops``: both are archives."""
        # Neither library compresses: a forest takes ten times the place.
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
            archive.writestr(_NAME, json.dumps(asdict(self), indent=1))

    @classmethod
    def out_of(cls, path: str | Path) -> "Inputs":
        """Read the inputs from the file of a model."""
        with files.archive(path) as archive:
            stored: dict[str, Any] = json.loads(archive.read(_NAME))
        stored.pop("threshold", None)  # of models before version 0.2
        stored["labels"] = [errors.safe(label) for label in stored["labels"]]
        stored |= {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
        return cls(**stored)


@dataclass(frozen=True, eq=False)
class Fitted(ABC):
    """A fitted model.

    Attributes
    ----------
    model : keras.Model or scikit-learn classifier
    inputs : Inputs
    note : str
        What a result row says about the fit: "epoch 12 of 24".
    history : DataFrame
        One row per epoch of training; empty for classical models.
    """

    model: Any
    inputs: Inputs
    note: str = ""
    history: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    ending: ClassVar[str]

    @property
    def suffix(self) -> str:
        """Ending of the model's file; empty if it is not worth saving."""
        return self.ending

    @property
    def n_parameters(self) -> int | None:
        """Number of trainable weights; None for classical models."""
        return None

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Predict the probability of each label, calibrated by the temperature of the inputs.

        Parameters
        ----------
        values : ndarray, shape ``(n_examples,) + inputs.shape``

        Returns
        -------
        ndarray, shape (n_examples, n_labels)

        Raises
        ------
        SettingError
            If a network is given examples of another shape than in training.
        SourceError
            If examples are not finite, or what is predicted are no probabilities.
        """
        probabilities = self._probabilities(values)
        if not (np.abs(probabilities - 0.5) < 0.501).all():  # nor, with it, NaN
            raise SourceError("the model gives probabilities beyond 0 to 1; train it again")
        heat = self.inputs.temperature
        return probabilities if heat == 1 else tempered(probabilities, heat)

    @abstractmethod
    def _probabilities(self, values: np.ndarray) -> np.ndarray:
        """Predict, unchecked."""

    def hidden(self, values: np.ndarray, layer: str) -> np.ndarray:
        """Output of one of a network's layers, shape (n_examples, n_units).

        Parameters
        ----------
        values : ndarray, shape ``(n_examples,) + inputs.shape``
        layer : str
            Its name.

        Raises
        ------
        NotPossibleError
            If the model has no layers.
        """
        raise NotPossibleError(f"{type(self.model).__name__} has no layers")

    def save(self, path: str | Path) -> Path:
        """Write the model and its inputs to one file.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        SettingError
            If the file's name does not end in ``.keras`` (networks) or ``.skops`` (the others).
        """
        if Path(path).suffix != self.ending:
            raise SettingError(f"{path}: a model's file ends in {self.ending}")
        with files.replacing(path) as temporary:
            self._write(temporary)
            self.inputs.put_into(temporary)
        return Path(path)

    @abstractmethod
    def _write(self, path: Path) -> None:
        """Write the bare model."""

    @staticmethod
    @abstractmethod
    def _read(path: str | Path, shape: tuple[int, ...]) -> tuple[Any, int]:
        """Read the bare model, for examples of that shape; it and its number of outputs."""


def load(path: str | Path) -> Fitted:
    """Read a model that `Fitted.save` wrote; its note and history are empty.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    SettingError
        If the name ends otherwise.
    SourceError
        If the file is missing or damaged, or holds more than a model of this series.
    """
    is_network = Path(path).suffix == ".keras"
    if not is_network and Path(path).suffix != ".skops":
        raise SettingError(f"{path}: models of a run end in .keras or .skops")
    kind = models.training.FittedNetwork if is_network else models.classical.FittedClassical
    try:
        return workers.limited(lambda: _tried(path, kind), TRIAL_SECONDS)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such model; `gtzan run` makes models") from error
    except Exception as error:  # whatever three libraries raise for parts that do not fit
        raise SourceError(f"{path}: not a model of this series ({errors.reason(error)})") from error


def _tried(path: str | Path, kind: type[Fitted]) -> Fitted:
    """Read a model, and have it predict from one example."""
    inputs = Inputs.out_of(path)
    model, n_outputs = kind._read(path, inputs.shape)
    if n_outputs != len(inputs.labels):
        raise ValueError(f"{n_outputs} outputs for {len(inputs.labels)} labels; train it again")
    loaded = kind(model, inputs)
    loaded.probabilities(np.zeros((1, *inputs.shape)))
    return loaded
