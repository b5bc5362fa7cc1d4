"""The scoreboard: results of runs merged, and published, reproduced and honest side by side."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from gtzan_helpers import config
from gtzan_helpers.datasets import splits
from gtzan_helpers.errors import SourceError
from gtzan_helpers.experiments import kept
from gtzan_helpers.experiments.results import from_table, read_run, stem, table
from gtzan_helpers.experiments.run import leave_out
from gtzan_helpers.models import systems

KEY = ["system_id", "source", "features", "protocol", "seed"]

COLUMNS = ["system_id", "source", "published", "stated", "run_protocol", "reproduced",
           "honest_protocol", "honest", "low", "high", "seeds", "spread", "price",
           "note"]  # fmt: skip


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Put rows together; of two with the same key the newer one stays.

    A `not_measured` row never replaces a measured one.

    Parameters
    ----------
    old, new : DataFrame
        Of `COLUMNS`.

    Returns
    -------
    DataFrame
        In the order of the table of systems.
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


def real_rows(*system_ids: str, of: str = "") -> pd.DataFrame:
    """Rows measured on real GTZAN that come with the project.

    Parameters
    ----------
    *system_ids : str
        The systems; none for all.
    of : str
        Name of the source; empty for all.

    Examples
    --------
    >>> real_rows("slices_ann", of="mini_3_sec").protocol.tolist()
    ['segment_random', 'track_random']
    """
    path = config.series() / "figures" / "scoreboard.csv"
    rows = read_run(path) if path.exists() else table([])
    wanted = rows.system_id.isin(system_ids) | (not system_ids)
    return rows[wanted & (rows.source.eq(of) | (not of))]


def real(name: str, source: str = "gtzan_log_mel") -> Any:
    """A table or picture of real songs that comes with the project.

    `gtzan run` on such songs makes it, and `gtzan scoreboard --write` brings it here.

    Parameters
    ----------
    name : str
        As notebooks save it: ``00_leaks``.
    source : str
        Name of the source that it is of.

    Returns
    -------
    DataFrame or Image
        A table without rows, and a notice, where it is not there.
    """
    from IPython.display import Image as Shown

    place = config.series() / "figures" / source / name
    if place.with_suffix(".csv").exists():
        return pd.read_csv(place.with_suffix(".csv"))
    path = place.with_suffix(".png")
    if not path.exists():
        leave_out(f"{source}/{name}: no such figure of real songs")
        return pd.DataFrame()
    with Image.open(path) as picture:
        words, width = picture.text.get("Description", ""), picture.width  # type: ignore[attr-defined]
    return Shown(str(path), width=width // 2, alt=words)  # saved at twice a page's resolution


def real_hits(*system_ids: str, of: str = "gtzan_log_mel") -> pd.DataFrame:
    """Which test songs systems classify correctly, of real songs under `fault_filtered`.

    Parameters
    ----------
    *system_ids : str
    of : str
        Name of the source.

    Returns
    -------
    DataFrame of bool, indexed by track
        A column for each system whose predictions come with the project.
    """
    hits, folder = {}, config.series() / "figures"
    for system_id in system_ids:
        if predictions := kept.read_predictions(folder, stem(system_id, of, "fault_filtered", 0)):
            ids, probs, y_true = predictions.tracks()
            hits[system_id] = pd.Series(probs.argmax(axis=1) == y_true, index=ids)
    return pd.DataFrame(hits)


def honest_protocol(rows: pd.DataFrame) -> str:
    """The most honest protocol under which one source's rows were measured.

    Parameters
    ----------
    rows : DataFrame
        Of `COLUMNS`, all of one source.
    """
    measured = set(rows.protocol[rows.status == "measured"])
    return next((name for name in splits.HONEST if name in measured), splits.HONEST[0])


def interval(rows: Any) -> tuple[Any, Any, str]:
    """The 95 % interval of an accuracy: over artists where they are known, else over tracks.

    Parameters
    ----------
    rows : DataFrame or Row
        Of several rows, the mean of each end is taken.

    Returns
    -------
    low, high : float
    unit : {"artist", "track"}
    """
    known = pd.notna(rows.artist_ci_low)
    unit = "artist" if np.size(known) and np.all(known) else "track"
    low, high = (getattr(rows, f"{unit}_ci_{end}") for end in ("low", "high"))
    return float(np.mean(low)), float(np.mean(high)), unit


def faults(rows: pd.DataFrame, folder: Path, artists: pd.Series) -> list[str]:
    """Score stored predictions again, and name what does not follow from them.

    Parameters
    ----------
    rows : DataFrame
        Of `COLUMNS`.
    folder : Path
        That holds `predictions/`.
    artists : Series
        Who plays, by the ids of tracks.

    Returns
    -------
    list of str
        A line for each value that differs, and for each measured row without predictions.
    """
    lines = []
    for row in from_table(rows[rows.status != "not_measured"]):
        try:
            predictions = kept.read_predictions(folder, row.stem)
        except SourceError as error:
            lines.append(str(error))
            continue
        if predictions is None:
            lines.append(f"{row.stem}: has no predictions; measure it again")
            continue
        for name, value in predictions.figures(artists).items():
            stored = getattr(row, name)
            given = math.nan if stored is None else float(stored)
            if not (abs(given - value) < 1e-9 or (math.isnan(given) and math.isnan(value))):
                lines.append(f"{row.stem}: {name} is {given:.4f}, its predictions give {value:.4f}")
    return lines


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
        study's unit), `honest_protocol`, `honest` (by track), `low`, `high` (see `interval`),
        `seeds` and `spread` (number of seeds, and from the lowest to the highest accuracy),
        `price` (of reproduced and honest; NaN where both are one protocol), `note`. Several
        seeds give their mean.
    """
    protocols = {source: honest_protocol(group) for source, group in rows.groupby("source")}
    lines = []
    for (system_id, source), group in rows.groupby(["system_id", "source"], sort=False):
        system, honest = systems.get(str(system_id)), protocols[source]
        published, stated = system.published, system.published.stated
        measured = group[group.status == "measured"].set_index("protocol")
        unit = "segment_accuracy" if system.unit == "segment" else "track_accuracy"
        own, fair = system.run_protocol, measured[measured.index == honest]
        reproduced = measured[measured.index == own][unit].mean()
        scores = [fair.track_accuracy.mean(), *interval(fair)[:2]]
        spread = (len(fair), fair.track_accuracy.max() - fair.track_accuracy.min())
        price = reproduced - scores[0] if own != honest else math.nan
        note = "; ".join(dict.fromkeys(n for n in group.note if n))
        line = (system_id, source, published.accuracy, stated, own, reproduced, honest, *scores)
        line += (*spread, price, note)
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
    return ranked(fair).drop_duplicates("system_id")


def ranked(compared: pd.DataFrame) -> pd.DataFrame:
    """The comparison in the order of the figures: by source, and the best honest accuracy first.

    Parameters
    ----------
    compared : DataFrame
        See `comparison`.
    """
    places = {"gtzan": 0, "gtzan_log_mel": 1, "features_30_sec": 2}
    place = compared.source.map(places).fillna(len(places))
    order = ["place", "source", "honest"]
    return compared.assign(place=place).sort_values(order, ascending=[True, True, False])


def percent(share: float | None) -> str:
    """An accuracy in per cent, a dash where there is none."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f}"


def with_interval(share: float, low: float, high: float) -> str:
    """An accuracy in per cent with its interval, unless all of its few songs are right, or none."""
    return percent(share) + (f" ({percent(low)} to {percent(high)})" if low < high else "")
