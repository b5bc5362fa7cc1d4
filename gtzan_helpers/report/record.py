"""What is known of a run, kept as `run.json` in its folder."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gtzan_helpers import files
from gtzan_helpers.datasets import Source
from gtzan_helpers.errors import SourceError


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
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{folder}: no run, or its run.json is damaged") from error


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
        self.folder = folder
        try:
            executed = read(folder)["notebooks"]
        except (SourceError, KeyError, TypeError):
            executed = {}
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
        """Whether a notebook was executed to its end, as it is now, with these parameters."""
        entry = self.state["notebooks"].get(notebook.name, {})
        return (
            entry.get("error") == ""
            and entry.get("parameters") == parameters
            and entry.get("md5") == files.file_hash(notebook)
        )

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
            "parameters": parameters,
            "md5": files.file_hash(notebook),
            "seconds": round(seconds, 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "error": error,
        }
        self._write()

    def _write(self) -> None:
        files.write_text(self.folder / "run.json", json.dumps(self.state, indent=1) + "\n")
