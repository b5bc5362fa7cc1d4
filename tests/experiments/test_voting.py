"""An ensemble of a run's systems: chosen on validation, its row kept like any other."""

import numpy as np
import pytest
from test_run import a_run, result

from gtzan_helpers import experiments
from gtzan_helpers.experiments.kept import read_predictions


def test_an_ensembles_row_is_kept_like_any_other(tmp_path):
    for system_id in ("capstone_svm", "capstone_logistic_regression", "capstone_random_forest"):
        result(tmp_path, system_id, "fault_filtered")
    run = a_run(tmp_path)
    members, scores = experiments.ensemble(run)
    assert members.votes.sum() >= 1 and set(members.source) == {"synthetic"}
    rows = run.results().table
    (row,) = rows[rows.system_id == "ours_ensemble"].itertuples()
    assert row.track_accuracy == scores.track_accuracy["vote"]
    y_true, y_pred = read_predictions(tmp_path, run.measurement("ours_ensemble").stem).classes()
    assert (y_true == y_pred).mean() == pytest.approx(row.track_accuracy)
    again, _ = experiments.ensemble(run)
    assert again.equals(members)  # an ensemble is no member


def test_without_predictions_there_is_no_ensemble(tmp_path, capsys):
    members, scores = experiments.ensemble(a_run(tmp_path))
    assert members.empty and scores.empty
    np.testing.assert_array_equal(members.columns[:3], ["system_id", "source", "votes"])
