"""Neighbours: ranked by the angle, among those that are allowed, scored by shared labels."""

import numpy as np
import pandas as pd
import pytest

from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.evaluation import neighbours


def tracks(artists, duplicates=None):
    n = len(artists)
    return pd.DataFrame(
        {
            "track_id": [f"t{i}" for i in range(n)],
            "artist_group": pd.array(artists, dtype="Int64"),
            "duplicate_of": pd.array(duplicates or [pd.NA] * n, dtype="string"),
        }
    )


def directions(*degrees):
    """Songs on a circle, so that distances are known."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def everybody(n):
    return ~np.eye(n, dtype=bool)


def test_neighbours_come_by_the_angle_nearest_first():
    X = directions(0, 10, 60, 180) * [[1], [9], [1], [1]]  # lengths do not matter
    rows, distances = neighbours.similar(X, everybody(4), k=3)
    assert rows[0].tolist() == [1, 2, 3] and rows[3].tolist() == [2, 1, 0]
    np.testing.assert_allclose(distances[0], 1 - np.cos(np.radians([10, 60, 180])), atol=1e-9)


def test_neighbours_are_those_of_scikit_learn_where_everybody_is_allowed(rng):
    from sklearn.neighbors import NearestNeighbors

    X = rng.normal(size=(50, 8))
    rows, distances = neighbours.similar(X, everybody(50), k=5)
    theirs = NearestNeighbors(n_neighbors=5, metric="cosine").fit(X).kneighbors()
    np.testing.assert_array_equal(rows, theirs[1])
    np.testing.assert_allclose(distances, theirs[0])


def test_equal_songs_are_neighbours_but_nobody_is_its_own():
    rows, distances = neighbours.similar(directions(0, 0, 0, 90), everybody(4), k=2)
    assert [sorted(near) for near in rows[:3].tolist()] == [[1, 2], [0, 2], [0, 1]]
    np.testing.assert_allclose(distances[:3], 0, atol=1e-9)


def test_the_artist_filter_leaves_out_the_artist_and_duplicates():
    table = tracks([1, 1, 2, 3, pd.NA, pd.NA], [pd.NA, pd.NA, pd.NA, "t2", pd.NA, "t0"])
    allowed = neighbours.candidates(table, artist_filter=True)
    shut_out = {(int(i), int(j)) for i, j in np.argwhere(~allowed) if i < j}
    # t0 and t1 share an artist, t3 is a duplicate of t2, t5 one of t0; both unknown artists differ.
    assert shut_out == {(0, 1), (2, 3), (0, 5)}
    assert (allowed == allowed.T).all() and not allowed.diagonal().any()


def test_two_duplicates_of_one_song_are_kept_apart_as_well():
    allowed = neighbours.candidates(tracks([1, 2, 3], [pd.NA, "t0", "t0"]), artist_filter=True)
    assert not allowed.any()


def test_without_the_filter_everybody_but_oneself_is_allowed():
    allowed = neighbours.candidates(tracks([1, 1, 2], [pd.NA, "t0", pd.NA]), artist_filter=False)
    assert (allowed == everybody(3)).all()


def test_a_song_that_is_not_allowed_gives_way_to_the_next():
    X = directions(0, 1, 2, 30)
    allowed = neighbours.candidates(tracks([1, 1, 2, 3]), artist_filter=True)
    assert neighbours.similar(X, allowed, k=2)[0][0].tolist() == [2, 3]


def test_too_few_candidates_are_refused_in_one_line():
    allowed = neighbours.candidates(tracks([1, 1, 2, 3]), artist_filter=True)
    with pytest.raises(NotPossibleError, match="3 neighbours: a song has 2 candidates"):
        neighbours.similar(directions(0, 1, 2, 30), allowed, k=3)


def test_precision_stands_beside_chance_and_the_most_that_is_possible():
    labels = pd.Series(["a", "a", "a", "b", "b", "c"], index=list("uvwxyz"))
    rows = np.array([[1, 3], [0, 2], [4, 5], [4, 0], [0, 1], [0, 1]])
    table = neighbours.precision(rows, labels, everybody(6))
    assert table.precision[:5].tolist() == [0.5, 1, 0, 0.5, 0]
    assert table.chance[:5].tolist() == [0.4, 0.4, 0.4, 0.2, 0.2]
    assert table.possible[:5].tolist() == [1, 1, 1, 0.5, 0.5]
    assert table.loc["z"].isna().all()  # nobody else plays c


def test_candidates_that_are_left_out_do_not_count_as_possible():
    labels = pd.Series(["a", "a", "b", "b"])
    allowed = neighbours.candidates(tracks([1, 1, 2, 3]), artist_filter=True)
    rows, _ = neighbours.similar(directions(0, 1, 2, 3), allowed, k=2)
    table = neighbours.precision(rows, labels, allowed)
    assert table.precision.isna().tolist() == [True, True, False, False]
    assert table.chance[2] == pytest.approx(1 / 3)


def test_an_unknown_label_is_shared_with_nobody():
    labels = pd.Series(pd.array([pd.NA, pd.NA, 7, 7], dtype="Int64"))
    rows, _ = neighbours.similar(directions(0, 1, 2, 3), everybody(4), k=1)
    table = neighbours.precision(rows, labels, everybody(4))
    assert table.precision.isna().tolist() == [True, True, False, False]


def test_averages_leave_out_songs_without_a_candidate_of_their_label(rng):
    scores = pd.DataFrame(
        {
            "precision": [0.2, 0.4, np.nan, *rng.choice([0, 1], 50)],
            "chance": 0.1,
            "possible": 1.0,
            "by": ["x"] * 3 + ["y"] * 50,
        }
    )
    x, y = neighbours.averaged(scores, ["by"]).itertuples(index=False)
    assert (x.by, x.n, y.n) == ("x", 2, 50)
    assert x.precision == pytest.approx(0.3) and (x.low, x.high) == pytest.approx((0.2, 0.4))
    assert y.low < y.precision < y.high and y.chance == pytest.approx(0.1)


def precisions(source, artist_filter, *columns):
    """Precision at 5 of each song of a source by its default features, for each column."""
    data = source.features(source.default_features, segment_seconds=source.default_segment_seconds)
    means = pd.DataFrame(data.values).groupby(data.segments.track_id.to_numpy(str)).mean()
    X = (means - means.mean()) / means.std().replace(0, 1)
    tracks = source.tracks.set_index("track_id", drop=False).loc[X.index]
    allowed = neighbours.candidates(tracks, artist_filter=artist_filter)
    rows, _ = neighbours.similar(X, allowed, k=5)
    return [neighbours.precision(rows, tracks[column], allowed) for column in columns]


def test_on_the_embedded_dataset_features_beat_chance_and_artists_flatter():
    source = open_source("synthetic", profile="smoke")
    by_genre, by_artist = precisions(source, False, "genre", "artist_group")
    assert by_genre.precision.mean() > 2 * by_genre.chance.mean()
    assert by_artist.precision.mean() > 3 * by_artist.chance.mean()


def test_on_real_music_the_artist_filter_costs_points(real_data):
    source = open_source(real_data / "features_30_sec.csv")
    (among_all,), (filtered,) = (precisions(source, f, "genre") for f in (False, True))
    means = among_all.precision.mean(), filtered.precision.mean(), filtered.chance.mean()
    assert means[0] > means[1] + 0.1 and means[1] > means[2] + 0.2
    # The blues were recognised by their artists.
    genre = source.tracks.set_index("track_id").genre.loc[filtered.index]
    blues = filtered[genre == "blues"]
    assert blues.precision.mean() < 2 * blues.chance.mean()
