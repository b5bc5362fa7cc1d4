"""What a run keeps of a system: its row in `results/`, its predictions in `predictions/`.

A row is stored under a key, which is known before anything is computed; see `Measurement.key`.
"""

import html
import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import files
from gtzan_helpers.datasets import splits
from gtzan_helpers.errors import DAMAGED_FILE, SourceError, reason, shown
from gtzan_helpers.models import systems


@dataclass(frozen=True)
class Row:
    """One result. Accuracies are shares from 0 to 1.

    `train_accuracy`, `valid_accuracy` and `segment_accuracy` (test set) count segments,
    `track_accuracy` and `macro_f1` tracks; for a system that is given whole tracks, a segment is
    a track. `status` is ``measured``, ``control`` (random weights in place of pretrained ones) or
    ``not_measured``; `note` gives the reason, or what was special.
    """

    system_id: str
    source: str
    features: str
    segment_seconds: float
    protocol: str
    seed: int
    status: str
    note: str = ""
    n_train: int | None = None
    n_valid: int | None = None
    n_test: int | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None
    segment_accuracy: float | None = None
    track_accuracy: float | None = None
    track_ci_low: float | None = None
    track_ci_high: float | None = None
    artist_ci_low: float | None = None
    artist_ci_high: float | None = None
    macro_f1: float | None = None
    fit_seconds: float | None = None
    n_parameters: int | None = None
    pretrained: str = ""
    profile: str = ""
    versions: str = ""

    def __post_init__(self) -> None:
        """Refuse what no run writes."""
        for field in fields(self):
            value = getattr(self, field.name)
            kind: Any = field.type if field.type in (str, int, int | None) else int | float | None
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ValueError(f"{field.name} {value!r}")
            share = field.name.endswith(("accuracy", "_f1")) and value is not None
            if share and (float(value) < 0 or float(value) > 1):
                raise ValueError(f"{field.name} {value!r} is no share")
            if isinstance(value, str) and value != shown(value):
                raise ValueError(f"{field.name} {value!r} is more than a line")
            if isinstance(value, int | float) and abs(value) >= LARGEST:
                raise ValueError(f"{field.name} is no number that a table holds")
        if Path(self.source).name != self.source or self.source == "..":
            raise ValueError(f"source {self.source!r} is no name")
        if self.system_id not in systems.SYSTEMS:
            raise ValueError(f"there is no system {self.system_id!r}")
        if self.status not in STATUSES or self.protocol not in splits.PROTOCOLS:
            raise ValueError(f"status {self.status!r}, protocol {self.protocol!r}")
        if self.status == "measured" and pd.isna(self.track_accuracy):
            raise ValueError("measured, without an accuracy")
        for ends in (
            (self.track_ci_low, self.track_ci_high),
            (self.artist_ci_low, self.artist_ci_high),
        ):
            known = (ends[0], self.track_accuracy, ends[1])
            interval = [float(share) for share in known if share is not None and share == share]
            if (np.diff(interval) < -1e-9).any():
                raise ValueError(f"an interval {interval} that does not hold the accuracy")

    @property
    def stem(self) -> str:
        """Name of the files that belong to this row."""
        return stem(self.system_id, self.source, self.protocol, self.seed)


# Beyond it, whole numbers do not fit into a table's columns.
LARGEST = 2**63

STATUSES = ("measured", "control", "not_measured")

#: Columns of a table of rows: the fields of `Row`.
COLUMNS = tuple(field.name for field in fields(Row))


def stem(system_id: str, source: str, protocol: str, seed: int) -> str:
    """Name of the files of one result, without their suffixes."""
    return f"{system_id}__{source}__{protocol}__{seed}"


@dataclass(frozen=True)
class Rows:
    """Rows that a notebook works with; in a cell they show themselves as a table.

    Attributes
    ----------
    table : DataFrame
        Columns `COLUMNS`; every row, whatever its status.
    """

    table: pd.DataFrame

    @property
    def measured(self) -> pd.DataFrame:
        """The rows that count: neither controls nor what could not be measured."""
        return self.table[self.table.status == "measured"]

    @property
    def left_out(self) -> pd.DataFrame:
        """`system_id`, `protocol` and `note` of what could not be measured."""
        refused = self.table[self.table.status == "not_measured"]
        return refused[["system_id", "protocol", "note"]]

    def under(self, protocol: str) -> pd.DataFrame:
        """The measured rows of one protocol."""
        return self.measured[self.measured.protocol == protocol]

    def best(self, protocol: str) -> str:
        """System with the highest accuracy on the validation set; empty if there is none."""
        rows = self.under(protocol)
        return "" if rows.empty else str(rows.loc[rows.valid_accuracy.idxmax()].system_id)

    def _repr_html_(self) -> str:
        shown = self.table[self.table.status != "not_measured"]
        names = ["system_id", "features", "protocol", "train_accuracy", "valid_accuracy"]
        names += ["segment_accuracy", "track_accuracy", "macro_f1", "n_parameters", "note"]
        shares = {name: "{:.0%}" for name in names if name.endswith(("accuracy", "f1"))}
        style = shown[names].style.hide(axis="index")
        page = style.format({**shares, "n_parameters": "{:,.0f}"}, na_rep="–").to_html()
        refused = self.left_out.drop_duplicates(["system_id", "note"])
        lines = (f"{row.system_id}, {row.protocol}: {row.note}" for row in refused.itertuples())
        return page + "".join(f"<p>Left out: {html.escape(line)}</p>" for line in lines)


def write_row(folder: str | Path, row: Row, *, key: str, tracks: str = "") -> Path:
    """Write one row as JSON, with the key under which it may be read again.

    Parameters
    ----------
    folder : str or Path
        The `results/` of a run.
    row : Row
    key : str
        See `Measurement.key`.
    tracks : str
        Digest of the tracks that it was measured on, see `Source.digest`; empty if not known.
    """
    text = json.dumps({"key": key, "tracks": tracks, **asdict(row)}, indent=1)
    return files.write_text(Path(folder) / f"{row.stem}.json", text + "\n")


def withdraw(folder: str | Path, stem: str) -> None:
    """Remove a row before what belongs to it is written anew, so that the two always agree.

    Parameters
    ----------
    folder : str or Path
        The `results/` of a run.
    stem : str
        See `stem`.
    """
    (Path(folder) / f"{stem}.json").unlink(missing_ok=True)


def read_row(folder: str | Path, stem: str, *, key: str = "") -> Row | None:
    """Read the row of that name if it was written under that key, else None.

    Parameters
    ----------
    folder : str or Path
        The `results/` of a run.
    stem : str
        See `stem`.
    key : str
        Empty accepts any key.
    """
    try:
        stored_key, _, row = _load(Path(folder) / f"{stem}.json")
    except DAMAGED_FILE:
        return None  # not there yet, or written by another version: measured again
    return row if key in ("", stored_key) else None


def _load(path: Path) -> tuple[str, str, Row]:
    """The key, the digest of the tracks, and the row."""
    files.regular(path, files.SMALL)
    stored = json.loads(path.read_text(encoding="utf-8"))
    key, tracks, row = stored.pop("key"), stored.pop("tracks", ""), Row(**stored)
    if row.stem != path.stem:
        raise ValueError(f"the row of {row.stem}")
    return key, tracks, row


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a frame with the columns `COLUMNS`."""
    return _typed(pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS)))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for field in fields(Row):
        if field.type is str:
            frame[field.name] = frame[field.name].astype(object).fillna("").astype(str)
        elif field.type in (int, int | None):
            frame[field.name] = frame[field.name].astype("Int64")
        else:
            frame[field.name] = frame[field.name].astype(float)
    return frame


def from_table(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame that `table` made."""
    columns = [[None if pd.isna(v) else v for v in frame[name].tolist()] for name in COLUMNS]
    return [Row(*values) for values in zip(*columns, strict=True)]


def read_run(run: str | Path) -> pd.DataFrame:
    """Read the results of a run on its tracks as they are: a run's folder, or a `scoreboard.csv`.

    Parameters
    ----------
    run : str or Path
        The folder, or the file.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, in the order of the table of systems.

    Raises
    ------
    SourceError
        If there are none that can be read. Of several a damaged one is left out with a warning.
    """
    run = Path(run)
    if run.suffix == ".csv" and run.exists():
        return _read_csv(run)
    paths = sorted((run / "results").glob("*.json"))
    if not paths:
        raise SourceError(f"{run}: no results there; `gtzan run` makes them")
    now, rows, faults = read_source(run).get("digest", ""), [], []
    for path in paths:
        try:
            _, tracks, row = _load(path)
        except DAMAGED_FILE as error:
            faults.append(f"{path}: not a result of this version; remove it ({reason(error)})")
            continue
        if now in ("", tracks) or not tracks:
            rows.append(row)
    if not rows:
        none = f"{run}: no results of its tracks as they are now; `gtzan run` makes them"
        raise SourceError(faults[0] if faults else none)
    for fault in faults:
        warnings.warn(f"left out: {fault}", stacklevel=2)
    return table(rows)


def read_source(run: Path) -> dict[str, Any]:
    """Read which source a run is of: `name`, `address`, `synthetic`, and its tracks' `digest`.

    Parameters
    ----------
    run : Path
        The run's folder.

    Returns
    -------
    dict
        Empty where nothing is known.

    Raises
    ------
    SourceError
        If the file is damaged.
    """
    path, kinds = run / "source.json", {"name": str, "address": str, "synthetic": bool}
    if not os.path.lexists(path):
        return {}
    try:
        files.regular(path, files.SMALL)
        about = json.loads(path.read_text(encoding="utf-8"))
        for name, kind in (kinds | {"digest": str}).items():
            if not isinstance(about[name], kind):
                raise TypeError(f"{name} {about[name]!r}")
    except DAMAGED_FILE as error:
        raise SourceError(
            f"{path}: damaged, it should say which source the run is of ({reason(error)}); choose "
            "another folder (--out, run_dir), or remove this one"
        ) from error
    return dict(about)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        files.regular(path, files.SMALL)
        frame = _typed(pd.read_csv(path, keep_default_na=True)[list(COLUMNS)])
        if not from_table(frame):
            raise ValueError("it holds no row")
    except DAMAGED_FILE as error:
        raise SourceError(f"{path}: not a scoreboard of this version ({reason(error)})") from error
    return frame
