"""Keep how long each cell took: `python scripts/time_cells.py RUN...`.

What it writes, `facts/cells.json`, is what `gtzan run` forecasts by. When notebooks have changed,
run it on a smoke and a quick run of the embedded dataset and a quick one of real music, each of
which had two cores to itself, and an empty cache.
"""

import json
import sys
from pathlib import Path
from typing import Any

import nbformat

from gtzan_helpers import config
from gtzan_helpers.experiments import results
from gtzan_helpers.report import record, series

SHORTEST_S = 0.2


def seconds(path: Path) -> dict[str, float]:
    """The seconds of an executed notebook's longer cells, by their ids."""
    cells = nbformat.read(path, 4).cells
    took = {cell.id: cell.metadata.get("papermill", {}).get("duration") or 0 for cell in cells}
    return {name: round(time, 1) for name, time in took.items() if time >= SHORTEST_S}


def times(run: Path) -> dict[str, Any]:
    """The same of all notebooks of a run, by their numbers, and what they were run on."""
    state, source = record.read(run), results.read_source(run)
    cells = {one.number: seconds(run / "notebooks" / one.path.name) for one in series.notebooks()}
    profile, synthetic = config.profile(state["profile"]), source["synthetic"]
    sound = series.sound_s(state["n_tracks"], profile, synthetic=synthetic)
    return {"profile": profile.name, "sound_s": sound, "cells": cells}


if __name__ == "__main__":
    text = json.dumps([times(Path(name)) for name in sys.argv[1:]], indent=1) + "\n"
    (config.facts_dir() / "cells.json").write_text(text, encoding="utf-8")
