"""Fitted models: saved, loaded, and refused where they do not fit."""

import dataclasses
import json
import zipfile

import h5py
import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from gtzan_helpers.datasets.splits import Split
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.models import fitted
from gtzan_helpers.models.classical import FittedClassical, LogVariances
from gtzan_helpers.models.fitted import Inputs
from gtzan_helpers.models.learners import Classical, Network

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
        ({"segment_seconds": float("nan")}, "lengths, temperature and threshold .* not possible"),
        ({"temperature": 0.0}, "0.0, 0.0.* are not possible"),
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


@pytest.mark.parametrize("learner", [Classical("RandomForestClassifier"), NETWORK])
def test_files_of_models_are_compressed(learner, tmp_path):
    _, model = trained(learner)
    with zipfile.ZipFile(model.save(tmp_path / f"model{model.suffix}")) as archive:
        assert {part.compress_type for part in archive.infolist()} == {zipfile.ZIP_DEFLATED}


def test_a_model_with_logarithms_of_variances_can_be_loaded(tmp_path):
    X = np.random.default_rng(0).uniform(1, 2, (20, 4))
    pipeline = make_pipeline(LogVariances([1, 3]), LogisticRegression()).fit(X, np.arange(20) % 2)
    path = FittedClassical(pipeline, TABLE).save(tmp_path / "model.skops")
    assert (fitted.load(path).probabilities(X) == pipeline.predict_proba(X)).all()


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
