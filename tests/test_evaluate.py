"""Figures are what they are when worked out by hand."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from gtzan_helpers import evaluate


@pytest.fixture
def three_tracks():
    """Ids, probabilities and labels of seven segments; track b is lost, c won by its sum only."""
    ids = np.array(["c", "a", "b", "c", "a", "b", "c"])
    probs = np.array(
        [[0.4, 0.6], [0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3], [0.6, 0.4], [0.9, 0.1]]
    )
    y_true = np.array([0, 0, 1, 0, 0, 1, 0])
    return ids, probs, y_true


def blobs(rng, n_labels):
    y = np.repeat(np.arange(n_labels), 30)
    return rng.standard_normal((y.size, 4)) + 3 * y[:, None], y


# Probabilities


def test_probabilities_are_the_estimators_own(rng):
    X, y = blobs(rng, 3)
    model = LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(evaluate.probabilities(model, X), model.predict_proba(X))


def test_probabilities_of_a_support_vector_machine_are_the_softmax_of_its_scores(rng):
    X, y = blobs(rng, 3)
    model = SVC().fit(X, y)
    expected = softmax(model.decision_function(X), axis=1)
    np.testing.assert_allclose(evaluate.probabilities(model, X), expected)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_probabilities_add_up_to_one_and_rank_as_predicted(rng, n_labels):
    X, y = blobs(rng, n_labels)
    model = SVC().fit(X, y)
    probs = evaluate.probabilities(model, X)
    assert probs.shape == (len(X), n_labels)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    np.testing.assert_array_equal(probs.argmax(axis=1), model.predict(X))


# Votes


def test_a_track_gets_the_mean_of_its_segments(three_tracks):
    tracks, probs, y_true = evaluate.by_track(*three_tracks)
    assert tracks.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(probs, [[0.8, 0.2], [0.7, 0.3], [1.7 / 3, 1.3 / 3]])
    assert y_true.tolist() == [0, 1, 0]


def test_a_track_of_one_segment_keeps_its_probabilities(rng):
    probs = rng.dirichlet(np.ones(5), 20)
    ids = np.array([f"t{k:02d}" for k in range(20)])
    np.testing.assert_allclose(evaluate.by_track(ids, probs, np.zeros(20, int))[1], probs)


# Scores


def test_scores_are_those_worked_out_by_hand(three_tracks):
    found = evaluate.scores(*three_tracks)
    # Segments: a 2 of 2, b 0 of 2, c 1 of 3. Tracks: a and c right, b taken for label 0.
    assert found.segment_accuracy == pytest.approx(3 / 7)
    assert found.track_accuracy == pytest.approx(2 / 3)
    # Label 0: precision 2/3, recall 1, so F1 = 0.8; label 1 is never said, so 0.
    assert found.macro_f1 == pytest.approx(0.4)
    assert found.track_ci_low <= found.track_accuracy <= found.track_ci_high


def test_perfect_predictions_score_one():
    y_true = np.arange(30) % 3
    found = evaluate.scores(np.arange(30), np.eye(3)[y_true], y_true)
    assert (found.segment_accuracy, found.track_accuracy, found.macro_f1) == (1, 1, 1)
    assert (found.track_ci_low, found.track_ci_high) == (1, 1)


# Intervals


def test_the_interval_at_290_tracks_and_55_percent_is_about_6_points_to_each_side():
    correct = np.arange(290) < 0.55 * 290
    low, high = evaluate.accuracy_interval(correct)
    assert correct.mean() - low == pytest.approx(0.057, abs=0.006)
    assert high - correct.mean() == pytest.approx(0.057, abs=0.006)


def test_the_interval_is_narrower_with_more_tracks():
    widths = [np.ptp(evaluate.accuracy_interval(np.arange(n) % 2 == 0)) for n in (50, 200, 800)]
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2]


def test_the_interval_covers_the_truth_about_as_often_as_it_says(rng):
    hits = 0
    for _ in range(200):
        low, high = evaluate.accuracy_interval(rng.random(200) < 0.6, seed=int(rng.integers(1e6)))
        hits += low <= 0.6 <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_a_lower_level_gives_a_narrower_interval():
    correct = np.arange(100) % 2 == 0
    wide, narrow = (np.ptp(evaluate.accuracy_interval(correct, level=k)) for k in (0.95, 0.5))
    assert narrow < wide / 2


def test_the_same_seed_gives_the_same_interval():
    correct = np.arange(100) % 3 == 0
    first, second = (evaluate.accuracy_interval(correct, seed=5) for _ in range(2))
    assert first == second


def test_no_track_has_no_interval():
    with pytest.raises(ValueError, match="correct is empty"):
        evaluate.accuracy_interval(np.array([], dtype=bool))


# Confusions


def test_a_confusion_says_what_each_label_was_taken_for():
    y_true, y_pred = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 2])
    found = evaluate.confusion(y_true, y_pred, ["blues", "jazz", "rock"])
    assert found.loc["blues"].tolist() == [0.75, 0.25, 0]
    assert found.loc["jazz"].tolist() == [0, 0.5, 0.5]


def test_a_label_that_does_not_occur_is_confused_with_nothing():
    found = evaluate.confusion(np.array([0]), np.array([0]), ["blues", "jazz"])
    assert found.loc["jazz"].tolist() == [0, 0]


def test_a_report_is_the_one_worked_out_by_hand():
    y_true, y_pred = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    found = evaluate.report(y_true, y_pred, ["blues", "jazz"])
    assert found.loc["blues"].tolist() == pytest.approx([1, 0.75, 6 / 7, 4])
    assert found.loc["jazz"].tolist() == pytest.approx([2 / 3, 1, 0.8, 2])
    assert found.loc["mean"].tolist() == pytest.approx([5 / 6, 0.875, (6 / 7 + 0.8) / 2, 6])
