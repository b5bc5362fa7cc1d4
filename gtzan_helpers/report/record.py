"""What is known of a run, kept as `run.json` in its folder."""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from gtzan_helpers import config, files
from gtzan_helpers.datasets import Source
from gtzan_helpers.errors import DAMAGED_FILE, SettingError, SourceError, reason

# What a page needs of a run's record, and of a notebook in it.
STATE = {"source": str, "profile": str, "n_tracks": int, "n_labels": int, "chance": float}
STATE |= {"notebooks": dict, "left_out": dict}
ENTRY = {"title": str, "parameters": dict, "error": str}


def read(folder: Path) -> dict[str, Any]:
    """Return the content of a run's `run.json`.

    Parameters
    ----------
    folder : Path
        The run's folder.

    Raises
    ------
    SourceError
        If the folder holds no run.
    """
    try:
        files.regular(folder / "run.json", files.SMALL)
        state = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        _check(state)
    except DAMAGED_FILE as error:
        raise SourceError(
            f"{folder}: no run, or its run.json is damaged ({reason(error)}); `gtzan run` makes one"
        ) from error
    return state


def _check(state: dict[str, Any]) -> None:
    """Refuse what no run writes: its words become pages, its names become paths."""
    faults = [name for name, kind in STATE.items() if not isinstance(state[name], kind)]
    for name, entry in state["notebooks"].items():
        faults += [f"{name}: {key}" for key, kind in ENTRY.items() if type(entry[key]) is not kind]
        faults += [f"{name}: source"] * (not isinstance(entry["parameters"]["source"], str))
    for name, (title, why) in state["left_out"].items():
        faults += [name] * (not isinstance(title, str) or not isinstance(why, str))
    names = [*state["notebooks"], *state["left_out"]]
    faults += [name for name in names if not re.fullmatch(r"\d\d_\w+\.ipynb", name)]
    if faults or not 0 <= state["chance"] <= 1 or not _is_profile(state["profile"]):
        raise ValueError(", ".join(faults) or "chance or profile")


def _is_profile(name: object) -> bool:
    return str(name).removesuffix(config.BALANCED) in config.PROFILES


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of a run's folder.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    SettingError
        If another run writes into it.
    """
    lock = filelock.FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise SettingError(
            f"{folder}: another run writes there; wait for it, or choose another folder (--out)"
        ) from None
    try:
        yield
    finally:
        lock.release()


class Record:
    """The `run.json` of a run, written after each change.

    Parameters
    ----------
    folder : Path
        The run's folder; what its `run.json` says of executed notebooks is kept.
    source : Source
    left_out : iterable of (str, str, str)
        File names of notebooks that the source does not allow, their titles and the reasons.
    """

    def __init__(self, folder: Path, source: Source, left_out: Iterable[tuple[str, str, str]]):
        self.folder, self.tracks = folder, source.digest()
        try:
            executed = read(folder)["notebooks"]
        except SourceError:
            executed = {}
        # What was executed on other tracks, or at another profile, is no page of this run.
        now = self.tracks, source.profile.name
        executed = {
            name: entry
            for name, entry in executed.items()
            if (entry.get("tracks"), entry["parameters"].get("profile")) == now
        }
        self.state: dict[str, Any] = {
            "source": source.name,
            "profile": source.profile.name,
            "n_tracks": len(source.tracks),
            "n_labels": len(source.labels),
            "chance": source.chance,
            "notebooks": executed,
            "left_out": {name: [title, reason] for name, title, reason in left_out},
        }

    def has(self, notebook: Path, parameters: Mapping[str, str]) -> bool:
        """Whether a notebook was executed to its end, as it and the tracks are now."""
        entry = self.state["notebooks"].get(notebook.name, {})
        return entry.get("error") == "" and entry == entry | self._state_of(notebook, parameters)

    def _state_of(self, notebook: Path, parameters: Mapping[str, str]) -> dict[str, Any]:
        executed = self.folder / "notebooks" / notebook.name
        return {
            "parameters": parameters,
            "tracks": self.tracks,
            "md5": files.file_hash(notebook),
            "executed": files.file_hash(executed) if executed.exists() else "",
        }

    def forget(self, notebooks: Iterable[Path]) -> None:
        """Take note that notebooks are to be executed: what is half done counts as not done."""
        for notebook in notebooks:
            self.state["notebooks"].pop(notebook.name, None)
        self._write()

    def add(
        self, notebook: Path, title: str, parameters: dict[str, str], seconds: float, error: str
    ) -> None:
        """Take note of an executed notebook, and of what stopped it."""
        self.state["notebooks"][notebook.name] = {
            "title": title,
            **self._state_of(notebook, parameters),
            "seconds": round(seconds, 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "error": error,
        }
        self._write()

    def _write(self) -> None:
        files.write_text(self.folder / "run.json", json.dumps(self.state, indent=1) + "\n")
