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


def test_unknown_artists_and_lengths_are_a_notice():
    tracks = pd.DataFrame({"genre": ["blues"], "artist_group": pd.NA, "seconds": np.nan})
    for picture in (plots.artist_shares, plots.lengths):
        (text,) = picture(tracks).texts
        assert text.get_text().endswith("not known")


def test_every_clip_is_a_dot(ax, table):
    plots.lengths(table.assign(seconds=30 + 0.01 * table.a), ax=ax)
    assert sum(len(dots.get_offsets()) for dots in ax.collections) == 60
    assert ax.get_xlabel() == "length of the clip (s)"


def test_a_claim_orders_genres_by_their_medians(ax, table):
    plots.claim(table, "a", ["jazz"], ax=ax)
    shown = [text.get_text() for text in ax.get_yticklabels()]
    assert shown == ["blues", r"\$metal\$", "jazz"]
    assert len({patch.get_facecolor() for patch in ax.patches}) == 2


def test_grids_have_a_picture_per_feature(table):
    assert len(plots.by_genre(table, ["a", "b"]).axes) == 2
    (legend,) = plots.pairs(table, ["a", "$c$"], ["blues", "$metal$"]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["blues", r"\$metal\$"]


def test_constant_columns_have_no_correlation(ax, table):
    plots.correlations(table.drop(columns="genre").assign(constant=1.0), ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", r"\$c\$"]


def test_points_have_a_colour_and_a_shape_per_genre(ax, table):
    genres = table.genre.to_numpy(str)
    plots.scatter(table[["a", "b"]].to_numpy(), genres, labels=("x", "y"), ax=ax)
    (points,) = ax.collections
    assert len(points.get_offsets()) == 60
    assert len({tuple(colour) for colour in points.get_facecolor()}) == 3
    assert len(ax.get_legend().get_texts()) == 3 and ax.get_xlabel() == "x"
