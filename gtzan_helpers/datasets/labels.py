"""Labels and tracks settled once, before anything is learnt: spelling, size, number."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

#: Tracks that a label needs to be learnt: one each for training, validation and test.
FEWEST_TRACKS = 3

#: Labels that are used at most: more cannot be told apart in a picture.
MOST_LABELS = 50


def spelled_alike(tracks: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Give labels that differ only in case or blanks the spelling that most tracks have.

    Parameters
    ----------
    tracks : DataFrame
        `genre`.

    Returns
    -------
    tracks : DataFrame
    remark : str
        Which labels count as one; empty where none do.
    """
    counts = tracks.genre.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    normal = [" ".join(label.split()).casefold() for label in counts.index]
    common = counts.index.to_series().groupby(normal, sort=False).transform("first").str.strip()
    other = common.index != common
    if not other.any():
        return tracks, ""
    words = " as ".join(listed(map(repr, names)) for names in (common.index[other], common[other]))
    remark = f"labels that differ only in case or blanks count as one: {words}"
    return tracks.assign(genre=tracks.genre.map(common)), remark


def learnable(tracks: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Leave out labels with fewer tracks than `FEWEST_TRACKS`, and those beyond `MOST_LABELS`.

    All stay where less than two would be left: single segments may still be divided.

    Parameters
    ----------
    tracks : DataFrame
        `genre`, `recording`.

    Returns
    -------
    tracks : DataFrame
    remark : str
        How many tracks of which labels were left out, and why; empty where none were.
    """
    counts = tracks.drop_duplicates("recording").genre.value_counts()
    large = counts[counts >= FEWEST_TRACKS].index[:MOST_LABELS]
    kept = tracks[tracks.genre.isin(large)]
    small = sorted(set(counts.index) - set(large))
    if not small or len(large) < 2:
        return tracks, ""
    reason = f"a label needs {FEWEST_TRACKS} tracks to be learnt"
    if len(large) == MOST_LABELS:
        reason = f"only the {MOST_LABELS} largest labels are used"
    n_tracks, n_labels = count(len(tracks) - len(kept), "track"), count(len(small), "label")
    return kept, f"left out: {n_tracks} of {n_labels} ({listed(small)}); {reason}"


def sample(tracks: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """Take about `limit` tracks, as many of each label, spread over the label's list.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `genre`, `duplicate_of`.
    limit : int or None
        More are taken where labels would have fewer than `FEWEST_TRACKS`; None for all tracks.
    """
    if not limit or tracks.empty:
        return tracks
    share = max(FEWEST_TRACKS, limit // tracks.genre.nunique())
    rows: list[int] = []
    for places in tracks.groupby("genre").indices.values():
        spread = np.linspace(0, len(places) - 1, min(share, len(places)))
        rows += places[spread.round().astype(int)].tolist()
    taken = tracks.iloc[rows].reset_index(drop=True)
    present = taken.duplicate_of.isin(taken.track_id)
    return taken.assign(duplicate_of=taken.duplicate_of.where(present, pd.NA))


def count(n: int, noun: str) -> str:
    """A number and what it counts, in the singular or plural."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def listed(names: Iterable[str]) -> str:
    """The first few names."""
    names = list(dict.fromkeys(names))
    return ", ".join(names) if len(names) < 6 else f"{names[0]}, {names[1]} and others"
