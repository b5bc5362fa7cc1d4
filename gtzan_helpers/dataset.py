"""A source named in, a table of tracks out.

GTZAN: 1000 excerpts of 30 s in ten genres (Tzanetakis & Cook, "Musical genre classification
of audio signals", IEEE TSAP 10(5), 2002). It has no licence: its author had no permission
for the music, so the audio is never redistributed. Its faults (Sturm, arXiv:1306.1461) are
replicas, wrong labels and few artists; `facts/gtzan_tracks.csv` holds, for each track, what
is known of them, and the fault-filtered partition of Kereliuk, Sturm & Larsen
(arXiv:1507.04761).

Taught in notebook 00.
"""

import re
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import audio, config, files, packs, synth
from gtzan_helpers.errors import SourceError, reason

COLUMNS = (
    "track_id",
    "genre",
    "path",
    "artist_group",
    "duplicate_of",
    "sturm_removed",
    "fault_filtered",
    "md5",
)
"""Columns of a table of tracks; NA where a source does not know."""

FACTS = ("artist_group", "duplicate_of", "sturm_removed", "fault_filtered")

INNER_FOLDERS = (
    *("", "genres", "genres_original", "Data/genres_original"),
    *("images_original", "Data/images_original"),
)
"""Where a dataset's labelled folders may lie below the folder that the user names."""

PICTURES = (".png", ".jpg", ".jpeg")
"""Endings of ready-made pictures of tracks, for the backbones of notebook 06."""

_SEGMENT = re.compile(r"(?P<track>.+)\.(?P<segment>\d{1,4})\.\w+")


@dataclass(frozen=True)
class Source:
    """A dataset that was found.

    Attributes
    ----------
    name : str
        What result rows call it.
    kind : str
        "audio" or "pictures" (labelled folders), "pack" (`.npz`) or "table" (`.csv`).
    path : Path
        The folder that holds the labels' folders, or the file.
    profile : Profile
        How much of it is taken.
    synthetic : bool
        Whether it is the embedded dataset, or features of it: no results on GTZAN. Its name then
        begins with that word.
    """

    name: str
    kind: str
    path: Path
    profile: config.Profile
    synthetic: bool = False


def resolve(source: str | Path, *, profile: str = "quick", jobs: int = 1) -> Source:
    """Find the dataset of that name or path; the embedded one is made where it is missing.

    Parameters
    ----------
    source : str or Path
        ``synthetic``, ``mini``, ``gtzan``, a folder, a pack (`.npz`) or a table (`.csv`).
    profile : {"smoke", "quick", "full"}
        How much of it to take; see `config.Profile`.
    jobs : int
        Processes to make the embedded dataset with.

    Returns
    -------
    Source

    Raises
    ------
    SourceError
        If there is no such thing, or no audio in it.
    """
    settings = config.profile(profile)
    name = str(source)
    if name == "synthetic":
        return Source(name, "audio", _synthetic(settings, jobs), settings, synthetic=True)
    if name in ("mini", "gtzan"):
        folder = config.data_dir() / name
        if not folder.is_dir():
            raise SourceError(
                f"{name} is not in {config.data_dir()}; `gtzan fetch {name}` downloads it, or "
                "name the folder where you have it"
            )
        return Source(name, "audio", _label_root(folder), settings)
    try:
        path = Path(source).expanduser()
        there = path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(
            f"{name[:80]}: no path that can be looked up ({reason(error)})"
        ) from error
    if path.is_dir():
        root = _label_root(path)
        kind = "audio" if _label_folders(root) else "pictures"
        return Source(path.resolve().name, kind, root, settings)
    if not there:
        raise SourceError(
            f"{name}: no such folder or file, and no dataset of that name; use synthetic, mini, "
            "gtzan, a folder of labelled folders, a .npz pack or a .csv table"
        )
    kinds = {".npz": "pack", ".csv": "table"}
    file_kind = kinds.get(path.suffix.lower())
    if file_kind is None:
        raise SourceError(f"{name}: neither a folder nor a .npz pack nor a .csv table")
    found = Source(path.stem, file_kind, path, settings)
    if _planned(_listed(found)) is None:
        return found
    return replace(found, name=f"synthetic_{path.stem}", synthetic=True)


def _synthetic(settings: config.Profile, jobs: int) -> Path:
    n_tracks, seconds = settings.synthetic_tracks, settings.synthetic_seconds
    # A changed recipe makes another dataset, never a mixture of two.
    version = files.digest(synth.__file__)[:8]
    folder = config.cache_dir() / "synthetic" / f"{n_tracks}x{seconds:g}s-{version}"
    synth.make(folder, n_tracks=n_tracks, seconds=seconds, seed=config.SYNTHETIC_SEED, jobs=jobs)
    return folder


def _label_root(folder: Path) -> Path:
    for suffixes in (audio.SUFFIXES, PICTURES):
        for inner in INNER_FOLDERS:
            if _label_folders(folder / inner, suffixes):
                return folder / inner
    raise SourceError(
        f"{folder}: no audio in labelled folders; expected {folder.name}/<label>/*"
        f"{{{','.join(s[1:] for s in audio.SUFFIXES)}}}"
    )


def _label_folders(root: Path, suffixes: tuple[str, ...] = audio.SUFFIXES) -> list[Path]:
    if not root.is_dir():
        return []
    folders = [entry for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."]
    return sorted(folder for folder in folders if scan(folder, suffixes)[0])


def scan(folder: Path, suffixes: tuple[str, ...] = audio.SUFFIXES) -> tuple[list[Path], list[Path]]:
    """Tell the audio in a label's folder from everything else.

    Parameters
    ----------
    folder : Path
    suffixes : tuple of str
        Endings to look for, instead of those of audio.

    Returns
    -------
    recordings, others : lists of Path
        Sorted by name. Hidden files (``.DS_Store``, the ``._*.wav`` that macOS leaves in
        archives) are in neither: they are not the user's.
    """
    seen = sorted(p for p in folder.iterdir() if p.name[0] != "." and not p.is_dir())
    recordings = [p for p in seen if p.suffix.lower() in suffixes]
    return recordings, [p for p in seen if p not in set(recordings)]


def load(source: str | Path | Source, *, profile: str = "quick") -> pd.DataFrame:
    """Load the table of a source's tracks.

    Parameters
    ----------
    source : str, Path or Source
        See `resolve`.
    profile : {"smoke", "quick", "full"}
        How much of it to take.

    Returns
    -------
    DataFrame, one row per track
        The columns `COLUMNS`; sorted by genre and id; NA where a source does not know.

    Raises
    ------
    SourceError
        See `resolve`.
    """
    found = source if isinstance(source, Source) else resolve(source, profile=profile)
    of_files = found.kind in ("audio", "pictures")
    tracks = _file_tracks(found) if of_files else _known_tracks(found)
    tracks = tracks.sort_values(["genre", "track_id"], ignore_index=True)[list(COLUMNS)]
    if found.profile.track_limit is None:
        return tracks
    return _sample(tracks, found.profile.track_limit)


def _sample(tracks: pd.DataFrame, limit: int) -> pd.DataFrame:
    """Take about `limit` tracks, as many of each label, spread over the label's list."""
    share = max(1, limit // tracks.genre.nunique())
    kept = []
    for _, group in tracks.groupby("genre"):
        picked = np.linspace(0, len(group) - 1, min(share, len(group))).round().astype(int)
        kept.append(group.iloc[picked])
    sample = pd.concat(kept, ignore_index=True)
    return sample.assign(
        duplicate_of=sample.duplicate_of.where(sample.duplicate_of.isin(sample.track_id), pd.NA)
    )


# Audio, and pictures


def _file_tracks(source: Source) -> pd.DataFrame:
    suffixes = audio.SUFFIXES if source.kind == "audio" else PICTURES
    folders = _label_folders(source.path, suffixes)
    paths = [path for folder in folders for path in scan(folder, suffixes)[0]]
    tracks = pd.DataFrame({"path": [str(path) for path in paths]})
    tracks["genre"] = [path.parent.name for path in paths]
    tracks["track_id"] = _track_ids(paths)
    tracks["md5"] = pd.array([_md5(path) for path in paths], dtype="string")
    if source.synthetic:
        plan = pd.read_csv(source.path / "plan.csv", dtype={"duplicate_of": "string"})
        return tracks.merge(_typed(plan)[["track_id", *FACTS]], on="track_id", validate="1:1")
    if source.kind == "pictures":  # their bytes are not those of recordings
        return _with_facts_by_id(tracks)
    return _mark_copies(_with_facts(tracks))


def _track_ids(paths: list[Path]) -> list[str]:
    """The shortest name that tells all recordings apart."""
    ids: list[str] = []
    # The Kaggle release calls the picture of blues.00000 blues00000.
    for name in (
        lambda p: re.sub(r"^([a-z]+)(\d{5})$", r"\1.\2", p.stem),
        lambda p: f"{p.parent.name}/{p.stem}",
    ):
        ids = [name(path) for path in paths]
        if len(set(ids)) == len(ids):
            return ids
    return [f"{path.parent.name}/{path.name}" for path in paths]


def _md5(path: Path) -> str | None:
    try:
        return files.digest(path)
    except OSError:
        return None  # extraction says why it cannot be read


def _mark_copies(tracks: pd.DataFrame) -> pd.DataFrame:
    """Byte-identical files are replicas, whatever the facts know."""
    tracks = tracks.sort_values(["genre", "track_id"], ignore_index=True)
    known = tracks.md5.notna()
    first = tracks[known].groupby("md5").track_id.transform("first")
    copies = first.index[(first != tracks.track_id[first.index])]
    unmarked = copies[tracks.duplicate_of[copies].isna()]
    # A pair whose other half the facts mark already needs no second mark.
    marked = set(tracks.duplicate_of.dropna())
    unmarked = [i for i in unmarked if tracks.track_id[i] not in marked]
    tracks.loc[unmarked, "duplicate_of"] = first[unmarked]
    return tracks


# Facts


@lru_cache
def _facts() -> pd.DataFrame:
    facts = pd.read_csv(config.facts_dir() / "gtzan_tracks.csv", dtype={"duplicate_of": "string"})
    return _typed(facts)


def gtzan_facts() -> pd.DataFrame:
    """What is known of GTZAN's 1000 tracks.

    Returns
    -------
    DataFrame, one row per track
        `track_id`, `genre`, `artist_group` (tracks of one group share an artist),
        `artist_known` (those of unknown artist are groups of their own), `duplicate_of`
        (byte-identical to that track), `sturm_removed` (on a published list of replicas,
        versions and distortions), `fault_filtered` (train, valid, test or excluded), `md5`
        (of the original WAV file).
    """
    return _facts().copy()


def _typed(facts: pd.DataFrame) -> pd.DataFrame:
    return facts.astype(
        {
            "artist_group": "Int64",
            "duplicate_of": "string",
            "sturm_removed": "boolean",
            "fault_filtered": "string",
        }
    )


def _unknown(n_tracks: int) -> pd.DataFrame:
    return _typed(pd.DataFrame({column: [pd.NA] * n_tracks for column in FACTS}))


def _with_facts(tracks: pd.DataFrame) -> pd.DataFrame:
    """Add facts by the MD5 of the file, else by the id, else NA."""
    facts = _facts().set_index("track_id")
    by_md5 = _facts().drop_duplicates("md5").set_index("md5").track_id
    sources: list[str | None] = []
    by_name = 0
    for track in tracks.itertuples():
        named = facts.index.isin([track.track_id]).any() and (
            facts.genre[track.track_id] == track.genre
        )
        if named and facts.md5[track.track_id] == track.md5:
            sources.append(track.track_id)
        elif not pd.isna(track.md5) and track.md5 in by_md5.index:
            sources.append(by_md5[track.md5])
        elif named:
            by_name += 1
            sources.append(track.track_id)
        else:
            sources.append(None)
    if by_name:
        warnings.warn(
            f"{by_name} of {len(tracks)} tracks are named like GTZAN's but hold other bytes; "
            "facts about them go by their names",
            stacklevel=4,
        )
    added = _unknown(len(tracks))
    found = [i for i, track_id in enumerate(sources) if track_id is not None]
    added.iloc[found] = facts.loc[[sources[i] for i in found], list(FACTS)].to_numpy()
    here = {s: t for s, t in zip(sources, tracks.track_id, strict=True) if s}
    added = _present_originals(added, here)
    return pd.concat([tracks, added], axis=1)


def _present_originals(facts: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """A replica whose original is not in the source is none here."""
    originals = [pd.NA if pd.isna(o) else names.get(o, pd.NA) for o in facts.duplicate_of]
    return facts.assign(duplicate_of=pd.array(originals, dtype="string"))


# Packs and tables


def _listed(source: Source) -> pd.DataFrame:
    """Ids and labels of a pack's or a table's tracks."""
    if source.kind == "pack":
        pack = packs.read(source.path)
        return pd.DataFrame({"track_id": pack.track_id, "genre": pack.genre})
    rows = read_table(source.path)[0]
    return rows[["track_id", "genre"]].drop_duplicates("track_id", ignore_index=True)


def _planned(tracks: pd.DataFrame) -> pd.DataFrame | None:
    """Facts about tracks that are all of the embedded dataset, by id and label; else None."""
    if len(tracks) not in {profile.synthetic_tracks for profile in config.PROFILES.values()}:
        return None
    plan = synth.plan(len(tracks), seed=config.SYNTHETIC_SEED)
    mine, theirs = (set(zip(t.track_id, t.genre, strict=True)) for t in (tracks, plan))
    return _typed(plan)[["track_id", *FACTS]] if mine == theirs else None


def _known_tracks(source: Source) -> pd.DataFrame:
    tracks = _listed(source)
    tracks["path"] = pd.array([pd.NA] * len(tracks), dtype="string")
    tracks["md5"] = pd.array([pd.NA] * len(tracks), dtype="string")
    return _with_facts_by_id(tracks)


def _with_facts_by_id(tracks: pd.DataFrame) -> pd.DataFrame:
    """Add facts where every track is called, and labelled, as in a dataset we know; else NA."""
    planned = _planned(tracks)
    if planned is not None:
        return tracks.merge(planned, on="track_id", validate="1:1")
    facts = _facts().set_index("track_id")
    theirs = tracks.track_id.isin(facts.index)
    if theirs.all() and (facts.genre[tracks.track_id].to_numpy() == tracks.genre.to_numpy()).all():
        added = facts.loc[tracks.track_id, list(FACTS)].reset_index(drop=True)
        added = _present_originals(added, {name: name for name in tracks.track_id})
    else:
        added = _unknown(len(tracks))
    return pd.concat([tracks, added], axis=1)


def read_table(path: str | Path) -> tuple[pd.DataFrame, str]:
    """Read a feature table: either file of the Kaggle release, or one of ours.

    Parameters
    ----------
    path : str or Path
        A `.csv` with `filename`, `length` (samples), features, `label`.

    Returns
    -------
    rows : DataFrame
        `track_id`, `segment`, `length` (samples), `start_s`, `genre` and the features, sorted by
        track and segment.
    table : str
        Which of `features.TABLES` it holds.

    Raises
    ------
    SourceError
        If columns are missing or values are no finite numbers.
    """
    # librosa takes seconds to import; sources that are no table do without.
    from gtzan_helpers import features

    try:
        # Words stay words: a label may be 01, or NA.
        words = {"filename": str, "label": str}
        raw = pd.read_csv(path, dtype=words, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise SourceError(f"{path}: not a table that pandas can read ({reason(error)})") from error
    if not {"filename", "label"} <= set(raw.columns):
        raise SourceError(f"{path}: no columns `filename` and `label`; not a feature table")
    present = set(raw.columns) - {"filename", "length", "label"}
    table = next((name for name in features.TABLES if set(features.columns(name)) == present), None)
    if table is None:
        theirs = {name: set(features.columns(name)) for name in features.TABLES}
        nearest = min(theirs, key=lambda name: len(theirs[name] ^ present))
        absent, strange = sorted(theirs[nearest] - present), sorted(present - theirs[nearest])
        raise SourceError(
            f"{path}: its columns are none of {', '.join(theirs)}; of {nearest} it lacks "
            f"{len(absent)} ({', '.join(absent[:3]) or 'none'}) and has {len(strange)} others "
            f"({', '.join(strange[:3]) or 'none'})"
        )
    blank = raw[["filename", "label"]].apply(lambda column: column.str.strip() == "").any(axis=1)
    _refuse_lines(path, blank, "no filename or no label")
    names = list(features.columns(table))
    values = raw[names].apply(pd.to_numeric, errors="coerce")
    raw["length"] = pd.to_numeric(raw.get("length", pd.Series(0, raw.index)), errors="coerce")
    _refuse_lines(path, ~(raw["length"] >= 0), "a length that is no number of samples")
    finite = np.isfinite(values.to_numpy(dtype=float)).all(axis=1)
    _refuse_lines(path, pd.Series(~finite), "a feature that is not a finite number")
    if raw.empty:
        raise SourceError(f"{path}: it has no line below its header")
    rows = _table_index(raw)
    again = rows.duplicated(["track_id", "segment"])
    other = rows.genre != rows.groupby("track_id").genre.transform("first")
    _refuse_lines(path, other, "another label than the track's first line")
    _refuse_lines(path, again, f"{''.join(raw.filename[again].head(1))} for the second time")
    return pd.concat([rows, values], axis=1).sort_values(
        ["track_id", "segment"], ignore_index=True
    ), table


def _refuse_lines(path: str | Path, bad: pd.Series, what: str) -> None:
    if bad.any():
        raise SourceError(f"{path}: line {int(np.flatnonzero(bad)[0]) + 2}: {what}")


def _table_index(raw: pd.DataFrame) -> pd.DataFrame:
    names = raw.filename.astype(str)
    parts = names.str.extract(_SEGMENT)
    whole = pd.DataFrame({"track_id": names.str.replace(r"\.\w+$", "", regex=True), "segment": 0})
    index = whole
    if parts.notna().all(axis=None):
        numbers = parts.segment.astype(int)
        if (numbers.groupby(parts.track).min() == 0).all():
            index = pd.DataFrame({"track_id": parts.track, "segment": numbers})
    index["length"] = raw["length"]
    index["start_s"] = index.segment * index["length"] / config.SR
    index["genre"] = raw.label.astype(str)
    return index
