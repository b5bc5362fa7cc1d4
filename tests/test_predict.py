"""A song in, its genre out: real files of every kind, known signals, and what is refused."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression

from gtzan_helpers import audio, classical, config, evaluate, experiments, extract, predict, results
from gtzan_helpers.errors import AudioError, SettingError, SourceError
from gtzan_helpers.inputs import Inputs

SR = 22_050


@pytest.fixture(scope="module")
def model():
    return predict.load()


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


def test_the_carried_model_is_small_and_says_what_it_is_worth():
    folder = config.facts_dir()
    assert (folder / "genres.skops").stat().st_size < 1_000_000
    stored = json.loads((folder / "genres.json").read_text(encoding="utf-8"))
    card = (folder / "genres.md").read_text(encoding="utf-8")
    for accuracy, low, high in stored["accuracy"].values():
        assert low < accuracy < high and f"{100 * accuracy:.1f} %" in card
    assert stored["labels"] == list(config.GENRES)
    assert not set(predict.LEFT_OUT) & set(stored["columns"])


def test_a_song_gets_probabilities_of_all_genres(write, model):
    found = predict.predict(write(), model)
    shares = found.probabilities
    assert set(shares) == set(config.GENRES) and sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert found.seconds == pytest.approx(6, abs=0.01)


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
    found = predict.predict(write(name, **settings), model)
    assert found.seconds == pytest.approx(6, abs=0.1)


def test_rate_and_channels_hardly_matter(write, model):
    plain = predict.predict(write(sr=44_100), model).pieces
    other = predict.predict(write("8.wav", sr=48_000, channels=2), model).pieces
    assert np.abs(plain - other).max() < 0.05


def test_long_songs_are_heard_window_by_window(write, model):
    found = predict.predict(write(seconds=70), model)
    assert found.starts_s.tolist() == pytest.approx([0, 30], abs=0.01)  # 10 s join the last
    found = predict.predict(write(seconds=80), model)
    assert found.starts_s.tolist() == pytest.approx([0, 30, 60], abs=0.01)


def test_the_pieces_of_a_stream_are_the_recording(write):
    path = write(seconds=7.3)
    whole, _ = audio.read(path)
    assert np.array_equal(np.concatenate(list(audio.stream(path, sr=SR, seconds=2.0))), whole)


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
def test_what_is_no_song_is_refused_in_one_line(tmp_path, model, content, words):
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


def test_a_model_that_is_not_sure_says_so():
    even = predict.Prediction(("a", "b"), np.zeros(1), np.array([[0.5, 0.5]]), 3.0, 0.6)
    sure = predict.Prediction(("a", "b"), np.zeros(1), np.array([[0.2, 0.8]]), 3.0, 0.6)
    assert even.genre is None and predict.line("x", even).startswith("x: not sure (a 50%")
    assert sure.genre == "b"
    assert json.loads(predict.as_json("x", even))["genre"] is None


def test_a_song_of_the_real_collection_is_like_its_row_of_the_table(real_data):
    """Trained without mini's tracks, the model does on them what its card says."""
    paths = sorted((real_data / "gtzan_mini" / "genres").rglob("*.wav"))
    without = tuple(path.stem for path in paths)
    model, measured = predict.train(real_data / "features_30_sec.csv", without=without)
    chosen = paths[::4]  # 25 songs, for time's sake
    right = np.array(
        [
            next(iter(predict.predict(path, model).probabilities)) == path.parent.name
            for path in chosen
        ]
    )
    low, high = evaluate.accuracy_interval(right)
    _, published_low, published_high = measured["track_random"]
    assert low <= published_high and high >= published_low


# Other models


@pytest.mark.parametrize(
    ("system_id", "suffix", "n_pieces"),
    [
        ("capstone_cnn", ".keras", 13),
        ("ours_svm_segments", ".skops", 13),
        ("capstone_random_forest", ".skops", 1),
        ("capstone_xgboost", ".skops", 1),
    ],
)
def test_a_model_of_a_run_is_asked_in_the_same_way(write, tmp_path, system_id, suffix, n_pieces):
    arguments = {"protocol": "fault_filtered", "profile": "smoke", "run_dir": tmp_path, "jobs": 1}
    row, _ = experiments.run_system(system_id, "synthetic", **arguments)
    model = predict.load(results.model_path(tmp_path, row.stem, suffix=suffix))
    found = predict.predict(write(seconds=40), model)
    assert found.pieces.shape == (n_pieces, 10)
    np.testing.assert_allclose(found.pieces.sum(axis=1), 1, atol=1e-5)
    assert (np.diff(found.starts_s) > 0).all()


def test_a_model_on_disk_says_what_it_said_in_its_run(tmp_path):
    arguments = {"protocol": "fault_filtered", "profile": "smoke", "run_dir": tmp_path, "jobs": 1}
    row, said = experiments.run_system("capstone_svm", "synthetic", **arguments)
    model = classical.load(results.model_path(tmp_path, row.stem, suffix=".skops"))
    assert model.inputs.labels == tuple(said.labels) and model.inputs.features == "capstone"
    data = extract.extract("synthetic", "capstone", profile="smoke", segment_seconds=0)
    of_test = data.segments.set_index("track_id").index.get_indexer(said.test_id)
    probs = model.predict_proba(data.values[of_test])
    np.testing.assert_allclose(probs, said.test_probs.astype(float), atol=1e-3)


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
    ("heard", "period", "words"),
    [
        ("pictures", None, "trained on pictures, not on sound"),
        ("logmel", 0.075, r"a frame every 0\.075 s; songs give one every"),
    ],
)
def test_what_a_song_does_not_give_is_refused(tmp_path, heard, period, words):
    model = LogisticRegression().fit([[0.0], [1.0]], ["a", "b"])
    path = classical.Fitted(model, Inputs(heard, 3.0, (1,), ("a", "b"), period)).save(
        tmp_path / "deaf.skops"
    )
    with pytest.raises(SettingError, match=words):
        predict.load(path)


# The command


def gtzan(*words):
    command = [sys.executable, "-m", "gtzan_helpers.cli", "predict", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_odd_files_never_stop_the_others(write, tmp_path):
    (tmp_path / "odd.mp3").write_bytes(b"odd")
    done = gtzan(write(), tmp_path / "odd.mp3", tmp_path / "none.wav", "--timeline")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert all(line.startswith(f"error: {tmp_path}") for line in done.stderr.splitlines())
    first, second = done.stdout.splitlines()
    assert "song.wav: " in first and second.startswith("  0:00.0 ")


@pytest.mark.skipif(sys.platform != "linux", reason="names are text on this system")
def test_a_name_that_is_no_text_is_a_name(write, tmp_path):
    odd = tmp_path / os.fsdecode(b"\xff.wav")
    write().rename(odd)
    done = gtzan(odd, tmp_path / os.fsdecode(b"\xfe.wav"))
    assert done.returncode == 1
    assert re.search(r"udcff\.wav: \w", done.stdout)
    assert re.search(r"udcfe\.wav: cannot be opened", done.stderr)


def test_json_is_a_line_per_file(write, tmp_path):
    done = gtzan(write(), tmp_path / "none.wav", "--json")
    good, bad = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1 and not done.stderr
    assert set(good) == {"file", "genre", "probabilities", "seconds"}
    assert set(bad) == {"file", "error"} and "cannot be opened" in bad["error"]


@pytest.mark.parametrize("seconds", [30.9, 60.5])
def test_the_last_breath_of_a_song_counts(write, seconds):
    assert predict.predict(write(seconds=seconds)).seconds == pytest.approx(seconds, abs=0.01)


def test_nothing_is_imported_or_compiled_that_takes_seconds(write):
    script = (
        "import sys; from gtzan_helpers import predict; predict.predict(sys.argv[1]); "
        "from gtzan_helpers import features, median; "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib.pyplot', 'librosa.util') "
        "if m in sys.modules], features._power.signatures, median._run.signatures)"
    )
    command = [sys.executable, "-c", script, str(write())]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["[]"] * 3
