"""What a run leaves of a system: its row, its predictions, its history, its model.

Rows are JSON in `results/`, one per system, source, protocol and seed; files of the same stem lie
in `predictions/`, `histories/` and `models/`.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import classical, evaluate, files, splits
from gtzan_helpers.errors import DAMAGE, SettingError, SourceError, reason


@dataclass(frozen=True)
class Row:
    """One result. Accuracies are shares from 0 to 1.

    `train_accuracy`, `valid_accuracy` and `segment_accuracy` (test) count segments,
    `track_accuracy` and `macro_f1` tracks; where a system hears whole tracks, a segment is a
    track. `status` is ``measured``, ``control`` (random weights where pre-trained ones belong)
    or ``not_measured``; `note` says why, or what was special.
    """

    system_id: str
    source: str
    features: str
    segment_seconds: float
    protocol: str
    seed: int
    status: str
    note: str = ""
    n_train: int | None = None
    n_valid: int | None = None
    n_test: int | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None
    segment_accuracy: float | None = None
    track_accuracy: float | None = None
    track_ci_low: float | None = None
    track_ci_high: float | None = None
    macro_f1: float | None = None
    fit_seconds: float | None = None
    n_parameters: int | None = None
    pretrained: str = ""
    profile: str = ""
    versions: str = ""

    @property
    def stem(self) -> str:
        """Name of the files that belong to this row."""
        return stem(self.system_id, self.source, self.protocol, self.seed)


STATUSES = ("measured", "control", "not_measured")

COLUMNS = tuple(field.name for field in fields(Row))


def stem(system_id: str, source: str, protocol: str, seed: int) -> str:
    """Name of the files of one result, without their endings."""
    return f"{system_id}__{source}__{protocol}__{seed}"


def write_row(folder: str | Path, row: Row, *, key: str) -> Path:
    """Write one row as JSON, with the key under which it may be found again."""
    text = json.dumps({"key": key, **asdict(row)}, indent=1)
    return files.write_text(Path(folder) / f"{row.stem}.json", text + "\n")


def read_row(folder: str | Path, stem: str, *, key: str) -> Row | None:
    """Read the row of that name if it was written under that key, else None."""
    path = Path(folder) / f"{stem}.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored.pop("key") != key:
            return None
        return Row(**stored)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there yet, or written by another version: measured again


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a frame with the columns `COLUMNS`."""
    return _typed(pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS)))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for field in fields(Row):
        if field.type is str:
            frame[field.name] = frame[field.name].astype(object).fillna("").astype(str)
        elif field.type in (int, int | None):
            frame[field.name] = frame[field.name].astype("Int64")
        else:
            frame[field.name] = frame[field.name].astype(float)
    return frame


def read(run: str | Path) -> pd.DataFrame:
    """Read the results of a run: a run's folder, or a `scoreboard.csv`.

    Raises
    ------
    SourceError
        If there are none.
    """
    run = Path(run)
    if run.suffix == ".csv" and run.exists():
        return _read_csv(run)
    paths = sorted((run / "results").glob("*.json"))
    if not paths:
        raise SourceError(f"{run}: no results there; `gtzan run` makes them")
    rows = []
    for path in paths:
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            stored.pop("key")
            rows.append(_checked(Row(**stored)))
        except DAMAGE as error:
            raise SourceError(
                f"{path}: not a result of this version; remove it ({reason(error)})"
            ) from error
    return table(rows)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        frame = _typed(pd.read_csv(path, keep_default_na=True)[list(COLUMNS)])
        for line in frame.astype(object).where(frame.notna(), None).to_dict("records"):
            _checked(Row(**line))
        if frame.empty:
            raise ValueError("it holds no row")
    except DAMAGE as error:
        raise SourceError(f"{path}: not a scoreboard of this version ({reason(error)})") from error
    return frame


def _checked(row: Row) -> Row:
    """Refuse what no run has written."""
    for name, words in {"status": STATUSES, "protocol": splits.PROTOCOLS}.items():
        if getattr(row, name) not in words:
            raise ValueError(f"{name} {getattr(row, name)!r}")
    for field in fields(Row):
        value = getattr(row, field.name)
        if not isinstance(value, str if field.type is str else int | float | None):
            raise ValueError(f"{field.name} {value!r}")
        share = field.name.endswith(("accuracy", "_f1")) and value is not None
        if share and not 0 <= float(value) <= 1:
            raise ValueError(f"{field.name} {value!r} is no share")
    if row.status == "measured" and row.track_accuracy is None:
        raise ValueError("measured, without an accuracy")
    return row


@dataclass(frozen=True)
class Predictions:
    """What a system said of valid and test, in the order of the parts' segments.

    Attributes
    ----------
    labels : ndarray of str, shape (n_labels,)
    valid_id, test_id : ndarray of str, shape (n_segments,)
        Track of each segment.
    valid_segment, test_segment : ndarray of int, shape (n_segments,)
        Its number within the track.
    valid_true, test_true : ndarray of int, shape (n_segments,)
        Indices into `labels`.
    valid_probs, test_probs : ndarray, shape (n_segments, n_labels), float16
        A k-fold's folds follow one another; `valid` of one is `test` of another.
    """

    labels: np.ndarray
    valid_id: np.ndarray
    valid_segment: np.ndarray
    valid_true: np.ndarray
    valid_probs: np.ndarray
    test_id: np.ndarray
    test_segment: np.ndarray
    test_true: np.ndarray
    test_probs: np.ndarray

    def tracks(self, part: str = "test") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids, probabilities and true labels of a part's tracks; see `evaluate.by_track`."""
        ids, probs, truth = (getattr(self, f"{part}_{name}") for name in ("id", "probs", "true"))
        return evaluate.by_track(ids, probs.astype(float), truth)


def rounded(probs: np.ndarray) -> np.ndarray:
    """Probabilities as they are kept, and scored, float16.

    Three decimals are what half a float holds near 1, and most become 0: small files. Genres may
    tie by it, so what is to agree with a row must be scored from the same numbers.
    """
    return probs.round(3).astype(np.float16)


def write_predictions(folder: str | Path, stem: str, predictions: Predictions) -> None:
    """Write the predictions that belong to a row, whole or not at all."""
    with files.replacing(Path(folder) / "predictions" / f"{stem}.npz") as temporary:
        np.savez_compressed(temporary, **vars(predictions))


def read_predictions(folder: str | Path, stem: str) -> Predictions | None:
    """Read the predictions that belong to a row; None where there are none.

    Raises
    ------
    SourceError
        If the file is damaged.
    """
    path = Path(folder) / "predictions" / f"{stem}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = Predictions(**{name: np.asarray(stored[name]) for name in stored.files})
        _check_predictions(found)
    except FileNotFoundError:
        return None
    except DAMAGE as error:
        raise SourceError(f"{path}: damaged ({reason(error)}); remove it and run again") from error
    return found


def _check_predictions(found: Predictions) -> None:
    n_labels = len(found.labels)
    for part in ("valid", "test"):
        names = ("id", "segment", "true", "probs")
        ids, segments, truth, probs = (getattr(found, f"{part}_{name}") for name in names)
        if probs.shape != (len(ids), n_labels) or not ids.shape == segments.shape == truth.shape:
            raise ValueError(f"{part} has {len(ids)} ids, and probabilities {probs.shape}")
        if not np.isfinite(probs).all() or not ((truth >= 0) & (truth < n_labels)).all():
            raise ValueError(f"{part} holds what is no probability, or no label")


def stored_predictions(folder: str | Path, stem: str) -> Predictions | None:
    """Read predictions as `read_predictions` does; None where they are damaged, too."""
    try:
        return read_predictions(folder, stem)
    except SourceError:
        return None


def read_history(folder: str | Path, stem: str) -> pd.DataFrame | None:
    """Read how a network was trained, one line per epoch and `fold`; None where it was not."""
    path = Path(folder) / "histories" / f"{stem}.csv"
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SourceError(f"{path}: damaged ({reason(error)}); remove it and run again") from error


def model_path(folder: str | Path, stem: str, fold: int = 0, *, suffix: str = ".keras") -> Path:
    """Where the model of a row lies, a network's or a classical one; each fold has its own."""
    return Path(folder) / "models" / f"{stem}__{fold}{suffix}"


def load_model(path: str | Path) -> Any:
    """Load a model of a run, `.keras` or `.skops`; it has `inputs` and `predict_proba`.

    Raises
    ------
    SettingError
        If the name ends otherwise.
    SourceError
        If there is none, or it is damaged.
    """
    if Path(path).suffix == ".skops":
        return classical.load(path)
    if Path(path).suffix != ".keras":
        raise SettingError(f"{path}: models of a run end in .keras or .skops")
    from gtzan_helpers import training

    return training.load(path)
