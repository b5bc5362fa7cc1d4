"""One row: made once, read back, made again where it is stale; copies on the right side."""

import json

import numpy as np
import pytest
from test_experiments import run, source

from gtzan_helpers import (
    evaluate,
    experiments,
    extract,
    results,
    systems,
    tasks,
    training,
)


def test_accuracy_is_that_of_the_predictions(tmp_path):
    row, predictions = run(tmp_path, "ours_svm_segments", "segment_random")
    scores = evaluate.scores(predictions.test_id, predictions.test_probs, predictions.test_true)
    assert scores.segment_accuracy == row.segment_accuracy


def test_a_row_that_is_there_is_read_and_not_measured_again(tmp_path):
    first, _ = run(tmp_path)
    path = tmp_path / "results" / f"{first.stem}.json"
    before = path.stat().st_mtime_ns
    assert run(tmp_path)[0] == first
    assert path.stat().st_mtime_ns == before


def test_a_row_made_from_other_data_is_measured_again(tmp_path):
    first, _ = run(tmp_path)
    path = tmp_path / "results" / f"{first.stem}.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "key": "of yesterday's data", "track_accuracy": 0.99}))
    assert run(tmp_path)[0].track_accuracy == first.track_accuracy


@pytest.mark.parametrize("damage", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_damaged_predictions_are_made_again(tmp_path, damage):
    first, predictions = run(tmp_path)
    (tmp_path / "predictions" / f"{first.stem}.npz").write_bytes(damage)
    again, repaired = run(tmp_path)
    assert again.track_accuracy == first.track_accuracy
    np.testing.assert_array_equal(repaired.test_probs, predictions.test_probs)


def test_settings_are_searched_on_valid_in_full_only(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=6)
    rows = {
        profile: experiments.run_system(
            "capstone_knn",
            folder,
            protocol="track_random",
            profile=profile,
            run_dir=tmp_path / profile,
        )[0]
        for profile in ("quick", "full")
    }
    assert "chosen on valid" not in rows["quick"].note
    assert "chosen on valid: n_neighbors=" in rows["full"].note


def test_the_stacked_systems_say_how_many_components_train_allowed(tmp_path):
    row, _ = run(tmp_path, "stacked_svm", "fault_filtered")
    assert row.note == f"{row.n_train - 1} principal components"


def test_a_network_leaves_its_model_its_history_and_a_row(tmp_path):
    row, predictions = run(tmp_path, "images_ann", "fault_filtered")
    assert row.status == "measured" and row.note == "epoch 1 of 1" and row.n_parameters > 1000
    assert "keras" in row.versions
    history = results.read_history(tmp_path, row.stem)
    assert list(history.fold) == [0] and history.best.all()
    trained = training.load(results.model_path(tmp_path, row.stem))
    data = extract.extract("synthetic", "kaggle", segment_seconds=0, profile="smoke")
    rows = data.segments.track_id.isin(predictions.test_id).to_numpy()
    again = trained.predict_proba(data.values[rows])
    assert np.abs(again - predictions.test_probs.astype(float)).max() < 1e-3
    assert trained.inputs.features == "kaggle" and len(trained.inputs.labels) == 10


def test_a_network_is_not_trained_twice(tmp_path):
    first, _ = run(tmp_path, "images_ann", "fault_filtered")
    path = results.model_path(tmp_path, first.stem)
    before = path.stat().st_mtime_ns
    assert run(tmp_path, "images_ann", "fault_filtered")[0] == first
    assert path.stat().st_mtime_ns == before


def test_a_head_uses_the_convolutions_that_are_there_or_makes_them(tmp_path):
    row, _ = run(tmp_path, "stacked_cnn_svm", "track_random")
    assert row.status == "measured" and "principal components" in row.note
    stem = results.stem("stacked_cnn", "synthetic", "track_random", 0)
    models = sorted((tmp_path / "models").glob(f"{stem}__*.keras"))
    assert len(models) == 1 and row.note.startswith("1 of 4 folds")  # smoke trains no more
    assert (tmp_path / "results" / f"{stem}.json").exists()
    models[0].unlink()
    (tmp_path / "results" / f"{row.stem}.json").unlink()
    again, _ = run(tmp_path, "stacked_cnn_svm", "track_random")
    assert again.track_accuracy == row.track_accuracy and models[0].exists()


def test_copies_made_before_the_split_are_on_both_sides(tmp_path):
    task = tasks.make(
        systems.get("slices_cnn_augmented"), source(), "segment_random_augmented", seed=0
    )
    n_segments = len(task.data.segments) // 4
    part = task.parts[0]
    both = set(part.train % n_segments) & set(part.test % n_segments)
    assert len(both) > 0.5 * len(set(part.test % n_segments))


def test_copies_made_after_the_split_are_of_training_segments_only():
    system = systems.get("slices_cnn_augmented")
    task = tasks.make(system, source(), "segment_random", seed=0)
    plain = tasks.make(systems.get("slices_cnn"), source(), "segment_random", seed=0)
    n_segments = len(plain.data.segments)
    part, before = task.parts[0], plain.parts[0]
    assert len(part.train) == 4 * len(before.train)
    assert set(part.train % n_segments) == set(before.train)
    assert np.array_equal(part.test, before.test) and np.array_equal(part.valid, before.valid)
    assert max(part.test) < n_segments


def test_only_systems_with_copies_know_the_augmented_protocol(tmp_path):
    row, predictions = run(tmp_path, "slices_cnn", "segment_random_augmented")
    assert row.status == "not_measured" and predictions is None
    assert "for systems that make copies" in row.note
