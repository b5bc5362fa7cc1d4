"""Backbones: their weights, their halves, what is cached, and how they are fine-tuned."""

import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from keras.src.legacy.saving import legacy_h5_format

from gtzan_helpers.datasets.extraction import Features
from gtzan_helpers.datasets.splits import Split
from gtzan_helpers.errors import MissingWeightsError, SourceError
from gtzan_helpers.models import fitted, lite0, transfer
from gtzan_helpers.models.backend import keras
from gtzan_helpers.models.fitted import Inputs
from gtzan_helpers.models.learners import Transfer
from gtzan_helpers.models.systems import SYSTEMS

SMALL = Transfer("mobilenetv2", size=96, epochs=12, tuning_epochs=2, batch_size=8, units=16)

PRETRAINED = [s.learner for s in SYSTEMS.values() if isinstance(s.learner, Transfer)]


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """Where a user puts weights; its models folder."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    transfer.build.cache_clear()
    yield tmp_path / "keras" / "models"
    transfer.build.cache_clear()


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory):
    """Weights of a MobileNetV2 for small pictures, made here: random, but alive."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2((96, 96, 3), weights=None, include_top=False)
    (kernel,) = model.get_layer("Conv1").get_weights()
    kernel[..., 0] = 0.25
    model.get_layer("Conv1").set_weights([kernel])
    lite0.settle(model, (96, 96, 3))
    path = tmp_path_factory.mktemp("weights") / "made.h5"
    with h5py.File(path, "w") as file:  # the format of Keras's own files
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


@pytest.fixture
def weights(weight_file, keras_home):
    """The place at which weights for `SMALL` lie."""
    keras_home.mkdir(parents=True)
    target = keras_home / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"
    target.write_bytes(weight_file.read_bytes())
    return target


# Weights


def test_weights_under_keras_home_are_used(weights):
    assert transfer.find_weights(SMALL) == weights
    kernel = transfer.build(SMALL).get_layer("Conv1").get_weights()[0]
    assert (kernel[..., 0] == 0.25).all()


@pytest.mark.parametrize("size", [0, 200_000])
def test_a_damaged_weight_file_is_named_in_one_line(weights, size):
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(SourceError, match="not the weights of mobilenetv2") as error:
        transfer.build(SMALL)
    assert str(weights) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(weight_file, keras_home):
    keras_home.mkdir(parents=True)
    (keras_home / "efficientnetb0_notop.h5").write_bytes(weight_file.read_bytes())
    with pytest.raises(SourceError, match="not the weights of efficientnetb0"):
        transfer.build(Transfer("efficientnetb0"))


def test_missing_weights_are_named_with_the_way_to_get_them(keras_home):
    for learner in PRETRAINED:
        with pytest.raises(MissingWeightsError, match=r"--only 06 --profile full") as error:
            transfer.build(learner)
        assert transfer._file(learner) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_keras_asks_for_the_very_files_that_are_looked_for(keras_home, monkeypatch):
    """The names are Keras's own; a new one in Keras would be missed without a word."""
    asked = []

    def note(name, *_, **__):
        asked.append(name)
        raise OSError("no network")

    for learner in PRETRAINED:
        application = transfer.BACKBONES[learner.backbone].application
        file_utils = getattr(keras.applications, application).__globals__["file_utils"]
        monkeypatch.setattr(file_utils, "get_file", note)
        with pytest.raises(MissingWeightsError, match="was not fetched"):
            transfer.build(learner, fetch=True)
    assert asked == [transfer._file(learner) for learner in PRETRAINED]
    assert len(asked) == 4


# Halves


def test_trunk_and_tail_are_the_whole_backbone(weights, rng):
    pictures = rng.uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    expected = transfer.build(SMALL).predict_on_batch(pictures)
    trunk, tail = transfer.halves(SMALL)
    output = tail.predict_on_batch(trunk.predict_on_batch(pictures))
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("backbone", transfer.BACKBONES.values())
def test_every_backbone_has_the_layer_that_it_is_cut_at(backbone):
    model = getattr(keras.applications, backbone.application)(weights=None, include_top=False)
    assert model.get_layer(backbone.cut) is not model.layers[-1]


# Pictures


def features_of(values, feature_set, frame_period=None):
    segments = pd.DataFrame({"track_id": [f"t{i}" for i in range(len(values))]})
    tables = (pd.DataFrame(), pd.DataFrame())
    return Features(segments, values, (), *tables, feature_set, frame_period)


def test_a_picture_has_low_bands_at_the_bottom_and_brighter_colours_for_more_energy():
    log_mel = np.zeros((1, 4, 6), np.uint8)
    log_mel[0, 0] = 255  # the lowest band is the loudest
    (picture,) = transfer.coloured(log_mel)
    assert picture.shape == (4, 6, 3)
    assert (picture[-1] == (253, 231, 37)).all() and (picture[0] == (68, 1, 84)).all()  # viridis


def test_log_mel_spectrograms_are_drawn_in_the_size_asked_for(rng):
    log_mels = rng.integers(0, 255, (3, 128, 200), dtype=np.uint8)
    pictures = transfer.draw(features_of(log_mels, "log_mel", 0.07), 64)
    assert pictures.shape == (3, 64, 64, 3) and pictures.dtype == np.uint8


def test_ready_made_pictures_are_only_resized(rng):
    pictures = rng.integers(0, 255, (2, 224, 224, 3), dtype=np.uint8)
    ready = features_of(pictures, "pictures")
    assert (transfer.draw(ready, 224) == pictures).all()
    small = transfer.draw(ready, 112)
    expected = pictures.reshape(2, 112, 2, 112, 2, 3).mean(axis=(2, 4))
    assert small.shape == (2, 112, 112, 3)
    assert np.abs(small.mean(axis=(1, 2)) - expected.mean(axis=(1, 2))).max() < 1


def test_activations_name_their_backbone(weights, rng):
    ready = features_of(rng.integers(0, 255, (2, 224, 224, 3), dtype=np.uint8), "pictures")
    features = SMALL.prepare(ready, fetch=False)
    assert features.feature_set == "pictures, mobilenetv2" and features.frame_period is None
    trunk, _ = transfer.halves(SMALL)
    assert features.values.shape == (2, *trunk.output_shape[1:])
    assert features.values.dtype == np.float16


# Cached outputs


def double():
    entry = keras.Input((3,))
    return keras.Model(entry, keras.layers.Rescaling(2.0)(entry)).predict_on_batch


def test_outputs_are_computed_once_and_cached(rng, tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path))
    values = rng.normal(size=(70, 3)).astype(np.float16)
    made = transfer.embed(double(), values, name="double")
    np.testing.assert_allclose(made, 2 * values, rtol=1e-3)
    (entry,) = (tmp_path / "embeddings").iterdir()
    assert (transfer.embed(None, values, name="double") == made).all()  # asks no network
    entry.write_bytes(entry.read_bytes()[:50])
    assert (transfer.embed(double(), values, name="double") == made).all()
    other = transfer.embed(lambda batch: 2 * (batch + 1), values, name="another")
    np.testing.assert_allclose(other, 2 * (values + 1), rtol=1e-2, atol=1e-2)


# Training


@pytest.fixture
def colours(weights, rng):
    """Activations of pictures that one can tell apart, with what belongs to them."""
    labels = np.arange(24) % 2
    pictures = rng.integers(0, 60, (24, 96, 96, 3), dtype=np.uint8)
    pictures[np.arange(24), ..., 2 * labels] += 190
    values = SMALL.prepare(features_of(pictures, "pictures"), fetch=False).values
    split = Split(np.arange(12), np.arange(12, 18), np.arange(18, 24))
    inputs = Inputs("pictures, mobilenetv2", 0.0, values.shape[1:], ("red", "blue"))
    return values, labels, split, {"inputs": inputs, "seed": 0}


def test_a_head_learns_on_a_frozen_backbone_and_then_both_are_tuned(colours, tmp_path):
    values, labels, split, options = colours
    before = [w.copy() for w in transfer.build(SMALL).get_weights()]
    model = SMALL.fit(values, labels, split, **options)
    stages = model.history.groupby("stage", sort=False).size()
    assert list(stages.index) == ["frozen", "tuned"] and stages["tuned"] == 2
    best = model.history[model.history.best]
    assert model.note == f"epoch {best.epoch.item()} of {len(model.history)}"
    assert (model.probabilities(values[split.test]).argmax(axis=1) == labels[split.test]).all()
    after = transfer.build(SMALL).get_weights()
    assert all((a == b).all() for a, b in zip(before, after, strict=True))  # a copy was trained
    again = fitted.load(model.save(tmp_path / "m.keras"))
    np.testing.assert_allclose(again.probabilities(values), model.probabilities(values), atol=1e-5)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:  # the head inside has none, either
        assert b"AdamW" not in archive.read("config.json")
        assert b"optimizer" not in archive.read("model.weights.h5")
