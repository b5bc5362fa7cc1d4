"""Systems run under protocols: rows, predictions, resuming, refusals."""

import dataclasses
import json

import numpy as np
import pytest

from gtzan_helpers import (
    classical,
    dataset,
    evaluate,
    experiments,
    extract,
    networks,
    scoreboard,
    splits,
    systems,
    training,
)
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError


def run(folder, system_id="capstone_svm", protocol="track_random", **changes):
    settings = {"source": "synthetic", "profile": "smoke", "run_dir": folder, "jobs": 1}
    return experiments.run_system(system_id, protocol=protocol, **{**settings, **changes})


def source():
    return dataset.resolve("synthetic", profile="smoke")


def test_a_row_is_complete_and_adds_up(tmp_path):
    row, predictions = run(tmp_path)
    assert (row.status, row.features, row.segment_seconds) == ("measured", "capstone", 0.0)
    assert row.note == "4-fold, pooled"
    assert row.n_test == 40
    assert row.n_train + row.n_valid == 30
    assert row.segment_accuracy == row.track_accuracy  # whole tracks
    assert row.track_ci_low <= row.track_accuracy <= row.track_ci_high
    assert predictions.test_probs.dtype == np.float16
    assert sorted(predictions.test_id) == sorted(set(predictions.test_id))


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


@pytest.mark.parametrize("damage", [b"", b"not a zip"])
def test_damaged_predictions_are_made_again(tmp_path, damage):
    first, predictions = run(tmp_path)
    (tmp_path / "predictions" / f"{first.stem}.npz").write_bytes(damage)
    again, repaired = run(tmp_path)
    assert again.track_accuracy == first.track_accuracy
    np.testing.assert_array_equal(repaired.test_probs, predictions.test_probs)


def test_the_same_seed_gives_the_same_result_and_another_one_another_split(tmp_path):
    one, _ = run(tmp_path / "a", "capstone_random_forest")
    two, _ = run(tmp_path / "b", "capstone_random_forest")
    other, predictions = run(tmp_path / "c", "capstone_random_forest", seed=1)
    assert one.track_accuracy == two.track_accuracy
    assert other.stem.endswith("__1")
    assert not np.array_equal(predictions.test_id, run(tmp_path / "a")[1].test_id)


def test_auto_means_the_systems_own_protocol_and_the_honest_one(tmp_path):
    rows = experiments.run_systems(
        ["ours_svm_segments"], source="synthetic", profile="smoke", run_dir=tmp_path
    )
    assert rows.protocol.tolist() == ["segment_random", "fault_filtered"]


def test_what_a_source_cannot_give_is_a_row_with_its_reason(tmp_path, rng):
    table = tmp_path / "table.csv"
    lines = extract.extract("synthetic", segment_seconds=0, profile="smoke")
    extract.write_csv(table, lines, segment_seconds=0)
    known = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(known[:-1]), encoding="utf-8")  # no longer the embedded dataset
    rows = experiments.run_systems(
        ["stacked_svm", "capstone_svm"],
        source=table,
        profile="smoke",
        protocols="fault_filtered",
        run_dir=tmp_path,
    )
    assert rows.status.tolist() == ["not_measured", "not_measured"]
    assert "'stacked' needs audio" in rows.note[0]
    assert "not in the published partition" in rows.note[1]


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


def test_an_ablation_looks_at_valid_only():
    data = extract.extract("synthetic", segment_seconds=0, profile="smoke")
    sets = {"few": list(data.columns[:5]), "all": list(data.columns)}
    found = experiments.ablate(data, sets, system_id="capstone_svm", protocol="fault_filtered")
    part = splits.make("fault_filtered", data.segments, data.tracks, seed=0)[0]
    _, y = np.unique(data.segments.genre.to_numpy(str), return_inverse=True)
    model = classical.build("capstone_svm", n_train=len(part.train), seed=0)
    model.fit(data.values[part.train], y[part.train])
    assert found.n_columns.tolist() == [5, 57]
    assert found.track_accuracy[1] == model.score(data.values[part.valid], y[part.valid])


def test_unknown_words_are_named(tmp_path):
    with pytest.raises(SettingError, match="'fair' does not exist"):
        experiments.run_systems(
            ["capstone_svm"], source="synthetic", profile="smoke", protocols="fair"
        )


def test_rows_of_a_run_are_read_back_together(tmp_path):
    run(tmp_path)
    run(tmp_path, "capstone_knn")
    assert set(scoreboard.read(tmp_path).system_id) == {"capstone_svm", "capstone_knn"}


# Networks


def test_a_network_leaves_its_model_its_history_and_a_row(tmp_path):
    row, predictions = run(tmp_path, "images_ann", "fault_filtered")
    assert row.status == "measured" and row.note == "epoch 1 of 1" and row.n_parameters > 1000
    assert "keras" in row.versions
    history = experiments.read_history(tmp_path, row.stem)
    assert list(history.fold) == [0] and history.best.all()
    trained = training.load(experiments.model_path(tmp_path, row.stem))
    data = extract.extract("synthetic", "kaggle", segment_seconds=0, profile="smoke")
    rows = data.segments.track_id.isin(predictions.test_id).to_numpy()
    again = trained.predict_proba(data.values[rows])
    assert np.abs(again - predictions.test_probs.astype(float)).max() < 1e-3
    assert trained.inputs.features == "kaggle" and len(trained.inputs.labels) == 10


def test_a_network_is_not_trained_twice(tmp_path):
    first, _ = run(tmp_path, "images_ann", "fault_filtered")
    path = experiments.model_path(tmp_path, first.stem)
    before = path.stat().st_mtime_ns
    assert run(tmp_path, "images_ann", "fault_filtered")[0] == first
    assert path.stat().st_mtime_ns == before


def test_a_head_uses_the_convolutions_that_are_there_or_makes_them(tmp_path):
    row, _ = run(tmp_path, "stacked_cnn_svm", "track_random")
    assert row.status == "measured" and "principal components" in row.note
    stem = scoreboard.stem("stacked_cnn", "synthetic", "track_random", 0)
    models = sorted((tmp_path / "models").glob(f"{stem}__*.keras"))
    assert len(models) == 1 and row.note.startswith("1 of 4 folds")  # smoke trains no more
    assert (tmp_path / "results" / f"{stem}.json").exists()
    models[0].unlink()
    (tmp_path / "results" / f"{row.stem}.json").unlink()
    again, _ = run(tmp_path, "stacked_cnn_svm", "track_random")
    assert again.track_accuracy == row.track_accuracy and models[0].exists()


# Copies


def test_copies_made_before_the_split_are_on_both_sides(tmp_path):
    task = experiments._task(
        systems.get("slices_cnn_augmented"), source(), "segment_random_augmented", 0, 1
    )
    n_segments = len(task.data.segments) // 4
    part = task.parts[0]
    both = set(part.train % n_segments) & set(part.test % n_segments)
    assert len(both) > 0.5 * len(set(part.test % n_segments))


def test_copies_made_after_the_split_are_of_training_segments_only():
    system = systems.get("slices_cnn_augmented")
    task = experiments._task(system, source(), "segment_random", 0, 1)
    plain = experiments._task(systems.get("slices_cnn"), source(), "segment_random", 0, 1)
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


# Variants, and seconds heard


def test_variants_are_compared_on_valid_and_read_back(tmp_path):
    ann = networks.get("images_ann")
    variants = {"plain": ann, "wide": dataclasses.replace(ann, options={"units": (64,)})}
    arguments = {"system_id": "images_ann", "source": source(), "protocol": "fault_filtered"}
    first = experiments.compare_networks(variants, **arguments, run_dir=tmp_path)
    assert list(first.variant) == ["plain", "wide"] and first.valid_accuracy.between(0, 1).all()
    paths = {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").iterdir()}
    again = experiments.compare_networks(variants, **arguments, run_dir=tmp_path)
    assert first.equals(again)
    assert paths == {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").iterdir()}
    assert not (tmp_path / "results").exists()  # test was not touched


def test_all_seconds_heard_give_the_accuracy_of_the_row(tmp_path):
    row, _ = run(tmp_path, "capstone_cnn", "fault_filtered")
    heard = experiments.accuracy_by_seconds(
        "capstone_cnn", source(), protocol="fault_filtered", run_dir=tmp_path
    )
    assert list(heard.seconds) == [1, 2, 3, 6]  # the tracks have 6 s
    assert heard.track_accuracy.iloc[-1] == row.track_accuracy


def test_an_embedding_is_what_the_last_layer_reads_and_leaves_copies_out(tmp_path):
    arguments = {"protocol": "fault_filtered", "run_dir": tmp_path}
    with pytest.raises(SourceError, match="slices_cnn_augmented was not trained on this split"):
        experiments.embed("slices_cnn_augmented", source(), **arguments)
    row, predictions = run(tmp_path, "slices_cnn_augmented", "fault_filtered")
    found, test = experiments.embed("slices_cnn_augmented", source(), **arguments)
    plain = extract.extract(source(), "mfcc", segment_seconds=3)
    assert found.segments.equals(plain.segments) and found.values.shape[1] == 256
    assert sorted(test) == sorted(set(predictions.test_id))
    trained = training.load(experiments.model_path(tmp_path, row.stem))
    weights, bias = trained.model.layers[-1].get_weights()
    scores = np.exp(found.values @ weights + bias)
    said = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(said, trained.predict_proba(plain.values), atol=1e-4)


# Damage, and other music


def test_undamaged_songs_give_the_accuracy_of_the_row_and_damage_is_judged_on_test(tmp_path):
    row, predictions = run(tmp_path, "capstone_cnn", "fault_filtered")
    arguments = {"protocol": "fault_filtered", "run_dir": tmp_path}
    hurt = experiments.robustness(
        "capstone_cnn", source(), **arguments, doses={"gain": (-20.0,), "low-pass": (500.0,)}
    )
    assert list(hurt.kind) == ["none", "gain", "low-pass"]
    assert hurt.track_accuracy[0] == row.track_accuracy
    # Levels are relative to a song's loudest point: gain alone changes nothing.
    assert abs(hurt.track_accuracy[1] - row.track_accuracy) <= 1.01 / len(set(predictions.test_id))
    with pytest.raises(NotPossibleError, match="damage is done to sound or log-mel"):
        experiments.robustness("images_ann", source(), **arguments)


@pytest.mark.filterwarnings("ignore:.*named like GTZAN's")
def test_a_saved_network_is_asked_about_other_music(tmp_path, labelled_folder):
    other = labelled_folder(("blues", "rock", "polka"), tracks=2, seconds=3.2)
    (other / "rock" / "broken.wav").write_bytes(b"RIFF")
    row, _ = run(tmp_path, "capstone_cnn", "fault_filtered")
    path = experiments.model_path(tmp_path, row.stem)
    found = experiments.evaluate_model(path, other)
    assert found.n_tracks == 4 and list(found.confusion.index) == ["blues", "rock"]
    assert len(found.confusion.columns) == 10
    assert list(found.unknown.genre) == ["polka", "polka"]
    assert list(found.failures.track_id) == ["broken"]
    assert 0 <= found.scores.track_accuracy <= 1
    with pytest.raises(NotPossibleError, match="has none of the model's labels"):
        experiments.evaluate_model(path, labelled_folder(("x", "y"), seconds=3.2, name="xy"))


@pytest.mark.filterwarnings("ignore:.*named like GTZAN's")
def test_a_model_of_tracks_takes_songs_of_other_lengths(tmp_path, labelled_folder):
    row, _ = run(tmp_path, "ours_texture", "fault_filtered")
    path = experiments.model_path(tmp_path, row.stem)
    other = labelled_folder(("blues", "rock"), tracks=2, seconds=9.0)
    assert experiments.evaluate_model(path, other).n_tracks == 4
