"""Result rows: one per system, source, protocol and seed; written, read, merged, compared."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from gtzan_helpers import files, splits, systems
from gtzan_helpers.errors import SourceError

BASELINE = 0.10
"""What guessing one of ten equally frequent genres scores."""

CEILING = 0.945
"""What a perfect listener would score, given GTZAN's wrong labels (Sturm 2013)."""


@dataclass(frozen=True)
class Row:
    """One result. Accuracies are shares from 0 to 1.

    `train_accuracy`, `valid_accuracy` and `segment_accuracy` (test) count segments,
    `track_accuracy` and `macro_f1` tracks; where a system hears whole tracks, a segment is a
    track. `status` is ``measured``, ``control`` (random weights where pre-trained ones belong)
    or ``not_measured``; `note` says why, or what was special.
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
    macro_f1: float | None = None
    fit_seconds: float | None = None
    n_parameters: int | None = None
    pretrained: str = ""
    profile: str = ""
    versions: str = ""

    @property
    def stem(self) -> str:
        """Name of the files that belong to this row."""
        return stem(self.system_id, self.source, self.protocol, self.seed)


YARDSTICK = "ours_svm_segments"
"""The classifier that shows what a split is worth."""


def stem(system_id: str, source: str, protocol: str, seed: int) -> str:
    """Name of the files of one result, without their endings."""
    return f"{system_id}__{source}__{protocol}__{seed}"


COLUMNS = tuple(field.name for field in fields(Row))
KEY = ["system_id", "source", "features", "protocol", "seed"]


def write_row(folder: str | Path, row: Row, *, key: str) -> Path:
    """Write one row as JSON, with the key under which it may be found again."""
    text = json.dumps({"key": key, **asdict(row)}, indent=1)
    return files.write_text(Path(folder) / f"{row.stem}.json", text + "\n")


def read_row(folder: str | Path, stem: str, *, key: str) -> Row | None:
    """Read the row of that name if it was written under that key, else None."""
    path = Path(folder) / f"{stem}.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored.pop("key") != key:
            return None
        return Row(**stored)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there yet, or written by another version: measured again


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


def read(run: str | Path) -> pd.DataFrame:
    """Read the results of a run: a run's folder, or a `scoreboard.csv`.

    Raises
    ------
    SourceError
        If there are none.
    """
    run = Path(run)
    if run.suffix == ".csv" and run.exists():
        return _typed(pd.read_csv(run, keep_default_na=True)[list(COLUMNS)])
    paths = sorted((run / "results").glob("*.json"))
    if not paths:
        raise SourceError(f"{run}: no results there; `gtzan run` makes them")
    rows = []
    for path in paths:
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            stored.pop("key")
            rows.append(Row(**stored))
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(
                f"{path}: not a result of this version; remove it ({error})"
            ) from error
    return table(rows)


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Put rows together; of two with the same key the newer one stays.

    A `not_measured` row never replaces a measured one.
    """
    everything = pd.concat([old, new], ignore_index=True) if len(old) else new.copy()
    rank = (everything.status == "measured").astype(int)
    order = everything.assign(rank=rank).sort_values("rank", kind="stable")
    kept = order.drop_duplicates(KEY, keep="last").drop(columns="rank")
    known = {system_id: i for i, system_id in enumerate(systems.all_systems())}
    place = kept.system_id.map(known).fillna(len(known))
    return (
        kept.assign(place=place)
        .sort_values(["place", "source", "protocol", "seed"], ignore_index=True)
        .drop(columns="place")
    )


def honest_protocol(rows: pd.DataFrame) -> str:
    """The most honest protocol under which one source's rows were measured.

    Parameters
    ----------
    rows : DataFrame
        Of `COLUMNS`, all of one source.
    """
    measured = set(rows.protocol[rows.status == "measured"])
    return next((name for name in splits.HONEST if name in measured), splits.HONEST[0])


def comparison(rows: pd.DataFrame) -> pd.DataFrame:
    """Published, reproduced and honest accuracy of every system, side by side.

    Parameters
    ----------
    rows : DataFrame
        Of `COLUMNS`.

    Returns
    -------
    DataFrame, one row per system and source
        `system_id`, `source`, `published`, `stated`, `run_protocol`, `reproduced` (in the
        study's unit), `honest_protocol`, `honest` (by track), `low`, `high`, `price` (the
        difference: what the leak is worth), `note`. Several seeds give their mean.
    """
    honest = {source: honest_protocol(group) for source, group in rows.groupby("source")}
    lines = []
    for (system_id, source), group in rows.groupby(["system_id", "source"], sort=False):
        system = systems.get(str(system_id))
        measured = group[group.status == "measured"]
        as_run = measured[measured.protocol == system.run_protocol]
        fair = measured[measured.protocol == honest[source]]
        unit = "segment_accuracy" if system.unit == "segment" else "track_accuracy"
        reproduced, honestly = as_run[unit].mean(), fair.track_accuracy.mean()
        published = system.published_test
        lines.append(
            {
                "system_id": system_id,
                "source": source,
                "published": system.published_valid if published is None else published,
                "stated": system.protocol_stated,
                "run_protocol": system.run_protocol,
                "reproduced": reproduced,
                "honest_protocol": honest[source],
                "honest": honestly,
                "low": fair.track_ci_low.mean(),
                "high": fair.track_ci_high.mean(),
                "price": reproduced - honestly,
                "note": "; ".join(dict.fromkeys(n for n in group.note if n)),
            }
        )
    return pd.DataFrame(lines).astype({"published": float})


def markdown(compared: pd.DataFrame) -> str:
    """The comparison as a Markdown table, accuracies in per cent."""
    lines = [
        "| system | source | published | reproduced | under | honest (95 % interval) | under |",
        "|---|---|---:|---:|---|---|---|",
    ]
    for row in compared.itertuples():
        interval = "–"
        if not math.isnan(row.honest):
            interval = f"{percent(row.honest)} ({percent(row.low)} to {percent(row.high)})"
        lines.append(
            f"| {row.system_id} | {row.source} | {percent(row.published)} "
            f"| {percent(row.reproduced)} | {row.run_protocol} | {interval} "
            f"| {row.honest_protocol} |"
        )
    return "\n".join(lines)


def leak(rows: pd.DataFrame) -> str:
    """What one classifier scores under each protocol of each source, as a Markdown table."""
    lines = [
        "| source | protocol | segments | tracks (95 % interval) | test tracks |",
        "|---|---|---:|---|---:|",
    ]
    order = {name: i for i, name in enumerate(splits.PROTOCOLS)}
    chosen = rows[rows.system_id == YARDSTICK].assign(place=rows.protocol.map(order))
    for row in chosen.sort_values(["source", "place", "seed"]).itertuples():
        if row.status != "measured":
            lines.append(f"| {row.source} | {row.protocol} | – | {row.note} | |")
            continue
        interval = f"{percent(row.track_ci_low)} to {percent(row.track_ci_high)}"
        lines.append(
            f"| {row.source} | {row.protocol} | {percent(row.segment_accuracy)} "
            f"| {percent(row.track_accuracy)} ({interval}) | {row.n_test} |"
        )
    return "\n".join(lines)


def percent(share: float) -> str:
    """An accuracy in per cent, a dash where there is none."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f}"


def replace_between(text: str, marker: str, new: str) -> str:
    """Replace what stands between ``<!-- marker -->`` and ``<!-- /marker -->``.

    Raises
    ------
    SourceError
        If the text has no such pair.
    """
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(\n<!-- /{marker} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SourceError(f"README has no <!-- {marker} --> ... <!-- /{marker} -->; put them back")
    return pattern.sub(lambda match: match[1] + new + match[2], text)
