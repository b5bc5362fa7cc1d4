"""Protocols: how a collection is divided into train, valid and test.

What a test score means depends on what test shares with train. `PROTOCOLS` names the ways in
use, from the most to the least leaky; `make` carries one out; `overlap` and `check_disjoint`
look for what leaks. Taught in notebook 00.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from gtzan_helpers.errors import NotPossibleError, SettingError

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "segment_random": (),
    "segment_random_augmented": (),
    "track_random": ("track",),
    "artist_grouped": ("track", "artist", "replica"),
    "fault_filtered": ("track", "artist", "replica"),
}
"""What each protocol promises to keep on one side, most leaky first.

``segment_random``: segments are shuffled, whatever their track. ``segment_random_augmented``:
the same over a table of segments that holds augmented copies already. ``track_random``: whole
tracks are shuffled. ``artist_grouped``: k-fold over artists, replicas removed.
``fault_filtered``: the partition of Kereliuk, Sturm & Larsen (2015).
"""

HONEST = ("fault_filtered", "artist_grouped", "track_random")
"""Protocols that measure what they seem to, best first."""

N_FOLDS = 5
MIN_TEST_TRACKS = 50
"""A smaller hold-out says too little; `track_random` then becomes k-fold."""


@dataclass(frozen=True)
class Split:
    """Rows of a table of segments; every array is sorted."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def make(
    protocol: str,
    segments: pd.DataFrame,
    tracks: pd.DataFrame,
    *,
    test_size: float = 0.2,
    valid_size: float = 0.1,
    seed: int,
) -> list[Split]:
    """Divide segments into train, valid and test.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.
    segments : DataFrame
        `track_id`, `genre`; one row per segment.
    tracks : DataFrame
        See `dataset.load`; must know every track of `segments`.
    test_size, valid_size : float
        Shares of the whole, for hold-outs.
    seed : int
        Random seed of the shuffle.

    Returns
    -------
    list of Split
        One split for a hold-out; for a k-fold one per fold, whose test parts together hold
        every segment once.

    Raises
    ------
    NotPossibleError
        If the source lacks what the protocol needs, or a label would be missing from train
        or test.
    SettingError
        If there is no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise SettingError(
            f"protocol {protocol!r} does not exist; choose from {', '.join(PROTOCOLS)}"
        )
    labels = segments.genre.unique()
    if not len(labels):
        raise NotPossibleError(f"{protocol}: there is not one segment")
    if len(labels) < 2:
        raise NotPossibleError(
            f"{protocol}: there is nothing to tell apart: the only label is {labels[0]!r}"
        )
    used = tracks[tracks.track_id.isin(segments.track_id)].reset_index(drop=True)
    if protocol.startswith("segment_random"):
        rows = _hold_out(segments.genre, test_size, valid_size, seed)
        return [_checked(protocol, Split(*rows), segments)]
    divide = {
        "track_random": _track_random,
        "artist_grouped": _artist_grouped,
        "fault_filtered": _fault_filtered,
    }[protocol]
    parts = divide(used, test_size, valid_size, seed)
    return [_checked(protocol, _of_segments(ids, segments), segments) for ids in parts]


def _hold_out(labels: pd.Series, test_size: float, valid_size: float, seed: int):
    rows = np.arange(len(labels))
    # Every label is to be in every part, however small the collection.
    n_test, n_valid = (
        max(round(share * len(labels)), labels.nunique()) for share in (test_size, valid_size)
    )
    try:
        rest, test = train_test_split(rows, test_size=n_test, stratify=labels, random_state=seed)
        train, valid = train_test_split(
            rest, test_size=n_valid, stratify=labels.iloc[rest], random_state=seed
        )
    except ValueError as error:
        raise NotPossibleError(
            f"a hold-out of {test_size:.0%} for test and {valid_size:.0%} for valid needs more "
            f"than {len(labels)} examples in {labels.nunique()} labels"
        ) from error
    return np.sort(train), np.sort(valid), np.sort(test)


def _of_segments(ids: tuple, segments: pd.DataFrame) -> Split:
    return Split(*(np.flatnonzero(segments.track_id.isin(part)) for part in ids))


def _checked(protocol: str, split: Split, segments: pd.DataFrame) -> Split:
    labels = set(segments.genre)
    for name in ("train", "test"):
        missing = sorted(labels - set(segments.genre.iloc[getattr(split, name)]))
        if missing:
            raise NotPossibleError(f"{protocol}: {name} would hold no {', '.join(missing)}")
    if not len(split.valid):
        raise NotPossibleError(f"{protocol}: valid would be empty")
    return split


def _track_random(tracks: pd.DataFrame, test_size: float, valid_size: float, seed: int):
    ids = tracks.track_id.to_numpy()
    if test_size * len(tracks) >= MIN_TEST_TRACKS:
        return [tuple(ids[rows] for rows in _hold_out(tracks.genre, test_size, valid_size, seed))]
    fewest = tracks.genre.value_counts()
    n_folds = min(N_FOLDS, int(fewest.min()))
    if n_folds < 3:
        raise NotPossibleError(
            f"track_random: train, valid and test need three tracks of each label; "
            f"{fewest.idxmin()} has {fewest.min()}"
        )
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return _rotate([ids[test] for _, test in folds.split(ids, tracks.genre)])


def _artist_grouped(tracks: pd.DataFrame, test_size: float, valid_size: float, seed: int):
    if tracks.artist_group.isna().any():
        raise NotPossibleError("artist_grouped: the source does not know who plays")
    sound = tracks[tracks.duplicate_of.isna()]
    artists = sound.groupby("genre").artist_group.nunique()
    n_folds = min(N_FOLDS, int(artists.min()))
    if n_folds < 3:
        raise NotPossibleError(
            f"artist_grouped: train, valid and test need three artists of each label; "
            f"{artists.idxmin()} has {artists.min()}"
        )
    ids = sound.track_id.to_numpy()
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return _rotate([ids[test] for _, test in folds.split(ids, sound.genre, sound.artist_group)])


def _rotate(folds: list[np.ndarray]):
    """Each fold is test once; the next one is valid, the rest train."""
    n_folds = len(folds)
    for k in range(n_folds):
        valid = (k + 1) % n_folds
        train = np.concatenate([folds[i] for i in range(n_folds) if i not in (k, valid)])
        yield train, folds[valid], folds[k]


def _fault_filtered(tracks: pd.DataFrame, test_size: float, valid_size: float, seed: int):
    if tracks.fault_filtered.isna().any():
        raise NotPossibleError("fault_filtered: the source is not in the published partition")
    ids = tracks.track_id.to_numpy()
    return [tuple(ids[tracks.fault_filtered == part] for part in ("train", "valid", "test"))]


def refusal(protocol: str, tracks: pd.DataFrame) -> str | None:
    """Say why a protocol is not possible on a source; None where it is.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.
    tracks : DataFrame
        See `dataset.load`.
    """
    try:
        make(protocol, tracks[["track_id", "genre"]], tracks, seed=0)
    except NotPossibleError as error:
        return str(error)
    return None


def honest(tracks: pd.DataFrame) -> str:
    """Name the most honest protocol that is possible on a source.

    Raises
    ------
    NotPossibleError
        If none is.
    """
    reasons = []
    for protocol in HONEST:
        reason = refusal(protocol, tracks)
        if reason is None:
            return protocol
        reasons.append(reason)
    raise NotPossibleError("no honest protocol is possible: " + "; ".join(reasons))


def overlap(split: Split, segments: pd.DataFrame, tracks: pd.DataFrame) -> dict[str, int]:
    """Count the test tracks that have something in common with train or valid.

    Parameters
    ----------
    split : Split
    segments, tracks : DataFrame
        As for `make`.

    Returns
    -------
    dict
        Under `track`, `artist` and `replica`: how many test tracks share it. Tracks of
        unknown artist count as sharing none.
    """
    known = tracks.set_index("track_id")
    seen = known.loc[segments.track_id.iloc[np.concatenate([split.train, split.valid])].unique()]
    test = known.loc[segments.track_id.iloc[split.test].unique()]
    song = known.duplicate_of.fillna(known.index.to_series())
    return {
        "track": int(test.index.isin(seen.index).sum()),
        "artist": int(test.artist_group.dropna().isin(seen.artist_group.dropna()).sum()),
        # The replica of a track that is itself on both sides counts as `track` alone.
        "replica": int(
            (song[test.index].isin(song[seen.index]) & ~test.index.isin(seen.index)).sum()
        ),
    }


def check_disjoint(
    protocol: str, split: Split, segments: pd.DataFrame, tracks: pd.DataFrame
) -> None:
    """Hold a split to what its protocol promises.

    Raises
    ------
    AssertionError
        If test shares with train or valid what the protocol keeps apart, or if a segment is
        in two parts.
    """
    rows = np.concatenate([split.train, split.valid, split.test])
    assert len(set(rows)) == len(rows), f"{protocol}: a segment is in two parts"
    shared = overlap(split, segments, tracks)
    for what in PROTOCOLS[protocol]:
        assert shared[what] == 0, f"{protocol}: {shared[what]} test tracks share a {what}"
