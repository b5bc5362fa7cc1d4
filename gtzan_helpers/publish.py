"""Results of real data brought into the repository: `figures/` and README's table."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gtzan_helpers import config, files, results, scoreboard, systems
from gtzan_helpers.errors import SourceError


def gather(runs: Iterable[str]) -> pd.DataFrame:
    """Read the rows of runs and put them together; without a run those in `figures/`.

    Raises
    ------
    SourceError
        If a run has no results.
    """
    paths = [Path(run) for run in runs] or [_figures() / "scoreboard.csv"]
    rows = results.read(paths[0])
    for path in paths[1:]:
        rows = scoreboard.merge(rows, results.read(path))
    return rows


def write(rows: pd.DataFrame, runs: Iterable[str]) -> pd.DataFrame:
    """Merge rows into `figures/` and README: table, chart, predictions, pictures.

    Returns
    -------
    DataFrame
        Everything that is in `figures/scoreboard.csv` now.

    Raises
    ------
    SourceError
        If a row is synthetic: those are no results on music.
    """
    if rows.source.str.startswith("synthetic").any():
        raise SourceError("synthetic results are not for figures/; name runs on real data")
    figures = _figures()
    board = figures / "scoreboard.csv"
    merged = scoreboard.merge(results.read(board) if board.exists() else rows[:0], rows)
    for run in (Path(run) for run in runs):
        found = results.read(run)
        honest = scoreboard.honest_protocol(found)
        for row in found[found.status == "measured"].itertuples():
            # What the comparison does not show would only fill space.
            if row.protocol in (systems.get(row.system_id).run_protocol, honest):
                stem = results.stem(row.system_id, row.source, row.protocol, row.seed)
                _copy(run / "predictions", f"{stem}.npz", figures / "predictions")
        _copy(run / "figures", "*.png", figures / found.source.iloc[0])
    files.write_text(board, merged.to_csv(index=False, lineterminator="\n"))
    _draw(merged, figures.parent)
    readme = figures.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    for marker, table in readme_tables(merged).items():
        text = scoreboard.replace_between(text, marker, table)
    files.write_text(readme, text)
    return merged


def _draw(rows: pd.DataFrame, checkout: Path) -> None:
    """Draw the chart that opens README, as ``figures/scoreboard.png``."""
    from gtzan_helpers import charts, plots

    plots.use_style()
    ax = charts.prices(scoreboard.headline(scoreboard.comparison(rows)))
    ax.set_title("real GTZAN, honest protocol: fault_filtered")
    plots.save_figure(ax.figure, "scoreboard", run_dir=checkout)  # type: ignore[arg-type]


def _copy(folder: Path, pattern: str, target: Path) -> None:
    for path in sorted(folder.glob(pattern)):
        with files.replacing(target / path.name) as temporary:
            shutil.copyfile(path, temporary)


def readme_tables(rows: pd.DataFrame) -> dict[str, str]:
    """README's tables as Markdown, by the name of the comment that surrounds each."""
    compared = scoreboard.comparison(rows)
    measured = compared.reproduced.notna() | compared.honest.notna()
    return {
        "scoreboard": scoreboard.markdown(compared[measured]),
        "protocols": scoreboard.leak(rows),
    }


def as_text(rows: pd.DataFrame) -> str:
    """The comparison for a terminal."""
    return scoreboard.markdown(scoreboard.comparison(rows))


def as_json(rows: pd.DataFrame) -> str:
    """The rows for machines."""
    return rows.to_json(orient="records", indent=1)


def _figures() -> Path:
    root = config.checkout()
    if root is None:
        raise SourceError("figures/ is not here; run this in a clone of the project")
    return root / "figures"
