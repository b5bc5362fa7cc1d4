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


@pytest.mark.parametrize("level", [1e30, 5e9])
def test_a_level_beyond_all_bounds_is_damage(tmp_path, level):
    path = write(tmp_path / "a.wav", level * tone(), subtype="FLOAT")
    refused(path, "not finite, or beyond all bounds")


def test_integers_stored_as_floats_are_loud_but_sound(tmp_path):
    path = write(tmp_path / "a.wav", 32_768 * tone(), subtype="FLOAT")
    assert np.abs(audio.read(path)[0]).max() == pytest.approx(16_384, rel=1e-3)


@pytest.mark.parametrize("sr", [999, 768_001])
def test_an_absurd_rate_is_refused_whole_or_in_pieces(tmp_path, sr):
    path = write(tmp_path / "a.wav", tone(sr=sr), sr)
    refused(path, f"sampling rate of {sr:,} Hz is beyond 1,000 to 768,000 Hz")
    with pytest.raises(AudioError, match=f"sampling rate of {sr:,} Hz"):
        next(audio.stream(path, sr=SR, seconds=1.0))


@pytest.mark.parametrize("sr", [1_000, 768_000])
def test_the_ends_of_the_range_of_rates_belong_to_it(tmp_path, sr):
    path = write(tmp_path / "a.wav", tone(frequency=100, sr=sr), sr)
    assert audio.read(path, sr=SR)[0].size == pytest.approx(1.5 * SR, abs=1)


def test_too_many_channels_are_refused(tmp_path):
    path = write(tmp_path / "a.wav", np.repeat(tone()[:, None], 32, axis=1))
    assert audio.header(path) == (tone().size, SR, 32)
    assert audio.read(path)[0].size == tone().size
    path = write(tmp_path / "b.wav", np.repeat(tone()[:, None], 33, axis=1))
    refused(path, "its 33 channels are more than 32")


def test_a_recording_that_memory_cannot_hold_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac", tone(seconds=5))
    monkeypatch.setattr(audio, "MAX_SAMPLES", 2 * SR)
    monkeypatch.setattr(audio, "BLOCK", SR)
    refused(path, "lasts more than 0.0 h; cut it into pieces")
    assert sum(y.size for y in audio.stream(path, sr=SR, seconds=1.0)) == 5 * SR


# Headers that lie


def lying(path, place, value, *, order="little"):
    """Put a 32-bit number into a file's header."""
    content = bytearray(path.read_bytes())
    content[place : place + 4] = value.to_bytes(4, order)
    path.write_bytes(content)
    return path


LENGTH_OF_DATA = 40
"""Where an ordinary WAV says how many bytes of sound it has."""


@pytest.mark.parametrize("bytes_more", [2, 10**6, 10**9])
def test_a_wav_that_promises_more_than_it_holds_is_refused(tmp_path, bytes_more):
    path = write(tmp_path / "a.wav", tone())
    refused(lying(path, LENGTH_OF_DATA, 2 * tone().size + bytes_more), "truncated: its header")


def test_a_wav_that_promises_less_than_it_holds_is_as_long_as_it_says(tmp_path):
    path = lying(write(tmp_path / "a.wav", tone(seconds=3)), LENGTH_OF_DATA, 2 * 2 * SR)
    assert audio.read(path)[0].size == 2 * SR
    refused(lying(path, LENGTH_OF_DATA, 1000), r"lasts 0\.02 s")


def test_a_compressed_file_that_was_cut_short_is_refused(tmp_path):
    noise = np.random.default_rng(0).standard_normal(6 * SR) * 0.1
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise, SR)
    assert audio.read(path)[0].size == pytest.approx(noise.size, rel=0.02)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="truncated: its header promises"):
        audio.read(path)
    with pytest.raises(AudioError, match="truncated: its header promises"):
        list(audio.stream(path, sr=SR, seconds=2.0))


def test_a_wav_that_leaves_its_length_open_is_read(tmp_path):
    """Programs that stream do not know it when they write the header."""
    path = lying(write(tmp_path / "a.wav", tone()), LENGTH_OF_DATA, 0xFFFFFFFF)
    assert audio.read(path)[0].size == tone().size


def test_a_wav_that_says_it_is_empty_is_refused(tmp_path):
    refused(lying(write(tmp_path / "a.wav", tone()), LENGTH_OF_DATA, 0), r"lasts 0\.00 s")


@pytest.mark.parametrize("said", [0, 1, 0xFFFFFFFF])
def test_what_a_wav_says_of_the_whole_file_does_not_matter(tmp_path, said):
    path = lying(write(tmp_path / "a.wav", tone()), 4, said)
    assert audio.read(path)[0].size == tone().size


def test_an_mp3_that_promises_days_of_music_is_as_long_as_it_is(tmp_path):
    """The number of frames behind the name of the encoder's note."""
    path = write(tmp_path / "a.mp3", tone(seconds=3))
    note = re.search(b"Xing|Info", path.read_bytes()).start()
    whole = audio.read(path)[0]
    lying(path, note + 8, 0x7FFFFFFF, order="big")
    assert audio.header(path)[0] > 10**12
    assert audio.read(path)[0].size == pytest.approx(whole.size, abs=5000)
    pieces = list(audio.stream(path, sr=SR, seconds=1.0))
    assert sum(y.size for y in pieces) == pytest.approx(whole.size, abs=5000)


def test_a_pile_of_empty_chunks_is_no_hang(tmp_path):
    content = write(tmp_path / "a.wav", tone()).read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:12] + 10**6 * b"junk\0\0\0\0" + content[12:])
    try:
        assert audio.read(tmp_path / "a.wav")[0].size == tone().size
    except AudioError as error:
        assert "not audio" in str(error)


def test_the_decoder_keeps_quiet_about_damage(tmp_path, capfd):
    path = write(tmp_path / "a.mp3", 0.1 * np.random.default_rng(0).standard_normal(3 * SR))
    content = bytearray(path.read_bytes())
    content[5000:5600] = b"x" * 600
    assert len(content) == path.stat().st_size > 10_000  # so it is in the middle
    path.write_bytes(content)
    assert audio.read(path)[0].size > 2 * SR
    assert capfd.readouterr().err == ""


def test_a_file_of_raw_samples_has_no_header_to_go_by(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"x" * 5000)
    refused(tmp_path / "a.raw", "not audio that libsndfile can read")


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
