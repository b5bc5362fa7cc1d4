"""Ensembles of several systems' predictions, by vote or by stacking.

They are fitted on the validation set and scored on the test set. Members may come from different
sources of the same tracks: they are joined by track. Taught in notebook 08.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from sklearn.linear_model import LogisticRegression

from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.evaluation.calibration import log_loss, temperature, tempered


@dataclass(frozen=True)
class Member:
    """Predictions of one system for the tracks of the validation and test sets.

    Attributes
    ----------
    name : str
    labels : tuple of str
    valid_id, test_id : ndarray of str, shape (n_tracks,), sorted
    valid_probs, test_probs : ndarray, shape (n_tracks, n_labels)
    valid_true, test_true : ndarray of int, shape (n_tracks,)
        Indices into `labels`.
    """

    name: str
    labels: tuple[str, ...]
    valid_id: np.ndarray
    valid_probs: np.ndarray
    valid_true: np.ndarray
    test_id: np.ndarray
    test_probs: np.ndarray
    test_true: np.ndarray


def join(members: Sequence[Member]) -> list[Member]:
    """Restrict members to the tracks that they have in common, and calibrate them.

    Parameters
    ----------
    members : sequence of Member

    Returns
    -------
    list of Member
        All of the same tracks; the temperature of each was fitted on the validation set.

    Raises
    ------
    NotPossibleError
        If there are no members, if labels differ, if no track is common to all, or if tracks
        of the validation set are in the test set, too, as in a k-fold.
    """
    if not members:
        raise NotPossibleError("an ensemble needs members; run the systems first")
    first, names = members[0], ", ".join(member.name for member in members)
    if any(member.labels != first.labels for member in members):
        raise NotPossibleError(f"the labels of {names} differ")
    valid_id = reduce(np.intersect1d, [member.valid_id for member in members])
    test_id = reduce(np.intersect1d, [member.test_id for member in members])
    if not len(valid_id) or not len(test_id):
        raise NotPossibleError(f"no track is common to {names}")
    if np.isin(valid_id, test_id).any():
        raise NotPossibleError("an ensemble needs a validation set of its own; a k-fold has none")
    valid_true = first.valid_true[np.searchsorted(first.valid_id, valid_id)]
    test_true = first.test_true[np.searchsorted(first.test_id, test_id)]
    joined = []
    for member in members:
        probs = member.valid_probs[np.searchsorted(member.valid_id, valid_id)]
        heat = temperature(probs, valid_true)
        valid = (valid_id, tempered(probs, heat), valid_true)
        probs = member.test_probs[np.searchsorted(member.test_id, test_id)]
        test = (test_id, tempered(probs, heat), test_true)
        joined.append(Member(member.name, member.labels, *valid, *test))
    return joined


def select(joined: Sequence[Member]) -> dict[str, int]:
    """Choose members, and the number of votes of each, on the validation set.

    The member that lowers the loss of the vote most gets a vote, until none does (ensemble
    selection, Caruana et al. 2004).

    Parameters
    ----------
    joined : sequence of Member
        See `join`.

    Returns
    -------
    dict
        Votes by name, in the order in which members came in.
    """
    total = np.zeros_like(joined[0].valid_probs)
    votes: dict[str, int] = {}
    best = np.inf
    for n in range(1, 13):
        losses = [log_loss((total + m.valid_probs) / n, m.valid_true) for m in joined]
        chosen = int(np.argmin(losses))
        if losses[chosen] >= best - 1e-3:
            break
        best = losses[chosen]
        total = total + joined[chosen].valid_probs
        votes[joined[chosen].name] = votes.get(joined[chosen].name, 0) + 1
    return votes


def vote(joined: Sequence[Member], votes: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Average the members' probabilities, weighted by their votes.

    Parameters
    ----------
    joined : sequence of Member
        See `join`.
    votes : mapping
        Number of votes by name; see `select`.

    Returns
    -------
    valid, test : ndarray, shape (n_tracks, n_labels)
    """
    weights = np.array([votes.get(member.name, 0) for member in joined], dtype=float)
    weights /= weights.sum()
    valid, test = [m.valid_probs for m in joined], [m.test_probs for m in joined]
    return np.tensordot(weights, valid, 1), np.tensordot(weights, test, 1)


def stack(joined: Sequence[Member], votes: Mapping[str, int]) -> np.ndarray:
    """Fit a logistic regression to the members' validation predictions; predict the test set.

    Parameters
    ----------
    joined : sequence of Member
        See `join`.
    votes : mapping
        Members with votes take part, however many they have; see `select`.

    Returns
    -------
    ndarray, shape (n_test_tracks, n_labels)
    """
    chosen = [member for name in votes for member in joined if member.name == name]
    both = [m.valid_probs for m in chosen], [m.test_probs for m in chosen]
    X, X_test = (np.log(np.maximum(np.hstack(part), 1e-3)) for part in both)
    # The validation set is small, so the regularisation is strong.
    model = LogisticRegression(C=0.01, max_iter=3000).fit(X, joined[0].valid_true)
    probs = np.zeros((len(X_test), len(joined[0].labels)))
    probs[:, model.classes_] = model.predict_proba(X_test)
    return probs
