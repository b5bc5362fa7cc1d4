"""Reading and resampling: real files of every kind, intact and broken."""

import os
import re

import numpy as np
import pytest
import soundfile

from gtzan_helpers.audio import reading
from gtzan_helpers.errors import AudioError

SR = 22_050


def tone(frequency=440.0, *, seconds=1.5, sr=SR):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)


def loudest_frequency(y, sr):
    return np.abs(np.fft.rfft(y * np.hanning(y.size))).argmax() * sr / y.size


def write(path, y, sr=SR, **settings):
    soundfile.write(path, y, sr, **settings)
    return path


# Intact files


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_U8", 2**-7),
        ("a.wav", "FLOAT", 1e-7),
        ("a.au", "PCM_16", 2**-15),
        ("a.flac", "PCM_24", 2**-23),
    ],
)
def test_a_lossless_file_is_read_to_the_precision_of_its_samples(tmp_path, name, subtype, error):
    y, sr = reading.read(write(tmp_path / name, tone(), subtype=subtype))
    assert sr == SR
    assert y.dtype == np.float32
    assert np.abs(y - tone()).max() <= error


@pytest.mark.parametrize("suffix", [".ogg", ".mp3"])
def test_a_lossy_file_keeps_its_tone(tmp_path, suffix):
    if suffix[1:].upper() not in soundfile.available_formats():
        pytest.skip(f"this libsndfile writes no {suffix}")
    y, sr = reading.read(write(tmp_path / f"a{suffix}", tone(1000.0)))
    assert loudest_frequency(y, sr) == pytest.approx(1000, abs=1)
    assert np.abs(y).max() == pytest.approx(0.5, rel=0.1)


def test_a_stereo_file_becomes_the_mean_of_its_channels(tmp_path):
    left, right = tone(440.0, sr=48_000), tone(1000.0, sr=48_000)
    path = write(tmp_path / "a.wav", np.stack([left, right], axis=1), 48_000, subtype="FLOAT")
    y, sr = reading.read(path)
    assert (sr, y.shape) == (48_000, left.shape)
    np.testing.assert_allclose(y, (left + right) / 2, atol=1e-7)


def test_read_resamples_where_a_rate_is_asked_for(tmp_path):
    path = write(tmp_path / "a.wav", np.stack([tone(sr=48_000)] * 2, axis=1), 48_000)
    y, sr = reading.read(path, sr=SR)
    assert sr == SR
    assert y.size == round(1.5 * SR)
    assert loudest_frequency(y, sr) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("name", ["with two spaces.wav", "Grönemeyer – Männer.wav", "夜.wav"])
def test_any_name_is_read(tmp_path, name):
    path = write(tmp_path / name, tone())
    assert reading.read(path)[0].size == reading.read(str(path))[0].size == round(1.5 * SR)


def test_one_second_is_long_enough(tmp_path):
    assert reading.read(write(tmp_path / "a.wav", tone(seconds=1.0)))[0].size == SR


# Broken files


def refused(path, words):
    with pytest.raises(AudioError) as caught:
        reading.read(path)
    name, _, fault = str(caught.value).partition(": ")
    assert name == str(path)
    assert re.search(words, fault)
    assert "\n" not in fault


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    refused(tmp_path / "a.wav", "empty file")


def test_a_text_file_is_refused(tmp_path):
    (tmp_path / "a.wav").write_text("Dear diary, today I listened to the blues. " * 50)
    refused(tmp_path / "a.wav", "not audio")


@pytest.mark.parametrize(
    ("suffix", "words"), [(".wav", "truncated"), (".au", "truncated"), (".flac", "not audio")]
)
def test_a_truncated_file_is_refused(tmp_path, suffix, words):
    path = write(tmp_path / f"a{suffix}", tone(seconds=10) * np.linspace(0, 1, 10 * SR))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    refused(path, words)


def test_silence_is_refused(tmp_path):
    refused(write(tmp_path / "a.wav", np.zeros(2 * SR)), "silent")


def test_half_a_second_is_refused_with_its_length(tmp_path):
    refused(write(tmp_path / "a.wav", tone(seconds=0.5)), r"lasts 0\.50 s")


def test_samples_that_are_not_finite_are_counted(tmp_path):
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


def test_a_level_beyond_all_bounds_is_refused(tmp_path):
    path = write(tmp_path / "a.wav", 5e9 * tone(), subtype="FLOAT")
    refused(path, "not finite, or huge")


def test_integers_stored_as_floats_are_read_as_they_are(tmp_path):
    path = write(tmp_path / "a.wav", 32_768 * tone(), subtype="FLOAT")
    assert np.abs(reading.read(path)[0]).max() == pytest.approx(16_384, rel=1e-3)


@pytest.mark.parametrize("sr", [999, 768_001])
def test_an_absurd_sampling_rate_is_refused(tmp_path, sr):
    path = write(tmp_path / "a.wav", tone(sr=sr), sr)
    refused(path, f"sampling rate of {sr:,} Hz is beyond 1,000 to 768,000 Hz")
    with pytest.raises(AudioError, match=f"sampling rate of {sr:,} Hz"):
        next(reading.stream(path, sr=SR, seconds=1.0))


@pytest.mark.parametrize("sr", [1_000, 768_000])
def test_the_lowest_and_highest_sampling_rates_are_read(tmp_path, sr):
    path = write(tmp_path / "a.wav", tone(frequency=100, sr=sr), sr)
    assert reading.read(path, sr=SR)[0].size == pytest.approx(1.5 * SR, abs=1)


def test_too_many_channels_are_refused(tmp_path):
    path = write(tmp_path / "a.wav", np.repeat(tone()[:, None], 32, axis=1))
    assert reading.header(path) == (tone().size, SR, 32)
    assert reading.read(path)[0].size == tone().size
    path = write(tmp_path / "b.wav", np.repeat(tone()[:, None], 33, axis=1))
    refused(path, "33 channels are more than 32")


def test_a_recording_that_is_too_long_for_memory_is_refused_but_can_be_streamed(
    tmp_path, monkeypatch
):
    path = write(tmp_path / "a.flac", tone(seconds=5))
    monkeypatch.setattr(reading, "MAX_SAMPLES", 2 * SR)
    monkeypatch.setattr(reading, "BLOCK", SR)
    refused(path, "lasts more than 0.0 h; cut it into pieces")
    assert sum(y.size for y in reading.stream(path, sr=SR, seconds=1.0)) == 5 * SR


# Wrong headers


def with_header(path, place, value, *, order="little"):
    """Put a 32-bit number into a file's header."""
    content = bytearray(path.read_bytes())
    content[place : place + 4] = value.to_bytes(4, order)
    path.write_bytes(content)
    return path


DATA_LENGTH = 40
"""Position in an ordinary WAV file of the number of bytes of sound."""


@pytest.mark.parametrize("bytes_more", [2, 10**9])
def test_a_wav_that_promises_more_than_it_holds_is_refused(tmp_path, bytes_more):
    path = write(tmp_path / "a.wav", tone())
    refused(with_header(path, DATA_LENGTH, 2 * tone().size + bytes_more), "truncated: its header")


def test_a_wav_that_promises_less_than_it_holds_is_as_long_as_it_says(tmp_path):
    path = with_header(write(tmp_path / "a.wav", tone(seconds=3)), DATA_LENGTH, 2 * 2 * SR)
    assert reading.read(path)[0].size == 2 * SR
    refused(with_header(path, DATA_LENGTH, 1000), r"lasts 0\.02 s")


def test_a_truncated_compressed_file_is_refused(tmp_path):
    noise = np.random.default_rng(0).standard_normal(6 * SR) * 0.1
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise, SR)
    assert reading.read(path)[0].size == pytest.approx(noise.size, rel=0.02)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "truncated: its header promises")
    with pytest.raises(AudioError, match="truncated: its header promises"):
        list(reading.stream(path, sr=SR, seconds=2.0))


def test_a_wav_that_leaves_its_length_open_is_read(tmp_path):
    # As programs that stream write it.
    path = with_header(write(tmp_path / "a.wav", tone()), DATA_LENGTH, 0xFFFFFFFF)
    assert reading.read(path)[0].size == tone().size


def test_a_wav_that_says_it_is_empty_is_refused(tmp_path):
    refused(with_header(write(tmp_path / "a.wav", tone()), DATA_LENGTH, 0), "holds no sound")


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_the_length_of_the_whole_file_in_a_wav_header_does_not_matter(tmp_path, length):
    path = with_header(write(tmp_path / "a.wav", tone()), 4, length)
    assert reading.read(path)[0].size == tone().size


def test_an_mp3_that_promises_days_of_music_is_as_long_as_it_is(tmp_path):
    # The number of frames follows the name of the encoder's tag.
    path = write(tmp_path / "a.mp3", tone(seconds=3))
    tag = re.search(b"Xing|Info", path.read_bytes()).start()
    whole = reading.read(path)[0]
    with_header(path, tag + 8, 0x7FFFFFFF, order="big")
    assert reading.header(path)[0] > 10**12
    assert reading.read(path)[0].size == pytest.approx(whole.size, abs=5000)
    pieces = list(reading.stream(path, sr=SR, seconds=1.0))
    assert sum(y.size for y in pieces) == pytest.approx(whole.size, abs=5000)


def test_a_million_empty_chunks_are_read_or_refused_quickly(tmp_path):
    content = write(tmp_path / "a.wav", tone()).read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:12] + 10**6 * b"junk\0\0\0\0" + content[12:])
    try:
        assert reading.read(tmp_path / "a.wav")[0].size == tone().size
    except AudioError as error:
        assert "not audio" in str(error)


def test_the_decoder_reports_nothing_on_stderr(tmp_path, capfd):
    path = write(tmp_path / "a.mp3", 0.1 * np.random.default_rng(0).standard_normal(3 * SR))
    content = bytearray(path.read_bytes())
    content[5000:5600] = b"x" * 600
    assert len(content) == path.stat().st_size > 10_000
    path.write_bytes(content)
    assert reading.read(path)[0].size > 2 * SR
    assert capfd.readouterr().err == ""


def test_raw_samples_without_a_header_are_refused(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"x" * 5000)
    refused(tmp_path / "a.raw", "not audio that libsndfile can read")


# Resampling


@pytest.mark.parametrize(("sr", "target_sr"), [(48_000, SR), (44_100, SR), (SR, 16_000)])
def test_resampling_keeps_a_tone(sr, target_sr):
    y = reading.resample(tone(1000.0, seconds=2, sr=sr), sr=sr, target_sr=target_sr)
    middle = slice(target_sr // 2, -target_sr // 2)
    expected = tone(1000.0, seconds=2, sr=target_sr)
    np.testing.assert_allclose(y[middle], expected[middle], atol=1e-4)


def test_resampling_removes_frequencies_above_the_new_rates_half():
    y = reading.resample(tone(15_000.0, sr=48_000), sr=48_000, target_sr=SR)
    assert np.abs(y[SR // 4 : -SR // 4]).max() < 1e-4
