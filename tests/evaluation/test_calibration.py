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


def test_reliability_counts_every_example_once(rng):
    bins = calibration.reliability(rng.dirichlet(np.ones(3), 50), rng.integers(0, 3, 50))
    assert bins.n.sum() == 50 and bins.accuracy.between(0, 1).all()
    assert (bins.confidence.diff().dropna() > 0).all()


def test_the_calibration_error_is_the_one_worked_out_by_hand():
    probs = np.array([[0.65, 0.35], [0.65, 0.35], [0.95, 0.05], [0.95, 0.05]])
    # Half of the first bin is correct, all of the second.
    error = calibration.calibration_error(probs, np.array([0, 1, 0, 0]))
    assert error == pytest.approx((0.15 + 0.05) / 2)


def test_no_predictions_need_no_calibration():
    assert calibration.temperature(*NOTHING) == 1
    assert calibration.reliability(*NOTHING).empty
    assert calibration.calibration_error(*NOTHING) == 0
