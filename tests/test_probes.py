"""Trained models asked about less of a song, damaged songs and other music."""

import numpy as np
import pytest
from test_experiments import run, source

from gtzan_helpers import (
    extract,
    probes,
    results,
    training,
)
from gtzan_helpers.errors import NotPossibleError, SourceError


def test_all_seconds_heard_give_the_accuracy_of_the_row(tmp_path):
    row, _ = run(tmp_path, "capstone_cnn", "fault_filtered")
    heard = probes.accuracy_by_seconds(
        "capstone_cnn", source(), protocol="fault_filtered", run_dir=tmp_path
    )
    assert list(heard.seconds) == [1, 2, 3, 6]  # the tracks have 6 s
    assert heard.track_accuracy.iloc[-1] == row.track_accuracy


def test_an_embedding_is_what_the_last_layer_reads_and_leaves_copies_out(tmp_path):
    arguments = {"protocol": "fault_filtered", "run_dir": tmp_path}
    with pytest.raises(SourceError, match="slices_cnn_augmented was not trained on this split"):
        probes.embed("slices_cnn_augmented", source(), **arguments)
    row, predictions = run(tmp_path, "slices_cnn_augmented", "fault_filtered")
    found, test = probes.embed("slices_cnn_augmented", source(), **arguments)
    plain = extract.extract(source(), "mfcc", segment_seconds=3)
    assert found.segments.equals(plain.segments) and found.values.shape[1] == 256
    assert sorted(test) == sorted(set(predictions.test_id))
    trained = training.load(results.model_path(tmp_path, row.stem))
    weights, bias = trained.model.layers[-1].get_weights()
    scores = np.exp(found.values @ weights + bias)
    said = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(said, trained.predict_proba(plain.values), atol=1e-4)


def test_undamaged_songs_give_the_accuracy_of_the_row_and_damage_is_judged_on_test(tmp_path):
    row, predictions = run(tmp_path, "capstone_cnn", "fault_filtered")
    arguments = {"protocol": "fault_filtered", "run_dir": tmp_path}
    hurt = probes.robustness(
        "capstone_cnn", source(), **arguments, doses={"gain": (-20.0,), "low-pass": (500.0,)}
    )
    assert list(hurt.kind) == ["none", "gain", "low-pass"]
    assert hurt.track_accuracy[0] == row.track_accuracy
    # Levels are relative to a song's loudest point: gain alone changes nothing.
    assert abs(hurt.track_accuracy[1] - row.track_accuracy) <= 1.01 / len(set(predictions.test_id))
    with pytest.raises(NotPossibleError, match="damage is done to sound or log-mel"):
        probes.robustness("images_ann", source(), **arguments)


@pytest.mark.filterwarnings("ignore:.*named like GTZAN's")
def test_a_saved_network_is_asked_about_other_music(tmp_path, labelled_folder):
    other = labelled_folder(("blues", "rock", "polka"), tracks=2, seconds=3.2)
    (other / "rock" / "broken.wav").write_bytes(b"RIFF")
    row, _ = run(tmp_path, "capstone_cnn", "fault_filtered")
    path = results.model_path(tmp_path, row.stem)
    found = probes.evaluate_model(path, other)
    assert found.n_tracks == 4 and list(found.confusion.index) == ["blues", "rock"]
    assert len(found.confusion.columns) == 10
    assert list(found.unknown.genre) == ["polka", "polka"]
    assert list(found.failures.track_id) == ["broken"]
    assert 0 <= found.scores.track_accuracy <= 1
    with pytest.raises(NotPossibleError, match="has none of the model's labels"):
        probes.evaluate_model(path, labelled_folder(("x", "y"), seconds=3.2, name="xy"))


@pytest.mark.filterwarnings("ignore:.*named like GTZAN's")
def test_a_model_of_tracks_takes_songs_of_other_lengths(tmp_path, labelled_folder):
    row, _ = run(tmp_path, "ours_texture", "fault_filtered")
    path = results.model_path(tmp_path, row.stem)
    other = labelled_folder(("blues", "rock"), tracks=2, seconds=9.0)
    assert probes.evaluate_model(path, other).n_tracks == 4
