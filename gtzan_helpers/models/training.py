"""Training networks: the epoch is chosen on the validation set.

Arrays stay as small as they were stored (bytes, half precision); only the current batch is turned
into 32-bit numbers. Taught in notebook 04.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers.audio.changes import augment_log_mel, mixup
from gtzan_helpers.audio.spectra import DB_RANGE
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.models import classical, networks
from gtzan_helpers.models.backend import keras
from gtzan_helpers.models.fitted import Fitted, Inputs
from gtzan_helpers.models.learners import Network, Task
from gtzan_helpers.workers import progress_bar

# Numbers that are turned into 32 bits at a time outside of training.
_CHUNK = 2**22


@dataclass(frozen=True, eq=False)
class FittedNetwork(Fitted):
    """A trained network.

    The history has the columns `epoch` (from 1), `loss`, `accuracy`, `val_loss`, `val_accuracy`,
    `seconds`; `best` marks the epoch whose weights the model has.
    """

    ending = ".keras"

    @property
    def n_parameters(self) -> int:
        """Number of trainable weights."""
        return int(sum(math.prod(weight.shape) for weight in self.model.trainable_weights))

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Predict the probability of each label, shape (n_examples, n_labels), float32.

        Raises
        ------
        SettingError
            If the examples have another shape than those of training.
        SourceError
            If they hold values that are not finite.
        """
        return _by_chunks(self.model.predict_on_batch, _checked(values, self.inputs.shape))

    def hidden(self, values: np.ndarray, layer: str) -> np.ndarray:
        """Output of the layer of that name, shape (n_examples, n_units)."""
        part = keras.Model(self.model.inputs, self.model.get_layer(layer).output)
        return _by_chunks(part.predict_on_batch, _checked(values, self.inputs.shape))

    def _write(self, path: Path) -> None:
        self.model.save(path)

    @staticmethod
    def _read(path: str | Path) -> tuple[Any, int]:
        model = keras.saving.load_model(path)
        return model, model.output_shape[-1]


def with_history(model: keras.Model, inputs: Inputs, history: pd.DataFrame) -> FittedNetwork:
    """A trained network whose note says which epoch it is from."""
    epoch = int(history.epoch[history.best].iloc[0])
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
    SettingError
        If log-mel augmentations are asked for, but not for log-mel spectrograms.
    SourceError
        If values are not finite.
    """
    values, labels, inputs = task.values, task.labels, task.inputs
    if network.changes and inputs.features != "log_mel":
        raise SettingError(f"changes are made to log_mel, not to {inputs.features!r}")
    _checked(values, inputs.shape)
    n_labels = len(inputs.labels)
    counts = np.bincount(labels[task.split.train], minlength=n_labels)
    if not counts.all():
        raise NotPossibleError(f"train holds no {', '.join(np.array(inputs.labels)[counts == 0])}")
    keras.utils.set_random_seed(task.seed)
    model = model or _build(network, values, task.split.train, inputs)
    epochs = min(network.epochs, task.epochs_limit or network.epochs)
    train = Batches(values, labels, task.split.train, network, n_labels=n_labels, seed=task.seed)
    valid = Batches(values, labels, task.split.valid, network, n_labels=n_labels)
    decay = keras.optimizers.schedules.CosineDecay(network.learning_rate, epochs * len(train))
    optimizer = keras.optimizers.AdamW(decay, weight_decay=network.weight_decay)
    accuracy = keras.metrics.CategoricalAccuracy("accuracy")
    model.compile(optimizer, "categorical_crossentropy", metrics=[accuracy])
    # A step that makes variables of its own is traced twice, and tracing is most of a short run.
    model.optimizer.build(model.trainable_variables)
    watch = _Watch(epochs, task.description, network.patience)
    model.fit(train, validation_data=valid, epochs=epochs, callbacks=[watch], verbose=0)
    return with_history(model, inputs, watch.history())


def _build(network: Network, values: np.ndarray, rows: np.ndarray, inputs: Inputs) -> keras.Model:
    mean, deviation = moments(values, rows)
    n_components = classical.components(len(rows))
    statistics = {"mean": mean, "deviation": deviation, "n_components": n_components}
    model = network.build(inputs.shape, len(inputs.labels), **statistics)
    if network.components:
        from sklearn.decomposition import PCA

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
    total, squares, count = np.zeros(values.shape[1]), np.zeros(values.shape[1]), 0
    for start, stop in _chunks(len(rows), values.shape[1:]):
        chunk = values[rows[start:stop]].astype(np.float64)
        total = total + chunk.sum(axis=axes)
        squares = squares + (chunk**2).sum(axis=axes)
        count += chunk.size // chunk.shape[1]
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return mean, np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)


class Batches(keras.utils.PyDataset):
    """Batches of examples, made on demand.

    Parameters
    ----------
    values : ndarray, shape (n_examples, ...)
    labels : ndarray of int, shape (n_examples,)
    rows : ndarray of int
        The examples to draw from.
    network : Network
        Its batch size and augmentations count.
    n_labels : int
    seed : int or None
        Of shuffling and augmentation, anew in each epoch; None for neither.
    """

    def __init__(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        rows: np.ndarray,
        network: Network,
        *,
        n_labels: int,
        seed: int | None = None,
    ):
        super().__init__()
        self.values, self.labels, self.n_labels = values, labels, n_labels
        self.network = network
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.rows = np.array(rows)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.network.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.network.batch_size
        # Sorted, because neighbouring rows of a file are read faster.
        rows = np.sort(self.rows[index * size : (index + 1) * size])
        x = self.values[rows].astype(np.float32)
        if self.rng is not None and self.network.changes:
            x = np.stack([_change(log_mel, self.network.changes, self.rng) for log_mel in x])
        targets = np.eye(self.n_labels, dtype=np.float32)[self.labels[rows]]
        if self.rng is not None and self.network.mixup:
            x, targets = mixup(x, targets, alpha=self.network.mixup, rng=self.rng)
        return x, targets

    def on_epoch_end(self) -> None:
        if self.rng is not None:
            self.rng.shuffle(self.rows)


def _change(codes: np.ndarray, changes: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Augment a log-mel stored as bytes; each change is applied with probability 1/2."""
    low, high = DB_RANGE
    values = low + codes * (high - low) / 255
    for change in changes:
        if rng.random() < 0.5:
            values = augment_log_mel(values, change=change, rng=rng)
    return (values - low) * 255 / (high - low)


class _Watch(keras.callbacks.Callback):
    """Records the history and the best epoch's weights, moves the bar, and stops early."""

    def __init__(self, epochs: int, description: str, patience: int | None):
        super().__init__()
        self.meter = progress_bar(total=epochs, description=description, unit="epoch")
        self.patience = patience
        self.lines: list[dict[str, float]] = []
        self.best, self.best_epoch = (-1.0, -math.inf), 0
        self.weights: list[np.ndarray] | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds = time.perf_counter() - self.started
        self.lines.append({"epoch": epoch + 1, **logs, "seconds": seconds})
        self.meter.update()
        if self.patience is None:
            return
        # Of two epochs of equal accuracy, the one with the smaller loss is better.
        score = (logs["val_accuracy"], -logs["val_loss"])
        if score > self.best:
            self.best, self.weights, self.best_epoch = score, self.model.get_weights(), epoch
        elif epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        self.meter.close()
        if self.weights is not None:
            self.model.set_weights(self.weights)

    def history(self) -> pd.DataFrame:
        lines = pd.DataFrame(self.lines)
        best = len(lines) - 1 if self.weights is None else self.best_epoch
        return lines.assign(best=np.arange(len(lines)) == best)


def _checked(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    if tuple(values.shape[1:]) != tuple(shape):
        shapes = f"{tuple(shape)}, these have {values.shape[1:]}"
        raise SettingError(f"the model takes examples of shape {shapes}; extract them again")
    if values.dtype.kind == "f":
        for start, stop in _chunks(len(values), shape):
            finite = np.isfinite(values[start:stop]).all(axis=tuple(range(1, values.ndim)))
            if not finite.all():
                bad = f"example {start + finite.argmin()}"
                raise SourceError(f"{bad} holds values that are not finite; extract it again")
    return values


def _chunks(n_examples: int, shape: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Bounds of chunks of at most `_CHUNK` numbers."""
    size = max(1, min(512, _CHUNK // math.prod(shape)))
    return ((start, start + size) for start in range(0, n_examples, size))


def _by_chunks(function: Callable[[np.ndarray], Any], values: np.ndarray) -> np.ndarray:
    """Apply a model to batches of one size: each new size would be compiled anew."""
    size = max(1, min(64, _CHUNK // math.prod(values.shape[1:])))
    batch = np.zeros((size, *values.shape[1:]), np.float32)
    parts = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        batch[: len(part)] = part
        parts.append(np.array(function(batch))[: len(part)])
    return np.concatenate(parts)


def occlusion(fitted: Fitted, example: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """How far the confidence of a prediction falls when a patch of its input is hidden.

    Parameters
    ----------
    fitted : Fitted
    example : ndarray, shape (n_rows, n_frames)
    size : tuple of int
        Rows and frames of the patch, which is set to the example's mean row by row.

    Returns
    -------
    ndarray, shape (n_rows, n_frames)
        By how much the probability of the predicted label falls; negative where it rises.

    Notes
    -----
    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks".
    """
    height, width = size
    steps = (range(0, length, step) for length, step in zip(example.shape, size, strict=True))
    patches = [
        np.s_[row : row + height, frame : frame + width] for row, frame in itertools.product(*steps)
    ]
    means = np.broadcast_to(example.mean(axis=1, keepdims=True), example.shape)
    occluded = np.repeat(example[None], len(patches), axis=0)
    for copy, patch in zip(occluded, patches, strict=True):
        copy[patch] = means[patch]
    confidence = fitted.probabilities(example[None])[0]
    predicted = int(confidence.argmax())
    drops = np.zeros(example.shape)
    remaining = fitted.probabilities(occluded)[:, predicted]
    for patch, probability in zip(patches, remaining, strict=True):
        drops[patch] = confidence[predicted] - probability
    return drops
