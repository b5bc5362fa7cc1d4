"""Classical systems learn what can be learnt, and from train alone."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from gtzan_helpers import classical, evaluate
from gtzan_helpers.classical import ClassMixtures
from gtzan_helpers.errors import SettingError


def blobs(seed, *, n=40, n_labels=3, shape=(12,)):
    """Three clouds far apart, on odd scales."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_labels), n)
    centres = 4 * np.random.default_rng(9).standard_normal((n_labels, *shape))
    scales = np.logspace(-3, 3, shape[-1])
    return (centres[y] + rng.standard_normal((y.size, *shape))) * scales, y


def blobs_for(system_id, seed):
    """As rows of a table, or as the wide arrays that the stacked systems take."""
    if system_id.startswith("stacked"):
        return blobs(seed, n=20, shape=(8, 12))
    return blobs(seed)


@pytest.fixture(scope="module", params=classical.names())
def fitted(request):
    X, y = blobs_for(request.param, 0)
    return request.param, classical.build(request.param, n_train=len(X), seed=0).fit(X, y), X


def test_a_system_learns_clouds_that_are_apart(fitted):
    system_id, model, _ = fitted
    X, y = blobs_for(system_id, 1)
    assert (model.predict(X) == y).mean() > 0.97


def test_a_system_does_not_learn_labels_that_mean_nothing():
    X, y = blobs(0)
    shuffled = np.random.default_rng(0).permutation(y)
    model = classical.build("capstone_svm", n_train=len(X), seed=0)
    model.fit(X, shuffled)
    other, truth = blobs(1)
    assert (model.predict(other) == truth).mean() < 0.7


def test_the_scaler_of_a_system_saw_train_only(fitted):
    _, model, X = fitted
    scaler = next(step for step in model if isinstance(step, StandardScaler))
    flat = X.reshape(len(X), -1)
    assert scaler.n_samples_seen_ == len(X)
    np.testing.assert_allclose(scaler.mean_, flat.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(scaler.scale_, flat.std(axis=0), rtol=1e-4)


def test_the_scaler_comes_before_all_that_learns(fitted):
    _, model, _ = fitted
    learners = [step for step in model if not isinstance(step, FunctionTransformer)]
    assert isinstance(learners[0], StandardScaler)


def test_predicting_leaves_the_scaler_as_it_was(fitted):
    system_id, model, _ = fitted
    scaler = next(step for step in model if isinstance(step, StandardScaler))
    before = scaler.mean_.copy()
    model.predict(blobs_for(system_id, 1)[0] + 1000)
    np.testing.assert_array_equal(scaler.mean_, before)


def test_the_same_seed_gives_the_same_predictions(fitted):
    system_id, model, X = fitted
    again = classical.build(system_id, n_train=len(X), seed=0).fit(X, blobs_for(system_id, 0)[1])
    unclear = 3 * blobs_for(system_id, 1)[0].mean(axis=0) + blobs_for(system_id, 2)[0]
    np.testing.assert_array_equal(
        evaluate.probabilities(again, unclear), evaluate.probabilities(model, unclear)
    )


@pytest.mark.parametrize("system_id", classical.SEARCH)
def test_every_setting_that_is_searched_is_one_of_the_models(system_id):
    for settings in classical.SEARCH[system_id]:
        model = classical.build(system_id, n_train=20, seed=0, **settings)[-1]
        assert {name: model.get_params()[name] for name in settings} == settings


def test_the_stacked_systems_keep_no_more_components_than_train_spans():
    model = classical.build("stacked_svm", n_train=30, seed=0)
    assert next(step for step in model if isinstance(step, PCA)).n_components == 29


@pytest.mark.parametrize(("n_train", "expected"), [(20, 19), (900, 899), (901, 900), (5000, 900)])
def test_components_are_900_or_what_train_allows(n_train, expected):
    assert classical.components(n_train) == expected


def test_an_unknown_system_is_refused_with_the_choice():
    with pytest.raises(SettingError, match="'capstone_magic' is no classical system; choose from"):
        classical.build("capstone_magic", n_train=10, seed=0)


# One mixture a class


@pytest.fixture
def clouds(rng):
    y = np.array(["jazz"] * 50 + ["blues"] * 80)
    mixing = rng.standard_normal((2, 3, 3))
    X = rng.standard_normal((130, 3))
    return np.where((y == "jazz")[:, None], X @ mixing[0] + 2, X @ mixing[1]), y


def test_class_mixtures_are_the_gaussian_likelihoods_of_the_formula(clouds):
    X, y = clouds
    found = ClassMixtures().fit(X, y).decision_function(X)
    for k, label in enumerate(["blues", "jazz"]):
        own = X[y == label]
        covariance = np.cov(own.T, bias=True) + 1e-6 * np.eye(3)
        expected = multivariate_normal(own.mean(axis=0), covariance).logpdf(X)
        np.testing.assert_allclose(found[:, k], expected, rtol=1e-8)


def test_class_mixtures_weigh_the_classes_alike(clouds):
    X, y = clouds
    model = ClassMixtures().fit(X, y)
    likelihoods = np.exp(model.decision_function(X))
    expected = likelihoods / likelihoods.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)


def test_class_mixtures_name_the_likeliest_class(clouds):
    X, y = clouds
    model = ClassMixtures().fit(X, y)
    expected = np.array(["blues", "jazz"])[model.decision_function(X).argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), expected)


def test_class_mixtures_stand_fewer_examples_than_dimensions(rng):
    X, y = rng.standard_normal((20, 50)).astype(np.float32), np.repeat([0, 1], 10)
    assert np.isfinite(ClassMixtures().fit(X, y).decision_function(X)).all()


def test_class_mixtures_of_two_gaussians_learn_a_class_of_two_clouds(rng):
    y = np.repeat([0, 1], 100)
    X = 0.5 * rng.standard_normal((200, 2))
    X[:50, 0] -= 4
    X[50:100, 0] += 4  # class 0 lies on both sides of class 1
    assert (ClassMixtures(2, random_state=0).fit(X, y).predict(X) == y).all()


def test_class_mixtures_that_were_not_fitted_are_refused():
    with pytest.raises(NotFittedError):
        ClassMixtures().predict(np.zeros((1, 2)))
