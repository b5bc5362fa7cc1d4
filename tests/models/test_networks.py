"""Every network: the shape of its output, its size, and what it refuses."""

import numpy as np
import pytest

from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.models import networks
from gtzan_helpers.models.learners import Network
from gtzan_helpers.models.systems import SYSTEMS

NETWORKS = {
    system.system_id: learner
    for system in SYSTEMS.values()
    if isinstance(learner := getattr(system.learner, "head", system.learner), Network)
}

SIZES = {
    "images_ann": (1, (57,), 202826),
    "stacked_nn": (2, (87, 387), 169576),
    "walkthrough_dense": (1, (57,), 202826),
    "walkthrough_dense_validated": (1, (57,), 202826),
    "slices_ann": (1, (57,), 195210),
    "images_cnn": (1, (128, 387), 89546),
    "capstone_cnn": (1, (128, 39), 155338),
    "capstone_cnn_regularized": (2, (128, 39), 155674),
    "stacked_cnn": (2, (87, 387), 75738),
    "stacked_cnn3d": (2, (87, 387), 78786),
    "slices_cnn": (2, (20, 39), 512898),
    "slices_cnn_augmented": (2, (20, 39), 512898),
    "ours_musicnn_dense": (1, (1756,), 113098),
    "capstone_crnn": (2, (128, 39), 124234),
    "capstone_crnn_dropout": (2, (128, 39), 124234),
    "ours_crnn_gru": (2, (128, 39), 124234),
    "ours_crnn_mean": (2, (128, 39), 25162),
    "ours_crnn_shuffled": (2, (128, 39), 124234),
}
"""Version, shape of an example, and number of weights for ten labels."""


@pytest.mark.parametrize("system_id", NETWORKS)
def test_a_network_has_the_size_of_its_version(system_id):
    """A changed architecture needs a new `version`, or stored results would count as its own."""
    version, shape, n_weights = SIZES[system_id]
    network = NETWORKS[system_id]
    assert network.version == version
    model = network.build(shape, 10, n_components=5)
    assert model.count_params() == n_weights


@pytest.mark.parametrize("body", sorted({network.body for network in NETWORKS.values()}))
def test_a_network_gives_probabilities_for_any_number_of_labels(body, rng):
    system_id = next(name for name, network in NETWORKS.items() if network.body == body)
    shape = SIZES[system_id][1]
    model = NETWORKS[system_id].build(shape, 3, n_components=5)
    probs = model.predict_on_batch(rng.normal(size=(4, *shape)).astype(np.float32))
    assert probs.shape == (4, 3)
    assert np.allclose(probs.sum(axis=1), 1, atol=1e-5) and (probs >= 0).all()


def test_the_first_layer_standardises_by_what_it_is_given():
    mean, deviation = np.array([5.0, -3.0]), np.array([2.0, 0.5])
    model = Network("slices_cnn").build((2, 4), 2, mean=mean, deviation=deviation)
    rows = np.stack([np.full(4, 7.0), np.full(4, -2.5)])[None]
    assert np.allclose(model.layers[1](rows), [[[1] * 4, [1] * 4]], atol=1e-4)


@pytest.mark.parametrize(("shape", "refused"), [((4, 39), []), ((128, 2), ["images_cnn"])])
def test_small_inputs_are_built_or_refused_in_one_line(shape, refused):
    for system_id in ("images_cnn", "capstone_cnn", "capstone_crnn", "slices_cnn"):
        if system_id in refused:
            with pytest.raises(NotPossibleError, match=r"^[^\n]*do not fit images_cnn[^\n]*$"):
                NETWORKS[system_id].build(shape, 3)
        else:
            model = NETWORKS[system_id].build(shape, 3)
            assert model(np.zeros((2, *shape))).shape == (2, 3)


def test_shuffled_steps_are_the_same_steps_in_another_order_for_every_example(rng):
    layer, x = networks.Shuffled(), rng.normal(size=(3, 12, 2)).astype(np.float32)
    twice = [np.asarray(layer(x, training=False)) for _ in range(2)]
    assert np.array_equal(*twice)  # predictions stay the same
    assert np.array_equal(np.sort(twice[0], axis=1), np.sort(x, axis=1))
    orders = [[np.flatnonzero((song == step).all(axis=1))[0] for step in mixed]
              for song, mixed in zip(x, twice[0], strict=True)]  # fmt: skip
    assert len({tuple(order) for order in orders}) == 3
    assert not np.array_equal(*(np.asarray(layer(x, training=True)) for _ in range(2)))
