"""Learners: settings that identify them, and what they pass on."""

import dataclasses

import numpy as np
import pytest

from gtzan_helpers.errors import NotPossibleError, SettingError
from gtzan_helpers.models import learners, systems
from gtzan_helpers.models.fitted import Inputs
from gtzan_helpers.models.learners import Classical, Network, OnConvolutions, OnMusicnn, Transfer


def test_defaults_written_out_are_the_same_settings():
    plain = Network("crnn", {"dropout": 0.3})
    written = Network("crnn", {"dropout": 0.3}, epochs=40, patience=12)
    assert plain.settings() == written.settings()


def test_whole_numbers_are_the_same_settings_as_integers_or_floats():
    assert Classical("SVC", {"C": 10.0}).settings() == Classical("SVC", {"C": 10}).settings()


def test_a_new_version_changes_the_settings():
    network = systems.get("images_cnn").learner
    assert dataclasses.replace(network, version=2).settings() == network.settings() | {"version": 2}


def test_searched_options_count_only_where_they_are_searched():
    svm = systems.get("capstone_svm").learner
    assert "search" not in svm.settings()
    assert svm.settings(tuned=True)["search"]["C"] == [1, 3, 10, 30]


def test_settings_contain_those_of_a_head():
    one, other = (OnMusicnn(Classical("SVC", {"C": c})) for c in (1, 2))
    assert one.settings()["head"]["options"] == {"C": 1}
    assert one.settings() != other.settings()


@pytest.mark.parametrize("value", [np.mean, object(), {"f": [print]}])
def test_settings_that_are_neither_names_nor_numbers_are_refused(value):
    with pytest.raises(TypeError, match="settings are names and numbers"):
        learners.canonical({"option": value})


def test_learners_say_what_they_need():
    svm, network = Classical("SVC"), Network("dense")
    assert not svm.trains_epochs and network.trains_epochs
    assert OnMusicnn(network).trains_epochs and not OnMusicnn(svm).trains_epochs
    assert OnMusicnn(svm).pretrained == "MusiCNN" and network.pretrained == ""
    assert Transfer("vgg19").pretrained == "imagenet"
    head = OnConvolutions("SVC", components=True)
    assert head.base == "stacked_cnn" and head.components and head.trains_epochs
    assert systems.get("capstone_svm").learner.search and not svm.search


def test_what_cannot_be_fitted_says_so():
    inputs = Inputs("stacked", 0.0, (87, 40), ("a", "b"))
    data = (np.zeros((2, 87, 40)), np.arange(2), None)
    with pytest.raises(SettingError, match="the fitted network of stacked_cnn is missing"):
        OnConvolutions("SVC").fit(*data, inputs=inputs, seed=0)
    with pytest.raises(NotPossibleError, match="joins the predictions"):
        learners.Average().fit(*data, inputs=inputs, seed=0)
