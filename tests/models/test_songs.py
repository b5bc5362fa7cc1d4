"""Models of songs: how they are fitted, what they promise, and how they are kept."""

import runpy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gtzan_helpers import config
from gtzan_helpers.audio import blocks, spectra
from gtzan_helpers.errors import SourceError
from gtzan_helpers.evaluation import prediction_sets
from gtzan_helpers.models import songs
from gtzan_helpers.models.songs import similarity
from gtzan_helpers.models.songs.model import FRAME_RATE, UNLIKE
from gtzan_helpers.models.songs.similarity import BLOCKS, LENGTHS, MUSIC

SR = config.SR
N_COLUMNS = sum(size for size, _ in BLOCKS.values())
N_SONGS, LABELS = 30, ("even", "odd")


@pytest.fixture(scope="module")
def training():
    """The script that trains the models."""
    path = config.checkout() / "scripts" / "train_song_model.py"
    return SimpleNamespace(**runpy.run_path(str(path)))


@pytest.fixture(scope="module")
def tracks():
    genres = [LABELS[number % 2] for number in range(N_SONGS)]
    ids = [f"{genre}.{number}" for number, genre in enumerate(genres)]
    return pd.DataFrame({"track_id": ids, "genre": genres, "artist_group": ids})


@pytest.fixture(scope="module")
def examples(training):
    """Songs of two genres that differ in every column; sounds lie far away from both."""
    rng, made = np.random.default_rng(0), []
    n_columns = N_COLUMNS + sum(size for size, _ in MUSIC.values())
    for n in training.EXCERPTS:
        of_songs = np.repeat(np.arange(N_SONGS), n)
        values = rng.normal((of_songs % 2)[:, None], 1, (len(of_songs), n_columns))
        sounds = rng.normal(-9, 1, (10, n_columns))
        whose = np.concatenate([of_songs, np.full(10, -1)])
        weights = np.ones(len(whose))
        made.append(training.Examples(np.concatenate([values, sounds]), whose, weights))
    return made


@pytest.fixture(scope="module")
def model(training, examples, tracks):
    small = [each.small() for each in examples]
    fitted = training.fit("a small model", small, tracks, np.arange(N_SONGS))
    scores = training.scored(fitted, small, np.arange(N_SONGS))
    return fitted.calibrated(scores, np.arange(N_SONGS) % 2)


def levels_of(y):
    return spectra.levels(y.astype(np.float32), sr=SR)


def test_the_longest_length_that_a_recording_has_is_chosen():
    of_frames = {1: 1, 13: 1, 39: 3, 60: 5, 65: 5, 129: 10, 300: 10, 387: 30, 580: 30}
    found = {frames: LENGTHS[similarity.length_of(frames)] for frames in of_frames}
    assert found == of_frames


@pytest.mark.parametrize("before", [0, 1, 2, 20])
def test_silence_before_a_recording_changes_none_of_its_columns(rng, before):
    levels = rng.uniform(-30, 0, (128, 130)).astype(np.float32)
    silence = np.full((128, before), -95, np.float32)
    columns = [
        similarity.columns(each, frame_rate=FRAME_RATE, music=False)
        for each in (levels, np.hstack([silence, levels, silence]))
    ]
    np.testing.assert_array_equal(*columns)
    assert columns[0].shape == (N_COLUMNS,)


def test_levels_ignore_a_constant_offset(rng):
    y = np.concatenate([np.zeros(SR), 0.1 * rng.standard_normal(SR)])
    plain, offset = levels_of(y), levels_of(y + 0.2)
    assert offset[:, :40].max() < -60  # rounding only
    np.testing.assert_allclose(offset[:, 50:], plain[:, 50:], atol=0.1)
    assert levels_of(np.full(SR, 0.5)).max() == pytest.approx(-100, abs=0.01)


def test_short_recordings_are_continued_to_one_second(rng):
    levels = rng.uniform(-30, 0, (128, 3)).astype(np.float32)
    columns = similarity.columns(levels, frame_rate=1 / blocks.PERIOD, music=False)
    assert np.isfinite(columns).all()


def test_a_song_is_as_similar_to_itself_as_can_be(model, examples):
    whole = examples[-1].small().values[:N_SONGS]
    kernels = model.songs.similarities(whole, len(LENGTHS) - 1)
    weights = [weight for _, weight in BLOCKS.values()]
    assert sum(weights) == pytest.approx(1)
    np.testing.assert_allclose(
        kernels[:, range(N_SONGS), range(N_SONGS)].min(1), weights, rtol=0.05
    )
    nearest = model.songs.nearest(kernels[:, 4], 3)
    assert nearest.track_id[0] == "even.4" and nearest.similarity.is_monotonic_decreasing


def test_genres_and_what_is_no_song_are_learnt(model, training, examples):
    small = [each.small() for each in examples]
    for length, n in enumerate(training.EXCERPTS):
        middle = training.middles(small[length], n, np.arange(N_SONGS))
        kernels = model.songs.similarities(middle, length)
        predicted = model.scores(kernels, length).argmax(axis=1)
        assert (predicted == np.arange(N_SONGS) % 2).all()
        assert model.likenesses(kernels, length).min() > UNLIKE
        sounds = model.songs.similarities(small[length].values[-10:], length)
        assert model.likenesses(sounds, length).max() < UNLIKE


def test_sets_hold_the_right_genre_as_often_as_they_promise(model, rng):
    y_true = rng.integers(0, 2, 2000)
    scores = rng.normal(0, 0.3, (2000, 2)) + 0.3 * np.eye(2)[y_true]
    judged = model.calibrated([scores[:1000]] * len(LENGTHS), y_true[:1000])
    probs = judged.probabilities(scores[1000:], 0)
    held = prediction_sets(probs, judged.thresholds[0])[np.arange(1000), y_true[1000:]]
    assert held.mean() == pytest.approx(songs.model.COVERAGE, abs=0.03)


def test_files_hold_all_of_a_model_and_a_large_one_needs_its_small_one(
    model, training, examples, tracks, tmp_path
):
    large = training.fit("a large model", examples, tracks, np.arange(N_SONGS))
    small_path = songs.save(tmp_path / "songs_small.npz", model)
    large_path = songs.save(tmp_path / "songs_large.npz", large)
    for kept, made in ((small_path, model), (large_path, large)):
        loaded = songs.load(kept)
        assert (loaded.name, loaded.labels) == (made.name, made.labels)
        np.testing.assert_array_equal(loaded.votes, made.votes)
        np.testing.assert_allclose(loaded.songs.mean, made.songs.mean, atol=1e-6)
    assert songs.load(small_path).identity == model.identity != large.identity
    small_path.unlink()
    with pytest.raises(SourceError, match="songs_large"):
        songs.load(large_path)


@pytest.mark.parametrize("name", ["missing", "empty", "other", "pickled"])
def test_a_file_that_is_no_model_is_named(tmp_path, name):
    path = tmp_path / f"{name}.npz"
    if name == "empty":
        path.write_bytes(b"")
    if name == "other":
        np.savez(path, labels=np.array(["a"]), votes=np.zeros(3))
    if name == "pickled":
        np.savez(path, labels=np.array([{}], dtype=object))
    with pytest.raises(SourceError, match=f"{name}.npz"):
        songs.load(path)


def test_a_model_whose_arrays_do_not_fit_together_is_refused(model, tmp_path):
    cut = replace(model, votes=model.votes[:, :5])
    with pytest.raises(SourceError, match=r"cut\.npz: not a model of songs"):
        songs.load(songs.save(tmp_path / "cut.npz", cut))
