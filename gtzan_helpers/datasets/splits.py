"""Protocols: how a dataset is divided into training, validation and test sets.

What a test score means depends on what the test set shares with the training set. `PROTOCOLS`
lists the protocols in use, from the most to the least leaky; `make` applies one; `overlap` and
`check_disjoint` look for leaks. Taught in notebook 00.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from gtzan_helpers.errors import NotPossibleError, SettingError, choose

#: What each protocol never shares between the test set and the others, most leaky first.
#:
#: - ``segment_random``: nothing; segments are shuffled, regardless of their track.
#: - ``segment_random_augmented``: nothing; the same, on a table of segments that already holds
#:   augmented copies.
#: - ``track_random``: tracks, which are shuffled whole.
#: - ``artist_grouped``: tracks, artists and duplicates; k-fold over artists.
#: - ``fault_filtered``: the same; the partition of Kereliuk, Sturm & Larsen (2015).
#:
#: :meta hide-value:
PROTOCOLS: dict[str, tuple[str, ...]] = {
    "segment_random": (),
    "segment_random_augmented": (),
    "track_random": ("track",),
    "artist_grouped": ("track", "artist", "duplicate"),
    "fault_filtered": ("track", "artist", "duplicate"),
}

#: Protocols that measure what they claim to, best first.
HONEST = ("fault_filtered", "artist_grouped", "track_random")

#: Folds of a k-fold.
N_FOLDS = 5
#: With a smaller test set, `track_random` becomes k-fold.
MIN_TEST_TRACKS = 50

# Training, validation and test set: ids of tracks, or row numbers of segments.
Division = Sequence[np.ndarray]

# Shares of the test and the validation set.
Sizes = tuple[float, float]


@dataclass(frozen=True)
class Split:
    """Row numbers in a table of segments, each array sorted."""

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
    """Divide segments into training, validation and test sets.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.
    segments : DataFrame
        `track_id`, `genre`; one row per segment.
    tracks : DataFrame
        The source's table of tracks; must contain every track of `segments`.
    test_size, valid_size : float
        Shares of all examples, for hold-out splits.
    seed : int
        Random seed of the shuffle.

    Returns
    -------
    list of Split
        One split for a hold-out; with k-fold one per fold, and each segment is in exactly one
        test set.

    Raises
    ------
    NotPossibleError
        If the source lacks what the protocol needs, or a label would be missing from the
        training or test set.
    SettingError
        If the protocol does not exist.
    """
    choose(PROTOCOLS, protocol, "protocol")
    labels = segments.genre.unique()
    if len(labels) < 2:
        raise NotPossibleError(f"{protocol}: two labels are needed; there is {[*labels]}")
    sizes = test_size, valid_size
    if protocol.startswith("segment_random"):
        splits = [Split(*_hold_out(segments.genre, sizes, seed))]
    else:
        used = tracks[tracks.track_id.isin(segments.track_id)].reset_index(drop=True)
        splits = [
            Split(*(np.flatnonzero(segments.track_id.isin(ids)) for ids in division))
            for division in _DIVIDE[protocol](used, sizes, seed)
        ]
    for split in splits:
        _check_labels(protocol, split, segments)
    return splits


def _hold_out(labels: pd.Series, sizes: Sizes, seed: int) -> Division:
    rows = np.arange(len(labels))
    # Every label is needed in every set, however small the dataset.
    n_test, n_valid = (max(round(size * len(labels)), labels.nunique()) for size in sizes)
    try:
        rest, test = train_test_split(rows, test_size=n_test, stratify=labels, random_state=seed)
        labels = labels.iloc[rest]
        train, valid = train_test_split(rest, test_size=n_valid, stratify=labels, random_state=seed)
    except ValueError as error:
        raise NotPossibleError(f"{len(rows)} examples are too few for a hold-out") from error
    return [np.sort(part) for part in (train, valid, test)]


def _check_labels(protocol: str, split: Split, segments: pd.DataFrame) -> None:
    for name, rows in (("train", split.train), ("test", split.test)):
        if missing := sorted(set(segments.genre) - set(segments.genre.iloc[rows])):
            raise NotPossibleError(f"{protocol}: {name} would hold no {', '.join(missing)}")
    if not len(split.valid):
        raise NotPossibleError(f"{protocol}: valid would be empty")


def _recordings(tracks: pd.DataFrame) -> pd.Series:
    """The recording that each track is, or is a part of; by default each is one of its own."""
    return tracks.get("recording", tracks.track_id)


def _track_random(tracks: pd.DataFrame, sizes: Sizes, seed: int) -> Iterable[Division]:
    recordings = _recordings(tracks)
    whole = tracks.assign(track_id=recordings)[~recordings.duplicated()].reset_index(drop=True)
    if sizes[0] * len(whole) >= MIN_TEST_TRACKS:
        ids = whole.track_id.to_numpy()
        divisions: Iterable[Division] = [[ids[r] for r in _hold_out(whole.genre, sizes, seed)]]
    else:
        n_folds = _n_folds("track_random", "tracks", whole.genre.value_counts())
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        divisions = _rotate(whole, folds.split(whole, whole.genre))
    for division in divisions:
        yield [tracks.track_id[recordings.isin(ids)].to_numpy() for ids in division]


def _artist_grouped(tracks: pd.DataFrame, _: Sizes, seed: int) -> Iterable[Division]:
    if tracks.artist_group.isna().any():
        raise NotPossibleError("artist_grouped: the source does not know who plays")
    tracks = tracks[tracks.duplicate_of.isna()]
    artists = tracks.groupby("genre").artist_group.nunique()
    n_folds = _n_folds("artist_grouped", "artists", artists)
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return _rotate(tracks, folds.split(tracks, tracks.genre, tracks.artist_group))


def _n_folds(protocol: str, unit: str, per_label: pd.Series) -> int:
    n_folds = min(N_FOLDS, int(per_label.min()))
    if n_folds < 3:
        few = f"three {unit} of each label; {per_label.idxmin()} has {n_folds}"
        raise NotPossibleError(f"{protocol}: train, valid and test need {few}")
    return n_folds


def _rotate(tracks: pd.DataFrame, folds: Iterable) -> Iterable[Division]:
    """Use each fold as the test set once, the next one for validation, the rest for training."""
    parts = [tracks.track_id.to_numpy()[test] for _, test in folds]
    for k, test in enumerate(parts):
        valid = (k + 1) % len(parts)
        train = [part for i, part in enumerate(parts) if i not in (k, valid)]
        yield np.concatenate(train), parts[valid], test


def _fault_filtered(tracks: pd.DataFrame, _: Sizes, __: int) -> Iterable[Division]:
    if tracks.fault_filtered.isna().any():
        raise NotPossibleError("fault_filtered: the source is not in the published partition")
    ids = tracks.track_id.to_numpy()
    return [[ids[tracks.fault_filtered == name] for name in ("train", "valid", "test")]]


_DIVIDE = {
    "track_random": _track_random,
    "artist_grouped": _artist_grouped,
    "fault_filtered": _fault_filtered,
}


def table(protocol: str, tracks: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The division of whole tracks, for other people's code.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS` that keep tracks whole.
    tracks : DataFrame
        The source's table of tracks.
    seed : int
        Random seed of the shuffle.

    Returns
    -------
    DataFrame, one row per track that is used
        `track_id`, `genre`, `part` ("train", "valid" or "test"), `fold` and `artist_group`. With
        a k-fold, `fold` is the one that a track is tested in, and `part` its part in fold 0; in
        fold k, tracks of fold k are tested, those of the next one (after the last, 0) are for
        validation, and all others for training.

    Raises
    ------
    NotPossibleError
        If the source lacks what the protocol needs.
    SettingError
        If the protocol does not exist, or divides segments.

    Examples
    --------
    >>> from gtzan_helpers.datasets import gtzan_facts
    >>> table("fault_filtered", gtzan_facts(), seed=0).part.value_counts().to_dict()
    {'train': 443, 'test': 290, 'valid': 197}
    """
    if "track" not in choose(PROTOCOLS, protocol, "protocol"):
        whole = ", ".join(name for name, kept in PROTOCOLS.items() if kept)
        raise SettingError(f"{protocol} divides segments, not tracks; choose from {whole}")
    splits = make(protocol, tracks, tracks, seed=seed)
    divided = tracks.assign(part=pd.NA, fold=0)
    for part, rows in vars(splits[0]).items():
        divided.loc[rows, "part"] = part
    for fold, split in enumerate(splits):
        divided.loc[split.test, "fold"] = fold
    return divided.dropna(subset="part")[["track_id", "genre", "part", "fold", "artist_group"]]


def refusal(protocol: str, tracks: pd.DataFrame) -> str | None:
    """Return why a protocol is not possible on a source, or None if it is possible.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.
    tracks : DataFrame
        The source's table of tracks.
    """
    try:
        make(protocol, tracks[["track_id", "genre"]], tracks, seed=0)
    except NotPossibleError as error:
        return str(error)
    return None


def honest(tracks: pd.DataFrame) -> str:
    """Return the most honest protocol that is possible on a source.

    Parameters
    ----------
    tracks : DataFrame
        The source's table of tracks.

    Returns
    -------
    str
        The first of `HONEST` that is possible.

    Raises
    ------
    NotPossibleError
        If none is possible.
    """
    reasons = []
    for protocol in HONEST:
        if not (reason := refusal(protocol, tracks)):
            return protocol
        reasons.append(reason)
    raise NotPossibleError("no honest protocol is possible: " + "; ".join(reasons))


def overlap(split: Split, segments: pd.DataFrame, tracks: pd.DataFrame) -> dict[str, int]:
    """Count the test tracks that share something with the training or validation set.

    Parameters
    ----------
    split : Split
    segments, tracks : DataFrame
        As for `make`.

    Returns
    -------
    dict
        For `track`, `artist` and `duplicate`: the number of test tracks that share it. Parts of
        one recording count as one track; a track of unknown artist counts as sharing none.
    """
    known = tracks.set_index("track_id")
    seen = known.loc[segments.track_id.iloc[np.concatenate([split.train, split.valid])].unique()]
    test = known.loc[segments.track_id.iloc[split.test].unique()]
    original = known.duplicate_of.fillna(known.index.to_series())
    recordings = _recordings(tracks).set_axis(tracks.track_id)
    same_track = recordings[test.index].isin(recordings[seen.index]).to_numpy()
    return {
        "track": int(same_track.sum()),
        "artist": int(test.artist_group.dropna().isin(seen.artist_group.dropna()).sum()),
        # A track that is itself in both sets counts as `track` only.
        "duplicate": int((original[test.index].isin(original[seen.index]) & ~same_track).sum()),
    }


def shared(segments: pd.DataFrame, tracks: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """What the test set of each protocol shares with the training and validation sets.

    Parameters
    ----------
    segments, tracks : DataFrame
        As for `make`.
    seed : int
        Random seed of the shuffles.

    Returns
    -------
    DataFrame, indexed by protocol
        `test tracks`, and how many of them share a `track`, an `artist`, a `duplicate`; of a
        k-fold the first fold is counted. Protocols that are not possible are left out, and
        `segment_random_augmented`, which is made for copies.
    """
    lines = {}
    for protocol in PROTOCOLS:
        if protocol != "segment_random_augmented" and not refusal(protocol, tracks):
            split = make(protocol, segments, tracks, seed=seed)[0]
            n_tracks = segments.track_id.iloc[split.test].nunique()
            lines[protocol] = {"test tracks": n_tracks, **overlap(split, segments, tracks)}
    return pd.DataFrame(lines).T.rename_axis("protocol")


def check_disjoint(
    protocol: str, split: Split, segments: pd.DataFrame, tracks: pd.DataFrame
) -> None:
    """Check that a split shares nothing that its protocol keeps apart.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.
    split : Split
    segments, tracks : DataFrame
        As for `make`.

    Raises
    ------
    AssertionError
        If the test set shares with the training or validation set something that the protocol
        keeps apart, or a segment is in two sets.
    """
    rows = np.concatenate([split.train, split.valid, split.test])
    assert len(set(rows)) == len(rows), f"{protocol}: a segment is in two sets"
    for property_, n_tracks in overlap(split, segments, tracks).items():
        allowed = property_ not in PROTOCOLS[protocol]
        assert allowed or not n_tracks, f"{protocol}: {n_tracks} test tracks leak by {property_}"
