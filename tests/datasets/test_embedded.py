"""The embedded dataset: its plan is true, its recipes are audible, and it is hard enough."""

import hashlib
import time
from dataclasses import replace

import librosa
import numpy as np
import pandas as pd
import pytest
import scipy.fft
import soundfile
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from gtzan_helpers import config, files
from gtzan_helpers.datasets import splits
from gtzan_helpers.datasets.embedded import dataset
from gtzan_helpers.datasets.embedded.artists import draw_artist, draw_song
from gtzan_helpers.datasets.embedded.dataset import make, render
from gtzan_helpers.datasets.embedded.plan import (
    DUPLICATE_SHARE,
    FACTS,
    WRONG_LABEL_SHARE,
    make_plan,
    planned_facts,
)
from gtzan_helpers.datasets.embedded.playing import SR, chords, play
from gtzan_helpers.datasets.embedded.recipes import NEIGHBOURS, RECIPES, SCALES
from gtzan_helpers.datasets.sources import open_source

SEED = config.SYNTHETIC_SEED
SONGS = 5
SECONDS = 10.0


# The plan


@pytest.fixture(scope="module", params=[40, 100, 1000])
def plan(request):
    return make_plan(request.param, seed=SEED)


def test_a_plan_has_the_requested_tracks_evenly_over_the_genres(plan):
    assert set(plan.genre.value_counts()) == {len(plan) // 10}
    assert plan.track_id.is_unique


def test_ids_are_never_mistaken_for_gtzans(plan):
    assert not plan.track_id.str.fullmatch(r"[a-z]+\.\d{5}").any()


def test_only_the_same_seed_gives_the_same_plan(plan):
    pd.testing.assert_frame_equal(make_plan(len(plan), seed=SEED), plan)
    assert not make_plan(len(plan), seed=SEED + 1).equals(plan)


def test_duplicates_have_an_original_of_the_same_song_artist_and_label(plan):
    duplicates = plan[plan.replica != "none"]
    originals = plan.set_index("track_id").loc[duplicates.duplicate_of]
    for column in ("song", "artist", "genre", "true_genre", "artist_group"):
        assert duplicates[column].tolist() == originals[column].tolist()
    assert (originals.replica == "none").all()


def test_tracks_that_are_not_duplicates_are_songs_of_their_own(plan):
    assert plan.song[plan.replica == "none"].is_unique


def test_duplicates_of_both_kinds_have_the_planned_share_and_are_marked(plan):
    counts = plan.replica.value_counts()
    assert counts["exact"] + counts["near"] == max(2, round(DUPLICATE_SHARE * len(plan)))
    assert abs(counts["exact"] - counts["near"]) <= 1
    marked = (plan.replica != "none").tolist()
    assert plan.duplicate_of.notna().tolist() == plan.sturm_removed.tolist() == marked


def test_wrong_labels_have_the_planned_share_and_name_a_neighbour(plan):
    wrong = plan[plan.genre != plan.true_genre]
    assert len(wrong) == max(1, round(WRONG_LABEL_SHARE * len(plan)))
    assert all(row.true_genre in NEIGHBOURS[row.genre] for row in wrong.itertuples())


def test_exactly_the_faulty_tracks_are_excluded_from_the_partition(plan):
    faulty = plan.duplicate_of.notna() | (plan.genre != plan.true_genre)
    assert (plan.fault_filtered == "excluded").tolist() == faulty.tolist()


def test_every_genre_is_in_every_set_of_the_partition(plan):
    for name in ("train", "valid", "test"):
        assert set(plan.genre[plan.fault_filtered == name]) == set(config.GENRES)


def test_the_artist_group_is_the_artist_who_plays(plan):
    played = plan.groupby("artist_group")[["true_genre", "artist"]].nunique()
    assert (played == 1).all(axis=None)
    assert len(played) == len(plan[["true_genre", "artist"]].drop_duplicates())


def test_every_protocol_keeps_its_promises(plan):
    segments = plan.loc[plan.index.repeat(3), ["track_id", "genre"]].reset_index(drop=True)
    for protocol in splits.PROTOCOLS:
        for split in splits.make(protocol, segments, plan, seed=0):
            splits.check_disjoint(protocol, split, segments, plan)


def test_too_few_tracks_are_refused():
    with pytest.raises(ValueError, match="n_tracks=39 is too few"):
        make_plan(39, seed=SEED)


def test_facts_are_known_only_of_tracks_with_exactly_the_planned_ids_and_labels():
    plan = make_plan(40, seed=SEED)
    shuffled = plan[["track_id", "genre"]].sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(planned_facts(shuffled), plan[["track_id", *FACTS]])
    assert planned_facts(plan[1:]) is None
    assert planned_facts(plan.assign(genre=plan.true_genre)) is None
    assert planned_facts(make_plan(50, seed=SEED)) is None


def test_the_chords_of_a_song_are_those_that_sound():
    song = draw_song("country", 3, 3, seed=0)
    y, written = play(song, 8), chords(song, 8)
    bar_s = song.recipe.beats * 60 / song.tempo
    assert np.allclose(written.start_s, bar_s * np.arange(len(written)))
    assert written.chord.str.endswith((" maj", " min")).all()
    chroma = librosa.feature.chroma_cqt(y=y, sr=22_050)
    frames = librosa.time_to_frames([0.1, bar_s - 0.1], sr=22_050)
    strongest = np.argsort(-chroma[:, slice(*frames)].mean(axis=1))[:3]
    assert {note % 12 for note in written.notes[0]} == set(strongest)


# On disk


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    """A short dataset made by one process, and its folder."""
    folder = tmp_path_factory.mktemp("one")
    return make(folder, n_tracks=40, seconds=2.0, seed=SEED), folder


def hashes(folder):
    return {p.relative_to(folder): files.file_hash(p) for p in folder.rglob("*") if p.is_file()}


def path_of(folder, track):
    return folder / track.genre / f"{track.track_id}.wav"


def test_two_processes_write_the_same_bytes(on_disk, tmp_path):
    make(tmp_path, n_tracks=40, seconds=2.0, seed=SEED, jobs=2)
    assert hashes(tmp_path) == hashes(on_disk[1])


def test_every_planned_track_is_written_with_its_duration(on_disk):
    plan, folder = on_disk
    for track in plan.itertuples():
        info = soundfile.info(path_of(folder, track))
        assert (info.samplerate, info.channels, info.frames) == (SR, 1, 2 * SR)
    assert len(hashes(folder)) == len(plan) + 1


def test_making_it_again_adds_missing_files_and_leaves_the_others(on_disk, tmp_path):
    plan, folder = on_disk
    first, second = plan.iloc[0], plan.iloc[1]
    for track in plan.iloc[1:].itertuples():
        path_of(tmp_path, track).parent.mkdir(exist_ok=True)
        path_of(tmp_path, track).write_bytes(path_of(folder, track).read_bytes())
    path_of(tmp_path, second).write_bytes(b"mine")
    make(tmp_path, n_tracks=40, seconds=2.0, seed=SEED)
    assert path_of(tmp_path, first).read_bytes() == path_of(folder, first).read_bytes()
    assert path_of(tmp_path, second).read_bytes() == b"mine"


def test_exactly_the_exact_duplicates_are_identical_files(on_disk):
    plan, folder = on_disk
    digests = pd.Series([files.file_hash(path_of(folder, t)) for t in plan.itertuples()])
    exact = plan[plan.replica == "exact"]
    pairs = {frozenset(pair) for pair in zip(exact.track_id, exact.duplicate_of, strict=True)}
    groups = {frozenset(group) for _, group in plan.track_id.groupby(digests) if len(group) > 1}
    assert groups == pairs


def test_the_word_synthetic_opens_a_source_with_the_planned_facts():
    source = open_source("synthetic", profile="smoke")
    assert (source.name, source.kind, source.synthetic) == ("synthetic", "audio", True)
    assert source.path.name == f"40x6s-v{dataset.VERSION}"
    facts = ["track_id", "genre", *FACTS]
    pd.testing.assert_frame_equal(source.tracks[facts], make_plan(40, seed=SEED)[facts])


def test_facts_are_those_of_the_plan_whatever_its_file_says(tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path))
    path = open_source("synthetic", profile="smoke").path / "plan.csv"
    edited = pd.read_csv(path).assign(fault_filtered="train", duplicate_of="")
    edited.to_csv(path, index=False)
    tracks = open_source("synthetic", profile="smoke").tracks
    pd.testing.assert_frame_equal(tracks[list(FACTS)], make_plan(40, seed=SEED)[list(FACTS)])


def test_a_version_of_the_dataset_never_changes():
    """If this fails, the plan or the sound has changed: raise `VERSION`, and store the new hash.

    Levels are rounded to 0.1 dB, because the last bits of a sample depend on the processor.
    """
    plan = make_plan(100, seed=SEED)
    tracks = pd.concat([plan.drop_duplicates("genre"), plan[plan.replica == "near"]])
    y = np.stack([render(track, 4.0, seed=SEED) for _, track in tracks.iterrows()])
    power = np.square(y, dtype=float).reshape(len(y), 8, -1).mean(axis=2)
    levels = np.round(10 * np.log10(power), 1)
    state = plan.to_csv(index=False) + np.array2string(levels, threshold=levels.size)
    digest = hashlib.sha256(state.encode()).hexdigest()[:16]
    assert (dataset.VERSION, digest) == (2, "4af1be16928afcbb")


def test_a_near_duplicate_is_the_same_recording_half_a_second_later_and_softer():
    plan = make_plan(40, seed=SEED)
    for _, original in plan[plan.replica == "none"].drop_duplicates("genre").iterrows():
        near = original.copy()
        near["replica"] = "near"
        y, later = (render(track, 4.0, seed=SEED) for track in (original, near))
        half = SR // 2
        assert np.corrcoef(y[half:], later[:-half])[0, 1] > 0.99
        assert np.abs(later[:-half]).max() < 0.8 * np.abs(y[half:]).max()


# The sound


@pytest.fixture(scope="module")
def songs():
    """Some songs of every genre, each with its audio; artists in turn."""
    songs = {}
    for genre in config.GENRES:
        drawn = [draw_song(genre, k % 4, 100 + k, seed=SEED) for k in range(SONGS)]
        songs[genre] = [(song, play(song, SECONDS)) for song in drawn]
    return songs


def in_scale(y, song):
    """Mean energy of the notes in a song's scale, divided by that of the others."""
    chroma = librosa.feature.chroma_cqt(y=y, sr=SR, hop_length=2048, tuning=0.0, norm=None)
    energy = chroma.mean(axis=1)
    scale = np.add(SCALES[song.recipe.scale], song.tonic) % 12
    inside = np.isin(np.arange(12), scale)
    return energy[inside].mean() / energy[~inside].mean()


def test_audio_is_finite_and_does_not_clip(songs):
    for genre in config.GENRES:
        for _, y in songs[genre]:
            assert y.dtype == np.float32
            assert y.size == SECONDS * SR
            assert 0.5 < np.abs(y).max() < 1


def test_the_same_song_is_played_in_the_same_way(songs):
    again = play(draw_song("jazz", 0, 100, seed=SEED), SECONDS)
    np.testing.assert_array_equal(songs["jazz"][0][1], again)


@pytest.mark.parametrize("genre", config.GENRES)
def test_the_tempo_is_of_the_recipe_and_audible_in_most_songs(songs, genre):
    low, high = RECIPES[genre].tempo
    audible = 0
    for song, y in songs[genre]:
        assert low <= song.tempo <= high
        ratio = librosa.feature.tempo(y=y, sr=SR)[0] / song.tempo
        audible += any(abs(ratio / multiple - 1) < 0.08 for multiple in (1, 2, 1 / 2, 2 / 3))
    assert audible > SONGS / 2


@pytest.mark.parametrize("genre", config.GENRES)
def test_the_notes_of_the_scale_have_more_energy_than_the_others(songs, genre):
    assert all(in_scale(y, song) > 1 for song, y in songs[genre])


@pytest.mark.parametrize("bus", [1, 2, 3], ids=["bass", "chords", "lead"])
def test_each_player_plays_in_the_key_of_the_song(bus):
    for genre in config.GENRES:
        ratios = []
        for k in range(2):
            song = replace(draw_song(genre, k, 100 + k, seed=SEED), levels=np.eye(4)[bus])
            ratios.append(in_scale(play(song, 6.0), song))
        assert np.mean(ratios) > 1, genre


def test_little_energy_lies_above_the_cutoff_of_a_song(songs):
    frequencies = np.fft.rfftfreq(round(SECONDS * SR), 1 / SR)
    for genre in config.GENRES:
        for song, y in songs[genre]:
            power = np.abs(np.fft.rfft(y)) ** 2
            assert power[frequencies > song.cutoff].sum() < 0.1 * power.sum()


def test_a_lower_cutoff_removes_treble():
    centroids = []
    for cutoff in (2000, 4000, 8000):
        y = play(replace(draw_song("pop", 0, 100, seed=SEED), cutoff=cutoff), 4.0)
        centroids.append(librosa.feature.spectral_centroid(y=y, sr=SR).mean())
    assert centroids[0] < centroids[1] < centroids[2]


def test_metal_and_disco_are_brighter_than_jazz_and_reggae(songs):
    brightness = {
        genre: np.median([librosa.feature.spectral_centroid(y=y, sr=SR) for _, y in songs[genre]])
        for genre in ("metal", "disco", "jazz", "reggae")
    }
    assert min(brightness["metal"], brightness["disco"]) > max(
        brightness["jazz"], brightness["reggae"]
    )


def test_an_artist_keeps_a_sound_that_differs_from_the_others():
    first, again, other = (draw_artist("rock", number, seed=SEED) for number in (0, 0, 1))
    assert first.tilt == again.tilt
    assert first.comp_timbre == again.comp_timbre
    assert first.tilt != other.tilt
    assert first.drum_tuning != other.drum_tuning


def test_playing_half_a_minute_takes_no_longer_than_forty_transforms_of_it():
    def seconds(work):
        start = time.process_time()
        work()
        return time.process_time() - start

    y = play(draw_song("rock", 0, 100, seed=SEED), 30.0)
    y = np.pad(y, (0, scipy.fft.next_fast_len(y.size, real=True) - y.size))
    plays, transforms = [], []
    for k in range(7):
        song = draw_song("rock", 0, k, seed=SEED)
        plays.append(seconds(lambda song=song: play(song, 30.0)))
        transforms.append(seconds(lambda: [scipy.fft.rfft(y) for _ in range(5)]) / 5)
    assert np.median(plays) < 40 * np.median(transforms)


# How hard it is


@pytest.fixture(scope="module")
def accuracy(session_cache):
    """A function that gives the test accuracy of an SVM on segments, for a protocol and a seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GTZAN_CACHE", str(session_cache))
        features = open_source("synthetic", profile="quick", jobs=2).features("kaggle", jobs=2)
    labels = features.segments.genre.to_numpy()

    def measure(protocol, seed):
        (split,) = splits.make(protocol, features.segments, features.tracks, seed=seed)
        model = make_pipeline(StandardScaler(), SVC())
        model.fit(features.values[split.train], labels[split.train])
        return model.score(features.values[split.test], labels[split.test])

    return measure


@pytest.mark.slow
def test_an_honest_split_is_far_harder_than_shuffled_segments(accuracy):
    flattered = np.mean([accuracy("segment_random", seed) for seed in range(5)])
    honest = accuracy("fault_filtered", 0)
    # A segment has one sibling in a song of 6 s, and nine in one of GTZAN's.
    assert 0.70 <= flattered <= 0.90
    assert flattered - honest >= 0.15
    assert honest > 0.4  # chance level is 0.1


def test_files_that_are_gone_or_replaced_are_made_again(tmp_path):
    plan = make(tmp_path, n_tracks=40, seconds=0.5, seed=SEED)
    paths = [tmp_path / row.genre / f"{row.track_id}.wav" for row in plan.itertuples()]
    before = [path.read_bytes() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(before[2])
    make(tmp_path, n_tracks=40, seconds=0.5, seed=SEED)
    assert [path.read_bytes() if path.exists() else b"" for path in paths] == before
