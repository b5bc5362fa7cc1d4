"""Backbones: their weights, their halves, what is kept of them, and how they are tuned."""

from dataclasses import replace

import numpy as np
import pytest

from gtzan_helpers import (
    dataset,
    experiments,
    extract,
    pretrained,
    results,
    scoreboard,
    splits,
    training,
)
from gtzan_helpers.backend import keras
from gtzan_helpers.errors import MissingWeightsError, NotPossibleError, SourceError

SMALL = replace(
    pretrained.get("ours_random_mobilenetv2"), epochs=30, tuning_epochs=2, batch_size=8, units=16
)


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """Where a user puts weights; its models folder."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    pretrained.build.cache_clear()
    yield tmp_path / "keras" / "models"
    pretrained.build.cache_clear()


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory):
    """Weights of a MobileNetV2 for small pictures, made here."""
    model = pretrained.build(replace(SMALL, depth=1))
    model.get_layer("Conv1").set_weights([np.full((3, 3, 3, 32), 0.25, np.float32)])
    path = tmp_path_factory.mktemp("weights") / "made.weights.h5"
    model.save_weights(path)
    pretrained.build.cache_clear()
    return path


def placed(weight_file, folder):
    folder.mkdir(parents=True)
    target = folder / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"
    target.write_bytes(weight_file.read_bytes())
    return target


# Weights


def test_weights_under_keras_home_are_found_and_used(weight_file, keras_home):
    transfer = replace(SMALL, weights="imagenet")
    target = placed(weight_file, keras_home)
    assert pretrained.find_weights(transfer) == target
    kernel = pretrained.build(transfer).get_layer("Conv1").get_weights()[0]
    assert (kernel == 0.25).all()


def test_weights_at_a_path_are_used(weight_file, tmp_path):
    path = tmp_path / "mine.weights.h5"
    path.write_bytes(weight_file.read_bytes())
    kernel = pretrained.build(replace(SMALL, weights=str(path))).get_layer("Conv1").get_weights()
    assert (kernel[0] == 0.25).all()
    with pytest.raises(SourceError, match="there is no such weight file"):
        pretrained.build(replace(SMALL, weights=str(tmp_path / "none.weights.h5")))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_a_damaged_weight_file_is_named_in_one_line(weight_file, keras_home, content):
    target = placed(weight_file, keras_home)
    target.write_bytes(weight_file.read_bytes()[:200_000] if content is None else content)
    with pytest.raises(SourceError, match="not the weights of mobilenetv2") as error:
        pretrained.build(replace(SMALL, weights="imagenet"))
    assert str(target) in str(error.value) and "\n" not in str(error.value)


def test_weights_of_another_network_are_refused(weight_file, keras_home):
    keras_home.mkdir(parents=True)
    (keras_home / "efficientnetb0_notop.h5").write_bytes(weight_file.read_bytes())
    with pytest.raises(SourceError, match="not the weights of efficientnetb0"):
        pretrained.build(pretrained.get("images_efficientnetb0"))


def test_absent_weights_are_said_with_the_way_to_get_them(keras_home):
    for name in pretrained.names()[:4]:
        with pytest.raises(MissingWeightsError, match=r"--only 06 --profile full") as error:
            pretrained.build(pretrained.get(name))
        assert pretrained._file(pretrained.get(name)) in str(error.value)
        assert "\n" not in str(error.value)


def test_keras_asks_for_the_very_files_that_are_looked_for(keras_home, monkeypatch):
    """The names are Keras's own; a new one in Keras would be missed without a word."""
    asked = []

    def note(name, *_, **__):
        asked.append(name)
        raise OSError("no network")

    for name in pretrained.names()[:4]:
        application = pretrained.BACKBONES[pretrained.get(name).backbone].application
        file_utils = getattr(keras.applications, application).__globals__["file_utils"]
        monkeypatch.setattr(file_utils, "get_file", note)
        with pytest.raises(MissingWeightsError, match="could not be fetched"):
            pretrained.build(pretrained.get(name), fetch=True)
    assert asked == [pretrained._file(pretrained.get(name)) for name in pretrained.names()[:4]]


# Halves


@pytest.mark.parametrize("depth", [1, 2])
def test_trunk_and_tail_are_the_whole_backbone(rng, depth):
    transfer = replace(SMALL, depth=depth)
    whole = pretrained.build(transfer)
    trunk, tail = pretrained.halves(whole, transfer.cut)
    pictures = rng.uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    expected = whole.predict_on_batch(pictures)
    found = tail.predict_on_batch(trunk.predict_on_batch(pictures))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.01  # random weights, but alive


@pytest.mark.parametrize("name", list(pretrained.BACKBONES))
def test_every_backbone_can_be_cut_at_its_places(name):
    for depth in (1, 2):
        transfer = pretrained.Transfer(name, weights="random", size=96, depth=depth)
        trunk, tail = pretrained.halves(pretrained.build(transfer), transfer.cut)
        assert trunk.output_shape == tail.input_shape
        assert tail.count_params() > 0


# Pictures


def test_a_picture_has_low_bands_below_and_the_colours_asked_for():
    log_mel = np.zeros((1, 4, 6), np.uint8)
    log_mel[0, 0] = 255  # the lowest band is the loudest
    (picture,) = pretrained.coloured(log_mel, "gray")
    assert picture.shape == (4, 6, 3)
    assert (picture[-1] == 255).all() and (picture[0] == 0).all()


def test_pictures_are_of_every_track_in_the_size_asked_for(labelled_folder):
    source = dataset.resolve(labelled_folder(), profile="smoke")
    found = pretrained.pictures(source, size=64, colours="viridis")
    assert found.values.shape == (6, 64, 64, 3) and found.values.dtype == np.uint8
    assert found.segments.track_id.is_unique


@pytest.fixture
def picture_folder(tmp_path, rng):
    """Ready-made pictures: red ones and blue ones, and one that is none."""
    root = tmp_path / "pictures"
    for place, genre in enumerate(("blues", "rock")):
        (root / genre).mkdir(parents=True)
        for number in range(6):
            picture = rng.integers(0, 60, (40, 60, 3))
            picture[..., 2 * place] += 190
            keras.utils.save_img(
                root / genre / f"{genre}{number:05d}.png", picture, data_format="channels_last"
            )
    (root / "rock" / "rock00009.png").write_bytes(b"no picture")
    return root


def test_ready_made_pictures_are_read_and_failures_listed(picture_folder):
    source = dataset.resolve(picture_folder)
    assert source.kind == "pictures"
    found = pretrained.pictures(source, size=32, colours="viridis")
    assert found.values.shape == (12, 32, 32, 3)
    assert found.failures.track_id.tolist() == ["rock.00009"]
    assert found.segments.track_id[0] == "blues.00000"  # as the recording is called
    assert found.values[0, ..., 0].mean() > found.values[0, ..., 2].mean() + 100


def test_pictures_give_no_other_features(picture_folder):
    with pytest.raises(NotPossibleError, match="needs audio; pictures holds pictures"):
        extract.extract(picture_folder, "log_mel")


# Embeddings


def double():
    entry = keras.Input((3,))
    return keras.Model(entry, keras.layers.Rescaling(2.0)(entry))


def test_embeddings_are_computed_once_and_kept(rng, tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path))
    values = rng.normal(size=(70, 3)).astype(np.float16)
    made = pretrained.embed(double(), values, name="double")
    np.testing.assert_allclose(made, 2 * values, rtol=1e-3)
    (entry,) = (tmp_path / "embeddings").iterdir()
    assert (pretrained.embed(None, values, name="double") == made).all()  # asks no network
    entry.write_bytes(entry.read_bytes()[:50])
    assert (pretrained.embed(double(), values, name="double") == made).all()
    other = pretrained.embed(double(), values, name="another", prepare=lambda batch: batch + 1)
    np.testing.assert_allclose(other, 2 * (values + 1), rtol=1e-2, atol=1e-2)


# Training


@pytest.fixture
def colours(rng):
    """Activations of pictures that one can tell apart, with what belongs to them."""
    y = np.arange(24) % 2
    pictures = rng.integers(0, 60, (24, 96, 96, 3), dtype=np.uint8)
    pictures[np.arange(24), ..., 2 * y] += 190
    trunk, _ = pretrained.halves(pretrained.build(SMALL), SMALL.cut)
    scaled = keras.applications.mobilenet_v2.preprocess_input(pictures.astype(np.float32))
    values = trunk.predict_on_batch(scaled).astype(np.float16)
    split = splits.Split(np.arange(12), np.arange(12, 18), np.arange(18, 24))
    inputs = training.Inputs("pictures, mobilenetv2", 0.0, values.shape[1:], ("red", "blue"))
    return values, y, split, inputs


def test_a_head_learns_on_a_frozen_backbone_and_then_both_go_on(colours):
    values, y, split, inputs = colours
    before = [w.copy() for w in pretrained.build(SMALL).get_weights()]
    trained = pretrained.fit(SMALL, values, y, split, inputs=inputs, seed=0)
    stages = trained.history.groupby("stage", sort=False).size()
    assert list(stages.index) == ["frozen", "tuned"] and stages["tuned"] == 2
    assert trained.history.best.sum() == 1
    assert (trained.predict_proba(values[split.test]).argmax(axis=1) == y[split.test]).all()
    after = pretrained.build(SMALL).get_weights()
    assert all((a == b).all() for a, b in zip(before, after, strict=True))  # a copy was trained


def test_depth_0_trains_the_head_alone(colours):
    values, y, split, inputs = colours
    trained = pretrained.fit(replace(SMALL, depth=0), values, y, split, inputs=inputs, seed=0)
    assert set(trained.history.stage) == {"frozen"}
    assert trained.n_parameters < 30_000


def test_a_tuned_backbone_is_saved_and_says_the_same_when_loaded(colours, tmp_path):
    values, y, split, inputs = colours
    few = replace(SMALL, epochs=2)
    trained = pretrained.fit(few, values, y, split, inputs=inputs, seed=0)
    again = training.load(trained.save(tmp_path / "m.keras"))
    np.testing.assert_allclose(
        again.predict_proba(values), trained.predict_proba(values), atol=1e-5
    )


def test_a_random_backbone_is_a_control_and_absent_weights_no_result(
    labelled_folder, tmp_path, keras_home
):
    source = dataset.resolve(labelled_folder(tracks=10), profile="smoke")
    rows = {
        name: experiments.run_system(name, source, protocol="track_random", run_dir=tmp_path)[0]
        for name in ("ours_random_mobilenetv2", "images_vgg19")
    }
    control, missing = rows.values()
    assert (control.status, control.pretrained) == ("control", "random")
    assert missing.status == "not_measured" and missing.note.startswith("vgg19_weights")
    compared = scoreboard.comparison(results.table([control, missing]))
    assert compared.reproduced.isna().all() and compared.honest.isna().all()
