"""The architectures of the networks, in pure Keras 3, so that any of its backends runs them.

Each function turns inputs into the features of the last, softmax layer. Dense networks are taught
in notebook 04, convolutions in 05, recurrence in 07.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gtzan_helpers.errors import NotPossibleError, reason
from gtzan_helpers.models.backend import keras, layers, ops
from gtzan_helpers.models.learners import CONVOLUTIONAL_OUTPUT, Network

PRINCIPAL_COMPONENTS = "principal_components"
# A tensor of any of Keras's backends, symbolic or not.
Tensor = Any

# Blocks


def _norm(**settings: Any) -> layers.Layer:
    """Batch normalisation that forgets its first statistics within some 50 steps.

    Keras' own momentum of 0.99 takes ten times as many, which a short training does not have.
    """
    return layers.BatchNormalization(momentum=0.9, **settings)


def _image(x: Tensor) -> Tensor:
    """Add the channel that convolutions expect to a spectrogram, (rows, frames)."""
    return layers.Reshape((*x.shape[1:], 1))(x)


def _convolution(
    x: Tensor,
    filters: int,
    size: int | tuple[int, int] = 3,
    *,
    strides: int | tuple[int, int] = 1,
    activation: str = "relu",
    norm: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """Convolve, with optional batch normalisation and dropout of whole channels."""
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=not norm)(x)
    if norm:
        x = _norm()(x)
    x = layers.Activation(activation)(x)
    return layers.SpatialDropout2D(dropout)(x) if dropout else x


def _pool(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Max pooling; an axis shorter than the pool becomes one."""
    fitting = [min(pool, length) for pool, length in zip(size, x.shape[1:], strict=False)]
    return layers.MaxPooling2D(fitting)(x)


# Dense networks


def dense(
    x: Tensor,
    units: Sequence[int] = (512, 256, 128, 64),
    dropout: float = 0.0,
    norm: bool = False,
) -> Tensor:
    """Fully connected layers of ReLU units; `norm` and `dropout` regularise.

    Parameters
    ----------
    x : Tensor, shape (n_examples, n_columns)
    units : sequence of int
        Units of each layer.
    dropout : float
        Share of the units that each training step leaves out.
    norm : bool
        Whether each layer is normalised over the batch.
    """
    for n_units in units:
        x = layers.Dense(n_units, use_bias=not norm)(x)
        x = layers.Activation("relu")(_norm()(x) if norm else x)
        x = layers.Dropout(dropout)(x) if dropout else x
    return x


def stacked_nn(x: Tensor) -> Tensor:
    """One hidden layer of 64 units: on principal components, or the end of a larger network."""
    x = _norm()(layers.Dense(64, use_bias=False)(x))
    return layers.Dropout(0.5)(layers.LeakyReLU()(x))


# Convolutional networks


def images_cnn(x: Tensor) -> Tensor:
    """Convolution and pooling in turn over the image of a whole track, then a dense layer.

    The image is first averaged down to half the bands and a third of the frames.
    """
    x = layers.AveragePooling2D((2, 3))(_image(x))
    for filters in (16, 32, 64):
        x = _pool(_convolution(x, filters), (2, 2))
    x = layers.Flatten()(_pool(x, (2, 4)))
    x = layers.Dense(64, activation="relu")(x)
    return layers.Dropout(0.3)(x)


def capstone_cnn(x: Tensor, norm: bool = False, dropout: float = 0.0) -> Tensor:
    """Three convolutions, each pooled, then a dense layer; `norm` and `dropout` regularise.

    Parameters
    ----------
    x : Tensor, shape (n_examples, n_rows, n_frames)
    norm : bool
        Whether each convolution is normalised over the batch.
    dropout : float
        Share that each training step leaves out: of the units of the dense layer, and
        half as much of the filters.
    """
    x = _image(x)
    x = _pool(_convolution(x, 16, 5, strides=(2, 1), norm=norm), (2, 2))
    for filters in (32, 64):
        x = _pool(_convolution(x, filters, norm=norm, dropout=dropout / 2), (2, 2))
    x = layers.Flatten()(x)
    x = layers.Dense(64, activation="relu")(x)
    return layers.Dropout(dropout)(x) if dropout else x


def stacked_cnn(x: Tensor) -> Tensor:
    """Two convolutions over the stacked array, then a dense layer.

    `OnConvolutions` builds on the layer that has a name.
    """
    x = _image(x)
    for filters in (16, 32):
        x = _convolution(x, filters, 5, strides=2, activation="leaky_relu", norm=True)
        x = _pool(x, (2, 4))
    x = layers.Flatten(name=CONVOLUTIONAL_OUTPUT)(x)
    return stacked_nn(layers.Dropout(0.5)(x))


def stacked_cnn3d(x: Tensor) -> Tensor:
    """Two 3-D convolutions over the stacked array, as a volume of 3 x 29 rows x time."""
    x = layers.Reshape((3, x.shape[1] // 3, x.shape[2], 1))(x)
    for filters in (8, 16):
        x = layers.Conv3D(filters, (3, 5, 5), strides=(1, 2, 3), padding="same", use_bias=False)(x)
        x = layers.LeakyReLU()(_norm()(x))
        x = layers.MaxPooling3D((1, 2, 2))(x)
    return stacked_nn(layers.Dropout(0.5)(layers.Flatten()(x)))


def slices_cnn(x: Tensor, filters: Sequence[int] = (24, 48), dropout: float = 0.3) -> Tensor:
    """Two convolutions over MFCC; mean and standard deviation over time of both; a dense layer.

    Parameters
    ----------
    x : Tensor, shape (n_examples, n_rows, n_frames)
    filters : pair of int
        Filters of each convolution.
    dropout : float
        Share that each training step leaves out, before and after the dense layer.
    """
    x, statistics = _image(x), []
    for n_filters in filters:
        x = _convolution(x, n_filters, norm=True)
        statistics.append(layers.Flatten()(OverTime()(x)))
        x = _pool(x, (2, 2))
    x = _norm()(layers.Concatenate()(statistics))
    x = layers.Dense(256, activation="relu")(layers.Dropout(dropout)(x))
    return layers.Dropout(dropout)(x)


@keras.saving.register_keras_serializable("gtzan_helpers")
class OverTime(layers.Layer):
    """Mean and standard deviation over time.

    Input (n_examples, n_rows, n_frames, n_filters), output (n_examples, n_rows, 2 n_filters).
    """

    def call(self, x: Tensor) -> Tensor:
        """Compute both."""
        rows = ops.transpose(x, (0, 1, 3, 2))
        mean = ops.mean(rows, axis=-1)
        deviation = ops.sqrt(ops.mean((rows - mean[..., None]) ** 2, axis=-1) + 1e-6)
        return ops.concatenate([mean, deviation], axis=-1)


# Recurrent networks


def crnn(x: Tensor, units: int = 128, dropout: float = 0.0, over_time: str = "gru") -> Tensor:
    """Convolutions that pool away frequency, then a GRU over the remaining frames.

    Parameters
    ----------
    x : Tensor, shape (n_examples, n_rows, n_frames)
    units : int
        Units of the GRU.
    dropout : float
        Share that each training step leaves out: of the GRU's output, and a third as
        much of the filters.
    over_time : {"gru", "mean", "shuffled"}
        What reads the frames: a GRU, their mean, or a GRU on frames in random order.
    """
    x = _image(x)
    x = _convolution(x, 16, (8, 3), strides=(4, 1), norm=True)
    x = _pool(_convolution(x, 32, norm=True, dropout=dropout / 3), (4, 1))
    x = _pool(_convolution(x, 64, norm=True, dropout=dropout / 3), (4, 2))
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    if over_time == "mean":
        x = layers.GlobalAveragePooling1D()(x)
    else:
        x = layers.GRU(units)(Shuffled()(x) if over_time == "shuffled" else x)
    return layers.Dropout(dropout)(x) if dropout else x


@keras.saving.register_keras_serializable("gtzan_helpers")
class Shuffled(layers.Layer):
    """Time steps in random order, drawn anew for every example and training step.

    When a network predicts, each place of a batch has an order of its own that stays the same.
    """

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.seed = keras.random.SeedGenerator()

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Shuffle (n_examples, n_steps, n_columns)."""
        keys = keras.random.uniform(ops.shape(x)[:2], seed=self.seed if training else 0)
        return ops.take_along_axis(x, ops.argsort(keys, axis=1)[..., None], axis=1)


# Models


def build(
    network: Network,
    shape: tuple[int, ...],
    n_labels: int,
    *,
    mean: np.ndarray | float = 0.0,
    deviation: np.ndarray | float = 1.0,
    n_components: int = 1,
) -> keras.Model:
    """Build a model, not yet trained.

    Parameters
    ----------
    network : Network
    shape : tuple of int
        Of one example: (n_columns,) or (n_rows, n_frames).
    n_labels : int
    mean, deviation : ndarray, shape (shape[0],), or float
        Mean and standard deviation of each column or row in the training set; the first layer
        standardises by them.
    n_components : int
        Principal components, for a network that works on them: a dense layer whose weights
        are set by `training.fit` and not trained.

    Returns
    -------
    keras.Model
        Gives probabilities, shape (n_examples, n_labels).

    Raises
    ------
    NotPossibleError
        If an example is too small for the convolutions.
    """
    # Layers are numbered from 1 on in every model, so that equal models have equal names.
    keras.utils.clear_session(free_memory=False)
    inputs = keras.Input(shape)
    # Columns, and every axis: with `axis=1` Keras 3.9 to 3.13 do not broadcast them.
    columns = (np.full(shape[0], value, np.float32) for value in (mean, deviation**2))
    mean, variance = (column.reshape(-1, *[1] * (len(shape) - 1)) for column in columns)
    axes = tuple(range(1, len(shape) + 1))
    x = layers.Normalization(axes, mean=mean, variance=variance)(inputs)
    if network.components:
        x = layers.Flatten()(x)
        x = layers.Dense(n_components, trainable=False, name=PRINCIPAL_COMPONENTS)(x)
    try:
        x = globals()[network.body](x, **network.options)
    except ValueError as error:
        misfit = f"examples of shape {shape} do not fit {network.body}"
        raise NotPossibleError(f"{misfit}: {reason(error)}") from error
    return keras.Model(inputs, layers.Dense(n_labels, activation="softmax")(x))
