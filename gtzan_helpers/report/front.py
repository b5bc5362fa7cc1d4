"""The first page of a run's book: what was measured, what was left out, and the contents."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gtzan_helpers.errors import SourceError
from gtzan_helpers.experiments import results, scoreboard
from gtzan_helpers.experiments.scoreboard import percent
from gtzan_helpers.models import systems
from gtzan_helpers.report import record

CHART = """\
![Published, reproduced and honest accuracy of each system, as bars; the table below has the \
numbers.](pictures/09_scoreboard.png)"""

SYNTHETIC = """\
```{admonition} Synthetic music
The embedded dataset is synthetic: these figures show how the protocols behave. They are not results
on GTZAN, and published figures stand beside them for orientation only.
```"""

QUICK = """\
```{admonition} Not trained to the end
Profile {profile}: networks were trained for a few epochs, on one fold of a k-fold. Published
figures stand beside these for orientation only; `--profile full` gives figures to compare.
```"""

COLUMNS = """\
*Published* is what a study says of real GTZAN. *As published* is its system in this run ({run}),
under the protocol that the study used, or most likely used; *honest* the same system under
`{honest}`, by track, with its 95 % interval. Accuracies are in per cent; the chance level is
{chance:.0f}, and because of GTZAN's wrong labels no accuracy on it above {ceiling} is to be
believed."""


def title(state: Mapping[str, Any]) -> str:
    """The title of a run's book."""
    return f"Music genres: {state['source']}, {state['profile']}"


def page(folder: Path, state: Mapping[str, Any], executed: list[str]) -> str:
    """Return the first page as Markdown.

    Parameters
    ----------
    folder : Path
        The run's folder, with `results/` and `figures/`.
    state : mapping
        The content of its `run.json`: `source`, `profile`, `n_tracks`, `n_labels`, `chance`
        (chance level, from 0 to 1), `notebooks` (title, seconds and error by file name) and
        `left_out` (title and reason by file name).
    executed : list of str
        File names of the notebooks that have a page.
    """
    links = "\n".join(f"notebooks/{Path(name).stem}" for name in executed)
    parts = [
        "# Scoreboard",
        f"{escape(title(state))}: {state['n_tracks']} tracks, {state['n_labels']} labels.",
        *_warnings(state),
        *_scoreboard(folder, state, executed),
        "## Notebooks",
        f"```{{toctree}}\n:maxdepth: 1\n\n{links}\n```",
        *_missing(state),
    ]
    return "\n\n".join(parts) + "\n"


def _warnings(state: Mapping[str, Any]) -> list[str]:
    warnings = [SYNTHETIC] if state["source"].startswith("synthetic") else []
    if state["profile"] != "full":
        warnings.append(QUICK.replace("{profile}", state["profile"]))
    return warnings


def _missing(state: Mapping[str, Any]) -> list[str]:
    """The notebooks that stopped or were left out, and why."""
    lines = [
        f"- {entry['title']} stopped: {escape(entry['error'])}"
        for _, entry in sorted(state["notebooks"].items())
        if entry["error"]
    ]
    lines += [
        f"- {notebook} was left out: {escape(reason)}"
        for _, (notebook, reason) in sorted(state["left_out"].items())
    ]
    return ["This run is not whole:", "\n".join(lines)] if lines else []


def summary(folder: Path) -> list[str]:
    """Return what a run came to, in a few lines of plain text.

    Parameters
    ----------
    folder : Path
        The run's folder.

    Raises
    ------
    SourceError
        If it holds no run.
    """
    state = record.read(folder)
    rows, compared = _measured(folder, state)
    executed = sum(not entry["error"] for entry in state["notebooks"].values())
    silent = int((rows.status == "not_measured").sum())
    measured = f"{len(rows) - silent} of {rows.system_id.nunique()} systems"
    counts = f"notebooks: {executed}; rows: {measured}; rows not measured: {silent}"
    figures = _headline(compared)
    if figures and state["source"].startswith("synthetic"):
        figures.insert(0, "Synthetic music: what follows are not results on GTZAN.")
    return [counts, *figures]


def _measured(folder: Path, state: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A run's rows, and those side by side of which there is a figure."""
    try:
        rows = results.read_run(folder)
    except SourceError:
        rows = results.table([])
    rows = rows[rows.profile == state["profile"]]  # the folder may hold others, too
    if rows.empty:
        return rows, rows
    compared = scoreboard.comparison(scoreboard.merge(rows[:0], rows))
    return rows, compared[compared.reproduced.notna() | compared.honest.notna()]


def _scoreboard(folder: Path, state: Mapping[str, Any], executed: list[str]) -> list[str]:
    rows, compared = _measured(folder, state)
    if rows.empty:
        return ["No system was measured yet."]
    from gtzan_helpers.plots.scores import CEILING

    run = escape(f"{state['source']}, {state['profile']}")
    about = COLUMNS.format(
        run=run,
        honest=scoreboard.honest_protocol(rows),
        chance=100 * state["chance"],
        ceiling=percent(CEILING),
    )
    chart = [CHART] if (folder / "figures" / "09_scoreboard.png").exists() else []
    headline = [re.sub("^(.*?:)", r"**\1**", escape(line)) for line in _headline(compared)]
    return [*headline, *chart, "## Every system", about, _table(compared, executed, run),
            *_details(compared, rows[rows.status == "not_measured"])]  # fmt: skip


def _headline(compared: pd.DataFrame) -> list[str]:
    """The best honest system, and what the leak is worth, each in a sentence."""
    if compared.empty:
        return []
    lines, both = [], compared.dropna(subset=["price"])
    if compared.honest.notna().any():
        best = compared.loc[compared.honest.idxmax()]
        name, figure = systems.get(best.system_id).name, percent(best.honest)
        interval = "too few songs for an interval"
        if best.low < best.high:
            interval = f"95 % interval {percent(best.low)} to {percent(best.high)}"
        n_systems = compared.honest.notna().sum()
        lines = [f"Best of {n_systems} under the honest protocol: {name}, {figure} % ({interval})."]
    if len(both):
        own, honest = percent(both.reproduced.median()), percent(both.honest.median())
        lines.append(
            f"The price of the leak: {own} % as the studies split, {honest} % under the honest "
            f"protocol (medians of {len(both)} systems measured under both)."
        )
    return lines


def _table(compared: pd.DataFrame, executed: list[str], run: str) -> str:
    lines = [
        f"| system | published (real GTZAN) | as published ({run}) | honest ({run}) |",
        "|---|---:|---:|---|",
    ]
    for row in compared.itertuples():
        honest = scoreboard.with_interval(row.honest, row.low, row.high)
        cells = (percent(row.published), percent(row.reproduced), honest)
        lines.append(f"| {_linked(row.system_id, executed)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _linked(system_id: str, executed: list[str]) -> str:
    """A system's name, as a link to the section that runs it where that notebook was executed."""
    system = systems.get(system_id)
    for name in executed:
        if name.startswith(f"{system.notebook}_"):
            address = f"notebooks/{Path(name).stem}.html{anchor(system.anchor)}"
            return f"<a href='{address}'>{system.name}</a>"
    return system.name


def _details(shown: pd.DataFrame, silent: pd.DataFrame) -> list[str]:
    """Protocols and prices, and what could not be measured, folded."""
    lines = [
        f"- {systems.get(row.system_id).name}: `{row.run_protocol}`, price of the leak "
        f"{100 * row.price:+.1f} points"
        for row in shown.dropna(subset=["price"]).itertuples()
    ]
    lines += [
        f"- {systems.get(row.system_id).name} was not measured under `{row.protocol}`: "
        f"{escape(row.note)}"
        for row in silent.itertuples()
    ]
    head = "<details><summary>Protocols, prices, and what was not measured</summary>"
    return [head, "\n".join(lines), "</details>"] if lines else []


def escape(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#$|!~^&])", r"\\\1", " ".join(text.split()))


def anchor(anchor: str) -> str:
    """An address's part from ``#`` on, as JupyterLab has it, as pages have it."""
    from docutils.nodes import make_id

    return anchor and f"#{make_id(anchor)}"
