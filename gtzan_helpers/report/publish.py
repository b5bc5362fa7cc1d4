"""Results on real data brought into the repository: `figures/`, and what pages say of them."""

import html
import json
import math
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gtzan_helpers import config, files
from gtzan_helpers.datasets import gtzan_facts, splits
from gtzan_helpers.errors import SettingError, SourceError
from gtzan_helpers.experiments import kept, results, scoreboard
from gtzan_helpers.experiments.scoreboard import percent
from gtzan_helpers.models import systems
from gtzan_helpers.report import series


def gather(runs: Iterable[str]) -> pd.DataFrame:
    """Read the rows of runs, to be shown side by side; without a run those in `figures/`.

    Parameters
    ----------
    runs : iterable of str
        Folders of runs, or ``scoreboard.csv`` files. Where there are results of one source from
        several runs or profiles, its name says of which they are.

    Raises
    ------
    SourceError
        If a run has no results.
    """
    paths = list({Path(run).resolve(): Path(run) for run in runs}.values())
    paths = paths or [config.series() / "figures" / "scoreboard.csv"]
    tables = [results.read_run(path).assign(run=str(path)) for path in paths]
    rows = pd.concat(tables, ignore_index=True)
    for name in ("run", "profile"):
        several = rows.groupby("source")[name].transform("nunique") > 1
        rows.loc[several, "source"] += " (" + rows[name] + ")"
    return rows[list(results.COLUMNS)]


def write(runs: Iterable[str]) -> pd.DataFrame:
    """Merge the rows of runs into `figures/`, RESULTS.md and README, and write both anew.

    The questions of the notebooks, in `docs/questions.md`, are written anew, too.

    Parameters
    ----------
    runs : iterable of str
        Folders of runs, or ``scoreboard.csv`` files; of results of the same, those of the run
        that is named last stay.

    Returns
    -------
    DataFrame
        Everything that is in `figures/scoreboard.csv` now.

    Raises
    ------
    SourceError
        If a row is synthetic: those are not results on music.
    """
    figures = _figures()
    board = figures / "scoreboard.csv"
    tables = [results.read_run(run) for run in runs]
    if any(rows.source.str.startswith("synthetic").any() for rows in tables):
        raise SourceError("synthetic results are not for figures/; name runs on real data")
    _refuse_mixture(map(Path, runs))
    merged = results.read_run(board) if board.exists() else results.table([])
    for rows in tables:
        merged = scoreboard.merge(merged, rows)
    for run in map(Path, runs):
        _copy_run(run, figures)
    texts = {}
    for name, contents in pages(merged).items():
        text = (figures.parent / name).read_text(encoding="utf-8")
        for marker, content in contents.items():
            text = replace_between(text, marker, content)
        texts[name] = text
    files.write_text(board, merged.to_csv(index=False, lineterminator="\n"))
    _draw(merged, figures)
    for name, text in texts.items():
        files.write_text(figures.parent / name, text)
    return merged


def verify(runs: Iterable[str]) -> tuple[list[str], int]:
    """Score the stored predictions of runs again; without a run, those in `figures/`.

    Parameters
    ----------
    runs : iterable of str
        Folders of runs.

    Returns
    -------
    faults : list of str
        See `scoreboard.faults`.
    n_rows : int
        Rows that were looked at.
    """
    lines: list[str] = []
    n_rows = 0
    for folder in [Path(run) for run in runs] or [_figures()]:
        folder = folder.parent if folder.suffix == ".csv" else folder
        board = folder / "scoreboard.csv"
        rows = results.read_run(board if board.exists() else folder)
        tracks = gtzan_facts() if board.exists() else pd.read_csv(folder / "tracks.csv")
        lines += scoreboard.faults(rows, folder, tracks.set_index("track_id").artist_group)
        n_rows += int((rows.status != "not_measured").sum())
    return lines, n_rows


def _refuse_mixture(runs: Iterable[Path]) -> None:
    """Refuse runs on different sources of one name, whose rows would replace one another."""
    addresses: dict[str, str] = {}
    for run in (run for run in runs if run.is_dir()):
        about = results.read_source(run)
        name, address = about.get("name", ""), about.get("address", "")
        if addresses.setdefault(name, address) != address:
            raise SourceError(f"{addresses[name]} and {address} are both called {name}; rename one")


def _copy_run(run: Path, figures: Path) -> None:
    """Copy a run's pictures, tables and predictions."""
    rows, run = results.read_run(run), run.parent if run.suffix == ".csv" else run
    for row in results.from_table(rows[rows.status != "not_measured"]):
        if kept.read_predictions(run, row.stem) is None:  # which refuses what is damaged
            raise SourceError(f"{run}: {row.stem} has no predictions; measure it again")
        _copy(run / "predictions", f"{row.stem}.npz", figures / "predictions")
    name = rows.source.iloc[0]
    for ending in (".png", ".csv"):
        for shown in sorted(shown_figures(figures.parent)):
            if Path(shown).parent.name == name:
                _copy(run / "figures", Path(shown).name + ending, figures / name)


def shown_figures(root: Path) -> set[str]:
    """Names of the pictures and tables of real songs that a notebook or page shows.

    Parameters
    ----------
    root : Path
        Of a checkout.

    Returns
    -------
    set of str
        ``gtzan_log_mel/03_ledger``, without endings.
    """
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("notebooks/*.ipynb")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages).replace("\\", "")
    names = set(re.findall(r"figures/(\w+/\d\d_\w+)\.", text))
    for name, source in re.findall(r'real\("(\w+)"(?:, "(\w+)")?\)', text):
        names.add(f"{source or 'gtzan_log_mel'}/{name}")
    return names


def _copy(folder: Path, pattern: str, target: Path) -> None:
    for path in sorted(folder.glob(pattern)):
        for place in (folder, path):
            if place.is_symlink():
                raise SettingError(f"{place}: a link; put here what it points to")
        files.regular(path)
        with files.replacing(target / path.name) as temporary:
            shutil.copyfile(path, temporary)


def _draw(rows: pd.DataFrame, figures: Path) -> None:
    """Draw the charts of README and RESULTS, as ``figures/studies.png`` and ``scoreboard.png``."""
    from gtzan_helpers.plots import scores, style

    style.use_style()
    compared = scoreboard.headline(scoreboard.comparison(rows))
    ax = scores.prices(compared)
    ax.set_title("real GTZAN, honest protocol: fault_filtered")
    style.save(ax, figures, "scoreboard")
    ax = scores.studies(_best_of_studies(compared))
    ax.set_title("Real GTZAN: published, and what is left on songs by new artists")
    style.save(ax, figures, "studies")


def _best_of_studies(compared: pd.DataFrame, n: int = 2) -> pd.DataFrame:
    """Of each study the `n` systems that published most, and our best; ours come last."""
    ordered = compared.sort_values(["published", "honest"], ascending=False)
    studies = ordered.groupby([systems.get(name).study for name in ordered.system_id], sort=False)
    return pd.concat([rows.head(n) for _, rows in studies])


def pages(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """What pages say, as Markdown: of each page, by the name of the comment that surrounds it."""
    compared = scoreboard.comparison(rows)
    measured = compared[compared.reproduced.notna() | compared.honest.notna()]
    tables = {"scoreboard": markdown(measured), "protocols": _protocols(rows)}
    tables["artists"] = _grouped(rows)
    compared = scoreboard.headline(compared)
    return {
        "RESULTS.md": tables,
        "README.md": {"headline": _headline(compared), "best": _best(compared, rows)},
        "docs/questions.md": {"questions": _questions()},
    }


def _headline(compared: pd.DataFrame) -> str:
    """The highest published accuracy, and what is left of it."""
    row = compared.loc[compared.published.idxmax()]
    published, reproduced, honest, low, high = (
        f"{100 * row[name]:.0f}" for name in ("published", "reproduced", "honest", "low", "high")
    )
    name = systems.get(row.system_id).name
    return (
        f"**Published {published} %, honest {honest} %.** A published network names {published} % "
        f"right when it is tested on pieces of songs that it has\nheard in training ({name}; "
        f"rebuilt here: {reproduced} %), and {honest} %\non songs by artists that it has never "
        f"heard (95 % interval: {low} to {high})."
    )


def _best(compared: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The five best on new artists, and what the same systems score on a random split."""
    mixed = rows[(rows.protocol == "track_random") & (rows.status == "measured")]
    mixed = mixed.groupby(["system_id", "source"]).track_accuracy.mean()
    lines = ["| system | new artists (95 % interval) | random split |", "|---|---|---:|"]
    for row in compared.nlargest(5, "honest").itertuples():
        shown = scoreboard.with_interval(row.honest, row.low, row.high)
        at_random = percent(mixed.get((row.system_id, row.source), math.nan))
        name = systems.get(row.system_id).name.removesuffix(" (ours)")
        lines.append(_line(name, shown, at_random))
    return "\n".join(lines)


def _questions() -> str:
    """The questions of the notebooks' section "Check yourself", with their answers."""
    parts = []
    for notebook in series.notebooks():
        cells = json.loads(notebook.path.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        title = re.search("^# (.*)", text, re.MULTILINE)[1]  # type: ignore[index]
        section = text.partition("## Check yourself\n")[2].partition("\n## ")[0]
        asked = re.findall(r"<summary>(.*?)</summary>\s*(.*?)\s*</details>", section, re.DOTALL)
        parts += [f"## {title}", *(f"**{question}**\n\n{answer}" for question, answer in asked)]
    return "\n\n".join(parts).replace("<code>", "`").replace("</code>", "`")


def _grouped(rows: pd.DataFrame) -> str:
    """Every row under `artist_grouped`, the best first, as a Markdown table."""
    lines = ["| system | source | tracks (95 % interval) | test tracks |", "|---|---|---|---:|"]
    grouped = rows[(rows.protocol == "artist_grouped") & (rows.status != "not_measured")]
    for row in grouped.sort_values("track_accuracy", ascending=False).itertuples():
        shown = scoreboard.with_interval(row.track_accuracy, *scoreboard.interval(row)[:2])
        name = row.system_id + (" (control)" if row.status == "control" else "")
        lines.append(_line(name, row.source, shown, row.n_test))
    return "\n".join(lines)


def markdown(compared: pd.DataFrame) -> str:
    """The comparison as a Markdown table, accuracies in per cent."""
    lines = [
        "| system | source | published | reproduced | under | honest (95 % interval) | under |",
        "|---|---|---:|---:|---|---|---|",
    ]
    for row in compared.itertuples():
        interval = scoreboard.with_interval(row.honest, row.low, row.high)
        if row.seeds > 1:
            interval += f", {row.seeds} seeds within {100 * row.spread:.1f}"
        cells = (row.system_id, row.source, percent(row.published), percent(row.reproduced))
        lines.append(_line(*cells, row.run_protocol, interval, row.honest_protocol))
    return "\n".join(lines)


def _protocols(rows: pd.DataFrame) -> str:
    """Accuracy of one classifier under each protocol of each source, as a Markdown table."""
    lines = [
        "| source | protocol | segments | tracks (95 % interval) | test tracks |",
        "|---|---|---:|---|---:|",
    ]
    order = {name: i for i, name in enumerate(splits.PROTOCOLS)}
    chosen = rows[rows.system_id == systems.YARDSTICK].assign(place=rows.protocol.map(order))
    for row in chosen.sort_values(["source", "place", "seed"]).itertuples():
        tracks = scoreboard.with_interval(row.track_accuracy, *scoreboard.interval(row)[:2])
        cells = (percent(row.segment_accuracy), tracks, row.n_test)
        if row.status != "measured":
            cells = ("–", row.note, "")
        lines.append(_line(row.source, row.protocol, *cells))
    return "\n".join(lines)


def _line(*cells: object) -> str:
    texts = (html.escape(str(cell), quote=False).replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(texts)} |".replace("|  |", "| |")


def _figures() -> Path:
    root = config.checkout()
    if root is None:
        raise SourceError("figures/ is not here; run this in a clone of the project")
    return root / "figures"


def replace_between(text: str, marker: str, new: str) -> str:
    """Replace what stands between ``<!-- marker -->`` and ``<!-- /marker -->``.

    Raises
    ------
    SourceError
        If the text has no such pair.
    """
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(\n<!-- /{marker} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SourceError(
            f"the page has no <!-- {marker} --> ... <!-- /{marker} -->; put them back"
        )
    return pattern.sub(lambda match: match[1] + new + match[2], text)
