"""Feature tables: either ``.csv`` of the Kaggle release, or one of ours, as programs save them."""

import codecs
import contextlib
import csv
import hashlib
import re
from collections.abc import Container
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import reading
from gtzan_helpers.audio import tables as feature_tables
from gtzan_helpers.audio.feature_sets import FeatureSet
from gtzan_helpers.datasets import Features, FileSource, Settings, labels
from gtzan_helpers.datasets.kinds.recordings import n_samples
from gtzan_helpers.errors import NotPossibleError, SourceError, reason, safe
from gtzan_helpers.files import LARGEST, regular, replacing
from gtzan_helpers.workers import Workers

_SEGMENT = re.compile(r"^(?P<track>.+)\.(?P<segment>[0-9]{1,4})\.\w+$")

# What programs call a column that only counts the lines; see `_plain`.
_INDEX = re.compile(r"(unnamed\d*|index)?")

# Characters of a header, so that one without an end is not read.
_LONGEST_HEADER = 1 << 24


class TableSource(FileSource):
    """A feature table as a source."""

    kind = "table"
    suffixes = (".csv", ".tsv", ".txt")

    def read(self) -> pd.DataFrame:
        """Read the table (see `read_table`), and hash each track's rows."""
        self._lines, self.table = read_table(self.path)
        self._remarks.append(self._lines.attrs["remark"])
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
        asked, held = map(_rows, (segment_seconds, own))
        return f"needs {asked}; the table {self.name} holds {held} only"

    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Return the table's own values."""
        segments = self.rows[["track_id", "segment", "start_s", "genre"]].assign(repeated=False)
        failures = pd.DataFrame(columns=["track_id", "path", "reason"])
        columns = feature_set.columns
        values = self.rows[list(columns)].to_numpy()
        return Features(segments, values, columns, failures, self.tracks, self.table)


def _rows(segment_seconds: float) -> str:
    return f"segments of {segment_seconds:g} s" if segment_seconds else "whole tracks"


def read_table(path: str | Path) -> tuple[pd.DataFrame, str]:
    """Read a feature table.

    Parameters
    ----------
    path : str or Path
        A table with a header: `filename`, features, `label`, and if known `length` (samples), in
        any order; case, blanks and underscores in these names do not matter. Fields are separated
        by ``,``, ``;``, ``|`` or tabs; but for ``,``, decimal commas are read, too. The text is
        UTF-8, UTF-16, or taken for Windows-1252.

    Returns
    -------
    rows : DataFrame
        `track_id`, `segment`, `length` (samples), `start_s`, `genre` and the features, sorted by
        track and segment. ``rows.attrs["remark"]`` says which columns were ignored.
    table : str
        Which of `audio.TABLES` it holds.

    Raises
    ------
    SourceError
        If columns are missing or values are no finite numbers.
    """
    try:
        regular(path, LARGEST)
        raw, table, remark = _read(path)
    except (ValueError, OSError, csv.Error) as error:
        raise SourceError(f"{path}: not a table that can be read ({reason(error)})") from error
    words = raw[["filename", "label"]].apply(lambda column: column.str.strip())
    raw[["filename", "label"]] = words
    _refuse_lines(path, (words == "").any(axis=1), "no filename or no label")
    values = raw[list(feature_tables.columns(table))].apply(_numbers)
    raw["length"] = _numbers(raw["length"])
    # A fraction was a number with commas or points between its thousands.
    possible = raw["length"].between(0, reading.MAX_SAMPLES) & (raw["length"] % 1 == 0)
    _refuse_lines(path, ~possible, "a length that is no number of samples")
    finite = (np.abs(values.to_numpy(dtype=float)) < np.finfo(np.float32).max).all(axis=1)
    _refuse_lines(path, pd.Series(~finite), "a feature that is not a finite number")
    rows = _table_index(raw)
    other = rows.genre != rows.groupby("track_id").genre.transform("first")
    _refuse_lines(path, other, "another label than the track's first line")
    again = rows.duplicated(["track_id", "segment"])
    _refuse_lines(path, again, "a track or segment for the second time")
    rows = rows.join(values).sort_values(["track_id", "segment"], ignore_index=True)
    rows.attrs["remark"] = remark
    return rows, table


def _read(path: str | Path) -> tuple[pd.DataFrame, str, str]:
    """The fields of a feature table as they are, its name, and a remark on what was ignored."""
    with Path(path).open(encoding=text_encoding(path), newline="") as file:
        # pandas takes minutes for a header of a million columns, and drops fields without a column.
        lines = iter(lambda: file.readline(_LONGEST_HEADER), "")
        # A spreadsheet is told of the separator in a line of its own.
        first = next((line for line in lines if line.strip() and line[:4] != "sep="), "")
        if len(first) >= _LONGEST_HEADER:
            raise SourceError(f"{path}: no header; its first line has {len(first):,} characters")
        separator = max(",;\t|", key=first.count)
        format_: dict[str, Any] = {"delimiter": separator, "skipinitialspace": True}
        reader = csv.reader(chain([first], iter(file.readline, "")), **format_)
        header = next(reader, [])
        places = {_plain(header[i]): i for i in reversed(range(len(header)))}
        table = _table_of(path, places, header)
        names = ["filename", "label", *feature_tables.columns(table)]
        names += ["length"] if "length" in places else []
        begin = file.tell()
        n_lines, shift = _size(path, reader, len(header))
        file.seek(begin)
        columns = [places[_plain(name)] + shift for name in names]
        raw = pd.read_csv(
            file, header=None, usecols=columns, nrows=n_lines, low_memory=False, **format_,
            # Words stay words: a label may be 01, or NA.
            dtype={columns[0]: str, columns[1]: str}, keep_default_na=False,
            decimal="." if separator == "," else ",",
        )  # fmt: skip
    used = {place - shift for place in columns}
    ignored = [name for place, name in enumerate(header) if place not in used]
    ignored = [safe(name[:40]) for name in ignored if not _INDEX.fullmatch(_plain(name))]
    words = f"{labels.count(len(ignored), 'column')} that {table} does not have"
    remark = f"ignored: {words}: {labels.listed(ignored)}" if ignored else ""
    raw = raw[columns].set_axis(names, axis=1)
    return raw.reindex(columns=raw.columns.union(["length"]), fill_value=0), table, remark


def text_encoding(path: str | Path) -> str:
    """The first encoding that the whole of a text file can be read in.

    Parameters
    ----------
    path : str or Path
    """
    with Path(path).open("rb") as file:
        start = file.read(2)
    likely = "utf-8-sig"
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        likely = "utf-16"
    elif b"\0" in start:
        likely = "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
    for encoding in (likely, "cp1252"):
        with contextlib.suppress(UnicodeDecodeError), Path(path).open(encoding=encoding) as file:
            while file.read(1 << 20):
                pass
            return encoding
    return "latin-1"  # in which nothing is wrong


def _plain(name: str) -> str:
    """The name of a column in small letters and digits only."""
    return re.sub(r"[\W_]+", "", name).casefold()


def _size(path: str | Path, reader: Any, n_columns: int) -> tuple[int, int]:
    """Lines up to the last that is not blank, and the first column's place in them.

    R gives names to lines, but not to the column of these names.
    """
    n_lines = n_used = shift = 0
    for fields in reader:
        blank = not "".join(fields).strip()
        n_lines += not blank or len(fields) > 1  # pandas passes over the others
        if blank:
            continue
        if not n_used:
            shift = int(len(fields) == n_columns + 1 and fields[-1].strip() != "")
        if len(fields) != n_columns + shift:
            fault = f"line {reader.line_num}: {len(fields)} fields, but the header has {n_columns}"
            raise SourceError(f"{path}: {fault}")
        n_used = n_lines
    if not n_used:
        raise SourceError(f"{path}: it has no line below its header")
    return n_used, shift


def _numbers(column: pd.Series) -> pd.Series:
    # As words, because pandas cannot turn an integer of 400 digits into a float.
    words = column.astype(str) if column.dtype == object else column
    return pd.to_numeric(words, errors="coerce")


def _table_of(path: str | Path, present: Container[str], header: list[str]) -> str:
    """The feature table whose columns are `present`, under plain names."""
    known = {name: feature_tables.columns(name) for name in feature_tables.TABLES}
    held = {name for name in chain(*known.values()) if _plain(name) in present}
    nearest = min(known, key=lambda name: len(held.symmetric_difference(known[name])))
    missing = [name for name in known[nearest] if name not in held]
    unnamed = [name for name in ("filename", "label") if name not in present]
    n_columns = len(known[nearest])
    if 2 * len(missing) > n_columns:
        columns = labels.listed(name[:40] for name in header) or "none"
        raise SourceError(
            f"{path}: no feature table; its columns are {columns}; expected filename, label and "
            f"the features of {' or '.join(known)}; a table of tracks "
            "(metadata.csv with a column file_name) is used by naming its folder"
        )
    if unnamed:
        lack = f"no column {' and no column '.join(unnamed)}"
        raise SourceError(f"{path}: {lack}; a feature table has filename, label and features")
    if missing:
        verb, names = "is" if len(missing) == 1 else "are", ", ".join(missing[:3])
        lack = f"{len(missing)} of the {n_columns} columns of {nearest} {verb} missing"
        raise SourceError(f"{path}: {lack}: {names}{', ...' * (len(missing) > 3)}")
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
