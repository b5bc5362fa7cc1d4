"""Results of the first version, brought under today's keys: nothing is fitted again."""

from pathlib import Path

from gtzan_helpers.errors import SourceError
from gtzan_helpers.experiments import results
from gtzan_helpers.experiments.results import Predictions, Row, Rows
from gtzan_helpers.experiments.run import Run


def migrate(old: str | Path, run: Run) -> Rows:
    """Bring rows and predictions of the first version into a run's folder.

    Parameters
    ----------
    old : str or Path
        The repository's `figures/`, or the folder of a run of the first version.
    run : Run
        Of the same source and profile.

    Returns
    -------
    Rows
        The rows that were brought, those of other sources and profiles left out.

    Raises
    ------
    SourceError
        If there are no results, or they are of other tracks or labels than the run's source.
    """
    old = Path(old)
    board = old / "scoreboard.csv"
    table = results.read_run(board if board.exists() else old)
    own = (table.source == run.source.name) & (table.profile == run.profile.name)
    rows = results.from_table(table[own])
    for row in rows:
        predictions = results.read_predictions(old, row.stem)
        if predictions is not None:
            _check_tracks(row, predictions, run)
            results.write_predictions(run.folder, row.stem, predictions)
        run.measurement(row.system_id, row.protocol, seed=row.seed).write_row(row)
    return Rows(results.table(rows))


def _check_tracks(row: Row, predictions: Predictions, run: Run) -> None:
    """Rows have no digest of their tracks, but predictions hold ids and labels."""
    genre = run.tracks.set_index("track_id").genre
    for part in ("valid", "test"):
        ids, _, y_true = predictions.tracks(part)
        known = genre.reindex(ids).to_numpy()
        if (known != predictions.labels[y_true]).any():
            words = "its tracks or labels are not those of this source"
            raise SourceError(f"{row.stem}: {words}; it belongs to another one of that name")
