"""Figures are what they are when worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn import metrics
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


def test_the_interval_of_a_mean_is_that_of_an_accuracy_where_values_are_hits():
    correct = np.arange(290) < 0.55 * 290
    np.testing.assert_allclose(
        evaluate.mean_interval(correct), evaluate.accuracy_interval(correct), atol=0.01
    )


def test_the_interval_of_a_mean_of_shares_is_narrower_than_that_of_hits(rng):
    shares = rng.binomial(5, 0.5, 300) / 5  # a fifth of the variance of a hit or a miss
    low, high = evaluate.mean_interval(shares)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 5 / 300), rel=0.1)
    assert low < shares.mean() < high


def test_no_value_has_no_mean():
    with pytest.raises(ValueError, match="values is empty"):
        evaluate.mean_interval(np.array([]))


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
    counted = found[["precision", "recall", "f1", "examples"]]
    assert counted.loc["blues"].tolist() == pytest.approx([1, 0.75, 6 / 7, 4])
    assert counted.loc["jazz"].tolist() == pytest.approx([2 / 3, 1, 0.8, 2])
    assert counted.loc["mean"].tolist() == pytest.approx([5 / 6, 0.875, (6 / 7 + 0.8) / 2, 6])
    assert found.recall_low["blues"] < 0.75 < found.recall_high["blues"]
    assert found.recall_low["jazz"] == found.recall_high["jazz"] == 1
    assert found.precision_low["blues"] == found.precision_high["blues"] == 1
    assert found.f1_low["jazz"] < 0.8 < found.f1_high["jazz"]


def test_a_reports_intervals_are_those_of_tracks_drawn_again(rng):
    y_true, y_pred = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    found = evaluate.report(y_true, y_pred, list("abc"))
    drawn = rng.integers(0, 200, (1000, 200))
    again = [metrics.f1_score(y_true[d], y_pred[d], average="macro") for d in drawn]
    bounds = found.loc["mean", ["f1_low", "f1_high"]].to_numpy(float)
    assert bounds == pytest.approx(np.quantile(again, [0.025, 0.975]), abs=0.015)


def test_a_label_that_is_neither_there_nor_named_counts_as_nothing():
    found = evaluate.report(np.array([0, 0]), np.array([0, 0]), ["blues", "jazz"])
    assert found.loc["jazz", ["precision", "recall", "f1", "examples"]].tolist() == [0, 0, 0, 0]
    assert found.f1_low.isna()["jazz"] and found.f1["mean"] == 0.5


# Errors


def test_confused_pairs_come_with_the_largest_share_first():
    matrix = pd.DataFrame([[0.5, 0.5, 0], [0.2, 0.8, 0], [0, 0, 1]], list("abc"), list("abc"))
    pairs = evaluate.confused_pairs(matrix)
    assert pairs.to_numpy().tolist() == [["a", "b", 0.5], ["b", "a", 0.2]]


def test_the_second_likeliest_label_counts_for_top_2():
    probs = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    assert evaluate.top_accuracy(probs, np.array([1, 0])) == 0.5
    assert evaluate.top_accuracy(probs, np.array([1, 0]), k=3) == 1


def test_classes_with_near_means_are_joined_first_whatever_the_columns_scale(rng):
    labels = np.repeat(["a", "b", "c"], 20)
    centres = {"a": [0, 5e6], "b": [9, 0], "c": [1, 4e6]}
    values = np.array([centres[label] for label in labels]) + rng.normal(size=(60, 2))
    linkage, names = evaluate.tree(np.column_stack([values, np.ones(60)]), labels)
    assert {names[int(k)] for k in linkage[0, :2]} == {"a", "c"}
    assert np.isfinite(linkage).all()


def test_labels_that_are_mistaken_for_one_another_are_one_cluster():
    matrix = pd.DataFrame(np.eye(4) * 0.5, list("abcd"), list("abcd"))
    matrix.loc["a", "b"] = matrix.loc["b", "a"] = 0.5
    matrix.loc["c", "d"] = matrix.loc["d", "c"] = 0.5
    _, cluster_of = evaluate.clusters(matrix, n_clusters=2)
    assert cluster_of["a"] == cluster_of["b"] != cluster_of["c"] == cluster_of["d"]
    y_true, y_pred = np.array([0, 1, 2, 3]), np.array([1, 1, 0, 2])
    assert evaluate.cluster_accuracy(y_true, y_pred, list("abcd"), cluster_of) == 0.75


def test_mcnemar_agrees_with_the_binomial_by_hand():
    right_a = np.array([True] * 10 + [False] * 90)
    right_b = np.array([False] * 10 + [False] * 88 + [True] * 2)
    # 10 against 2 of 12: twice the chance of at most 2 heads
    assert evaluate.mcnemar(right_a, right_b) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert evaluate.mcnemar(right_a, right_a) == 1


# Calibration


def test_a_temperature_mends_answers_that_are_too_sure(rng):
    y = rng.integers(0, 4, 4000)
    answers = np.where(rng.random(4000) < 0.6, y, (y + 1) % 4)
    probs = np.full((4000, 4), 0.01)
    probs[np.arange(4000), answers] = 0.97
    heat = evaluate.temperature(probs, y)
    mended = evaluate.tempered(probs, heat)
    assert heat > 2
    assert (mended.argmax(axis=1) == answers).all()
    assert evaluate.calibration_error(probs, y) > 0.3
    assert evaluate.calibration_error(mended, y) < 0.03
    assert evaluate.loss(mended, y) < evaluate.loss(probs, y)


def test_a_temperature_of_one_changes_nothing(rng):
    probs = rng.dirichlet(np.ones(5), 10)
    np.testing.assert_allclose(evaluate.tempered(probs, 1.0), probs, atol=1e-3)


def test_reliability_counts_every_example_once(rng):
    probs = rng.dirichlet(np.ones(3), 50)
    bins = evaluate.reliability(probs, rng.integers(0, 3, 50))
    assert bins.n.sum() == 50 and bins.right.between(0, 1).all()
    assert (bins.sure.diff().dropna() > 0).all()
