"""Draw every picture and table of real songs again, by today's code.

    python scripts/draw_figures.py gtzan_log_mel.npz mini features_30_sec.csv --out runs/figures

Each source is a feature pack of all tracks, a folder of 100 of them, or a published table. Rows and
predictions are taken from `figures/`, so what was measured is not measured again. What notebooks
train in the open is, and so are the few networks whose weights a picture needs: altogether about an
hour on two cores. What comes out replaces the pictures and tables in `figures/`.
"""

import argparse
import shutil
from pathlib import Path

from gtzan_helpers import config, experiments, reproduce
from gtzan_helpers.experiments import results, scoreboard
from gtzan_helpers.report import publish

FIGURES = config.checkout() / "figures"

# The notebooks whose pictures of a source are shown somewhere.
NOTEBOOKS = {
    "gtzan_log_mel": ("00", "02", "03", "04", "05", "06", "07", "08", "09", "10"),
    "mini": ("00", "01", "02", "06", "08"),
    "features_30_sec": ("00", "01", "02", "03", "09"),
}


def seed(run: experiments.Run) -> None:
    """Put the stored rows and predictions of a source into the folder of a run."""
    for row in results.from_table(scoreboard.real_rows(of=run.source.name)):
        stored = FIGURES / "predictions" / f"{row.stem}.npz"
        if row.status != "not_measured":
            measurement = run.measurement(row.system_id, row.protocol, seed=row.seed)
            (run.folder / "predictions").mkdir(exist_ok=True)
            shutil.copyfile(stored, run.folder / "predictions" / stored.name)
            measurement.write_row(row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    folders = []
    for source in asked.sources:
        folder = asked.out / Path(source).stem
        run = experiments.run.resume(source, profile="full", run_dir=folder)
        seed(run)
        numbers = NOTEBOOKS[run.source.name]
        reproduce.run(source, profile="full", only=numbers, out=folder, jobs=asked.jobs)
        folders.append(str(folder))
    publish.write(folders)
