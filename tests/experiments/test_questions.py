"""Trained models asked about less of a song, corrupted songs and other music."""

import pytest
from test_run import a_run, result

from gtzan_helpers import datasets
from gtzan_helpers.audio import changes
from gtzan_helpers.errors import NotPossibleError, SettingError
from gtzan_helpers.experiments import questions


def test_all_seconds_give_the_accuracy_of_the_row(tmp_path):
    row, _ = result(tmp_path, "capstone_cnn", "fault_filtered")
    table = questions.accuracy_by_seconds(a_run(tmp_path), "capstone_cnn")
    assert list(table.seconds) == [1, 2, 3, 6]  # the tracks have 6 s
    assert table.track_accuracy.iloc[-1] == row.track_accuracy
    with pytest.raises(SettingError, match="images_ann does not hear tracks piece by piece"):
        questions.accuracy_by_seconds(a_run(tmp_path), "images_ann")


def test_networks_are_asked_about_the_same_songs_corrupted_more_and_more(tmp_path, monkeypatch):
    row, predictions = result(tmp_path, "slices_cnn", "fault_filtered")
    monkeypatch.setattr(changes, "CORRUPTIONS", {"gain": (-20.0,), "low-pass": (8000.0, 500.0)})
    names = ("slices_cnn", "slices_cnn_augmented")
    table = questions.robustness(a_run(tmp_path), *names)
    lines = [("gain (dB)", "none"), ("gain (dB)", "-20")]
    lines += [("low-pass (Hz)", severity) for severity in ("none", "8000", "500")]
    assert list(zip(table.kind, table.severity, strict=True))[::2] == lines
    assert list(table.system_id[:2]) == list(names)
    of_first = table[table.system_id == names[0]].track_accuracy.to_numpy()
    assert of_first[0] == of_first[2] == row.track_accuracy
    # Levels are relative to a song's loudest point: gain alone changes nothing.
    assert abs(of_first[1] - row.track_accuracy) <= 1.01 / len(set(predictions.test_id))


def test_spectrograms_are_corrupted_where_there_is_no_sound(tmp_path):
    path = tmp_path / "p.npz"
    datasets.write_pack(path, "synthetic", profile="smoke")
    run = a_run(tmp_path / "run", path)
    table = questions.robustness(run, "capstone_cnn")
    assert {kind.partition(" ")[0] for kind in table.kind} == set(changes.LOG_MEL_CORRUPTIONS)


def test_a_saved_network_is_evaluated_on_other_music(tmp_path, labelled_folder):
    other = labelled_folder(("blues", "rock", "polka"), tracks=2, seconds=3.2)
    (other / "rock" / "broken.wav").write_bytes(b"RIFF")
    result(tmp_path, "capstone_cnn", "fault_filtered")
    path = a_run(tmp_path).measurement("capstone_cnn").model_path()
    evaluation = questions.evaluate_model(path, other)
    assert evaluation.n_tracks == 4 and list(evaluation.confusion.index) == ["blues", "rock"]
    assert len(evaluation.confusion.columns) == 10
    assert list(evaluation.unknown.genre) == ["polka", "polka"]
    assert list(evaluation.failures.track_id) == ["broken"]
    assert 0 <= evaluation.scores.track_accuracy <= 1
    words = "^xy has the labels x, y; the model knows only blues, classical, .*, reggae, rock$"
    with pytest.raises(NotPossibleError, match=words):
        questions.evaluate_model(path, labelled_folder(("x", "y"), seconds=3.2, name="xy"))


def test_a_model_of_tracks_takes_songs_of_other_lengths(tmp_path, labelled_folder):
    result(tmp_path, "images_cnn", "fault_filtered")
    path = a_run(tmp_path).measurement("images_cnn").model_path()
    other = labelled_folder(("blues", "rock"), tracks=2, seconds=9.0)
    assert questions.evaluate_model(path, other).n_tracks == 4
