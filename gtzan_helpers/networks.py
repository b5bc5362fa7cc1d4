"""Networks, by system id: pure Keras 3, so that any of its backends runs them.

Each function turns inputs into the features of the last, softmax layer; `Network` adds how it
is trained. Dense networks are taught in notebook 04, convolutions in 05, recurrence in 07.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gtzan_helpers.backend import keras, layers
from gtzan_helpers.errors import NotPossibleError, SettingError

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
    """Keep the largest of each group; an axis that is too short already stays as it is."""
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


def slices_cnn(x, filters=(32, 64, 96), dropout=0.3):
    """Three convolutions over MFCC, each pooled; then dense."""
    x = _image(x)
    for n_filters in filters:
        x = _pool(_convolution(x, n_filters, norm=True), (2, 2))
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    x = layers.Dense(128, activation="relu")(x)
    return layers.Dropout(dropout)(x)


# Recurrent networks


def crnn(x, units=64, dropout=0.0):
    """Convolutions that pool away frequency, then a GRU that reads what is left in time."""
    x = _image(x)
    x = _convolution(x, 16, (8, 3), strides=(4, 1), norm=True)
    x = _pool(_convolution(x, 32, norm=True, dropout=dropout / 3), (4, 1))
    x = _pool(_convolution(x, 64, norm=True, dropout=dropout / 3), (4, 2))
    x = layers.Permute((2, 1, 3))(x)
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    x = layers.GRU(units)(x)
    return layers.Dropout(dropout)(x) if dropout else x


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
                f"examples of shape {shape} are too small for {self.body.__name__}: {error}"
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
    "capstone_cnn": Network(capstone_cnn, epochs=30),
    "capstone_cnn_regularized": Network(
        capstone_cnn, {"norm": True, "dropout": 0.3}, weight_decay=1e-3, epochs=30
    ),
    "stacked_cnn": Network(stacked_cnn, epochs=40, batch_size=16),
    "stacked_cnn3d": Network(stacked_cnn3d, epochs=40, batch_size=16),
    "slices_cnn": Network(slices_cnn, epochs=30),
    "slices_cnn_augmented": Network(slices_cnn, epochs=15),
    "capstone_crnn": Network(crnn, epochs=30),
    "capstone_crnn_dropout": Network(crnn, {"dropout": 0.3}, epochs=30),
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
