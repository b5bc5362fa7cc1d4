"""Feature tables: either ``.csv`` of the Kaggle release, or one of ours."""

import hashlib
import re
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import reading
from gtzan_helpers.audio import tables as feature_tables
from gtzan_helpers.audio.feature_sets import FeatureSet
from gtzan_helpers.datasets import Features, FileSource, Settings
from gtzan_helpers.datasets.kinds.folders import n_samples
from gtzan_helpers.errors import NotPossibleError, SourceError, reason, safe
from gtzan_helpers.files import LARGEST, regular, replacing
from gtzan_helpers.workers import Workers

_SEGMENT = re.compile(r"^(?P<track>.+)\.(?P<segment>[0-9]{1,4})\.\w+$")


class TableSource(FileSource):
    """A feature table as a source."""

    kind = "table"
    suffixes = (".csv",)

    def read(self) -> pd.DataFrame:
        """Read the table (see `read_table`), and hash each track's rows."""
        self._lines, self.table = read_table(self.path)
        columns = ["segment", "length", *feature_tables.columns(self.table)]
        # In single precision: parsers differ in the last digit.
        values = self._lines[columns].to_numpy(np.float32)
        tracks = self._lines[["track_id", "genre"]].drop_duplicates("track_id", ignore_index=True)
        rows = self._lines.groupby("track_id").indices
        hashes = [hashlib.md5(values[rows[i]].tobytes()).hexdigest() for i in tracks.track_id]
        return tracks.assign(md5=hashes)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Lines of the table about the source's tracks; see `read_table`."""
        mine = self._lines.track_id.isin(self.tracks.track_id)
        return self._lines[mine].reset_index(drop=True)

    @property
    def _in_segments(self) -> bool:
        return bool((self.rows.segment > 0).any())

    @property
    def _seconds(self) -> pd.Series:
        """Lengths of the lines that have one."""
        return self.rows.length[self.rows.length > 0] / config.SR

    @property
    def default_segment_seconds(self) -> float:
        """Length of the table's segments, in seconds; 0 for whole tracks."""
        if not self._in_segments:
            return 0.0
        # The Kaggle release's segments of 3 s lack a sample.
        return round(float(self._seconds.iloc[0]), 3) if len(self._seconds) else 3.0

    def lengths(self) -> pd.Series | None:
        """Samples of whole tracks at `config.SR`, by their ids; None for segments."""
        return None if self._in_segments else self.rows.set_index("track_id")["length"]

    def refusal(self, feature_set: str, segment_seconds: float) -> str:
        """A table gives its own features in its own segments."""
        if feature_set != self.table:
            return f"{feature_set!r} needs audio; the table {self.name} holds {self.table!r} only"
        own, length = self.default_segment_seconds, self.rows.length
        # A whole track as short as a segment is one.
        short = bool(((length > 0) & (length <= segment_seconds * config.SR)).all())
        as_segments = segment_seconds > 0 and np.allclose(self._seconds, segment_seconds, rtol=0.01)
        if as_segments if own else (short or segment_seconds == 0):
            return ""
        rows = f"segments of {own:g} s" if own else "whole tracks"
        return f"the table {self.name} holds {rows} only (--segment-seconds {own:g})"

    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Return the table's own values."""
        segments = self.rows[["track_id", "segment", "start_s", "genre"]].assign(repeated=False)
        failures = pd.DataFrame(columns=["track_id", "path", "reason"])
        columns = feature_set.columns
        values = self.rows[list(columns)].to_numpy()
        return Features(segments, values, columns, failures, self.tracks, self.table)


def read_table(path: str | Path) -> tuple[pd.DataFrame, str]:
    """Read a feature table.

    Parameters
    ----------
    path : str or Path
        A ``.csv`` with `filename`, `length` (samples), features, `label`.

    Returns
    -------
    rows : DataFrame
        `track_id`, `segment`, `length` (samples), `start_s`, `genre` and the features, sorted by
        track and segment.
    table : str
        Which of `audio.TABLES` it holds.

    Raises
    ------
    SourceError
        If columns are missing or values are no finite numbers.
    """
    try:
        regular(path, LARGEST)
        table = _table_of(path, pd.read_csv(path, nrows=0))  # first: a million columns take minutes
        # Words stay words: a label may be 01, or NA.
        raw = pd.read_csv(path, dtype={"filename": str, "label": str}, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise SourceError(f"{path}: not a table that pandas can read ({reason(error)})") from error
    blank = raw[["filename", "label"]].apply(lambda column: column.str.strip() == "").any(axis=1)
    _refuse_lines(path, blank, "no filename or no label")
    values = raw[list(feature_tables.columns(table))].apply(_numbers)
    raw["length"] = _numbers(raw.get("length", pd.Series(0, raw.index)))
    possible = raw["length"].between(0, reading.MAX_SAMPLES)
    _refuse_lines(path, ~possible, "a length that is no number of samples")
    finite = (np.abs(values.to_numpy(dtype=float)) < np.finfo(np.float32).max).all(axis=1)
    _refuse_lines(path, pd.Series(~finite), "a feature that is not a finite number")
    if raw.empty:
        raise SourceError(f"{path}: it has no line below its header")
    rows = _table_index(raw)
    other = rows.genre != rows.groupby("track_id").genre.transform("first")
    _refuse_lines(path, other, "another label than the track's first line")
    again = rows.duplicated(["track_id", "segment"])
    _refuse_lines(path, again, "a track or segment for the second time")
    return rows.join(values).sort_values(["track_id", "segment"], ignore_index=True), table


def _numbers(column: pd.Series) -> pd.Series:
    # As words, because pandas cannot turn an integer of 400 digits into a float.
    words = column.astype(str) if column.dtype == object else column
    return pd.to_numeric(words, errors="coerce")


def _table_of(path: str | Path, raw: pd.DataFrame) -> str:
    """The feature table whose columns these are."""
    if not {"filename", "label"} <= set(raw.columns):
        raise SourceError(f"{path}: no columns `filename` and `label`; not a feature table")
    present = set(raw.columns) - {"filename", "length", "label"}
    known = {name: set(feature_tables.columns(name)) for name in feature_tables.TABLES}
    nearest = min(known, key=lambda name: len(known[name] ^ present))
    if odd := sorted(known[nearest] ^ present):
        names = ", ".join(odd[:3])
        raise SourceError(f"{path}: {len(odd)} columns too few or too many for {nearest}: {names}")
    return nearest


def _refuse_lines(path: str | Path, bad: pd.Series, fault: str) -> None:
    if bad.any():
        raise SourceError(f"{path}: line {int(np.flatnonzero(bad)[0]) + 2}: {fault}")


def _says(table: pd.DataFrame, ids: pd.Series, numbers: pd.Series) -> bool:
    """Whether the names in a table are read as these tracks and segments."""
    index = _table_index(table)
    return index.track_id.tolist() == ids.tolist() and index.segment.tolist() == numbers.tolist()


def _table_index(raw: pd.DataFrame) -> pd.DataFrame:
    parts = raw.filename.str.extract(_SEGMENT)
    numbers = pd.to_numeric(parts.segment)
    tracks = parts.track
    # Songs that are numbered from 1 are no segments.
    if parts.isna().any(axis=None) or (numbers.groupby(tracks).min() != 0).any():
        tracks, numbers = raw.filename.str.replace(r"\.\w+$", "", regex=True), 0
    tracks = tracks.map(safe)
    index = pd.DataFrame({"track_id": tracks, "segment": numbers, "length": raw["length"]})
    return index.assign(start_s=index.segment * index.length / config.SR, genre=raw.label.map(safe))


def write_csv(
    path: str | Path,
    features: Features,
    *,
    segment_seconds: float,
    seconds_limit: float | None = None,
) -> Path:
    """Write a feature table in the form of the Kaggle release.

    Parameters
    ----------
    path : str or Path
        Where to.
    features : Features
        Of a feature table.
    segment_seconds : float
        Length of its segments; 0 for whole tracks.
    seconds_limit : float or None
        How much of each recording was used.

    Returns
    -------
    Path

    Raises
    ------
    NotPossibleError
        If tracks or segments have names that would be read as others.
    """
    most = round(seconds_limit * config.SR) if seconds_limit else float("inf")
    ids, numbers = features.segments.track_id, features.segments.segment
    paths = features.tracks.set_index("track_id").path
    suffixes = {i: Path(p).suffix if isinstance(p, str) else ".wav" for i, p in paths.items()}
    length = round(segment_seconds * config.SR)
    table = pd.DataFrame(features.values, columns=list(features.columns))
    table.insert(0, "filename", ids + ids.map(suffixes))
    table.insert(1, "length", length or [min(most, n_samples(paths[i])) for i in ids])
    table["label"] = features.segments.genre
    if not _says(table, ids, numbers):  # of several segments, or of songs that are numbered
        table["filename"] = ids + "." + numbers.astype(str) + ids.map(suffixes)
    if not _says(table, ids, numbers):
        raise NotPossibleError(
            f"{path}: a table cannot name {len(ids):,} segments of these tracks; take longer ones "
            "(--segment-seconds), or rename the tracks"
        )
    with replacing(path) as temporary:  # line by line: the text is larger than the table
        table.to_csv(temporary, index=False, lineterminator="\n", errors="backslashreplace")
    return Path(path)
