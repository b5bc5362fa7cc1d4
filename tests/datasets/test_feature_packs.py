"""Feature packs: a pack is read as it was written, and anything else is refused."""

import io
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from gtzan_helpers.audio.spectra import decode
from gtzan_helpers.datasets.kinds.packs import FIELDS, Pack, read_pack, save_pack, write_pack
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError

SR = 22_050


@pytest.fixture
def pack(rng):
    return Pack(
        track_id=np.array(["blues.00000", "jazz – ü"]),
        genre=np.array(["blues", "jazz"]),
        stored=rng.integers(0, 256, (2, 16, 50)).astype(np.uint8),
        frame_period_s=0.08,
    )


def rewritten(path, pack, **changes):
    """A pack with fields replaced, or left out where None."""
    with np.load(save_pack(path, pack)) as archive:
        fields = {name: archive[name] for name in archive.files} | changes
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    return path


def refused(path, words):
    with pytest.raises(SourceError) as caught:
        read_pack(path)
    name, _, fault = str(caught.value).partition(": ")
    assert name == str(path)
    assert re.search(words, fault)


# The file


def test_a_pack_is_read_as_it_was_written(tmp_path, pack):
    read = read_pack(save_pack(tmp_path / "p.npz", pack))
    for name in ("track_id", "genre", "stored"):
        np.testing.assert_array_equal(getattr(read, name), getattr(pack, name))
    for name in ("mel_db_min", "mel_db_max", "sr", "n_fft", "hop_length", "n_mels"):
        assert getattr(read, name) == getattr(pack, name)
    assert read.frame_period_s == np.float32(pack.frame_period_s)


def test_a_pack_that_could_not_be_read_again_is_not_written(tmp_path, pack):
    with pytest.raises(SourceError, match=r"p\.npz: not written; .*nan counts as none"):
        save_pack(tmp_path / "p.npz", replace(pack, genre=np.array(["nan", "jazz"])))
    assert not (tmp_path / "p.npz").exists()


def test_a_track_of_days_is_refused(tmp_path, pack):
    path = rewritten(tmp_path / "p.npz", pack, log_mel=np.zeros((2, 16, 1_048_577), np.uint8))
    refused(path, "a track has 1,048,577 frames; 1,048,576 are possible")


def test_the_file_holds_the_fields_of_the_contract_and_no_pickle(tmp_path, pack):
    with np.load(save_pack(tmp_path / "p.npz", pack), allow_pickle=False) as archive:
        assert set(archive.files) == set(FIELDS)
        assert all(archive[name].dtype != object for name in archive.files)


def test_stored_bytes_are_decoded_with_the_range_of_the_pack_and_floats_are_db(pack, rng):
    other = replace(pack, mel_db_min=-60.0)
    np.testing.assert_array_equal(other.log_mel(1), decode(pack.stored[1], -60, 0))
    stored = rng.uniform(-80, 0, (2, 16, 50)).astype(np.float32)
    np.testing.assert_array_equal(replace(pack, stored=stored).log_mel(1), stored[1])


@pytest.mark.parametrize("field", ["track_id", "log_mel", "frame_period_s"])
def test_a_missing_field_is_named(tmp_path, pack, field):
    refused(
        rewritten(tmp_path / "p.npz", pack, **{field: None}),
        f"{field} is missing",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"log_mel": np.zeros((3, 16, 50), np.uint8)}, re.escape("shape (3, 16, 50)")),
        ({"log_mel": np.zeros((2, 50), np.uint8)}, re.escape("shape (2, 50)")),
        ({"log_mel": np.zeros((2, 0, 50)), "n_mels": 0}, re.escape("shape (2, 0, 50)")),
        ({"n_mels": np.int32(128)}, "2 tracks, 128 bands"),
        ({"genre": np.array(["blues"])}, "ids repeat, or a track has no id"),
        ({"track_id": np.array(["a", "a"])}, "repeat"),
        ({"log_mel": np.zeros((2, 16, 50), np.int64)}, "int64, not uint8 or float"),
        ({"log_mel": np.full((2, 16, 50), np.nan)}, "floats within 300 dB"),
        ({"frame_period_s": np.float32(0)}, "frame_period_s=0"),
        ({"frame_period_s": np.float32(1e-6)}, r"frame_period_s=9\.99"),
        ({"mel_db_min": np.float32(0)}, "mel_db_min=0.0, mel_db_max=0.0"),
        ({"sr": np.array(["fast"])}, "invalid literal"),
        ({"sr": np.array([0])}, "sr=0"),
        ({"sr": np.array([np.inf])}, "cannot convert float infinity"),
        ({"sr": np.array([1j])}, "not a feature pack"),
        ({"hop_length": np.array([0])}, "hop_length=0"),
        ({"n_fft": np.array([0])}, "n_fft=0"),
        ({"frame_period_s": np.float32(np.inf)}, "frame_period_s=inf"),
        ({"mel_db_max": np.float32(np.inf)}, "mel_db_min=-80.0, mel_db_max=inf"),
        ({"log_mel": np.full((2, 16, 50), 1e300)}, "floats within 300 dB"),
        ({"log_mel": np.zeros((2, 16, 0), np.uint8)}, r"not \(2 tracks, 16 bands, frames\)"),
        ({"genre": np.array([["a", "b"], ["c", "d"]])}, "ids repeat, or a track has no id"),
        ({"genre": np.array([np.nan, np.nan])}, "no words"),
        ({"track_id": np.array(["a", " "])}, "no id"),
        ({"genre": np.array(["a", np.nan])}, "no genre"),
        ({"genre": np.array([b"\xff", b"\xfe"])}, "not a feature pack"),
        ({"track_id": np.array(["a", None], dtype=object)}, "not a feature pack"),
    ],
)
def test_parts_that_do_not_fit_are_named(tmp_path, pack, changes, words):
    refused(rewritten(tmp_path / "p.npz", pack, **changes), words)


def lying(pack, path, shape):
    """A pack whose header promises another shape than its bytes have."""
    with zipfile.ZipFile(save_pack(path, pack)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    descr = {"shape": shape, "fortran_order": False, "descr": "|u1"}
    np.lib.format.write_array_header_1_0(header, descr)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, header.getvalue() if name == "log_mel.npy" else content)
    return path


def unpacking(pack, path, n_frames):
    """A pack of silence, which takes a thousandth of its size on the disk."""
    with np.load(save_pack(path, pack)) as archive:
        fields = dict(archive) | {"log_mel": np.zeros((2, 16, n_frames), np.uint8)}
    np.savez_compressed(path, **fields)
    return path


def test_names_in_a_pack_do_nothing_to_a_terminal_or_page(tmp_path, pack):
    hostile = replace(pack, track_id=np.array(["\x1b[1ma", "=b"]), genre=np.array(["<b>", "jazz"]))
    source = open_source(save_pack(tmp_path / "p.npz", hostile))
    assert source.tracks.set_index("track_id").genre.to_dict() == {
        "\\x1b[1ma": "‹b>",
        "'=b": "jazz",
    }
    assert [track_id for track_id, _, _ in source.log_mels()] == source.tracks.track_id.tolist()


@pytest.mark.parametrize(
    ("make", "size"),
    [(lying, (2, 16, 2**40)), (unpacking, 100 << 17)],
    ids=["claims terabytes", "unpacks to 400 MB"],
)
def test_a_pack_that_takes_far_more_memory_than_its_file_is_refused(tmp_path, pack, make, size):
    path = make(pack, tmp_path / "p.npz", size)
    with pytest.raises((SourceError, MemoryError)) as error:
        read_pack(path)
    assert isinstance(error.value, SourceError)
    assert re.search("no arrays of its size|would unpack to 419,", str(error.value))


def test_a_pack_without_tracks_is_refused(tmp_path, pack):
    none = {"track_id": pack.track_id[:0], "genre": pack.genre[:0], "log_mel": pack.stored[:0]}
    path = rewritten(tmp_path / "p.npz", pack, **none)
    refused(path, r"log_mel has shape \(0, 16, 50\)")


def test_other_files_are_refused(tmp_path):
    refused(tmp_path / "p.npz", "No such file")
    (tmp_path / "p.npz").write_text("no pack")
    refused(tmp_path / "p.npz", "not a feature pack")
    with (tmp_path / "p.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    refused(tmp_path / "p.npz", "not a feature pack")


def test_a_damaged_pack_is_refused(tmp_path, pack):
    path = save_pack(tmp_path / "p.npz", pack)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    refused(path, "not a feature pack")
    with pytest.raises(SourceError, match="not a feature pack"):
        open_source(path)
    middle = whole.find(b"log_mel.npy") + 60
    path.write_bytes(whole[:middle] + b"\xff" * 400 + whole[middle + 400 :])
    refused(path, "not a feature pack")


# As a source


def test_a_pack_gives_its_tracks_without_paths(tmp_path, pack):
    tracks = open_source(save_pack(tmp_path / "p.npz", pack)).tracks
    assert tracks.track_id.tolist() == pack.track_id.tolist()
    assert tracks.genre.tolist() == pack.genre.tolist()
    assert tracks.path.isna().all()
    assert tracks.md5.str.fullmatch("[0-9a-f]{32}").all() and tracks.md5.is_unique


def test_a_second_look_at_a_pack_computes_nothing(tmp_path, monkeypatch, rng):
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "cache"))
    stored = rng.integers(0, 256, (3, 128, 80)).astype(np.uint8)
    names = np.array(["a", "b", "c"])
    source = open_source(save_pack(tmp_path / "p.npz", Pack(names, names, stored, 0.0775)))
    first = source.features("logmel")
    entries = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.npz")}
    assert len(entries) == 3
    assert np.array_equal(source.features("logmel").values, first.values)
    assert {p: p.stat().st_mtime_ns for p in entries} == entries
    next(iter(entries)).write_bytes(b"")  # damaged
    assert np.array_equal(source.features("logmel").values, first.values)
    assert first.of_log_mel and first.frame_period is None


def test_a_pack_gives_the_stacked_array_at_its_own_frames(tmp_path, rng):
    stored = rng.integers(0, 256, (2, 128, 70)).astype(np.uint8)
    pack = Pack(np.array(["a", "b"]), np.array(["a", "b"]), stored, 0.08)
    features = open_source(save_pack(tmp_path / "p.npz", pack)).features(
        "stacked", segment_seconds=0
    )
    assert features.values.shape == (2, 87, 70)
    assert features.frame_period == pytest.approx(0.08)


# Written from audio


@pytest.fixture
def two_songs(tmp_path):
    """Six seconds each of a tone that pulses twice a second in noise."""
    t = np.arange(6 * SR) / SR
    for seed in (1, 2):
        tone = np.exp(-6 * (t % 0.5)) * np.sin(2 * np.pi * (200 + 90 * seed) * t)
        noise = np.random.default_rng(seed).standard_normal(t.size)
        path = tmp_path / "songs" / "polka" / f"p{seed}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.4 * tone + 0.02 * noise, SR)
    return tmp_path / "songs"


def test_a_written_pack_gives_nearly_the_values_of_the_audio(two_songs, tmp_path):
    assert write_pack(tmp_path / "p.npz", two_songs, jobs=1).empty
    audio = open_source(two_songs).features("logmel", jobs=1)
    packed = open_source(tmp_path / "p.npz").features("logmel", jobs=1)
    assert packed.segments.track_id.tolist() == audio.segments.track_id.tolist()
    assert packed.segments.start_s.tolist() == pytest.approx(audio.segments.start_s.tolist())
    # A step of the pack's 8 bits is 0.31 dB, so 0.16 dB a band at most; MFCC sum 128 of them.
    bands = [name.startswith("mel") for name in audio.columns]
    assert packed.values[:, bands] == pytest.approx(audio.values[:, bands], abs=0.16)
    assert packed.values == pytest.approx(audio.values, abs=1.0)


def test_audio_and_a_pack_made_of_it_give_the_same_arrays(tmp_path):
    write_pack(tmp_path / "p.npz", "synthetic", profile="smoke", frame_period=0.0775)
    for name, tolerance in (("log_mel", 0), ("mfcc", 1.5)):
        audio, pack = (
            open_source(source, profile="smoke").features(name)
            for source in ("synthetic", tmp_path / "p.npz")
        )
        difference = np.abs(audio.values.astype(float) - pack.values)
        assert audio.values.shape == pack.values.shape
        assert np.quantile(difference, 0.99) <= tolerance
        assert pack.of_log_mel and not audio.of_log_mel
        assert pack.frame_period == pytest.approx(audio.frame_period)


def test_a_thinned_pack_keeps_frames_of_the_whole_one(two_songs, tmp_path):
    hop_s = 512 / SR
    for name, period in (("all", None), ("third", 3 * hop_s)):
        write_pack(tmp_path / f"{name}.npz", two_songs, frame_period=period, jobs=1)
    whole, third = read_pack(tmp_path / "all.npz"), read_pack(tmp_path / "third.npz")
    assert whole.frame_period_s == pytest.approx(hop_s)
    assert third.frame_period_s == pytest.approx(3 * hop_s)
    assert np.array_equal(third.stored, whole.stored[:, :, ::3])


def test_a_pack_lists_bad_files_and_holds_the_rest(two_songs, tmp_path):
    (two_songs / "polka" / "empty.wav").write_bytes(b"")
    failures = write_pack(tmp_path / "p.npz", two_songs, jobs=1)
    assert failures.track_id.tolist() == ["empty"] and "empty" in failures.reason[0]
    assert read_pack(tmp_path / "p.npz").track_id.tolist() == ["p1", "p2"]


def test_a_pack_is_made_from_audio_only(tmp_path, pack):
    save_pack(tmp_path / "p.npz", pack)
    with pytest.raises(NotPossibleError, match="made from audio; p is a pack"):
        write_pack(tmp_path / "q.npz", tmp_path / "p.npz", jobs=1)
    assert not (tmp_path / "q.npz").exists()


@pytest.mark.parametrize("period", [0.001, 100.0, float("nan"), float("inf")])
def test_a_pack_of_an_impossible_frame_period_is_refused(two_songs, tmp_path, period):
    with pytest.raises(SettingError, match="is not possible"):
        write_pack(tmp_path / "p.npz", two_songs, frame_period=period, jobs=1)
    assert not (tmp_path / "p.npz").exists()


def test_a_pack_has_the_ending_of_one(two_songs, tmp_path):
    with pytest.raises(SettingError, match=r"a pack's name ends in \.npz"):
        write_pack(tmp_path / "pack", two_songs, jobs=1)
    assert not any(path.name.startswith(".pack") for path in tmp_path.iterdir())
