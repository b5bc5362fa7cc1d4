"""Ways to fool oneself, each measured: what is reported, and what it is worth on new songs.

Every function takes a scikit-learn classifier and returns a table. `leaks`, `fitted_on_everything`
and `winners_curse` return lines of one ledger: `mistake`, `fair` and `reported` (accuracies of the
same songs without and with the mistake), `price` (their difference) with its 95 % interval
`price_low`, `price_high`, and `songs`, their number.

Taught in notebooks 00 and 03.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from gtzan_helpers.datasets import Features
from gtzan_helpers.evaluation.scores import mean_interval

N_FOLDS = 5

LEDGER = ["mistake", "fair", "reported", "price", "price_low", "price_high", "songs"]

# Shares of the training songs, and segments of each, that `growth` compares; None for all.
SHARES, SEGMENTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1), (1, None)


def line(mistake: str, fair: np.ndarray, reported: np.ndarray) -> dict[str, Any]:
    """A line of the ledger.

    Parameters
    ----------
    mistake : str
    fair, reported : ndarray, shape (n_songs,)
        Share of each song that is classified correctly without and with the mistake.
    """
    price = np.asarray(reported, float) - np.asarray(fair, float)
    low, high = mean_interval(price)
    values = (mistake, np.mean(fair), np.mean(reported), price.mean(), low, high, len(price))
    return dict(zip(LEDGER, values, strict=True))


def folds(groups: np.ndarray, seed: int) -> GroupKFold:
    """Five folds that keep groups whole; fewer for fewer groups.

    Parameters
    ----------
    groups : array, shape (n_examples,)
    seed : int
        Random seed of the shuffle.
    """
    n_groups = len(np.unique(groups))
    return GroupKFold(min(N_FOLDS, n_groups), shuffle=True, random_state=seed)


def groups_of(tracks: pd.DataFrame) -> np.ndarray:
    """The artist of each track; a track of unknown artist is a group of its own.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `artist_group`.

    Returns
    -------
    ndarray of str, shape (n_tracks,)
    """
    return tracks.artist_group.astype("string").fillna(tracks.track_id).to_numpy(str)


# Leaks


def leaks(classifier: BaseEstimator, features: Features, *, seed: int) -> pd.DataFrame:
    """What each leak is worth, at the same test segments and the same size of the training set.

    Artists are divided into five folds. Of each test artist every second song is asked about, by
    its first segment; training segments of the same label make room for what is swapped in.

    Parameters
    ----------
    classifier : estimator
    features : Features
        A feature table.
    seed : int
        Random seed of folds and swaps.

    Returns
    -------
    DataFrame
        The ledger's lines for songs by the same artists, other segments of the test songs, and
        duplicates of the test songs, as far as there are any.
    """
    rng, X = np.random.default_rng(seed), features.values
    labels = features.segments.genre.to_numpy(str)
    asked: dict[str, list[tuple[bool, bool]]] = {}
    for train, test, pools in _leaking_folds(features, rng, seed):
        fair = clone(classifier).fit(X[train], labels[train])
        known = np.isin(labels[test], fair.classes_)  # an artist may have a genre for himself
        right = fair.predict(X[test]) == labels[test]
        for mistake, (pool, concerned) in pools.items():
            concerned = concerned & known
            if len(pool) and concerned.any():
                rows = _swapped(train, pool, labels, rng)
                leaky = clone(classifier).fit(X[rows], labels[rows])
                flattered = leaky.predict(X[test]) == labels[test]
                pairs = zip(right[concerned], flattered[concerned], strict=True)
                asked.setdefault(mistake, []).extend(pairs)
    lines = [line(mistake, *np.array(pairs).T) for mistake, pairs in asked.items()]
    return pd.DataFrame(lines, columns=LEDGER)


def _leaking_folds(
    features: Features, rng: np.random.Generator, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]]:
    """Rows of a fair training set, of the test set, and, for each leak, what is swapped in.

    With that goes which test segments it concerns.
    """
    ids, tracks = features.segments.track_id.to_numpy(str), features.tracks
    copies = tracks[tracks.duplicate_of.notna()]
    songs = tracks[tracks.duplicate_of.isna()].sample(frac=1, random_state=seed)
    groups = groups_of(songs)
    every_second = songs.groupby(groups).cumcount().to_numpy() % 2 == 1
    if not every_second.any():  # nobody is known to play twice
        every_second[:] = True
    first = ~features.segments.track_id.duplicated().to_numpy()
    names = songs.track_id.to_numpy(str)
    for inside, outside in folds(groups, seed).split(names, groups=groups):
        chosen = names[outside][every_second[outside]]
        beside = names[outside][~every_second[outside]]
        test = np.flatnonzero(np.isin(ids, chosen) & first)
        if not len(test):  # nobody of these artists plays twice
            continue
        doubles = copies[copies.duplicate_of.isin(chosen)]
        everyone = np.ones(len(test), bool)
        yield np.flatnonzero(np.isin(ids, names[inside])), test, {
            "songs by the same artists": (np.flatnonzero(np.isin(ids, beside)), everyone),
            "other segments of the test songs": (
                np.flatnonzero(np.isin(ids, chosen) & ~first), everyone
            ),
            "duplicates of the test songs": (
                np.flatnonzero(np.isin(ids, doubles.track_id)),
                np.isin(ids[test], doubles.duplicate_of),
            ),
        }  # fmt: skip


def _swapped(
    train: np.ndarray, pool: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Training rows of which, label by label, as many as possible are replaced by the pool's."""
    rows = rng.permutation(train)
    for label in np.unique(labels[pool]):
        places = np.flatnonzero(labels[rows] == label)
        new = rng.permutation(pool[labels[pool] == label])[: len(places)]
        rows[places[: len(new)]] = new
    return rows


# Choices


def fitted_on_everything(
    mistake: str,
    classifier: BaseEstimator,
    transform: BaseEstimator,
    X: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
) -> pd.DataFrame:
    """What it is worth to fit a step of a pipeline on all songs instead of the training songs.

    Parameters
    ----------
    mistake : str
        Its name in the ledger.
    classifier, transform : estimator
        The pipeline's last step, and the one before.
    X : ndarray, shape (n_songs, n_features)
    labels, groups : array, shape (n_songs,)
        Groups are never divided between training and test set.
    seed : int
        Random seed of the folds.
    """
    split = folds(groups, seed)
    whole = clone(transform).fit_transform(X, labels)
    tried = ((make_pipeline(transform, classifier), X), (classifier, whole))
    right = [
        cross_val_predict(model, values, labels, groups=groups, cv=split) == labels
        for model, values in tried
    ]
    return pd.DataFrame([line(mistake, *right)], columns=LEDGER)


def winners_curse(
    classifier: BaseEstimator,
    X: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
    candidates: int = 30,
    repetitions: int = 20,
) -> pd.DataFrame:
    """What it is worth to report the best of many equal classifiers by its own test score.

    They differ in nothing but `random_state`. In each repetition half of the songs choose the
    best, and the others are new to it.

    Parameters
    ----------
    classifier : estimator
        Has a `random_state`.
    X : ndarray, shape (n_songs, n_features)
    labels, groups : array, shape (n_songs,)
        See `fitted_on_everything`.
    seed : int
        Random seed of folds and halves.
    candidates, repetitions : int

    Returns
    -------
    DataFrame
        A line of the ledger: `fair` is the winner's accuracy on new songs, `reported` that on the
        songs that chose it; the interval is that of the mean over the repetitions.
    """
    rng, split, models = np.random.default_rng(seed), folds(groups, seed), range(candidates)
    right = np.stack([
        cross_val_predict(
            clone(classifier).set_params(random_state=number), X, labels, groups=groups, cv=split
        ) == labels
        for number in models
    ])  # fmt: skip
    halves = [np.array_split(rng.permutation(len(labels)), 2) for _ in range(repetitions)]
    pairs = []
    for test, new in halves:
        best = right[:, test].mean(axis=1).argmax()
        pairs.append((right[best, new].mean(), right[best, test].mean()))
    curse = line(f"the best of {candidates} equal classifiers", *np.array(pairs).T)
    return pd.DataFrame([curse | {"songs": len(labels) // 2}], columns=LEDGER)


def searches(
    classifier: BaseEstimator,
    grid: dict[str, list],
    X: np.ndarray,
    labels: np.ndarray,
    artists: np.ndarray,
    *,
    seed: int,
) -> pd.DataFrame:
    """What a search for settings promises when its folds share artists, and when they do not.

    Each search sees the training songs of one of five folds over artists; what it chose is then
    tested on the artists of that fold.

    Parameters
    ----------
    classifier : estimator
    grid : dict
        Settings to be searched.
    X : ndarray, shape (n_songs, n_features)
    labels, artists : array, shape (n_songs,)
    seed : int
        Random seed of the folds.

    Returns
    -------
    DataFrame
        One line for folds over `songs` and one for folds over `artists`: `folds over`,
        `promised` (the best mean over the search's folds), `new artists` (accuracy of what it
        chose) with its interval `new artists_low`, `new artists_high`, `chosen` (the settings that
        most searches chose).
    """
    lines = []
    outer = list(folds(artists, seed).split(X, groups=artists))
    for name, groups in (("songs", np.arange(len(labels))), ("artists", artists)):
        right, promised, chosen = np.zeros(len(labels), bool), [], []
        for train, test in outer:
            search = GridSearchCV(classifier, grid, cv=folds(groups[train], seed))
            search.fit(X[train], labels[train], groups=groups[train])
            right[test] = search.predict(X[test]) == labels[test]
            promised.append(search.best_score_)
            chosen.append(", ".join(f"{key}={value}" for key, value in search.best_params_.items()))
        often = max(chosen, key=chosen.count)
        lines.append((name, np.mean(promised), right.mean(), *mean_interval(right), often))
    columns = ["folds over", "promised", "new artists", "new artists_low", "new artists_high"]
    return pd.DataFrame(lines, columns=[*columns, "chosen"])


# Songs or segments


def growth(classifier: BaseEstimator, features: Features, *, seed: int) -> pd.DataFrame:
    """Accuracy on new artists by the number of training songs, and of segments of each.

    Parameters
    ----------
    classifier : estimator
    features : Features
        A feature table.
    seed : int
        Random seed of folds and of which songs are taken.

    Returns
    -------
    DataFrame
        `songs` and `segments` in the training set (means over the folds), `segments per song`,
        `accuracy` by segment, with its interval over songs `accuracy_low`, `accuracy_high`.
    """
    X, labels = features.values, features.segments.genre.to_numpy(str)
    ids, number = features.segments.track_id.to_numpy(str), features.segments.segment.to_numpy()
    tracks, most = features.tracks, int(number.max()) + 1
    groups = groups_of(tracks)
    outer = list(folds(groups, seed).split(tracks, groups=groups))
    lines = []
    for share in SHARES:
        for limit in SEGMENTS[: min(most, 2)]:
            right, sizes = np.zeros(len(ids), bool), []
            for train, test in outer:
                part = tracks.iloc[train].groupby("genre").sample(frac=share, random_state=seed)
                taken = np.isin(ids, part.track_id) & (number < (limit or most))
                tested = np.isin(ids, tracks.track_id.iloc[test])
                if len(np.unique(labels[taken])) > 1:
                    model = clone(classifier).fit(X[taken], labels[taken])
                    right[tested] = model.predict(X[tested]) == labels[tested]
                sizes.append((len(part), taken.sum()))
            interval = mean_interval(pd.Series(right).groupby(ids).mean().to_numpy())
            lines.append((*np.mean(sizes, axis=0).round(), limit or most, right.mean(), *interval))
    columns = ["songs", "segments", "segments per song", "accuracy", "accuracy_low"]
    return pd.DataFrame(lines, columns=[*columns, "accuracy_high"]).astype(
        {"songs": int, "segments": int}
    )
