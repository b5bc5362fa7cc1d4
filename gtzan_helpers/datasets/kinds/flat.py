"""A folder of audio without inner folders, in which each file's name begins with its label."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from gtzan_helpers.datasets.kinds.recordings import Recordings, entries, is_folder, state

# What ends a label, tried in this order: a dash; a number that ends the name; a mark; a number.
_ENDS = (r" - .*", r"[ ._-]*\d+", r"\..*", r"_.*", r"-.*", r" .*", r"\d.*")


class FlatFolder(Recordings):
    """Files of audio named ``<label>.<anything>``, such as ``rock.00001.wav`` or ``rock_1.mp3``."""

    @classmethod
    def find(cls, path: Path) -> Path | None:
        """The folder, if its files' names begin with labels."""
        return path if _labels([file for file, _, _ in cls.files(path)]) else None

    @classmethod
    def files(cls, place: Path) -> Iterator[tuple[str, int, int]]:
        """Path, size and time of change of each track's file, sorted."""
        for entry in entries(place):
            if entry.name.lower().endswith(cls.suffixes) and not is_folder(entry):
                yield state(entry)

    def list_files(self) -> pd.DataFrame:
        """The files directly inside."""
        paths = [file for file, _, _ in self.files(self.path)]
        return pd.DataFrame({"path": paths, "genre": _labels(paths)})


def _labels(paths: list[str]) -> list[str]:
    """Labels at the start of all names, at least two tracks each on average; empty if none are."""
    stems = [Path(path).stem for path in paths]
    for end in _ENDS:
        matches = [re.fullmatch(rf"(\D+?){end}", stem) for stem in stems]
        labels = [match[1] for match in matches if match]
        if len(labels) == len(stems) and 2 <= len(set(labels)) <= len(labels) / 2:
            return labels
    return []
