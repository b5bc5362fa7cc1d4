"""What the last notebooks ask of a run, and what they are given where it cannot answer."""

import pandas as pd
import pytest

from gtzan_helpers import experiments
from gtzan_helpers.errors import NotPossibleError


@pytest.fixture(scope="module")
def run(tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as places:
        places.setenv("GTZAN_CACHE", str(session_cache))
        run = experiments.start(profile="smoke", run_dir=tmp_path_factory.mktemp("run"))
        run.measure("capstone_svm", "capstone_knn", "ours_svm_tuned", protocols=run.honest)
    return run


def test_rows_are_read_best_on_validation_first(run):
    rows = experiments.readable_rows(run)
    assert sorted(rows.system_id) == ["capstone_knn", "capstone_svm", "ours_svm_tuned"]
    assert rows.valid.is_monotonic_decreasing and rows.valid.between(0, 1).all()


def test_the_best_is_chosen_within_each_kind_and_by_the_column_asked_for(run):
    rows = experiments.readable_rows(run).assign(other=[0.1, 0.2, 0.3])
    best = experiments.best_of_each_kind(rows)
    assert list(best.index) == ["best classical model", "best of the studies"]
    assert best.system_id["best classical model"] == rows.system_id.iloc[0]
    last = experiments.best_of_each_kind(rows, by="other")
    assert last.system_id["best classical model"] == rows.system_id.iloc[-1]
    assert best.system_id["best of the studies"] != "ours_svm_tuned"


def test_a_classifier_on_a_networks_output_is_no_network():
    names = ["stacked_cnn_gmm", "stacked_cnn", "ours_musicnn_dense"]
    rows = pd.DataFrame({"system_id": names, "valid": [0.9, 0.5, 0.7]})
    best = experiments.best_of_each_kind(rows).system_id
    assert best["best network"] == "stacked_cnn"  # the only one with a layer to look into
    assert best["best of the studies"] == "stacked_cnn_gmm"


def test_damaged_predictions_are_left_out(run):
    path = run.folder / "predictions" / f"{run.measurement('capstone_knn').stem}.npz"
    whole = path.read_bytes()
    path.write_bytes(b"")
    try:
        assert "capstone_knn" not in set(experiments.readable_rows(run).system_id)
    finally:
        path.write_bytes(whole)


def test_a_run_without_predictions_says_so_in_one_line(tmp_path):
    run = experiments.start(profile="smoke", run_dir=tmp_path)
    with pytest.raises(NotPossibleError, match=r"no predictions there yet; `gtzan run` makes them"):
        experiments.readable_rows(run)


def test_features_that_are_not_possible_are_those_of_no_track(run):
    features = experiments.if_possible(run.features, "pictures", segment_seconds=0)
    assert len(features.segments) == len(features.values) == 0
    assert features.frame().empty
    possible = experiments.if_possible(run.features)
    assert len(possible.values) == len(run.features().values)


def test_a_run_without_the_network_names_no_new_song(run):
    answer = experiments.on_new_songs(run, "ours_blocks")
    assert answer.n_tracks == 0 and not answer.confusion.to_numpy().any()
