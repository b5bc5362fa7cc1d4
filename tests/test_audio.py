"""Reading, resampling and cutting: real files of every kind, sound and broken."""

import os
import re

import numpy as np
import pytest
import soundfile

from gtzan_helpers import audio
from gtzan_helpers.errors import AudioError

SR = 22_050


def tone(frequency=440.0, *, seconds=1.5, sr=SR):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)


def loudest_frequency(y, sr):
    return np.abs(np.fft.rfft(y * np.hanning(y.size))).argmax() * sr / y.size


def write(path, y, sr=SR, **settings):
    soundfile.write(path, y, sr, **settings)
    return path


# Sound files


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_U8", 2**-7),
        ("a.wav", "PCM_16", 2**-15),
        ("a.wav", "PCM_24", 2**-23),
        ("a.wav", "FLOAT", 1e-7),
        ("a.au", "PCM_16", 2**-15),
        ("a.flac", "PCM_16", 2**-15),
        ("a.flac", "PCM_24", 2**-23),
    ],
)
def test_a_lossless_file_is_read_to_the_precision_of_its_samples(tmp_path, name, subtype, error):
    y, sr = audio.read(write(tmp_path / name, tone(), subtype=subtype))
    assert sr == SR
    assert y.dtype == np.float32
    assert np.abs(y - tone()).max() <= error


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_a_lossy_file_keeps_its_tone(tmp_path, suffix):
    if suffix[1:].upper() not in soundfile.available_formats():
        pytest.skip(f"this libsndfile writes no {suffix}")
    y, sr = audio.read(write(tmp_path / f"a{suffix}", tone(1000.0)))
    assert loudest_frequency(y, sr) == pytest.approx(1000, abs=1)
    assert np.abs(y).max() == pytest.approx(0.5, rel=0.1)


def test_a_stereo_file_becomes_the_mean_of_its_channels(tmp_path):
    left, right = tone(440.0, sr=48_000), tone(1000.0, sr=48_000)
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), 48_000, subtype="FLOAT")
    y, sr = audio.read(path)
    assert (sr, y.shape) == (48_000, left.shape)
    np.testing.assert_allclose(y, (left + right) / 2, atol=1e-7)


def test_read_resamples_where_a_rate_is_asked_for(tmp_path):
    path = write(tmp_path / "a.wav", np.stack([tone(sr=48_000)] * 2, axis=1), 48_000)
    y, sr = audio.read(path, sr=SR)
    assert sr == SR
    assert y.size == round(1.5 * SR)
    assert loudest_frequency(y, sr) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("name", ["with two spaces.wav", "Grönemeyer – Männer.wav", "夜.wav"])
def test_any_name_is_read(tmp_path, name):
    y, _ = audio.read(write(tmp_path / name, tone()))
    assert y.size == round(1.5 * SR)


def test_a_name_may_be_given_as_text(tmp_path):
    assert audio.read(str(write(tmp_path / "a.wav", tone())))[1] == SR


def test_one_second_is_long_enough(tmp_path):
    assert audio.read(write(tmp_path / "a.wav", tone(seconds=1.0)))[0].size == SR


# Broken files


def refused(path, words):
    with pytest.raises(AudioError) as caught:
        audio.read(path)
    name, _, fault = str(caught.value).partition(": ")
    assert name == str(path)
    assert re.search(words, fault)
    assert "\n" not in fault


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    refused(tmp_path / "a.wav", "empty file")


def test_what_is_no_audio_is_refused(tmp_path):
    (tmp_path / "a.wav").write_text("Dear diary, today I listened to the blues. " * 50)
    refused(tmp_path / "a.wav", "not audio")


@pytest.mark.parametrize(
    ("suffix", "words"), [(".wav", "truncated"), (".au", "truncated"), (".flac", "not audio")]
)
def test_a_file_that_was_cut_short_is_refused(tmp_path, suffix, words):
    path = write(tmp_path / f"a{suffix}", tone(seconds=10) * np.linspace(0, 1, 10 * SR))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    refused(path, words)


def test_silence_is_refused(tmp_path):
    refused(write(tmp_path / "a.wav", np.zeros(2 * SR)), "silent")


def test_half_a_second_is_refused_with_its_length(tmp_path):
    refused(write(tmp_path / "a.wav", tone(seconds=0.5)), r"lasts 0\.50 s")


def test_samples_that_are_no_numbers_are_counted(tmp_path):
    y = tone(seconds=1.0)
    y[[5, 6, 7]] = np.nan, np.inf, -np.inf
    path = write(tmp_path / "a.wav", y, subtype="FLOAT")
    refused(path, "3 of 22,050 samples are not finite")


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "a.wav", "No such file")


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "a.wav").mkdir()
    refused(tmp_path / "a.wav", "cannot be opened")


def test_a_file_without_permission_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", tone())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    refused(path, "Permission denied")


# Resampling


@pytest.mark.parametrize(("sr", "target_sr"), [(48_000, SR), (44_100, SR), (SR, 16_000)])
def test_resampling_keeps_a_tone(sr, target_sr):
    y = audio.resample(tone(1000.0, seconds=2, sr=sr), sr=sr, target_sr=target_sr)
    middle = slice(target_sr // 2, -target_sr // 2)
    expected = tone(1000.0, seconds=2, sr=target_sr)
    np.testing.assert_allclose(y[middle], expected[middle], atol=1e-4)


def test_resampling_drops_what_the_new_rate_cannot_hold():
    y = audio.resample(tone(15_000.0, sr=48_000), sr=48_000, target_sr=SR)
    assert np.abs(y[SR // 4 : -SR // 4]).max() < 1e-4


# Segments

LENGTHS = [
    (30.0, 3.0),
    (29.93, 3.0),
    (30.65, 3.0),
    (6.0, 3.0),
    (4.4, 3.0),
    (4.6, 3.0),
    (100.0, 9.0),
]


@pytest.mark.parametrize(("duration", "seconds"), [*LENGTHS, (1.0, 3.0), (3.0, 3.0)])
def test_segments_are_as_many_as_the_contract_says(duration, seconds):
    starts = audio.segment_starts(round(duration * SR), sr=SR, segment_seconds=seconds)
    assert len(starts) == max(1, round(duration / seconds))


@pytest.mark.parametrize(("duration", "seconds"), LENGTHS)
def test_the_last_segment_ends_where_the_recording_ends(duration, seconds):
    n_samples = round(duration * SR)
    starts = audio.segment_starts(n_samples, sr=SR, segment_seconds=seconds)
    assert starts[-1] + round(seconds * SR) == n_samples


@pytest.mark.parametrize(("duration", "seconds"), LENGTHS)
def test_segments_are_evenly_spread(duration, seconds):
    starts = audio.segment_starts(round(duration * SR), sr=SR, segment_seconds=seconds)
    steps = np.diff(starts)
    assert steps.size == 0 or (starts[0] == 0 and np.ptp(steps) <= 1)


def test_segments_of_frames_follow_a_rate_that_is_no_integer():
    starts = audio.segment_starts(375, sr=12.5, segment_seconds=3)
    assert len(starts) == 10
    assert starts[-1] + round(3 * 12.5) == 375


def test_no_segment_length_means_the_whole_recording():
    assert audio.segment_starts(10 * SR, sr=SR, segment_seconds=0).tolist() == [0]


def test_a_recording_shorter_than_a_segment_starts_at_its_beginning():
    assert audio.segment_starts(SR, sr=SR, segment_seconds=3).tolist() == [0]


def test_cut_takes_a_piece_out_of_the_middle():
    assert audio.cut(np.arange(10), 3, 4).tolist() == [3, 4, 5, 6]


def test_cut_repeats_what_is_too_short():
    assert audio.cut(np.arange(3), 0, 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_cut_of_no_length_takes_everything():
    assert audio.cut(np.arange(5), 0, 0).tolist() == [0, 1, 2, 3, 4]
