"""Trained models asked about less of a song, corrupted songs and other music."""

import numpy as np
import pytest
from test_run import a_run, result

from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.experiments import questions


def test_all_seconds_give_the_accuracy_of_the_row(tmp_path):
    row, _ = result(tmp_path, "capstone_cnn", "fault_filtered")
    table = questions.accuracy_by_seconds(a_run(tmp_path), "capstone_cnn")
    assert list(table.seconds) == [1, 2, 3, 6]  # the tracks have 6 s
    assert table.track_accuracy.iloc[-1] == row.track_accuracy
    with pytest.raises(SettingError, match="images_ann does not hear tracks piece by piece"):
        questions.accuracy_by_seconds(a_run(tmp_path), "images_ann")


def test_an_embedding_is_what_the_last_layer_reads_and_leaves_copies_out(tmp_path):
    run = a_run(tmp_path)
    with pytest.raises(SourceError, match="slices_cnn_augmented was not trained on this split"):
        questions.embed(run, "slices_cnn_augmented")
    _, predictions = result(tmp_path, "slices_cnn_augmented", "fault_filtered")
    features = questions.embed(run, "slices_cnn_augmented")
    plain = run.features("mfcc", segment_seconds=3)
    assert features.segments.equals(plain.segments) and features.values.shape[1] == 256
    of_test = questions.test_embeddings(run, "slices_cnn_augmented").segments.track_id
    assert sorted(set(of_test)) == sorted(set(predictions.test_id))
    trained = run.model("slices_cnn_augmented")
    weights, bias = trained.model.layers[-1].get_weights()
    scores = np.exp(features.values @ weights + bias)
    probs = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probs, trained.probabilities(plain.values), atol=1e-4)


def test_uncorrupted_songs_give_the_accuracy_of_the_row(tmp_path):
    row, predictions = result(tmp_path, "capstone_cnn", "fault_filtered")
    severities = {"gain": (-20.0,), "low-pass": (500.0,)}
    table = questions.robustness(a_run(tmp_path), "capstone_cnn", severities=severities)
    assert list(table.kind) == ["none", "gain", "low-pass"]
    assert table.track_accuracy[0] == row.track_accuracy
    # Levels are relative to a song's loudest point: gain alone changes nothing.
    difference = abs(table.track_accuracy[1] - row.track_accuracy)
    assert difference <= 1.01 / len(set(predictions.test_id))
    assert questions.robustness(a_run(tmp_path), "images_ann").empty  # of no log-mel


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
    with pytest.raises(NotPossibleError, match="has none of the model's labels"):
        questions.evaluate_model(path, labelled_folder(("x", "y"), seconds=3.2, name="xy"))


def test_a_model_of_tracks_takes_songs_of_other_lengths(tmp_path, labelled_folder):
    result(tmp_path, "images_cnn", "fault_filtered")
    path = a_run(tmp_path).measurement("images_cnn").model_path()
    other = labelled_folder(("blues", "rock"), tracks=2, seconds=9.0)
    assert questions.evaluate_model(path, other).n_tracks == 4
