"""Classical systems learn what can be learnt, and from the training set alone."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import ParameterGrid
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from gtzan_helpers.datasets.splits import Split
from gtzan_helpers.errors import NotPossibleError, SettingError
from gtzan_helpers.models import classical, systems
from gtzan_helpers.models.classical import ClassMixtures
from gtzan_helpers.models.fitted import Inputs
from gtzan_helpers.models.learners import Classical
from gtzan_helpers.models.systems import SYSTEMS

LEARNERS = {
    system.system_id: system.learner
    for system in SYSTEMS.values()
    if type(system.learner) is Classical and system.study != "ours"
}


def blobs(seed, *, n=40, n_labels=3, shape=(12,)):
    """Three clouds far apart, on odd scales."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_labels), n)
    centres = 4 * np.random.default_rng(9).standard_normal((n_labels, *shape))
    scales = np.logspace(-3, 3, shape[-1])
    return (centres[labels] + rng.standard_normal((labels.size, *shape))) * scales, labels


def blobs_for(learner, seed):
    """As rows of a table, or as arrays for principal components."""
    return blobs(seed, n=20, shape=(8, 12)) if learner.components else blobs(seed)


def fit(learner, X, labels, *, features="kaggle", valid=(), **options):
    split = Split(np.setdiff1d(np.arange(len(X)), valid), np.array(valid, int), np.arange(0))
    names = tuple(f"label {i}" for i in np.unique(labels))
    inputs = Inputs(features, 3.0, X.shape[1:], names)
    return learner.fit(X, labels, split, inputs=inputs, seed=0, **options)


@pytest.fixture(scope="module", params=LEARNERS)
def fitted(request):
    learner = LEARNERS[request.param]
    X, labels = blobs_for(learner, 0)
    return learner, fit(learner, X, labels), X


def test_a_system_learns_clouds_that_are_apart(fitted):
    learner, model, _ = fitted
    X, labels = blobs_for(learner, 1)
    probs = model.probabilities(X)
    assert (probs.argmax(axis=1) == labels).mean() > 0.97
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-5)


def test_a_system_does_not_learn_labels_that_mean_nothing():
    X, labels = blobs(0)
    shuffled = np.random.default_rng(0).permutation(labels)
    model = fit(systems.get("capstone_svm").learner, X, shuffled)
    other, y_true = blobs(1)
    assert (model.probabilities(other).argmax(axis=1) == y_true).mean() < 0.7


def test_the_scaler_of_a_system_saw_the_training_set_only(fitted):
    learner, fitted_model, X = fitted
    steps = [step for step in fitted_model.model if not isinstance(step, FunctionTransformer)]
    scaler, flat = steps[0], X.reshape(len(X), -1)
    assert isinstance(scaler, StandardScaler)
    assert scaler.n_samples_seen_ == len(X)
    np.testing.assert_allclose(scaler.mean_, flat.mean(axis=0), rtol=1e-4)
    fitted_model.probabilities(blobs_for(learner, 1)[0] + 1000)
    np.testing.assert_allclose(scaler.scale_, flat.std(axis=0), rtol=1e-4)


def test_validation_examples_are_not_fitted_to():
    X, labels = blobs(0)
    moved = X.copy()
    moved[::4] += 1000
    learner, valid = systems.get("ours_svm_segments").learner, np.arange(0, len(X), 4)
    one, other = (fit(learner, values, labels, valid=valid) for values in (X, moved))
    np.testing.assert_array_equal(one.probabilities(X), other.probabilities(X))


def test_the_same_seed_gives_the_same_predictions(fitted):
    learner, model, X = fitted
    again = fit(learner, X, blobs_for(learner, 0)[1])
    unclear = 3 * blobs_for(learner, 1)[0].mean(axis=0) + blobs_for(learner, 2)[0]
    np.testing.assert_array_equal(again.probabilities(unclear), model.probabilities(unclear))


def test_two_labels_have_probabilities_too():
    X, labels = blobs(0, n_labels=2)
    model = fit(Classical("SVC"), X, labels)
    assert model.probabilities(X).shape == (80, 2)
    assert (model.probabilities(X).argmax(axis=1) == labels).all()


# Options


@pytest.mark.parametrize("name", [name for name, learner in LEARNERS.items() if learner.search])
def test_every_option_that_is_searched_is_one_of_the_estimators(name):
    for options in ParameterGrid(dict(LEARNERS[name].search)):
        model = classical.build(LEARNERS[name], n_train=20, seed=0, **options)[-1]
        assert {option: model.get_params()[option] for option in options} == options


def test_options_are_searched_on_the_validation_set():
    rng = np.random.default_rng(0)
    X, labels = rng.standard_normal((60, 2)), np.arange(60) % 2
    X[:, 0] += 3 * labels
    labels[:30:10] = 1 - labels[:30:10]  # wrong labels, which one neighbour alone believes
    learner = Classical("KNeighborsClassifier", search={"n_neighbors": (1, 9)})
    valid = np.arange(30, 60)
    assert fit(learner, X, labels, valid=valid, tuned=True).note == "chosen on valid: n_neighbors=9"
    assert fit(learner, X, labels, valid=valid).note == ""


@pytest.mark.parametrize("estimator", ["LogisticRegression", "RandomForestClassifier", "SVC"])
def test_balanced_labels_are_predicted_about_equally_often(rng, estimator):
    labels = np.repeat([0, 1], [180, 20])
    X = rng.standard_normal((200, 2)) + labels[:, None]
    options = {"max_depth": 2} if estimator == "RandomForestClassifier" else {}
    learner = Classical(estimator, options)
    rare, balanced = (
        (fit(learner, X, labels, balanced=each).probabilities(X).argmax(axis=1) == 1).mean()
        for each in (False, True)
    )
    assert rare < 0.1 and 0.2 < balanced < 0.5


def test_more_neighbours_than_training_examples_are_all_of_them():
    learner = Classical("KNeighborsClassifier", {"n_neighbors": 50})
    assert classical.build(learner, n_train=7, seed=0)[-1].n_neighbors == 7


def test_no_more_components_are_kept_than_the_training_set_spans():
    model = classical.build(systems.get("stacked_svm").learner, n_train=30, seed=0)
    assert next(step for step in model if isinstance(step, PCA)).n_components == 29


@pytest.mark.parametrize(("n_train", "expected"), [(20, 19), (900, 899), (901, 900), (5000, 900)])
def test_components_are_900_or_what_the_training_set_allows(n_train, expected):
    assert classical.components(n_train) == expected


def test_an_unknown_estimator_is_refused_with_the_choice():
    with pytest.raises(
        SettingError, match="estimator 'Magic' does not exist; choose from ClassMixtures"
    ):
        classical.build(Classical("Magic"), n_train=10, seed=0)


# One mixture per class


@pytest.fixture
def clouds(rng):
    labels = np.array(["jazz"] * 50 + ["blues"] * 80)
    mixing = rng.standard_normal((2, 3, 3))
    X = rng.standard_normal((130, 3))
    return np.where((labels == "jazz")[:, None], X @ mixing[0] + 2, X @ mixing[1]), labels


def test_class_mixtures_are_the_gaussian_likelihoods_of_the_formula(clouds):
    X, labels = clouds
    model = ClassMixtures().fit(X, labels)
    likelihoods = model.decision_function(X)
    for k, label in enumerate(["blues", "jazz"]):
        own = X[labels == label]
        covariance = np.cov(own.T, bias=True) + 1e-6 * np.eye(3)
        expected = multivariate_normal(own.mean(axis=0), covariance).logpdf(X)
        np.testing.assert_allclose(likelihoods[:, k], expected, rtol=1e-8)
    expected = np.array(["blues", "jazz"])[likelihoods.argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), expected)


def test_class_mixtures_weigh_the_classes_equally(clouds):
    X, labels = clouds
    model = fit(Classical("ClassMixtures"), X, np.unique(labels, return_inverse=True)[1])
    likelihoods = np.exp(model.model.decision_function(X))
    expected = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.probabilities(X), expected, rtol=1e-6)


def test_class_mixtures_stand_fewer_examples_than_dimensions(rng):
    X, labels = rng.standard_normal((20, 50)).astype(np.float32), np.repeat([0, 1], 10)
    assert np.isfinite(ClassMixtures().fit(X, labels).decision_function(X)).all()


def test_class_mixtures_of_two_gaussians_learn_a_class_of_two_clouds(rng):
    labels = np.repeat([0, 1], 100)
    X = 0.5 * rng.standard_normal((200, 2))
    X[:50, 0] -= 4
    X[50:100, 0] += 4  # class 0 lies on both sides of class 1
    assert (ClassMixtures(2, random_state=0).fit(X, labels).predict(X) == labels).all()


def test_class_mixtures_refuse_what_they_cannot_do():
    with pytest.raises(NotFittedError):
        ClassMixtures().predict(np.zeros((1, 2)))
    with pytest.raises(NotPossibleError, match="two examples of each class; 1 has one"):
        ClassMixtures().fit(np.zeros((3, 2)), np.array([0, 0, 1]))
