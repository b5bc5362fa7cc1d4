"""A song in, its genre out: files of every kind, known signals, and what is refused."""

import json
import os
import re
import runpy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression

from gtzan_helpers import config, experiments, predict
from gtzan_helpers.audio import reading, tables
from gtzan_helpers.errors import AudioError, SettingError, SourceError
from gtzan_helpers.evaluation import scores
from gtzan_helpers.models import classical, fitted
from gtzan_helpers.models.fitted import Inputs

SR = 22_050


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Else the first test would take ten seconds more, and `gtzan predict` would say so."""
    tables.compile_kernels()


@pytest.fixture(scope="module")
def model():
    return predict.load()


@pytest.fixture(scope="module")
def training():
    """The script that trains the carried model."""
    return SimpleNamespace(
        **runpy.run_path(str(config.checkout() / "scripts" / "train_song_model.py"))
    )


@pytest.fixture
def write(tmp_path):
    """Write a chord with a beat; returns the path."""

    def made(name="song.wav", *, seconds=6.0, sr=SR, channels=1, **settings):
        t = np.arange(round(seconds * sr)) / sr
        y = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330)) * (t % 0.5 < 0.2) / 6
        path = tmp_path / name
        soundfile.write(path, np.repeat(y[:, None], channels, axis=1), sr, **settings)
        return path

    return made


def test_the_carried_model_is_small_and_its_card_states_its_accuracy(model, training):
    folder = config.facts_dir()
    assert (folder / "genres.skops").stat().st_size < 1_000_000
    card = (folder / "genres.md").read_text(encoding="utf-8")
    for line in ("fault-filtered split", "10-fold"):
        accuracy, low, high = map(
            float, re.search(rf"{line}.*\| ([\d.]+) % \(([\d.]+) to ([\d.]+)\) \|", card).groups()
        )
        assert low < accuracy < high
    assert model.inputs.labels == config.GENRES
    assert not set(training.LEFT_OUT) & set(model.inputs.columns)
    assert f"({model.inputs.temperature:.2f})" in card
    assert f"below {model.inputs.threshold:.0%}" in card


def test_a_song_gets_probabilities_of_all_genres(write, model):
    prediction = predict.predict(write(), model)
    shares = prediction.probabilities
    assert set(shares) == set(config.GENRES) and sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert prediction.seconds == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.au", {}),
        ("a.mp3", {}),
        ("high.wav", {"sr": 96_000}),
        ("low.wav", {"sr": 8_000}),
        ("many.wav", {"channels": 8}),
        ("float.wav", {"subtype": "FLOAT"}),
    ],
)
def test_any_kind_of_file_is_read(write, model, name, settings):
    prediction = predict.predict(write(name, **settings), model)
    assert prediction.seconds == pytest.approx(6, abs=0.1)


def test_rate_and_channels_hardly_matter(write, model):
    plain = predict.predict(write(sr=44_100), model).pieces
    other = predict.predict(write("8.wav", sr=48_000, channels=2), model).pieces
    assert np.abs(plain - other).max() < 0.05


@pytest.mark.parametrize(("seconds", "starts"), [(70, [0, 30]), (80, [0, 30, 60])])
def test_long_songs_are_classified_by_windows_of_30_s(write, model, seconds, starts):
    prediction = predict.predict(write(seconds=seconds), model)
    assert prediction.starts_s.tolist() == pytest.approx(starts, abs=0.01)  # 10 s join the last


def test_the_pieces_of_a_stream_are_the_recording(write):
    path = write(seconds=7.3)
    whole, _ = reading.read(path)
    assert np.array_equal(np.concatenate(list(reading.stream(path, sr=SR, seconds=2.0))), whole)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.zeros(3 * SR), "silent"),
        (np.ones(SR // 2) * 0.1, "at least 1 s"),
        (np.full(3 * SR, np.nan), "not finite"),
        (b"", "an empty file"),
        (b"no sound at all", "not audio"),
        (None, "cannot be opened"),
    ],
)
def test_a_file_that_is_no_song_is_refused_in_one_line(tmp_path, model, content, words):
    path = tmp_path / "odd.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, SR, subtype="FLOAT")
    with pytest.raises(AudioError, match=words) as error:
        predict.predict(path, model)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_an_absurd_sampling_rate_is_refused(write, model):
    with pytest.raises(AudioError, match="sampling rate of 900,000 Hz"):
        predict.predict(write(sr=900_000, seconds=1.2), model)


def test_a_model_of_low_confidence_is_not_sure():
    even = predict.Prediction(("a", "b"), np.zeros(1), np.array([[0.5, 0.5]]), 3.0, 0.6)
    sure = predict.Prediction(("a", "b"), np.zeros(1), np.array([[0.2, 0.8]]), 3.0, 0.6)
    assert even.genre is None and predict.line("x", even).startswith("x: not sure (a 50%")
    assert sure.genre == "b"
    assert json.loads(predict.as_json("x", even))["genre"] is None


def test_a_song_of_the_real_collection_is_like_its_row_of_the_table(real_data, training):
    """Trained without mini's tracks, the model is as accurate on them as its card says."""
    paths = sorted((real_data / "gtzan_mini" / "genres").rglob("*.wav"))
    without = tuple(path.stem for path in paths)
    model, measured = training.train(real_data / "features_30_sec.csv", without=without)
    chosen = paths[::4]  # 25 songs, for time's sake
    correct = np.array(
        [
            next(iter(predict.predict(path, model).probabilities)) == path.parent.name
            for path in chosen
        ]
    )
    low, high = scores.accuracy_interval(correct)
    published = measured["track_random"]
    assert low <= published.track_ci_high and high >= published.track_ci_low


# Other models


def measured(system_id, folder):
    """A system measured on the embedded dataset: its predictions, and its model's path."""
    run = experiments.start("synthetic", profile="smoke", run_dir=folder)
    _, predictions = run.measurement(system_id, "fault_filtered").result()
    (path,) = (folder / "models").iterdir()
    return run, predictions, path


@pytest.mark.parametrize(
    ("system_id", "n_pieces"),
    [("capstone_cnn", 13), ("ours_svm_segments", 13), ("capstone_xgboost", 1)],
)
def test_a_model_of_a_run_classifies_songs_in_the_same_way(write, tmp_path, system_id, n_pieces):
    _, _, path = measured(system_id, tmp_path)
    prediction = predict.predict(write(seconds=40), predict.load(path))
    assert prediction.pieces.shape == (n_pieces, 10)
    np.testing.assert_allclose(prediction.pieces.sum(axis=1), 1, atol=1e-5)
    assert (np.diff(prediction.starts_s) > 0).all()


def test_a_model_on_disk_predicts_what_it_predicted_in_its_run(tmp_path):
    run, predictions, path = measured("capstone_svm", tmp_path)
    model = fitted.load(path)
    assert model.inputs.labels == tuple(predictions.labels)
    assert model.inputs.features == "capstone"
    features = run.features("capstone", segment_seconds=0)
    tested = features.segments.set_index("track_id").index.get_indexer(predictions.test_id)
    probs = model.probabilities(features.values[tested])
    np.testing.assert_allclose(probs, predictions.test_probs.astype(float), atol=1e-3)


def test_a_skops_file_with_strange_types_is_refused(tmp_path):
    import skops.io

    skops.io.dump({"reader": Strange()}, tmp_path / "strange.skops")
    inputs = Inputs("kaggle", 3.0, (57,), ("a", "b"))
    inputs.put_into(tmp_path / "strange.skops")
    with pytest.raises(SourceError, match=r"strange\.skops: not a model of this series.*Strange"):
        predict.load(tmp_path / "strange.skops")


class Strange:
    """A type that models of the series are not made of."""


def test_a_model_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceError, match="there is no such model"):
        predict.load(tmp_path / "none.keras")


@pytest.mark.parametrize(
    ("features", "period", "words"),
    [
        ("pictures", None, "trained on pictures, not on sound"),
        ("logmel", 0.075, r"a frame every 0\.075 s; songs give one every"),
    ],
)
def test_a_model_of_features_that_a_song_does_not_give_is_refused(
    tmp_path, features, period, words
):
    model = LogisticRegression().fit([[0.0], [1.0]], ["a", "b"])
    inputs = Inputs(features, 3.0, (1,), ("a", "b"), period)
    path = classical.FittedClassical(model, inputs).save(tmp_path / "other.skops")
    with pytest.raises(SettingError, match=words):
        predict.load(path)


# The command


def gtzan(*words):
    command = [sys.executable, "-m", "gtzan_helpers.cli", "predict", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="names are text on other systems")
def test_odd_files_and_names_that_are_no_text_never_stop_the_others(write, tmp_path):
    (tmp_path / "odd.mp3").write_bytes(b"odd")
    odd = tmp_path / os.fsdecode(b"\xff.wav")
    write().rename(odd)
    done = gtzan(tmp_path / "odd.mp3", odd, tmp_path / os.fsdecode(b"\xfe.wav"), "--timeline")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert all(line.startswith(f"error: {tmp_path}") for line in done.stderr.splitlines())
    assert re.search(r"udcfe\.wav: cannot be opened", done.stderr)
    first, second = done.stdout.splitlines()
    assert re.search(r"udcff\.wav: \w", first) and second.startswith("  0:00.0 ")


@pytest.mark.parametrize("seconds", [30.9, 60.5])
def test_the_last_breath_of_a_song_counts(write, seconds):
    assert predict.predict(write(seconds=seconds)).seconds == pytest.approx(seconds, abs=0.01)


def test_nothing_is_imported_that_takes_seconds(write):
    script = (
        "import sys; from gtzan_helpers import predict; predict.predict(sys.argv[1]); "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(write())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_compiling_is_announced_once(write, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    first, second = gtzan(write()), gtzan(write())
    assert first.stderr == "compiling for this machine takes some ten seconds, once\n"
    assert second.stderr == "" and first.stdout == second.stdout
