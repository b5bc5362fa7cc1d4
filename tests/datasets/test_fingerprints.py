"""Fingerprints: duplicates of songs are recognised, other songs are not."""

import io

import numpy as np
import pytest
import soundfile

from gtzan_helpers import config
from gtzan_helpers.audio import reading, spectra
from gtzan_helpers.datasets import audit, fingerprints
from gtzan_helpers.datasets.embedded.artists import draw_song
from gtzan_helpers.datasets.embedded.playing import play
from gtzan_helpers.datasets.fingerprints import from_audio, from_log_mel
from gtzan_helpers.errors import NotPossibleError

SR = config.SR
SECONDS = 8.0


@pytest.fixture(scope="module")
def songs():
    """Ten songs, two of them by one artist."""
    kinds = [(genre, 0) for genre in config.GENRES[:9]] + [(config.GENRES[0], 0)]
    return [
        play(draw_song(genre, artist, number, seed=1), SECONDS)
        for number, (genre, artist) in enumerate(kinds)
    ]


@pytest.fixture(scope="module")
def prints(songs):
    return [from_audio(y, sr=SR) for y in songs]


def encoded(y, **settings):
    """A recording as it comes back from an encoder."""
    file = io.BytesIO()
    soundfile.write(file, y, SR, **settings)
    return soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")


def resampled(y, sr):
    return reading.resample(y, sr=SR, target_sr=sr), sr


def later(y, seconds):
    return y[round(seconds * SR) :]


DUPLICATES = {
    "softer": lambda y: (0.1 * y, SR),
    "clipped": lambda y: (np.clip(3 * y, -1, 1), SR),
    "DC offset": lambda y: (y + 0.1, SR),
    "MP3": lambda y: encoded(y, format="MP3", compression_level=0.99),
    "OGG": lambda y: encoded(y, format="OGG", compression_level=1.0),
    "8 bit": lambda y: encoded(y, format="WAV", subtype="PCM_U8"),
    "16 kHz": lambda y: resampled(y, 16_000),
    "48 kHz": lambda y: resampled(y, 48_000),
    "half a frame later": lambda y: (later(y, fingerprints.PERIOD / 2), SR),
    "2 s later": lambda y: (later(y, 2.0), SR),
    "all at once": lambda y: encoded(0.3 * later(y, 2.0) + 0.05, format="MP3"),
}


@pytest.mark.parametrize("kind", DUPLICATES)
def test_every_duplicate_is_found_where_it_begins_and_nothing_else(songs, prints, kind):
    changed = [DUPLICATES[kind](y) for y in songs]
    duplicates = [from_audio(y, sr=sr) for y, sr in changed]
    matches = fingerprints.search([*prints, *duplicates])
    near = [match for match in matches if match.error_rate < audit.DUPLICATE_ERROR_RATE]
    assert [(m.one, m.other) for m in near] == [(i, i + len(songs)) for i in range(len(songs))]
    begins = 2.0 if kind in ("2 s later", "all at once") else 0.0
    assert [m.shift for m in near] == pytest.approx([begins] * len(songs), abs=0.1)


def test_a_cut_at_the_front_of_the_earlier_one_is_a_negative_shift(songs, prints):
    (match,) = fingerprints.search([from_audio(later(songs[0], 2.0), sr=SR), prints[0]])
    assert match.shift == pytest.approx(-2.0, abs=0.1)


def test_gain_changes_no_bit(songs, prints):
    assert np.array_equal(from_audio(0.25 * songs[0], sr=SR), prints[0])


def test_the_frame_rate_of_a_pack_hardly_matters(songs):
    log_mel = spectra.track_log_mel(songs[0], sr=SR)
    frame_rate = SR / spectra.HOP_LENGTH
    every = round(fingerprints.PERIOD * frame_rate)
    dense = from_log_mel(log_mel, frame_rate=frame_rate)
    sparse = from_log_mel(log_mel[:, ::every], frame_rate=frame_rate / every)
    assert fingerprints.compare(dense, sparse, 0)[0] < 0.15


def test_a_known_change_of_two_bands_is_a_known_bit():
    """The third pair of bands gains for a second; nothing changes before and after."""
    log_mel = np.zeros((128, 300))
    edges = np.linspace(3, 102, 34).round().astype(int)
    log_mel[edges[3] : edges[4], 100:150] = np.linspace(0, 10, 50)
    log_mel[edges[3] : edges[4], 150:] = 10
    bits = from_log_mel(log_mel, frame_rate=50.0)
    middle = bits[round(2.3 / fingerprints.PERIOD)]
    assert middle[2] == 1 and middle[3] == -1
    assert np.count_nonzero(middle) == 2
    assert not bits[:10].any() and not bits[-10:].any()


def test_silence_matches_nothing(songs):
    """Silent stretches are the same in any two songs."""
    half = round(SECONDS / 2 * SR)
    silent = [np.concatenate([y[:half], np.zeros(4 * half)]) for y in songs[:4]]
    assert fingerprints.search([from_audio(y, sr=SR) for y in silent]) == []
    assert not from_log_mel(np.full((128, 100), -80.0), frame_rate=13.0).any()


def test_comparing_is_the_same_both_ways(prints):
    one, other = prints[0], prints[1][7:]
    for lag in (0, 5, -5):
        assert fingerprints.compare(one, other, lag) == fingerprints.compare(other, one, -lag)
    assert fingerprints.compare(one, one, 0) == (0, np.count_nonzero(one) / 32)
    assert fingerprints.compare(one, -one, 0)[0] == 1
    assert fingerprints.compare(one, other, 10_000) == (0.5, 0)


def test_empty_fingerprints_match_nothing(prints):
    short = from_audio(np.ones(100, np.float32), sr=SR)
    assert short.shape == (0, 32)
    assert fingerprints.search([]) == []
    assert fingerprints.search([short, short]) == []
    assert fingerprints.search([short, prints[0], short, prints[0]]) == [
        fingerprints.Match(1, 3, 0, 0.0)
    ]


def test_too_few_bands_are_refused():
    from_log_mel(np.zeros((43, 50)), frame_rate=13.0)
    with pytest.raises(NotPossibleError, match="42 mel bands are too few"):
        from_log_mel(np.zeros((42, 50)), frame_rate=13.0)


def test_of_a_thousand_random_fingerprints_the_two_equal_ones_match(rng):
    random = [2 * rng.integers(0, 2, (380, 32), dtype=np.int8) - 1 for _ in range(1000)]
    random[900] = random[17].copy()
    assert fingerprints.search(random) == [fingerprints.Match(17, 900, 0, 0.0)]
