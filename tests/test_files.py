"""Files are whole or not there, and hashes are those of the bytes."""

import hashlib
import os

import pytest

from gtzan_helpers import files
from gtzan_helpers.errors import WriteError


def test_replacing_puts_the_finished_file_in_place(tmp_path):
    with files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("done")
    assert (tmp_path / "a.txt").read_text() == "done"


def test_replacing_shows_nothing_under_the_final_name_before_the_end(tmp_path):
    with files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        assert not (tmp_path / "a.txt").exists()


def test_replacing_leaves_no_other_file_behind(tmp_path):
    with files.replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("done")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_replacing_keeps_the_old_file_when_writing_fails(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(RuntimeError, match="broken"),
        files.replacing(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_text("half of the new")
        raise RuntimeError("broken")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_replacing_keeps_the_ending(tmp_path):
    with files.replacing(tmp_path / "a.npz") as temporary:
        assert temporary.suffix == ".npz"
        temporary.touch()


def test_replacing_makes_missing_folders(tmp_path):
    with files.replacing(tmp_path / "new" / "er" / "a.txt") as temporary:
        temporary.write_text("done")
    assert (tmp_path / "new" / "er" / "a.txt").is_file()


def test_write_text_writes_utf8_with_unix_line_ends(tmp_path):
    path = files.write_text(tmp_path / "Grüße.txt", "Blues für Ännchen\n")
    assert path.read_bytes() == "Blues für Ännchen\n".encode()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_digest_is_that_of_the_bytes(tmp_path, algorithm):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert files.digest(tmp_path / "a", algorithm) == hashlib.new(algorithm, content).hexdigest()


def test_a_file_that_changed_has_another_digest(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    before = files.digest(path)
    path.write_bytes(b"after it")
    assert files.digest(path) == hashlib.md5(b"after it").hexdigest() != before


def test_a_text_may_hold_a_name_that_is_no_text(tmp_path):
    files.write_text(tmp_path / "a.txt", "Grönemeyer \udcff.wav\n")
    assert (tmp_path / "a.txt").read_bytes() == "Grönemeyer \\udcff.wav\n".encode()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WriteError, match="something that is no file"):
        files.write_text(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()
