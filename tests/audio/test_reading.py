"""Reading and resampling: real files of every kind, intact and broken."""

import os
import re
import tracemalloc
import warnings

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from gtzan_helpers.audio import decoders, reading, spectra
from gtzan_helpers.datasets import embedded
from gtzan_helpers.errors import AudioError, AudioWarning

# What a test does not expect to be named must not be.
pytestmark = pytest.mark.filterwarnings("error::gtzan_helpers.errors.AudioWarning")

SR = 22_050


def tone(frequency=440.0, *, seconds=1.5, sr=SR):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)


def loudest_frequency(y, sr):
    return np.abs(np.fft.rfft(y * np.hanning(y.size))).argmax() * sr / y.size


def write(path, y, sr=SR, **settings):
    soundfile.write(path, y, sr, **settings)
    return path


def encode(path, y, sr=SR, *, codec, container=None, layout=None, options=None, **settings):
    """Write a file that libsndfile does not write; `settings` are the encoder's."""
    layout = layout or {1: "mono", 2: "stereo"}[1 if y.ndim == 1 else y.shape[1]]
    with av.open(str(path), "w", format=container, options=options or {}) as file:
        track = file.add_stream(codec, rate=sr, layout=layout, options=settings)
        adapt = av.AudioResampler(format=track.codec_context.format, layout=layout, rate=sr)
        for start in range(0, len(y), 4096):
            part = np.ascontiguousarray(y[start : start + 4096], dtype=np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = sr, start
            for adapted in adapt.resample(frame):
                file.mux(track.encode(adapted))
        file.mux(track.encode(None))
    return path


def named(path):
    """A recording, read, and what is said about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        y, sr = reading.read(path)
    assert all(warning.category is AudioWarning for warning in caught)
    lines = [str(warning.message) for warning in caught]
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines)
    return y, sr, "; ".join(line.removeprefix(f"{path}: ") for line in lines)


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


UNTAGGED = {"codec": "libmp3lame", "options": {"write_xing": "0"}}
VARIABLE = UNTAGGED | {"flags": "+qscale", "global_quality": "236"}

FORMATS = {
    "pcm16.wav": {"subtype": "PCM_16"},
    "float.wav": {"subtype": "FLOAT"},
    "pcm24.flac": {"subtype": "PCM_24"},
    "pcm16.au": {"subtype": "PCM_16"},
    "pcm16.aiff": {"subtype": "PCM_16"},
    "pcm16.caf": {"subtype": "PCM_16"},
    "vorbis.ogg": {"subtype": "VORBIS"},
    "tagged.mp3": {"subtype": "MPEG_LAYER_III"},
    "constant.mp3": UNTAGGED | {"b": "128k"},
    "variable.mp3": VARIABLE,
    "lossy.m4a": {"codec": "aac", "b": "128k"},
    "lossless.m4a": {"codec": "alac"},
    "raw.aac": {"codec": "aac", "b": "128k"},
    "fragments.mp4": {"codec": "aac", "b": "128k", "options": {"movflags": "empty_moov"}},
    "voice.opus": {"codec": "libopus", "b": "96k"},
    "page.webm": {"codec": "libopus", "b": "96k"},
    "old.wma": {"codec": "wmav2", "b": "128k", "container": "asf"},
    "film.ac3": {"codec": "ac3", "b": "192k"},
    "flac.mka": {"codec": "flac"},
}


def write_as(path, y, settings):
    """Write audio of `SR` Hz as stereo, at the rate of CDs, and Opus at the only one it has."""
    sr = 48_000 if settings.get("codec") == "libopus" else 44_100
    y = reading.resample(np.asarray(y, np.float32), sr=SR, target_sr=sr)
    y = np.stack([y, 0.8 * y], axis=1)
    return (
        encode(path, y, sr, **settings) if "codec" in settings else write(path, y, sr, **settings)
    )


@pytest.fixture(scope="module")
def music():
    return 0.9 * embedded.play(embedded.draw_song("rock", 0, 0, seed=1), 6.0)


@pytest.mark.parametrize("name", FORMATS)
def test_a_song_is_the_same_in_every_format(tmp_path, music, name):
    path = write_as(tmp_path / name, music, FORMATS[name])
    assert path.suffix in reading.SUFFIXES
    y, _ = reading.read(path, sr=SR)
    assert y.size == pytest.approx(music.size, abs=0.1 * SR)
    n_samples, sr, n_channels = reading.header(path)
    assert (n_samples / sr, n_channels) == (pytest.approx(6, abs=0.1), 2)
    levels, expected = spectra.log_mel(y, sr=SR), spectra.log_mel(0.9 * music, sr=SR)
    n_frames = min(levels.shape[1], expected.shape[1])
    assert np.median(np.abs(levels[:, :n_frames] - expected[:, :n_frames])) < 1


@pytest.mark.parametrize("suffix", [".wav", ".au", ".ogg", ".mp3", ".flac"])
def test_what_libsndfile_reads_correctly_is_read_by_it(tmp_path, music, suffix):
    path = write(tmp_path / f"a{suffix}", music)
    with soundfile.SoundFile(path) as file:
        assert np.array_equal(reading.read(path)[0], file.read(dtype="float32"))


@pytest.mark.parametrize("layout", ["5.1", "7.1"])
def test_sound_of_a_film_is_read(tmp_path, layout):
    # Low enough for all of them.
    y = np.repeat(tone(60.0, sr=48_000)[:, None], {"5.1": 6, "7.1": 8}[layout], axis=1)
    path = encode(tmp_path / "a.m4a", y, 48_000, codec="aac", layout=layout, b="600k")
    assert reading.header(path)[2] == y.shape[1]
    assert loudest_frequency(*reading.read(path)) == pytest.approx(60, abs=1)


def test_a_name_that_is_not_utf8_or_like_an_address_is_read(tmp_path):
    content = encode(tmp_path / "a.m4a", tone(), codec="alac").read_bytes()
    for name in (b"M\xe4nner.m4a", b"concat:a.m4a", b"http:a%20.m4a"):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(content)
        assert reading.read(path)[0].size == tone().size


def test_a_stream_is_read_in_constant_memory(tmp_path):
    path = encode(tmp_path / "a.m4a", tone(seconds=240), codec="alac")
    tracemalloc.start()
    try:
        n_samples = sum(y.size for y in reading.stream(path, sr=SR, seconds=10.0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_samples == 240 * SR
    assert peak < n_samples * 4 / 2


# Channels


def stereo(left, right, path):
    return write(path, np.stack([left, right], axis=1), subtype="FLOAT")


@pytest.mark.parametrize(("noise", "louder"), [(0, 0), (1e-4, 0), (0.003, 1)])
def test_of_a_silent_channel_and_another_the_other_is_read(tmp_path, music, noise, louder):
    silence = noise * np.random.default_rng(0).standard_normal(music.size)
    channels = (music, silence) if louder == 0 else (silence, music)
    y, _, words = named(stereo(*channels, tmp_path / "a.wav"))
    assert words == "one channel silent; the other one is used"
    assert np.array_equal(y, music)


@pytest.mark.parametrize("gain", [-1.001, -0.9, -1.1])
def test_of_channels_that_cancel_out_the_louder_is_read(tmp_path, music, gain):
    y, _, words = named(stereo(gain * music, music, tmp_path / "a.wav"))
    assert words == "channels out of phase: they cancel out in the mean; the louder one is used"
    np.testing.assert_allclose(y, min(gain, -1) * music if gain < -1 else music, atol=1e-6)


def test_channels_that_begin_one_after_the_other_are_averaged(tmp_path, music):
    late = np.where(np.arange(music.size) < music.size * 3 // 4, 0, music)
    path = stereo(music, late, tmp_path / "a.wav")
    np.testing.assert_allclose(reading.read(path)[0], (music + late) / 2, atol=1e-6)


def test_wide_stereo_is_averaged(tmp_path, music):
    # Twice as much that the channels do not share as what they do.
    middle, sides = music, 2 * np.roll(music, SR)
    path = stereo(middle + sides, middle - sides, tmp_path / "a.wav")
    np.testing.assert_allclose(reading.read(path)[0], middle, atol=1e-6)


def test_pieces_are_of_the_channel_that_the_whole_is_of(tmp_path, music):
    # The first pieces alone would give the mean.
    right = np.where(np.arange(music.size) < SR // 2, music, -music)
    path = stereo(music, right, tmp_path / "a.wav")
    with pytest.warns(AudioWarning, match="out of phase"):
        pieces = list(reading.stream(path, sr=SR, seconds=0.25))
    assert np.array_equal(np.concatenate(pieces), music)


def test_of_six_channels_the_silent_ones_are_left_out(tmp_path):
    y = np.zeros((tone().size, 6))
    y[:, 0], y[:, 2] = tone(), tone(1000.0)
    read, _, words = named(write(tmp_path / "a.wav", y, subtype="FLOAT"))
    assert words == "4 of 6 channels silent; the others are used"
    np.testing.assert_allclose(read, (tone() + tone(1000.0)) / 2, atol=1e-6)


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


@pytest.mark.parametrize("suffix", [".wav", ".m4a"])
def test_a_folder_and_a_pipe_are_refused(tmp_path, suffix):
    (tmp_path / f"a{suffix}").mkdir()
    refused(tmp_path / f"a{suffix}", "cannot be opened")
    os.mkfifo(tmp_path / f"b{suffix}")
    refused(tmp_path / f"b{suffix}", "not a regular file")


def write_video(path):
    with av.open(str(path), "w") as file:
        track = file.add_stream("mpeg4", rate=25)
        track.width = track.height = 64
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        file.mux(track.encode(frame))
        file.mux(track.encode(None))


def write_encrypted(path):
    content = encode(path, tone(), codec="aac").read_bytes()
    path.write_bytes(content.replace(b"mp4a", b"drms", 1))


NO_AUDIO = {
    "text.mp3": (lambda path: path.write_text("Dear diary, today. " * 500), "not audio"),
    "noise.mp3": (lambda path: path.write_bytes(np.random.default_rng(0).bytes(50_000)), "not au"),
    "picture.m4a": (lambda path: Image.new("L", (9, 9)).save(path, format="PNG"), "not audio"),
    "list.aac": (lambda path: path.write_text("#EXTM3U\n#EXTINF:9,\n/etc/passwd\n"), "not audio"),
    "video.mp4": (write_video, "holds no audio"),
    "bought.m4a": (write_encrypted, "encrypted"),
}


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_holds_no_audio_is_refused_in_a_line(tmp_path, name, capfd):
    make, words = NO_AUDIO[name]
    make(tmp_path / name)
    refused(tmp_path / name, words)
    with pytest.raises(AudioError, match=words):
        reading.header(tmp_path / name)
    assert capfd.readouterr() == ("", "")


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
    monkeypatch.setattr(decoders, "BLOCK", SR)
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


@pytest.mark.parametrize("seconds_more", [1, 40_000])
def test_a_wav_that_promises_more_than_it_holds_is_read_and_named(tmp_path, seconds_more):
    path = write(tmp_path / "a.wav", tone())
    with_header(path, DATA_LENGTH, 2 * (tone().size + seconds_more * SR))
    y, _, words = named(path)
    assert y.size == tone().size
    promised = f"{1.5 + seconds_more:,.1f} s"
    assert words.startswith(f"cut off: its header promises {promised}, the file holds 1.5 s; copy")


def test_a_wav_that_promises_less_than_it_holds_is_as_long_as_it_says(tmp_path):
    path = with_header(write(tmp_path / "a.wav", tone(seconds=3)), DATA_LENGTH, 2 * 2 * SR)
    assert reading.read(path)[0].size == 2 * SR
    refused(with_header(path, DATA_LENGTH, 1000), r"lasts 0\.02 s")


CUT = {
    **{name: FORMATS[name] for name in FORMATS if name[:3] in ("pcm", "flo", "vor", "tag")},
    **{name: FORMATS[name] for name in ("voice.opus", "page.webm", "old.wma", "flac.mka")},
    "early.m4a": {"codec": "aac", "options": {"movflags": "faststart"}},
    "pcm.w64": {"subtype": "PCM_16"},
    "late.rf64": {"format": "RF64"},
}


@pytest.mark.parametrize("name", CUT)
def test_a_file_that_was_cut_is_read_as_far_as_it_goes_and_named(tmp_path, music, name):
    path = write_as(tmp_path / name, music, CUT[name])
    whole, sr = reading.read(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    y, _, words = named(path)
    assert re.search(r"cut off: its .*, the file holds [234]\.\d s; copy or fetch it again", words)
    assert 2.3 * sr < y.size < 4.5 * sr
    middle = slice(sr, 2 * sr)
    np.testing.assert_allclose(y[middle], whole[middle], atol=1e-3)
    with pytest.warns(AudioWarning, match="cut off"):
        pieces = list(reading.stream(path, sr=sr, seconds=1.0))
    assert np.array_equal(np.concatenate(pieces), y)


DAMAGED = ("tagged.mp3", "constant.mp3", "pcm24.flac", "vorbis.ogg", "voice.opus", "lossy.m4a")


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_damaged_in_the_middle_is_read_to_its_end_and_named(tmp_path, music, name, capfd):
    path = write_as(tmp_path / name, music, FORMATS[name])
    whole, sr = reading.read(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 5000] = np.random.default_rng(0).bytes(5000)
    path.write_bytes(content)
    y, _, words = named(path)
    assert words.startswith("damaged: ") and words.endswith("; copy or fetch it again")
    assert y.size > 4.5 * sr
    # A frame of the end overlaps with what is before it.
    expected, end = whole[-sr // 2 : -sr // 10], y[-sr:]
    shifts = np.correlate(end, expected, mode="valid") / np.square(expected).sum()
    assert shifts.max() == pytest.approx(1, abs=0.05)
    assert capfd.readouterr() == ("", "")


def test_a_file_without_its_table_of_contents_is_refused(tmp_path):
    path = encode(tmp_path / "a.m4a", tone(), codec="aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "not audio that can be decoded; fetch it again")


def test_a_flac_that_was_written_to_a_pipe_is_read(tmp_path, music):
    path = write(tmp_path / "a.flac", music)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples, 36 bits
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert reading.header(path)[0] == music.size
    np.testing.assert_allclose(reading.read(path)[0], music, atol=2**-15)


@pytest.mark.parametrize("share", [0.5, 1, 2])
def test_an_mp3_that_states_another_length_is_read_to_its_end(tmp_path, music, share):
    path = write(tmp_path / "a.mp3", music)
    tag = re.search(b"Xing|Info", path.read_bytes()).start()
    n_frames = int.from_bytes(path.read_bytes()[tag + 8 : tag + 12])
    y, _, words = named(with_header(path, tag + 8, round(share * n_frames), order="big"))
    assert y.size == pytest.approx(music.size, abs=0.1 * SR)
    assert reading.header(path)[0] == pytest.approx(music.size, abs=0.1 * SR)
    promised = re.match("cut off: its header promises 12.[01] s, the file holds 6.0 s", words)
    assert bool(promised) == (share == 2) and bool(words) == (share == 2)


def test_tags_behind_an_mp3_are_no_damage(tmp_path, music):
    path = encode(tmp_path / "a.mp3", music, **UNTAGGED)
    path.write_bytes(path.read_bytes() + b"APETAGEX" + b"la " * 9000 + b"TAG" + b" " * 125)
    assert reading.read(path)[0].size == pytest.approx(music.size, abs=0.1 * SR)


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_a_wav_that_leaves_its_length_open_is_read(tmp_path, length):
    # As programs that stream write it.
    path = with_header(write(tmp_path / "a.wav", tone()), DATA_LENGTH, length)
    assert reading.read(path)[0].size == tone().size


def test_a_wav_without_samples_is_refused(tmp_path):
    refused(write(tmp_path / "a.wav", tone()[:0]), "holds no sound")


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_the_length_of_the_whole_file_in_a_wav_header_does_not_matter(tmp_path, length):
    path = with_header(write(tmp_path / "a.wav", tone()), 4, length)
    assert reading.read(path)[0].size == tone().size


def test_a_million_empty_chunks_are_read_or_refused_quickly(tmp_path):
    content = write(tmp_path / "a.wav", tone()).read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:12] + 10**6 * b"junk\0\0\0\0" + content[12:])
    try:
        assert reading.read(tmp_path / "a.wav")[0].size == tone().size
    except AudioError as error:
        assert "not audio" in str(error)


def test_raw_samples_without_a_header_are_refused(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"x" * 5000)
    refused(tmp_path / "a.raw", "not audio that can be decoded")


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
