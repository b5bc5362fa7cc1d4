"""Result rows: merged by key, compared without surprises."""

import math

import pytest

from gtzan_helpers.experiments import results, scoreboard
from gtzan_helpers.experiments.results import Row
from gtzan_helpers.report import publish


def a_row(system_id="capstone_svm", protocol="fault_filtered", accuracy=0.5, **changes):
    fields = {
        "system_id": system_id,
        "source": "gtzan",
        "features": "capstone",
        "segment_seconds": 0.0,
        "protocol": protocol,
        "seed": 0,
        "status": "measured",
        "n_test": 290,
        "segment_accuracy": accuracy,
        "track_accuracy": accuracy,
        "track_ci_low": accuracy - 0.06,
        "track_ci_high": accuracy + 0.06,
    }
    return Row(**{**fields, **changes})


def refused(**changes):
    return Row("stacked_svm", "gtzan", "", math.nan, "track_random", 0, "not_measured", **changes)


def test_the_newer_of_two_rows_with_one_key_stays():
    old, new = results.table([a_row(accuracy=0.4)]), results.table([a_row(accuracy=0.6)])
    merged = scoreboard.merge(old, new)
    assert merged.track_accuracy.tolist() == [0.6]


def test_a_refusal_never_replaces_a_measurement():
    measured = results.table([a_row()])
    gone = results.table([a_row(status="not_measured", accuracy=math.nan)])
    assert scoreboard.merge(measured, gone).status.tolist() == ["measured"]


def test_a_refusal_goes_once_the_same_was_measured_from_other_features():
    gone = results.table([a_row(status="not_measured", features="", accuracy=math.nan)])
    merged = scoreboard.merge(gone, results.table([a_row(), a_row(features="kaggle")]))
    assert merged.status.tolist() == ["measured", "measured"]


def test_one_protocol_has_no_price():
    row = a_row("ours_blocks", "fault_filtered", accuracy=0.6)
    assert math.isnan(scoreboard.comparison(results.table([row])).price.iloc[0])


def test_the_headline_has_each_system_once_by_source_and_not_by_result():
    rows = [
        a_row(source="features_30_sec", accuracy=0.9),
        a_row(source="gtzan_log_mel", accuracy=0.5),
        a_row("images_ann", source="features_30_sec", accuracy=0.4),
        a_row("capstone_knn", "track_random", source="mini", accuracy=0.8),
    ]
    line = scoreboard.headline(scoreboard.comparison(results.table(rows)))
    assert line.set_index("system_id").honest.to_dict() == {"capstone_svm": 0.5, "images_ann": 0.4}


def test_rows_stand_in_the_order_of_the_table_of_systems():
    rows = results.table([a_row("stacked_svm"), a_row("images_ann"), a_row("capstone_knn")])
    merged = scoreboard.merge(rows[:0], rows)
    assert merged.system_id.tolist() == ["images_ann", "capstone_knn", "stacked_svm"]


def test_the_price_is_reproduced_less_honest():
    rows = [a_row(protocol="track_random", accuracy=0.72), a_row(accuracy=0.52)]
    line = scoreboard.comparison(results.table(rows)).iloc[0]
    assert (line.published, line.reproduced, line.honest) == (0.72, 0.72, 0.52)
    assert line.price == pytest.approx(0.20)


def test_a_study_scored_by_segment_is_reproduced_by_segment():
    row = a_row("capstone_crnn", "segment_random", accuracy=0.9, segment_accuracy=0.8)
    assert scoreboard.comparison(results.table([row])).reproduced.iloc[0] == 0.8


def test_several_seeds_give_their_mean():
    rows = [a_row(accuracy=0.50), a_row(accuracy=0.54, seed=1)]
    assert scoreboard.comparison(results.table(rows)).honest.iloc[0] == pytest.approx(0.52)


def test_where_no_partition_is_possible_the_next_honest_protocol_counts():
    rows = results.table([a_row(protocol="track_random"), a_row(status="not_measured")])
    assert scoreboard.honest_protocol(rows) == "track_random"


def test_what_was_not_measured_is_a_dash_and_keeps_its_reason():
    compared = scoreboard.comparison(results.table([refused(note="needs audio")]))
    assert compared.note.iloc[0] == "needs audio"
    assert "| – | track_random | – |" in publish.markdown(compared)


def test_controls_do_not_count():
    rows = results.table([a_row(status="control")])
    assert math.isnan(scoreboard.comparison(rows).honest.iloc[0])
