"""Damaged audio: two hundred files, damaged alike at every run, through all that reads audio.

The one in seven that is Ogg differs, as its encoder numbers its streams at random. Each is either
used, with finite numbers, or refused in one line. (What libsndfile does with tens of thousands of
others was looked at once; what it does to memory is bounded in `audio.reading`.)
"""

import contextlib
import ctypes
import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from PIL import Image

from gtzan_helpers import cli, config
from gtzan_helpers.audio import reading
from gtzan_helpers.datasets import audit, embedded
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import AudioError

# What is cut off or damaged is used, and named.
pytestmark = pytest.mark.filterwarnings("ignore::gtzan_helpers.errors.AudioWarning")

N_FILES = 200

SR = config.SR

KINDS = {
    "pcm16.wav": {"format": "WAV", "subtype": "PCM_16"},
    "pcm24.wav": {"format": "WAV", "subtype": "PCM_24"},
    "float.wav": {"format": "WAV", "subtype": "FLOAT"},
    "pcm16.au": {"format": "AU", "subtype": "PCM_16"},
    "pcm16.flac": {"format": "FLAC", "subtype": "PCM_16"},
    "vorbis.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "layer3.mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}

HEADER = 128
"""Bytes at the beginning that count as the header."""

ABSURD = (0, 1, 2, 255, 2**15, 2**16 - 1, 768_001, 2**31 - 1, 2**31, 2**32 - 1)
"""What lengths, rates and numbers of channels are set to."""


def sound():
    """Every kind of file, of the same 2.5 s of music: {name: bytes}."""
    y = embedded.play(embedded.draw_song("rock", 0, 0, seed=1), 2.5)
    made = {}
    for name, settings in KINDS.items():
        file = io.BytesIO()
        soundfile.write(file, np.stack([y, y[::-1]], axis=1), SR, **settings)
        made[name] = file.getvalue()
    return made


def mutated(content, rng):
    """Damage a file in one to four ways."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        content = MUTATIONS[rng.integers(len(MUTATIONS))](content, rng)
    return bytes(content)


def _place(content, rng, *, before=None):
    return int(rng.integers(0, max(1, min(len(content), before or len(content)))))


def _turn(content, rng, *, before, most):
    for _ in range(rng.integers(1, most)):
        if content:
            content[_place(content, rng, before=before)] = rng.integers(256)
    return content


def _turn_header(content, rng):
    return _turn(content, rng, before=HEADER, most=8)


def _turn_body(content, rng):
    return _turn(content, rng, before=None, most=200)


def _cut(content, rng):
    return content[: _place(content, rng)]


def _insert(content, rng):
    at = _place(content, rng)
    return content[:at] + rng.bytes(rng.integers(1, 5000)) + content[at:]


def _delete(content, rng):
    at = _place(content, rng)
    return content[:at] + content[at + int(rng.integers(1, 5000)) :]


def _repeat(content, rng):
    at = _place(content, rng)
    return content[:at] + content[max(0, at - int(rng.integers(1, 5000))) :]


def _lie(content, rng):
    """A number of the header, such as a length, rate or count of channels, becomes absurd."""
    width = int(rng.choice([2, 4]))
    at = _place(content, rng, before=HEADER) // 2 * 2
    value = int(rng.choice(ABSURD)) % 256**width
    content[at : at + width] = value.to_bytes(width, str(rng.choice(["little", "big"])))
    return content


def _empty_chunks(content, rng):
    """Chunks of no length, or of a length that lies, behind the first twelve bytes."""
    names = [b"LIST", b"data", b"fmt ", b"fact", b"junk"]
    chunk = names[rng.integers(len(names))] + int(rng.choice(ABSURD)).to_bytes(4, "little")
    return content[:12] + chunk * int(rng.integers(1, 20)) + content[12:]


def _zeros(content, rng):
    at = _place(content, rng)
    length = int(rng.integers(1, 5000))
    content[at : at + length] = bytes(min(length, len(content) - at))
    return content


MUTATIONS = (
    _turn_header,
    _turn_body,
    _cut,
    _insert,
    _delete,
    _repeat,
    _lie,
    _lie,
    _empty_chunks,
    _zeros,
    # Again, for damage that leaves something playable.
    _turn_body,
    _repeat,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A labelled folder of damaged files."""
    root = tmp_path_factory.mktemp("hostile")
    made = sound()
    for number in range(N_FILES):
        name = list(made)[number % len(made)]
        path = root / f"label{number % 2}" / f"{number:03d}-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(mutated(made[name], np.random.default_rng(number)))
    return root


@pytest.fixture(scope="module")
def refused(folder):
    """Why files cannot be read, by their ids."""
    reasons = {}
    for path in sorted(folder.rglob("*.*")):
        try:
            reading.read(path)
        except AudioError as error:
            reasons[path.stem] = str(error).removeprefix(f"{path}: ")
    return reasons


def test_the_files_are_damaged_in_many_ways(refused):
    words = {re.sub(r"[\d.,]+", "N", reason)[:30] for reason in refused.values()}
    assert len(words) >= 5
    assert N_FILES / 4 < len(refused) < N_FILES * 3 / 4


def test_a_sound_file_of_each_kind_is_read(tmp_path):
    for name, content in sound().items():
        (tmp_path / name).write_bytes(content)
        assert reading.read(tmp_path / name)[0].size == pytest.approx(2.5 * SR, rel=0.05)


@pytest.mark.filterwarnings("error")
def test_each_is_extracted_with_finite_numbers_or_in_the_failures_with_its_reason(folder, refused):
    features = open_source(folder).features("logmel", jobs=1)
    assert dict(zip(features.failures.track_id, features.failures.reason, strict=True)) == refused
    assert set(features.tracks.track_id) | set(refused) == {p.stem for p in folder.rglob("*.*")}
    assert len(features.tracks) + len(refused) == N_FILES
    assert np.isfinite(features.values).all()
    assert [reason for reason in refused.values() if not reason or "\n" in reason] == []


@pytest.mark.filterwarnings("error", "ignore::gtzan_helpers.errors.AudioWarning")
def test_pieces_are_what_a_whole_is_or_are_refused_alike(folder, refused):
    for path in sorted(folder.rglob("*.*")):
        try:
            pieces = list(reading.stream(path, sr=SR, seconds=1.0))
        except AudioError as error:
            assert path.stem in refused, error
            continue
        joined = np.concatenate(pieces)
        assert np.isfinite(joined).all()
        whole, sr = reading.read(path)
        if sr == SR:  # else each piece was resampled on its own
            assert np.array_equal(joined, whole[: joined.size])
            assert whole.size - joined.size < SR


@pytest.mark.filterwarnings("error")
def test_each_is_checked_in_a_line(folder, refused, capfd):
    report = audit.check(open_source(folder), jobs=1)
    assert report.n_tracks == N_FILES
    unreadable = report.findings[report.findings.fault == "unreadable"]
    assert dict(zip(unreadable.track_id, unreadable.what, strict=True)) == refused
    assert not report.findings.what.str.contains("\n").any()
    assert capfd.readouterr() == ("", "")  # libmpg123 would say a lot


@pytest.fixture(scope="module")
def odd(folder, tmp_path_factory):
    """A hundred files for `gtzan predict`, of which a dozen can be used."""
    root = tmp_path_factory.mktemp("odd")
    y = embedded.play(embedded.draw_song("rock", 0, 0, seed=1), 2.5)
    for name, samples, sr, settings in (
        ("8 channels.wav", np.repeat(y[:, None], 8, axis=1), SR, {}),
        ("33 channels.wav", np.repeat(y[:, None], 33, axis=1), SR, {}),
        ("fast.wav", y, 900_000, {}),
        ("slow.wav", y, 500, {}),
        ("tiny.wav", y[:100], SR, {}),
        ("one sample.wav", y[:1], SR, {}),
        ("no sample.wav", y[:0], SR, {}),
        ("silent.wav", 0 * y, SR, {}),
        ("loud.wav", 1e30 * y, SR, {"subtype": "FLOAT"}),
        ("faint.wav", 1e-30 * y, SR, {"subtype": "FLOAT"}),
        ("nan.wav", np.nan * y, SR, {"subtype": "FLOAT"}),
    ):
        soundfile.write(root / name, samples, sr, **settings)
    (root / "folder.wav").mkdir()
    for name in ("nothing.mp3", "words.flac", "words.raw", "words", "words.txt"):
        (root / name).write_bytes(b"" if name == "nothing.mp3" else b"do re mi fa sol la ti " * 99)
    for path in sorted(folder.rglob("*.*"))[::-1][: 99 - len(list(root.iterdir()))]:
        shutil.copy(path, root)
    return [*map(str, sorted(root.iterdir())), str(root / "missing.wav")]


@pytest.mark.parametrize("words", [["--json"], []], ids=["json", "plain"])
def test_a_hundred_odd_files_give_a_hundred_clear_lines(odd, words):
    assert len(odd) == 100
    asked = ["predict", "--model", "small", *words, *odd]
    done = CliRunner().invoke(cli.commands, asked, standalone_mode=False)
    assert done.exception is None
    assert done.return_value == 1
    good, bad = [], []
    if words:
        for path, line in zip(odd, done.stdout.splitlines(), strict=True):
            entry = json.loads(line)
            assert entry["file"] == path
            (bad if "error" in entry else good).append(entry)
        assert done.stderr.count("error: ") == len(bad)
        assert "cannot be opened" in bad[-1]["error"]
        assert all(entry.keys() == {"file", "error"} for entry in bad)
        keys = {"file", "genre", "genres", "probabilities", "seconds", "notices", "timeline"}
        assert all(entry.keys() > keys for entry in good)
        assert all(0 <= share <= 1 for entry in good for share in entry["probabilities"].values())
        for entry in good:  # all genres, or none
            assert len(entry["probabilities"]) == len(config.GENRES) * bool(entry["genre"])
    else:
        good, bad = done.stdout.splitlines(), done.stderr.splitlines()
        assert all(re.match(r"error: \S.*: \S", line) for line in bad)
    assert len(good) + len(bad) == 100
    assert len(good) > 5 and len(bad) > 50


# What is no regular file


posix = pytest.mark.skipif(os.name != "posix", reason="there are no pipes in folders")


def ended(*words):
    """Exit code and output of Python with such words; None if it hangs."""
    command = [sys.executable, *map(str, words)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.returncode, done.stdout + done.stderr


@posix
@pytest.mark.parametrize("command", ["check", "extract"])
def test_a_pipe_or_device_among_the_songs_is_named_and_the_others_are_used(
    labelled_folder, command
):
    folder = labelled_folder(tracks=2)
    os.mkfifo(folder / "tone" / "pipe.wav")
    (folder / "noise" / "endless.wav").symlink_to("/dev/zero")
    done = ended("-m", "gtzan_helpers.cli", command, folder)
    assert done is not None, "it hangs"
    code, text = done
    assert code == 1 and text.count("not a regular file; save its content as one first") == 2


@posix
def test_a_pipe_is_no_model(tmp_path):
    path = tmp_path / "pipe.skops"
    os.mkfifo(path)
    done = ended("-m", "gtzan_helpers.cli", "predict", "--model", path, "song.wav")
    assert done is not None, "it hangs"
    assert done[0] == 2 and re.match(r"error: \S+pipe\.skops: .*not a regular file.*\n$", done[1])


@posix
def test_a_pipe_is_no_picture(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (30, 30)).save(tmp_path / label / f"{label}.png")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    script = (
        "import sys; from gtzan_helpers.datasets.sources import open_source; "
        "features = open_source(sys.argv[1]).features('pictures', segment_seconds=0); "
        "print(features.failures.reason[0])"
    )
    done = ended("-c", script, tmp_path)
    assert done is not None, "it hangs"
    assert "not a regular file; save its content as one first" in done[1]


@posix
def test_standard_input_and_process_substitution_are_refused_by_their_names():
    reader, writer = os.pipe()
    os.write(writer, b"RIFF")
    words = f"/dev/fd/{reader}", "-"
    asked = ["predict", "--model", "small", *words]
    done = CliRunner().invoke(cli.commands, asked, standalone_mode=False)
    os.close(reader), os.close(writer)
    assert re.search(r"error: /dev/fd/\d+: .*not a regular file; save its content", done.stderr)
    assert "error: -: standard input is not read; save it as a file first\n" in done.stderr


@posix
def test_nothing_that_libsndfile_says_gets_into_the_output(tmp_path, capfd):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(2000), SR, format="SDS", subtype="PCM_16")
    content = bytearray(file.getvalue())
    content[21 + 127 :: 127] = bytes(len(content[21 + 127 :: 127]))  # the beginnings of blocks
    (tmp_path / "odd.wav").write_bytes(content)
    with contextlib.suppress(AudioError):
        reading.read(tmp_path / "odd.wav")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr() == ("", "")


def test_a_whole_track_of_hours_is_a_failure_and_the_others_are_used(tmp_path):
    y = embedded.play(embedded.draw_song("rock", 0, 0, seed=1), 2.5)
    for label, samples, sr in (("a", y, SR), ("b", np.resize(y, 1000 * 620), 1000)):
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / f"{label}.flac", samples, sr)
    failures = open_source(tmp_path).features("logmel", segment_seconds=0, jobs=1).failures
    assert failures.track_id.tolist() == ["b"]
    assert failures.reason[0].startswith("lasts 620 s; a whole track has 600 s at most")
