"""Training networks: the epoch is chosen on the validation set.

Arrays stay as small as they were stored (bytes, half precision); only the current batch is turned
into 32-bit numbers. Taught in notebook 04.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from gtzan_helpers import files
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.models import classical, networks
from gtzan_helpers.models.backend import keras
from gtzan_helpers.models.fitted import Fitted, Inputs
from gtzan_helpers.models.learners import Network, Task
from gtzan_helpers.workers import progress_bar

# Numbers that are turned into 32 bits at a time outside of training.
_CHUNK = 2**20

# Numbers in all arrays that a network may compute for a batch, and what a step of a loop counts.
_COMPUTED, _STEP = 1 << 30, 400


@dataclass(frozen=True, eq=False)
class FittedNetwork(Fitted):
    """A trained network.

    The history has the columns `epoch` (from 1), `loss` (during the epoch), `accuracy` (on the
    training set after it, as a model's accuracy is measured in the end), `val_loss`,
    `val_accuracy`, `seconds`; `best` marks the epoch whose weights the model has.
    """

    ending = ".keras"

    @property
    def n_parameters(self) -> int:
        """Number of trainable weights."""
        return int(sum(math.prod(weight.shape) for weight in self.model.trainable_weights))

    def _probabilities(self, values: np.ndarray) -> np.ndarray:
        return _predicted(self.model, _checked(values, self.inputs.shape))

    def hidden(self, values: np.ndarray, layer: str) -> np.ndarray:
        """Output of the layer of that name, shape (n_examples, n_units)."""
        part = keras.Model(self.model.input, self.model.get_layer(layer).output)
        return _predicted(part, _checked(values, self.inputs.shape))

    def _write(self, path: Path) -> None:
        self.model.save(path)

    @staticmethod
    def _read(path: str | Path, shape: tuple[int, ...]) -> tuple[Any, int]:
        with files.archive(path) as archive, ThreadPoolExecutor(1) as thread:
            config = json.loads(archive.read("config.json"), object_hook=_uncompiled)
            stored = archive.getinfo("model.weights.h5").file_size
            # A thread has a state of Keras of its own: variables without values are left there.
            n_weights = thread.submit(_weights, config).result()
        if n_weights > stored:
            raise ValueError(f"it claims {n_weights:,} weights in {stored:,} bytes")
        model = keras.saving.load_model(path, compile=False)
        if (computed := _computed(model, (_batch_size(shape), *shape))) > _COMPUTED:
            raise ValueError(f"for one batch it computes arrays of {computed:,} numbers")
        return model, model.output_shape[-1]


def _uncompiled(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "compile_config"}


def _weights(config: dict[str, Any]) -> int:
    """Number of a network's weights; no memory is taken for them."""
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(config)
    return sum(math.prod(variable.shape) for variable in model.variables)


def _computed(model: keras.Model, shape: tuple[int, ...]) -> int:
    """Numbers in all arrays on the way from a batch to the output.

    TensorFlow lists what is to be computed, whatever layer or operation asks for it, and does
    not compute it.
    """
    import tensorflow as tf

    traced = tf.function(lambda batch: model(batch, training=False))
    graph = traced.get_concrete_function(tf.TensorSpec(shape)).graph
    operations = [one for one in graph.get_operations() if one.type != "ReadVariableOp"]
    shapes = [array.shape for one in operations for array in one.outputs]
    loops = [one for one in operations if one.type == "TensorListFromTensor"]
    steps = sum(one.inputs[0].shape[0] or 1 for one in loops)
    return _STEP * steps + sum(math.prod(n or 1 for n in shape) for shape in shapes if shape.rank)


def with_history(model: keras.Model, inputs: Inputs, history: pd.DataFrame) -> FittedNetwork:
    """A trained network whose note says which epoch it is from.

    Parameters
    ----------
    model : keras.Model
    inputs : Inputs
    history : DataFrame
        See `FittedNetwork`.
    """
    epoch = int(history.epoch[history.best].iloc[0])
    # Without its optimizer, whose state takes twice the place of the weights in a file.
    model = keras.Model(model.input, model.output, name=model.name)
    return FittedNetwork(model, inputs, f"epoch {epoch} of {len(history)}", history)


def fit(network: Network, task: Task, *, model: keras.Model | None = None) -> FittedNetwork:
    """Train a network; see `learners.Learner.fit`.

    Parameters
    ----------
    network : Network
    task : Task
    model : keras.Model or None
        The model to continue with; None for a new model of the network.

    Raises
    ------
    NotPossibleError
        If a label is missing from the training set, or examples are too small.
    SourceError
        If values are not finite.
    """
    values, inputs = task.values, task.inputs
    _checked(values, inputs.shape)
    targets = np.eye(len(inputs.labels), dtype=np.float32)[task.labels]
    present = targets[task.split.train].any(axis=0)
    if not present.all():
        raise NotPossibleError(f"train holds no {', '.join(np.array(inputs.labels)[~present])}")
    keras.utils.set_random_seed(task.seed)
    model = model or _build(network, values, task.split.train, inputs)
    train = Batches(values, targets, task.split.train, network, seed=task.seed)
    limit = task.steps_limit or network.epochs * len(train)
    epochs = min(network.epochs, math.ceil(limit / len(train)))
    valid = Batches(values, targets, task.split.valid, network)
    decay = keras.optimizers.schedules.CosineDecay(network.learning_rate, epochs * len(train))
    optimizer = keras.optimizers.AdamW(decay, weight_decay=network.weight_decay)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    # A step that makes variables of its own is traced twice, and tracing is most of a short run.
    model.optimizer.build(model.trainable_variables)
    watch = _Watch(epochs, task, network.patience)
    weights = {"class_weight": dict(enumerate(task.class_weights()))} if task.balanced else {}
    model.fit(train, validation_data=valid, epochs=epochs, callbacks=[watch], verbose=0, **weights)
    return with_history(model, inputs, watch.history())


def _build(network: Network, values: np.ndarray, rows: np.ndarray, inputs: Inputs) -> keras.Model:
    mean, deviation = moments(values, rows)
    n_components = classical.components(len(rows))
    statistics = {"mean": mean, "deviation": deviation, "n_components": n_components}
    model = network.build(inputs.shape, len(inputs.labels), **statistics)
    if network.components:
        shape = (len(mean), *[1] * (values.ndim - 2))
        X = (values[rows].astype(np.float32) - mean.reshape(shape)) / deviation.reshape(shape)
        pca = PCA(n_components, svd_solver="full").fit(X.reshape(len(rows), -1))
        weights = [pca.components_.T, -pca.components_ @ pca.mean_]
        model.get_layer(networks.PRINCIPAL_COMPONENTS).set_weights(weights)
    return model


def moments(values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of a table, or each row of arrays.

    Parameters
    ----------
    values : ndarray, shape (n_examples, n) or (n_examples, n, n_frames)
    rows : ndarray of int
        The examples that count.

    Returns
    -------
    mean, deviation : ndarray, shape (n,), float64
        The standard deviation of a constant is given as 1.
    """
    axes = (0, *range(2, values.ndim))
    total, squares = np.zeros((2, values.shape[1]))
    size = max(1, min(512, _CHUNK // math.prod(values.shape[1:])))
    for start in range(0, len(rows), size):
        chunk = values[rows[start : start + size]].astype(np.float64)
        total += chunk.sum(axis=axes)
        squares += (chunk**2).sum(axis=axes)
    count = len(rows) * math.prod(values.shape[2:])
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return mean, np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)


class Batches(keras.utils.PyDataset):
    """Batches of examples, made on demand.

    Parameters
    ----------
    values : ndarray, shape (n_examples, ...)
    targets : ndarray, shape (n_examples, n_labels)
        One-hot labels.
    rows : ndarray of int
        The examples to draw from.
    network : Network
        Its batch size and augmentations count.
    seed : int or None
        Of shuffling and augmentation, anew in each epoch; None for neither.
    """

    def __init__(
        self,
        values: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        network: Network,
        seed: int | None = None,
    ):
        super().__init__()
        self.values, self.targets, self.network = values, targets, network
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.rows = np.array(rows)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.network.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.network.batch_size
        # Sorted, because neighbouring rows of a file are read faster.
        rows = np.sort(self.rows[index * size : (index + 1) * size])
        return self.values[rows].astype(np.float32), self.targets[rows]

    def on_epoch_end(self) -> None:
        if self.rng is not None:
            self.rng.shuffle(self.rows)


class _Watch(keras.callbacks.Callback):
    """Records the history and the best epoch's weights, moves the bar, and stops early."""

    def __init__(self, epochs: int, task: Task, patience: int | None):
        super().__init__()
        self.meter = progress_bar(total=epochs, description=task.description, unit="epoch")
        self.task, self.patience = task, patience
        self.lines: list[dict[str, float]] = []
        self.best, self.score = 0, (-1.0, -math.inf)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds, train = time.perf_counter() - self.started, self.task.split.train
        # Without dropout and changes: Keras' own accuracy is of the network while it learns.
        learnt = _predicted(self.model, self.task.values[train]).argmax(axis=1)
        accuracy = float((learnt == self.task.labels[train]).mean())
        self.lines.append({"epoch": epoch + 1, **logs, "accuracy": accuracy, "seconds": seconds})
        self.meter.update()
        # Of two epochs of equal accuracy, the one with the smaller loss is better.
        score = (logs["val_accuracy"], -logs["val_loss"])
        if self.patience is None or score > self.score:
            self.best, self.score, self.weights = epoch, score, self.model.get_weights()
        elif epoch - self.best >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.meter.close()
        self.model.set_weights(self.weights)

    def history(self) -> pd.DataFrame:
        return pd.DataFrame(self.lines).assign(best=lambda lines: lines.index == self.best)


def _checked(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    if tuple(values.shape[1:]) != tuple(shape):
        shapes = f"{tuple(shape)}, these have {values.shape[1:]}"
        raise SettingError(f"the model takes examples of shape {shapes}; extract them again")
    if values.dtype.kind == "f":
        finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if not finite.all():
            bad = f"example {finite.argmin()}"
            raise SourceError(f"{bad} holds values that are not finite; extract it again")
    return values


def _predicted(model: keras.Model, values: np.ndarray) -> np.ndarray:
    return in_batches(model.predict_on_batch, values, _batch_size(values.shape[1:]))


def _batch_size(shape: tuple[int, ...]) -> int:
    """Number of examples of that shape that are predicted from at a time."""
    return max(1, min(64, _CHUNK // math.prod(shape)))


def in_batches(
    function: Callable[[np.ndarray], Any], values: np.ndarray, size: int, *, description: str = ""
) -> np.ndarray:
    """Apply a network to batches of one size: each new size would be compiled anew.

    Parameters
    ----------
    function : callable
        From a batch, float32, to one output for each example.
    values : ndarray, shape (n_examples, ...)
    size : int
    description : str
        Of a progress bar; empty for none.

    Returns
    -------
    ndarray, shape (n_examples, ...)
    """
    starts, outputs = range(0, len(values), size), []
    total = len(starts) if description else 0
    for start in progress_bar(starts, total=total, description=description, unit="batch"):
        part = values[start : start + size]
        batch = np.resize(part, (size, *part.shape[1:])).astype(np.float32)
        outputs.append(np.asarray(function(batch))[: len(part)])
    return np.concatenate(outputs)


def occlusion(
    predict: Callable[[np.ndarray], np.ndarray],
    example: np.ndarray,
    label: int,
    *,
    size: tuple[int, int],
) -> np.ndarray:
    """How far the probability of a label falls when a patch of a network's input is hidden.

    Parameters
    ----------
    predict : callable
        From examples, shape (n, n_rows, n_frames), to probabilities, shape (n, n_labels).
    example : ndarray, shape (n_rows, n_frames)
    label : int
        Index of the label.
    size : tuple of int
        Rows and frames of the patch, which is set to the example's mean row by row.

    Returns
    -------
    ndarray, shape (n_rows, n_frames)
        By how much the probability falls; negative where it rises.

    Notes
    -----
    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks".
    """
    # The number of the patch that each value lies in.
    row, frame = np.indices(example.shape)
    n_across = math.ceil(example.shape[1] / size[1])
    patches = row // size[0] * n_across + frame // size[1]
    means = example.mean(axis=1, keepdims=True)
    hidden = [np.where(patches == number, means, example) for number in range(patches.max() + 1)]
    whole, *remaining = predict(np.stack([example, *hidden]))[:, label]
    return whole - np.array(remaining)[patches]
