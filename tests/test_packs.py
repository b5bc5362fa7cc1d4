"""Feature packs: what is written is read, and what is no pack is refused."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gtzan_helpers import packs
from gtzan_helpers.errors import SourceError


@pytest.fixture
def pack(rng):
    return packs.Pack(
        track_id=np.array(["blues.00000", "jazz – ü"]),
        genre=np.array(["blues", "jazz"]),
        stored=rng.integers(0, 256, (2, 16, 50)).astype(np.uint8),
        db_min=-80.0,
        db_max=0.0,
        sr=22_050,
        n_fft=2048,
        hop_length=512,
        frame_period=0.08,
    )


def rewritten(path, pack, **changes):
    """A pack with fields replaced, or left out where None."""
    with np.load(packs.write(path, pack)) as archive:
        fields = {name: archive[name] for name in archive.files} | changes
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    return path


def refused(path, words):
    with pytest.raises(SourceError) as caught:
        packs.read(path)
    name, _, fault = str(caught.value).partition(": ")
    assert name == str(path)
    assert re.search(words, fault)


def test_a_pack_is_read_as_it_was_written(tmp_path, pack):
    found = packs.read(packs.write(tmp_path / "p.npz", pack))
    for name in ("track_id", "genre", "stored"):
        np.testing.assert_array_equal(getattr(found, name), getattr(pack, name))
    for name in ("db_min", "db_max", "sr", "n_fft", "hop_length"):
        assert getattr(found, name) == getattr(pack, name)
    assert found.frame_period == np.float32(pack.frame_period)


def test_the_file_holds_the_fields_of_the_contract_and_no_pickle(tmp_path, pack):
    with np.load(packs.write(tmp_path / "p.npz", pack), allow_pickle=False) as archive:
        assert set(archive.files) == set(packs.FIELDS)
        assert all(archive[name].dtype != object for name in archive.files)


def test_bytes_run_linearly_from_the_least_to_the_most_db():
    stored = np.array([0, 51, 255], dtype=np.uint8)
    np.testing.assert_allclose(packs.decode(stored, -80, 0), [-80, -64, 0], atol=1e-5)


def test_encoding_loses_at_most_half_a_step(rng):
    log_mel = rng.uniform(-80, 0, (128, 40)).astype(np.float32)
    back = packs.decode(packs.encode(log_mel, -80, 0), -80, 0)
    assert np.abs(back - log_mel).max() <= 80 / 255 / 2 + 1e-4


def test_encoding_clips_what_is_out_of_range():
    assert packs.encode(np.array([-200.0, 50.0]), -80, 0).tolist() == [0, 255]


def test_floats_are_db_already(tmp_path, pack, rng):
    stored = rng.uniform(-80, 0, (2, 16, 50)).astype(np.float32)
    found = packs.read(packs.write(tmp_path / "p.npz", replace(pack, stored=stored)))
    np.testing.assert_array_equal(found.log_mel(1), stored[1])


def test_one_track_is_decoded_with_the_range_of_the_pack(pack):
    expected = packs.decode(pack.stored[1], -80, 0)
    np.testing.assert_array_equal(pack.log_mel(1), expected)


@pytest.mark.parametrize("field", packs.FIELDS)
def test_a_missing_field_is_named(tmp_path, pack, field):
    refused(rewritten(tmp_path / "p.npz", pack, **{field: None}), f"lacks {field}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"log_mel": np.zeros((3, 16, 50), np.uint8)}, re.escape("shape (3, 16, 50)")),
        ({"log_mel": np.zeros((2, 50), np.uint8)}, re.escape("shape (2, 50)")),
        ({"n_mels": np.int32(128)}, re.escape("(2, 128, ...)")),
        ({"genre": np.array(["blues"])}, "1 genres"),
        ({"track_id": np.array(["a", "a"])}, "repeat"),
        ({"log_mel": np.zeros((2, 16, 50), np.int64)}, "int64, not uint8 or float"),
        ({"log_mel": np.full((2, 16, 50), np.nan)}, "not finite"),
        ({"frame_period_s": np.float32(0)}, "frame_period_s=0"),
        ({"mel_db_min": np.float32(0)}, "dB from 0.0 to 0.0"),
        ({"sr": np.array(["fast"])}, "sr"),
        ({"sr": np.array([0])}, "sr=0"),
        ({"sr": np.array([np.inf])}, "not a number"),
        ({"sr": np.array([1j])}, "not a number"),
        ({"hop_length": np.array([0])}, "hop_length=0"),
        ({"n_fft": np.array([0])}, "n_fft=0"),
        ({"frame_period_s": np.float32(np.inf)}, "frame_period_s=inf"),
        ({"mel_db_max": np.float32(np.inf)}, "dB from -80.0 to inf"),
        ({"log_mel": np.full((2, 16, 50), 1e300)}, "beyond 300 dB"),
        ({"log_mel": np.zeros((2, 16, 0), np.uint8)}, "no two frames"),
        ({"genre": np.array([["a", "b"], ["c", "d"]])}, "not one word a track"),
        ({"genre": np.array([np.nan, np.nan])}, "no words"),
        ({"track_id": np.array(["a", " "])}, "no id"),
        ({"genre": np.array(["a", " "])}, "no genre"),
        ({"genre": np.array(["a", np.nan])}, "no genre"),
        ({"genre": np.array([b"\xff", b"\xfe"])}, "not a feature pack"),
        ({"track_id": np.array(["a", None], dtype=object)}, "not a feature pack"),
    ],
)
def test_parts_that_do_not_fit_are_named(tmp_path, pack, changes, words):
    refused(rewritten(tmp_path / "p.npz", pack, **changes), words)


def test_a_pack_without_tracks_is_refused(tmp_path, pack):
    none = replace(
        pack, track_id=np.zeros(0, "U1"), genre=np.zeros(0, "U1"), stored=pack.stored[:0]
    )
    refused(packs.write(tmp_path / "p.npz", none), "holds no track")


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "p.npz", "No such file")


def test_text_is_refused(tmp_path):
    (tmp_path / "p.npz").write_text("no pack")
    refused(tmp_path / "p.npz", "not a feature pack")


def test_an_array_that_is_no_archive_is_refused(tmp_path):
    with (tmp_path / "p.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    refused(tmp_path / "p.npz", "not a feature pack")


def test_a_truncated_pack_is_refused(tmp_path, pack):
    path = packs.write(tmp_path / "p.npz", pack)
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, "not a feature pack")


def test_a_damaged_pack_is_refused(tmp_path, pack):
    path = packs.write(tmp_path / "p.npz", pack)
    content = bytearray(path.read_bytes())
    middle = content.find(b"log_mel.npy") + 60
    content[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(content)
    refused(path, "not a feature pack")
