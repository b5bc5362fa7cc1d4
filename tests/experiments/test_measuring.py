"""One row: measured once, read back, measured again when stale; copies on the right side."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from test_run import a_run, result

from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotPossibleError, SourceError
from gtzan_helpers.evaluation.scores import score
from gtzan_helpers.experiments import parallel, results
from gtzan_helpers.experiments.measuring import Measurement
from gtzan_helpers.experiments.run import Run
from gtzan_helpers.models import fitted, systems
from gtzan_helpers.workers import Workers


def data(folder, system_id, protocol):
    return a_run(folder).measurement(system_id, protocol).data()


def test_accuracy_is_that_of_the_predictions(tmp_path):
    row, predictions = result(tmp_path, "ours_svm_segments", "segment_random")
    scores = score(predictions.test_id, predictions.test_probs, predictions.test_true)
    assert scores.segment_accuracy == row.segment_accuracy


def test_a_row_that_is_there_is_read_and_not_measured_again(tmp_path):
    first, _ = result(tmp_path)
    path = tmp_path / "results" / f"{first.stem}.json"
    before = path.stat().st_mtime_ns
    assert result(tmp_path)[0] == first
    assert path.stat().st_mtime_ns == before


def test_a_row_with_another_key_is_measured_again(tmp_path):
    first, _ = result(tmp_path)
    path = tmp_path / "results" / f"{first.stem}.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "key": "of yesterday's data", "track_accuracy": 0.99}))
    assert result(tmp_path)[0].track_accuracy == first.track_accuracy


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_damaged_predictions_are_made_again(tmp_path, content):
    first, predictions = result(tmp_path)
    (tmp_path / "predictions" / f"{first.stem}.npz").write_bytes(content)
    again, repaired = result(tmp_path)
    assert again.track_accuracy == first.track_accuracy
    np.testing.assert_array_equal(repaired.test_probs, predictions.test_probs)


def test_a_row_and_its_predictions_agree_whenever_measuring_is_killed(
    tmp_path, labelled_folder, monkeypatch
):
    folder = labelled_folder(tracks=10)

    def killed(*_, **__):
        raise KeyboardInterrupt

    def measured():
        run = Run(open_source(folder, profile="smoke"), 0, tmp_path / "run")
        return run.measurement("capstone_knn", "track_random").result()

    before, _ = measured()
    songs = sorted(folder.glob("*/*.wav"))
    contents = [song.read_bytes() for song in songs]
    for song, other in zip(songs, contents[5:] + contents[:5], strict=True):
        song.write_bytes(other)  # every other label is wrong now
    monkeypatch.setattr(results, "write_row", killed)
    with pytest.raises(KeyboardInterrupt):
        measured()
    monkeypatch.undo()
    for song, content in zip(songs, contents, strict=True):
        song.write_bytes(content)
    row, predictions = measured()
    assert row.track_accuracy == before.track_accuracy == predictions.scores().track_accuracy


def test_settings_are_searched_on_the_validation_set_in_full_only(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=6)
    rows = {
        profile: a_run(tmp_path / profile, folder, profile=profile)
        .measurement("capstone_knn", "track_random")
        .result()[0]
        for profile in ("quick", "full")
    }
    assert "chosen on valid" not in rows["quick"].note
    assert "chosen on valid: n_neighbors=" in rows["full"].note


def test_the_stacked_systems_note_how_many_components_the_training_set_allowed(tmp_path):
    row, _ = result(tmp_path, "stacked_svm", "fault_filtered")
    assert row.note == f"{row.n_train - 1} principal components"


def test_a_network_leaves_its_model_its_history_and_a_row(tmp_path):
    row, predictions = result(tmp_path, "images_ann", "fault_filtered")
    assert row.status == "measured" and row.note == "epoch 1 of 1" and row.n_parameters > 1000
    assert "keras" in row.versions
    run = a_run(tmp_path)
    history = pd.read_csv(tmp_path / "histories" / f"{row.stem}.csv")
    assert list(history.fold) == [0] and history.best.all()
    trained, features = run.model("images_ann"), run.features("kaggle", segment_seconds=0)
    rows = features.segments.track_id.isin(predictions.test_id).to_numpy()
    again = trained.probabilities(features.values[rows])
    assert np.abs(again - predictions.test_probs.astype(float)).max() < 1e-3
    assert trained.inputs.features == "kaggle" and len(trained.inputs.labels) == 10


def test_a_classical_model_is_kept_and_loaded_like_a_network(tmp_path):
    _, predictions = result(tmp_path, "capstone_svm", "fault_filtered")
    run = a_run(tmp_path)
    features = run.features("capstone", segment_seconds=0)
    rows = features.segments.track_id.isin(predictions.test_id).to_numpy()
    again = run.model("capstone_svm").probabilities(features.values[rows])
    assert np.abs(again - predictions.test_probs.astype(float)).max() < 1e-3


def test_models_are_kept_of_the_honest_protocol_and_of_what_others_are_built_on(tmp_path):
    for system_id in ("capstone_svm", "stacked_cnn_svm"):
        result(tmp_path, system_id, "track_random")
    result(tmp_path, "capstone_svm", "fault_filtered")
    assert [path.name for path in sorted((tmp_path / "models").iterdir())] == [
        "capstone_svm__synthetic__fault_filtered__0__0.skops",
        "stacked_cnn__synthetic__track_random__0__0.keras",
    ]


def test_a_model_that_is_not_kept_is_fitted_again(tmp_path):
    _, predictions = result(tmp_path, "ours_svm_segments", "segment_random")
    assert not (tmp_path / "models").exists()
    measurement = a_run(tmp_path).measurement("ours_svm_segments", "segment_random")
    features, split = measurement.data().features, measurement.data().splits[0]
    again = measurement.model().probabilities(features.values[split.test])
    assert np.abs(again - predictions.test_probs.astype(float)).max() < 1e-3


def test_a_source_without_an_honest_protocol_can_be_measured(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=2, seconds=30.0)
    run = a_run(tmp_path / "run", folder)
    with pytest.raises(NotPossibleError, match="no honest protocol is possible"):
        _ = run.honest
    row, _ = run.measurement("ours_svm_segments", "segment_random").result()
    assert row.status == "measured", row.note


def test_a_network_is_not_trained_twice(tmp_path):
    first, _ = result(tmp_path, "images_ann", "fault_filtered")
    (path,) = (tmp_path / "models").iterdir()
    before = path.stat().st_mtime_ns
    assert result(tmp_path, "images_ann", "fault_filtered")[0] == first
    assert path.stat().st_mtime_ns == before


def test_a_head_uses_the_convolutions_that_are_there_or_makes_them(tmp_path):
    row, _ = result(tmp_path, "stacked_cnn_svm", "track_random")
    assert row.status == "measured" and "principal components" in row.note
    assert row.note.startswith("1 of 4 folds")  # smoke trains no more
    (model,) = (tmp_path / "models").glob("stacked_cnn__synthetic__track_random__0__*.keras")
    assert (tmp_path / "results" / "stacked_cnn__synthetic__track_random__0.json").exists()
    model.unlink()
    (tmp_path / "results" / f"{row.stem}.json").unlink()
    again, _ = result(tmp_path, "stacked_cnn_svm", "track_random")
    assert again.track_accuracy == row.track_accuracy and fitted.load(model).n_parameters > 0


def test_copies_made_before_the_split_are_on_both_sides(tmp_path):
    copied = data(tmp_path, "slices_cnn_augmented", "segment_random_augmented")
    n_segments = len(copied.features.segments) // 4
    part = copied.splits[0]
    both = set(part.train % n_segments) & set(part.test % n_segments)
    assert len(both) > 0.5 * len(set(part.test % n_segments))


def test_copies_made_after_the_split_are_of_training_segments_only(tmp_path):
    copied = data(tmp_path, "slices_cnn_augmented", "segment_random")
    plain = data(tmp_path, "slices_cnn", "segment_random")
    n_segments = len(plain.features.segments)
    part, before = copied.splits[0], plain.splits[0]
    assert len(part.train) == 4 * len(before.train)
    assert set(part.train % n_segments) == set(before.train)
    assert np.array_equal(part.test, before.test) and np.array_equal(part.valid, before.valid)
    assert max(part.test) < n_segments


def test_only_systems_with_copies_know_the_augmented_protocol(tmp_path):
    row, predictions = result(tmp_path, "slices_cnn", "segment_random_augmented")
    assert row.status == "not_measured" and predictions is None
    assert "for systems that make copies" in row.note


# Keys


def key(folder, system_id="capstone_xgboost", protocol="track_random", **settings):
    return a_run(folder, **settings).measurement(system_id, protocol).key


def test_another_song_another_label_and_another_profile_make_new_rows(tmp_path, labelled_folder):
    folder = labelled_folder(("blues", "rock"), tracks=4)
    seen = [key(tmp_path / "a", source=folder)]
    assert key(tmp_path / "b", source=folder) == seen[0]
    seen.append(key(tmp_path / "a", source=folder, profile="full"))
    song = folder / "rock" / "rock.00003.wav"
    content = song.read_bytes()
    song.rename(folder / "blues" / "blues.00004.wav")
    seen.append(key(tmp_path / "a", source=folder))
    song.write_bytes(content[:-2000] + bytes(2000))
    seen.append(key(tmp_path / "a", source=folder))
    (folder / "rock" / "rock.00009.wav").write_bytes(content)
    seen.append(key(tmp_path / "a", source=folder))
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("system_id", "change"),
    [
        ("capstone_xgboost", {"options": {"n_estimators": 201}}),
        ("capstone_crnn", {"options": {"units": 65}}),
        ("capstone_crnn", {"epochs": 17}),
        ("images_vgg19", {"dropout": 0.31}),
    ],
)
def test_a_changed_setting_of_a_learner_makes_a_new_row(tmp_path, system_id, change):
    run, learner = a_run(tmp_path), systems.get(system_id).learner
    (name, value), *_ = change.items()
    if isinstance(value, dict):
        value = {**getattr(learner, name), **value}
    other = dataclasses.replace(learner, **{name: value})
    keys = {run.measurement(system_id, "track_random", learner=x).key for x in (learner, other)}
    assert len(keys) == 2


def test_keys_are_the_same_in_another_process(tmp_path):
    code = (
        "from gtzan_helpers import config, datasets, experiments, models\n"
        "from gtzan_helpers.datasets.facts import gtzan_facts\n"
        "tracks, full = gtzan_facts().assign(path=None), config.profile('full')\n"
        "source = datasets.LostSource('gtzan', tracks, 'gone', full, synthetic=False)\n"
        "run = experiments.Run(source, 0, None)\n"
        "keys = [run.measurement(system_id).key for system_id in models.SYSTEMS]\n"
    )
    words = [sys.executable, "-c", f"{code}print(*keys)"]
    other = subprocess.run(words, capture_output=True, text=True, check=True)
    mine = {}
    exec(code, mine)
    assert other.stdout.split() == mine["keys"]
    assert len(set(mine["keys"])) == len(systems.SYSTEMS)


# What was lost


def test_a_measured_row_outlives_its_audio_and_its_source(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=6)
    run = a_run(tmp_path / "run", folder)
    before = run.measure("capstone_knn", protocols="track_random").table
    songs = {path: path.read_bytes() for path in folder.rglob("*.wav")}
    for path in songs:
        path.write_bytes(b"")  # still there, but no longer sound
    a_run(tmp_path / "run", folder).measure("capstone_knn", protocols="track_random")
    for path, content in songs.items():
        path.write_bytes(content)
    assert a_run(tmp_path / "run", folder).results().table.equals(before)
    folder.rename(tmp_path / "elsewhere")
    lost = a_run(tmp_path / "run", folder)
    refused = lost.measure("capstone_svm", protocols="track_random").left_out.note[0]
    assert "no such folder" in refused


def test_a_row_of_a_source_that_is_gone_is_read_back(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=6)
    before = a_run(tmp_path / "run", folder).measure("capstone_knn", protocols="track_random")
    folder.rename(tmp_path / "elsewhere")
    lost = a_run(tmp_path / "run", folder)
    again = lost.measure("capstone_knn", protocols="track_random")
    assert again.table.equals(before.table)
    assert len(lost.predictions("capstone_knn", "track_random").test_id) == 12


def test_reading_a_network_back_imports_no_keras(tmp_path):
    first, _ = result(tmp_path, "images_ann", "fault_filtered")
    code = (
        "import sys\n"
        "from gtzan_helpers import experiments\n"
        f"run = experiments.start('synthetic', profile='smoke', run_dir={str(tmp_path)!r})\n"
        "rows = run.measure('images_ann', protocols='fault_filtered')\n"
        "print(rows.table.track_accuracy[0], 'keras' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.splitlines()[-1] == f"{first.track_accuracy} False"


# Folds


def measured(folder, *system_ids, workers, protocol="artist_grouped"):
    asked = a_run(folder).measurements(*system_ids, protocols=protocol)
    return list(parallel.measure(asked, workers))


def test_folds_outlive_an_interruption_and_are_gone_with_the_row(tmp_path, monkeypatch):
    fitted_folds, fit = [], Measurement.fit

    def twice(self, data, fold=0, **settings):
        if len(fitted_folds) == 2 and not resumed:
            raise KeyboardInterrupt
        fitted_folds.append(fold)
        return fit(self, data, fold, **settings)

    resumed = False
    monkeypatch.setattr(Measurement, "fit", twice)
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, "capstone_knn", workers=Workers(1))
    assert fitted_folds == [0, 1] and not (tmp_path / "results").exists()
    monkeypatch.setattr(
        Measurement, "fit", lambda *a, **b: fitted_folds.append(a[2]) or fit(*a, **b)
    )
    (row,) = measured(tmp_path, "capstone_knn", workers=Workers(1))
    assert fitted_folds == [0, 1, 2] and not list((tmp_path / "folds").glob("*"))
    (other,) = measured(tmp_path / "other", "capstone_knn", workers=Workers(1))
    assert dataclasses.replace(row, fit_seconds=0) == dataclasses.replace(other, fit_seconds=0)


@pytest.mark.parametrize("change", ["a damaged file", "another seed's"])
def test_a_fold_that_does_not_belong_is_fitted_again(tmp_path, monkeypatch, change):
    one = a_run(tmp_path).measurement("capstone_knn", "artist_grouped")
    data = one.data()
    fold = one.fold(data, 0)
    path = tmp_path / "folds" / f"{one.stem}__0.npz"
    if change == "a damaged file":
        path.write_bytes(path.read_bytes()[:200])
    else:
        other = dataclasses.replace(one, seed=1)
        other.fold(other.data(), 0)
        (tmp_path / "folds" / f"{other.stem}__0.npz").replace(path)
    assert np.array_equal(one.fold(data, 0).test, fold.test)
    monkeypatch.setattr(Measurement, "fit", None)  # it is kept now
    assert np.array_equal(one.fold(data, 0).test, fold.test)


def test_a_fold_of_a_network_keeps_its_history(tmp_path):
    one = a_run(tmp_path).measurement("images_ann", "fault_filtered")
    fold = one.fold(one.data(), 0)
    again = one.fold(one.data(), 0)
    assert again.n_parameters == fold.n_parameters > 1000 and again.note == fold.note
    assert again.history.columns.tolist() == fold.history.columns.tolist()
    assert again.history.loss.tolist() == pytest.approx(fold.history.loss.tolist())


@pytest.mark.slow
def test_processes_and_a_cluster_that_loses_a_worker_measure_what_one_process_does(
    tmp_path, cluster
):
    names = ("capstone_knn", "capstone_logistic_regression", "stacked_cnn_svm")
    alone = measured(tmp_path / "alone", *names, workers=Workers(1))
    processes = measured(tmp_path / "two", *names, workers=Workers(2))
    asked = a_run(tmp_path / "far").measurements(*names, protocols="artist_grouped")
    rows = parallel.measure(asked, Workers(1, cluster.scheduler_address))
    far = [next(rows)]
    os.kill(cluster.workers[0].pid, signal.SIGKILL)
    far += rows
    for one, two, three in zip(alone, processes, far, strict=True):
        assert one.status == "measured" and one.n_test > 10
        assert one.track_accuracy == two.track_accuracy == three.track_accuracy
        assert one.valid_accuracy == two.valid_accuracy == three.valid_accuracy


def test_a_worker_with_other_files_refuses(tmp_path):
    one = a_run(tmp_path).measurement("capstone_knn", "artist_grouped")
    address, profile, _, *rest = parallel._address(one)
    with pytest.raises(SourceError, match="a worker finds other tracks there"):
        parallel._fit_fold(address, profile, "another digest", *rest, 0)


# Systems of systems


def test_joined_features_and_averaged_predictions(tmp_path, monkeypatch):
    joins = ("ours_blocks", "ours_blocks_lda")
    for name in ("ours_kernels", "ours_ensemble"):
        monkeypatch.setitem(  # two that need no pretrained weights
            systems.SYSTEMS, name, dataclasses.replace(systems.SYSTEMS[name], joins=joins)
        )
    run = a_run(tmp_path)
    features = systems.get("ours_kernels").load_features(run.source)
    assert len(features.columns) == 4344 + 886
    rows = run.measure("ours_ensemble", protocols="fault_filtered").table
    assert rows.status.tolist() == ["measured"] and rows.features.tolist() == ["probabilities"]
    members = [run.predictions(name, "fault_filtered").test_probs for name in joins]
    mean = run.predictions("ours_ensemble", "fault_filtered").test_probs
    assert np.allclose(mean, np.mean(members, axis=0), atol=2e-3)
