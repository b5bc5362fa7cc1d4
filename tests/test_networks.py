"""Every network: the shape of what it gives, that it can learn, and what it refuses."""

import json

import numpy as np
import pytest

from gtzan_helpers import networks, systems
from gtzan_helpers.errors import NotPossibleError, SettingError

SHAPES = {
    "": (57,),
    "log_mel": (128, 39),
    "mfcc": (20, 39),
    "stacked": (87, 387),
    "patches": (1756,),
}


def shape_of(system_id):
    system = systems.get(system_id)
    whole = system.array == "log_mel" and system.unit == "track"
    return (128, 387) if whole else SHAPES[system.array]


each = pytest.mark.parametrize("system_id", networks.names())


@each
def test_a_network_gives_probabilities_for_any_number_of_labels(system_id, rng):
    model = networks.get(system_id).build(shape_of(system_id), 3, n_components=5)
    probs = model.predict_on_batch(rng.normal(size=(4, *shape_of(system_id))).astype(np.float32))
    assert probs.shape == (4, 3)
    assert np.allclose(probs.sum(axis=1), 1, atol=1e-5) and (probs >= 0).all()


@each
def test_settings_are_the_same_for_the_same_network_and_tell_others_apart(system_id):
    network, shape = networks.get(system_id), shape_of(system_id)
    first = network.settings(shape, 10)
    assert first == network.settings(shape, 10)
    assert first != network.settings(shape, 9)
    assert json.loads(first)[0]["epochs"] == network.epochs


def test_every_network_is_a_system_and_every_network_system_has_a_network():
    expected = {
        system.system_id
        for system in systems.all_systems().values()
        if system.family in ("ann", "cnn", "crnn")
        and not system.system_id.startswith("stacked_cnn_")
    } | {"ours_musicnn_dense"}
    assert set(networks.names()) == expected


def test_the_first_layer_standardises_by_what_it_is_given():
    mean, deviation = np.array([5.0, -3.0]), np.array([2.0, 0.5])
    model = networks.Network(lambda x: x).build((2, 4), 2, mean=mean, deviation=deviation)
    rows = np.stack([np.full(4, 7.0), np.full(4, -2.5)])[None]
    scaled = model.layers[1](rows)
    assert np.allclose(scaled, [[[1] * 4, [1] * 4]], atol=1e-4)


@pytest.mark.parametrize(("shape", "refused"), [((4, 39), []), ((128, 2), ["images_cnn"])])
def test_small_inputs_are_built_or_refused_in_one_line(shape, refused):
    for system_id in ("images_cnn", "capstone_cnn", "capstone_crnn", "slices_cnn"):
        if system_id in refused:
            with pytest.raises(NotPossibleError, match=r"^[^\n]*do not fit[^\n]*$"):
                networks.get(system_id).build(shape, 3)
        else:
            model = networks.get(system_id).build(shape, 3)
            assert model(np.zeros((2, *shape))).shape == (2, 3)


def test_one_label_is_refused():
    with pytest.raises(NotPossibleError, match="two labels"):
        networks.get("images_ann").build((57,), 1)


def test_an_unknown_network_is_refused_with_those_that_exist():
    with pytest.raises(SettingError, match="'capstone_svm' is no network; choose from images_ann"):
        networks.get("capstone_svm")


# Texture


def texture(x):
    return np.asarray(networks.Texture()(x.astype(np.float32)))[0]


def test_texture_gives_means_deviations_and_changes(rng):
    x = rng.normal(size=(1, 32, 64))
    found = texture(x)
    assert np.allclose(found[:32], x[0].mean(axis=1), atol=1e-5)
    assert np.allclose(found[32:64], x[0].std(axis=1), atol=1e-4)
    change = np.sqrt((np.diff(x[0], axis=1) ** 2).mean(axis=1))
    assert np.allclose(found[64:96], change, atol=1e-4)


def test_texture_does_not_mind_when_things_happen_but_how_fast():
    n = np.arange(128)
    slow, late, fast = (np.sin(2 * np.pi * n * f / 128 + p) for f, p in ((6, 0), (6, 2), (24, 0)))
    slow, late, fast = (texture(np.tile(wave, (1, 32, 1))) for wave in (slow, late, fast))
    rhythm = slice(-16 * 12, None)
    assert np.abs(slow - late).max() < 0.3
    assert np.abs(slow[rhythm] - fast[rhythm]).max() > 1
    assert slow[rhythm][:12].argmax() < fast[rhythm][:12].argmax()
