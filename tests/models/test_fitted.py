"""Fitted models: saved, loaded, and refused where they do not fit."""

import dataclasses
import json
import re
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator

from gtzan_helpers.datasets.splits import Split
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.models import fitted
from gtzan_helpers.models.backend import keras
from gtzan_helpers.models.fitted import Inputs
from gtzan_helpers.models.learners import Classical, Network
from gtzan_helpers.models.training import FittedNetwork

INPUTS = Inputs("log_mel", 3.0, (12, 5), ("a", "b", "c"), 0.0775)
TABLE = Inputs("kaggle", 0.0, (4,), ("a", "b"), columns=tuple("wxyz"), temperature=1.5)
NETWORK = Network("dense", {"units": (8,)}, epochs=1)


def trained(learner, *, inputs=TABLE):
    X, labels = np.random.default_rng(0).uniform(1, 2, (20, *inputs.shape)), np.arange(20) % 2
    split = Split(np.arange(14), np.arange(14, 20), np.arange(0))
    return X, learner.fit(X, labels, split, inputs=inputs, seed=0)


# Inputs


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame_period": 0.023}, "frame_period=0.0775, the input has 0.023"),
        ({"segment_seconds": 6.0}, "segment_seconds=3.0, the input has 6.0"),
        ({"features": "mfcc"}, "features=log_mel, the input has mfcc"),
        ({"shape": (12, 6)}, r"shape=\(12, 5\), the input has \(12, 6\)"),
    ],
)
def test_other_inputs_are_refused(change, words):
    INPUTS.refuse_other(dataclasses.replace(INPUTS, frame_period=0.0776))  # only rounded
    with pytest.raises(SettingError, match=words):
        INPUTS.refuse_other(dataclasses.replace(INPUTS, **change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"segment_seconds": float("nan")}, "lengths and temperature .* not possible"),
        ({"temperature": 0.0}, "0.0775, 0.0.* are not possible"),
    ],
)
def test_numbers_that_cannot_be_are_refused(change, words):
    with pytest.raises(SourceError, match=words):
        dataclasses.replace(INPUTS, **change)


@pytest.mark.parametrize("labels", [("a",), ("a", "a"), ("a", " "), ("a", 1)])
def test_labels_that_are_not_different_words_are_not_possible(labels):
    with pytest.raises(
        NotPossibleError, match=r"labels \['a'.* are not two or more different words; name the fold"
    ):
        dataclasses.replace(INPUTS, labels=labels)


# Saving and loading


@pytest.mark.parametrize("learner", [Classical("SVC"), NETWORK], ids=["classical", "network"])
def test_a_model_predicts_the_same_when_loaded(learner, tmp_path):
    X, model = trained(learner)
    loaded = fitted.load(model.save(tmp_path / f"model{model.suffix}"))
    np.testing.assert_allclose(loaded.probabilities(X), model.probabilities(X), atol=1e-6)
    assert loaded.inputs == TABLE and loaded.history.empty


def weights_in(path):
    """What is stored of a network: the names and sizes of its arrays."""
    with zipfile.ZipFile(path) as archive, h5py.File(archive.open("model.weights.h5")) as weights:
        arrays = {}
        weights.visititems(
            lambda name, item: arrays.update({name: item.size} if hasattr(item, "size") else {})
        )
    return arrays


def test_networks_are_stored_without_the_state_of_their_optimizer(tmp_path):
    _, model = trained(NETWORK)
    path = model.save(tmp_path / "model.keras")
    arrays = weights_in(path)
    assert not [name for name in arrays if "optimizer" in name]
    assert sum(arrays.values()) == model.model.count_params()
    with zipfile.ZipFile(path) as archive:
        assert b"AdamW" not in archive.read("config.json")


def test_models_stored_with_their_optimizer_can_be_read(tmp_path):
    X, model = trained(NETWORK)
    path, probabilities = tmp_path / "model.keras", model.probabilities(X)
    model.model.compile("adamw", "categorical_crossentropy")
    model.model.optimizer.build(model.model.trainable_variables)
    model.save(path)
    assert [name for name in weights_in(path) if "optimizer" in name]
    np.testing.assert_allclose(fitted.load(path).probabilities(X), probabilities, atol=1e-6)


def test_models_around_a_part_with_its_optimizer_can_be_read(tmp_path):
    X, model = trained(NETWORK)
    model.model.compile("adamw", "categorical_crossentropy")
    model.model.optimizer.build(model.model.trainable_variables)
    around = keras.Model(x := keras.Input((4,)), model.model(x))
    path = dataclasses.replace(model, model=around).save(tmp_path / "model.keras")
    np.testing.assert_allclose(
        fitted.load(path).probabilities(X), model.probabilities(X), atol=1e-6
    )


@pytest.mark.parametrize("learner", [Classical("RandomForestClassifier"), NETWORK])
def test_files_of_models_are_compressed(learner, tmp_path):
    _, model = trained(learner)
    with zipfile.ZipFile(model.save(tmp_path / f"model{model.suffix}")) as archive:
        assert {part.compress_type for part in archive.infolist()} == {zipfile.ZIP_DEFLATED}


def test_classical_models_of_arrays_are_not_worth_saving():
    _, of_table = trained(Classical("SVC"))
    _, of_array = trained(Classical("SVC"), inputs=dataclasses.replace(TABLE, features="musicnn"))
    assert (of_table.suffix, of_array.suffix) == (".skops", "")


def test_classical_models_have_no_layers_and_no_history():
    X, model = trained(Classical("SVC"))
    assert model.history.empty and model.n_parameters is None
    with pytest.raises(NotPossibleError, match="Pipeline has no layers"):
        model.hidden(X, "dense")


def test_a_model_contains_its_settings_as_text(tmp_path):
    _, model = trained(NETWORK)
    with zipfile.ZipFile(model.save(tmp_path / "model.keras")) as archive:
        stored = json.loads(archive.read("gtzan.json"))
    assert stored["labels"] == ["a", "b"] and stored["temperature"] == 1.5


def test_settings_of_the_first_version_can_be_read(tmp_path):
    old = {"features": "mfcc", "segment_seconds": 3.0, "shape": [20, 39], "labels": ["a", "b"]}
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        archive.writestr("gtzan.json", json.dumps(old | {"frame_period": 0.0775}))
    inputs = Inputs.out_of(tmp_path / "model.skops")
    assert inputs == Inputs("mfcc", 3.0, (20, 39), ("a", "b"), 0.0775)


@pytest.mark.parametrize("suffix", [".keras", ".skops"])
def test_a_missing_or_damaged_model_is_reported_in_one_line(suffix, tmp_path):
    with pytest.raises(SourceError, match="there is no such model; `gtzan run` makes models"):
        fitted.load(tmp_path / f"none{suffix}")
    path = tmp_path / f"damaged{suffix}"
    whole = trained(NETWORK if suffix == ".keras" else Classical("SVC"))[1].save(path).read_bytes()
    for content in (b"no model", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(SourceError, match="not a model of this series") as error:
            fitted.load(path)
        assert "\n" not in str(error.value)


def test_files_with_another_ending_are_refused(tmp_path):
    with pytest.raises(SettingError, match=r"models of a run end in \.keras or \.skops"):
        fitted.load(tmp_path / "model.h5")
    with pytest.raises(SettingError, match=r"a model's file ends in \.keras"):
        trained(NETWORK)[1].save(tmp_path / "model.h5")
    assert not list(tmp_path.iterdir())


def test_models_from_elsewhere_are_refused(tmp_path):
    _, model = trained(NETWORK)
    model.model.save(tmp_path / "foreign.keras")
    with pytest.raises(SourceError, match="not a model of this series"):
        fitted.load(tmp_path / "foreign.keras")
    three = dataclasses.replace(TABLE, labels=("a", "b", "c"))
    path = dataclasses.replace(model, inputs=three).save(tmp_path / "three.keras")
    with pytest.raises(SourceError, match="2 outputs for 3 labels; train it again"):
        fitted.load(path)


class Unknown(BaseEstimator):
    pass


def test_a_file_with_unknown_types_is_refused(tmp_path):
    path = tmp_path / "unknown.skops"
    skops.io.dump({"model": Unknown()}, path)
    TABLE.put_into(path)
    with pytest.raises(SourceError, match=r"unknown\.skops: not a model of this series.*Unknown"):
        fitted.load(path)


# Crafted files


def rewritten(path, name, change):
    """The archive with one of its parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, change(content) if each == name else content)
    return path


def set_node(trees, field, value):
    getattr(trees[0].tree_, field)[0] = value


CRAFTED = {
    "child out of range": ("RandomForestClassifier", lambda m: set_node(m, "children_left", 10**6)),
    "cycle": ("RandomForestClassifier", lambda m: set_node(m, "children_right", 0)),
    "half a leaf": ("RandomForestClassifier", lambda m: set_node(m, "children_right", -1)),
    "no such feature": ("RandomForestClassifier", lambda m: set_node(m, "feature", 99)),
    "values not finite": ("RandomForestClassifier", lambda m: set_node(m, "value", np.nan)),
    "boosted": (
        "GradientBoostingClassifier",
        lambda m: set_node(m.estimators_[0], "children_left", -7),
    ),
    "too many trees": (
        "GradientBoostingClassifier",
        lambda m: setattr(m, "estimators_", np.repeat(m.estimators_, 3, axis=1)),
    ),
    "support vectors": ("SVC", lambda m: setattr(m, "_n_support", m._n_support * 1000)),
    "coefficients": ("SVC", lambda m: setattr(m, "_dual_coef_", m._dual_coef_[:, :2].copy())),
    "neighbours": ("KNeighborsClassifier", lambda m: setattr(m, "_y", m._y + 10**8)),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_numbers_that_compiled_code_would_trust_are_checked_on_loading(name, tmp_path):
    estimator, craft = CRAFTED[name]
    inputs = dataclasses.replace(TABLE, shape=(20,), columns=())
    _, model = trained(Classical(estimator), inputs=inputs)
    path = tmp_path / "model.skops"
    assert fitted.load(model.save(path)).inputs == inputs
    craft(model.model[-1])
    model.save(path)
    with pytest.raises(SourceError, match="not a model of this series") as error:
        fitted.load(path)
    assert "\n" not in str(error.value)


def test_a_boosters_trees_are_checked_on_loading(tmp_path):
    _, model = trained(Classical("XGBClassifier", {"n_estimators": 2}))
    path = model.save(tmp_path / "model.skops")
    assert fitted.load(path).inputs == TABLE  # the sound one
    booster = model.model[-1].get_booster()
    text = booster.save_raw("json").decode()
    assert '"split_indices":[' in text
    crafted = re.sub(r'"split_indices":\[\d+', '"split_indices":[99999', text)
    booster.load_model(bytearray(crafted.encode()))
    with pytest.raises(SourceError, match=r"not a model of this series .its Booster does not fit"):
        fitted.load(model.save(path))


def test_damaged_bytes_of_a_booster_do_not_end_the_process(tmp_path):
    _, model = trained(Classical("XGBClassifier", {"n_estimators": 2}))
    path = model.save(tmp_path / "model.skops")
    with zipfile.ZipFile(path) as archive:
        parts = [name for name in archive.namelist() if name.endswith(".bin")]
    (booster,) = parts
    length = b"learner{L" + bytes(5)
    longer = b"learner{L" + bytes(4) + b"\xab"  # of the word that follows, 2.9 GB now
    rewritten(path, booster, lambda content: content.replace(length, longer, 1))
    script = "import sys; from gtzan_helpers.models import fitted; fitted.load(sys.argv[1])"
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "not a model of this series" in done.stderr


def test_labels_of_a_models_file_do_nothing_to_a_terminal_or_page(tmp_path):
    _, model = trained(
        Classical("LogisticRegression"),
        inputs=dataclasses.replace(TABLE, labels=("\x1b[1ma", "<b>")),
    )
    loaded = fitted.load(model.save(tmp_path / "model.skops"))
    assert loaded.inputs.labels == ("\\x1b[1ma", "‹b>")


@pytest.mark.parametrize("learner", [Classical("LogisticRegression"), NETWORK])
def test_a_model_whose_probabilities_are_none_is_refused(learner, tmp_path):
    X, model = trained(learner)
    if isinstance(learner, Classical):
        model.model[-1].coef_ = model.model[-1].coef_ * np.nan
    else:
        model.model.set_weights([weight * np.nan for weight in model.model.get_weights()])
    words = "gives probabilities beyond 0 to 1; train it again"
    with pytest.raises(SourceError, match=words):
        fitted.load(model.save(tmp_path / f"model{model.suffix}"))
    with pytest.raises(SourceError, match=words):
        model.probabilities(X)


def test_a_model_whose_parts_do_not_fit_together_is_refused_on_loading(tmp_path):
    _, model = trained(Classical("LogisticRegression"))
    model.model[-1].coef_ = model.model[-1].coef_[:, :2]
    with pytest.raises(SourceError, match="not a model of this series") as error:
        fitted.load(model.save(tmp_path / "model.skops"))
    assert "\n" not in str(error.value)


def test_a_network_of_more_weights_than_its_file_holds_is_not_built(tmp_path):
    _, model = trained(NETWORK)
    path = model.save(tmp_path / "model.keras")
    rewritten(path, "config.json", lambda text: re.sub(rb"\b8\b(?!\.)", b"1000000", text))
    with pytest.raises(SourceError, match=r"it claims [\d,]{9,} weights in [\d,]{5,6} bytes"):
        fitted.load(path)


def tiled(x):
    return keras.ops.max(keras.ops.tile(x[:, :, None], (1, 1, 10**8)), axis=-1)


def shared(x):
    wider, x = keras.layers.UpSampling1D(300), x[:, :, None]
    for _ in range(3):
        x = wider(x)
    return keras.layers.GlobalMaxPooling1D()(x)


def wrapped(x):
    inner = keras.Sequential([keras.layers.UpSampling1D(10**7), keras.layers.GlobalMaxPooling1D()])
    return keras.layers.Flatten()(keras.layers.TimeDistributed(inner)(x[:, None, :, None]))


def many(x, n_arrays=40):
    wide = keras.layers.RepeatVector(1_000_000)(x)
    changed = [keras.layers.Rescaling(float(n))(wide) for n in range(n_arrays)]
    return keras.layers.GlobalAveragePooling1D()(keras.layers.Add()(changed))


def few_for_each_of_a_batch(x):
    return many(x, n_arrays=2)


def steps_of_a_recurrence(x):
    return keras.layers.GRU(1)(keras.layers.UpSampling1D(1_000_000)(x[:, :, None]))


BODIES = [tiled, shared, wrapped, many, few_for_each_of_a_batch, steps_of_a_recurrence]


@pytest.mark.parametrize("body", BODIES)
def test_a_network_of_huge_arrays_is_refused_whatever_makes_them(tmp_path, body):
    model = network_of(body)
    with pytest.raises(SourceError, match=r"for one batch it computes arrays of [\d,]{9,}"):
        fitted.load(model.save(tmp_path / "model.keras"))


def test_a_network_that_computes_for_ever_is_left_alone(tmp_path, monkeypatch):
    def steps(x):
        return keras.layers.GRU(1)(keras.layers.UpSampling1D(30_000)(x[:, :, None]))

    monkeypatch.setattr(fitted, "TRIAL_SECONDS", 1)
    with pytest.raises(SourceError, match="it takes longer than 1 s"):
        fitted.load(network_of(steps).save(tmp_path / "model.keras"))


def network_of(body):
    x = keras.Input((4,))
    return FittedNetwork(keras.Model(x, keras.layers.Dense(2, "softmax")(body(x))), TABLE)


@pytest.mark.parametrize("suffix", [".keras", ".skops"])
def test_a_model_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, suffix):
    _, model = trained(NETWORK if suffix == ".keras" else Classical("SVC"))
    path = model.save(tmp_path / f"model{suffix}")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more", bytes(150 << 20))
    with pytest.raises(SourceError, match="would unpack to 157,"):
        fitted.load(path)
