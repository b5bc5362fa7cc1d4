"""Recognition: GTZAN's tracks and parts of them are recognised by their sound, others are not."""

import runpy
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from gtzan_helpers import config, files
from gtzan_helpers.audio import reading
from gtzan_helpers.datasets import Pack, read_pack, recognition
from gtzan_helpers.datasets.embedded.artists import draw_song
from gtzan_helpers.datasets.embedded.playing import play
from gtzan_helpers.datasets.fingerprints import EMPTY, PERIOD, from_audio, from_log_mel

SR = config.SR
CARRIED = config.facts_dir() / "fingerprints.npz"

make = runpy.run_path(str(config.checkout() / "scripts" / "make_fingerprints.py"))["make"]


@pytest.fixture(scope="module")
def carried():
    """The carried fingerprint of each track."""
    arrays = files.load_arrays(CARRIED)
    bits = np.unpackbits(arrays["bits"], axis=1).astype(np.int8) * 2 - 1
    parts = np.split(bits, np.cumsum(arrays["n_frames"])[:-1])
    return dict(zip(arrays["track_id"].astype(str), parts, strict=True))


def noisy(bits, rng, share=0.15):
    """A fingerprint as that of a recording that was encoded again."""
    return np.where(rng.random(bits.shape) < share, -bits, bits)


# The carried file


def test_all_tracks_but_one_have_fingerprints_in_a_small_file(carried):
    assert CARRIED.stat().st_size < 1.6e6
    assert len(carried) == 999 and "jazz.00054" not in carried
    assert list(carried) == sorted(carried)
    assert {len(bits) for bits in carried.values()} <= set(range(378, 391))


def test_the_script_spreads_the_frames_of_a_pack_over_each_tracks_length(rng):
    stored = rng.integers(0, 256, (2, 128, 387), dtype=np.uint8)
    pack = Pack(np.array(["b.1", "a.2"]), np.array(["b", "a"]), stored, 30 / 387)
    arrays = make(pack, pd.Series({"a.2": 31 * SR, "b.1": 30 * SR}))
    prints = [from_log_mel(pack.log_mel(i), frame_rate=387 / s) for i, s in ((0, 30), (1, 31))]
    assert arrays["track_id"].tolist() == [b"b.1", b"a.2"]
    assert arrays["n_frames"].tolist() == [len(bits) for bits in prints] == [381, 393]
    bits = np.unpackbits(arrays["bits"], axis=1)
    assert np.array_equal(bits, np.concatenate(prints) > 0)


def test_the_carried_file_is_what_the_script_makes(real_data, tmp_path):
    table = pd.read_csv(real_data / "features_30_sec.csv")
    lengths = table.length.set_axis(table.filename.str.rpartition(".")[0])
    arrays = make(read_pack(real_data / "gtzan_log_mel.npz"), lengths)
    np.savez(tmp_path / "made.npz", **arrays)
    assert (tmp_path / "made.npz").read_bytes() == CARRIED.read_bytes()


# Recognised


@pytest.mark.parametrize("first, n_frames", [(0, 19), (200, 19), (362, 19), (100, 70), (0, 380)])
def test_a_part_of_a_track_is_recognised_with_its_place(carried, rng, first, n_frames):
    part = carried["metal.00012"][first : first + n_frames]
    found = recognition.recognise(noisy(part, rng))
    assert found.track_id == "metal.00012"
    assert found.start_s == pytest.approx(first * PERIOD)


@pytest.mark.parametrize("first, before", [(0, 2500), (300, 60), (0, 30)])
def test_a_track_is_recognised_within_a_longer_recording(carried, rng, first, before):
    """A song that holds the excerpt; the end of a track, or its first half, before other music."""
    other = 2 * rng.integers(0, 2, (2600, 32), dtype=np.int8) - 1
    part = noisy(carried["blues.00002"][first : first + 190], rng)
    whole = np.concatenate([other[:before], part, other[before : before + 60]])
    found = recognition.recognise(whole)
    assert found.track_id == "blues.00002"
    assert found.start_s == pytest.approx((first - before) * PERIOD)


def test_silence_before_a_track_does_not_hide_it(carried):
    silence = np.zeros((300, 32), np.int8)
    found = recognition.recognise(np.concatenate([silence, carried["pop.00001"]]))
    assert found == recognition.Recognition("pop.00001", -300 * PERIOD)


@pytest.mark.parametrize(
    "first, later", [("disco.00098", "disco.00099"), ("jazz.00033", "jazz.00051")]
)
def test_of_tracks_that_hold_the_same_music_the_first_one_is_named(carried, rng, first, later):
    """Exact duplicates, and a replica that begins elsewhere."""
    for name in (first, later):
        found = recognition.recognise(noisy(carried[name][150:180], rng))
        assert (found.track_id, found.alike) == (first, (later,))


def test_clips_of_real_tracks_encoded_as_mp3_are_recognised(real_data, rng, tmp_path):
    paths = sorted((real_data / "gtzan_mini" / "genres").glob("*/*.wav"))
    n_right = 0
    for path in rng.choice(paths, 40, replace=False):
        y, _ = reading.read(path)
        length = int(rng.uniform(2, 3) * SR)
        start = int(rng.integers(0, y.size - length))
        clip = write_mp3(tmp_path / "clip.mp3", y[start : start + length])
        found = recognition.recognise(from_audio(reading.read(clip)[0], sr=SR))
        is_right = found and found.track_id == Path(path).stem
        n_right += bool(is_right and abs(found.start_s - start / SR) < 0.2)
    assert n_right >= 38


def write_mp3(path, y):
    with av.open(path, "w") as file:
        stream = file.add_stream("libmp3lame", rate=SR, bit_rate=128_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(y[None], format="fltp", layout="mono")
        frame.sample_rate = SR
        file.mux([*stream.encode(frame), *stream.encode(None)])
    return path


# Not recognised


def test_other_music_is_not_recognised():
    songs = [
        play(draw_song(genre, 0, number, seed=1), 6.0) for number, genre in enumerate(config.GENRES)
    ]
    clips = [y[start : start + round(2.5 * SR)] for y in songs for start in (0, 3 * SR)]
    assert {recognition.recognise(from_audio(y, sr=SR)) for y in [*songs, *clips]} == {None}


SECONDS = np.arange(3 * SR) / SR
SOUNDS = {
    "noise": lambda rng: rng.standard_normal(SECONDS.size),
    "silence": lambda rng: np.zeros(SECONDS.size),
    "tone": lambda rng: np.sin(2 * np.pi * 440 * SECONDS),
    "chirp": lambda rng: np.sin(2 * np.pi * (200 * SECONDS + 500 * SECONDS**2)),
    "clicks": lambda rng: (np.arange(SECONDS.size) % 9000 == 0).astype(float),
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_what_is_no_music_is_not_recognised(kind, rng):
    y = SOUNDS[kind](rng).astype(np.float32)
    assert recognition.recognise(from_audio(y, sr=SR)) is None


def test_a_part_that_is_too_short_is_not_recognised(carried):
    assert recognition.recognise(EMPTY) is None
    assert recognition.recognise(carried["rock.00001"][:3]) is None


def test_random_bits_are_not_recognised(rng):
    for n_frames in (6, 19, 39, 400):
        bits = 2 * rng.integers(0, 2, (n_frames, 32), dtype=np.int8) - 1
        assert recognition.recognise(bits) is None
