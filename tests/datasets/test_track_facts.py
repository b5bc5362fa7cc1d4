"""Facts about tracks: of GTZAN by content or name, of the embedded dataset, and duplicates."""

import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from tones import write_tracks

from gtzan_helpers import datasets
from gtzan_helpers.audio import tables
from gtzan_helpers.datasets.facts import FACTS
from gtzan_helpers.datasets.sources import open_source

SR = 22_050


def write_pack(path, ids, genres):
    stored = np.arange(len(ids) * 8 * 30, dtype=np.uint8).reshape(len(ids), 8, 30)
    pack = datasets.Pack(np.array(ids), np.array(genres), stored, frame_period_s=0.08)
    return datasets.save_pack(path, pack)


def write_table(path, ids, genres):
    values = np.random.default_rng(0).random((len(ids), 57))
    frame = pd.DataFrame(values, columns=list(tables.columns("kaggle")))
    frame.insert(0, "filename", [f"{track_id}.wav" for track_id in ids])
    frame["label"] = genres
    frame.to_csv(path, index=False)
    return path


KINDS = {"pack.npz": write_pack, "table.csv": write_table}


def write_known(path, ids):
    """A pack or a table, as the path says, of ids that begin with their genres."""
    return KINDS[path.name](path, ids, [track_id.split(".")[0] for track_id in ids])


# By content


def test_original_tracks_are_known_by_their_bytes(real_data):
    source = open_source(real_data / "gtzan_mini")
    facts = datasets.gtzan_facts().set_index("track_id").loc[source.tracks.track_id]
    assert len(source.tracks) == 100 and source.remarks == []
    assert source.tracks.artist_group.tolist() == facts.artist_group.tolist()
    assert source.tracks.fault_filtered.tolist() == facts.fault_filtered.tolist()


def test_a_renamed_original_keeps_its_facts(real_data, tmp_path):
    original = real_data / "gtzan_mini" / "genres" / "blues" / "blues.00000.wav"
    write_tracks(tmp_path, "slow/mine.wav")
    shutil.copy(original, tmp_path / "slow" / "renamed.wav")
    tracks = open_source(tmp_path).tracks.set_index("track_id")
    facts = datasets.gtzan_facts().set_index("track_id").loc["blues.00000"]
    assert tracks.artist_group["renamed"] == facts.artist_group
    assert tracks.fault_filtered["renamed"] == facts.fault_filtered
    assert tracks.loc["mine", list(FACTS)].isna().all()


def test_tracks_and_their_parts_are_known_by_their_sound(real_data, tmp_path):
    songs = sorted((real_data / "gtzan_mini" / "genres").glob("*/*.wav"))[::25]
    for n, song in enumerate(songs):
        y, sr = soundfile.read(song)
        (tmp_path / song.parent.name).mkdir(exist_ok=True)
        soundfile.write(tmp_path / song.parent.name / f"whole {n}.mp3", y, sr)
        for part in range(2):
            path = tmp_path / song.parent.name / f"part {n}.{part}.ogg"
            soundfile.write(path, y[part * 9 * sr :][: 3 * sr], sr)
    source = open_source(tmp_path)
    tracks = source.tracks.set_index("track_id")
    facts = datasets.gtzan_facts().set_index("track_id")
    for n, song in enumerate(songs):
        parts = tracks.loc[[f"whole {n}", f"part {n}.0", f"part {n}.1"]]
        assert set(parts.recording) == {song.stem}
        assert set(parts.artist_group) == {facts.artist_group[song.stem]}
    count = 3 * len(songs)
    words = f"tracks of GTZAN were recognised: {count} by their sound, of {count}"
    assert source.remarks == [words]


def test_other_bytes_under_gtzans_names_get_facts_with_a_remark(tmp_path):
    write_tracks(tmp_path, "blues/blues.00000.wav", "polka/mine.wav")
    source = open_source(tmp_path)
    assert source.remarks == ["tracks of GTZAN were recognised: 1 by their names only, of 2"]
    tracks = source.tracks.set_index("track_id")
    assert tracks.fault_filtered["blues.00000"] == "valid"
    assert tracks.fault_filtered.isna()["mine"]


def test_gtzans_name_under_another_label_gets_no_facts(tmp_path):
    write_tracks(tmp_path, "jazz/blues.00000.wav")
    assert open_source(tmp_path).tracks[list(FACTS)].isna().all(axis=None)


def test_foreign_tracks_have_no_facts(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "b/y.wav")
    tracks = open_source(tmp_path).tracks
    assert tracks[list(FACTS)].isna().all(axis=None)
    assert tracks.md5.str.fullmatch("[0-9a-f]{32}").all()


# Duplicates


def test_the_same_bytes_twice_are_a_duplicate_of_the_first(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "a/y.wav")
    for name in ("a/z1.wav", "a/z2.wav", "b/z3.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "a/x.wav", tmp_path / name)
    marks = open_source(tmp_path).tracks.set_index("track_id").duplicate_of
    assert marks.dropna().to_dict() == {"z1": "x", "z2": "x", "z3": "x"}


def test_gtzans_duplicate_is_one_only_where_its_original_is_there(tmp_path):
    path = write_known(tmp_path / "pack.npz", ["metal.00058", "rock.00016"])
    assert open_source(path).tracks.duplicate_of.tolist() == [pd.NA, "metal.00058"]
    path = write_known(tmp_path / "pack.npz", ["blues.00000", "rock.00016"])
    assert open_source(path).tracks.duplicate_of.isna().all()


# By names: packs and tables


@pytest.mark.parametrize("name", KINDS)
def test_a_pack_or_table_of_gtzans_ids_gets_facts(tmp_path, name):
    tracks = open_source(write_known(tmp_path / name, ["blues.00000", "rock.00016"])).tracks
    facts = datasets.gtzan_facts().set_index("track_id").loc[tracks.track_id]
    assert tracks.fault_filtered.tolist() == facts.fault_filtered.tolist()
    assert tracks.artist_group.tolist() == facts.artist_group.tolist()


@pytest.mark.parametrize("name", KINDS)
def test_one_foreign_id_or_label_and_a_pack_or_table_gets_no_facts(tmp_path, name):
    for ids, genres in (
        (["blues.00000", "blues.99999"], ["blues", "blues"]),
        (["blues.00000", "blues.00001"], ["blues", "jazz"]),
    ):
        tracks = open_source(KINDS[name](tmp_path / name, ids, genres)).tracks
        assert tracks[list(FACTS)].isna().all(axis=None)


def test_the_real_pack_and_table_are_known_by_their_ids(real_data):
    for name, n_tracks in (("gtzan_log_mel.npz", 999), ("features_30_sec.csv", 1000)):
        tracks = open_source(real_data / name).tracks
        assert len(tracks) == n_tracks
        assert tracks.fault_filtered.value_counts()["test"] == 290
        assert tracks.artist_group.notna().all()


@pytest.mark.parametrize("name", KINDS)
def test_a_pack_or_table_of_the_embedded_dataset_keeps_its_facts_and_is_marked(tmp_path, name):
    tracks = open_source("synthetic", profile="smoke").tracks
    path = write_known(tmp_path / name, tracks.track_id.tolist())
    source = open_source(path, profile="smoke")
    assert source.synthetic and source.name == f"synthetic_{path.stem}"
    columns = ["track_id", "genre", *FACTS]
    pd.testing.assert_frame_equal(source.tracks[columns], tracks[columns])
    write_known(path, [*tracks.track_id[:-1], "rock.mine"])
    assert not open_source(path).synthetic
    assert open_source(path).tracks[list(FACTS)].isna().all(axis=None)
