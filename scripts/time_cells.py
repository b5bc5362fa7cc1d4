"""Keep how long each cell took: `python scripts/time_cells.py runs/synthetic-quick`.

What it writes, `facts/cells.json`, is what `gtzan run` forecasts by. When notebooks have changed,
run it on a quick run of the embedded dataset that had two cores to itself, and an empty cache.
"""

import json
import sys
from pathlib import Path

import nbformat

from gtzan_helpers import config, reproduce

SHORTEST_S = 0.2


def seconds(path: Path) -> dict[str, float]:
    """The seconds of an executed notebook's longer cells, by their ids."""
    cells = nbformat.read(path, 4).cells
    took = {cell.id: cell.metadata.get("papermill", {}).get("duration") or 0 for cell in cells}
    return {name: round(time, 1) for name, time in took.items() if time >= SHORTEST_S}


if __name__ == "__main__":
    executed = Path(sys.argv[1], "notebooks")
    times = {one.number: seconds(executed / one.path.name) for one in reproduce.notebooks()}
    text = json.dumps(times, indent=1) + "\n"
    (config.facts_dir() / "cells.json").write_text(text, encoding="utf-8")
