"""EfficientNet-Lite0: three photographs, a forward pass in numpy, and what can be wrong."""

import importlib.util
import pickle
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
from matplotlib import cbook
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from sklearn.datasets import load_sample_images

from gtzan_helpers.datasets.extraction import Features
from gtzan_helpers.errors import MissingWeightsError, SourceError
from gtzan_helpers.models import lite0, systems

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(lite0.PACKAGE) is None, reason=f"{lite0.PACKAGE} is not installed"
)


@pytest.fixture(scope="module")
def weights():
    return lite0.read_weights()


@pytest.fixture(scope="module")
def model(weights):
    return lite0.build(weights)


def test_three_photographs_are_recognised(model):
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        grace = np.asarray(picture)
    china, flower = load_sample_images().images
    for photo, number in ((grace, 652), (china, 698), (flower, 985)):  # uniform, palace, daisy
        side = min(photo.shape[:2])
        top, left = ((size - side) // 2 for size in photo.shape[:2])
        square = Image.fromarray(photo[top : top + side, left : left + side]).resize((224, 224))
        scores, *_ = model(np.asarray(square, np.float32)[None], training=False)
        assert np.asarray(scores)[0].argmax() == number


class InNumpy:
    """The network, computed without any framework from the variables as they are stored."""

    def __init__(self, weights):
        self.w = weights

    def conv(self, x, name, stride=1):
        kernel = self.w[f"{name}.weight"].astype(float)
        size, pads = kernel.shape[-1], []
        for n in x.shape[:2]:
            missing = max(0, (-(-n // stride) - 1) * stride + size - n)
            pads.append((missing // 2, missing - missing // 2))
        padded = np.pad(x, (*pads, (0, 0)))
        windows = sliding_window_view(padded, (size, size), (0, 1))[::stride, ::stride]
        if kernel.shape[1] == 1 and len(kernel) == x.shape[-1]:
            return np.einsum("hwcij,cij->hwc", windows, kernel[:, 0])
        return np.einsum("hwcij,ocij->hwo", windows, kernel)

    def norm(self, x, name):
        scale, shift, mean, variance = (
            self.w[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * scale + shift

    def active(self, x, name):
        return np.clip(self.norm(x, name), 0, 6)

    def __call__(self, picture):
        x = self.active(self.conv((picture - 127) / 128, "_conv_stem", 2), "_bn0")
        strides, heard = {1: 2, 3: 2, 5: 2, 11: 2}, []
        for number in range(16):
            name, before = f"_blocks.{number}.", x
            if number:
                x = self.active(self.conv(x, f"{name}_expand_conv"), f"{name}_bn0")
            stride = strides.get(number, 1)
            x = self.active(self.conv(x, f"{name}_depthwise_conv", stride), f"{name}_bn1")
            heard += [x] if number in (5, 8) else []
            x = self.norm(self.conv(x, f"{name}_project_conv"), f"{name}_bn2")
            x = x + before if x.shape == before.shape and stride == 1 else x
        last = self.active(self.conv(x, "_conv_head"), "_bn1")
        scores = last.mean(axis=(0, 1)) @ self.w["_fc.weight"].T + self.w["_fc.bias"]
        return [scores, *heard, last]


def test_the_rebuild_computes_what_numpy_computes(model, weights, rng):
    picture = rng.uniform(0, 255, (48, 80, 3)).round()
    ours = [np.asarray(part)[0] for part in model(picture[None], training=False)]
    for mine, theirs in zip(ours, InNumpy(weights)(picture), strict=True):
        assert mine.shape == theirs.shape
        assert np.abs(mine - theirs).max() < 2e-3 * max(1, np.abs(theirs).max())


def songs(rng, n=3):
    values = rng.integers(0, 256, (n, 128, 40)).astype(np.uint8)
    table = pd.DataFrame({"track_id": [f"{k}" for k in range(n)], "segment": 0, "genre": "a"})
    return Features(table, values, (), pd.DataFrame(), table, "log_mel", 0.0775)


def test_songs_get_the_means_and_deviations_of_two_layers(rng):
    features = songs(rng)
    pretrained = lite0.embed_features(features)
    assert pretrained.values.shape == (3, len(pretrained.columns)) == (3, 1440)
    assert pretrained.columns[:240] == tuple(f"mean5_{k}" for k in range(240))
    assert pretrained.columns[-1] == "deviation8_479"
    assert (pretrained.values >= 0).all() and pretrained.values[:, :240].max() <= 6
    last = lite0.embed_features(features, layers=["last"])
    assert last.values.shape == (3, 1280) and last.columns[0] == "last_0"
    random = lite0.embed_features(features, "random")
    again = lite0.embed_features(features, "random")
    assert np.array_equal(random.values, again.values) and random.values.std() > 0.1
    assert random.feature_set != pretrained.feature_set


def test_random_weights_make_a_control():
    assert systems.get("ours_random_efficientnet_lite0").pretrained == "random"
    assert systems.get("ours_kernels").pretrained == "MusiCNN, imagenet"


# What can be wrong


def test_without_the_package_one_line_says_so(monkeypatch):
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package")
    with pytest.raises(MissingWeightsError, match=r"no-such-package is not installed; `uv sync`"):
        lite0.read_weights()


class Deadly:
    def __reduce__(self):
        return exec, ("raise SystemExit('it was run')",)


@pytest.mark.parametrize(
    "content",
    [OrderedDict(a=Deadly()), ["no", "tensors"], OrderedDict(a=1)],
    ids=["code", "a list", "a number"],
)
def test_a_file_of_anything_but_tensors_is_refused_and_not_run(tmp_path, content):
    parts = (1, 2, {}, content, [])
    (tmp_path / "w.pth").write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    with pytest.raises(SourceError, match=r"w\.pth: not the weights of EfficientNet-Lite0"):
        lite0.read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("kept", [0, 30_000, 1_000_000])
def test_a_file_that_is_cut_short_is_refused(tmp_path, kept):
    whole = lite0._installed().read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[:kept])
    with pytest.raises(SourceError, match="not the weights of EfficientNet-Lite0"):
        lite0.read_weights(tmp_path / "w.pth")


def test_weights_of_another_shape_are_refused(weights):
    with pytest.raises(SourceError, match=r"_conv_stem: these are not the weights"):
        lite0.build({**weights, "_conv_stem.weight": np.zeros((32, 3, 5, 5))})
    with pytest.raises(SourceError, match=r"_fc: these are not the weights"):
        lite0.build({name: value for name, value in weights.items() if name != "_fc.bias"})
