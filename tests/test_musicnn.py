"""MusiCNN: the rebuild against a forward pass of its own in numpy, and what can be wrong."""

import dataclasses
import importlib.util
import shutil

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from gtzan_helpers import audio, config, extract, features, musicnn, packs
from gtzan_helpers.errors import NotPossibleError, SourceError

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
    y = np.sin(np.cumsum(rng.uniform(0.05, 0.3, 3 * features.PATCH_SR))).astype(np.float32)
    return features.patches(y, np.zeros(1))[0].astype(np.float64)


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
    found = model.predict_on_batch(patch[None].astype(np.float32))[0]
    start = 0
    for name, size in musicnn.LAYERS.items():
        assert expected[name].shape == (size,), name
        np.testing.assert_allclose(
            found[start : start + size], expected[name], rtol=1e-3, atol=1e-4, err_msg=name
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
    found = extract.extract(real_data / "gtzan_mini", "patches", profile="quick")
    metal = found.values[(found.segments.genre == "metal").to_numpy()][:20]
    tags = model.predict_on_batch(metal.astype(np.float32))[:, :50].mean(axis=0)
    assert "metal" in [musicnn.tag_names()[i] for i in tags.argsort()[::-1][:3]]


@installed
@pytest.mark.parametrize("kept", [0, 1000, 9_000_000])
def test_weights_that_are_cut_short_are_refused_in_one_line(tmp_path, kept):
    for ending in (".index", ".data-00000-of-00001"):
        shutil.copy(musicnn._folder() / ending, tmp_path / ending)
    data = tmp_path / ".data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:kept])
    with pytest.raises(SourceError, match="not the weights of MusiCNN") as error:
        musicnn.read_weights(tmp_path)
    assert "\n" not in str(error.value)


@installed
def test_weights_of_another_network_are_refused(weights):
    other = dict(weights) | {"conv2d_5/kernel": np.zeros((7, 10, 1, 64), np.float32)}
    with pytest.raises(SourceError, match="conv2d_5: these are not the weights of MusiCNN"):
        musicnn.build(other)
    del other["conv2d_5/kernel"]
    with pytest.raises(SourceError, match="conv2d_5"):
        musicnn.build(other)


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotPossibleError, match=r"not installed; `uv sync` installs it"):
        musicnn.columns()


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(SourceError, match=tmp_path.name):
        musicnn.read_weights(tmp_path)


# What it hears


def test_patches_are_the_compressed_mel_of_each_start():
    n = np.arange(10 * features.PATCH_SR)
    y = np.sin(2 * np.pi * 440 * n / features.PATCH_SR) * (n > 5 * features.PATCH_SR)
    found = features.patches(y, np.array([0.0, 7.0]))
    assert found.shape == (2, *features.PATCH_SHAPE) and found.dtype == np.float16
    assert not found[0].any() and found[1].max() > 1


def test_a_track_gives_a_patch_for_each_of_its_segments(labelled_folder):
    found = extract.extract(labelled_folder(seconds=6.4, tracks=1), "patches")
    assert found.values.shape == (4, *features.PATCH_SHAPE)
    assert found.segments.start_s.tolist() == pytest.approx([0, 3.4, 0, 3.4], abs=0.01)


def test_patches_rebuilt_from_a_log_mel_are_those_of_the_sound_where_it_is_steady():
    n = np.arange(8 * config.SR)
    rng = np.random.default_rng(0)
    y = 0.3 * np.sin(2 * np.pi * 880 * n / config.SR) + 0.02 * rng.standard_normal(n.size)
    log_mel = features.log_mel(y, sr=config.SR)
    loudest = float(log_mel.max())
    rebuilt = features.rebuilt_patches(
        log_mel - loudest, np.array([2.0]), frame_rate=config.SR / 512, sr=config.SR, n_fft=2048,
        loudest=loudest,
    )  # fmt: skip
    of_sound = audio.resample(y, sr=config.SR, target_sr=features.PATCH_SR)
    true = features.patches(of_sound, np.array([2.0]))
    rebuilt, true = (part[0].astype(float).mean(axis=0) for part in (rebuilt, true))
    near = np.abs(np.arange(96) - true.argmax()) <= 3  # bands as wide as frames are short
    near[-2:] = True  # resampling takes the highest away
    assert abs(int(rebuilt.argmax()) - int(true.argmax())) <= 1
    assert np.abs(rebuilt - true)[~near].max() < 0.2  # 2 dB


def test_a_pack_gives_patches_as_far_as_its_bands_reach(tmp_path, labelled_folder):
    folder, path = labelled_folder(seconds=6.4, tracks=1), tmp_path / "p.npz"
    extract.write_pack(path, folder, frame_period=0.0775)
    found = extract.extract(path, "patches")
    assert found.values.shape == (4, *features.PATCH_SHAPE)
    assert np.isfinite(found.values).all() and found.values.min() >= 0
    packs.write(path, dataclasses.replace(packs.read(path), sr=8000))
    with pytest.raises(NotPossibleError, match="up to 8000 Hz; the pack p was made"):
        extract.extract(path, "patches")
