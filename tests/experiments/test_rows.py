"""What a run leaves: written and read without loss, refused where it is damaged."""

import dataclasses
import json
import os

import numpy as np
import pandas as pd
import pytest
from test_scoreboard import a_row, refused

from gtzan_helpers.errors import SourceError
from gtzan_helpers.experiments import kept, results


def test_a_row_comes_back_as_it_was_written(tmp_path):
    row = a_row()
    results.write_row(tmp_path, row, key="k")
    assert results.read_row(tmp_path, row.stem, key="k") == row


def test_a_row_written_under_another_key_is_stale(tmp_path):
    row = a_row()
    results.write_row(tmp_path, row, key="old settings")
    assert results.read_row(tmp_path, row.stem, key="new settings") is None


@pytest.mark.parametrize("text", ["", "{", '{"key": "k"}', '{"key": "k", "extra": 1}'])
def test_a_damaged_row_is_measured_again(tmp_path, text):
    (tmp_path / f"{a_row().stem}.json").write_text(text)
    assert results.read_row(tmp_path, a_row().stem, key="k") is None


def test_the_columns_are_those_of_the_contract():
    named = """
        system_id source features segment_seconds protocol seed status note n_train n_valid n_test
        train_accuracy valid_accuracy segment_accuracy track_accuracy track_ci_low track_ci_high
        artist_ci_low artist_ci_high macro_f1 fit_seconds n_parameters pretrained profile versions
    """
    assert list(results.COLUMNS) == named.split()


def test_a_table_survives_csv(tmp_path):
    table = results.table([a_row(), refused(note="needs audio")])
    table.to_csv(tmp_path / "s.csv", index=False)
    pd.testing.assert_frame_equal(results.read_run(tmp_path / "s.csv"), table)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2\n", "\x00\xff", "system_id;source\n", ",".join(results.COLUMNS) + "\n"],
)
def test_a_scoreboard_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(SourceError, match=r"s\.csv: not a scoreboard of this version"):
        results.read_run(tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("track_accuracy", 7.5),
        ("track_accuracy", None),
        ("track_ci_low", 0.9),
        ("status", "great"),
        ("protocol", "fair"),
        ("system_id", "no_system"),
        ("seed", 0.5),
        ("seed", 1),  # not that of the file's name
        ("n_test", 12.7),
        ("n_test", True),
    ],
)
def test_a_row_that_no_run_writes_is_named_and_left_out(tmp_path, column, value):
    path = results.write_row(tmp_path / "results", a_row(), key="k")
    path.write_text(json.dumps({**json.loads(path.read_text()), column: value}))
    results.write_row(tmp_path / "results", a_row("capstone_knn"), key="k")
    with pytest.warns(UserWarning, match=rf"{path.name}: not a result of this version"):
        rows = results.read_run(tmp_path)
    assert rows.system_id.tolist() == ["capstone_knn"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_among_the_rows_is_named_and_left_out(tmp_path):
    results.write_row(tmp_path / "results", a_row(), key="k")
    os.mkfifo(tmp_path / "results" / "z.json")
    with pytest.warns(UserWarning, match=r"z\.json: .*not a regular file"):
        assert len(results.read_run(tmp_path)) == 1


def test_a_row_of_gigabytes_is_not_read(tmp_path):
    path = results.write_row(tmp_path / "results", a_row(), key="k")
    os.truncate(path, 100 << 20)
    with pytest.raises(SourceError, match="bytes, more than such a file has"):
        results.read_run(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"test_probs": np.ones((1, 2))},
        {"test_true": np.array([0, 7])},
        {"valid_probs": np.full((2, 2), np.nan)},
        {"labels": np.array(["a", "b", "c"])},
        {"test_id": np.array("a")},
        {"test_id": np.array([["x"], ["y"]])},
        {"test_true": np.array([0.0, 1.0])},
        {"test_probs": np.full((2, 2), 97.0)},
        {"labels": np.array(["b", "a"])},
        {f"test_{name}": np.zeros(0, int) for name in ("id", "segment", "true")}
        | {"test_probs": np.zeros((0, 2))},
    ],
)
def test_predictions_that_do_not_fit_are_damaged(tmp_path, changes):
    part = [np.array(["x", "y"]), np.zeros(2, int), np.array([0, 1]), np.full((2, 2), 0.5)]
    whole = kept.Predictions(np.array(["a", "b"]), *part, *part)
    kept.write_predictions(tmp_path, "good", whole)
    assert kept.read_predictions(tmp_path, "good").test_id.tolist() == ["x", "y"]
    kept.write_predictions(tmp_path, "bad", dataclasses.replace(whole, **changes))
    with pytest.raises(SourceError, match=r"bad\.npz: damaged"):
        kept.read_predictions(tmp_path, "bad")


def test_predictions_that_unpack_to_far_more_than_their_file_are_damaged(tmp_path):
    (tmp_path / "predictions").mkdir()
    np.savez_compressed(tmp_path / "predictions" / "bad.npz", labels=np.zeros(160 << 17))
    with pytest.raises(SourceError, match=r"bad\.npz: damaged .*would unpack to 167,"):
        kept.read_predictions(tmp_path, "bad")


def test_a_folder_without_results_says_what_makes_them(tmp_path):
    with pytest.raises(SourceError, match="no results there; `gtzan run` makes them"):
        results.read_run(tmp_path)


def test_a_result_of_another_version_is_named(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text(json.dumps({"key": "", "colour": "red"}))
    with pytest.raises(SourceError, match=r"x\.json: not a result of this version"):
        results.read_run(tmp_path)
