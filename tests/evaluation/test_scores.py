"""Scores are what they are when worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from gtzan_helpers.evaluation import scores

NOTHING = np.zeros(0, dtype=int)


@pytest.fixture
def three_tracks():
    """Ids, probabilities and labels of seven segments; track b is lost, c won by its sum only."""
    ids = np.array(["c", "a", "b", "c", "a", "b", "c"])
    probs = np.array(
        [[0.4, 0.6], [0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3], [0.6, 0.4], [0.9, 0.1]]
    )
    y_true = np.array([0, 0, 1, 0, 0, 1, 0])
    return ids, probs, y_true


def test_a_track_gets_the_mean_of_its_segments(three_tracks):
    tracks, probs, y_true = scores.by_track(*three_tracks)
    assert tracks.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(probs, [[0.8, 0.2], [0.7, 0.3], [1.7 / 3, 1.3 / 3]])
    assert y_true.tolist() == [0, 1, 0]


def test_a_track_of_one_segment_keeps_its_probabilities(rng):
    probs = rng.dirichlet(np.ones(5), 20)
    ids = np.array([f"t{k:02d}" for k in range(20)])
    np.testing.assert_allclose(scores.by_track(ids, probs, np.zeros(20, int))[1], probs)


def test_scores_are_those_worked_out_by_hand(three_tracks):
    result = scores.score(*three_tracks)
    # Segments: a 2 of 2, b 0 of 2, c 1 of 3. Tracks: a and c correct, b taken for label 0.
    assert result.segment_accuracy == pytest.approx(3 / 7)
    assert result.track_accuracy == pytest.approx(2 / 3)
    # Label 0: precision 2/3, recall 1, so F1 = 0.8; label 1 is never predicted, so 0.
    assert result.macro_f1 == pytest.approx(0.4)
    assert result.track_ci_low <= result.track_accuracy <= result.track_ci_high


def test_perfect_predictions_score_one():
    y_true = np.arange(30) % 3
    artists = pd.Series(np.arange(30) // 6)
    result = scores.score(np.arange(30), np.eye(3)[y_true], y_true, artists)
    assert set(vars(result).values()) == {1}
    unknown = scores.score(np.arange(30), np.eye(3)[y_true], y_true, artists[:29])
    assert np.isnan([unknown.artist_ci_low, unknown.artist_ci_high]).all()


# Intervals


def test_the_interval_at_290_tracks_and_55_percent_is_about_6_points_to_each_side():
    correct = np.arange(290) < 0.55 * 290
    low, high = scores.accuracy_interval(correct)
    assert correct.mean() - low == pytest.approx(0.057, abs=0.006)
    assert high - correct.mean() == pytest.approx(0.057, abs=0.006)


def test_the_bootstrap_is_the_one_that_the_committed_rows_were_made_with():
    assert scores.accuracy_interval(np.arange(290) < 150) == pytest.approx(
        (134 / 290, 166 / 290), abs=1e-12
    )


def test_the_interval_is_narrower_with_more_tracks():
    widths = [np.ptp(scores.accuracy_interval(np.arange(n) % 2 == 0)) for n in (50, 200, 800)]
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2]


def test_the_interval_covers_the_truth_about_as_often_as_it_says(rng):
    hits = 0
    for _ in range(200):
        low, high = scores.accuracy_interval(rng.random(200) < 0.6, seed=int(rng.integers(1e6)))
        hits += low <= 0.6 <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_an_interval_over_artists_is_wider_where_their_songs_are_alike(rng):
    labels = np.repeat(["a", "b"], 60)
    artists = np.repeat(np.arange(20), 6)
    alike = np.repeat(rng.random(20) < 0.5, 6)  # an artist's songs are all right or all wrong
    low, high = scores.artist_interval(alike, labels, artists)
    songs_low, songs_high = scores.accuracy_interval(alike)
    assert low <= alike.mean() <= high
    assert high - low > 1.8 * (songs_high - songs_low)
    apart = rng.permutation(alike)
    low, high = scores.artist_interval(apart, labels, artists)
    assert high - low == pytest.approx(songs_high - songs_low, rel=0.35)


def test_an_interval_over_artists_keeps_each_labels_share_of_songs():
    labels = np.repeat(["many", "few"], [90, 10])
    right = labels == "many"
    assert scores.artist_interval(right, labels, np.arange(100)) == pytest.approx((0.9, 0.9))
    alone = scores.artist_interval(np.arange(100) % 2 == 0, labels, labels)
    assert alone == pytest.approx((0.5, 0.5))  # one artist a label cannot vary


def test_the_interval_of_a_mean_is_that_of_an_accuracy_where_values_are_hits():
    correct = np.arange(290) < 0.55 * 290
    np.testing.assert_allclose(
        scores.mean_interval(correct), scores.accuracy_interval(correct), atol=0.01
    )


def test_the_interval_of_a_mean_of_shares_is_narrower_than_that_of_hits(rng):
    shares = rng.binomial(5, 0.5, 300) / 5  # a fifth of the variance of a hit or a miss
    low, high = scores.mean_interval(shares)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 5 / 300), rel=0.1)
    assert low < shares.mean() < high


# Confusions


def test_a_confusion_matrix_shows_how_each_label_was_classified():
    y_true, y_pred = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 2])
    matrix = scores.confusion(y_true, y_pred, ["blues", "jazz", "rock"])
    assert matrix.loc["blues"].tolist() == [0.75, 0.25, 0]
    assert matrix.loc["jazz"].tolist() == [0, 0.5, 0.5]
    assert matrix.loc["rock"].tolist() == [0, 0, 0]


def test_a_report_is_the_one_worked_out_by_hand():
    y_true, y_pred = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    table = scores.report(y_true, y_pred, ["blues", "jazz"])
    counted = table[["precision", "recall", "f1", "examples"]]
    assert counted.loc["blues"].tolist() == pytest.approx([1, 0.75, 6 / 7, 4])
    assert counted.loc["jazz"].tolist() == pytest.approx([2 / 3, 1, 0.8, 2])
    assert counted.loc["mean"].tolist() == pytest.approx([5 / 6, 0.875, (6 / 7 + 0.8) / 2, 6])
    assert table.recall_low["blues"] < 0.75 < table.recall_high["blues"]
    assert table.recall_low["jazz"] == table.recall_high["jazz"] == 1
    assert table.precision_low["blues"] == table.precision_high["blues"] == 1
    assert table.f1_low["jazz"] < 0.8 < table.f1_high["jazz"]


def test_a_reports_intervals_are_those_of_resampled_tracks(rng):
    y_true, y_pred = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    table = scores.report(y_true, y_pred, list("abc"))
    drawn = rng.integers(0, 200, (1000, 200))
    again = [metrics.f1_score(y_true[d], y_pred[d], average="macro") for d in drawn]
    bounds = table.loc["mean", ["f1_low", "f1_high"]].to_numpy(float)
    assert bounds == pytest.approx(np.quantile(again, [0.025, 0.975]), abs=0.015)


def test_a_label_that_is_neither_there_nor_predicted_counts_as_nothing():
    table = scores.report(np.array([0, 0]), np.array([0, 0]), ["blues", "jazz"])
    assert table.loc["jazz", ["precision", "recall", "f1", "examples"]].tolist() == [0, 0, 0, 0]
    assert table.f1_low.isna()["jazz"] and table.f1["mean"] == 0.5


def test_no_predictions_are_confused_with_nothing():
    matrix = scores.confusion(NOTHING, NOTHING, ["blues", "jazz"])
    assert (matrix.to_numpy() == 0).all()
    table = scores.report(NOTHING, NOTHING, ["blues", "jazz"])
    assert table.f1.tolist() == [0, 0, 0] and table.examples["mean"] == 0


# Comparisons


def test_paired_tests_agree_with_the_binomial_by_hand_where_every_artist_has_one_track():
    hits = pd.DataFrame(
        {"a": np.arange(40) < 30, "b": (np.arange(40) < 20) | (np.arange(40) == 35)}
    )
    (line,) = scores.paired_tests(hits, [("a", "b")], pd.Series(dtype=object)).itertuples()
    assert (line.first_only, line.second_only) == (10, 1)
    assert line.difference == pytest.approx(9 / 40)
    assert line.p == pytest.approx(2 * (1 + 11) / 2**11, abs=0.006)


def test_songs_of_one_artist_count_together_and_comparisons_are_corrected():
    hits = pd.DataFrame({"a": np.arange(40) < 30, "b": np.arange(40) < 20, "c": np.arange(40) < 29})
    pairs = [("a", "b"), ("a", "c"), ("b", "b")]
    alone = scores.paired_tests(hits, pairs, pd.Series(dtype=object))
    one_artist = pd.Series(np.where(np.arange(40) < 20, np.arange(40), 99))
    together = scores.paired_tests(hits, pairs, one_artist)
    assert alone.p[0] < 0.01 and together.p.tolist() == [1, 1, 1]
    assert alone.corrected[0] == pytest.approx(3 * alone.p[0])
    assert alone.corrected.tolist()[1:] == [1, 1]


def test_labels_that_are_confused_with_one_another_are_one_cluster():
    matrix = pd.DataFrame(np.eye(4) * 0.5, list("abcd"), list("abcd"))
    matrix.loc["a", "b"] = matrix.loc["b", "a"] = 0.5
    matrix.loc["c", "d"] = matrix.loc["d", "c"] = 0.5
    matrix.loc["e", "e"] = matrix.loc["f", "f"] = 1.0
    matrix = matrix.fillna(0)[list("abcdef")]
    cluster_of = scores.confusion_clusters(matrix)
    assert cluster_of["a"] == cluster_of["b"] != cluster_of["c"] == cluster_of["d"]
    assert len(set(cluster_of.values())) == 4


def test_one_label_is_a_cluster():
    assert scores.confusion_clusters(pd.DataFrame([[1.0]], ["a"], ["a"])) == {"a": 0}
