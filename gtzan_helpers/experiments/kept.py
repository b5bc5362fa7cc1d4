"""What a row is scored from: its predictions, and until all of them are there, its folds."""

import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import files
from gtzan_helpers.errors import DAMAGED_FILE, SourceError, reason
from gtzan_helpers.evaluation import Scores, by_track, score


@dataclass(frozen=True)
class Predictions:
    """Probabilities for each segment of the validation and test sets, and its true label.

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
        The folds of a k-fold follow one another; the validation set of one is the test set of
        another.
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
        """Ids, probabilities and true labels of a part's tracks; see `evaluation.by_track`.

        Parameters
        ----------
        part : {"test", "valid"}
        """
        ids, probs, labels = (getattr(self, f"{part}_{name}") for name in ("id", "probs", "true"))
        return by_track(ids, probs.astype(float), labels)

    def scores(self, artists: pd.Series | None = None) -> Scores:
        """Scores on the test set; see `evaluation.score`."""
        return score(self.test_id, self.test_probs.astype(float), self.test_true, artists)

    def figures(self, artists: pd.Series | None = None) -> dict[str, float]:
        """What a row says of them: `valid_accuracy`, and the scores on the test set.

        Of labels with the same probability the first one counts, as in `argmax`.

        Parameters
        ----------
        artists : Series or None
            See `evaluation.score`.
        """
        right = self.valid_probs.argmax(axis=1) == self.valid_true
        return {"valid_accuracy": float(right.mean()), **asdict(self.scores(artists))}


def none_of(labels: Iterable[str]) -> Predictions:
    """Predictions for no track at all, so that a notebook needs no branch."""
    names = np.array(list(labels), dtype=str)
    empty = (np.array([], str), np.array([], int), np.array([], int))
    probs = np.zeros((0, len(names)), np.float16)
    return Predictions(names, *empty, probs, *empty, probs)


def rounded(probs: np.ndarray) -> np.ndarray:
    """Probabilities as they are kept and scored, float16.

    Three decimals are what half precision holds near 1, and most become 0: small files. Labels
    may tie by it, so what is to agree with a row must be scored from the same numbers.
    """
    return probs.round(3).astype(np.float16)


def write_predictions(folder: str | Path, stem: str, predictions: Predictions) -> None:
    """Write the predictions that belong to a row, whole or not at all."""
    with files.replacing(Path(folder) / "predictions" / f"{stem}.npz") as temporary:
        np.savez_compressed(temporary, **vars(predictions))


def read_predictions(folder: str | Path, stem: str) -> Predictions | None:
    """Read the predictions that belong to a row; None if there are none.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    stem : str
        See `stem`.

    Raises
    ------
    SourceError
        If the file is damaged.
    """
    path = Path(folder) / "predictions" / f"{stem}.npz"
    try:
        predictions = Predictions(**files.load_arrays(path))
        _check_predictions(predictions)
    except FileNotFoundError:
        return None
    except DAMAGED_FILE as error:
        raise SourceError(f"{path}: damaged ({reason(error)}); remove it and run again") from error
    return predictions


def _check_predictions(predictions: Predictions) -> None:
    n_labels = len(predictions.labels)
    if predictions.labels.tolist() != np.unique(predictions.labels.astype(str)).tolist():
        raise ValueError("its labels are not different words in their order")
    for part in ("valid", "test"):
        names = ("id", "segment", "true", "probs")
        ids, segments, labels, probs = (getattr(predictions, f"{part}_{name}") for name in names)
        if probs.shape != (len(ids), n_labels) or not ids.shape == segments.shape == labels.shape:
            raise ValueError(f"{part} has {len(ids)} ids, and probabilities {probs.shape}")
        if ids.ndim != 1 or labels.dtype.kind != "i" or not len(predictions.test_id):
            raise ValueError(f"{part} has {ids.ndim} dimensions, or nothing in it")
        # Probabilities in half precision, and shares of votes, add up to about 1.
        possible = (np.abs(probs.astype(float) - 0.5) < 0.51).all()
        if not possible or not ((labels >= 0) & (labels < n_labels)).all():
            raise ValueError(f"{part} holds values that are no probability, or no label")


# Folds, until all of a row are there


@dataclass(frozen=True)
class Fold:
    """What a row needs of one fold.

    Attributes
    ----------
    hits : ndarray of bool, shape (n_train,)
        Whether each segment of the training set was classified correctly.
    valid, test : ndarray, shape (n_segments, n_labels)
        Probabilities.
    note : str
    history : DataFrame
        See `Fitted.history`, with the column `fold`.
    n_parameters : int or None
    seconds : float
        That fitting took.
    """

    hits: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    note: str
    history: pd.DataFrame
    n_parameters: int | None
    seconds: float


SCALARS = ("note", "n_parameters", "seconds")


def keep_fold(path: Path, make: Callable[[], Fold], *, key: str) -> Fold:
    """Read a fold that was kept under a key; make and keep it where there is none.

    Parameters
    ----------
    path : Path
        ``.npz``.
    make : callable
    key : str
        See `Measurement.key`.
    """

    def arrays() -> dict[str, Any]:
        fold = make()
        lines = np.array(fold.history.to_csv(index=False).splitlines())
        return vars(fold) | {"history": lines, "n_parameters": fold.n_parameters or 0}

    stored = files.cached(path, arrays, of=key)
    note, size, seconds = (np.asarray(stored[n]).item() for n in SCALARS)
    history = pd.read_csv(io.StringIO("\n".join(stored["history"])))
    hits, valid, test = (stored[name] for name in ("hits", "valid", "test"))
    return Fold(hits, valid, test, note, history, size or None, seconds)
