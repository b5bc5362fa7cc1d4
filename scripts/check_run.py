"""Check the executed notebooks of a run: `python scripts/check_run.py runs/synthetic-quick`.

Each notebook of the series must be there, have run to its end, solution included, without an error
or a word on stderr, take less than 10 MB, and show no path of this machine. Each fault is a line.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat

from gtzan_helpers import config, reproduce

MOST_BYTES = 10_000_000


def faults(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with the executed notebooks of a run, one line for each fault."""
    places = {str(folder.resolve()), str(config.checkout()), str(Path.home())} - {"/"}
    for name in names:
        path = folder / "notebooks" / name
        if not path.exists():
            yield f"{name}: not there"
            continue
        if path.stat().st_size > MOST_BYTES:
            yield f"{name}: {path.stat().st_size / 1e6:.1f} MB"
        cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        for number, cell in enumerate(cells):  # 0 is the cell that papermill adds
            for output in cell.outputs:
                if output.output_type == "error":
                    yield f"{name}, code cell {number}: {output.ename}: {output.evalue}"
                if output.get("name") == "stderr":
                    yield f"{name}, code cell {number}: on stderr: {output.text.strip()!r}"
                if found := [place for place in places if place in json.dumps(output)]:
                    yield f"{name}, code cell {number}: shows {', '.join(found)}"
        solutions = [cell for cell in cells if "solution" in cell.metadata.get("tags", [])]
        if not any(cell.execution_count and cell.outputs for cell in solutions):
            yield f"{name}: no solution was executed"


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1]), [one.path.name for one in reproduce.notebooks()]))
    print("\n".join(found))
    sys.exit(bool(found))
