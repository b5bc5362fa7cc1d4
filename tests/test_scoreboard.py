"""Result rows: written and read without loss, merged by key, compared without surprises."""

import json
import math

import pandas as pd
import pytest

from gtzan_helpers import scoreboard
from gtzan_helpers.errors import SourceError
from gtzan_helpers.scoreboard import Row


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


def test_a_row_comes_back_as_it_was_written(tmp_path):
    row = a_row()
    scoreboard.write_row(tmp_path, row, key="k")
    assert scoreboard.read_row(tmp_path, row.stem, key="k") == row


def test_a_row_written_under_another_key_is_stale(tmp_path):
    row = a_row()
    scoreboard.write_row(tmp_path, row, key="old settings")
    assert scoreboard.read_row(tmp_path, row.stem, key="new settings") is None


@pytest.mark.parametrize("text", ["", "{", '{"key": "k"}', '{"key": "k", "extra": 1}'])
def test_a_damaged_row_is_measured_again(tmp_path, text):
    (tmp_path / f"{a_row().stem}.json").write_text(text)
    assert scoreboard.read_row(tmp_path, a_row().stem, key="k") is None


def test_the_columns_are_those_of_the_contract():
    named = """
        system_id source features segment_seconds protocol seed status note n_train n_valid n_test
        train_accuracy valid_accuracy segment_accuracy track_accuracy track_ci_low track_ci_high
        macro_f1 fit_seconds n_parameters pretrained profile versions
    """
    assert list(scoreboard.COLUMNS) == named.split()


def test_a_table_survives_csv(tmp_path):
    table = scoreboard.table([a_row(), refused(note="needs audio")])
    table.to_csv(tmp_path / "s.csv", index=False)
    pd.testing.assert_frame_equal(scoreboard.read(tmp_path / "s.csv"), table)


def test_the_newer_of_two_rows_with_one_key_stays():
    old, new = scoreboard.table([a_row(accuracy=0.4)]), scoreboard.table([a_row(accuracy=0.6)])
    merged = scoreboard.merge(old, new)
    assert merged.track_accuracy.tolist() == [0.6]


def test_a_refusal_never_replaces_a_measurement():
    measured = scoreboard.table([a_row()])
    gone = scoreboard.table([a_row(status="not_measured", accuracy=math.nan)])
    assert scoreboard.merge(measured, gone).status.tolist() == ["measured"]


def test_rows_stand_in_the_order_of_the_table_of_systems():
    rows = scoreboard.table([a_row("stacked_svm"), a_row("images_ann"), a_row("capstone_knn")])
    merged = scoreboard.merge(rows[:0], rows)
    assert merged.system_id.tolist() == ["images_ann", "capstone_knn", "stacked_svm"]


def test_the_price_is_reproduced_less_honest():
    rows = [a_row(protocol="track_random", accuracy=0.72), a_row(accuracy=0.52)]
    line = scoreboard.comparison(scoreboard.table(rows)).iloc[0]
    assert (line.published, line.reproduced, line.honest) == (0.72, 0.72, 0.52)
    assert line.price == pytest.approx(0.20)


def test_a_study_scored_by_segment_is_reproduced_by_segment():
    row = a_row("capstone_crnn", "segment_random", segment_accuracy=0.8, track_accuracy=0.9)
    assert scoreboard.comparison(scoreboard.table([row])).reproduced.iloc[0] == 0.8


def test_several_seeds_give_their_mean():
    rows = [a_row(accuracy=0.50), a_row(accuracy=0.54, seed=1)]
    assert scoreboard.comparison(scoreboard.table(rows)).honest.iloc[0] == pytest.approx(0.52)


def test_where_no_partition_is_possible_the_next_honest_protocol_counts():
    rows = scoreboard.table([a_row(protocol="track_random"), a_row(status="not_measured")])
    assert scoreboard.honest_protocol(rows) == "track_random"


def test_what_was_not_measured_is_a_dash_and_keeps_its_reason():
    compared = scoreboard.comparison(scoreboard.table([refused(note="needs audio")]))
    assert compared.note.iloc[0] == "needs audio"
    assert "| – | track_random | – |" in scoreboard.markdown(compared)


def test_controls_do_not_count():
    rows = scoreboard.table([a_row(status="control")])
    assert math.isnan(scoreboard.comparison(rows).honest.iloc[0])


def test_a_folder_without_results_says_what_makes_them(tmp_path):
    with pytest.raises(SourceError, match="no results there; `gtzan run` makes them"):
        scoreboard.read(tmp_path)


def test_a_result_of_another_version_is_named(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text(json.dumps({"key": "", "colour": "red"}))
    with pytest.raises(SourceError, match=r"x\.json: not a result of this version"):
        scoreboard.read(tmp_path)


def test_text_between_markers_is_replaced_and_nothing_else():
    text = "a\n<!-- m -->\nold | \\1\n<!-- /m -->\nb\n"
    once = scoreboard.replace_between(text, "m", "new \\g<9>")
    assert once == "a\n<!-- m -->\nnew \\g<9>\n<!-- /m -->\nb\n"
    assert scoreboard.replace_between(once, "m", "new \\g<9>") == once


def test_missing_markers_are_an_error():
    with pytest.raises(SourceError, match="put them back"):
        scoreboard.replace_between("nothing here", "m", "new")
