"""A run: what it measures, refuses, chooses on the validation set, and reads back."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gtzan_helpers import experiments
from gtzan_helpers.datasets.kinds.tables import write_csv
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.experiments import results


def a_run(folder, source="synthetic", seed=0, profile="smoke"):
    return experiments.start(source, profile=profile, seed=seed, run_dir=folder)


def result(folder, system_id="capstone_svm", protocol="track_random", **settings):
    """Row and predictions of one system on the embedded dataset at smoke."""
    return a_run(folder, **settings).measurement(system_id, protocol).result()


def test_a_row_is_complete_and_adds_up(tmp_path):
    row, predictions = result(tmp_path)
    assert (row.status, row.features, row.segment_seconds) == ("measured", "capstone", 0.0)
    assert row.note == "4-fold, pooled"
    assert row.n_test == 40
    assert row.n_train + row.n_valid == 30
    assert row.segment_accuracy == row.track_accuracy  # whole tracks
    assert row.track_ci_low <= row.track_accuracy <= row.track_ci_high
    assert predictions.test_probs.dtype == np.float16
    assert sorted(predictions.test_id) == sorted(set(predictions.test_id))


def test_the_same_seed_gives_the_same_result_and_another_one_another_split(tmp_path):
    one, predictions = result(tmp_path / "a", "capstone_random_forest")
    two, _ = result(tmp_path / "b", "capstone_random_forest")
    other, others = result(tmp_path / "c", "capstone_svm", seed=1)
    assert one.track_accuracy == two.track_accuracy
    assert other.stem.endswith("__1")
    assert not np.array_equal(predictions.test_id, others.test_id)


def test_auto_means_the_systems_own_protocol_and_the_honest_one(tmp_path):
    rows = a_run(tmp_path).measure("ours_svm_segments")
    assert rows.table.protocol.tolist() == ["segment_random", "fault_filtered"]
    assert rows.under("fault_filtered").status.tolist() == ["measured"]
    assert rows.best("fault_filtered") == "ours_svm_segments"
    assert rows.best("artist_grouped") == ""


def test_a_row_that_is_not_possible_gives_its_reason_and_shows_it(tmp_path):
    table = tmp_path / "table.csv"
    features = a_run(tmp_path / "run").features("kaggle", segment_seconds=0)
    write_csv(table, features, segment_seconds=0)
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:-1]), encoding="utf-8")  # no longer the embedded dataset
    run = a_run(tmp_path / "table", table)
    rows = run.measure("stacked_svm", "capstone_svm", protocols="fault_filtered")
    assert rows.table.status.tolist() == ["not_measured", "not_measured"]
    assert "'stacked' needs audio" in rows.left_out.note[0]
    assert "not in the published partition" in rows.left_out.note[1]
    assert "Left out: stacked_svm, fault_filtered: not possible" in rows._repr_html_()


def test_a_need_that_the_source_lacks_stops_in_one_line(tmp_path):
    table = tmp_path / "table.csv"
    write_csv(table, a_run(tmp_path).features("kaggle", segment_seconds=0), segment_seconds=0)
    with pytest.raises(NotPossibleError) as refusal:
        experiments.start(table, profile="smoke", run_dir=tmp_path / "run", needs=["log_mel"])
    assert refusal.value._render_traceback_() == [f"error: {refusal.value}"]


def test_a_folder_of_results_belongs_to_one_source(tmp_path, labelled_folder):
    one, two = labelled_folder(name="one/music"), labelled_folder(name="two/music")
    experiments.start(one, profile="smoke", run_dir=tmp_path / "run")
    with pytest.raises(SourceError, match=r"run: holds a run on .*one.music.*choose another"):
        experiments.start(two, profile="smoke", run_dir=tmp_path / "run")


def test_a_changed_song_makes_new_rows_in_the_same_folder(tmp_path, labelled_folder):
    folder = labelled_folder()
    before = experiments.start(folder, profile="smoke", run_dir=tmp_path / "run")
    song = next(folder.glob("*/*.wav"))
    song.write_bytes(song.read_bytes() + bytes(2))
    after = experiments.start(folder, profile="smoke", run_dir=tmp_path / "run")
    keys = {run.measurement("capstone_knn", "track_random").key for run in (before, after)}
    assert len(keys) == 2


def test_rows_of_the_tracks_as_they_were_are_not_shown(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=6)
    experiments.start(folder, profile="smoke", run_dir=tmp_path).measure(
        "capstone_knn", protocols="track_random"
    )
    assert not results.read_run(tmp_path).empty
    song = next(folder.glob("*/*.wav"))
    song.write_bytes(song.read_bytes() + bytes(2))
    run = experiments.start(folder, profile="smoke", run_dir=tmp_path)
    assert run.results().table.empty


def test_a_folder_that_does_not_say_whose_it_is_is_left_alone(tmp_path, labelled_folder):
    experiments.start(labelled_folder(), profile="smoke", run_dir=tmp_path / "run")
    (tmp_path / "run" / "source.json").write_text("{")
    with pytest.raises(SourceError, match=r"source\.json: damaged"):
        experiments.start(labelled_folder(name="b"), profile="smoke", run_dir=tmp_path / "run")
    assert (tmp_path / "run" / "source.json").read_text() == "{"


@pytest.mark.parametrize("name", ["notebooks", "notebooks/00_start.ipynb"])
def test_a_run_writes_into_no_place_that_it_links_to(tmp_path, labelled_folder, name):
    (tmp_path / "mine").mkdir()
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "mine")
    with pytest.raises(SettingError, match=f"{name}: a link"):
        experiments.start(labelled_folder(), profile="smoke", run_dir=tmp_path / "run")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_in_a_runs_folder_is_not_waited_for(tmp_path, labelled_folder):
    folder = labelled_folder()
    experiments.start(folder, profile="smoke", run_dir=tmp_path / "run")
    (tmp_path / "run" / "notebooks").mkdir()
    os.mkfifo(tmp_path / "run" / "notebooks" / "03.ipynb")
    with pytest.raises(SettingError, match=r"03\.ipynb: a pipe"):
        experiments.start(folder, profile="smoke", run_dir=tmp_path / "run")


@pytest.mark.parametrize("text", ["track_id,genre\na,b\n", "", "\x00"])
def test_of_a_lost_source_a_damaged_table_of_tracks_is_none(tmp_path, labelled_folder, text):
    folder = labelled_folder()
    experiments.start(folder, profile="smoke", run_dir=tmp_path / "run")
    (tmp_path / "run" / "tracks.csv").write_text(text)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="no such folder or file"):
        experiments.start(folder, profile="smoke", run_dir=tmp_path / "run")


def test_without_results_helpers_give_what_is_empty(tmp_path):
    run = a_run(tmp_path)
    assert run.results().table.empty and run.results().best(run.honest) == ""


def test_predictions_of_what_is_not_possible_are_of_no_track(tmp_path):
    ids, probs, y_true = a_run(tmp_path).predictions("images_vgg19").tracks()
    assert len(ids) == len(probs) == len(y_true) == 0


@pytest.mark.parametrize(
    ("system_id", "protocols", "words"),
    [
        ("capstone_svm", "fair", "protocol 'fair' does not exist"),
        ("capstone_magic", "auto", "'capstone_magic' does not exist"),
    ],
)
def test_unknown_words_are_named(tmp_path, system_id, protocols, words):
    with pytest.raises(SettingError, match=words):
        a_run(tmp_path).measure(system_id, protocols=protocols)


@pytest.mark.parametrize("seed", [10**30, -1, "seven", True])
def test_a_seed_that_no_generator_takes_is_named(tmp_path, seed):
    with pytest.raises(SettingError, match=f"seed '?{seed}"):
        experiments.start(profile="smoke", seed=seed, run_dir=tmp_path)


def test_rows_of_a_run_are_read_back_together(tmp_path):
    result(tmp_path)
    result(tmp_path, "capstone_knn")
    assert set(a_run(tmp_path).results().table.system_id) == {"capstone_svm", "capstone_knn"}


def test_pictures_are_saved_beside_the_results(tmp_path):
    import matplotlib.pyplot as plt

    figure, _ = plt.subplots()
    path = a_run(tmp_path).save(figure, "99_test")
    assert path == Path(tmp_path) / "figures" / "99_test.png"
    assert path.read_bytes().startswith(b"\x89PNG") and path.with_suffix(".svg").exists()
    plt.close("all")


def test_tables_are_saved_beside_the_results_and_demonstrations_apart(tmp_path, labelled_folder):
    run, table = (
        a_run(tmp_path / "run", labelled_folder()),
        pd.DataFrame({"a": [1, 22222], "b": 1 / 3}),
    )
    path = run.save(table, "99_table", of=run.source)
    assert path == tmp_path / "run" / "figures" / "99_table.csv"
    assert path.read_text() == "a,b\n1,0.3333\n22222,0.3333\n"
    other = run.save(table, "99_table", of=run.having("duplicates"))
    assert other == path.parent / "demonstrations" / path.name


def test_what_a_source_lacks_the_embedded_dataset_has(tmp_path, labelled_folder):
    run = a_run(tmp_path / "run", labelled_folder())
    assert run.having("audio") is run.having("lengths") is run.source
    for what in ("duplicates", "ten genres"):
        assert run.having(what).synthetic
    embedded = a_run(tmp_path / "embedded")
    for what in ("audio", "lengths", "duplicates", "ten genres"):
        assert embedded.having(what) is embedded.source


def test_figures_of_real_songs_are_read_and_named_where_they_are_missing():
    table = experiments.real("00_leaks")
    assert table.price.between(0, 1).all() and len(table) == 3
    picture = experiments.real("00_leak")
    assert picture.format == "png" and picture.width > 100
    assert experiments.real("99_nothing").empty


def test_real_rows_are_those_of_the_systems_and_the_source():
    rows = experiments.real_rows("capstone_svm", "capstone_knn", of="mini")
    assert set(rows.system_id) == {"capstone_svm", "capstone_knn"} and set(rows.source) == {"mini"}
    assert len(experiments.real_rows()) > len(experiments.real_rows("capstone_svm")) > 0
