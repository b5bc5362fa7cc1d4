"""Calibration: temperatures mend probabilities, and errors are weighted by bin."""

import numpy as np
import pytest

from gtzan_helpers.evaluation import calibration

NOTHING = np.zeros((0, 3)), np.zeros(0, dtype=int)


def test_a_temperature_mends_probabilities_that_are_overconfident(rng):
    y_true = rng.integers(0, 4, 4000)
    y_pred = np.where(rng.random(4000) < 0.6, y_true, (y_true + 1) % 4)
    probs = np.full((4000, 4), 0.01)
    probs[np.arange(4000), y_pred] = 0.97
    temperature = calibration.temperature(probs, y_true)
    mended = calibration.tempered(probs, temperature)
    assert temperature > 2
    assert (mended.argmax(axis=1) == y_pred).all()
    assert calibration.calibration_error(probs, y_true) > 0.3
    assert calibration.calibration_error(mended, y_true) < 0.03
    assert calibration.log_loss(mended, y_true) < calibration.log_loss(probs, y_true)


def test_a_temperature_of_one_changes_nothing(rng):
    probs = rng.dirichlet(np.ones(5), 10)
    np.testing.assert_allclose(calibration.tempered(probs, 1.0), probs, atol=1e-3)


def test_reliability_counts_every_example_once_in_bins_of_equal_size(rng):
    bins = calibration.reliability(rng.dirichlet(np.ones(3), 52), rng.integers(0, 3, 52))
    assert bins.n.tolist() == [11, 11, 10, 10, 10] and bins.accuracy.between(0, 1).all()
    assert (bins.confidence.diff().dropna() > 0).all()


def test_the_calibration_error_is_the_one_worked_out_by_hand():
    confidence = np.array([0.6, 0.7, 0.8, 0.9, 1.0])
    probs = np.column_stack([confidence, 1 - confidence])
    error = calibration.calibration_error(probs, np.array([0, 1, 0, 0, 1]))
    assert error == pytest.approx((0.4 + 0.7 + 0.2 + 0.1 + 1.0) / 5)


def test_a_calibrated_model_lies_in_its_band_and_has_the_error_it_should_have(rng):
    errors, inside = [], []
    for _ in range(200):
        probs = rng.dirichlet(np.ones(3), 100)
        y_true = (rng.random((100, 1)) > probs.cumsum(axis=1)).sum(axis=1)
        bins = calibration.reliability(probs, y_true)
        inside.append(bins.accuracy.between(bins.low, bins.high).mean())
        errors.append(calibration.calibration_error(probs, y_true))
    mean, high = calibration.error_of_calibrated(probs)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
    assert np.mean(errors) == pytest.approx(mean, rel=0.15) and mean < high
    assert np.mean(np.array(errors) > high) == pytest.approx(0.05, abs=0.04)


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_prediction_sets_cover_what_they_promise_even_if_the_model_is_bad(rng, coverage):
    covered = []
    for _ in range(300):
        probs, y_true = rng.dirichlet(np.ones(4), 120), rng.integers(0, 4, 120)  # it knows nothing
        threshold = calibration.set_threshold(probs[:60], y_true[:60], coverage)
        sets = calibration.prediction_sets(probs[60:], threshold)
        covered.append(sets[np.arange(60), y_true[60:]].mean())
    assert coverage - 0.01 < np.mean(covered) < coverage + 0.03


def test_too_few_songs_promise_nothing_but_all_labels(rng):
    probs = rng.dirichlet(np.ones(3), 5)
    assert calibration.set_threshold(probs, np.zeros(5, int), 0.9) == 0
    assert calibration.prediction_sets(probs, 0.0).all()


def test_no_predictions_need_no_calibration():
    assert calibration.temperature(*NOTHING) == 1
    assert calibration.reliability(*NOTHING).empty
    assert calibration.calibration_error(*NOTHING) == 0
