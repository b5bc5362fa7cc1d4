"""Damage: known signals, before and after."""

import numpy as np
import pytest

from gtzan_helpers import config, damage, extract, synth
from gtzan_helpers.errors import SettingError

SR = 22_050


@pytest.fixture
def tone():
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * SR) / SR)).astype(np.float32)


def loudest_frequency(y):
    return np.abs(np.fft.rfft(y)).argmax() * SR / y.size


def test_noise_lies_as_far_below_the_music_as_it_says(tone):
    noise = damage.waveform(tone, sr=SR, kind="noise", dose=20.0) - tone
    assert 20 * np.log10(tone.std() / noise.std()) == pytest.approx(20, abs=0.2)


def test_gain_is_in_decibels_and_clips(tone):
    assert np.abs(damage.waveform(tone, sr=SR, kind="gain", dose=-20.0)).max() == pytest.approx(
        0.05, rel=0.01
    )
    loud = damage.waveform(tone, sr=SR, kind="gain", dose=12.0)
    assert np.abs(loud).max() == 1 and (np.abs(loud) == 1).mean() > 0.3


@pytest.mark.parametrize(("dose", "factor"), [(2.0, 2 ** (2 / 12)), (-2.0, 2 ** (-2 / 12))])
def test_pitch_moves_in_semitones_and_keeps_the_length(tone, dose, factor):
    found = damage.waveform(tone, sr=SR, kind="pitch", dose=dose)
    assert found.size == tone.size
    assert loudest_frequency(found) == pytest.approx(440 * factor, rel=0.01)


def test_speed_changes_the_length_and_not_the_pitch(tone):
    found = damage.waveform(tone, sr=SR, kind="speed", dose=1.25)
    assert found.size == pytest.approx(tone.size / 1.25, rel=0.01)
    assert loudest_frequency(found) == pytest.approx(440, rel=0.01)


def test_a_low_pass_leaves_what_is_below(tone):
    high = np.sin(2 * np.pi * 6000 * np.arange(tone.size) / SR)
    found = damage.waveform(tone + high, sr=SR, kind="low-pass", dose=1000.0)
    inner = slice(SR // 4, -SR // 4)
    np.testing.assert_allclose(found[inner], tone[inner], atol=0.01)


def test_clipping_is_a_share_of_the_peak(tone):
    assert np.abs(damage.waveform(tone, sr=SR, kind="clipping", dose=0.1)).max() == pytest.approx(
        0.05, rel=0.01
    )


def test_a_log_mel_knows_no_gain_but_a_low_pass():
    """Its levels are relative to the loudest point."""
    y = synth.play(synth.song("metal", 0, 100, seed=config.SYNTHETIC_SEED), 3.0)

    def described(y):
        return extract.describe(y, SR, "log_mel", segment_seconds=3)[1][0].astype(float)

    softer = damage.waveform(y, sr=SR, kind="gain", dose=-20.0)
    assert np.abs(described(softer) - described(y)).max() <= 1
    muffled = damage.waveform(y, sr=SR, kind="low-pass", dose=500.0)
    assert (described(muffled)[64:] < described(y)[64:]).mean() > 0.9


@pytest.mark.parametrize("kind", damage.LOG_MEL)
def test_a_damaged_log_mel_stays_in_its_range(rng, kind):
    values = rng.uniform(-80, 0, (2, 16, 10))
    for dose in damage.LOG_MEL[kind]:
        found = damage.log_mel(values, kind=kind, dose=dose)
        assert found.shape == values.shape and found.min() >= -80 and found.max() <= 0
        assert not np.allclose(found, values)


def test_a_shift_moves_bands_up_and_noise_is_a_floor():
    values = np.full((8, 3), -70.0)
    values[2] = 0
    assert damage.log_mel(values, kind="shift", dose=2.0)[4].tolist() == [0, 0, 0]
    assert damage.log_mel(values, kind="noise", dose=40.0).min() == pytest.approx(-40, abs=0.1)


def test_other_damage_is_named(tone):
    with pytest.raises(SettingError, match="'echo' does not exist; choose from noise"):
        damage.waveform(tone, sr=SR, kind="echo", dose=1.0)
    with pytest.raises(SettingError, match="'echo' does not exist"):
        damage.log_mel(np.zeros((4, 4)), kind="echo", dose=1.0)
