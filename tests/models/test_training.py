"""Training: networks learn, training repeats, and the epoch is chosen on the validation set."""

import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from gtzan_helpers.datasets.splits import Split
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.models import classical, fitted, networks, systems, training
from gtzan_helpers.models.fitted import Inputs
from gtzan_helpers.models.learners import Network, OnConvolutions

N_LABELS = 3
LABELS = tuple("abc")


def examples(shape, n=30, seed=0, dtype=np.float32):
    """Examples whose label shows in a third of their rows; as bytes where asked for."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % N_LABELS
    x = rng.normal(100, 20, (n, *shape))
    for label in range(N_LABELS):
        x[labels == label, label::N_LABELS] += 40
    return x.clip(0, 255).astype(dtype), labels


def inputs(shape):
    return Inputs("log_mel", 3.0, shape, LABELS, 0.0775)


def train(network, shape, *, n=30, seed=0, dtype=np.float32, **options):
    x, labels = examples(shape, n, dtype=dtype)
    rows = np.arange(n)
    split = Split(rows[: n - 9], rows[n - 9 : n - 3], rows[n - 3 :])
    model = network.fit(x, labels, split, inputs=inputs(shape), seed=seed, **options)
    return x, labels, model


SMALL = Network("dense", {"units": (16,)}, epochs=5, batch_size=8, learning_rate=1e-2)


@pytest.fixture(scope="module")
def small():
    """Examples, their labels, and a small network that was trained on them."""
    return train(SMALL, (12,))


SHAPES = {
    "dense": (57,), "stacked_nn": (87, 40), "images_cnn": (128, 100), "capstone_cnn": (128, 39),
    "stacked_cnn": (87, 100), "stacked_cnn3d": (87, 100), "slices_cnn": (20, 39),
    "crnn": (128, 39),
}  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [name if name == "dense" else pytest.param(name, marks=pytest.mark.slow) for name in SHAPES],
)
def test_a_network_memorises_twenty_examples_and_predicts_the_same_when_loaded(body, tmp_path):
    network = Network(
        body, epochs=40, patience=None, batch_size=7, learning_rate=2e-3,
        components=body == "stacked_nn",
    )  # fmt: skip
    x, labels, model = train(network, SHAPES[body], n=29)
    predictions = model.probabilities(x[:20]).argmax(axis=1)
    assert (predictions == labels[:20]).mean() >= 0.95
    assert 0 < model.n_parameters <= model.model.count_params()
    loaded = fitted.load(model.save(tmp_path / "model.keras"))
    assert np.allclose(loaded.probabilities(x), model.probabilities(x), atol=1e-6)
    assert loaded.inputs == model.inputs


def test_the_same_seed_gives_the_same_network_and_another_one_another(small):
    (x, _, first), (_, _, second), (_, _, other) = (
        small, *(train(SMALL, (12,), seed=seed) for seed in (0, 1))
    )  # fmt: skip
    assert np.array_equal(first.probabilities(x), second.probabilities(x))
    assert first.history.drop(columns="seconds").equals(second.history.drop(columns="seconds"))
    assert not np.array_equal(first.probabilities(x), other.probabilities(x))


def test_a_convolutional_network_repeats_too():
    network = dataclasses.replace(systems.get("capstone_cnn_regularized").learner, epochs=2)
    (x, _, first), (_, _, second) = (train(network, (128, 39), dtype=np.uint8) for _ in range(2))
    assert np.allclose(first.probabilities(x), second.probabilities(x), atol=1e-5)


# The epoch


def test_the_best_epoch_on_the_validation_set_is_restored(small):
    x, labels, model = small
    history = model.history
    assert list(history.epoch) == [1, 2, 3, 4, 5] and history.best.sum() == 1
    best = history[history.best].iloc[0]
    assert best.val_accuracy == history.val_accuracy.max()
    assert model.note == f"epoch {best.epoch} of 5"
    valid = slice(21, 27)
    accuracy = (model.probabilities(x[valid]).argmax(axis=1) == labels[valid]).mean()
    assert accuracy == pytest.approx(best.val_accuracy)


def test_training_stops_when_validation_no_longer_improves():
    network = dataclasses.replace(SMALL, epochs=60, patience=2)
    x, labels = examples((12,))
    split = Split(np.arange(20), np.arange(20, 30), np.arange(0))
    wrong = np.where(np.arange(30) < 20, labels, (labels + 1) % 3)  # validation gets worse
    model = network.fit(x, wrong, split, inputs=inputs((12,)), seed=0)
    best = model.history[model.history.best].iloc[0]
    assert len(model.history) == best.epoch + 2 < 60
    probs = model.probabilities(x[20:])[np.arange(10), wrong[20:]]
    assert -np.log(probs).mean() == pytest.approx(best.val_loss, rel=1e-3)


def test_without_patience_the_last_epoch_stays():
    _, _, model = train(dataclasses.replace(SMALL, patience=None), (12,))
    assert list(model.history.best) == [False] * 4 + [True]


def test_training_accuracy_is_the_same_on_the_curve_and_of_the_model():
    dropping = dataclasses.replace(SMALL, options={"units": (16,), "dropout": 0.5}, epochs=9)
    x, labels, model = train(dropping, (12,))
    best = model.history[model.history.best].iloc[0]
    right = model.probabilities(x[:21]).argmax(axis=1) == labels[:21]
    assert best.accuracy == pytest.approx(right.mean())


def test_training_ends_with_the_epoch_in_which_the_steps_are_used_up():
    _, _, model = train(SMALL, (12,), steps_limit=4)  # an epoch has three
    assert len(model.history) == 2


def test_balanced_labels_weigh_the_same_in_a_network():
    rows, rng = np.arange(240), np.random.default_rng(0)
    labels = (rows % 10 == 0).astype(int)
    x = (rng.standard_normal((240, 4)) + labels[:, None]).astype(np.float32)
    split = Split(rows[:200], rows[200:220], rows[220:])
    about = Inputs("kaggle", 3.0, (4,), ("common", "rare"))
    shares = [
        (SMALL.fit(x, labels, split, inputs=about, seed=0, balanced=balanced)
         .probabilities(x).argmax(axis=1) == 1).mean()
        for balanced in (False, True)
    ]  # fmt: skip
    assert shares[0] < 0.1 and 0.15 < shares[1] < 0.5


def test_the_test_set_has_no_influence(small):
    x, labels, model = small
    split = Split(np.arange(21), np.arange(21, 27), np.arange(27, 30))
    other = x.copy()
    other[27:] = 0
    again = SMALL.fit(other, labels, split, inputs=inputs((12,)), seed=0)
    assert np.array_equal(again.probabilities(x), model.probabilities(x))


# Batches


def test_batches_are_floats_of_stored_bytes_and_cover_every_row_once_an_epoch(tmp_path):
    x, labels = examples((4, 5), n=23, dtype=np.uint8)
    x[:, 0, 0] = np.arange(23)
    np.save(tmp_path / "x.npy", x)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    batches = training.Batches(stored, np.eye(3)[labels], np.arange(3, 23), SMALL, seed=0)
    orders = []
    for _ in range(2):
        drawn = [batches[index] for index in range(len(batches))]
        assert all(values.dtype == np.float32 for values, _ in drawn)
        rows = np.concatenate([values[:, 0, 0] for values, _ in drawn]).astype(int)
        targets = np.concatenate([targets for _, targets in drawn])
        assert sorted(rows) == list(range(3, 23))
        assert (targets.argmax(axis=1) == labels[rows]).all()
        orders.append(list(rows))
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_moments_are_those_of_the_training_set_in_chunks():
    x, _ = examples((6, 50), n=1200, dtype=np.uint8)
    rows = np.arange(0, 1200, 2)
    mean, deviation = training.moments(x, rows)
    assert np.allclose(mean, x[rows].mean(axis=(0, 2)))
    assert np.allclose(deviation, x[rows].std(axis=(0, 2)))
    constant = np.full((5, 3), 7.0)
    assert training.moments(constant, np.arange(5))[1].tolist() == [1, 1, 1]


# Layers


def test_principal_components_are_those_of_the_training_set():
    network = dataclasses.replace(systems.get("stacked_nn").learner, epochs=1)
    x, _, model = train(network, (87, 40))
    projected = model.hidden(x, networks.PRINCIPAL_COMPONENTS)
    mean, deviation = training.moments(x, np.arange(21))
    scaled = ((x - mean[:, None]) / deviation[:, None]).reshape(len(x), -1)
    expected = PCA(20, svd_solver="full").fit(scaled[:21]).transform(scaled)
    assert projected.shape == (30, 20)
    assert np.allclose(np.abs(projected), np.abs(expected), atol=0.02)


def test_a_classical_model_learns_from_the_convolutions_of_a_network():
    network = dataclasses.replace(systems.get("stacked_cnn").learner, epochs=2)
    x, labels, base = train(network, (87, 100))
    head = OnConvolutions("SVC", {"kernel": "linear"}, components=True)
    _, _, model = train(head, (87, 100), base=base)
    assert (model.probabilities(x[:21]).argmax(axis=1) == labels[:21]).all()
    assert model.model[-1].n_features_in_ == 20 and model.suffix == ""
    other = dataclasses.replace(base, inputs=inputs((87, 99)))
    with pytest.raises(SettingError, match="the model was trained with shape"):
        train(head, (87, 100), base=other)


# What is refused


def test_another_shape_is_refused(small):
    x, _, model = small
    with pytest.raises(SettingError, match=r"takes examples of shape \(12,\), these have \(11,\)"):
        model.probabilities(x[:, :11])


def test_values_that_are_not_finite_are_refused(small):
    x, labels, model = small
    x = x.copy()
    x[4, 0] = np.nan
    with pytest.raises(SourceError, match="example 4 holds values that are not finite"):
        model.probabilities(x)
    split = Split(np.arange(20), np.arange(20, 30), np.arange(0))
    with pytest.raises(SourceError, match="example 4 holds values that are not finite"):
        SMALL.fit(x, labels, split, inputs=inputs((12,)), seed=0)


def test_a_label_that_is_missing_from_the_training_set_is_named():
    x, labels = examples((12,))
    split = Split(np.flatnonzero(labels != 2), np.arange(5), np.arange(0))
    with pytest.raises(NotPossibleError, match="train holds no c"):
        SMALL.fit(x, labels, split, inputs=inputs((12,)), seed=0)


# Occlusion


def test_occlusion_shows_what_a_prediction_rests_on():
    x, labels = examples((12, 10), n=60)
    # Only the rows of the label's own third tell; of label 0 these are 0, 3, 6 and 9.
    flatten = FunctionTransformer(lambda values: values.reshape(len(values), -1))
    pipeline = make_pipeline(flatten, StandardScaler(), LogisticRegression()).fit(x, labels)
    model = classical.FittedClassical(pipeline, inputs((12, 10)))
    example = np.full((12, 10), 100, np.float32)
    example[0::3, :5] = 180
    drops = training.occlusion(model.probabilities, example, 0, size=(1, 5))
    assert drops.shape == (12, 10)
    assert model.probabilities(example[None]).argmax() == 0
    assert drops[0::3, :5].mean() > drops[1::3].mean()
