"""Networks, by system id: pure Keras 3, so that any of its backends runs them.

Each function turns inputs into the features of the last, softmax layer; `Network` adds how it
is trained. Dense networks are taught in notebook 04, convolutions in 05, recurrence in 07.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.fft import dct

from gtzan_helpers.backend import keras, layers, ops
from gtzan_helpers.errors import NotPossibleError, SettingError, reason

PRINCIPAL_COMPONENTS = "principal_components"
CONVOLUTIONAL_OUTPUT = "convolutional_output"

# Blocks


def _image(x):
    """Give a spectrogram, (rows, frames), the channel that convolutions expect."""
    return layers.Reshape((*x.shape[1:], 1))(x)


def _convolution(x, filters, size=3, *, strides=1, activation="relu", norm=False, dropout=0.0):
    """Convolve; where asked for, normalise the batch and drop whole channels."""
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=not norm)(x)
    if norm:
        x = layers.BatchNormalization()(x)
    x = layers.Activation(activation)(x)
    return layers.SpatialDropout2D(dropout)(x) if dropout else x


def _pool(x, size):
    """Keep the largest of each group; an axis shorter than a group becomes one."""
    size = [min(pool, length) for pool, length in zip(size, x.shape[1:], strict=False)]
    return layers.MaxPooling2D(size)(x)


# Dense networks


def dense(x, units=(512, 256, 128, 64), dropout=0.0, norm=False):
    """Layers of ReLU units, each seeing all of the one before."""
    for n_units in units:
        x = layers.Dense(n_units, use_bias=not norm)(x)
        if norm:
            x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return x


def stacked_nn(x):
    """One hidden layer of 64 on principal components."""
    x = layers.Dense(64, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU()(x)
    return layers.Dropout(0.5)(x)


# Convolutional networks


def images_cnn(x):
    """Convolution and pooling in turn over the image of a whole track, then dense layers.

    The image is brought to half the bands and a third of the frames first.
    """
    x = layers.AveragePooling2D((2, 3))(_image(x))
    for filters in (16, 32, 64):
        x = _pool(_convolution(x, filters), (2, 2))
    x = layers.Flatten()(_pool(x, (2, 4)))
    x = layers.Dense(64, activation="relu")(x)
    return layers.Dropout(0.3)(x)


def capstone_cnn(x, norm=False, dropout=0.0):
    """Three convolutions, each pooled; then dense. Regularised by `norm` and `dropout`."""
    x = _image(x)
    x = _pool(_convolution(x, 16, 5, strides=(2, 1), norm=norm), (2, 2))
    for filters in (32, 64):
        x = _pool(_convolution(x, filters, norm=norm, dropout=dropout / 2), (2, 2))
    x = layers.Flatten()(x)
    x = layers.Dense(64, activation="relu")(x)
    return layers.Dropout(dropout)(x) if dropout else x


def stacked_cnn(x):
    """Two convolutions over the stacked array, then a dense layer; the name marks what the
    stacked study would give to a support vector machine."""
    x = _image(x)
    for filters in (16, 32):
        x = _convolution(x, filters, 5, strides=2, activation="leaky_relu", norm=True)
        x = _pool(x, (2, 4))
    x = layers.Flatten(name=CONVOLUTIONAL_OUTPUT)(x)
    return _leaky(layers.Dropout(0.5)(x))


def stacked_cnn3d(x):
    """Two 3-D convolutions over the stacked array as 3 sheets of 29 rows."""
    x = layers.Reshape((3, x.shape[1] // 3, x.shape[2], 1))(x)
    for filters in (8, 16):
        x = layers.Conv3D(filters, (3, 5, 5), strides=(1, 2, 3), padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU()(x)
        x = layers.MaxPooling3D((1, 2, 2))(x)
    return _leaky(layers.Dropout(0.5)(layers.Flatten()(x)))


def _leaky(x):
    x = layers.Dense(64, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU()(x)
    return layers.Dropout(0.5)(x)


def slices_cnn(x, filters=(24, 48), dropout=0.3):
    """Two convolutions over MFCC; mean and deviation over time of what each finds; then dense."""
    x, found = _image(x), []
    for n_filters in filters:
        x = _convolution(x, n_filters, norm=True)
        found.append(layers.Flatten()(OverTime()(x)))
        x = _pool(x, (2, 2))
    x = layers.BatchNormalization()(layers.Concatenate()(found))
    x = layers.Dense(256, activation="relu")(layers.Dropout(dropout)(x))
    return layers.Dropout(dropout)(x)


@keras.saving.register_keras_serializable("gtzan_helpers")
class OverTime(layers.Layer):
    """Mean and deviation over time, (n_rows, n_frames, n_filters) to (n_rows, 2 x n_filters)."""

    def call(self, x):
        """Compute both."""
        mean, deviation, _ = _moments(ops.transpose(x, (0, 1, 3, 2)))
        return ops.concatenate([mean, deviation], axis=-1)


# Recurrent networks


def crnn(x, units=128, dropout=0.0):
    """Convolutions that pool away frequency, then a GRU that reads what is left in time."""
    x = _image(x)
    x = _convolution(x, 16, (8, 3), strides=(4, 1), norm=True)
    x = _pool(_convolution(x, 32, norm=True, dropout=dropout / 3), (4, 1))
    x = _pool(_convolution(x, 64, norm=True, dropout=dropout / 3), (4, 2))
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    x = layers.GRU(units)(x)
    return layers.Dropout(dropout)(x) if dropout else x


# Ours


@keras.saving.register_keras_serializable("gtzan_helpers")
class Texture(layers.Layer):
    """What a spectrogram is like on the whole, without a single weight to learn.

    Of each band, and of each of 40 cosine coefficients over the bands: mean, deviation, and
    how much it changes from frame to frame. Of each band also the skewness and four
    percentiles. Of each of 16 groups of bands the rhythm: how strongly its loudness swings in
    12 ranges of modulation frequency.

    Input (n_examples, n_bands, n_frames), output (n_examples, n_statistics).
    """

    n_coefficients, n_groups, n_ranges = 40, 16, 12
    percentiles = (0.05, 0.25, 0.75, 0.95)

    def build(self, shape):
        """Make the fixed matrices for inputs of this shape."""
        n_bands, n_frames = shape[1:]
        self.cosines = dct(np.eye(n_bands), axis=0, norm="ortho")[: self.n_coefficients]
        groups = np.array_split(np.arange(n_bands), self.n_groups)
        self.grouping = np.stack([np.isin(np.arange(n_bands), g) / len(g) for g in groups])
        self.window = np.hanning(n_frames)
        self.ranges = _modulation_ranges(n_frames, self.n_ranges)
        self.places = [int(share * (n_frames - 1)) for share in self.percentiles]

    def call(self, x):
        """Compute the statistics."""
        parts = []
        for rows in (x, ops.matmul(_constant(self.cosines), x)):
            mean, deviation, _ = _moments(rows)
            change = rows[..., 1:] - rows[..., :-1]
            parts += [mean, deviation, ops.sqrt(ops.mean(change**2, axis=-1) + 1e-6)]
        _, deviation, centred = _moments(x)
        parts.append(ops.mean(centred**3, axis=-1) / deviation**3)
        ordered = ops.sort(x, axis=-1)
        parts += [ordered[..., place] for place in self.places]
        _, _, swing = _moments(ops.matmul(_constant(self.grouping), x))
        real, imaginary = ops.rfft(swing * _constant(self.window))
        strength = ops.matmul(ops.sqrt(real**2 + imaginary**2 + 1e-6), _constant(self.ranges))
        parts.append(ops.reshape(ops.log1p(strength), (-1, self.n_groups * self.n_ranges)))
        return ops.concatenate(parts, axis=-1)


def _constant(matrix: np.ndarray):
    return ops.convert_to_tensor(matrix, dtype="float32")


def _moments(rows):
    mean = ops.mean(rows, axis=-1)
    centred = rows - mean[..., None]
    return mean, ops.sqrt(ops.mean(centred**2, axis=-1) + 1e-6), centred


def _modulation_ranges(n_frames: int, n_ranges: int) -> np.ndarray:
    """Averages over ranges of modulation frequency, shape (n_frames // 2 + 1, n_ranges)."""
    cycles = np.fft.rfftfreq(n_frames)
    edges = np.geomspace(4 / max(n_frames, 9), 0.5, n_ranges + 1)
    columns = []
    for low, high in pairwise(edges):
        inside = (cycles >= low) & (cycles <= high)
        if not inside.any():
            inside = np.arange(cycles.size) == np.abs(cycles - low).argmin()
        columns.append(inside / inside.sum())
    return np.stack(columns, axis=1)


def texture(x, units=128, shrinkage=0.05, dropout=0.3):
    """Statistics of a whole track, brought to one scale and held to it; one hidden layer."""
    x = layers.BatchNormalization(scale=False, center=False, momentum=0.9)(Texture()(x))
    x = ops.clip(x, -3, 3)  # one odd statistic shall not outvote a thousand others
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(units, kernel_regularizer=keras.regularizers.L2(shrinkage))(x)
    return layers.Dropout(dropout)(layers.Activation("relu")(x))


# Networks by system


@dataclass(frozen=True)
class Network:
    """A network and how it is trained.

    Attributes
    ----------
    body : callable
        Inputs in, features for the softmax layer out.
    options : mapping
        Keyword arguments of `body`.
    epochs : int
        At most so many passes over train.
    batch_size : int
    learning_rate : float
        Of Adam at the start; it falls to 0 along half a cosine.
    weight_decay : float
        Share of each weight that a step of AdamW takes away, relative to the learning rate.
    patience : int or None
        Epochs without a better accuracy on valid before training stops; the best epoch's
        weights are kept. None: all epochs are run and the last weights stay.
    mixup : float
        How strongly examples are blended (`augment.mixup`); 0 for not at all.
    changes : tuple of str
        What each training example is changed by anew in every epoch (`augment.SPECTRAL`); for
        log-mel only.
    copies : tuple of str
        Changed copies of the training examples, made once (`augment.WAVEFORM`).
    components : bool
        Whether the input is flattened and brought to its principal components.
    """

    body: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int | None = 12
    mixup: float = 0.0
    changes: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    components: bool = False

    def build(
        self,
        shape: tuple[int, ...],
        n_labels: int,
        *,
        mean: np.ndarray | None = None,
        deviation: np.ndarray | None = None,
        n_components: int = 1,
    ) -> keras.Model:
        """Build the model, not yet trained.

        Parameters
        ----------
        shape : tuple of int
            Of one example: (n_columns,) or (n_rows, n_frames).
        n_labels : int
        mean, deviation : ndarray or None, shape (shape[0],)
            Of each column or row in train; the first layer standardises by them.
        n_components : int
            Principal components, where the network works on them. They are a dense layer
            whose weights `training.fit` sets and nothing changes.

        Returns
        -------
        keras.Model
            Gives probabilities, shape (n_examples, n_labels).

        Raises
        ------
        NotPossibleError
            If there is one label, or an example is too small for the convolutions.
        """
        if n_labels < 2:
            raise NotPossibleError("a network needs two labels to tell apart; there is one")
        mean = np.zeros(shape[0]) if mean is None else mean
        deviation = np.ones(shape[0]) if deviation is None else deviation
        # Layers are numbered from 1 on in every model, so that equal models have equal names.
        keras.utils.clear_session(free_memory=False)
        inputs = keras.Input(shape)
        x = layers.Normalization(
            axis=1, mean=mean.astype(np.float32), variance=(deviation**2).astype(np.float32)
        )(inputs)
        if self.components:
            x = layers.Flatten()(x)
            x = layers.Dense(n_components, trainable=False, name=PRINCIPAL_COMPONENTS)(x)
        try:
            x = self.body(x, **self.options)
        except ValueError as error:
            raise NotPossibleError(
                f"examples of shape {shape} do not fit {self.body.__name__}: {reason(error)}"
            ) from error
        return keras.Model(inputs, layers.Dense(n_labels, activation="softmax")(x))

    def settings(self, shape: tuple[int, ...], n_labels: int) -> str:
        """Everything that training depends on but data and seed, as text."""
        own = {name: value for name, value in vars(self).items() if name != "body"}
        return json.dumps([own, self.build(shape, n_labels).to_json()], default=list)


_NETWORKS: Mapping[str, Network] = {
    "images_ann": Network(dense, {"dropout": 0.3}, epochs=100, patience=30),
    "stacked_nn": Network(stacked_nn, components=True, epochs=60, patience=20),
    # No validation, as published: every epoch is run.
    "walkthrough_dense": Network(dense, epochs=50, patience=None),
    "walkthrough_dense_validated": Network(dense, {"dropout": 0.3}, epochs=100, patience=15),
    "slices_ann": Network(dense, {"units": (512, 256, 128), "dropout": 0.2}, epochs=60),
    "images_cnn": Network(images_cnn, epochs=40, batch_size=16),
    "capstone_cnn": Network(capstone_cnn, epochs=16, batch_size=64, patience=6),
    "capstone_cnn_regularized": Network(
        capstone_cnn,
        {"norm": True, "dropout": 0.3},
        weight_decay=0.01,
        epochs=18,
        batch_size=64,
        learning_rate=3e-3,
        patience=8,
    ),
    "stacked_cnn": Network(stacked_cnn, epochs=40, batch_size=16),
    "stacked_cnn3d": Network(stacked_cnn3d, epochs=40, batch_size=16),
    "slices_cnn": Network(slices_cnn, epochs=20, batch_size=64, learning_rate=2e-3, patience=8),
    "slices_cnn_augmented": Network(
        slices_cnn,
        epochs=12,
        batch_size=128,
        learning_rate=2e-3,
        patience=6,
        copies=("pitch", "gain", "noise"),
    ),
    "ours_musicnn_dense": Network(
        dense, {"units": (64,), "dropout": 0.5}, epochs=20, weight_decay=0.01, patience=6
    ),
    "ours_texture": Network(
        texture,
        epochs=60,
        learning_rate=2e-3,
        patience=None,
        changes=("noise", "equalizer"),
    ),
    "capstone_crnn": Network(crnn, epochs=16, batch_size=64, learning_rate=3e-3, patience=8),
    "capstone_crnn_dropout": Network(
        crnn,
        {"dropout": 0.3},
        epochs=36,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=0.01,
        patience=12,
    ),
}


def get(system_id: str) -> Network:
    """Return the network of a system.

    Raises
    ------
    SettingError
        If it is no network.
    """
    if system_id not in _NETWORKS:
        raise SettingError(f"{system_id!r} is no network; choose from {', '.join(_NETWORKS)}")
    return _NETWORKS[system_id]


def names() -> list[str]:
    """Ids of the systems that are networks."""
    return list(_NETWORKS)
