"""The embedded dataset: its plan is the truth, its recipes are heard, and it is hard enough."""

import time
from dataclasses import replace

import librosa
import numpy as np
import pandas as pd
import pytest
import scipy.fft
import soundfile

from gtzan_helpers import classical, config, extract, files, splits, synth

SEED = config.SYNTHETIC_SEED
SONGS = 5
SECONDS = 10.0


# The plan


@pytest.fixture(scope="module", params=[40, 100, 1000])
def plan(request):
    return synth.plan(request.param, seed=SEED)


def originals(plan):
    """The row of each replica's original, in the replicas' order."""
    replicas = plan[plan.replica != "none"]
    return replicas, plan.set_index("track_id", drop=False).loc[replicas.duplicate_of]


def test_a_plan_has_as_many_tracks_as_asked_for_evenly_over_the_genres(plan):
    assert set(plan.genre.value_counts()) == {len(plan) // 10}
    assert plan.track_id.is_unique


def test_ids_are_never_taken_for_gtzans(plan):
    assert not plan.track_id.str.fullmatch(r"[a-z]+\.\d{5}").any()


def test_the_same_seed_gives_the_same_plan(plan):
    pd.testing.assert_frame_equal(synth.plan(len(plan), seed=SEED), plan)


def test_another_seed_gives_another_plan(plan):
    assert not synth.plan(len(plan), seed=SEED + 1).equals(plan)


def test_replicas_have_an_original_of_the_same_song_artist_and_label(plan):
    replicas, first = originals(plan)
    for column in ("song", "artist", "genre", "true_genre", "artist_group"):
        assert replicas[column].tolist() == first[column].tolist()
    assert (first.replica == "none").all()


def test_tracks_that_are_no_replicas_are_songs_of_their_own(plan):
    assert plan.song[plan.replica == "none"].is_unique


def test_replicas_are_as_many_as_planned_of_both_kinds(plan):
    counts = plan.replica.value_counts()
    assert counts["exact"] + counts["near"] == max(2, round(synth.REPLICA_SHARE * len(plan)))
    assert abs(counts["exact"] - counts["near"]) <= 1


def test_exactly_the_replicas_are_marked(plan):
    marked = plan.replica != "none"
    assert plan.duplicate_of.notna().tolist() == marked.tolist()
    assert plan.sturm_removed.tolist() == marked.tolist()


def test_wrong_labels_are_as_many_as_planned_and_name_a_neighbour(plan):
    wrong = plan[plan.genre != plan.true_genre]
    assert len(wrong) == max(1, round(synth.WRONG_LABEL_SHARE * len(plan)))
    assert all(row.true_genre in synth.NEIGHBOURS[row.genre] for row in wrong.itertuples())


def test_faulty_tracks_and_only_they_are_excluded_from_the_partition(plan):
    faulty = plan.duplicate_of.notna() | (plan.genre != plan.true_genre)
    assert (plan.fault_filtered == "excluded").tolist() == faulty.tolist()


def test_no_artist_is_in_two_parts_of_the_partition(plan):
    used = plan[plan.fault_filtered != "excluded"]
    assert used.groupby("artist_group").fault_filtered.nunique().eq(1).all()


def test_every_genre_is_in_every_part_of_the_partition(plan):
    for part in ("train", "valid", "test"):
        assert set(plan.genre[plan.fault_filtered == part]) == set(config.GENRES)


def test_the_artist_group_is_the_artist_who_plays(plan):
    played = plan.groupby("artist_group")[["true_genre", "artist"]].nunique()
    assert (played == 1).all(axis=None)
    assert len(played) == len(plan[["true_genre", "artist"]].drop_duplicates())


@pytest.mark.parametrize("protocol", splits.PROTOCOLS)
def test_every_protocol_keeps_its_promises(plan, protocol):
    segments = plan.loc[plan.index.repeat(3), ["track_id", "genre"]].reset_index(drop=True)
    for split in splits.make(protocol, segments, plan, seed=0):
        splits.check_disjoint(protocol, split, segments, plan)


def test_too_few_tracks_are_refused():
    with pytest.raises(ValueError, match="n_tracks=39 is too few"):
        synth.plan(39, seed=SEED)


# On disk


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    """A short dataset made by one process, and where it lies."""
    folder = tmp_path_factory.mktemp("one")
    return synth.make(folder, n_tracks=40, seconds=2.0, seed=SEED), folder


def hashes(folder):
    return {p.relative_to(folder): files.digest(p) for p in folder.rglob("*") if p.is_file()}


def path_of(folder, track):
    return folder / track.genre / f"{track.track_id}.wav"


def test_two_processes_write_the_same_bytes(on_disk, tmp_path):
    synth.make(tmp_path, n_tracks=40, seconds=2.0, seed=SEED, jobs=2)
    assert hashes(tmp_path) == hashes(on_disk[1])


def test_every_planned_track_is_written_with_its_length(on_disk):
    plan, folder = on_disk
    for track in plan.itertuples():
        info = soundfile.info(path_of(folder, track))
        assert (info.samplerate, info.channels, info.frames) == (synth.SR, 1, 2 * synth.SR)
    assert len(hashes(folder)) == len(plan) + 1


def test_making_again_adds_what_is_missing_and_keeps_the_rest(on_disk, tmp_path):
    plan, folder = on_disk
    first = plan.iloc[0]
    for track in plan.iloc[1:].itertuples():
        path_of(tmp_path, track).parent.mkdir(exist_ok=True)
        path_of(tmp_path, track).write_bytes(path_of(folder, track).read_bytes())
    path_of(tmp_path, plan.iloc[1]).write_bytes(b"kept")
    synth.make(tmp_path, n_tracks=40, seconds=2.0, seed=SEED)
    assert path_of(tmp_path, first).read_bytes() == path_of(folder, first).read_bytes()
    assert path_of(tmp_path, plan.iloc[1]).read_bytes() == b"kept"


def test_byte_identical_files_are_the_exact_replicas_and_no_others(on_disk):
    plan, folder = on_disk
    digests = pd.Series([files.digest(path_of(folder, t)) for t in plan.itertuples()])
    exact = plan[plan.replica == "exact"]
    pairs = {frozenset(pair) for pair in zip(exact.track_id, exact.duplicate_of, strict=True)}
    found = {frozenset(group) for _, group in plan.track_id.groupby(digests) if len(group) > 1}
    assert found == pairs


@pytest.mark.parametrize("genre", config.GENRES)
def test_a_near_replica_is_the_same_recording_half_a_second_later(genre):
    original = synth.plan(40, seed=SEED).query("genre == @genre and replica == 'none'").iloc[0]
    near = original.copy()
    near["replica"] = "near"
    y, later = (synth.render(track, 4.0, seed=SEED) for track in (original, near))
    half = synth.SR // 2
    assert not np.array_equal(y, later)
    assert np.corrcoef(y[half:], later[:-half])[0, 1] > 0.99


def test_a_near_replica_is_softer():
    track = synth.plan(40, seed=SEED).iloc[0].copy()
    levels = []
    for track["replica"] in ("none", "near"):
        levels.append(np.abs(synth.render(track, 4.0, seed=SEED)).max())
    assert levels[1] < 0.8 * levels[0]


# What is heard


@pytest.fixture(scope="module")
def songs():
    """Some songs of every genre, each with its audio; artists in turn."""
    pieces = {}
    for genre in config.GENRES:
        drawn = [synth.song(genre, k % 4, 100 + k, seed=SEED) for k in range(SONGS)]
        pieces[genre] = [(piece, synth.play(piece, SECONDS)) for piece in drawn]
    return pieces


def in_scale(y, piece):
    """Energy of the notes of a song's scale, over that of the others; means of a note."""
    chroma = librosa.feature.chroma_cqt(
        y=y, sr=synth.SR, hop_length=2048, tuning=0.0, norm=None
    ).mean(axis=1)
    inside = np.isin(
        np.arange(12), np.add(synth.SCALES[piece.artist.recipe.scale], piece.tonic) % 12
    )
    return chroma[inside].mean() / chroma[~inside].mean()


def test_audio_is_finite_and_does_not_clip(songs):
    for pieces in songs.values():
        for _, y in pieces:
            assert y.dtype == np.float32
            assert y.size == SECONDS * synth.SR
            assert 0.5 < np.abs(y).max() < 1


def test_the_same_song_is_played_the_same(songs):
    again = synth.play(synth.song("jazz", 0, 100, seed=SEED), SECONDS)
    np.testing.assert_array_equal(songs["jazz"][0][1], again)


@pytest.mark.parametrize("genre", config.GENRES)
def test_a_song_keeps_to_the_tempo_of_its_recipe(songs, genre):
    low, high = synth.RECIPES[genre].tempo
    assert all(low <= piece.tempo <= high for piece, _ in songs[genre])


@pytest.mark.parametrize("genre", config.GENRES)
def test_the_planned_tempo_is_heard_in_most_songs(songs, genre):
    heard = 0
    for piece, y in songs[genre]:
        share = librosa.feature.tempo(y=y, sr=synth.SR)[0] / piece.tempo
        heard += any(abs(share / ratio - 1) < 0.08 for ratio in (1, 2, 1 / 2, 2 / 3))
    assert heard > SONGS / 2


@pytest.mark.parametrize("genre", config.GENRES)
def test_the_notes_of_the_scale_hold_more_energy_than_the_others(songs, genre):
    assert all(in_scale(y, piece) > 1 for piece, y in songs[genre])


BUSES = ["drums", "bass", "chords", "lead"]


@pytest.mark.parametrize("part", BUSES[1:])
@pytest.mark.parametrize("genre", config.GENRES)
def test_each_player_plays_in_the_key_of_the_song(genre, part):
    alone = np.array([name == part for name in BUSES], dtype=float)
    shares = []
    for k in range(2):
        piece = replace(synth.song(genre, k, 100 + k, seed=SEED), levels=alone)
        shares.append(in_scale(synth.play(piece, 6.0), piece))
    assert np.mean(shares) > 1


@pytest.mark.parametrize("genre", config.GENRES)
def test_little_energy_lies_above_the_cutoff_of_a_song(songs, genre):
    frequencies = np.fft.rfftfreq(round(SECONDS * synth.SR), 1 / synth.SR)
    for piece, y in songs[genre]:
        power = np.abs(np.fft.rfft(y)) ** 2
        assert power[frequencies > piece.cutoff].sum() < 0.1 * power.sum()


def test_a_lower_cutoff_takes_treble_away():
    centroids = []
    for cutoff in (2000, 4000, 8000):
        piece = replace(synth.song("pop", 0, 100, seed=SEED), cutoff=cutoff)
        y = synth.play(piece, 4.0)
        centroids.append(librosa.feature.spectral_centroid(y=y, sr=synth.SR).mean())
    assert centroids[0] < centroids[1] < centroids[2]


def test_metal_and_disco_are_brighter_than_jazz_and_reggae(songs):
    brightness = {
        genre: np.median(
            [librosa.feature.spectral_centroid(y=y, sr=synth.SR) for _, y in songs[genre]]
        )
        for genre in ("metal", "disco", "jazz", "reggae")
    }
    assert min(brightness["metal"], brightness["disco"]) > max(
        brightness["jazz"], brightness["reggae"]
    )


def test_an_artist_keeps_a_sound_and_others_have_their_own():
    first, again, other = (synth.artist("rock", number, seed=SEED) for number in (0, 0, 1))
    assert first.tilt == again.tilt
    assert first.comp_timbre == again.comp_timbre
    assert first.tilt != other.tilt
    assert first.drum_tuning != other.drum_tuning


def test_playing_half_a_minute_takes_no_more_than_forty_transforms_of_it():
    def seconds(work):
        start = time.process_time()
        work()
        return time.process_time() - start

    y = synth.play(synth.song("rock", 0, 100, seed=SEED), 30.0)
    y = np.pad(y, (0, scipy.fft.next_fast_len(y.size, real=True) - y.size))
    plays, transforms = [], []
    for k in range(7):
        song = synth.song("rock", 0, k, seed=SEED)
        plays.append(seconds(lambda song=song: synth.play(song, 30.0)))
        transforms.append(seconds(lambda: [scipy.fft.rfft(y) for _ in range(5)]) / 5)
    assert np.median(plays) < 40 * np.median(transforms)


# How hard it is


@pytest.fixture(scope="module")
def kaggle(session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GTZAN_CACHE", str(session_cache))
        return extract.extract("synthetic", "kaggle", profile="quick", jobs=2)


def accuracy(kaggle, protocol, seed):
    """Share of test segments that the yardstick names right."""
    genres = kaggle.segments.genre.to_numpy()
    (split,) = splits.make(protocol, kaggle.segments, kaggle.tracks, seed=seed)
    model = classical.build("ours_svm_segments", n_train=len(split.train), seed=seed)
    model.fit(kaggle.values[split.train], genres[split.train])
    return (model.predict(kaggle.values[split.test]) == genres[split.test]).mean()


def test_shuffled_segments_look_as_good_as_the_published_figures(kaggle):
    assert 0.80 <= np.mean([accuracy(kaggle, "segment_random", seed) for seed in range(5)]) <= 0.97


def test_an_honest_split_is_visibly_harder(kaggle):
    flattered = np.mean([accuracy(kaggle, "segment_random", seed) for seed in range(5)])
    assert flattered - accuracy(kaggle, "fault_filtered", 0) >= 0.10


def test_the_honest_figure_is_far_above_chance(kaggle):
    assert accuracy(kaggle, "fault_filtered", 0) > 0.25
