"""A source named in, a table of tracks out: every kind of source, and what is known of it."""

import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile

from gtzan_helpers import config, dataset, features, packs
from gtzan_helpers.errors import SettingError, SourceError

SR = 22_050


def write_tone(path, frequency, *, seconds=1.5):
    """A tone; each frequency gives a file of other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * SR)) / SR)
    soundfile.write(path, y, SR)
    return path


def write_tracks(root, *names):
    """Tones under ``root``, no two alike."""
    for k, name in enumerate(names):
        write_tone(root / name, 200 + 10 * k)
    return root


def write_pack(path, ids, genres):
    stored = np.arange(len(ids) * 8 * 30, dtype=np.uint8).reshape(len(ids), 8, 30)
    pack = packs.Pack(
        track_id=np.array(ids),
        genre=np.array(genres),
        stored=stored,
        db_min=-80.0,
        db_max=0.0,
        sr=SR,
        n_fft=2048,
        hop_length=512,
        frame_period=0.08,
    )
    return packs.write(path, pack)


def kaggle_rows(filenames, labels):
    values = np.random.default_rng(0).random((len(filenames), 57))
    frame = pd.DataFrame(values, columns=list(features.columns("kaggle")))
    frame.insert(0, "filename", filenames)
    frame.insert(1, "length", 66_149)
    frame["label"] = labels
    return frame


def write_table(path, ids, genres):
    names = [f"{track_id}.wav" for track_id in ids]
    kaggle_rows(names, genres).to_csv(path, index=False)
    return path


KNOWN = {"pack.npz": write_pack, "table.csv": write_table}


def write_known(path, ids):
    """A pack or a table, as the path says, of ids that begin with their genres."""
    return KNOWN[path.name](path, ids, [track_id.split(".")[0] for track_id in ids])


# The embedded dataset


def test_synthetic_smoke_is_forty_files_of_ten_genres():
    tracks = dataset.load("synthetic", profile="smoke")
    assert tuple(tracks.columns) == dataset.COLUMNS
    assert tracks.genre.value_counts().to_dict() == dict.fromkeys(config.GENRES, 4)
    assert {soundfile.info(path).duration for path in tracks.path} == {6.0}


def test_synthetic_knows_its_own_faults():
    tracks = dataset.load("synthetic", profile="smoke")
    assert tracks.artist_group.notna().all()
    assert set(tracks.duplicate_of.dropna()) <= set(tracks.track_id)
    assert tracks.duplicate_of.notna().any()
    assert {"train", "valid", "test"} <= set(tracks.fault_filtered)


def test_only_the_embedded_dataset_says_that_it_is_synthetic(tmp_path):
    write_tracks(tmp_path, "a/x.wav")
    assert dataset.resolve("synthetic", profile="smoke").synthetic
    assert not dataset.resolve(tmp_path).synthetic


@pytest.mark.parametrize("name", KNOWN)
def test_a_pack_or_table_of_the_embedded_dataset_keeps_its_facts_and_says_what_it_is(
    tmp_path, name
):
    heard = dataset.load("synthetic", profile="smoke")
    path = write_known(tmp_path / name, heard.track_id.tolist())
    found = dataset.resolve(path, profile="smoke")
    assert found.synthetic and found.name == f"synthetic_{path.stem}"
    columns = ["track_id", "genre", *dataset.FACTS]
    pd.testing.assert_frame_equal(dataset.load(found)[columns], heard[columns])


@pytest.mark.parametrize("name", KNOWN)
def test_forty_tracks_of_other_names_are_not_the_embedded_dataset(tmp_path, name):
    heard = dataset.load("synthetic", profile="smoke")
    path = write_known(tmp_path / name, [*heard.track_id[:-1], "rock.mine"])
    assert not dataset.resolve(path).synthetic
    assert dataset.load(path)[list(dataset.FACTS)].isna().all(axis=None)


# Folders


@pytest.mark.parametrize("inner", ["", "genres", "genres_original", "Data/genres_original"])
def test_labelled_folders_are_found_where_releases_put_them(tmp_path, inner):
    write_tracks(tmp_path / inner, "music/m1.wav", "music/m2.wav", "speech/s1.wav")
    tracks = dataset.load(tmp_path)
    assert tracks.track_id.tolist() == ["m1", "m2", "s1"]
    assert tracks.genre.tolist() == ["music", "music", "speech"]


def test_a_folder_is_named_after_itself(tmp_path):
    write_tracks(tmp_path / "my songs", "a/x.wav")
    assert dataset.resolve(tmp_path / "my songs").name == "my songs"


def test_mini_is_found_among_the_downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path))
    write_tracks(tmp_path / "mini" / "genres", "polka/p1.wav")
    assert dataset.resolve("mini").name == "mini"
    assert dataset.load("mini").track_id.tolist() == ["p1"]


@pytest.mark.parametrize("other", ["._x.wav", ".DS_Store", "README.md", "notes.txt"])
def test_other_files_among_the_tracks_are_no_tracks(tmp_path, other):
    write_tracks(tmp_path, "a/x.wav", "b/y.wav")
    (tmp_path / "a" / other).write_bytes(b"not music")
    (tmp_path / other).write_bytes(b"not music")
    assert dataset.load(tmp_path).track_id.tolist() == ["x", "y"]


def test_hidden_folders_are_no_labels(tmp_path):
    write_tracks(tmp_path, "a/x.wav", ".trash/y.wav")
    assert dataset.load(tmp_path).genre.tolist() == ["a"]


def test_scan_lists_the_users_other_files_but_no_hidden_ones(tmp_path):
    write_tracks(tmp_path, "a/x.wav")
    for name in ("._x.wav", ".DS_Store", "README.md", "notes.txt"):
        (tmp_path / "a" / name).write_bytes(b"not music")
    recordings, others = dataset.scan(tmp_path / "a")
    assert [path.name for path in recordings] == ["x.wav"]
    assert [path.name for path in others] == ["README.md", "notes.txt"]


@pytest.mark.parametrize("suffix", ["wav", "WAV", "au", "flac", "ogg", "mp3"])
def test_every_format_of_audio_is_a_track(tmp_path, suffix):
    write_tracks(tmp_path, f"a/x.{suffix}")
    assert dataset.load(tmp_path).track_id.tolist() == ["x"]


def test_tracks_are_sorted_by_genre_and_id(tmp_path):
    write_tracks(tmp_path, "b/2.wav", "a/3.wav", "b/1.wav", "a/4.wav")
    assert dataset.load(tmp_path).track_id.tolist() == ["3", "4", "1", "2"]


def test_the_same_stem_in_two_labels_gives_two_ids(tmp_path):
    write_tracks(tmp_path, "a/song.wav", "b/song.wav")
    assert dataset.load(tmp_path).track_id.tolist() == ["a/song", "b/song"]


def test_the_same_stem_in_two_formats_gives_two_ids(tmp_path):
    write_tracks(tmp_path, "a/song.wav", "a/song.flac")
    assert dataset.load(tmp_path).track_id.tolist() == ["a/song.flac", "a/song.wav"]


# Copies


def test_the_same_bytes_twice_are_a_duplicate_of_the_first(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "a/y.wav")
    shutil.copy(tmp_path / "a/x.wav", tmp_path / "a/z.wav")
    marks = dataset.load(tmp_path).set_index("track_id").duplicate_of
    assert marks["z"] == "x"
    assert marks[["x", "y"]].isna().all()


def test_the_same_bytes_under_two_labels_are_a_duplicate(tmp_path):
    write_tracks(tmp_path, "a/x.wav")
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a/x.wav", tmp_path / "b/y.wav")
    assert dataset.load(tmp_path).duplicate_of.tolist() == [pd.NA, "x"]


def test_of_three_copies_two_are_duplicates_of_the_first(tmp_path):
    write_tracks(tmp_path, "a/x.wav")
    for name in ("y", "z"):
        shutil.copy(tmp_path / "a/x.wav", tmp_path / f"a/{name}.wav")
    assert dataset.load(tmp_path).duplicate_of.tolist() == [pd.NA, "x", "x"]


# Packs and tables


def test_a_pack_gives_its_tracks_without_paths(tmp_path):
    path = write_pack(tmp_path / "pack.npz", ["p", "q"], ["polka", "waltz"])
    tracks = dataset.load(path)
    assert tracks[["track_id", "genre"]].to_numpy().tolist() == [["p", "polka"], ["q", "waltz"]]
    assert tracks.path.isna().all()


def test_a_table_of_whole_tracks_gives_its_tracks(tmp_path):
    names = ["blues.00000.wav", "jazz.00001.wav"]
    path = tmp_path / "features_30_sec.csv"
    kaggle_rows(names, ["blues", "jazz"]).to_csv(path, index=False)
    assert dataset.load(path).track_id.tolist() == ["blues.00000", "jazz.00001"]
    rows, table = dataset.read_table(path)
    assert table == "kaggle"
    assert rows.segment.tolist() == [0, 0]


def test_a_table_of_segments_gives_each_track_once(tmp_path):
    names = [f"{track}.{k}.wav" for track in ("blues.00000", "jazz.00001") for k in range(10)]
    path = tmp_path / "features_3_sec.csv"
    kaggle_rows(names, ["blues"] * 10 + ["jazz"] * 10).to_csv(path, index=False)
    assert dataset.load(path).track_id.tolist() == ["blues.00000", "jazz.00001"]
    rows, _ = dataset.read_table(path)
    assert rows.segment.tolist() == [*range(10), *range(10)]


def test_segments_of_a_table_are_put_in_order(tmp_path):
    names = ["t.2.wav", "t.10.wav", "t.0.wav"]
    path = tmp_path / "t.csv"
    frame = kaggle_rows(names, ["polka"] * 3)
    frame.to_csv(path, index=False)
    rows, _ = dataset.read_table(path)
    assert rows.segment.tolist() == [0, 2, 10]
    assert rows.rms_mean.to_numpy() == pytest.approx(frame.rms_mean[[2, 0, 1]].to_numpy())


def test_numbered_songs_are_not_taken_for_segments(tmp_path):
    path = tmp_path / "t.csv"
    kaggle_rows(["take.1.wav", "take.2.wav"], ["polka"] * 2).to_csv(path, index=False)
    assert dataset.load(path).track_id.tolist() == ["take.1", "take.2"]


# Facts


def test_original_tracks_are_known_by_their_bytes(real_data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracks = dataset.load(real_data / "gtzan_mini")
    facts = dataset.gtzan_facts().set_index("track_id").loc[tracks.track_id]
    assert len(tracks) == 100
    assert tracks.artist_group.tolist() == facts.artist_group.tolist()
    assert tracks.fault_filtered.tolist() == facts.fault_filtered.tolist()


def test_a_renamed_copy_of_an_original_keeps_its_facts(real_data, tmp_path):
    original = real_data / "gtzan_mini" / "genres" / "blues" / "blues.00000.wav"
    write_tracks(tmp_path, "slow/mine.wav")
    shutil.copy(original, tmp_path / "slow" / "renamed.wav")
    tracks = dataset.load(tmp_path).set_index("track_id")
    facts = dataset.gtzan_facts().set_index("track_id").loc["blues.00000"]
    assert tracks.artist_group["renamed"] == facts.artist_group
    assert tracks.fault_filtered["renamed"] == facts.fault_filtered
    assert tracks.loc["mine", list(dataset.FACTS)].isna().all()


def test_the_real_pack_and_table_are_known_by_their_ids(real_data):
    for name, n_tracks in (("gtzan_log_mel.npz", 999), ("features_30_sec.csv", 1000)):
        tracks = dataset.load(real_data / name)
        assert len(tracks) == n_tracks
        assert tracks.fault_filtered.value_counts()["test"] == 290
        assert tracks.artist_group.notna().all()


def test_other_bytes_under_gtzans_names_get_facts_with_a_warning(tmp_path):
    write_tracks(tmp_path, "blues/blues.00000.wav", "polka/mine.wav")
    with pytest.warns(UserWarning, match="1 of 2 tracks are named like GTZAN's"):
        tracks = dataset.load(tmp_path).set_index("track_id")
    assert tracks.fault_filtered["blues.00000"] == "valid"
    assert tracks.fault_filtered.isna()["mine"]


def test_gtzans_name_under_another_label_gets_no_facts(tmp_path):
    write_tracks(tmp_path, "jazz/blues.00000.wav")
    assert dataset.load(tmp_path)[list(dataset.FACTS)].isna().all(axis=None)


def test_foreign_tracks_have_no_facts(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "b/y.wav")
    tracks = dataset.load(tmp_path)
    assert tracks[list(dataset.FACTS)].isna().all(axis=None)
    assert tracks.md5.str.fullmatch("[0-9a-f]{32}").all()


@pytest.mark.parametrize("name", KNOWN)
def test_a_pack_or_table_of_gtzans_ids_gets_facts(tmp_path, name):
    tracks = dataset.load(write_known(tmp_path / name, ["blues.00000", "rock.00016"]))
    facts = dataset.gtzan_facts().set_index("track_id").loc[tracks.track_id]
    assert tracks.fault_filtered.tolist() == facts.fault_filtered.tolist()
    assert tracks.artist_group.tolist() == facts.artist_group.tolist()


@pytest.mark.parametrize("name", KNOWN)
def test_one_foreign_id_and_a_pack_or_table_gets_no_facts(tmp_path, name):
    tracks = dataset.load(write_known(tmp_path / name, ["blues.00000", "blues.99999"]))
    assert tracks[list(dataset.FACTS)].isna().all(axis=None)


@pytest.mark.parametrize("name", KNOWN)
def test_one_other_genre_and_a_pack_or_table_gets_no_facts(tmp_path, name):
    path = KNOWN[name](tmp_path / name, ["blues.00000", "blues.00001"], ["blues", "jazz"])
    assert dataset.load(path)[list(dataset.FACTS)].isna().all(axis=None)


def test_gtzans_replica_is_one_where_its_original_is_there(tmp_path):
    path = write_known(tmp_path / "pack.npz", ["metal.00058", "rock.00016"])
    assert dataset.load(path).duplicate_of.tolist() == [pd.NA, "metal.00058"]


def test_gtzans_replica_is_none_where_its_original_is_not(tmp_path):
    path = write_known(tmp_path / "pack.npz", ["blues.00000", "rock.00016"])
    assert dataset.load(path).duplicate_of.isna().all()


# How much of a source


def test_smoke_takes_as_many_of_each_label_and_spreads_over_them(tmp_path):
    for label in ("a", "b"):
        for k in range(30):
            write_tone(tmp_path / label / f"{label}{k:02d}.wav", 200 + k + 50 * (label == "b"))
    tracks = dataset.load(tmp_path, profile="smoke")
    assert tracks.genre.value_counts().to_dict() == {"a": 20, "b": 20}
    assert {"a00", "a29", "b00", "b29"} <= set(tracks.track_id)


def test_smoke_takes_all_of_a_small_folder(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "a/y.wav", "b/z.wav")
    assert len(dataset.load(tmp_path, profile="smoke")) == 3


def test_smoke_marks_no_duplicate_of_a_track_that_it_leaves_out(tmp_path):
    for k in range(0, 84, 2):
        path = write_tone(tmp_path / "a" / f"{k:02d}.wav", 200 + k)
        shutil.copy(path, path.with_name(f"{k + 1:02d}.wav"))
    tracks = dataset.load(tmp_path, profile="smoke")
    assert len(tracks) == 40
    assert set(tracks.duplicate_of.dropna()) <= set(tracks.track_id)


# Refused


def refusal(source, **options):
    """The words of a refusal, which must be one line."""
    with pytest.raises(SourceError) as caught:
        dataset.load(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_folder_is_named_with_the_ways_out(tmp_path):
    words = refusal(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in words
    assert "no such folder" in words
    assert "synthetic, mini, gtzan" in words


def test_an_empty_folder_says_what_was_expected(tmp_path):
    words = refusal(tmp_path)
    assert "no audio in labelled folders" in words
    assert f"{tmp_path.name}/<label>/*" in words


def test_audio_without_labelled_folders_is_refused(tmp_path):
    write_tracks(tmp_path, "x.wav")
    assert "no audio in labelled folders" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["mini", "gtzan"])
def test_a_dataset_that_was_not_fetched_names_the_command(tmp_path, monkeypatch, name):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path / "data"))
    words = refusal(name)
    assert f"`gtzan fetch {name}`" in words
    assert str(tmp_path / "data") in words


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "song.wav").write_bytes(b"RIFF")
    assert "neither a folder nor a .npz pack nor a .csv" in refusal(tmp_path / "song.wav")


def test_an_unknown_profile_is_refused(tmp_path):
    with pytest.raises(SettingError, match="'huge' does not exist; choose from smoke"):
        dataset.load(tmp_path, profile="huge")


def test_a_npz_that_is_no_pack_names_what_it_lacks(tmp_path):
    np.savez(tmp_path / "other.npz", track_id=np.array(["a"]))
    assert "it lacks genre, log_mel" in refusal(tmp_path / "other.npz")


def test_a_damaged_pack_is_refused(tmp_path):
    path = write_pack(tmp_path / "pack.npz", ["p"], ["polka"])
    path.write_bytes(path.read_bytes()[:200])
    assert "not a feature pack" in refusal(path)


# Bad tables


def refused_table(tmp_path, change):
    """The words about a good table after `change`."""
    frame = kaggle_rows(["first.wav", "second.wav", "third.wav"], ["polka", "polka", "waltz"])
    path = tmp_path / "bad.csv"
    change(frame).to_csv(path, index=False)
    words = refusal(path)
    assert str(path) in words
    return words


def test_a_table_without_a_label_is_refused(tmp_path):
    words = refused_table(tmp_path, lambda frame: frame.drop(columns="label"))
    assert "no columns `filename` and `label`" in words


def test_a_table_that_lacks_features_says_how_many(tmp_path):
    words = refused_table(tmp_path, lambda frame: frame.drop(columns=["tempo", "rms_var"]))
    assert "of kaggle it lacks 2 (rms_var, tempo) and has 0 others" in words


def test_text_among_the_numbers_is_found_by_line(tmp_path):
    def change(frame):
        return frame.assign(tempo=["120", "fast", "90"])

    assert "line 3: a feature that is not a finite number" in refused_table(tmp_path, change)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_is_found_by_line(tmp_path, value):
    def change(frame):
        return frame.assign(tempo=[120.0, 90.0, value])

    assert "line 4: a feature that is not a finite number" in refused_table(tmp_path, change)


@pytest.mark.parametrize("column", ["filename", "label"])
def test_a_line_without_name_or_label_is_refused(tmp_path, column):
    def change(frame):
        frame.loc[1, column] = np.nan
        return frame

    assert "line 3" in refused_table(tmp_path, change)


def test_a_line_that_stands_there_twice_is_refused(tmp_path):
    words = refused_table(tmp_path, lambda frame: pd.concat([frame, frame.iloc[:1]]))
    assert "first.wav for the second time" in words


def test_a_table_without_a_line_is_refused(tmp_path):
    assert "no line" in refused_table(tmp_path, lambda frame: frame.iloc[:0])


def test_labels_stay_words_as_they_were_written(tmp_path):
    frame = kaggle_rows(["01.wav", "b.wav", "c.wav"], ["01", "NA", "None"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    rows, _ = dataset.read_table(tmp_path / "t.csv")
    assert rows.genre.tolist() == ["01", "NA", "None"] and rows.track_id[0] == "01"


def test_a_track_with_two_labels_is_refused(tmp_path):
    def change(frame):
        return frame.assign(filename=["t.0.wav", "t.1.wav", "t.2.wav"], label=["a", "b", "a"])

    assert "line 3: another label" in refused_table(tmp_path, change)


def test_a_length_that_is_no_number_is_found_by_line(tmp_path):
    words = refused_table(tmp_path, lambda frame: frame.assign(length=["1", "long", "3"]))
    assert "line 3: a length" in words


@pytest.mark.parametrize("source", ["~nosuchuser/x", "a" * 5000])
def test_a_path_that_cannot_be_looked_up_is_refused(source):
    with pytest.raises(SourceError, match=r"no such folder|no path that can be looked up"):
        dataset.load(source)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x80 no text", b'a,b\n"open'])
def test_a_csv_that_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "bad.csv").write_bytes(content)
    assert "bad.csv: " in refusal(tmp_path / "bad.csv")
