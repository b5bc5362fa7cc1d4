"""Training: a network fitted to train, its epoch chosen on valid; saved, loaded, asked.

Arrays stay as small as they were stored (bytes, half precision); only the batch in hand is
turned into 32-bit numbers. Taught in notebook 04.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from gtzan_helpers import augment, classical, files, networks, progress
from gtzan_helpers.backend import keras
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.extract import DB_RANGE
from gtzan_helpers.inputs import Inputs, reading
from gtzan_helpers.splits import Split

_CHUNK = 2**22
"""Numbers that are turned into 32 bits at a time where nothing is trained."""


@dataclass(frozen=True)
class Trained:
    """A trained network.

    Attributes
    ----------
    model : keras.Model
    inputs : Inputs
        What it was trained on.
    history : DataFrame
        One row per epoch: `epoch` (from 1), `loss`, `accuracy`, `val_loss`, `val_accuracy`,
        `seconds`; `best` marks the epoch whose weights were kept.
    """

    model: keras.Model
    inputs: Inputs
    history: pd.DataFrame = field(repr=False)

    @property
    def n_parameters(self) -> int:
        """Number of weights that were learnt."""
        return int(sum(math.prod(weight.shape) for weight in self.model.trainable_weights))

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        """Probabilities of each example.

        Parameters
        ----------
        values : ndarray, shape (n_examples, *inputs.shape)

        Returns
        -------
        ndarray, shape (n_examples, n_labels), float32

        Raises
        ------
        SettingError
            If the examples have another shape than those of training.
        SourceError
            If they hold values that are not finite.
        """
        return _by_chunks(self.model.predict_on_batch, _checked(values, self.inputs.shape))

    def hidden(self, values: np.ndarray, layer: str) -> np.ndarray:
        """What a layer makes of each example, shape (n_examples, n_units).

        Parameters
        ----------
        values : ndarray, shape (n_examples, *inputs.shape)
        layer : str
            Its name in the model.
        """
        part = keras.Model(self.model.inputs, self.model.get_layer(layer).output)
        return _by_chunks(part.predict_on_batch, _checked(values, self.inputs.shape))

    def save(self, path: str | Path) -> Path:
        """Write a `.keras` file that also says what the model was trained on."""
        if Path(path).suffix != ".keras":
            raise SettingError(f"{path}: a model's file ends in .keras")
        with files.replacing(path) as temporary:
            self.model.save(temporary)
            self.inputs.put_into(temporary)
        return Path(path)


def load(path: str | Path) -> Trained:
    """Read a model that `Trained.save` wrote; its history is empty.

    Raises
    ------
    SourceError
        If there is none, or it is damaged.
    """
    with reading(path):
        inputs = Inputs.out_of(path)  # first, because Keras has words of its own for a missing file
        model = keras.saving.load_model(path)
        inputs.refuse_outputs(model.output_shape[-1])
        return Trained(model, inputs, pd.DataFrame())


def fit(
    network: networks.Network,
    values: np.ndarray,
    y: np.ndarray,
    split: Split,
    *,
    inputs: Inputs,
    seed: int,
    epochs_limit: int | None = None,
    description: str = "epochs",
    model: keras.Model | None = None,
) -> Trained:
    """Train a network; the epoch is chosen on valid.

    Parameters
    ----------
    network : networks.Network
    values : ndarray, shape (n_examples, *inputs.shape)
        As stored; may be a memory map.
    y : ndarray of int, shape (n_examples,)
        Indices into `inputs.labels`.
    split : Split
        Rows of train and valid; nothing is learnt from test.
    inputs : Inputs
        What the values are.
    seed : int
        Of weights, dropout and the order of examples.
    epochs_limit : int or None
        No more epochs than these, whatever the network asks for.
    description : str
        Of the progress bar.
    model : keras.Model or None
        What to go on with; None for a new model of the network.

    Returns
    -------
    Trained

    Raises
    ------
    NotPossibleError
        If there is one label, a label is missing from train, or examples are too small.
    SourceError
        If values are not finite.
    """
    if network.changes and inputs.features != "log_mel":
        raise SettingError(f"changes are made to log_mel, not to {inputs.features!r}")
    _checked(values, inputs.shape)
    missing = [label for i, label in enumerate(inputs.labels) if not (y[split.train] == i).any()]
    if missing:
        raise NotPossibleError(f"train holds no {', '.join(missing)}")
    keras.utils.set_random_seed(seed)
    model = model or _build(network, values, split.train, inputs)
    epochs = min(network.epochs, epochs_limit or network.epochs)
    train = Batches(values, y, split.train, network, n_labels=len(inputs.labels), seed=seed)
    valid = Batches(values, y, split.valid, network, n_labels=len(inputs.labels))
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(network.learning_rate, epochs * len(train)),
            weight_decay=network.weight_decay,
        ),
        "categorical_crossentropy",
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
    )
    # A step that makes variables of its own is traced twice, and tracing is most of a short run.
    model.optimizer.build(model.trainable_variables)
    watch = _Watch(epochs, description, network.patience)
    model.fit(train, validation_data=valid, epochs=epochs, callbacks=[watch], verbose=0)
    return Trained(model, inputs, watch.history())


def _build(network, values: np.ndarray, rows: np.ndarray, inputs: Inputs) -> keras.Model:
    mean, deviation = moments(values, rows)
    if not network.components:
        return network.build(inputs.shape, len(inputs.labels), mean=mean, deviation=deviation)
    n_components = classical.components(len(rows))
    model = network.build(
        inputs.shape,
        len(inputs.labels),
        mean=mean,
        deviation=deviation,
        n_components=n_components,
    )
    shaped = (len(mean), *[1] * (values.ndim - 2))
    X = (values[rows].astype(np.float32) - mean.reshape(shaped)) / deviation.reshape(shaped)
    pca = PCA(n_components, svd_solver="full").fit(X.reshape(len(rows), -1))
    model.get_layer(networks.PRINCIPAL_COMPONENTS).set_weights(
        [pca.components_.T, -pca.components_ @ pca.mean_]
    )
    return model


def moments(values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column of a table, or each row of arrays, over examples.

    Parameters
    ----------
    values : ndarray, shape (n_examples, n) or (n_examples, n, n_frames)
    rows : ndarray of int
        The examples to look at.

    Returns
    -------
    mean, deviation : ndarray, shape (n,), float64
        The deviation of a constant is 1.
    """
    axes = (0, *range(2, values.ndim))
    total, squares = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    count = 0
    for start, stop in _chunks(len(rows), values.shape[1:]):
        chunk = values[rows[start:stop]].astype(np.float64)
        total = total + chunk.sum(axis=axes)
        squares = squares + (chunk**2).sum(axis=axes)
        count += chunk.size // chunk.shape[1]
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return mean, np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)


class Batches(keras.utils.PyDataset):
    """Batches of examples, made when they are asked for.

    Parameters
    ----------
    values : ndarray, shape (n_examples, ...)
    y : ndarray of int, shape (n_examples,)
    rows : ndarray of int
        The examples to draw from.
    network : networks.Network
        Says how large a batch is, and how its examples are changed.
    n_labels : int
    seed : int or None
        Shuffles anew each epoch, and changes examples if the network wants that; None leaves
        order and examples as they are.
    """

    def __init__(self, values, y, rows, network, *, n_labels, seed=None):
        super().__init__()
        self.values, self.y, self.n_labels = values, y, n_labels
        self.network = network
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.rows = np.array(rows)
        self.on_epoch_end()

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.network.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.network.batch_size
        # Sorted, because neighbours in a file are read faster.
        rows = np.sort(self.rows[index * size : (index + 1) * size])
        x = self.values[rows].astype(np.float32)
        if self.rng is not None and self.network.changes:
            x = np.stack([_change(log_mel, self.network.changes, self.rng) for log_mel in x])
        targets = np.eye(self.n_labels, dtype=np.float32)[self.y[rows]]
        if self.rng is not None and self.network.mixup:
            x, targets = augment.mixup(x, targets, alpha=self.network.mixup, rng=self.rng)
        return x, targets

    def on_epoch_end(self) -> None:
        if self.rng is not None:
            self.rng.shuffle(self.rows)


def _change(codes: np.ndarray, changes: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Change a log-mel that is stored as bytes; each change comes in half of all cases."""
    low, high = DB_RANGE
    values = low + codes * (high - low) / 255
    for change in changes:
        if rng.random() < 0.5:
            values = augment.log_mel(values, change=change, rng=rng)
    return (values - low) * 255 / (high - low)


class _Watch(keras.callbacks.Callback):
    """Keeps the history and the best epoch's weights, moves the bar, and stops in time."""

    def __init__(self, epochs: int, description: str, patience: int | None):
        super().__init__()
        self.meter = progress.meter(total=epochs, description=description, unit="epoch")
        self.patience = patience
        self.lines: list[dict[str, float]] = []
        self.best, self.weights = (-1.0, -math.inf), None

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.started
        self.lines.append({"epoch": epoch + 1, **logs, "seconds": seconds})
        self.meter.update()
        if self.patience is None:
            return
        # The surer of two epochs that name as many examples right is the better one.
        found = (logs["val_accuracy"], -logs["val_loss"])
        if found > self.best:
            self.best, self.weights, self.best_epoch = found, self.model.get_weights(), epoch
        elif epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.meter.close()
        if self.weights is not None:
            self.model.set_weights(self.weights)

    def history(self) -> pd.DataFrame:
        lines = pd.DataFrame(self.lines)
        kept = len(lines) - 1 if self.weights is None else self.best_epoch
        return lines.assign(best=np.arange(len(lines)) == kept)


def _checked(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    if tuple(values.shape[1:]) != tuple(shape):
        raise SettingError(
            f"the model takes examples of shape {tuple(shape)}, these have {values.shape[1:]}; "
            "extract them with the model's settings"
        )
    if values.dtype.kind == "f":
        for start, stop in _chunks(len(values), shape):
            chunk = values[start:stop]
            if not np.isfinite(chunk).all():
                bad = start + int(
                    np.flatnonzero(~np.isfinite(chunk.reshape(len(chunk), -1)).all(axis=1))[0]
                )
                raise SourceError(
                    f"example {bad} holds values that are not finite; extract it again"
                )
    return values


def _chunks(n_examples: int, shape: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last example of each chunk of at most `_CHUNK` numbers."""
    size = max(1, min(512, _CHUNK // math.prod(shape)))
    return ((start, start + size) for start in range(0, n_examples, size))


def _by_chunks(function: Callable, values: np.ndarray) -> np.ndarray:
    """Apply a model to so many examples at a time; each other number is compiled anew."""
    size = max(1, min(64, _CHUNK // math.prod(values.shape[1:])))
    batch = np.zeros((size, *values.shape[1:]), np.float32)
    parts = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        batch[: len(part)] = part
        parts.append(np.array(function(batch))[: len(part)])
    return np.concatenate(parts)


def occlusion(trained: Trained, example: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """How much surer the model was before a patch of its input was hidden.

    Parameters
    ----------
    trained : Trained
    example : ndarray, shape (n_rows, n_frames)
    size : tuple of int
        Rows and frames of the patch that is set to the example's mean row by row.

    Returns
    -------
    ndarray, shape (n_rows, n_frames)
        What the probability of its answer falls by where a patch is hidden; negative where
        it rises.

    Notes
    -----
    Zeiler & Fergus 2014, "Visualizing and understanding convolutional networks".
    """
    height, width = size
    places = [
        (row, frame)
        for row in range(0, example.shape[0], height)
        for frame in range(0, example.shape[1], width)
    ]
    hidden = np.repeat(example[None], len(places), axis=0)
    mean = example.mean(axis=1, keepdims=True).astype(example.dtype)
    for copy, (row, frame) in zip(hidden, places, strict=True):
        copy[row : row + height, frame : frame + width] = mean[row : row + height]
    sure = trained.predict_proba(example[None])[0]
    answer = int(sure.argmax())
    left = trained.predict_proba(hidden)[:, answer]
    drops = np.zeros(example.shape)
    for (row, frame), probability in zip(places, left, strict=True):
        drops[row : row + height, frame : frame + width] = sure[answer] - probability
    return drops
