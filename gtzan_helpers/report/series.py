"""The notebooks of the series: what each says of itself, and copies of them to work in."""

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gtzan_helpers import config, files
from gtzan_helpers.errors import SettingError, SourceError
from gtzan_helpers.models import System, systems

# Until a notebook's kernel answers.
START_S = 3.0


@dataclass(frozen=True)
class Notebook:
    """A notebook of the series: ``03_classical_models.ipynb`` is number 03.

    Attributes
    ----------
    path : Path
    needs : tuple of str
        What its source must give (see `Source.lacks`), and "rows" of other notebooks.
    wave : int
        Notebooks of a wave are executed together, when all of the wave before are done.
    """

    path: Path
    needs: tuple[str, ...] = ()
    wave: int = 99

    @classmethod
    def read(cls, path: Path) -> "Notebook":
        """Read what a notebook says of itself in its metadata."""
        metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("gtzan", {})
        return cls(path, **metadata | {"needs": tuple(metadata.get("needs", ()))})

    @property
    def number(self) -> str:
        """Its two digits."""
        return self.path.stem[:2]

    @property
    def title(self) -> str:
        """Its name for people: ``03 classical models``."""
        return self.path.stem.replace("_", " ")

    @property
    def systems(self) -> list[System]:
        """The systems that it measures."""
        return systems.of_notebook(self.number)

    @property
    def seconds(self) -> float:
        """What it takes on the embedded dataset, in profile quick, beside another notebook."""
        return START_S + sum(_cells().get(self.number, {}).values())

    def seconds_of(self, cell: str) -> float:
        """What a cell takes there, by its id; of no cell, the start of the kernel."""
        return _cells().get(self.number, {}).get(cell, 0.0) if cell else START_S


@cache
def _cells() -> dict[str, dict[str, float]]:
    """Seconds of cells, by notebook and id; `scripts/time_cells.py` writes them."""
    return json.loads((config.facts_dir() / "cells.json").read_text(encoding="utf-8"))


def notebooks(only: Iterable[str] = ()) -> list[Notebook]:
    """Return the notebooks of `config.series` in their order.

    Parameters
    ----------
    only : iterable of str
        Numbers to choose, ``("03", "5")``; empty for all.

    Raises
    ------
    SettingError
        If a number has no notebook.
    SourceError
        If there are none.
    """
    folder = config.series() / "notebooks"
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise SourceError(f"{folder}: there are no notebooks; install the package with pip")
    by_number = {notebook.number: notebook for notebook in map(Notebook.read, paths)}
    wanted = [number and number.zfill(2) for number in only] or [*by_number]
    if unknown := [number for number in wanted if number not in by_number]:
        names = ", ".join(map(repr, unknown))
        raise SettingError(f"there is no notebook {names}; choose from {', '.join(by_number)}")
    return [notebook for number, notebook in by_number.items() if number in wanted]


def copy(folder: str | Path) -> Path:
    """Copy the notebooks, and the pictures that their texts show.

    Parameters
    ----------
    folder : str or Path
        It gets a `notebooks/`, and a `figures/` to which these link.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    SettingError
        If one of the files is there already.
    """
    root, folder, links = config.series(), config.expanded(folder), set()
    for one in notebooks():
        text = one.path.read_text(encoding="utf-8")
        links |= {f"notebooks/{one.path.name}", *re.findall(r"\.\./(figures/[\w/]+\.png)", text)}
    if there := [link for link in sorted(links) if (folder / link).exists()]:
        raise SettingError(f"{folder / there[0]}: is there already; choose another folder")
    for link in links:
        with files.replacing(folder / link) as temporary:
            shutil.copyfile(root / link, temporary)
    return folder
