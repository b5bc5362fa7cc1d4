"""Folders of other layouts, tables of tracks, Parquet files: what is found and what left out."""

import json

import pytest
from tones import write_tone, write_tracks

from gtzan_helpers.datasets import audit
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import SettingError, SourceError

SR = 22_050


def labels_of(source, **options):
    tracks = open_source(source, **options).tracks
    return dict(zip(tracks.track_id, tracks.genre, strict=True))


def refusal(source):
    with pytest.raises(SourceError) as caught:
        _ = open_source(source).tracks
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Flat folders


@pytest.mark.parametrize(
    "name", ["{}.{:05d}", "{}_{}", "{}{}", "{} - song {}", "{}-{}", "{} {}", "{}.{}.take"]
)
def test_names_of_files_may_begin_with_the_label(tmp_path, name):
    labels = ["hip-hop", "rock"] if name in ("{}.{:05d}", "{}_{}") else ["polka", "rock"]
    write_tracks(tmp_path, *(f"{name.format(label, k)}.wav" for label in labels for k in range(3)))
    assert sorted(labels_of(tmp_path).values()) == sorted(3 * labels)


def test_songs_by_their_titles_are_no_labelled_folder(tmp_path):
    write_tracks(tmp_path, "Blue Train.wav", "So What.wav", "Naima.wav")
    assert "there are 3 audio files directly inside; expected audio in" in refusal(tmp_path)


# Tables of tracks


def write_listed(root, table, *names, encoding="utf-8"):
    write_tracks(root, *names)
    (root / "metadata.csv").write_text(table, encoding=encoding)
    return root


SONGS = [f"audio/{number}.wav" for number in range(6)]
TABLE = "file_name,genre,mood,artist\n" + "".join(
    f"audio/{n}.wav,{'rock' if n % 2 else 'folk'},{'calm' if n < 3 else 'wild'},artist {n // 2}\n"
    for n in range(6)
)


def test_a_table_gives_labels_and_artists(tmp_path):
    root = write_listed(tmp_path, TABLE, *SONGS)
    tracks = open_source(root).tracks.set_index("track_id")
    assert tracks.genre[["0", "1", "2"]].tolist() == ["folk", "rock", "folk"]
    groups = tracks.artist_group[[str(n) for n in range(6)]].tolist()
    assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4] == groups[5]
    assert labels_of(root / "metadata.csv") == labels_of(root)


def test_another_column_may_hold_the_labels(tmp_path):
    root = write_listed(tmp_path, TABLE, *SONGS)
    assert set(labels_of(f"{root}#mood").values()) == {"calm", "wild"}
    assert "no column tempo; it has file_name, genre, mood" in refusal(f"{root}#tempo")
    with pytest.raises(SettingError, match="'mood' names no column"):
        open_source(f"{write_tracks(tmp_path / 'plain', 'a/x.wav', 'b/y.wav')}#mood")


def test_tracks_without_an_artist_are_grouped_by_album_or_on_their_own(tmp_path):
    lines = ["a.wav,x,Ann,", "b.wav,x,Ann,", "c.wav,y,,First", "d.wav,y,,First", "e.wav,y,,"]
    table = "\n".join(["File_Name,label,Artist,Album", *lines])
    tracks = open_source(write_listed(tmp_path, table, *(f"{n}.wav" for n in "abcde"))).tracks
    a, b, c, d, e = tracks.set_index("track_id").artist_group[list("abcde")]
    assert a == b and c == d and len({a, c, e}) == 3


def test_a_table_without_labels_leaves_them_to_the_folders(tmp_path):
    table = "file_name,artist\nfolk/a.wav,Ann\nrock/b.wav,Bob\n"
    root = write_listed(tmp_path, table, "folk/a.wav", "rock/b.wav")
    assert labels_of(root) == {"a": "folk", "b": "rock"}


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16")])
def test_a_table_may_come_from_a_spreadsheet(tmp_path, separator, encoding):
    table = TABLE.replace(",", separator).replace("folk", "fölk")
    root = write_listed(tmp_path, table, *SONGS, encoding=encoding)
    assert set(labels_of(root).values()) == {"fölk", "rock"}


def test_what_a_table_and_its_folder_do_not_share_is_named(tmp_path):
    table = TABLE + "audio/gone.wav,rock,calm,\naudio/x.wav,,calm,\naudio/0.wav,folk,calm,\n"
    root = write_listed(tmp_path, table, *SONGS, "audio/x.wav", "audio/unlisted.wav")
    source = open_source(root)
    assert len(source.tracks) == 6
    not_there, blank, unlisted = source.remarks
    assert "left out of metadata.csv: 1 file not there" in not_there and "gone.wav" in not_there
    assert "1 file without a label" in blank and "x.wav" in blank
    assert "left out: 2 files, such as audio/unlisted.wav" in unlisted


# FMA


def write_fma(root, *, with_table=True):
    names = [f"fma_small/{n % 2:03d}/{1000 * (n % 2) + n:06d}.wav" for n in range(6)]
    write_tracks(root, *names)
    if with_table:
        (root / "fma_metadata").mkdir()
        head = ",album,artist,set,track\n,id,id,subset,genre_top\ntrack_id,,,,\n"
        lines = [f"{1000 * (n % 2) + n},{n},{n // 2},small,{'Rock' if n % 2 else 'Folk'}"
                 for n in range(6)]  # fmt: skip
        text = head + "\n".join([*lines, "77,1,1,large,Folk"])
        (root / "fma_metadata" / "tracks.csv").write_text(text)
    return root


@pytest.mark.parametrize("place", ["", "fma_small"])
def test_fma_has_its_labels_and_artists_in_its_own_table(tmp_path, place):
    tracks = open_source(write_fma(tmp_path) / place).tracks.set_index("track_id")
    assert tracks.genre.to_dict() == {
        f"{1000 * (n % 2) + n:06d}": "Rock" if n % 2 else "Folk" for n in range(6)
    }
    assert tracks.artist_group["000000"] == tracks.artist_group["001001"]
    assert tracks.artist_group.nunique() == 3


def test_fmas_numbers_are_no_labels(tmp_path):
    words = refusal(write_fma(tmp_path, with_table=False) / "fma_small")
    assert "numbered as FMA's are, and are no labels; put FMA's tracks.csv" in words


# Parquet


def write_parquet(path, tracks, labels, names=None):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    audio = [{"bytes": track.read_bytes(), "path": track.name} for track in tracks]
    table = pa.table({"audio": audio, "label": labels, "artist": [f"{k // 2}" for k in range(6)]})
    if names:
        about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    pyarrow.parquet.write_table(table, path)
    return path


def test_parquet_files_hold_audio_and_numbered_labels(tmp_path):
    tracks = [write_tone(tmp_path / "songs" / f"s{k}.wav", 200 + 10 * k) for k in range(6)]
    numbers = [0, 1] * 3
    path = write_parquet(tmp_path / "hub" / "data" / "train-0.parquet", tracks, numbers, ["a", "b"])
    source = open_source(tmp_path / "hub")
    assert source.labels == ["a", "b"] and source.remarks == []
    assert source.tracks.track_id.tolist() == ["s0", "s2", "s4", "s1", "s3", "s5"]
    assert source.tracks.artist_group.nunique() == 3
    features = source.features("kaggle", segment_seconds=0)
    assert features.values.shape == (6, 57) and features.failures.empty
    assert labels_of(path) == labels_of(tmp_path / "hub")


def test_parquet_files_without_audio_say_what_they_hold(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({"text": ["x"], "label": [1]}), tmp_path / "t.parquet")
    assert "no columns audio and label or genre; it has text, label" in refusal(tmp_path)
    (tmp_path / "t.parquet").write_bytes(b"nothing")
    assert "not a Parquet file of audio" in refusal(tmp_path)


# Messages


def test_what_a_folder_holds_instead_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "an empty folder" in refusal(tmp_path / "empty")
    write_tracks(tmp_path / "deep", "x/y/z.wav")
    (tmp_path / "deep" / "notes.mid").write_text("no sound")
    words = refusal(tmp_path / "deep")
    assert "1 .mid files directly inside, 1 audio files two levels down" in words


def test_files_and_labels_that_are_left_out_are_counted(tmp_path):
    root = write_tracks(tmp_path, "a/x.wav", "b/y.wav")
    (root / "midi").mkdir()
    for name in ("a/notes.txt", "midi/one.mid", "midi/two.mid"):
        (root / name).write_text("no sound")
    source = open_source(root)
    expected = "left out: 3 files and 1 label, such as a/notes.txt; `gtzan check` lists them"
    assert source.remarks == [expected]
    skipped = [path.name for path in audit.check(source).skipped]
    assert skipped == ["notes.txt", "one.mid", "two.mid"]


def test_what_systems_leave_in_folders_is_neither_a_label_nor_left_out(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "b/y.wav", "@eaDir/t.wav", "__MACOSX/a/x.wav", "a/._x.wav")
    assert open_source(tmp_path).labels == ["a", "b"] and open_source(tmp_path).remarks == []


# Labels


def test_labels_that_differ_in_case_or_blanks_are_one(tmp_path):
    write_tracks(tmp_path, "Rock/a.wav", "rock/b.wav", "rock/c.wav", "rock /d.wav", "jazz/e.wav")
    source = open_source(tmp_path)
    assert source.labels == ["jazz", "rock"]
    (words,) = source.remarks
    assert words.endswith("count as one: 'Rock', 'rock ' as 'rock'")


def test_a_label_too_small_to_be_learnt_is_left_out_of_learning_only(tmp_path):
    names = [
        f"{label}/{label}{k}.wav" for label, n in (("a", 4), ("b", 3), ("c", 2)) for k in range(n)
    ]
    root = write_tracks(tmp_path, *names)
    assert open_source(root).labels == ["a", "b", "c"] and open_source(root).remarks == []
    source = open_source(root, learning=True)
    assert source.labels == ["a", "b"] and len(source.tracks) == 7
    (words,) = source.remarks
    assert words == "left out: 2 tracks of 1 label (c); a label needs 3 tracks to be learnt"


def test_of_very_many_labels_the_largest_are_learnt(tmp_path):
    for k in range(55):
        (tmp_path / f"l{k:02d}").mkdir()
        for n in range(3 + (k < 50)):
            (tmp_path / f"l{k:02d}" / f"{k}_{n}.wav").write_text(f"{k} {n}: not read here")
    source = open_source(tmp_path, profile="smoke", learning=True)
    assert len(source.labels) == 50 and source.tracks.genre.value_counts().min() == 3
    assert "of 5 labels (l50, l51, l52, l53, l54); only the 50 largest" in source.remarks[0]
