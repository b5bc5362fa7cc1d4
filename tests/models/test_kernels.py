"""Kernel ridge and shrinkage LDA, beside formulas and scikit-learn."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_ridge import KernelRidge as PlainRidge

from gtzan_helpers.datasets import Split
from gtzan_helpers.models import Calibrated, Inputs, fitted
from gtzan_helpers.models.kernels import ClippedScaler, KernelRidge

LABELS = ("blues", "jazz", "rock")


@pytest.fixture
def songs(rng):
    """Ninety songs of three labels: two columns tell, of a block of four and a block of six."""
    labels = np.arange(90) % 3
    X = rng.normal(size=(90, 10))
    X[:, 0] += 2 * labels
    X[:, 9] += 2 * (labels == 1)
    return X.astype(np.float32), labels


def test_one_kernel_is_the_kernel_ridge_of_scikit_learn(songs):
    X, labels = songs
    model = KernelRidge([10], [1.0], ridge=0.1).fit(X, labels)
    squares = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    plain = PlainRidge(alpha=0.1, kernel="rbf", gamma=0.5 / squares.mean())
    targets = np.eye(3)[labels] - 1 / 3
    assert np.allclose(model.decision_function(X), plain.fit(X, targets).predict(X), atol=1e-4)


def test_kernels_are_added_by_their_weights(songs):
    X, labels = songs
    models = [KernelRidge([4, 6], w).fit(X, labels) for w in ([1, 0], [0, 1], [0.3, 0.7])]
    first, second, both = (model._kernel(X) for model in models)
    assert np.allclose(both, 0.3 * first + 0.7 * second, atol=1e-5)
    assert np.allclose(np.diag(both), 1, atol=1e-4)


def test_an_example_of_little_weight_counts_little(songs):
    X, labels = songs
    wrong = labels.copy()
    wrong[:20] = (wrong[:20] + 1) % 3
    weights = np.where(np.arange(90) < 20, 1e-3, 1.0)
    for weight, believed in ((None, True), (weights, False)):
        model = KernelRidge([4, 6], [0.5, 0.5]).fit(X, wrong, weight)
        assert ((model.predict(X[:20]) == wrong[:20]).mean() > 0.5) == believed


def test_it_is_an_estimator(songs):
    model = KernelRidge([4, 6], [0.5, 0.5])
    assert clone(model).get_params() == {"sizes": [4, 6], "weights": [0.5, 0.5], "ridge": 0.02}
    probs = model.fit(*songs).predict_proba(songs[0])
    assert np.allclose(probs.sum(axis=1), 1) and set(model.classes_) == {0, 1, 2}
    assert np.array_equal(probs.argmax(axis=1), model.predict(songs[0]))


def test_the_scaler_clips_outliers():
    X = np.concatenate([np.zeros((50, 1)), np.ones((50, 1)), [[1e6]]])
    scaled = ClippedScaler().fit(X[:100]).transform(X)
    assert scaled.ravel()[[0, 50, 100]].tolist() == [-1, 1, 3]


def fit(learner, X, labels, n_originals=90):
    columns = tuple([f"a_{i}" for i in range(4)] + [f"b_{i}" for i in range(6)])
    inputs = Inputs("blocks", 0.0, (10,), LABELS, columns=columns)
    train, valid = np.arange(len(X)), np.arange(n_originals - 30, n_originals)
    split = Split(np.setdiff1d(train, valid), valid, valid)
    artists = np.tile(np.arange(n_originals) // 3, len(X) // n_originals).astype(str)
    return learner.fit(X, labels, split, inputs=inputs, seed=0, artists=artists)


def test_blocks_are_known_by_their_columns_and_probabilities_are_calibrated(songs, tmp_path):
    model = fit(Calibrated({}, weights={"a": 0.25, "b": 0.75}), *songs)
    ridge = model.model[-1]
    assert (ridge.sizes, ridge.weights) == ([4, 6], [0.25, 0.75])
    raw = model.model.predict_proba(songs[0])
    assert model.inputs.temperature != 1
    assert np.array_equal(raw.argmax(axis=1), model.probabilities(songs[0]).argmax(axis=1))
    loaded = fitted.load(model.save(tmp_path / "model.skops"))
    assert np.allclose(loaded.probabilities(songs[0]), model.probabilities(songs[0]), atol=1e-6)
    assert loaded.inputs == model.inputs


def test_copies_count_a_tenth_in_lda(songs, rng):
    X, labels = songs
    copies = X + rng.normal(size=X.shape).astype(np.float32)
    learner = Calibrated({"shrinkage": 0.3}, copies=("recording 1",))
    model = fit(learner, np.concatenate([X, copies]), np.tile(labels, 2))
    assert isinstance(model.model[-1], LinearDiscriminantAnalysis)
    # By hand: means of ten times the songs and once the copies.
    scaled, rows = model.model[0].transform(np.concatenate([X, copies])), np.arange(60)
    others = np.concatenate([rows + 90, np.arange(150, 180)])
    for label, mean in enumerate(model.model[-1].means_):
        mine = scaled[rows[labels[rows] == label]]
        theirs = scaled[others[np.tile(labels, 2)[others] == label]]
        expected = (10 * mine.sum(axis=0) + theirs.sum(axis=0)) / (10 * len(mine) + len(theirs))
        assert np.allclose(mean, expected, atol=1e-5)
