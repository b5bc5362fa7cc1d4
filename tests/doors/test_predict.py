"""Songs in, their genres out: files of every kind, known signals, and what is refused."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import signals
import soundfile
from sklearn.linear_model import LogisticRegression

from gtzan_helpers import config, experiments, predict, workers
from gtzan_helpers.audio import reading, tables
from gtzan_helpers.datasets import embedded
from gtzan_helpers.errors import AudioError, NotPossibleError, SettingError, SourceError
from gtzan_helpers.models import classical, fitted
from gtzan_helpers.models.fitted import Inputs
from gtzan_helpers.models.songs import Answer
from gtzan_helpers.report import answers

SR = 22_050


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Else the first test would take ten seconds more."""
    tables.compile_kernels()


@pytest.fixture(scope="module")
def model():
    return predict.load("small")


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


# What is said, and what is not


@pytest.mark.parametrize("kind", signals.NOT_MUSIC)
def test_no_genre_is_named_for_what_is_no_music(kind, model, tmp_path):
    for seconds in (3.0, 10.0, 30.0):
        y = signals.NOT_MUSIC[kind](seconds, SR, seed=1000)
        soundfile.write(tmp_path / "sound.wav", y, SR, subtype="FLOAT")
        answer = predict.song(tmp_path / "sound.wav", model, timeline=True)
        assert (answer.genre, answer.genres, answer.probabilities) == (None, (), {})
        assert answer.words == "unlike anything in the training songs"
        assert answer.neighbours.empty and answer.timeline.empty


@pytest.fixture(scope="module")
def composed():
    """Three songs of the embedded dataset."""
    drawn = (embedded.draw_song(genre, 0, 0, seed=1) for genre in ("classical", "jazz", "hiphop"))
    return [embedded.play(song, 30.0) for song in drawn]


SAME = [
    *("rate_32000", "rate_96000", "stereo", "channel_silent", "channel_inverted"),
    *("minus_6", "minus_30", "silence_before", "silence_after", "offset"),
]


@pytest.mark.parametrize("change", SAME)
def test_the_song_is_judged_not_its_recording(change, composed, model, tmp_path):
    for y in composed:
        soundfile.write(tmp_path / "song.wav", y, SR, subtype="FLOAT")
        plain = predict.song(tmp_path / "song.wav", model)
        changed = predict.song(signals.RECORDINGS[change](y, SR, tmp_path / "other.wav"), model)
        assert changed.genre == plain.genre
        shares = [pd.Series(answer.probabilities) for answer in (plain, changed)]
        assert (shares[0] - shares[1]).abs().max() < 0.15


def test_an_answer_says_which_bands_are_missing(composed, model, tmp_path):
    found = {}
    for name in ("by_way_of_8000", "by_way_of_16000", "minus_6"):
        path = signals.RECORDINGS[name](composed[0], SR, tmp_path / "song.wav")
        found[name] = predict.song(path, model).notices
    assert "nothing above 4 kHz" in found["by_way_of_8000"]
    assert "nothing above 8 kHz" in found["by_way_of_16000"]
    assert not any("nothing above" in notice for notice in found["minus_6"])


def test_sets_and_parts_and_neighbours_are_those_of_the_model(composed, model, tmp_path):
    y = np.concatenate([composed[0], composed[1][: 20 * SR]])
    soundfile.write(tmp_path / "song.wav", y, SR)
    answer = predict.song(tmp_path / "song.wav", model, timeline=True)
    assert answer.seconds == pytest.approx(50, abs=0.01)
    assert list(answer.genres) == list(answer.probabilities)[: len(answer.genres)]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.coverage == 0.9 and answer.model.startswith("small")
    assert (answer.timeline.start_s.diff().dropna().between(4, 6)).all()
    assert len(answer.neighbours) == 5 and answer.neighbours.similarity.between(0, 1).all()
    assert answer.reasons


def test_a_song_of_gtzan_is_recognised(real_data, model):
    path = real_data / "gtzan_mini" / "genres" / "blues" / "blues.00002.wav"
    answer = predict.song(path, model)
    assert "this is blues.00002 of GTZAN, which the model was trained on" in answer.notices
    assert answer.genre == "blues" and answer.neighbours.track_id[0] == "blues.00002"


def test_carried_models_are_small_and_have_a_card():
    folder = config.facts_dir()
    small, large = (folder / f"songs_{name}.npz" for name in ("small", "large"))
    assert small.stat().st_size < 6e6 and large.stat().st_size < 5e6
    card = (folder / "genres.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: ") and "| 30 s |" in card


@pytest.mark.slow
def test_the_large_model_answers_and_says_how_to_get_what_it_needs(composed, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "song.wav", composed[0], SR)
    answer = predict.song(tmp_path / "song.wav")
    assert answer.model.startswith("large") and "what MusiCNN hears" in answer.reasons
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert predict.load().name.startswith("small")
    with pytest.raises(NotPossibleError, match=r"large: needs .* `pip install --no-deps musicnn`"):
        predict.load("large")


# Files


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
    path = write(name, **settings)
    answer = predict.song(path, model)
    assert answer.file == str(path) and set(answer.genres) <= set(config.GENRES)
    assert answer.seconds == pytest.approx(6, abs=0.1)


def test_rate_and_channels_hardly_matter(write, model):
    plain = predict.song(write(sr=44_100), model)
    other = predict.song(write("8.wav", sr=48_000, channels=2), model)
    assert plain.probabilities == pytest.approx(other.probabilities, abs=0.05)


@pytest.mark.parametrize("seconds", [30.9, 60.5])
def test_the_last_breath_of_a_song_counts(write, model, seconds):
    assert predict.song(write(seconds=seconds), model).seconds == pytest.approx(seconds, abs=0.01)


def test_a_fault_of_the_file_is_a_notice_once(write, model, recwarn):
    path = write(channels=2)
    y, sr = soundfile.read(path)
    soundfile.write(path, y * [1, 0], sr)
    for _ in range(2):
        notices = predict.song(path, model).notices
        assert notices.count("one channel silent; the other one is used") == 1
    assert not recwarn.list


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
        predict.song(path, model)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_an_absurd_sampling_rate_is_refused(write, model):
    with pytest.raises(AudioError, match="sampling rate of 900,000 Hz"):
        predict.song(write(sr=900_000, seconds=1.2), model)


# Other models


def measured(system_id, folder):
    """A system measured on the embedded dataset: its predictions, and its model's path."""
    run = experiments.start("synthetic", profile="smoke", run_dir=folder)
    _, predictions = run.measurement(system_id, "fault_filtered").result()
    (path,) = (folder / "models").iterdir()
    return run, predictions, path


@pytest.mark.parametrize(
    ("system_id", "seconds", "n_parts"),
    [
        *[("capstone_cnn", 40, 13), ("ours_svm_segments", 40, 13), ("capstone_xgboost", 40, 1)],
        *[("capstone_xgboost", 70, 2), ("capstone_xgboost", 80, 3)],  # 10 s join the last 30 s
    ],
)
def test_a_model_of_a_run_classifies_songs_part_by_part(
    write, tmp_path, system_id, seconds, n_parts
):
    _, _, path = measured(system_id, tmp_path)
    answer = predict.song(write(seconds=seconds), predict.load(path), timeline=True)
    starts, shares = answer.timeline.start_s, answer.timeline[[*config.GENRES]]
    assert len(starts) == n_parts and (np.diff(starts) > 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert answer.probabilities == pytest.approx(shares.mean().to_dict())
    ranked = sorted(answer.probabilities.values(), reverse=True)
    assert list(answer.probabilities.values()) == ranked
    assert answer.genres == (next(iter(answer.probabilities)),) and answer.coverage is None


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


# Many songs


@pytest.fixture
def own(tmp_path):
    """A quick model, which names a genre whatever it hears, every 3 s."""
    values = np.random.default_rng(0).standard_normal((20, 57))
    model = LogisticRegression().fit(values, 2 * config.GENRES)
    inputs = Inputs("kaggle", 3.0, (57,), config.GENRES)
    return classical.FittedClassical(model, inputs).save(tmp_path / "own.skops")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache in which no answer is kept yet."""
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "answers"


def kept(cache):
    return sorted(cache.rglob("*.json"))


def test_files_are_named_by_folders_and_patterns(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp3", "more/b.OGG", "more/deep/c[1].wav", "more/._d.wav", "other/words.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    inside = [str(Path("more", name)) for name in ("b.OGG", "deep/c[1].wav")]
    assert predict.audio_files("more") == predict.audio_files(Path("more")) == inside
    assert predict.audio_files(["more/deep/c[1].wav", "*.mp3"]) == ["more/deep/c[1].wav", "a.mp3"]
    assert predict.audio_files("**/*[c]?1?.w*") == ["more/deep/c[1].wav"]
    assert predict.audio_files("mo*") == inside
    assert predict.audio_files(["none*", "a.mp3", "other"]) == ["none*", "a.mp3", "other"]
    with pytest.raises(SettingError, match=r"^other: a folder without audio; name"):
        predict.audio_files(["other"])


def test_songs_are_answered_in_order_and_what_is_none_is_said(write, tmp_path, own, cache):
    song, bad, folder = write(), tmp_path / "bad.wav", tmp_path / "folder"
    bad.write_bytes(b"odd")
    folder.mkdir()
    first, second, third, fourth = predict.songs([bad, song, tmp_path / "-", folder], own)
    assert (second.file, second.genres) == (str(song), predict.song(song, predict.load(own)).genres)
    assert "not audio" in str(first) and "cannot be opened" in str(third)
    assert str(fourth) == f"{folder}: {predict.NO_AUDIO}"
    assert len(kept(cache)) == 1  # what could not be used is tried again


def test_an_answer_is_kept_by_content_and_model_and_as_it_was(write, tmp_path, own, cache):
    song, copy = write("a.flac"), tmp_path / "copy.flac"
    shutil.copy(song, copy)
    (new,) = predict.songs(song, own, timeline=True)
    (entry,) = kept(cache)
    stored = json.loads(entry.read_text())
    entry.write_text(json.dumps(stored | {"notices": ["from the cache"]}))
    (old,) = predict.songs(copy, own, timeline=True)
    assert (old.file, old.notices) == (str(copy), ("from the cache",))
    assert (old.probabilities, old.genres) == (new.probabilities, new.genres)
    pd.testing.assert_frame_equal(old.timeline, new.timeline)
    assert len(new.timeline) == 2
    (other,) = predict.songs(copy, own)
    assert other.notices == () and other.timeline.empty
    inputs = Inputs("kaggle", 3.0, (57,), config.GENRES, temperature=3.0)
    classical.FittedClassical(fitted.load(own).model, inputs).save(own)  # under the same name
    (tempered,) = predict.songs(copy, own, timeline=True)
    assert tempered.probabilities != new.probabilities and tempered.notices == ()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"timeline": {}}', "\udcff"])
def test_a_damaged_answer_is_made_again(write, own, cache, content):
    (new,) = predict.songs(write(), own)
    (entry,) = kept(cache)
    entry.write_text(content, errors="surrogateescape")
    (again,) = predict.songs(write(), own)
    assert again.probabilities == new.probabilities
    assert json.loads(entry.read_text())["genres"] == [new.genre]


def test_what_was_interrupted_goes_on_where_it_was(write, own, cache, monkeypatch):
    paths = [write(f"{n}.wav", seconds=2 + n / 10) for n in range(5)]
    begun = predict.songs(paths, own)
    done = [next(begun), next(begun)]
    begun.close()
    assert len(kept(cache)) == 2
    before = [entry.stat().st_mtime_ns for entry in kept(cache)]
    answered = list(predict.songs(paths, own))
    assert [answer.file for answer in answered] == [*map(str, paths)]
    assert [answer.seconds for answer in answered[:2]] == [answer.seconds for answer in done]
    assert len(kept(cache)) == 5
    assert set(before) <= {entry.stat().st_mtime_ns for entry in kept(cache)}


def test_several_processes_answer_as_one_does(write, own, tmp_path, monkeypatch):
    paths = [write(f"{n}.wav", seconds=2 + n / 10) for n in range(6)]
    paths.insert(3, tmp_path / "missing.wav")
    monkeypatch.setattr(workers, "WORTH_PROCESSES", 0)
    said = []
    for jobs in (1, 2):
        monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / f"cache {jobs}"))
        results = predict.songs(paths, own, timeline=True, jobs=jobs)
        said.append([answers.as_json("", result) for result in results])
    assert said[0] == said[1] and "missing.wav: cannot be opened" in said[0][3]


def test_where_nothing_can_be_kept_songs_are_answered_all_the_same(write, own, tmp_path, cache):
    cache.parent.write_text("in the way")
    (answer,) = predict.songs(write(), own)
    assert isinstance(answer, Answer)


def test_a_model_is_refused_before_the_first_song(write, tmp_path):
    with pytest.raises(SourceError, match="there is no such model"):
        predict.songs(write(), tmp_path / "none.skops")


# The command


COMMAND = [sys.executable, "-m", "gtzan_helpers.cli", "predict"]


def command(*words):
    asked = [*COMMAND, *map(str, words)]
    return subprocess.run(asked, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="names are text on other systems")
def test_odd_files_and_names_that_are_no_text_never_stop_the_others(write, tmp_path):
    (tmp_path / "odd.mp3").write_bytes(b"odd")
    odd = tmp_path / os.fsdecode(b"\xff.wav")
    write().rename(odd)
    words = [tmp_path / os.fsdecode(b"\xfe.wav"), "--timeline", "--model", "small"]
    done = command(tmp_path / "odd.mp3", odd, *words)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 2
    assert all(line.startswith(f"error: {tmp_path}") for line in done.stderr.splitlines())
    assert re.search(r"udcfe\.wav: cannot be opened", done.stderr)
    first, *parts = done.stdout.splitlines()
    assert re.search(r"udcff\.wav: \w", first)
    assert all(re.match(r"  0:0\d\.\d \w+ \d+%$", part) for part in parts)


def test_a_folder_on_a_terminal_is_a_table_below_which_a_bar_goes_on(
    write, tmp_path, own, cache, on_a_terminal
):
    for n in range(3):
        write(f"a song whose name is long enough to be cut {n}.flac", seconds=2 + n / 10)
    lines, code = on_a_terminal(*COMMAND, tmp_path, "--model", own, LC_ALL="C.UTF-8")
    shown = [line.split("\r")[-1] for line in lines]
    rows = [line for line in shown if re.fullmatch(r"\S+….*cut \d\.flac  \w+ +█+ +\d+%", line)]
    assert code == 0 and shown[-1].strip() == "" and max(map(len, shown)) <= 60
    assert re.findall(r"cut (\d)", "".join(rows)) == ["0", "1", "2"] and rows == shown[-4:-1]
    assert "".join(shown).startswith(str(own)) and "predict:   0%" in "".join(lines)
    plain, code = on_a_terminal(*COMMAND, tmp_path / "*1.flac", "--model", own, LC_ALL="C")
    assert code == 0 and re.fullmatch(r"\S+\.{3}.*cut 1\.flac  \w+ +#+ +\d+%", plain[-2])


def test_json_tells_everything_and_errors_are_said_twice(write, tmp_path, own):
    done = command(write(), tmp_path / "none.wav", "--model", own, "--json", "--timeline")
    good, bad = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert good["genre"] == good["genres"][0] and len(good["timeline"]) == 2
    assert bad == {"file": str(tmp_path / "none.wav"), "error": bad["error"]}
    assert done.stderr == f"error: {tmp_path / 'none.wav'}: {bad['error']}\n"


def test_a_table_and_a_picture_are_written_beside_the_lines(write, tmp_path, own):
    table, picture = tmp_path / "table.csv", tmp_path / "picture.png"
    done = command(write(), "--model", own, "--csv", table, "--plot", picture)
    assert done.returncode == 0 and done.stdout.count("\n") == 1  # no parts, though they are drawn
    (row,) = pd.read_csv(table).itertuples()
    assert done.stdout.startswith(f"{row.file}: {row.genre} (")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--csv", "t.csv", "--json"], "--csv t.csv: name a .csv, and leave out --json"),
        (["--csv", "song.wav"], "--csv song.wav: name a .csv"),
        (["song.wav", "--plot", "p.png"], "--plot p.png: draws one song, not 2"),
        (["--model", "none.skops"], "none.skops: there is no such model"),
        (["--jobs", "0"], "0 is not in the range"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_refused_in_one_line(gtzan, write, monkeypatch, words, message):
    monkeypatch.chdir(write().parent)
    done = gtzan("predict", "song.wav", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_without_audio_is_refused_in_one_line(tmp_path):
    done = command(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path}: {predict.NO_AUDIO}\n"


@pytest.mark.skipif(os.name != "posix", reason="pipes are closed otherwise")
def test_a_closed_pipe_is_no_traceback(write, own):
    process = subprocess.Popen(
        [*COMMAND, str(write()), "--model", str(own)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.close()  # long before the first line
    assert process.stderr.read() == b"" and process.wait(60) == 1
    process.stderr.close()


def test_nothing_is_imported_that_takes_seconds(write):
    script = (
        "import sys; from gtzan_helpers import predict; "
        "predict.song(sys.argv[1], predict.load('small')); "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib') if m in sys.modules])"
    )
    asked = [sys.executable, "-c", script, str(write())]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
