"""The notebooks of the series: what each says of itself, and copies of them to work in."""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gtzan_helpers import config, files
from gtzan_helpers.errors import SettingError, SourceError
from gtzan_helpers.models import System, systems

# Until a notebook's kernel answers.
START_S = 3.0

# Of a track of GTZAN.
TRACK_S = 30.0

# Cells that take less do not train or measure.
LONG_S = 10.0


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
    cell_seconds : mapping of str to float
        What its longer cells are expected to take, by their ids; see `timed`.
    """

    path: Path
    needs: tuple[str, ...] = ()
    wave: int = 99
    cell_seconds: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)

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
        """What it is expected to take, the start of its kernel included."""
        return START_S + sum(self.cell_seconds.values())

    def seconds_of(self, cell: str) -> float:
        """What a cell is expected to take, by its id; of no cell, the start of the kernel."""
        return self.cell_seconds.get(cell, 0.0) if cell else START_S

    def stretched(self, scale: float) -> "Notebook":
        """The notebook with training and measuring expected to take longer."""
        cells = self.cell_seconds.items()
        longer = {name: time * (scale if time >= LONG_S else 1.0) for name, time in cells}
        return replace(self, cell_seconds=longer)


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


def sound_s(n_tracks: int, profile: config.Profile, *, synthetic: bool) -> float:
    """Seconds of sound in a source whose tracks are as long as the embedded ones, or GTZAN's."""
    if synthetic:
        return n_tracks * profile.synthetic_seconds
    return n_tracks * min(TRACK_S, profile.seconds_limit or TRACK_S)


def timed(chosen: Iterable[Notebook], size: str, sound: float) -> list[Notebook]:
    """Return notebooks that know what their cells are expected to take.

    Training for few epochs takes the same whatever the source, features take the longer the more
    sound there is: a cell is on the line between what it took in two runs.

    Parameters
    ----------
    chosen : iterable of Notebook
    size : str
        The profile of these runs; quick ones count where there are none of it.
    sound : float
        Seconds of sound in the source.
    """
    runs = json.loads((config.facts_dir() / "cells.json").read_text(encoding="utf-8"))
    known = size if size in {run["profile"] for run in runs} else "quick"
    of_size = [run for run in runs if run["profile"] == known]
    least, most = (end(of_size, key=lambda run: run["sound_s"]) for end in (min, max))
    share = (sound - least["sound_s"]) / max(1.0, most["sound_s"] - least["sound_s"])

    def between(number: str) -> dict[str, float]:
        low, high = least["cells"].get(number, {}), most["cells"].get(number, {})
        ends = {name: (low.get(name, 0.0), high.get(name, 0.0)) for name in low | high}
        return {name: max(min(a, b), a + share * (b - a)) for name, (a, b) in ends.items()}

    return [replace(one, cell_seconds=between(one.number)) for one in chosen]


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
