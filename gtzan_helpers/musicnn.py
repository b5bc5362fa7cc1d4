"""MusiCNN, a network that learnt music: rebuilt here, its weights read from where it is installed.

Trained by its authors to tag the Million Song Dataset (Pons & Serra 2019, arXiv:1909.06654). Only
the weight files of the package `musicnn` are used; nothing of its code is run but a list of tags.
Taught in notebook 06.
"""

import importlib
import importlib.util
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gtzan_helpers import files
from gtzan_helpers.backend import keras, layers, ops
from gtzan_helpers.errors import NotPossibleError, SourceError, reason
from gtzan_helpers.features import PATCH_SHAPE

WEIGHTS = "MSD_musicnn"
"""Which of the installed networks: the one that learnt the Million Song Dataset."""

LAYERS = {"tags": 50, "penultimate": 200, "mean_pool": 753, "max_pool": 753}
"""What `embed` gives of a patch, and how many numbers each layer has."""


def columns() -> tuple[str, ...]:
    """Names of the columns of `embed`: the tags by their names, other layers by number."""
    tags = [f"tags_{word}" for word in tag_names()]
    others = [f"{name}_{i}" for name, n in LAYERS.items() if name != "tags" for i in range(n)]
    return (*tags, *others)


def tag_names() -> list[str]:
    """The 50 tags, in the order of the network's outputs."""
    _folder()
    return list(importlib.import_module("musicnn.configuration").MSD_LABELS)


def _folder() -> Path:
    found = importlib.util.find_spec("musicnn")
    if found is None or not found.submodule_search_locations:
        raise NotPossibleError(
            "the package musicnn, which brings weights that know music, is not installed; "
            "`uv sync` installs it, or `pip install --no-deps musicnn`"
        )
    return Path(next(iter(found.submodule_search_locations))) / WEIGHTS


def digest() -> str:
    """Hash of the weights, so that what was made with them can be told from what was not."""
    path = _folder() / ".data-00000-of-00001"
    try:
        return files.digest(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read; install musicnn again") from error


def read_weights(folder: str | Path | None = None) -> dict[str, np.ndarray]:
    """Read the variables of a checkpoint.

    Parameters
    ----------
    folder : str, Path or None
        Where its files lie; None for the installed package.

    Returns
    -------
    dict
        Arrays by the name of their variable.

    Raises
    ------
    NotPossibleError
        If the package is not installed.
    SourceError
        If its files are absent, cut short or of another network.
    """
    import tensorflow as tf  # its checkpoints are read by nothing else

    folder = Path(folder) if folder else _folder()
    with tempfile.TemporaryDirectory() as place:
        try:
            # The reader wants a name before the ending, and these files have none.
            for ending in (".index", ".data-00000-of-00001"):
                shutil.copy(folder / ending, Path(place) / f"weights{ending}")
            reader = tf.train.load_checkpoint(str(Path(place) / "weights"))
            names = [n for n in reader.get_variable_to_shape_map() if "Adam" not in n]
            return {name: np.asarray(reader.get_tensor(name)) for name in names}
        except (OSError, ValueError, IndexError, RuntimeError, tf.errors.OpError) as error:
            raise SourceError(
                f"{folder}: not the weights of MusiCNN ({reason(error)}); install musicnn again"
            ) from error


def build(weights: Mapping[str, np.ndarray]) -> keras.Model:
    """Rebuild the network: patches in, the layers of `LAYERS` side by side out.

    Parameters
    ----------
    weights : mapping
        See `read_weights`.

    Returns
    -------
    keras.Model
        Takes shape (n_patches, 187, 96), see `features.patches`; gives (n_patches, 1756).

    Raises
    ------
    SourceError
        If a variable is absent or has another shape.

    Notes
    -----
    Timbre: convolutions over 7 frames and 38 or 67 bands, so that a spectral shape is found at
    any pitch; rhythm: over 32, 64 and 128 frames of one band. The maximum over the bands is kept.
    Three convolutions with shortcuts follow, then maximum and mean over time.
    """
    inputs = keras.Input(PATCH_SHAPE)
    x = layers.BatchNormalization(name="input_norm")(layers.Reshape((*PATCH_SHAPE, 1))(inputs))
    sizes = [(204, (7, 38)), (204, (7, 67)), (51, (128, 1)), (51, (64, 1)), (51, (32, 1))]
    front = layers.Concatenate(name="front")(
        [_over_bands(x, n, size, number) for number, (n, size) in enumerate(sizes)]
    )
    found = [front]
    for number in (5, 6, 7):
        y = layers.Conv1D(64, 7, padding="same", activation="relu", name=f"conv_{number}")(
            found[-1]
        )
        y = layers.BatchNormalization(name=f"norm_{number}")(y)
        found.append(layers.Add()([y, found[-1]]) if number > 5 else y)
    every = layers.Concatenate(name="middle")(found)
    max_pool = layers.GlobalMaxPooling1D(name="max_pool")(every)
    mean_pool = layers.GlobalAveragePooling1D(name="mean_pool")(every)
    # The checkpoint's dense layer takes maximum and mean of each channel in turn.
    pooled = layers.Flatten()(ops.stack([max_pool, mean_pool], axis=2))
    pooled = layers.BatchNormalization(name="pool_norm")(pooled)
    hidden = layers.Dense(200, activation="relu", name="dense")(pooled)
    penultimate = layers.BatchNormalization(name="penultimate")(hidden)
    tags = layers.Dense(50, activation="sigmoid", name="tags")(penultimate)
    joined = layers.Concatenate()([tags, penultimate, mean_pool, max_pool])
    model = keras.Model(inputs, joined, name="musicnn")
    _set(model, weights)
    return model


def _over_bands(x, n_filters: int, size: tuple[int, int], number: int):
    """Convolve, keeping every frame, and take the maximum over bands."""
    if size[1] > 1:  # only frames are padded
        x = layers.ZeroPadding2D((size[0] // 2, 0))(x)
    padding = "valid" if size[1] > 1 else "same"
    x = layers.Conv2D(n_filters, size, padding=padding, activation="relu", name=f"conv_{number}")(x)
    x = layers.BatchNormalization(name=f"norm_{number}")(x)
    return ops.max(x, axis=2)


def _set(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    norms = ["input_norm", *[f"norm_{i}" for i in range(8)], "pool_norm", "penultimate"]
    names = {
        **{name: ("batch_normalization", i) for i, name in enumerate(norms)},
        **{f"conv_{i}": ("conv2d", i) for i in range(8)},
        "dense": ("dense", 0),
        "tags": ("dense", 1),
    }
    variables = {
        "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
        "conv2d": ("kernel", "bias"),
        "dense": ("kernel", "bias"),
    }
    for name, (kind, number) in names.items():
        layer = model.get_layer(name)
        prefix = f"{kind}_{number}" if number else kind
        try:
            values = [weights[f"{prefix}/{variable}"] for variable in variables[kind]]
            if isinstance(layer, layers.Conv1D):  # a convolution over all channels at once
                values[0] = values[0].reshape(layer.kernel.shape)
            layer.set_weights(values)
        except (KeyError, ValueError) as error:
            raise SourceError(
                f"{prefix}: these are not the weights of MusiCNN ({reason(error)})"
            ) from error
