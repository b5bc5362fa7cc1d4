"""MusiCNN: the rebuild against a forward pass in numpy, and what can be wrong."""

import importlib.util
import shutil

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gtzan_helpers.audio.spectra import PATCH_SHAPE, PATCH_SR, patches
from gtzan_helpers.datasets.extraction import Features
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotPossibleError, SourceError
from gtzan_helpers.models import musicnn, systems

installed = pytest.mark.skipif(
    importlib.util.find_spec("musicnn") is None, reason="musicnn is not installed"
)


@pytest.fixture(scope="module")
def weights():
    return musicnn.read_weights()


@pytest.fixture(scope="module")
def model(weights):
    return musicnn.build(weights)


@pytest.fixture
def patch(rng):
    y = np.sin(np.cumsum(rng.uniform(0.05, 0.3, 3 * PATCH_SR))).astype(np.float32)
    return patches(y, np.zeros(1))[0].astype(np.float64)


class InNumpy:
    """The network's published layers, computed without any framework."""

    def __init__(self, weights):
        self.w = weights
        self.norms = 0
        self.convs = 0

    def norm(self, x):
        name = "batch_normalization" + (f"_{self.norms}" if self.norms else "")
        self.norms += 1
        gamma, beta, mean, variance = (
            self.w[f"{name}/{part}"].astype(float)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def conv(self, x, pad):
        """Over frames and bands, (frames, bands) in, (frames, bands, filters) out; then ReLU."""
        name = "conv2d" + (f"_{self.convs}" if self.convs else "")
        self.convs += 1
        kernel, bias = self.w[f"{name}/kernel"][:, :, 0], self.w[f"{name}/bias"]
        windows = sliding_window_view(np.pad(x, (pad, (0, 0))), kernel.shape[:2])
        return np.maximum(np.tensordot(windows, kernel, 2) + bias, 0)

    def __call__(self, patch):
        x = self.norm(patch[..., None])[..., 0]
        front = [self.norm(self.conv(x, (3, 3))).max(axis=1) for _ in range(2)]
        for length in (128, 64, 32):
            pad = ((length - 1) // 2, length // 2)
            front.append(self.norm(self.conv(x, pad)).max(axis=1))
        front = np.concatenate(front, axis=1)
        first = self.norm(self.conv(front, (3, 3))[:, 0])
        second = self.norm(self.conv(first, (3, 3))[:, 0]) + first
        third = self.norm(self.conv(second, (3, 3))[:, 0]) + second
        every = np.concatenate([front, first, second, third], axis=1)
        mean, highest = every.mean(axis=0), every.max(axis=0)
        pooled = self.norm(np.stack([highest, mean], axis=1).ravel())
        hidden = np.maximum(pooled @ self.w["dense/kernel"] + self.w["dense/bias"], 0)
        penultimate = self.norm(hidden)
        logits = penultimate @ self.w["dense_1/kernel"] + self.w["dense_1/bias"]
        return {
            "front": front,
            "middle": every,
            "tags": 1 / (1 + np.exp(-logits)),
            "penultimate": penultimate,
            "mean_pool": mean,
            "max_pool": highest,
        }


@installed
def test_the_rebuild_computes_what_the_published_layers_compute(model, weights, patch):
    expected = InNumpy(weights)(patch)
    outputs = model.predict_on_batch(patch[None].astype(np.float32))[0]
    start = 0
    for name, size in musicnn.LAYERS.items():
        assert expected[name].shape == (size,), name
        np.testing.assert_allclose(
            outputs[start : start + size], expected[name], rtol=1e-3, atol=1e-4, err_msg=name
        )
        start += size


@installed
def test_every_layer_has_the_shape_of_the_published_one(model, weights, patch):
    expected = InNumpy(weights)(patch)
    for name in ("front", "middle"):
        assert model.get_layer(name).output.shape[1:] == expected[name].shape
    assert model.count_params() == sum(value.size for name, value in weights.items()
                                       if "/" in name)  # fmt: skip


@installed
def test_its_columns_are_the_tags_by_name_and_the_layers_by_number():
    columns = musicnn.columns()
    assert len(columns) == len(set(columns)) == sum(musicnn.LAYERS.values()) == 1756
    assert columns[0] == "tags_rock" and columns[50] == "penultimate_0"


@installed
def test_music_gets_tags_that_fit(model, real_data):
    features = open_source(real_data / "gtzan_mini").features("patches")
    metal = features.values[(features.segments.genre == "metal").to_numpy()][:20]
    tags = model.predict_on_batch(metal.astype(np.float32))[:, :50].mean(axis=0)
    assert "metal" in [musicnn.tag_names()[i] for i in tags.argsort()[::-1][:3]]


@installed
@pytest.mark.parametrize("n_bytes", [0, 1000, 9_000_000])
def test_weights_that_are_cut_short_are_refused_in_one_line(tmp_path, n_bytes):
    for ending in (".index", ".data-00000-of-00001"):
        shutil.copy(musicnn._folder() / ending, tmp_path / ending)
    data = tmp_path / ".data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:n_bytes])
    with pytest.raises(SourceError, match="not the weights of MusiCNN") as error:
        musicnn.read_weights(tmp_path)
    assert "\n" not in str(error.value)


@installed
def test_weights_of_another_network_are_refused(weights):
    other = dict(weights) | {"conv2d_5/kernel": np.zeros((7, 10, 1, 64), np.float32)}
    with pytest.raises(SourceError, match="conv2d_5/kernel: these are not the weights of MusiCNN"):
        musicnn.build(other)
    del other["conv2d_5/kernel"]
    with pytest.raises(SourceError, match="conv2d_5"):
        musicnn.build(other)


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        NotPossibleError, match=r"not installed; `pip install --no-deps musicnn` does it"
    ):
        musicnn.columns()


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(SourceError, match=tmp_path.name):
        musicnn.read_weights(tmp_path)


# Embeddings


@installed
def test_every_segment_of_a_source_gets_an_embedding(labelled_folder):
    source = open_source(labelled_folder(seconds=6.4, tracks=1))
    features = systems.get("ours_musicnn_svm").load_features(source)
    assert features.values.shape == (4, 1756) and features.values.dtype == np.float32
    assert features.columns == musicnn.columns() and features.feature_set == "musicnn"


@installed
def test_embeddings_of_a_log_mel_are_named_so(rng):
    patches = rng.uniform(0, 3, (2, *PATCH_SHAPE)).astype(np.float16)
    tables = (pd.DataFrame(), pd.DataFrame())
    segments = pd.DataFrame({"track_id": ["a", "b"]})
    features = Features(segments, patches, (), *tables, "patches", of_log_mel=True)
    assert musicnn.embed_features(features).feature_set == "musicnn of a log-mel"


@installed
def test_pooled_layers_are_means_over_a_song(rng):
    table = pd.DataFrame({"track_id": ["a", "a", "b"], "segment": [0, 1, 0], "genre": "x"})
    values = rng.uniform(0, 4, (3, *PATCH_SHAPE)).astype(np.float16)
    features = Features(table, values, (), pd.DataFrame(), table, "patches")
    whole, pooled = musicnn.embed_features(features), musicnn.embed_features(features, "mean_pool")
    places = [name.startswith("mean_pool") for name in whole.columns]
    assert pooled.columns[0] == "mean_pool_0" and pooled.values.shape == (2, 753)
    expected = whole.values[:2, places].mean(axis=0)
    assert np.allclose(pooled.values[0], expected, atol=1e-5)
    assert pooled.segments.track_id.tolist() == ["a", "b"]
