"""The ledger of mistakes, on songs whose label, artist and recording are known to matter."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from gtzan_helpers.datasets import Features
from gtzan_helpers.evaluation import mistakes

LABELS, ARTISTS, SONGS, SEGMENTS = 4, 10, 4, 3


def songs(rng, *, label=0.5, artist=0.0, song=0.0, noise=0.2):
    """Features whose columns add up a label, an artist, a song and noise, each of some size."""
    sizes = {"label": (LABELS, label), "artist": (LABELS * ARTISTS, artist)}
    sizes["song"] = (LABELS * ARTISTS * SONGS, song)
    parts = {name: size * rng.normal(size=(n, 8)) for name, (n, size) in sizes.items()}
    number = np.arange(sizes["song"][0])
    who = number // SONGS
    means = parts["label"][who // ARTISTS] + parts["artist"][who] + parts["song"]
    values = np.repeat(means, SEGMENTS, axis=0)
    values += noise * rng.normal(size=values.shape)
    ids = np.char.add("track", np.char.zfill(number.astype(str), 3))
    genres = np.char.add("genre", (who // ARTISTS).astype(str))
    tracks = pd.DataFrame({"track_id": ids, "genre": genres, "artist_group": who})
    tracks = tracks.astype({"artist_group": "Int64"}).assign(
        duplicate_of=pd.Series(pd.NA, tracks.index, "string")
    )
    segments = tracks[["track_id", "genre"]].loc[tracks.index.repeat(SEGMENTS)]
    segments = segments.reset_index(drop=True).assign(segment=np.tile(range(SEGMENTS), len(ids)))
    columns = tuple(f"column{n}" for n in range(8))
    return Features(segments, values, columns, pd.DataFrame(), tracks)


def prices(features):
    return mistakes.leaks(KNeighborsClassifier(1), features, seed=0).set_index("mistake").price


def test_a_leak_has_the_price_of_what_the_training_set_shares(rng):
    by_song = prices(songs(rng, song=1.0))
    assert by_song["other segments of the test songs"] > 0.3
    assert abs(by_song["songs by the same artists"]) < 0.15
    by_artist = prices(songs(rng, artist=1.0))
    assert by_artist["songs by the same artists"] > 0.3


def test_a_leak_of_nothing_costs_nothing(rng):
    assert prices(songs(rng, label=2.0)).tolist() == [0, 0]


class Counting(ClassifierMixin, BaseEstimator):
    """Remembers the sizes of the training sets of all its copies."""

    sizes: ClassVar[list] = []

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        Counting.sizes.append((len(y), tuple(np.unique(y, return_counts=True)[1])))
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_training_sets_with_and_without_a_leak_have_one_size_and_mixture(rng):
    Counting.sizes.clear()
    mistakes.leaks(Counting(), songs(rng), seed=0)
    folds = [Counting.sizes[k : k + 3] for k in range(0, len(Counting.sizes), 3)]
    assert len(folds) == 5
    assert all(fair == artists == segments for fair, artists, segments in folds)


def test_duplicates_are_swapped_in_for_the_songs_that_have_some(rng):
    features = songs(rng, song=1.0)
    features.tracks.loc[1::8, "duplicate_of"] = features.tracks.track_id[2::8].to_numpy()
    table = mistakes.leaks(KNeighborsClassifier(1), features, seed=0).set_index("mistake")
    assert 0 < table.songs["duplicates of the test songs"] <= 20
    assert table.songs["songs by the same artists"] > 40


def test_without_artists_segments_alone_can_leak(rng):
    features = songs(rng, song=1.0)
    features.tracks["artist_group"] = pd.NA
    table = mistakes.leaks(KNeighborsClassifier(1), features, seed=0)
    assert table.mistake.tolist() == ["other segments of the test songs"]
    assert table.songs.tolist() == [LABELS * ARTISTS * SONGS]


def whole(features):
    """One row per song, its label and artist."""
    first = ~features.segments.track_id.duplicated().to_numpy()
    return features.values[first], features.tracks.genre.to_numpy(), mistakes.groups_of(
        features.tracks
    )  # fmt: skip


def test_columns_selected_on_all_songs_find_something_in_noise(rng):
    labels = np.repeat(list("abcd"), 50)
    noise, alone = rng.normal(size=(200, 4000)), np.arange(200)
    (line,) = mistakes.fitted_on_everything(
        "selected", KNeighborsClassifier(5), SelectKBest(k=40), noise, labels, alone, seed=0
    ).itertuples()
    assert line.fair < 0.3 and line.reported > 0.4
    assert line.price == pytest.approx(line.reported - line.fair)
    assert line.price_low < line.price < line.price_high and line.songs == 200


def test_a_scaler_fitted_on_all_songs_costs_next_to_nothing(rng):
    table = mistakes.fitted_on_everything(
        "scaled", KNeighborsClassifier(5), StandardScaler(), *whole(songs(rng, song=0.5)), seed=0
    )
    assert abs(table.price[0]) < 0.05


def test_the_best_of_equal_classifiers_owes_its_lead_to_luck(rng):
    labels = np.repeat(list("ab"), 60)
    line = mistakes.winners_curse(
        RandomForestClassifier(2), rng.normal(size=(120, 4)), labels, np.arange(120), seed=0,
        candidates=12,
    ).iloc[0]  # fmt: skip
    assert line.reported > line.fair + 0.03
    assert line.fair == pytest.approx(0.5, abs=0.1)


def test_a_search_over_folds_that_share_artists_promises_more(rng):
    X, labels, artists = whole(songs(rng, artist=1.5, song=0.2))
    grid = {"n_neighbors": [1, 5]}
    table = mistakes.searches(KNeighborsClassifier(), grid, X, labels, artists, seed=0)
    shared, grouped = table.set_index("folds over").loc[["songs", "artists"]].promised
    assert shared > grouped + 0.2
    held = table["new artists_low"] <= table["new artists"]
    assert (held & (table["new artists"] <= table["new artists_high"])).all()
    assert table.chosen.str.fullmatch("n_neighbors=[15]").all()


def test_songs_teach_more_than_as_many_segments(rng):
    table = mistakes.growth(KNeighborsClassifier(1), songs(rng, song=1.0, label=1.0), seed=0)
    assert set(table["segments per song"]) == {1, SEGMENTS}
    few = table[table["segments per song"] == SEGMENTS]
    assert (abs(few.segments - SEGMENTS * few.songs) <= 1).all()  # both are means
    all_songs = table[table.songs == table.songs.max()].set_index("segments per song").accuracy
    quarter = few.accuracy[few.songs == few.songs.sort_values().iloc[2]].iloc[0]
    assert all_songs[1] > quarter
    assert table.accuracy.between(table.accuracy_low, table.accuracy_high).all()
