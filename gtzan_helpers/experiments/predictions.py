"""Predictions of a system for the validation and test sets, kept in a run's `predictions/`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gtzan_helpers import files
from gtzan_helpers.errors import DAMAGED_FILE, SourceError, reason
from gtzan_helpers.evaluation import by_track


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
        """Ids, probabilities and true labels of a part's tracks; see `evaluation.by_track`."""
        ids, probs, labels = (getattr(self, f"{part}_{name}") for name in ("id", "probs", "true"))
        return by_track(ids, probs.astype(float), labels)

    def classes(self, part: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """True and predicted label of each track, as indices into `labels`."""
        _, probs, y_true = self.tracks(part)
        return y_true, probs.argmax(axis=1)


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

    Raises
    ------
    SourceError
        If the file is damaged.
    """
    path = Path(folder) / "predictions" / f"{stem}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            predictions = Predictions(**{name: np.asarray(stored[name]) for name in stored.files})
        _check(predictions)
    except FileNotFoundError:
        return None
    except DAMAGED_FILE as error:
        raise SourceError(f"{path}: damaged ({reason(error)}); remove it and run again") from error
    return predictions


def _check(predictions: Predictions) -> None:
    n_labels = len(predictions.labels)
    for part in ("valid", "test"):
        names = ("id", "segment", "true", "probs")
        ids, segments, labels, probs = (getattr(predictions, f"{part}_{name}") for name in names)
        if probs.shape != (len(ids), n_labels) or not ids.shape == segments.shape == labels.shape:
            raise ValueError(f"{part} has {len(ids)} ids, and probabilities {probs.shape}")
        if not np.isfinite(probs).all() or not ((labels >= 0) & (labels < n_labels)).all():
            raise ValueError(f"{part} holds values that are no probability, or no label")


def readable_predictions(folder: str | Path, stem: str) -> Predictions | None:
    """Read predictions as `read_predictions` does, but None for damaged ones, too."""
    try:
        return read_predictions(folder, stem)
    except SourceError:
        return None
