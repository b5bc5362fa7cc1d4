"""Pictures of a collection: artists, lengths, and features by genre."""

import numpy as np
import pandas as pd
import pytest

from gtzan_helpers import plots

GENRES = ["blues", "jazz", "$metal$"]


@pytest.fixture
def table(rng):
    values = rng.normal(size=(60, 3)) + np.repeat([0, 5, 2], 20)[:, None]
    return pd.DataFrame(values, columns=["a", "b", "$c$"]).assign(genre=np.repeat(GENRES, 20))


def test_artists_are_blocks_of_their_tracks(ax):
    groups = pd.array([1, 1, 1, 2, 3, 3], dtype="Int64")
    tracks = pd.DataFrame({"genre": ["blues"] * 4 + ["jazz"] * 2, "artist_group": groups})
    plots.artist_shares(tracks, ax=ax)
    assert [bar.get_width() for bar in ax.patches] == [3, 1, 2]
    assert [text.get_text() for text in ax.texts] == ["2", "1"]


def test_unknown_artists_are_a_notice():
    tracks = pd.DataFrame({"genre": ["blues"], "artist_group": pd.NA})
    (text,) = plots.artist_shares(tracks).texts
    assert text.get_text().endswith("not known")


def test_a_region_has_the_colour_of_the_genre_that_is_predicted_there(ax, table):
    points, genres = table[["a", "b"]].to_numpy(), table.genre.to_numpy(str)

    def predict(places):
        return np.where(places[:, 0] > 2.5, "jazz", "blues")

    plots.regions(points, genres, predict, labels=("a", "b"), ax=ax)
    plane = ax.collections[0].get_array().reshape(150, 150)
    names = sorted(GENRES)
    assert set(plane[:, 0]) == {names.index("blues")}
    assert set(plane[:, -1]) == {names.index("jazz")}
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [r"\$metal\$", "blues", "jazz"]


def test_points_have_a_colour_and_a_shape_per_genre(ax, table):
    genres = table.genre.to_numpy(str)
    plots.scatter(table[["a", "b"]].to_numpy(), genres, labels=("x", "y"), ax=ax)
    (points,) = ax.collections
    assert len(points.get_offsets()) == 60
    assert len({tuple(colour) for colour in points.get_facecolor()}) == 3
    assert len(ax.get_legend().get_texts()) == 3 and ax.get_xlabel() == "x"
