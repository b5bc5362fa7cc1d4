"""The scoreboard: results of runs merged, and published, reproduced and honest side by side."""

import math
import re
from pathlib import Path

import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.datasets import splits
from gtzan_helpers.errors import SourceError
from gtzan_helpers.experiments.results import read_run, table
from gtzan_helpers.models import systems

KEY = ["system_id", "source", "features", "protocol", "seed"]

ACCURACY = ["track_accuracy", "track_ci_low", "track_ci_high"]

COLUMNS = ["system_id", "source", "published", "stated", "run_protocol", "reproduced",
           "honest_protocol", "honest", "low", "high", "price", "note"]  # fmt: skip


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Put rows together; of two with the same key the newer one stays.

    A `not_measured` row never replaces a measured one.
    """
    everything = pd.concat([old, new], ignore_index=True) if len(old) else new.copy()
    rank = (everything.status == "measured").astype(int)
    order = everything.assign(rank=rank).sort_values("rank", kind="stable")
    kept = order.drop_duplicates(KEY, keep="last")
    # What was not measured names no features.
    same = kept.groupby([name for name in KEY if name != "features"])["rank"]
    kept = kept[(kept["rank"] == 1) | (same.transform("max") == 0)].drop(columns="rank")
    known = {system_id: i for i, system_id in enumerate(systems.SYSTEMS)}
    place = kept.system_id.map(known).fillna(len(known))
    return (
        kept.assign(place=place)
        .sort_values(["place", "source", "protocol", "seed"], ignore_index=True)
        .drop(columns="place")
    )


def real_rows() -> pd.DataFrame:
    """Rows measured on real GTZAN that come with the project; none without a checkout."""
    path = (config.checkout() or Path()) / "figures" / "scoreboard.csv"
    return read_run(path) if path.exists() else table([])


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
        difference between the two; NaN where both are one protocol), `note`. Several
        seeds give their mean.
    """
    protocols = {source: honest_protocol(group) for source, group in rows.groupby("source")}
    lines = []
    for (system_id, source), group in rows.groupby(["system_id", "source"], sort=False):
        system, honest = systems.get(str(system_id)), protocols[source]
        published, stated = system.published, system.published.stated
        accuracy = published.valid if published.test is None else published.test
        measured = group[group.status == "measured"].set_index("protocol")
        unit = "segment_accuracy" if system.unit == "segment" else "track_accuracy"
        own, fair = system.run_protocol, measured[measured.index == honest]
        reproduced = measured[measured.index == own][unit].mean()
        scores = fair[ACCURACY].mean().tolist()
        price = reproduced - scores[0] if own != honest else math.nan
        note = "; ".join(dict.fromkeys(n for n in group.note if n))
        line = (system_id, source, accuracy, stated, own, reproduced, honest, *scores, price, note)
        lines.append(line)
    return pd.DataFrame(lines, columns=COLUMNS).astype({"published": float})


def headline(compared: pd.DataFrame) -> pd.DataFrame:
    """One line a system, of what was measured on real music under `fault_filtered`.

    Parameters
    ----------
    compared : DataFrame
        See `comparison`.

    Returns
    -------
    DataFrame
        Of a system's sources the one that comes first counts, whatever its result:
        spectrograms, then the table, then several joined.
    """
    fair = compared[(compared.honest_protocol == "fault_filtered") & compared.honest.notna()]
    places = {"gtzan": 0, "gtzan_log_mel": 1, "features_30_sec": 2}
    ordered = fair.sort_values("source", key=lambda names: names.map(places).fillna(3))
    return ordered.drop_duplicates("system_id")


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
    """Accuracy of one classifier under each protocol of each source, as a Markdown table."""
    lines = [
        "| source | protocol | segments | tracks (95 % interval) | test tracks |",
        "|---|---|---:|---|---:|",
    ]
    order = {name: i for i, name in enumerate(splits.PROTOCOLS)}
    chosen = rows[rows.system_id == systems.YARDSTICK].assign(place=rows.protocol.map(order))
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
