"""Training: it learns, it repeats, it chooses on valid, and it refuses what does not fit."""

import dataclasses
import zipfile

import numpy as np
import pytest

from gtzan_helpers import networks, splits, training
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.networks import Network

N_LABELS = 3
LABELS = tuple("abc")


def examples(shape, n=30, seed=0, dtype=np.float32):
    """Examples whose label shows in a third of their rows; as bytes where asked for."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % N_LABELS
    x = rng.normal(100, 20, (n, *shape))
    for label in range(N_LABELS):
        x[y == label, label::N_LABELS] += 40
    return x.clip(0, 255).astype(dtype), y


def inputs(shape, **changes):
    made = training.Inputs("log_mel", 3.0, shape, LABELS, 0.0775)
    return dataclasses.replace(made, **changes)


def fitted(network, shape, *, n=30, seed=0, dtype=np.float32, **kwargs):
    x, y = examples(shape, n, dtype=dtype)
    rows = np.arange(n)
    split = splits.Split(rows[: n - 9], rows[n - 9 : n - 3], rows[n - 3 :])
    made = inputs(shape)
    return x, y, training.fit(network, x, y, split, inputs=made, seed=seed, **kwargs)


def flat(x):
    return networks.dense(networks.layers.Flatten()(x), units=(16,))


SMALL = Network(flat, epochs=5, batch_size=8, learning_rate=1e-2)

SHAPES = {
    "images_ann": (57,), "stacked_nn": (87, 40), "walkthrough_dense": (57,),
    "walkthrough_dense_validated": (57,), "slices_ann": (57,), "images_cnn": (128, 100),
    "capstone_cnn": (128, 39), "capstone_cnn_regularized": (128, 39), "stacked_cnn": (87, 100),
    "stacked_cnn3d": (87, 100), "slices_cnn": (20, 39), "slices_cnn_augmented": (20, 39),
    "ours_musicnn_dense": (1756,), "ours_texture": (128, 60), "capstone_crnn": (128, 39),
    "capstone_crnn_dropout": (128, 39),
}  # fmt: skip


def test_every_network_is_trained_here():
    assert set(SHAPES) == set(networks.names())


QUICK = {"walkthrough_dense", "capstone_cnn", "capstone_crnn", "ours_texture"}
"""One network of each kind; the others take a minute together."""


@pytest.mark.parametrize(
    "system_id",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SHAPES],
)
def test_a_network_learns_twenty_examples_by_heart_and_says_the_same_when_loaded(
    system_id, tmp_path
):
    network = dataclasses.replace(
        networks.get(system_id), epochs=40, patience=None, batch_size=7, learning_rate=2e-3,
        weight_decay=0.0, mixup=0.0, changes=(),
    )  # fmt: skip
    x, y, trained = fitted(network, SHAPES[system_id], n=29)
    learnt = trained.predict_proba(x[:20])
    assert (learnt.argmax(axis=1) == y[:20]).mean() >= 0.95
    assert 0 < trained.n_parameters <= trained.model.count_params()
    loaded = training.load(trained.save(tmp_path / "model.keras"))
    assert np.allclose(loaded.predict_proba(x), trained.predict_proba(x), atol=1e-6)
    assert loaded.inputs == trained.inputs


def test_the_same_seed_gives_the_same_network_and_another_one_another():
    (x, _, first), (_, _, second), (_, _, other) = (
        fitted(SMALL, (12, 5), seed=seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.predict_proba(x), second.predict_proba(x))
    assert first.history.drop(columns="seconds").equals(second.history.drop(columns="seconds"))
    assert not np.array_equal(first.predict_proba(x), other.predict_proba(x))


def test_a_convolutional_network_with_changes_repeats_too():
    network = dataclasses.replace(
        networks.get("capstone_cnn_regularized"), epochs=2, mixup=0.3, changes=("noise", "mask")
    )
    (x, _, first), (_, _, second) = (fitted(network, (128, 39), dtype=np.uint8) for _ in range(2))
    assert np.allclose(first.predict_proba(x), second.predict_proba(x), atol=1e-5)


# The epoch


def test_the_epoch_that_is_best_on_valid_is_kept():
    x, y, trained = fitted(SMALL, (12, 5))
    history = trained.history
    assert list(history.epoch) == [1, 2, 3, 4, 5] and history.best.sum() == 1
    best = history[history.best].iloc[0]
    assert best.val_accuracy == history.val_accuracy.max()
    valid = slice(21, 27)
    hits = (trained.predict_proba(x[valid]).argmax(axis=1) == y[valid]).mean()
    assert hits == pytest.approx(best.val_accuracy)


def test_training_stops_when_valid_no_longer_gets_better():
    network = dataclasses.replace(SMALL, epochs=60, patience=2)
    x, y = examples((12, 5))
    split = splits.Split(np.arange(20), np.arange(20, 30), np.arange(0))
    noise = np.where(np.arange(30) < 20, y, (y + 1) % 3)  # valid is labelled wrong: it gets worse
    trained = training.fit(network, x, noise, split, inputs=inputs((12, 5)), seed=0)
    kept = int(trained.history.epoch[trained.history.best].iloc[0])
    assert len(trained.history) == kept + 2 < 60
    of_valid = trained.predict_proba(x[20:])[np.arange(10), noise[20:]]
    best = trained.history[trained.history.best].iloc[0]  # and its weights are those kept
    assert -np.log(of_valid).mean() == pytest.approx(best.val_loss, rel=1e-3)


def test_without_patience_the_last_epoch_stays():
    _, _, trained = fitted(dataclasses.replace(SMALL, patience=None), (12, 5))
    assert list(trained.history.best) == [False] * 4 + [True]


def test_epochs_can_be_limited():
    _, _, trained = fitted(SMALL, (12, 5), epochs_limit=2)
    assert len(trained.history) == 2


def test_test_rows_are_never_read():
    x, y = examples((12, 5))
    x[27:] = np.nan
    split = splits.Split(np.arange(20), np.arange(20, 27), np.arange(27, 30))
    with pytest.raises(SourceError, match="example 27 holds values that are not finite"):
        training.fit(SMALL, x, y, split, inputs=inputs((12, 5)), seed=0)
    clean, _ = examples((12, 5))
    other = clean.copy()
    other[27:] = 0
    first, second = (
        training.fit(SMALL, values, y, split, inputs=inputs((12, 5)), seed=0)
        for values in (clean, other)
    )
    assert np.array_equal(first.predict_proba(clean), second.predict_proba(clean))


# Batches


def test_batches_are_floats_of_stored_bytes_and_cover_every_row_once_an_epoch(tmp_path):
    x, y = examples((4, 5), n=23, dtype=np.uint8)
    x[:, 0, 0] = np.arange(23)
    np.save(tmp_path / "x.npy", x)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    batches = training.Batches(stored, y, np.arange(3, 23), SMALL, n_labels=3, seed=0)
    orders = []
    for _ in range(2):
        drawn = [batches[index] for index in range(len(batches))]
        assert all(values.dtype == np.float32 for values, _ in drawn)
        rows = np.concatenate([values[:, 0, 0] for values, _ in drawn]).astype(int)
        targets = np.concatenate([labels for _, labels in drawn])
        assert sorted(rows) == list(range(3, 23))
        assert (targets.argmax(axis=1) == y[rows]).all()
        orders.append(list(rows))
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_moments_are_those_of_train_in_chunks():
    x, _ = examples((6, 50), n=1200, dtype=np.uint8)
    rows = np.arange(0, 1200, 2)
    mean, deviation = training.moments(x, rows)
    assert np.allclose(mean, x[rows].mean(axis=(0, 2)))
    assert np.allclose(deviation, x[rows].std(axis=(0, 2)))
    constant = np.full((5, 3), 7.0)
    assert training.moments(constant, np.arange(5))[1].tolist() == [1, 1, 1]


def test_principal_components_are_those_of_train():
    from sklearn.decomposition import PCA

    x, _, trained = fitted(dataclasses.replace(networks.get("stacked_nn"), epochs=1), (87, 40))
    found = trained.hidden(x, networks.PRINCIPAL_COMPONENTS)
    mean, deviation = training.moments(x, np.arange(21))
    scaled = ((x - mean[:, None]) / deviation[:, None]).reshape(len(x), -1)
    expected = PCA(20, svd_solver="full").fit(scaled[:21]).transform(scaled)
    assert found.shape == (30, 20)
    assert np.allclose(np.abs(found), np.abs(expected), atol=0.02)


# What is refused


def test_another_shape_is_refused():
    x, _, trained = fitted(SMALL, (12, 5))
    with pytest.raises(
        SettingError, match=r"takes examples of shape \(12, 5\), these have \(12, 4\)"
    ):
        trained.predict_proba(x[:, :, :4])


def test_values_that_are_not_finite_are_refused():
    x, _, trained = fitted(SMALL, (12, 5))
    x[4, 0, 0] = np.nan
    with pytest.raises(SourceError, match="example 4 holds values that are not finite"):
        trained.predict_proba(x)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame_period": 0.023}, "frame_period=0.0775, the input has 0.023"),
        ({"segment_seconds": 6.0}, "segment_seconds=3.0, the input has 6.0"),
        ({"features": "mfcc"}, "features=log_mel, the input has mfcc"),
        ({"shape": (12, 6)}, r"shape=\(12, 5\), the input has \(12, 6\)"),
    ],
)
def test_inputs_made_otherwise_are_refused(change, words):
    made = inputs((12, 5))
    made.refuse_other(dataclasses.replace(made, frame_period=0.0776))  # rounding is no difference
    with pytest.raises(SettingError, match=words):
        made.refuse_other(dataclasses.replace(made, **change))


def test_an_empty_label_a_single_label_and_a_missing_one_are_refused():
    with pytest.raises(SourceError, match="a label is empty"):
        inputs((12, 5), labels=("a", " "))
    with pytest.raises(NotPossibleError, match=r"nothing to tell apart.*'a'"):
        inputs((12, 5), labels=("a",))
    x, y = examples((12, 5))
    split = splits.Split(np.flatnonzero(y != 2), np.arange(5), np.arange(0))
    with pytest.raises(NotPossibleError, match="train holds no c"):
        training.fit(SMALL, x, y, split, inputs=inputs((12, 5)), seed=0)


def test_a_missing_or_damaged_model_is_told_in_one_line(tmp_path):
    with pytest.raises(SourceError, match="there is no such model"):
        training.load(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(SourceError, match="not a model of this series"):
        training.load(tmp_path / "text.keras")
    _, _, trained = fitted(SMALL, (12, 5))
    whole = trained.save(tmp_path / "whole.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="not a model of this series"):
        training.load(tmp_path / "half.keras")
    trained.model.save(tmp_path / "foreign.keras")
    with pytest.raises(SourceError, match="not a model of this series"):
        training.load(tmp_path / "foreign.keras")
    with pytest.raises(SettingError, match=r"ends in \.keras"):
        trained.save(tmp_path / "model.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "foreign.keras", "half.keras", "text.keras", "whole.keras",
    ]  # fmt: skip


def test_a_model_holds_its_settings_in_words(tmp_path):
    _, _, trained = fitted(SMALL, (12, 5))
    with zipfile.ZipFile(trained.save(tmp_path / "model.keras")) as archive:
        text = archive.read("gtzan.json").decode()
    assert '"frame_period": 0.0775' in text and '"labels"' in text


# Occlusion


def test_occlusion_finds_what_an_answer_rests_on():
    network = dataclasses.replace(SMALL, epochs=30)
    x, y = examples((12, 10), n=60)
    split = splits.Split(np.arange(50), np.arange(50, 60), np.arange(0))
    # Only the rows of the label's own third tell; of label 0 these are 0, 3, 6 and 9.
    trained = training.fit(network, x, y, split, inputs=inputs((12, 10)), seed=0)
    example = np.full((12, 10), 100, np.float32)
    example[0::3, :5] = 180
    drops = training.occlusion(trained, example, size=(1, 5))
    assert drops.shape == (12, 10)
    assert trained.predict_proba(example[None]).argmax() == 0
    assert drops[0::3, :5].mean() > drops[1::3].mean()
