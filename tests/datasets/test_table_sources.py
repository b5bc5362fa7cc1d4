"""Feature tables: the Kaggle release's, ours, and what is no table."""

import csv
import shutil
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile

from gtzan_helpers.audio import tables
from gtzan_helpers.datasets.kinds.tables import read_table, write_csv
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotPossibleError, SourceError

SR = 22_050

KAGGLE_HEADER = [
    "filename",
    "length",
    *(
        f"{name}_{stat}"
        for name in (
            "chroma_stft",
            "rms",
            "spectral_centroid",
            "spectral_bandwidth",
            "rolloff",
            "zero_crossing_rate",
            "harmony",
            "perceptr",
        )
        for stat in ("mean", "var")
    ),
    "tempo",
    *(f"mfcc{k}_{stat}" for k in range(1, 21) for stat in ("mean", "var")),
    "label",
]
"""Header of features_30_sec.csv and features_3_sec.csv of the Kaggle release."""

UNLIKE_KAGGLE = ("harmony_mean", "perceptr_mean", "tempo")
"""Means of waveforms, which are all but zero, and a column of few distinct values."""


def write_songs(root, **seconds):
    """A folder of pulsing tones, of one label, with names and lengths as given."""
    for seed, (name, length) in enumerate(seconds.items()):
        t = np.arange(round(length * SR)) / SR
        noise = np.random.default_rng(seed).standard_normal(t.size)
        tone = np.exp(-6 * (t % 0.5)) * np.sin(2 * np.pi * (200 + 90 * seed) * t)
        (root / "polka").mkdir(parents=True, exist_ok=True)
        soundfile.write(root / "polka" / f"{name}.wav", 0.4 * tone + 0.02 * noise, SR)
    return root


def written(path, folder, table="kaggle", *, segment_seconds):
    """A table of a folder's features, and the features."""
    features = open_source(folder).features(table, segment_seconds=segment_seconds, jobs=1)
    return write_csv(path, features, segment_seconds=segment_seconds), features


def kaggle_rows(filenames, labels):
    values = np.random.default_rng(0).random((len(filenames), 57))
    frame = pd.DataFrame(values, columns=list(tables.columns("kaggle")))
    frame.insert(0, "filename", filenames)
    frame.insert(1, "length", 66_149)
    frame["label"] = labels
    return frame


def write_rows(path, filenames, labels):
    kaggle_rows(filenames, labels).to_csv(path, index=False)
    return path


# Reading


def test_a_table_of_whole_tracks_gives_its_tracks(tmp_path):
    names = ["blues.00000.wav", "jazz.00001.wav"]
    path = write_rows(tmp_path / "features_30_sec.csv", names, ["blues", "jazz"])
    source = open_source(path)
    assert source.tracks.track_id.tolist() == ["blues.00000", "jazz.00001"]
    assert source.tracks.md5.str.fullmatch("[0-9a-f]{32}").all() and source.tracks.md5.is_unique
    assert source.default_features == "kaggle" and source.default_segment_seconds == 0.0
    assert source.lengths().tolist() == [66_149, 66_149]
    rows, table = read_table(path)
    assert table == "kaggle" and rows.segment.tolist() == [0, 0]


def test_a_table_of_segments_gives_each_track_once_and_its_own_segments(tmp_path):
    names = [f"{track}.{k}.wav" for track in ("blues.00000", "jazz.00001") for k in range(10)]
    path = write_rows(tmp_path / "features_3_sec.csv", names, ["blues"] * 10 + ["jazz"] * 10)
    source = open_source(path)
    assert source.tracks.track_id.tolist() == ["blues.00000", "jazz.00001"]
    assert source.default_features == "kaggle" and source.default_segment_seconds == 3.0
    assert source.lengths() is None and source.lacks(["features"]) == ""
    segments = source.features("kaggle", segment_seconds=3).segments
    assert segments.segment.tolist() == [*range(10), *range(10)]
    assert segments.start_s[1] == pytest.approx(66_149 / SR)


def test_segments_of_a_table_are_put_in_order(tmp_path):
    path = write_rows(tmp_path / "t.csv", ["t.2.wav", "t.10.wav", "t.0.wav"], ["polka"] * 3)
    rows, _ = read_table(path)
    assert rows.segment.tolist() == [0, 2, 10]
    expected = pd.read_csv(path).rms_mean[[2, 0, 1]].to_numpy()
    assert rows.rms_mean.to_numpy() == pytest.approx(expected)


def test_numbered_songs_are_not_taken_for_segments(tmp_path):
    path = write_rows(tmp_path / "t.csv", ["take.1.wav", "take.2.wav"], ["polka"] * 2)
    assert open_source(path).tracks.track_id.tolist() == ["take.1", "take.2"]


def test_labels_stay_words_as_they_were_written(tmp_path):
    path = write_rows(tmp_path / "t.csv", ["01.wav", "b.wav", "c.wav"], ["01", "NA", "None"])
    rows, _ = read_table(path)
    assert rows.genre.tolist() == ["01", "NA", "None"] and rows.track_id[0] == "01"


def test_names_in_a_table_do_nothing_to_a_terminal_or_page(tmp_path):
    path = write_rows(tmp_path / "t.csv", ["\x1b[1ma.wav", "b.wav", "c.wav"], ["<b>", "=c", "c"])
    genres = open_source(path).tracks.set_index("track_id").genre
    assert genres.to_dict() == {"\\x1b[1ma": "‹b>", "b": "'=c", "c": "c"}


def test_a_sample_of_a_table_holds_the_rows_of_its_tracks(tmp_path):
    names = [f"t{n:02d}.{k}.wav" for n in range(50) for k in range(2)]
    path = write_rows(tmp_path / "t.csv", names, ["polka"] * 100)
    features = open_source(path, profile="smoke").features("kaggle")
    assert len(features.tracks) == 40 and features.values.shape == (80, 57)


# As other programs save them

SEGMENTS = ["t.0.wav", "t.1.wav", "ü.0.wav"]
MD5 = {"t": "f6afb66a03ce035c254abb3db8dbc329", "ü": "5ef02a5ed9a3925fa0cafe4e7075b3ea"}
"""Hashes of the rows of these segments, with which results are stored."""


def quoted(text):
    return "\n".join(",".join(f'"{word}"' for word in line.split(",")) for line in text.split("\n"))


def as_r_writes_it(text):
    """Lines have names, whose column has none."""
    header, *lines = text.strip().split("\n")
    return "\n".join([header, *(f'"{n}",{line}' for n, line in enumerate(lines, 1))])


def spaced(text):
    header, *lines = text.strip().split("\n")
    return "\n".join(
        [header.title().replace("_", " "), *(line.replace(",", " , ") for line in lines)]
    )


CHANGES = {
    "as it is": lambda frame: frame,
    "an index": lambda frame: frame.rename_axis("").reset_index(),
    "an index's index": lambda f: f.assign(**{"Unnamed: 0": range(3), "Unnamed: 0.1": range(3)}),
    "another order": lambda frame: frame[frame.columns[::-1]],
    "capitals": lambda frame: frame.rename(columns=str.upper),
    "blanks": lambda frame: frame.rename(columns=lambda name: f" {name.replace('_', ' ')} "),
    "blanks around words": lambda f: f.assign(filename=" " + f.filename, label=f.label + "\xa0 "),
}

TEXTS = {
    "semicolons": {"sep": ";"},
    "tabs": {"sep": "\t"},
    "bars": {"sep": "|"},
    "decimal commas": {"sep": ";", "decimal": ","},
    "decimal commas and tabs": {"sep": "\t", "decimal": ","},
    "a mark of UTF-8": {"encoding": "utf-8-sig"},
    "UTF-16": {"encoding": "utf-16"},
    "UTF-16 without a mark": {"encoding": "utf-16-le"},
    "UTF-16 the other way": {"encoding": "utf-16-be"},
    "Windows": {"encoding": "cp1252", "lineterminator": "\r\n"},
    "an old Mac": {"lineterminator": "\r"},
    "quotes": {"quoting": csv.QUOTE_ALL},
}

LINES = {
    "blank lines": lambda text: f"\n \n{text}\n\n   \n",
    "empty lines of a spreadsheet": lambda text: f"{text}{',' * 59}\n{',' * 59}\n",
    "a line for a spreadsheet": lambda text: f"sep=,\n{text}",
    "a comma behind each line": lambda text: text.replace("\n", ",\n"),
    "blanks around all": spaced,
    "R": as_r_writes_it,
    "quotes around numbers": quoted,
}


def assert_is_the_same(path):
    source = open_source(path)
    assert source.tracks.set_index("track_id").md5.to_dict() == MD5
    assert source.tracks.genre.tolist() == ["blues", "jazz"] and source.remarks == []
    assert source.default_features == "kaggle" and source.default_segment_seconds == 3.0


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_columns_are_found_by_their_names(tmp_path, change):
    frame = kaggle_rows(SEGMENTS, ["blues", "blues", "jazz"])
    change(frame).to_csv(tmp_path / "t.csv", index=False)
    assert_is_the_same(tmp_path / "t.csv")


@pytest.mark.parametrize("options", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
def test_a_table_is_read_in_whatever_form_a_program_saves_it(tmp_path, options, name):
    kaggle_rows(SEGMENTS, ["blues", "blues", "jazz"]).to_csv(
        tmp_path / name, index=False, **options
    )
    assert_is_the_same(tmp_path / name)


@pytest.mark.parametrize("change", LINES.values(), ids=LINES)
def test_lines_may_have_blanks_quotes_and_names(tmp_path, change):
    text = kaggle_rows(SEGMENTS, ["blues", "blues", "jazz"]).to_csv(index=False)
    (tmp_path / "t.csv").write_text(change(text), encoding="utf-8")
    assert_is_the_same(tmp_path / "t.csv")


def test_the_release_saved_by_a_german_spreadsheet_gives_the_same_tracks(real_data, tmp_path):
    path = real_data / "features_30_sec.csv"
    table = pd.read_csv(path).rename(columns=str.title).assign(Mood="", Tempo2=1.5)
    table.to_csv(tmp_path / "t.csv", sep=";", decimal=",", encoding="utf-16", index=True)
    source, original = open_source(tmp_path / "t.csv"), open_source(path)
    assert source.tracks.equals(original.tracks) and len(source.tracks) == 1000
    (remark,) = set(source.remarks) - set(original.remarks)
    assert remark == "ignored: 2 columns that kaggle does not have: Mood, Tempo2"


def test_thousands_of_other_columns_are_ignored_quickly(tmp_path):
    lines = kaggle_rows(SEGMENTS, ["blues", "blues", "jazz"]).to_csv(index=False).splitlines()
    more = [",".join(f"x{n}" for n in range(200_000)), *["," * 199_999] * 3]
    text = "\n".join(f"{line},{other}" for line, other in zip(lines, more, strict=True))
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    started = time.perf_counter()
    source = open_source(tmp_path / "t.csv")
    assert time.perf_counter() - started < 5  # pandas alone takes a quarter of a minute
    assert source.tracks.md5.tolist() == list(MD5.values())
    assert source.remarks == [
        "ignored: 200,000 columns that kaggle does not have: x0, x1 and others"
    ]


def test_a_table_of_all_features_is_not_taken_for_a_smaller_one(tmp_path):
    frame = pd.DataFrame(np.ones((1, 638)), columns=list(tables.columns("full")))
    frame = frame.assign(filename="a.wav", label="polka", mood="calm")
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert read_table(tmp_path / "t.csv")[1] == "full"
    frame.drop(columns="tonnetz1_mean").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SourceError, match="1 of the 638 columns of full is missing: tonnetz1_mean"):
        read_table(tmp_path / "t.csv")


# Refused


def refused_table(tmp_path, change):
    """The words about a good table after `change`."""
    frame = kaggle_rows(["first.wav", "second.wav", "third.wav"], ["polka", "polka", "waltz"])
    path = tmp_path / "bad.csv"
    change(frame).to_csv(path, index=False)
    with pytest.raises((SourceError, OverflowError)) as caught:
        open_source(path)
    assert isinstance(caught.value, SourceError)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_columns_that_are_missing_are_named(tmp_path):
    words = refused_table(tmp_path, lambda frame: frame.drop(columns="label"))
    assert words.endswith("no column label; a feature table has filename, label and features")
    words = refused_table(tmp_path, lambda frame: frame.drop(columns=["tempo", "rms_var"]))
    assert "2 of the 57 columns of kaggle are missing: rms_var, tempo" in words
    words = refused_table(tmp_path, lambda frame: frame.drop(columns=frame.columns[9:30]))
    assert ": 21 of the 57 columns of kaggle are missing: " in words and words.endswith(", ...")


def test_a_table_of_something_else_says_what_it_has(tmp_path):
    def tracks(frame):
        return pd.DataFrame({"file_name": frame.filename, "label": frame.label, "tempo": 120})

    words = refused_table(tmp_path, tracks)
    assert "no feature table; its columns are file_name, label, tempo; expected filename" in words
    assert "a table of tracks (metadata.csv with a column file_name) is used by naming" in words


@pytest.mark.parametrize(
    ("label", "fault"),
    [("hard, fast", "line 3: 61 fields, but"), ("blues\nt.3.wav", "line 4: 1 fields, but")],
)
def test_a_line_of_more_or_fewer_fields_is_found(tmp_path, label, fault):
    text = kaggle_rows(SEGMENTS, ["blues", label, "jazz"]).to_csv(index=False).replace('"', "")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=f"{fault} the header has 60"):
        open_source(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "values", [["120", "fast", "90"], [120, np.nan, 90], [120, np.inf, 90], [120, 1e308, 90]]
)
def test_a_feature_that_is_no_number_is_found_by_line(tmp_path, values):
    words = refused_table(tmp_path, lambda frame: frame.assign(tempo=values))
    assert "line 3: a feature that is not a finite number" in words


def test_only_plain_digits_number_a_segment(tmp_path):
    names = ["blues.00000.٠", "blues.00001.٠"]
    frame = kaggle_rows([f"{name}.wav" for name in names], ["blues", "blues"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    try:
        assert read_table(tmp_path / "t.csv")[0].track_id.tolist() == names
    except ValueError as error:
        pytest.fail(str(error))


def test_a_name_of_many_letters_is_read_as_quickly_as_others(tmp_path):
    frame = kaggle_rows(["x" * 60_000, "y"], ["blues", "jazz"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    started = time.perf_counter()
    assert len(read_table(tmp_path / "t.csv")[0]) == 2
    assert time.perf_counter() - started < 5  # a search from every letter on takes 15 s


@pytest.mark.parametrize(
    "length",
    [np.inf, 1e300, "9" * 400, "66,150"],
    ids=["inf", "huge", "400 digits", "thousands"],
)
def test_a_length_that_cannot_be_is_found_by_line(tmp_path, length):
    lengths = pd.Series([66_150, length, 66_150], dtype=object)
    words = refused_table(tmp_path, lambda frame: frame.assign(length=lengths))
    assert "line 3: a length that is no number of samples" in words


@pytest.mark.parametrize("column", ["filename", "label"])
def test_a_line_without_name_or_label_is_refused(tmp_path, column):
    def change(frame):
        frame.loc[1, column] = np.nan
        return frame

    assert "line 3: no filename or no label" in refused_table(tmp_path, change)


def test_a_length_that_is_no_number_is_found_by_line(tmp_path):
    words = refused_table(tmp_path, lambda frame: frame.assign(length=["1", "long", "3"]))
    assert "line 3: a length" in words


def test_a_line_that_stands_there_twice_is_refused(tmp_path):
    words = refused_table(tmp_path, lambda frame: pd.concat([frame, frame.iloc[:1]]))
    assert "line 5: a track or segment for the second time" in words


def test_a_table_without_a_line_is_refused(tmp_path):
    assert "no line" in refused_table(tmp_path, lambda frame: frame.iloc[:0])


def test_a_track_with_two_labels_is_refused(tmp_path):
    def change(frame):
        return frame.assign(filename=["t.0.wav", "t.1.wav", "t.2.wav"], label=["a", "b", "a"])

    assert "line 3: another label" in refused_table(tmp_path, change)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe\x80 no text", b'a,b\n"open'])
def test_a_csv_that_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(SourceError, match=r"bad\.csv: "):
        open_source(tmp_path / "bad.csv")


def test_a_table_asked_for_other_features_is_refused_in_one_line(tmp_path):
    source = open_source(write_rows(tmp_path / "t.csv", ["x.0.wav", "x.1.wav"], ["a", "a"]))
    for name, seconds in (("capstone", 3), ("stacked", 0)):
        with pytest.raises(NotPossibleError) as caught:
            source.features(name, segment_seconds=seconds)
        assert str(caught.value) == (f"'{name}' needs audio; the table t holds 'kaggle' only")
    assert not source.gives("capstone") and source.gives("kaggle")
    assert source.lacks(["log_mel"]) == "needs log-mel spectrograms; t (table) does not give that"


@pytest.mark.parametrize(
    ("names", "asked", "words"),
    [
        (["x.0.wav", "x.1.wav"], 0, "needs whole tracks; the table t holds segments of 3 s only"),
        (
            ["x.0.wav", "x.1.wav"],
            1,
            "needs segments of 1 s; the table t holds segments of 3 s only",
        ),
        (["x.wav", "y.wav"], 1, "needs segments of 1 s; the table t holds whole tracks only"),
    ],
)
def test_a_table_asked_for_other_segments_is_refused(tmp_path, names, asked, words):
    source = open_source(write_rows(tmp_path / "t.csv", names, ["a", "a"]))
    with pytest.raises(NotPossibleError, match=f"^{words}$"):
        source.features("kaggle", segment_seconds=asked)


# Writing


def test_a_csv_has_the_header_of_the_kaggle_release_and_names_like_its(tmp_path):
    path, _ = written(tmp_path / "t.csv", write_songs(tmp_path / "s", x=6), segment_seconds=3)
    assert path.read_text(encoding="utf-8").splitlines()[0].split(",") == KAGGLE_HEADER
    table = pd.read_csv(path)
    assert table.filename.tolist() == ["x.0.wav", "x.1.wav"]
    assert table.length.tolist() == [3 * SR, 3 * SR]
    assert table.label.tolist() == ["polka", "polka"]


def test_the_header_is_that_of_the_real_release(real_data):
    with (real_data / "features_30_sec.csv").open(encoding="utf-8") as file:
        assert file.readline().strip().split(",") == KAGGLE_HEADER


def test_whole_tracks_have_plain_names_and_their_own_length(tmp_path):
    folder = write_songs(tmp_path / "s", a=6)
    y, _ = soundfile.read(folder / "polka" / "a.wav")
    soundfile.write(folder / "polka" / "über b.flac", y[: 5 * SR], 2 * SR)
    path, features = written(tmp_path / "Größen.csv", folder, segment_seconds=0)
    table = pd.read_csv(path)
    assert table.filename.tolist() == ["a.wav", "über b.flac"]
    assert table.length.tolist() == [6 * SR, round(2.5 * SR)]
    limited = write_csv(path, features, segment_seconds=0, seconds_limit=4)
    assert pd.read_csv(limited).length.tolist() == [4 * SR, round(2.5 * SR)]


@pytest.mark.parametrize(
    ("table", "segment_seconds"), [("kaggle", 3), ("capstone", 3), ("kaggle", 0), ("logmel", 0)]
)
def test_a_written_csv_read_back_gives_the_same_values(tmp_path, table, segment_seconds):
    folder = write_songs(tmp_path / "s", x=4, y=6)
    path, features = written(tmp_path / "t.csv", folder, table, segment_seconds=segment_seconds)
    source = open_source(path)
    assert source.default_features == table and source.default_segment_seconds == segment_seconds
    read = source.features(table, segment_seconds=segment_seconds)
    names = ["track_id", "segment", "genre"]
    assert read.segments[names].to_numpy().tolist() == features.segments[names].to_numpy().tolist()
    assert read.columns == features.columns and read.failures.empty
    np.testing.assert_allclose(read.values, features.values, rtol=1e-12)
    again = write_csv(tmp_path / "again.csv", read, segment_seconds=segment_seconds)
    assert pd.read_csv(again).filename.tolist() == pd.read_csv(path).filename.tolist()


@pytest.mark.parametrize("seconds", [3.0, 0])
@pytest.mark.parametrize(
    "name", ["take.{}", "take.{}.my song", "take.{}.{}", "{}", "0.{}", "take{}"]
)
def test_songs_that_are_numbered_come_back_as_songs(tmp_path, seconds, name):
    names = sorted(name.format(k, k) for k in range(3))
    write_songs(tmp_path / "songs", **dict.fromkeys(names, 3.2))
    features = open_source(tmp_path / "songs").features("kaggle", segment_seconds=seconds)
    path = write_csv(tmp_path / "t.csv", features, segment_seconds=seconds)
    assert sorted(open_source(path).tracks.track_id) == names


def test_more_segments_than_a_table_can_number_are_not_written(tmp_path):
    write_songs(tmp_path / "songs", one=3.2)
    features = open_source(tmp_path / "songs").features("kaggle", segment_seconds=3.0)
    many = pd.concat([features.segments] * 10_001, ignore_index=True)
    many = many.assign(segment=range(len(many)))
    features = replace(features, segments=many, values=np.repeat(features.values, len(many), 0))
    with pytest.raises(NotPossibleError, match="a table cannot name 10,001 segments"):
        write_csv(tmp_path / "t.csv", features, segment_seconds=3.0)
    assert not (tmp_path / "t.csv").exists()


def test_a_table_of_segments_that_no_system_takes_says_so(tmp_path):
    write_songs(tmp_path / "songs", one=8.2, two=8.2)
    features = open_source(tmp_path / "songs").features("kaggle", segment_seconds=4.0)
    path = write_csv(tmp_path / "t.csv", features, segment_seconds=4.0)
    assert "whole tracks or of 3 s" in open_source(path).lacks(["features"])
    assert not open_source(tmp_path / "songs").lacks(["features"])


def test_a_csv_of_songs_as_short_as_a_segment_reads_back_as_segments(tmp_path):
    folder = write_songs(tmp_path / "s", x=3)
    path, features = written(tmp_path / "t.csv", folder, segment_seconds=3)
    read = open_source(path).features("kaggle", segment_seconds=3)
    np.testing.assert_allclose(read.values, features.values, rtol=1e-12)


# Against the real release


def median_differences(real_data, folder):
    """Median over tracks of each kaggle column's relative difference from the release's."""
    ours = open_source(folder).features("kaggle", segment_seconds=0, jobs=1)
    rows, _ = read_table(real_data / "features_30_sec.csv")
    theirs = rows.set_index("track_id").loc[ours.segments.track_id, list(ours.columns)].to_numpy()
    differences = np.median(np.abs(ours.values - theirs) / np.abs(theirs), axis=0)
    return pd.Series(differences, index=list(ours.columns)).drop(list(UNLIKE_KAGGLE))


def test_whole_tracks_agree_with_the_kaggle_release(real_data, tmp_path):
    for folder in sorted((real_data / "gtzan_mini" / "genres").iterdir()):
        for path in sorted(folder.glob("*.wav"))[:2]:
            (tmp_path / "some" / folder.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "some" / folder.name)
    differences = median_differences(real_data, tmp_path / "some")
    assert differences[differences > 0.01].to_dict() == {}


@pytest.mark.slow
def test_all_hundred_tracks_agree_with_the_kaggle_release(real_data):
    differences = median_differences(real_data, real_data / "gtzan_mini")
    assert differences[differences > 0.01].to_dict() == {}
