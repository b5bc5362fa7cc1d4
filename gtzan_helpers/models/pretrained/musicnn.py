"""MusiCNN, a network pretrained on music: rebuilt here, with the weights of the installed package.

Its authors trained it to tag the Million Song Dataset (Pons & Serra 2019, arXiv:1909.06654). Of the
package `musicnn` only the weight files and the list of tags are used. Taught in notebook 06.
"""

import importlib
import importlib.util
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from gtzan_helpers import config, files
from gtzan_helpers.audio import spectra
from gtzan_helpers.audio.segments import segment_starts
from gtzan_helpers.audio.spectra import PATCH_SHAPE
from gtzan_helpers.datasets import Features
from gtzan_helpers.errors import NotPossibleError, SourceError, reason
from gtzan_helpers.models.backend import keras, layers, ops
from gtzan_helpers.models.networks import Tensor
from gtzan_helpers.models.pretrained.transfer import embed

# Which of the installed networks: the one trained on the Million Song Dataset.
WEIGHTS = "MSD_musicnn"

#: The layers that make up an embedding, and their sizes.
LAYERS = {"tags": 50, "penultimate": 200, "mean_pool": 753, "max_pool": 753}


def columns() -> tuple[str, ...]:
    """Names of the columns of an embedding: tags by their names, other layers by number."""
    tags = [f"tags_{word}" for word in tag_names()]
    others = [f"{name}_{i}" for name, n in LAYERS.items() if name != "tags" for i in range(n)]
    return (*tags, *others)


def tag_names() -> list[str]:
    """The 50 tags, in the order of the network's outputs."""
    _folder()
    return list(importlib.import_module("musicnn.configuration").MSD_LABELS)


def _folder() -> Path:
    package = importlib.util.find_spec("musicnn")
    if package is None or not package.submodule_search_locations:
        raise NotPossibleError("musicnn is not installed; `pip install --no-deps musicnn` does it")
    return Path(next(iter(package.submodule_search_locations))) / WEIGHTS


def read_weights(folder: str | Path | None = None) -> dict[str, np.ndarray]:
    """Read the variables of a checkpoint.

    Parameters
    ----------
    folder : str, Path or None
        The folder of its files; None for the installed package.

    Returns
    -------
    dict
        Arrays by the names of their variables.

    Raises
    ------
    NotPossibleError
        If the package is not installed.
    SourceError
        If its files are missing, cut short or of another network.
    """
    import tensorflow as tf  # nothing else reads its checkpoints

    folder = Path(folder) if folder else _folder()
    with tempfile.TemporaryDirectory() as place:
        try:
            # The reader expects a name before the ending, and these files have none.
            for ending in (".index", ".data-00000-of-00001"):
                shutil.copy(folder / ending, Path(place) / f"weights{ending}")
            reader = tf.train.load_checkpoint(str(Path(place) / "weights"))
            names = [n for n in reader.get_variable_to_shape_map() if "Adam" not in n]
            return {name: np.asarray(reader.get_tensor(name)) for name in names}
        except (OSError, ValueError, IndexError, RuntimeError, tf.errors.OpError) as error:
            cause = f"not the weights of MusiCNN ({reason(error)}); install musicnn again"
            raise SourceError(f"{folder}: {cause}") from error


def embed_features(features: Features, *pooled: str) -> Features:
    """Compute MusiCNN's embeddings of the patches of a source.

    Parameters
    ----------
    features : Features
        Of the feature set "patches".
    *pooled : str
        Of `LAYERS`, averaged over each track's patches; none for all layers of each patch.

    Returns
    -------
    Features
        With the columns `columns`, values of shape (n_segments, 1756). The name of the feature
        set says whether the patches were approximated from a log-mel.

    Raises
    ------
    NotPossibleError
        If musicnn is not installed.
    """
    weights = files.file_hash(_folder() / ".data-00000-of-00001")
    values = embed(
        _network().predict_on_batch, features.values, name=f"{WEIGHTS} {weights}"
    ).astype(np.float32)
    name = "musicnn of a log-mel" if features.of_log_mel else "musicnn"
    embedded = replace(features, values=values, columns=columns(), feature_set=name)
    if not pooled:
        return embedded
    chosen = [column for column in embedded.columns if column.startswith(pooled)]
    return embedded.by_track(chosen)


def pooled(log_mel: np.ndarray, *, frame_rate: float) -> np.ndarray:
    """What MusiCNN hears in a recording: its pooled layers, averaged over patches of 3 s.

    Parameters
    ----------
    log_mel : ndarray, shape (128, n_frames)
        In dB relative to the maximum, of audio at `config.SR`. One shorter than a patch is
        continued by its reflection.
    frame_rate : float
        Frames per second.

    Returns
    -------
    ndarray, shape (1506,)
        The mean pool, then the maximum pool.

    Raises
    ------
    NotPossibleError
        If musicnn is not installed.
    """
    network, n_frames = _network(), round(spectra.PATCH_SECONDS * frame_rate)
    missing = max(0, n_frames - log_mel.shape[1])
    log_mel = np.pad(log_mel, ((0, 0), (0, missing)), mode="symmetric")
    starts = segment_starts(log_mel.shape[1], sr=frame_rate, segment_seconds=spectra.PATCH_SECONDS)
    made = {"sr": config.SR, "n_fft": spectra.N_FFT}
    patches = spectra.patches_from_log_mel(
        log_mel, starts / frame_rate, frame_rate=frame_rate, **made
    )
    n_others = LAYERS["tags"] + LAYERS["penultimate"]
    return network.predict_on_batch(patches).mean(axis=0)[n_others:]


@lru_cache
def _network() -> keras.Model:
    return build(read_weights())


def build(weights: Mapping[str, np.ndarray]) -> keras.Model:
    """Rebuild the network; its output is the layers of `LAYERS`, concatenated.

    Parameters
    ----------
    weights : mapping
        See `read_weights`.

    Returns
    -------
    keras.Model
        From shape (n_patches, 187, 96), see `spectra.patches`, to (n_patches, 1756).

    Raises
    ------
    SourceError
        If a variable is missing or has another shape.

    Notes
    -----
    Timbre: convolutions over 7 frames and 38 or 67 bands, so that a spectral shape is detected at
    any pitch; rhythm: over 32, 64 and 128 frames of one band; both followed by the maximum over
    bands. Three convolutions with residual connections follow, then maximum and mean over time.
    """
    # Layers are numbered in the order in which they are made: by the names of the checkpoint.
    keras.utils.clear_session(free_memory=False)
    inputs = keras.Input(PATCH_SHAPE)
    x = layers.BatchNormalization()(layers.Reshape((*PATCH_SHAPE, 1))(inputs))
    sizes = [(204, (7, 38)), (204, (7, 67)), (51, (128, 1)), (51, (64, 1)), (51, (32, 1))]
    front = layers.Concatenate(name="front")([_over_bands(x, n, size) for n, size in sizes])
    outputs = [front]
    for name in ("conv2d_5", "conv2d_6", "conv2d_7"):
        convolution = layers.Conv1D(64, 7, padding="same", activation="relu", name=name)
        x = layers.BatchNormalization()(convolution(outputs[-1]))
        outputs.append(x if outputs[-1] is front else layers.Add()([x, outputs[-1]]))
    middle = layers.Concatenate(name="middle")(outputs)
    max_pool = layers.GlobalMaxPooling1D()(middle)
    mean_pool = layers.GlobalAveragePooling1D()(middle)
    # The checkpoint's dense layer expects maximum and mean of each channel in turn.
    pooled = layers.Flatten()(ops.stack([max_pool, mean_pool], axis=2))
    hidden = layers.Dense(200, activation="relu")(layers.BatchNormalization()(pooled))
    penultimate = layers.BatchNormalization()(hidden)
    tags = layers.Dense(50, activation="sigmoid")(penultimate)
    joined = layers.Concatenate()([tags, penultimate, mean_pool, max_pool])
    model = keras.Model(inputs, joined, name="musicnn")
    for variable in model.variables:
        try:
            # The checkpoint's last convolutions have two dimensions, of which one is full.
            variable.assign(weights[variable.path].reshape(variable.shape))
        except (KeyError, ValueError) as error:
            cause = f"these are not the weights of MusiCNN ({reason(error)})"
            raise SourceError(f"{variable.path}: {cause}; install musicnn again") from error
    return model


def _over_bands(x: Tensor, n_filters: int, size: tuple[int, int]) -> Tensor:
    """Convolve with the number of frames unchanged, and take the maximum over bands."""
    x = layers.ZeroPadding2D((((size[0] - 1) // 2, size[0] // 2), (0, 0)))(x)  # frames only
    x = layers.Conv2D(n_filters, size, activation="relu")(x)
    return ops.max(layers.BatchNormalization()(x), axis=2)
