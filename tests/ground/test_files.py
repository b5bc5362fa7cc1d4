"""Files are whole or absent, caches are made again when damaged, hashes are of the bytes."""

import hashlib
import os
import zipfile

import numpy as np
import pytest

from gtzan_helpers import files
from gtzan_helpers.errors import WriteError


def test_replacing_shows_the_file_under_its_name_at_the_end_only(tmp_path):
    with files.replacing(tmp_path / "new" / "a.npz") as temporary:
        assert temporary.suffix == ".npz"
        temporary.write_text("done")
        assert not (tmp_path / "new" / "a.npz").exists()
    assert {p.name: p.read_text() for p in (tmp_path / "new").iterdir()} == {"a.npz": "done"}


def test_replacing_keeps_the_old_file_when_writing_fails(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(RuntimeError, match="broken"),
        files.replacing(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_text("half of the new")
        raise RuntimeError("broken")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_write_text_writes_utf8_with_unix_line_ends(tmp_path):
    path = files.write_text(tmp_path / "Grüße.txt", "Blues für Ännchen\n")
    assert path.read_bytes() == "Blues für Ännchen\n".encode()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_hash_is_of_the_bytes(tmp_path, algorithm):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert files.file_hash(tmp_path / "a", algorithm) == hashlib.new(algorithm, content).hexdigest()


def test_a_changed_file_has_another_hash(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")
    before = files.file_hash(path)
    path.write_bytes(b"after it")
    assert files.file_hash(path) == hashlib.md5(b"after it").hexdigest() != before


def test_a_text_may_hold_a_name_that_is_not_utf8(tmp_path):
    files.write_text(tmp_path / "a.txt", "Grönemeyer \udcff.wav\n")
    assert (tmp_path / "a.txt").read_bytes() == "Grönemeyer \\udcff.wav\n".encode()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WriteError, match="something that is no file"):
        files.write_text(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("damage", [None, b"", b"x" * 99], ids=["absent", "emptied", "overwritten"])
def test_a_cached_result_is_made_again_only_if_its_file_is_absent_or_damaged(tmp_path, damage):
    path, made = tmp_path / "c" / "a.npz", []

    def make():
        made.append(1)
        return {"values": np.arange(3)}

    def result():
        return files.cached(path, make, of="three")["values"]

    assert result().tolist() == result().tolist() == [0, 1, 2] and len(made) == 1
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert result().tolist() == [0, 1, 2] and len(made) == 2
    assert np.load(path)["values"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_is_not_unpacked_bit_by_bit_is_refused(tmp_path, method):
    np.savez(tmp_path / "plain.npz", values=np.zeros(9))
    with zipfile.ZipFile(tmp_path / "plain.npz") as plain:
        content = plain.read("values.npy")
    with zipfile.ZipFile(tmp_path / "odd.npz", "w", method) as odd:
        odd.writestr("values.npy", content)
    assert files.load_arrays(tmp_path / "plain.npz")["values"].size == 9
    with pytest.raises(ValueError, match="packed in another way"):
        files.load_arrays(tmp_path / "odd.npz")


@pytest.mark.parametrize("word", ["a" * 20_000, b"a" * 20_000], ids=["letters", "bytes"])
def test_arrays_of_endless_words_are_refused(tmp_path, word):
    np.savez(tmp_path / "words.npz", names=np.array(["short"]), ids=np.array([word]))
    with pytest.raises(ValueError, match=r"words of [28]0,000 bytes"):
        files.load_arrays(tmp_path / "words.npz")
