"""What is known of tracks beside their sound: artists, duplicates, a fault-filtered partition.

GTZAN: 1000 excerpts of 30 s in ten genres (Tzanetakis & Cook, "Musical genre classification
of audio signals", IEEE TSAP 10(5), 2002). It has no licence: its author had no permission
for the music, so the audio is never redistributed. Its faults (Sturm, arXiv:1306.1461) are
duplicates, wrong labels and few artists; `facts/gtzan_tracks.csv` holds, for each track, what
is known of them, and the fault-filtered partition of Kereliuk, Sturm & Larsen
(arXiv:1507.04761).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.datasets.embedded.plan import FACTS, planned_facts


def gtzan_facts() -> pd.DataFrame:
    """Facts about GTZAN's 1000 tracks.

    Returns
    -------
    DataFrame, one row per track
        `track_id`, `genre`, `artist_group` (tracks of one group share an artist),
        `artist_known` (tracks of unknown artists are groups of their own), `duplicate_of`
        (byte-identical to that track), `sturm_removed` (on a published list of duplicates,
        versions and distortions), `fault_filtered` (train, valid, test or excluded), `md5`
        (of the original WAV file).

    Examples
    --------
    >>> gtzan_facts().fault_filtered.value_counts().to_dict()
    {'train': 443, 'test': 290, 'valid': 197, 'excluded': 70}
    """
    return _gtzan().copy()


@lru_cache
def _gtzan() -> pd.DataFrame:
    return pd.read_csv(config.facts_dir() / "gtzan_tracks.csv").astype(FACTS)


def add_by_name(tracks: pd.DataFrame) -> pd.DataFrame:
    """Add facts where every track is called, and labelled, as in a dataset we know; else NA.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `genre`.
    """
    embedded = planned_facts(tracks)
    if embedded is not None:
        return tracks.merge(embedded, on="track_id", validate="1:1")
    known = tracks.track_id.map(_gtzan().set_index("track_id").genre) == tracks.genre
    return _add(tracks, tracks.track_id.where(known & known.all()))


def add_by_content(
    tracks: pd.DataFrame, recognise: Callable[[Iterable[str]], Iterable[tuple[str, ...]]]
) -> tuple[pd.DataFrame, str]:
    """Add facts by the MD5 of a track's file, else by its sound, else by its id and label, else NA.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `genre`, `path`, `md5`.
    recognise : callable
        Takes paths of recordings; gives for each the ids of GTZAN's tracks that it sounds like,
        the one to choose first.

    Returns
    -------
    tracks : DataFrame
    remark : str
        How many facts go by sound, and how many by names only; empty where none do.
    """
    gtzan = _gtzan()
    original = gtzan.drop_duplicates("md5").set_index("md5").track_id
    md5 = tracks.md5.where(tracks.md5.isin(original.index))
    is_other = md5.isna()
    heard = dict(zip(tracks.index[is_other], recognise(tracks.path[is_other]), strict=True))
    first = pd.Series({row: ids[0] for row, ids in heard.items() if ids}, dtype="string")
    md5 = md5.fillna(first.map(gtzan.set_index("track_id").md5))
    # A part of a track may be called blues.00000.3.
    own_names = tracks.track_id.str.replace(r"^(.+/)?([a-z]+\.\d{5})\b.*", r"\2", regex=True)
    named = own_names.to_frame().merge(gtzan, "left", on="track_id").set_index(tracks.index)
    # Among GTZAN's own duplicates the name decides.
    alike = pd.Series({row: name in heard.get(row, ()) for row, name in own_names.items()})
    by_name = (named.genre == tracks.genre) & (md5.isna() | (named.md5 == md5) | alike)
    counts = {"their sound": len(first), "their names only": int((by_name & md5.isna()).sum())}
    words = " and ".join(f"{n} by {way}" for way, n in counts.items() if n)
    remark = f"tracks of GTZAN were recognised: {words}, of {len(tracks)}" if words else ""
    return _add(tracks, own_names.where(by_name, md5.map(original))), remark


def _add(tracks: pd.DataFrame, originals: pd.Series) -> pd.DataFrame:
    """Add facts about GTZAN's tracks of these ids, one for each track; NA for none."""
    added = _gtzan().set_index("track_id")[list(FACTS)].reindex(originals).set_index(tracks.index)
    # A duplicate whose original is not in the source is none here.
    here = dict(zip(originals, tracks.track_id, strict=True))
    added["duplicate_of"] = added.duplicate_of.map(here, na_action="ignore").astype("string")
    added["recording"] = originals.fillna(tracks.track_id)
    return pd.concat([tracks, added], axis=1)


def add_artists(tracks: pd.DataFrame) -> pd.DataFrame:
    """Group tracks by the artists that the dataset itself names, if it names any.

    Parameters
    ----------
    tracks : DataFrame
        `artist_group`, `recording`, and maybe `artist`. Tracks without an artist stay in the group
        that the facts give them, or are groups of their own.
    """
    if "artist" not in tracks or tracks.artist.isna().all():
        return tracks
    known = ("group " + tracks.artist_group.astype("string")).fillna("track " + tracks.recording)
    groups = ("artist " + tracks.artist).fillna(known)
    return tracks.assign(artist_group=pd.array(pd.factorize(groups)[0], dtype="Int64"))


def mark_duplicates(tracks: pd.DataFrame) -> pd.DataFrame:
    """Mark byte-identical files as duplicates, whatever the facts know.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `genre`, `md5`, `duplicate_of`.

    Returns
    -------
    DataFrame
        Sorted by genre and id; `duplicate_of` is the first track with the same bytes.
    """
    tracks = tracks.sort_values(["genre", "track_id"], ignore_index=True)
    first = tracks.groupby("md5").track_id.transform("first")
    again = first.notna() & (first != tracks.track_id) & tracks.duplicate_of.isna()
    # A pair whose other half the facts mark already needs no second mark.
    again &= ~tracks.track_id.isin(tracks.duplicate_of.dropna())
    return tracks.assign(duplicate_of=tracks.duplicate_of.where(~again, first))
