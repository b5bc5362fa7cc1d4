"""Sources: a name or a path in, tracks out, and what each kind of source gives."""

import os
import shutil
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image
from tones import write_tone, write_tracks

from gtzan_helpers import config, datasets
from gtzan_helpers.audio.feature_sets import FEATURE_SETS
from gtzan_helpers.datasets.sources import LostSource, open_source
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError

SR = 22_050


def write_pack(path, ids, *, n_mels=128, frame_period=0.08, sr=SR):
    stored = np.arange(len(ids) * n_mels * 100, dtype=np.uint8).reshape(len(ids), n_mels, 100)
    genres = np.array([track_id.split(".")[0] for track_id in ids])
    pack = datasets.Pack(np.array(ids), genres, stored, frame_period_s=frame_period, sr=sr)
    return datasets.save_pack(path, pack)


def write_pictures(root, *names):
    from PIL import Image

    for k, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(k).integers(0, 256, (30, 40, 4)).astype(np.uint8)
        Image.fromarray(pixels).save(root / name)
    return root


def track_ids(source, **options):
    return open_source(source, **options).tracks.track_id.tolist()


def refusal(source, **options):
    """The words of a refusal, which must be one line."""
    with pytest.raises(SourceError) as caught:
        _ = open_source(source, **options).tracks
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The embedded dataset


def test_synthetic_smoke_is_forty_files_of_ten_genres():
    source = open_source("synthetic", profile="smoke")
    assert tuple(source.tracks.columns) == datasets.COLUMNS
    assert source.tracks.genre.value_counts().to_dict() == dict.fromkeys(config.GENRES, 4)
    assert {soundfile.info(path).duration for path in source.tracks.path} == {6.0}
    assert source.synthetic and source.labels == list(config.GENRES) and source.chance == 0.1


def test_synthetic_knows_its_own_faults():
    tracks = open_source("synthetic", profile="smoke").tracks
    assert tracks.artist_group.notna().all()
    assert set(tracks.duplicate_of.dropna()) <= set(tracks.track_id)
    assert tracks.duplicate_of.notna().any()
    assert {"train", "valid", "test"} <= set(tracks.fault_filtered)


# Folders


@pytest.mark.parametrize("inner", ["", "genres", "genres_original", "Data/genres_original"])
def test_labelled_folders_are_found_where_releases_put_them(tmp_path, inner):
    root = tmp_path / "my songs"
    write_tracks(root / inner, "music/m1.wav", "music/m2.wav", "speech/s1.wav")
    source = open_source(root)
    assert source.name == "my songs" and source.kind == "audio" and not source.synthetic
    assert source.tracks.track_id.tolist() == ["m1", "m2", "s1"]
    assert source.tracks.genre.tolist() == ["music", "music", "speech"]
    assert source.chance == pytest.approx(2 / 3)


def test_mini_is_found_among_the_downloads(tmp_path, monkeypatch):
    monkeypatch.setenv("GTZAN_DATA", str(tmp_path))
    write_tracks(tmp_path / "mini" / "genres", "polka/p1.wav")
    assert open_source("mini").name == "mini"
    assert track_ids("mini") == ["p1"]


def test_other_files_among_the_tracks_are_not_tracks(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "b/y.wav", ".trash/z.wav")
    for name in ("._x.wav", ".DS_Store", "README.md", "notes.txt"):
        (tmp_path / "a" / name).write_bytes(b"not music")
        (tmp_path / name).write_bytes(b"not music")
    assert track_ids(tmp_path) == ["x", "y"]


def test_every_format_of_audio_is_a_track(tmp_path):
    suffixes = ["wav", "WAV", "au", "flac", "ogg", "mp3"]
    write_tracks(tmp_path, *(f"a/{k}.{suffix}" for k, suffix in enumerate(suffixes)))
    assert track_ids(tmp_path) == ["0", "1", "2", "3", "4", "5"]


def test_tracks_are_sorted_by_genre_and_id(tmp_path):
    write_tracks(tmp_path, "b/2.wav", "a/3.wav", "b/1.wav", "a/4.wav")
    assert track_ids(tmp_path) == ["3", "4", "1", "2"]


def test_the_same_name_in_two_labels_or_formats_gives_two_ids(tmp_path):
    write_tracks(tmp_path / "labels", "a/song.wav", "b/song.wav")
    assert track_ids(tmp_path / "labels") == ["a/song", "b/song"]
    write_tracks(tmp_path / "formats", "a/song.wav", "a/song.flac")
    assert track_ids(tmp_path / "formats") == ["a/song.flac", "a/song.wav"]


# How much of a source


def test_smoke_takes_as_many_of_each_label_and_spreads_over_them(tmp_path):
    for label in ("a", "b"):
        for k in range(30):
            write_tone(tmp_path / label / f"{label}{k:02d}.wav", 200 + k + 50 * (label == "b"))
    tracks = open_source(tmp_path, profile="smoke").tracks
    assert tracks.genre.value_counts().to_dict() == {"a": 20, "b": 20}
    assert {"a00", "a29", "b00", "b29"} <= set(tracks.track_id)


def test_smoke_takes_all_of_a_small_folder(tmp_path):
    write_tracks(tmp_path, "a/x.wav", "a/y.wav", "b/z.wav")
    assert len(open_source(tmp_path, profile="smoke").tracks) == 3


def test_smoke_marks_no_duplicate_of_a_track_that_it_leaves_out(tmp_path):
    for k in range(0, 84, 2):
        path = write_tone(tmp_path / "a" / f"{k:02d}.wav", 200 + k)
        shutil.copy(path, path.with_name(f"{k + 1:02d}.wav"))
    tracks = open_source(tmp_path, profile="smoke").tracks
    assert len(tracks) == 40
    assert set(tracks.duplicate_of.dropna()) <= set(tracks.track_id)


# Opened once


def test_the_same_data_are_the_same_object_until_they_change(tmp_path):
    write_tracks(tmp_path / "songs", "a/x.wav", "b/y.wav")
    path = write_pack(tmp_path / "p.npz", ["a.1", "b.1"])
    folder, pack = open_source(tmp_path / "songs"), open_source(path)
    assert open_source(tmp_path / "songs") is folder and open_source(folder) is folder
    assert open_source(path) is pack
    assert open_source(tmp_path / "songs", profile="smoke") is not folder
    write_tracks(tmp_path / "songs", "a/x.wav", "b/y.wav", "b/z.wav")
    write_pack(path, ["a.1", "b.1", "b.2"])
    assert track_ids(tmp_path / "songs") == ["x", "y", "z"]
    assert track_ids(path) == ["a.1", "b.1", "b.2"]


def test_a_digest_is_of_ids_labels_and_content(tmp_path):
    write_tracks(tmp_path / "one", "a/x.wav", "b/y.wav")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    digest = open_source(tmp_path / "one").digest()
    assert len(digest) == 64
    assert open_source(tmp_path / "two").digest() == digest
    (tmp_path / "two" / "a" / "x.wav").rename(tmp_path / "two" / "a" / "z.wav")
    assert open_source(tmp_path / "two").digest() != digest
    write_tone(tmp_path / "one" / "a" / "x.wav", 999)
    assert open_source(tmp_path / "one").digest() != digest


def test_a_recording_that_cannot_be_read_is_a_track_all_the_same(tmp_path):
    write_tracks(tmp_path, "a/x.wav")
    (tmp_path / "a" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    source = open_source(tmp_path)
    assert source.tracks.md5.isna().tolist() == [True, False]
    assert len(source.digest()) == 64
    assert source.lengths().to_dict() == {"x": round(1.5 * SR)}


# What a source gives


def given(source):
    return [name for name in FEATURE_SETS if source.gives(name)]


def test_audio_gives_everything_but_pictures(tmp_path):
    source = open_source(write_tracks(tmp_path, "a/x.wav"))
    assert given(source) == [name for name in FEATURE_SETS if name != "pictures"]
    assert source.has_audio and source.lacks(["audio", "log_mel", "features", "pretrained"]) == ""
    assert (source.default_features, source.default_segment_seconds) == ("kaggle", 3.0)
    with pytest.raises(NotPossibleError, match="'pictures' needs a folder of ready-made pictures"):
        source.features("pictures", segment_seconds=0)
    with pytest.raises(NotPossibleError, match=r"\(audio\) stores no spectrograms"):
        source.log_mels()


def test_a_pack_gives_what_a_log_mel_allows(tmp_path):
    source = open_source(write_pack(tmp_path / "p.npz", ["a.1", "b.1"]))
    blocks = ["blocks", "blocks_fast"]
    assert given(source) == ["logmel", "log_mel", "mfcc", *blocks, "stacked", "patches"]
    assert (source.default_features, source.default_segment_seconds) == ("logmel", 3.0)
    assert source.lacks(["log_mel", "features", "pretrained", "rows"]) == ""
    assert source.lacks(["audio", "log_mel"]) == "needs audio; p (pack) does not give that"
    [one, two] = source.log_mels()
    assert one[0] == "a.1" and one[1].shape == (128, 100) and two[2] == pytest.approx(12.5)


@pytest.mark.parametrize(
    ("options", "name", "seconds", "words"),
    [
        (
            {},
            "kaggle",
            3,
            "the pack p: 'kaggle' needs audio; log-mel spectrograms give logmel, log_mel, mfcc,",
        ),
        (
            {"frame_period": 0.5},
            "log_mel",
            0.9,
            "needs segments of two frames; 0.9 s are too short",
        ),
        ({"n_mels": 64}, "logmel", 3, "'logmel' needs 128 mel bands, not 64"),
        ({"sr": 11_025}, "patches", 3, "'patches' needs 16000 samples per second, not 11025"),
    ],
)
def test_a_pack_refuses_in_one_line_what_it_cannot_give(tmp_path, options, name, seconds, words):
    source = open_source(write_pack(tmp_path / "p.npz", ["a.1", "b.1"], **options))
    assert words in source.refusal(name, seconds)
    with pytest.raises(NotPossibleError, match=words) as caught:
        source.features(name, segment_seconds=seconds)
    assert "\n" not in str(caught.value)


def test_a_pack_of_other_bands_has_no_default_features(tmp_path):
    source = open_source(write_pack(tmp_path / "p.npz", ["a.1", "b.1"], n_mels=64))
    assert source.lacks(["log_mel", "features"]).startswith(
        "needs log-mel spectrograms and a feature table of whole tracks or of 3 s; p (pack)"
    )
    with pytest.raises(NotPossibleError, match="needs 128 mel bands"):
        _ = source.default_features


def test_pictures_give_themselves_at_one_size(tmp_path):
    root = write_pictures(tmp_path / "images_original", "blues/blues00000.png", "jazz/x.jpg.png")
    (root / "jazz" / "bad.png").write_bytes(b"not a picture")
    Image.new("1", (6000, 6000)).save(root / "jazz" / "huge.png")
    source = open_source(tmp_path)
    assert source.kind == "pictures" and given(source) == ["pictures"]
    assert source.tracks.track_id.tolist() == ["blues.00000", "bad", "huge", "x.jpg"]
    features = source.features("pictures", segment_seconds=0)
    assert features.values.shape == (2, 224, 224, 3) and features.values.dtype == np.uint8
    assert features.feature_set == "pictures" and features.frame_period is None
    assert features.failures.track_id.tolist() == ["bad", "huge"]
    assert "6000 x 6000 pixels" in features.failures.reason[1]
    assert source.lacks(["log_mel"]).startswith("needs log-mel spectrograms")
    with pytest.raises(NotPossibleError, match="holds pictures, for `gtzan measure`"):
        _ = source.default_features


def test_a_picture_is_read_as_keras_reads_it(tmp_path):
    keras = pytest.importorskip("keras")
    root = write_pictures(tmp_path, "a/x.png")
    values = open_source(root).features("pictures", segment_seconds=0).values
    expected = keras.utils.load_img(root / "a" / "x.png", target_size=(224, 224))
    assert np.array_equal(values[0], np.asarray(expected, np.uint8))


@pytest.mark.parametrize("name", ["white.png", "white.jpg", "clear.png"])
def test_the_margin_of_a_figure_is_cut_off(tmp_path, name):
    figure, ax = plt.subplots(figsize=(4.32, 2.88), dpi=100)
    ax.imshow(np.arange(12).reshape(3, 4), aspect="auto")
    ax.axis("off")
    (tmp_path / "a").mkdir()
    figure.savefig(tmp_path / "a" / name, transparent=name.startswith("clear"))
    plt.close(figure)
    (values,) = open_source(tmp_path).features("pictures", segment_seconds=0).values
    assert (values > 250).all(axis=-1).mean() < 0.05  # two fifths of the figure are margin
    centres = values[37::75, 28::56]  # of three rows of four
    colours = plt.get_cmap()(np.linspace(0, 1, 12)).reshape(3, 4, 4)[..., :3]
    np.testing.assert_allclose(centres / 255, colours, atol=0.03)


def test_a_picture_that_is_white_or_white_at_some_sides_stays_as_it_is(tmp_path):
    half = np.full((224, 224, 3), 255, np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(half).save(tmp_path / "a" / "white.png")
    half[100:, 20:200] = 30  # silence before, behind and above
    Image.fromarray(half).save(tmp_path / "a" / "half.png")
    values = open_source(tmp_path).features("pictures", segment_seconds=0).values
    assert np.array_equal(values[0], half) and (values[1] == 255).all()


# A source that is gone


def test_a_lost_source_is_known_by_its_tracks_and_refuses_features():
    source = open_source("synthetic", profile="smoke")
    lost = LostSource("synthetic", source.tracks, "it is gone", source.profile, synthetic=True)
    assert lost.digest() == source.digest() and lost.labels == source.labels
    assert lost.chance == source.chance and lost.synthetic and not lost.has_audio
    assert lost.remarks == [] and lost.lengths() is None and given(lost) == []
    assert lost.lacks(["features"]) == lost.refusal("kaggle", 3.0) == "it is gone"
    assert lost.lacks([]) == ""
    with pytest.raises(NotPossibleError, match="it is gone"):
        lost.features("kaggle")
    with pytest.raises(NotPossibleError, match="it is gone"):
        _ = lost.default_features


# Refused


def test_a_missing_folder_is_named_with_the_ways_out(tmp_path):
    words = refusal(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in words
    assert "no such folder" in words
    assert "synthetic, mini, gtzan" in words


def test_a_folder_without_labelled_folders_says_what_was_expected(tmp_path):
    write_tracks(tmp_path, "x.wav")
    words = refusal(tmp_path)
    assert "no dataset; there are 1 audio files directly inside" in words
    assert f"expected audio in {tmp_path.name}/<label>/" in words


def test_twenty_thousand_files_are_found_in_seconds(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(10_000):
            (tmp_path / label / f"{number}.wav").write_text(f"{label}{number}")
    started = time.perf_counter()
    source = open_source(tmp_path)
    assert len(source.read_tracks()) == 20_000
    assert time.perf_counter() - started < 5  # compared with one another they took 34 s


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no < in names")
def test_two_tracks_that_would_be_shown_alike_are_refused(labelled_folder):
    folder = labelled_folder()
    song = next(folder.glob("*/*.wav"))
    for name in ("<a", "‹a"):
        (song.parent / f"{name}.wav").write_bytes(song.read_bytes())
    with pytest.raises(SourceError, match=r"two tracks are shown as .*‹a"):
        open_source(folder).tracks  # noqa: B018


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
        open_source(tmp_path, profile="huge")


def test_a_path_is_no_built_in_name(monkeypatch, labelled_folder, tmp_path):
    labelled_folder(name="gtzan")
    monkeypatch.chdir(tmp_path)
    assert open_source("./gtzan").address == str(tmp_path / "gtzan")
    assert datasets.address("gtzan") == "gtzan"


def test_what_lies_above_a_link_is_what_it_leads_to(labelled_folder, tmp_path):
    labelled_folder(name="there/songs")
    (tmp_path / "there" / "inner").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "inner")
    assert datasets.address(tmp_path / "link" / ".." / "songs") == str(tmp_path / "there" / "songs")


@pytest.mark.parametrize("source", ["~nosuchuser/x", "a" * 5000])
def test_a_path_that_cannot_be_looked_up_is_refused(source):
    with pytest.raises(SourceError, match=r"no such folder|no path to look up"):
        open_source(source)


def test_no_digest_depends_on_a_name_that_is_not_utf_8(tmp_path):
    tracks = pd.DataFrame({column: ["x"] for column in datasets.COLUMNS})
    odd = tracks.astype(object).assign(track_id=pd.Series(["\udcff"], dtype=object))
    stored = tracks.assign(track_id="\\udcff")  # as a text file keeps it
    smoke = config.profile("smoke")
    one, two = (LostSource("s", table, "", smoke, synthetic=False) for table in (odd, stored))
    assert one.digest() == two.digest()
