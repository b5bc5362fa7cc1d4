"""Block features of signals whose answer is known."""

import timeit

import numpy as np
import pytest

from gtzan_helpers.audio import blocks, spectra
from gtzan_helpers.audio.feature_sets import feature_set

SR = 22_050
FRAMES = np.arange(387)


def log_mel(y):
    """With a frame every `PERIOD` seconds, as feature sets take it."""
    levels = spectra.track_log_mel(y.astype(np.float32), sr=SR)
    step = blocks.PERIOD * SR / spectra.HOP_LENGTH
    return levels[:, (np.arange(int(levels.shape[1] / step)) * step).astype(int)]


def seconds(n):
    return np.arange(round(n * SR)) / SR


def test_a_tone_that_swells_five_times_a_second_lights_one_rate():
    t = seconds(15)
    tone = np.sin(2 * np.pi * 880 * t)
    steady, swelling = (
        blocks.BLOCKS["sr128x64"](log_mel(y)).reshape(17, 11)
        for y in (tone, tone * (1 + 0.1 * np.sin(2 * np.pi * 5 * t)))
    )
    more = (swelling - steady).mean(axis=0)
    edges = np.geomspace(1, 32, 11) / (64 * blocks.PERIOD)  # in Hz
    lit = 1 + np.searchsorted(edges, 5.0) - 1
    assert more.argmax() == lit
    assert np.delete(more, [lit - 1, lit]).max() < 0.3 * more[lit]


def test_the_two_directions_of_a_chirp_are_apart_before_they_are_added():
    bands = np.arange(128)[:, None]
    up = 10 * np.cos(2 * np.pi * (bands / 8 - FRAMES / 8))  # crests climb a band a frame
    for picture, sign in ((up, -1), (up[::-1], 1)):
        ripples = blocks.modulations(picture, bands=32, frames=64, windows=7).mean(axis=(0, 1))
        scale, rate = np.unravel_index(ripples.argmax(), ripples.shape)
        assert scale == 4 and np.fft.fftfreq(64)[rate] * 64 == sign * 8
        assert ripples[4, rate] > 20 * ripples[4, -rate]
    both = [blocks.BLOCKS["sr32x64"](picture) for picture in (up, up[::-1])]
    assert np.allclose(*both, atol=0.05)


def test_a_click_is_percussive_and_a_drone_harmonic():
    t = seconds(10)
    drone = sum(np.sin(2 * np.pi * f * t) for f in (220, 660, 1760))
    clicks = np.zeros(t.size)
    clicks[:: SR // 4] = 1
    for name in ("hp5", "hp9", "hp31"):
        of_drone, of_clicks = (
            blocks.BLOCKS[name](log_mel(y + 1e-4 * np.sin(t))).reshape(8, 32)
            for y in (drone, clicks)
        )
        loud = spectra.track_log_mel(drone.astype(np.float32), sr=SR).mean(axis=1)
        group = loud.reshape(32, 4).max(axis=1).argmax()
        assert of_drone[0, group] > 5  # H above P
        assert of_drone[4, group] < 1  # nothing sticks out of H
        assert of_clicks[4].mean() > 2 * of_clicks[6].mean()  # beats stick out of H, not of P


def test_spread_and_percentiles_of_levels_that_are_known():
    levels = np.tile(np.linspace(-80, 0, 401), (128, 1))
    deviation, change, skewness = blocks.spread(levels).reshape(3, 128)
    assert np.allclose(deviation, 80 / 12**0.5, rtol=0.01)
    assert np.allclose(change, 0.2) and np.allclose(skewness, 0, atol=1e-4)
    quantiles = blocks.percentiles(levels).reshape(4, 128)
    assert np.allclose(quantiles[:, 0], [-76, -60, -20, -4])


def test_the_cepstrum_of_one_cosine_is_one_coefficient():
    cosine = np.cos(np.pi * 6 * (np.arange(128) + 0.5) / 128)[:, None] * np.sin(FRAMES / 3)
    mean, deviation, change = blocks.cepstrum(cosine).reshape(3, 40)
    assert np.abs(mean).max() < 0.05 * deviation.max()
    assert deviation.argmax() == change.argmax() == 6
    assert np.delete(deviation, 6).max() < 1e-6


def test_what_is_struck_together_correlates(rng):
    levels = rng.normal(size=(128, 387))
    levels[4:8] = levels[:4]  # the second group does as the first
    levels[8:12] = -levels[:4]
    levels[12:16] = -80  # silence
    table = np.zeros((32, 32))
    table[np.triu_indices(32, 1)] = blocks.correlations(levels)
    assert table[0, 1] == pytest.approx(1) and table[0, 2] == pytest.approx(-1)
    assert table[0, 3] == 0 and np.abs(table[4, 5:]).max() < 0.25


def test_sorted_levels_rise_and_forget_their_order(rng):
    levels = np.repeat(rng.uniform(-80, 0, (1, 390)), 128, axis=0)
    ranked = blocks.sorted_levels(levels).reshape(32, 10)
    assert (np.diff(ranked, axis=1) >= 0).all()
    shuffled = levels.reshape(128, -1, 5)[..., ::-1].reshape(128, -1)
    assert np.allclose(ranked, blocks.sorted_levels(shuffled).reshape(32, 10), atol=1e-6)


def test_a_regular_pulse_stands_out_whatever_its_tempo():
    def peak(every):
        levels = np.full((128, 387), -60.0)
        levels[:, ::every] = 0
        return blocks.pulses(levels).reshape(9, 26)

    slow, fast, none = peak(12), peak(6), blocks.pulses(np.full((128, 387), -60.0)).reshape(9, 26)
    assert np.allclose(slow[:, 0], 1, atol=0.05) and np.allclose(fast[:, 0], 1, atol=0.05)
    assert not none.any()


@pytest.mark.parametrize("n_seconds", [1.0, 5.0])
def test_short_clips_give_every_block(n_seconds, rng):
    y = rng.normal(size=round(n_seconds * SR)).astype(np.float32)
    row = feature_set("blocks").from_audio(y, sr=SR, segment_seconds=0).values
    assert row.shape == (1, 4344) and np.isfinite(row).all()
    assert len(blocks.columns(*blocks.BLOCKS)) == sum(blocks.SIZES.values()) == 4344


def test_sound_and_its_stored_log_mel_give_the_same_blocks(rng):
    y = rng.normal(size=12 * SR).astype(np.float32) * (1 + np.sin(3 * seconds(12)))
    levels, blocked = spectra.track_log_mel(y, sr=SR), feature_set("blocks_fast")
    kept = levels[:, ((np.arange(155) + 0.5) * 12 / 155 * SR / 512).astype(int)]
    of_pack = blocked.from_log_mel(kept, frame_rate=155 / 12, segment_seconds=0).values
    of_sound = blocked.from_audio(y, sr=SR, segment_seconds=0).values
    assert np.abs(of_pack - of_sound).mean() < 0.05 * np.abs(of_sound).mean()


def test_a_track_takes_milliseconds(rng):
    """Budget on one core: 30 ms for the fast blocks, 150 ms for all."""
    levels = np.float32(rng.uniform(-80, 0, (128, 387)))

    def milliseconds(names):
        return 1000 * min(
            timeit.repeat(lambda: [blocks.BLOCKS[n](levels) for n in names], number=1, repeat=5)
        )

    assert milliseconds(blocks.FAST) < 30
    assert milliseconds(blocks.BLOCKS) < 150
