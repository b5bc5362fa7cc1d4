"""Splits share nothing that their protocol keeps apart, and impossible protocols are refused."""

import numpy as np
import pandas as pd
import pytest

from gtzan_helpers.datasets import splits
from gtzan_helpers.datasets.facts import gtzan_facts
from gtzan_helpers.datasets.splits import Split
from gtzan_helpers.errors import NotPossibleError, SettingError

SEGMENTS = 3


def segments_of(tracks, n=SEGMENTS):
    """A table of `n` segments for each track."""
    table = tracks.loc[tracks.index.repeat(n), ["track_id", "genre"]].reset_index(drop=True)
    return table.assign(segment=np.tile(np.arange(n), len(tracks)))


def dataset(n_tracks=12, *, labels=("music", "speech"), artists=4):
    """Tracks of some labels, each label played by some artists; nothing else is known."""
    rows = [
        {"track_id": f"{label}.{k}", "genre": label, "artist_group": place * 100 + k % artists}
        for place, label in enumerate(labels)
        for k in range(n_tracks)
    ]
    unknown = {"duplicate_of": pd.array([pd.NA] * len(rows), dtype="string")}
    unknown["fault_filtered"] = unknown["duplicate_of"]
    return pd.DataFrame(rows).assign(**unknown).astype({"artist_group": "Int64"})


@pytest.fixture(scope="module")
def gtzan():
    return gtzan_facts()


def test_what_each_protocol_shares_with_its_test_set_is_counted():
    tracks = dataset(120)
    table = splits.shared(segments_of(tracks), tracks, seed=0)
    assert table.index.tolist() == ["segment_random", "track_random", "artist_grouped"]
    assert table.track["segment_random"] > 0 == table.track["track_random"]
    assert table.artist["track_random"] == table["test tracks"]["track_random"] == 48  # a fifth
    assert table.loc["artist_grouped", ["track", "artist", "duplicate"]].tolist() == [0, 0, 0]


def sizes(split):
    return [len(rows) for rows in (split.train, split.valid, split.test)]


# The published partition


def test_the_fault_filtered_partition_has_the_published_sizes(gtzan):
    (split,) = splits.make("fault_filtered", gtzan[["track_id", "genre"]], gtzan, seed=0)
    assert sizes(split) == [443, 197, 290]


def test_the_fault_filtered_partition_takes_every_segment_of_its_tracks(gtzan):
    (split,) = splits.make("fault_filtered", segments_of(gtzan), gtzan, seed=0)
    assert sizes(split) == [443 * SEGMENTS, 197 * SEGMENTS, 290 * SEGMENTS]


def test_a_missing_track_is_missing_from_its_set_only(gtzan):
    # jazz.00054 is unreadable in two of the three releases in circulation.
    segments = gtzan.loc[gtzan.track_id != "jazz.00054", ["track_id", "genre"]]
    (split,) = splits.make("fault_filtered", segments.reset_index(drop=True), gtzan, seed=0)
    assert sizes(split) == [442, 197, 290]


# Promises


@pytest.mark.parametrize("protocol", splits.PROTOCOLS)
def test_a_protocol_keeps_its_promises_on_gtzan_and_the_same_seed_gives_the_same_split(
    gtzan, protocol
):
    segments = segments_of(gtzan)
    first, second = (splits.make(protocol, segments, gtzan, seed=3) for _ in range(2))
    for split, again in zip(first, second, strict=True):
        splits.check_disjoint(protocol, split, segments, gtzan)
        assert set(segments.genre.iloc[split.train]) == set(gtzan.genre)
        assert set(segments.genre.iloc[split.test]) == set(gtzan.genre)
        for name in ("train", "valid", "test"):
            np.testing.assert_array_equal(getattr(split, name), getattr(again, name))


@pytest.mark.parametrize("protocol", ["segment_random", "track_random", "artist_grouped"])
def test_another_seed_gives_another_split(gtzan, protocol):
    segments = gtzan[["track_id", "genre"]]
    first, second = (splits.make(protocol, segments, gtzan, seed=seed)[0] for seed in (0, 1))
    assert not np.array_equal(first.test, second.test)


def test_shuffled_segments_leak_tracks(gtzan):
    segments = segments_of(gtzan, 10)
    (split,) = splits.make("segment_random", segments, gtzan, seed=0)
    n_test = segments.track_id.iloc[split.test].nunique()
    assert splits.overlap(split, segments, gtzan)["track"] > 0.99 * n_test


def test_shuffled_tracks_leak_artists_as_published(gtzan):
    # "About 78 % of test tracks share an artist with train", and a few more with valid.
    segments = gtzan[["track_id", "genre"]]
    shares = []
    for seed in range(5):
        (split,) = splits.make("track_random", segments, gtzan, seed=seed)
        alone = Split(np.concatenate([split.train, split.valid]), split.valid[:0], split.test)
        shares.append(splits.overlap(alone, segments, gtzan)["artist"] / len(split.test))
    assert np.mean(shares) == pytest.approx(0.78, abs=0.03)


def test_a_hold_out_has_the_requested_sizes_and_every_label_in_proportion(gtzan):
    (split,) = splits.make(
        "track_random", gtzan[["track_id", "genre"]], gtzan, test_size=0.1, valid_size=0.2, seed=0
    )
    assert sizes(split) == [700, 200, 100]
    assert set(gtzan.genre.iloc[split.test].value_counts()) == {10}


# The check itself


@pytest.fixture
def leak():
    """Two labels of four tracks, one segment each; track 3 of each is a duplicate of track 2."""
    tracks = dataset(4, artists=4)
    tracks.loc[[3, 7], "duplicate_of"] = tracks.track_id[[2, 6]].to_numpy()
    return tracks, tracks[["track_id", "genre"]]


def test_the_check_passes_a_sound_split(leak):
    tracks, segments = leak
    sound = Split(np.array([0, 4]), np.array([1, 5]), np.array([2, 3, 6, 7]))
    splits.check_disjoint("artist_grouped", sound, segments, tracks)


@pytest.mark.parametrize("name", ["train", "valid"])
def test_the_check_finds_a_track_in_two_sets(leak, name):
    tracks, _ = leak
    segments = segments_of(tracks, 2)
    rows = {"train": [0, 1], "valid": [8, 9]}
    rows[name] = [*rows[name], 4]
    split = Split(np.array(rows["train"]), np.array(rows["valid"]), np.array([5, 12]))
    with pytest.raises(AssertionError, match="track_random: 1 test tracks leak by track"):
        splits.check_disjoint("track_random", split, segments, tracks)


def test_the_check_finds_an_artist_in_two_sets(leak):
    tracks, segments = leak
    tracks = tracks.assign(artist_group=[0, 1, 0, 2, 10, 11, 12, 13])
    split = Split(np.array([0, 4]), np.array([1, 5]), np.array([2, 3, 6, 7]))
    with pytest.raises(AssertionError, match="artist_grouped: 1 test tracks leak by artist"):
        splits.check_disjoint("artist_grouped", split, segments, tracks)


@pytest.mark.parametrize("test", [2, 3])
def test_the_check_finds_a_duplicate_whichever_of_the_two_is_tested(leak, test):
    tracks, segments = leak
    split = Split(np.array([0, 4, 5 - test]), np.array([1, 5]), np.array([test, 6]))
    with pytest.raises(AssertionError, match="1 test tracks leak by duplicate"):
        splits.check_disjoint("fault_filtered", split, segments, tracks)


def test_the_check_finds_two_duplicates_of_a_track_in_neither_set(leak):
    tracks, segments = leak
    tracks = tracks.assign(duplicate_of=pd.array([pd.NA, "music.0", "music.0", *[pd.NA] * 5]))
    split = Split(np.array([1, 4]), np.array([3, 5]), np.array([2, 6]))
    with pytest.raises(AssertionError, match="1 test tracks leak by duplicate"):
        splits.check_disjoint("artist_grouped", split, segments, tracks)


def test_the_check_finds_a_segment_in_two_sets(leak):
    tracks, segments = leak
    split = Split(np.array([0, 4]), np.array([0, 5]), np.array([2, 6]))
    with pytest.raises(AssertionError, match="segment_random: a segment is in two sets"):
        splits.check_disjoint("segment_random", split, segments, tracks)


# k-fold


def test_a_small_dataset_is_divided_into_folds_each_tested_once_by_models_that_never_saw_it():
    tracks = dataset(12)
    segments = segments_of(tracks)
    folds = splits.make("track_random", segments, tracks, seed=0)
    assert len(folds) == splits.N_FOLDS
    every_row = list(range(len(segments)))
    assert sorted(np.concatenate([fold.test for fold in folds])) == every_row
    for fold in folds:
        assert sorted(np.concatenate([fold.train, fold.valid, fold.test])) == every_row


def test_artist_folds_cover_every_segment_of_tracks_that_are_no_duplicates_once(gtzan):
    segments = segments_of(gtzan)
    folds = splits.make("artist_grouped", segments, gtzan, seed=0)
    sound = segments.track_id.isin(gtzan.track_id[gtzan.duplicate_of.isna()])
    covered = np.concatenate([fold.test for fold in folds])
    assert sorted(covered) == np.flatnonzero(sound).tolist()


def test_fifty_test_tracks_are_held_out_and_fewer_are_folded():
    for per_label, n_splits in ((125, 1), (124, splits.N_FOLDS)):
        tracks = dataset(per_label)
        segments = tracks[["track_id", "genre"]]
        assert len(splits.make("track_random", segments, tracks, seed=0)) == n_splits


# Refusals


def unpartitioned():
    """A partition without test tracks of one label."""
    music, speech = ["train", "train", "valid", "test"], ["train", "train", "valid", "excluded"]
    return dataset(4).assign(fault_filtered=music + speech)


def unknown_artist():
    tracks = dataset()
    tracks.loc[5, "artist_group"] = pd.NA
    return tracks


@pytest.mark.parametrize(
    ("protocol", "tracks", "words"),
    [
        *(
            (protocol, dataset(labels=["music"]), "two labels are needed; there is")
            for protocol in ("segment_random", "fault_filtered")
        ),
        ("artist_grouped", dataset(artists=2), "need three artists of each label; music has 2"),
        ("artist_grouped", unknown_artist(), "does not know who plays"),
        ("fault_filtered", dataset(), "not in the published partition"),
        ("fault_filtered", unpartitioned(), "test would hold no speech"),
        ("track_random", dataset(2), "need three tracks of each label; music has 2"),
    ],
)
def test_an_impossible_protocol_is_refused_in_one_line(protocol, tracks, words):
    with pytest.raises(NotPossibleError, match=words) as caught:
        splits.make(protocol, segments_of(tracks), tracks, seed=0)
    assert "\n" not in str(caught.value)


def test_too_few_segments_are_refused():
    tracks = dataset(1)
    with pytest.raises(NotPossibleError, match="2 examples are too few for a hold-out"):
        splits.make("segment_random", tracks[["track_id", "genre"]], tracks, seed=0)


def test_no_segments_are_refused():
    tracks = dataset(3)
    with pytest.raises(
        NotPossibleError, match=r"track_random: two labels are needed; there is \[\]"
    ):
        splits.make("track_random", tracks[["track_id", "genre"]].iloc[:0], tracks, seed=0)


def test_an_unknown_protocol_is_refused_with_the_choice():
    with pytest.raises(SettingError, match="'magic' does not exist; choose from segment_random"):
        splits.make("magic", segments_of(dataset()), dataset(), seed=0)


def test_a_refusal_gives_the_reason_and_none_for_a_possible_protocol():
    tracks = dataset()
    assert splits.refusal("track_random", tracks) is None
    assert "published partition" in splits.refusal("fault_filtered", tracks)


# The honest protocol


def test_the_honest_protocol_is_the_best_that_is_possible(gtzan):
    assert splits.honest(gtzan) == "fault_filtered"
    assert splits.honest(dataset()) == "artist_grouped"
    assert splits.honest(dataset(artists=1)) == "track_random"


def test_where_no_protocol_is_honest_every_reason_is_given():
    with pytest.raises(NotPossibleError) as caught:
        splits.honest(dataset(2))
    for protocol in splits.HONEST:
        assert f"{protocol}: " in str(caught.value)


# For other people's code


@pytest.mark.parametrize("n_tracks", [24, 300])  # in folds, and held out
def test_parts_of_one_recording_are_never_on_both_sides(n_tracks):
    tracks = dataset(n_tracks).assign(recording=lambda tracks: tracks.track_id.str[:-1])
    segments = segments_of(tracks)
    for split in splits.make("track_random", segments, tracks, seed=0):
        splits.check_disjoint("track_random", split, segments, tracks)
    assert splits.overlap(split, segments, tracks)["track"] == 0
    mixed = splits.make("track_random", segments, tracks.drop(columns="recording"), seed=0)[0]
    assert splits.overlap(mixed, segments, tracks)["track"] > 0
    with pytest.raises(AssertionError, match="test tracks leak by track"):
        splits.check_disjoint("track_random", mixed, segments, tracks)


def test_a_table_divides_tracks_as_the_protocol_does(gtzan):
    table = splits.table("fault_filtered", gtzan.assign(genre=gtzan.track_id.str[:3]), seed=0)
    assert table.part.value_counts().to_dict() == {"train": 443, "test": 290, "valid": 197}
    assert table.track_id.is_unique and set(table.fold) == {0}


def test_each_track_of_a_k_fold_names_the_fold_that_tests_it():
    tracks = dataset(20, artists=5)
    table = splits.table("artist_grouped", tracks, seed=3)
    made = splits.make("artist_grouped", tracks, tracks, seed=3)
    for fold, split in enumerate(made):
        assert set(table.track_id[table.fold == fold]) == set(tracks.track_id[split.test])
        valid = (fold + 1) % len(made)
        assert set(table.track_id[table.fold == valid]) == set(tracks.track_id[split.valid])
    assert set(table.track_id[table.part == "test"]) == set(tracks.track_id[made[0].test])
