"""Networks pretrained on photos, put to use on pictures of music.

A backbone is cut in two. The outputs of its lower part, the trunk, are computed once and cached;
only its upper part, the tail, and a new head are trained. Taught in notebook 06.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config, files
from gtzan_helpers.datasets import Features
from gtzan_helpers.errors import DAMAGED_FILE, MissingWeightsError, SourceError, reason
from gtzan_helpers.models import training
from gtzan_helpers.models.backend import keras, ops
from gtzan_helpers.models.learners import Task, Transfer
from gtzan_helpers.models.training import FittedNetwork

# Pictures, or patches, that go through a network at a time.
_CHUNK = 8


@dataclass(frozen=True)
class Backbone:
    """An ImageNet network of `keras.applications`.

    Attributes
    ----------
    application : str
        Its function there.
    module : str
        Where its own preprocessing lives.
    file : str
        Keras's name of the file with its weights, without the classifier.
    cut : str
        Layer after which the tail begins: the last block.
    """

    application: str
    module: str
    file: str
    cut: str


_KERNELS = "weights_tf_dim_ordering_tf_kernels"

#: The pretrained networks by name: vgg19, efficientnetb0, inceptionv3, mobilenetv2.
#:
#: :meta hide-value:
BACKBONES: Mapping[str, Backbone] = {
    "vgg19": Backbone("VGG19", "vgg19", f"vgg19_{_KERNELS}_notop.h5", "block4_pool"),
    "efficientnetb0": Backbone(
        "EfficientNetB0", "efficientnet", "efficientnetb0_notop.h5", "block6d_add"
    ),
    "inceptionv3": Backbone(
        "InceptionV3", "inception_v3", f"inception_v3_{_KERNELS}_notop.h5", "mixed9"
    ),
    "mobilenetv2": Backbone(
        *("MobileNetV2", "mobilenet_v2", f"mobilenet_v2_{_KERNELS}_1.0_{{size}}_no_top.h5"),
        "block_15_add",
    ),
}


# Weights


def find_weights(transfer: Transfer) -> Path | None:
    """Find ImageNet weights that Keras downloaded, or that a user put there.

    Parameters
    ----------
    transfer : Transfer

    Returns
    -------
    Path or None
        In the folder ``models`` of `KERAS_HOME` (by default ``~/.keras``).
    """
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "models" / _file(transfer)
    return path if path.is_file() else None


def _file(transfer: Transfer) -> str:
    # Keras has weights of MobileNetV2 for some sizes, and uses those of 224 for all others.
    size = transfer.size if transfer.size in (96, 128, 160, 192, 224) else 224
    return BACKBONES[transfer.backbone].file.format(size=size)


@lru_cache(maxsize=1)  # the next use is nearly always of the same
def build(transfer: Transfer, *, fetch: bool = False) -> keras.Model:
    """Build a backbone without its classifier: one vector for each picture.

    Parameters
    ----------
    transfer : Transfer
    fetch : bool
        Whether Keras may download missing weights.

    Returns
    -------
    keras.Model
        Shared, so not to be trained; train a copy of its tail.

    Raises
    ------
    MissingWeightsError
        If ImageNet weights are missing and cannot be downloaded.
    SourceError
        If a weight file is damaged, or that of another network.
    """
    application = getattr(keras.applications, BACKBONES[transfer.backbone].application)
    shape = (transfer.size, transfer.size, 3)
    settings: dict[str, Any] = {"include_top": False, "input_shape": shape, "pooling": "avg"}
    path = find_weights(transfer)
    if path is None:
        command = "`gtzan run gtzan --only 06 --profile full`"
        remedy = f"{command} does so, or put it into the folder models of KERAS_HOME"
        missing = MissingWeightsError(f"{_file(transfer)} was not fetched: {remedy}")
        if not fetch:
            raise missing
        keras.config.disable_interactive_logging()  # clearing a session forgets it
        try:
            return application(weights="imagenet", **settings)
        except Exception as error:  # whatever Keras's downloader raises
            raise missing from error
    model = application(weights=None, **settings)
    try:
        model.load_weights(path)
    except DAMAGED_FILE as error:
        cause = f"not the weights of {model.name} ({reason(error)}); remove the file"
        raise SourceError(f"{path}: {cause}") from error
    return model


def halves(transfer: Transfer, *, fetch: bool = False) -> tuple[keras.Model, keras.Model]:
    """Cut a backbone into trunk and tail; see `build`."""
    model = build(transfer, fetch=fetch)
    between = model.get_layer(BACKBONES[transfer.backbone].cut).output
    return keras.Model(model.input, between), keras.Model(between, model.output)


# Pictures and what the trunk makes of them


def draw(features: Features, size: int) -> np.ndarray:
    """Draw each log-mel spectrogram as a picture; pictures are only resized.

    Parameters
    ----------
    features : Features
        Of the feature set "log_mel", in whole tracks, or "pictures".
    size : int
        Height and width in pixels.

    Returns
    -------
    ndarray, shape (n_tracks, size, size, 3), uint8
    """
    ready = features.feature_set == "pictures"
    pictures = features.values if ready else coloured(features.values)
    return np.stack([_resized(picture, size) for picture in pictures])


def coloured(log_mels: np.ndarray) -> Iterable[np.ndarray]:
    """Yield each log-mel, shape (n_bands, n_frames), as RGB with low bands at the bottom."""
    import matplotlib

    table = (255 * matplotlib.colormaps["viridis"](np.arange(256))[:, :3]).round().astype(np.uint8)
    return (table[log_mel[::-1]] for log_mel in log_mels)


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    if picture.shape[:2] == (size, size):
        return picture
    small = ops.image.resize(picture.astype(np.float32), (size, size), antialias=True)
    return np.asarray(small).clip(0, 255).round().astype(np.uint8)


def activations(transfer: Transfer, features: Features, *, fetch: bool = False) -> Features:
    """Compute the output of the trunk for each track's picture.

    Parameters
    ----------
    transfer : Transfer
    features : Features
        See `draw`.
    fetch : bool
        Whether Keras may download weights.

    Returns
    -------
    Features
        Values of shape (n_tracks, height, width, channels), float16.

    Raises
    ------
    MissingWeightsError, SourceError
        See `build`.
    """
    trunk, _ = halves(transfer, fetch=fetch)
    backbone, path = BACKBONES[transfer.backbone], find_weights(transfer)
    prepare = getattr(keras.applications, backbone.module).preprocess_input
    weights = files.file_hash(path) if path else ""
    name = f"{transfer.backbone} {weights} {transfer.size} {backbone.cut}"
    pictures = draw(features, transfer.size)
    values = embed(lambda batch: trunk.predict_on_batch(prepare(batch)), pictures, name=name)
    name = f"pictures, {transfer.backbone}"
    return replace(features, values=values, feature_set=name, frame_period=None)


def embed(function: Callable[[np.ndarray], Any], values: np.ndarray, *, name: str) -> np.ndarray:
    """Compute the output of a pretrained network, or load it from the cache.

    Parameters
    ----------
    function : callable
        Turns a batch of values, float32, into the network's outputs.
    values : ndarray, shape (n_examples, ...)
    name : str
        Of the network and its weights; with the values it identifies the result.

    Returns
    -------
    ndarray, shape (n_examples, ...), float16
    """

    def compute() -> dict[str, np.ndarray]:
        def small(batch: np.ndarray) -> np.ndarray:
            return np.asarray(function(batch), np.float16)

        return {"values": training.in_batches(small, values, _CHUNK, description="embed")}

    digest = hashlib.sha256(values.tobytes() + name.encode() + str(values.shape).encode())
    of = digest.hexdigest()
    entry = config.cache_dir() / "embeddings" / f"{of[:24]}.npz"
    return files.cached(entry, compute, of=of)["values"]


# Training


def fit(transfer: Transfer, task: Task) -> FittedNetwork:
    """Train a head on the frozen backbone, then fine-tune tail and head with small steps.

    Parameters
    ----------
    transfer : Transfer
    task : Task
        Its values are `activations`.

    Returns
    -------
    FittedNetwork
        Takes activations; its history has the column `stage`, "frozen" or "tuned". The weights
        are those of the best epoch of either stage.
    """
    values, inputs = task.values, task.inputs
    _, shared = halves(transfer, fetch=task.fetch)
    tail = keras.models.clone_model(shared)
    tail.set_weights(shared.get_weights())
    tail.trainable = False
    pooled = training.in_batches(tail.predict_on_batch, values, _CHUNK)
    of_pooled = replace(inputs, shape=pooled.shape[1:])
    words = f"{task.description}, frozen"
    on_pooled = replace(task, values=pooled, inputs=of_pooled, description=words)
    head = training.fit(transfer.head(), on_pooled)
    entry = keras.Input(inputs.shape)
    model = keras.Model(entry, head.model(tail(entry)))
    frozen = head.history.assign(stage="frozen")
    before = model.get_weights()
    tail.trainable = True
    for layer in tail.layers:
        # Its means and standard deviations come from a million photos.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    task = replace(task, description=f"{task.description}, tuned")
    tuning = replace(
        transfer.head(), epochs=transfer.tuning_epochs, learning_rate=transfer.tuning_rate
    )
    tuned = training.fit(tuning, task, model=model).history.assign(stage="tuned")
    better = "frozen" if _best(frozen) >= _best(tuned) else "tuned"
    if better == "frozen":
        model.set_weights(before)
    history = pd.concat([frozen, tuned], ignore_index=True)
    history["epoch"] = np.arange(1, len(history) + 1)
    history["best"] &= history.stage == better
    return training.with_history(model, inputs, history)


def _best(history: pd.DataFrame) -> tuple[float, float]:
    best = history[history.best].iloc[0]
    return best.val_accuracy, -best.val_loss
