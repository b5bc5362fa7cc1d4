"""The plan of the embedded dataset: every track's artist, song, label and faults."""

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.datasets.embedded.recipes import NEIGHBOURS

TRACKS_PER_ARTIST = 4
# Fewest and most artists of a genre: few, as in GTZAN, and enough for each set of a split.
ARTISTS = (4, 8)

DUPLICATE_SHARE = 0.05
WRONG_LABEL_SHARE = 0.04
# Shares of the artists in the validation and the test set.
HELD_OUT_SHARES = 0.25, 0.30

FACTS = {
    "artist_group": "Int64",
    "duplicate_of": "string",
    "sturm_removed": "boolean",
    "fault_filtered": "string",
}


def make_plan(n_tracks: int, *, seed: int) -> pd.DataFrame:
    """Decide what every track is, before any is played.

    Parameters
    ----------
    n_tracks : int
        Number of tracks in total; at least four per genre.
    seed : int
        Random seed.

    Returns
    -------
    DataFrame, one row per track
        `track_id` (``blues.s0000``, never mistaken for one of GTZAN's), `genre` (the label, right
        or wrong), `true_genre`, `artist` (its number within the genre), `song` (duplicates are
        of the same song), `replica` (the kind of duplicate: "none", "exact", "near"), and
        `artist_group`, `duplicate_of`, `sturm_removed`, `fault_filtered` as in every table of
        tracks.
    """
    rng = np.random.default_rng([seed, 0])
    if n_tracks < 4 * len(config.GENRES):
        raise ValueError(f"n_tracks={n_tracks} is too few: four a genre are needed")
    genres = np.repeat(config.GENRES, -(-n_tracks // len(config.GENRES)))
    tracks = pd.DataFrame({"genre": np.sort(genres)[:n_tracks]})
    number = tracks.groupby("genre").cumcount()
    tracks.insert(0, "track_id", tracks.genre + ".s" + number.astype(str).str.zfill(4))
    per_genre = tracks.genre.value_counts()
    n_artists = tracks.genre.map(per_genre.floordiv(TRACKS_PER_ARTIST).clip(*ARTISTS))
    tracks = tracks.assign(true_genre=tracks.genre, artist=number % n_artists, song=tracks.index)
    tracks = tracks.assign(duplicate_of=pd.NA, replica="none")
    _plant_faults(tracks, rng)
    tracks["artist_group"] = tracks.groupby(["true_genre", "artist"], sort=False).ngroup()
    tracks["sturm_removed"] = tracks.duplicate_of.notna()
    tracks["fault_filtered"] = _partition(tracks, rng)
    return tracks.astype(FACTS)


def _plant_faults(tracks: pd.DataFrame, rng: np.random.Generator) -> None:
    per_genre = tracks.groupby("genre").size()
    # No faults among the first tracks of a genre, so that every artist keeps a sound one.
    spare = tracks.index[tracks.groupby("genre").cumcount() >= max(3, per_genre.min() // 2)]
    n_duplicates = max(2, round(DUPLICATE_SHARE * len(tracks)))
    n_wrong = max(1, round(WRONG_LABEL_SHARE * len(tracks)))
    chosen = rng.permutation(spare)[: n_duplicates + n_wrong]
    for k, index in enumerate(chosen[:n_duplicates]):
        same = tracks.index[(tracks.genre == tracks.genre[index]) & ~tracks.index.isin(chosen)]
        original = rng.choice(same)
        tracks.loc[index, ["artist", "song"]] = tracks.loc[original, ["artist", "song"]].to_numpy()
        tracks.loc[index, "duplicate_of"] = tracks.track_id[original]
        tracks.loc[index, "replica"] = "exact" if k % 2 == 0 else "near"
    for index in chosen[n_duplicates:]:
        tracks.loc[index, "true_genre"] = rng.choice(NEIGHBOURS[tracks.genre[index]])


def _partition(tracks: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Assign whole artists to sets, genre by genre; faulty tracks are excluded."""
    partition = pd.Series("excluded", index=tracks.index, dtype="string")
    sound = tracks[tracks.duplicate_of.isna() & (tracks.genre == tracks.true_genre)]
    for _, group in sound.groupby("genre"):
        artists = rng.permutation(group.artist_group.unique())
        n_valid, n_test = (max(1, round(share * len(artists))) for share in HELD_OUT_SHARES)
        parts = ["test"] * n_test + ["valid"] * n_valid + ["train"] * len(artists)
        partition[group.index] = group.artist_group.map(dict(zip(artists, parts, strict=False)))
    return partition


def planned_facts(tracks: pd.DataFrame) -> pd.DataFrame | None:
    """Return the facts about the embedded dataset's tracks, or None if these are others.

    Parameters
    ----------
    tracks : DataFrame
        `track_id` and `genre` of all tracks of a source.

    Returns
    -------
    DataFrame or None
        `track_id`, `artist_group`, `duplicate_of`, `sturm_removed`, `fault_filtered`; None unless
        ids and labels are exactly those of the embedded dataset in one of its sizes.
    """
    if len(tracks) not in {profile.synthetic_tracks for profile in config.PROFILES.values()}:
        return None
    plan = make_plan(len(tracks), seed=config.SYNTHETIC_SEED)
    ours, theirs = (set(zip(t.track_id, t.genre, strict=True)) for t in (plan, tracks))
    return plan[["track_id", *FACTS]] if ours == theirs else None
