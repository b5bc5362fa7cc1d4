"""What a model was trained on, kept inside its file, whatever kind of model it is."""

import contextlib
import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gtzan_helpers.errors import DAMAGE, NotPossibleError, SettingError, SourceError, reason

_NAME = "gtzan.json"


@dataclass(frozen=True)
class Inputs:
    """What a model was trained on, and so what it may be asked about.

    Attributes
    ----------
    features : str
        A feature table (`features.TABLES`) or an array (`extract.ARRAYS`).
    segment_seconds : float
        Length of a segment; 0 for whole tracks.
    shape : tuple of int
        Of one example.
    labels : tuple of str
        In the order of the model's outputs.
    frame_period : float or None
        Seconds from one frame to the next; None for tables.
    """

    features: str
    segment_seconds: float
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    frame_period: float | None = None

    def __post_init__(self) -> None:
        if not all(isinstance(label, str) for label in self.labels):
            raise SourceError(f"labels {list(self.labels)} are not all words")
        numbers = (self.segment_seconds, self.frame_period or 0.0)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise SourceError(f"segment_seconds and frame_period {numbers} are no lengths")
        if len(set(self.labels)) < len(self.labels):
            raise SourceError(f"a label comes twice: {list(self.labels)}")
        if any(not label.strip() for label in self.labels):
            raise SourceError(f"a label is empty: {list(self.labels)}; name the folder it is from")
        if len(self.labels) < 2:
            raise NotPossibleError(
                f"there is nothing to tell apart: the only label is {', '.join(self.labels)!r}"
            )

    def refuse_other(self, other: "Inputs") -> None:
        """Hold other inputs to these.

        Raises
        ------
        SettingError
            If they were made otherwise; labels may differ.
        """
        for name in ("features", "segment_seconds", "frame_period", "shape"):
            mine, theirs = getattr(self, name), getattr(other, name)
            same = mine == theirs
            if name == "frame_period" and mine and theirs:
                # A pack keeps it in single precision, rounded.
                same = math.isclose(mine, theirs, rel_tol=0.01)
            if not same:
                raise SettingError(
                    f"the model was trained with {name}={mine}, the input has {theirs}; "
                    "extract it with the model's settings"
                )

    def refuse_outputs(self, n_outputs: int) -> None:
        """Hold a model to the labels that are kept with it.

        Raises
        ------
        SourceError
            If it has another number of outputs.
        """
        if n_outputs != len(self.labels):
            raise SourceError(
                f"the model has {n_outputs} outputs for {len(self.labels)} labels; train it again"
            )

    def put_into(self, path: str | Path) -> None:
        """Add these lines to the file of a model, `.keras` or `.skops`: both are archives."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_NAME, json.dumps(asdict(self), indent=1))

    @classmethod
    def out_of(cls, path: str | Path) -> "Inputs":
        """Read them from the file of a model; for use inside `reading`."""
        with zipfile.ZipFile(path) as archive:
            stored = json.loads(archive.read(_NAME))
        return cls(**stored | {"shape": tuple(stored["shape"]), "labels": tuple(stored["labels"])})


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Say in one line why the file of a model cannot be read.

    Raises
    ------
    SourceError
        If there is none, or it is damaged.
    """
    try:
        yield
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such model; `gtzan run` makes models") from error
    except DAMAGE as error:
        raise SourceError(f"{path}: not a model of this series ({reason(error)})") from error
