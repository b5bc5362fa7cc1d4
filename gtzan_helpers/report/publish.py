"""Results on real data brought into the repository: `figures/` and the tables of README."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gtzan_helpers import config, files
from gtzan_helpers.errors import SourceError
from gtzan_helpers.experiments import results, scoreboard
from gtzan_helpers.models import systems


def gather(runs: Iterable[str]) -> pd.DataFrame:
    """Read the rows of runs and merge them; without a run those in `figures/`.

    Raises
    ------
    SourceError
        If a run has no results.
    """
    paths = [Path(run) for run in runs] or [_figures() / "scoreboard.csv"]
    rows = results.read_run(paths[0])
    for path in paths[1:]:
        rows = scoreboard.merge(rows, results.read_run(path))
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
    merged = scoreboard.merge(results.read_run(board) if board.exists() else rows[:0], rows)
    for run in map(Path, runs):
        _copy_run(run, figures)
    files.write_text(board, merged.to_csv(index=False, lineterminator="\n"))
    _draw(merged, figures)
    readme = figures.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    for marker, table in readme_tables(merged).items():
        text = scoreboard.replace_between(text, marker, table)
    files.write_text(readme, text)
    return merged


def _copy_run(run: Path, figures: Path) -> None:
    """Copy a run's pictures, and the predictions that the comparison shows."""
    rows = results.read_run(run)
    honest = scoreboard.honest_protocol(rows)
    for row in rows[rows.status == "measured"].itertuples():
        if row.protocol in (systems.get(row.system_id).run_protocol, honest):
            stem = results.stem(row.system_id, row.source, row.protocol, row.seed)
            _copy(run / "predictions", f"{stem}.npz", figures / "predictions")
    _copy(run / "figures", "*.png", figures / rows.source.iloc[0])


def _copy(folder: Path, pattern: str, target: Path) -> None:
    for path in sorted(folder.glob(pattern)):
        with files.replacing(target / path.name) as temporary:
            shutil.copyfile(path, temporary)


def _draw(rows: pd.DataFrame, figures: Path) -> None:
    """Draw the chart that opens README, as ``figures/scoreboard.png``."""
    from gtzan_helpers.plots import scores, style

    style.use_style()
    ax = scores.prices(scoreboard.headline(scoreboard.comparison(rows)))
    ax.set_title("real GTZAN, honest protocol: fault_filtered")
    style.save(ax, figures, "scoreboard")


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
