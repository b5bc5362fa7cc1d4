"""Votes and stacks of what several systems said; fitted on valid, judged on test.

Members may have heard different sources of the same tracks: they are joined by track. Taught in
notebook 08.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from gtzan_helpers import evaluate
from gtzan_helpers.errors import NotPossibleError

MOST_MEMBERS = 12
"""Votes that are given; a member may get several."""


@dataclass(frozen=True)
class Member:
    """What one system said of the tracks of valid and of test.

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


@dataclass(frozen=True)
class Joined:
    """Members on the tracks that all of them know.

    Attributes
    ----------
    names : tuple of str
    labels : tuple of str
    valid_id, test_id : ndarray of str
    valid_true, test_true : ndarray of int
    valid, test : ndarray, shape (n_members, n_tracks, n_labels)
        Probabilities; each member's temperature is set on valid.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    valid_id: np.ndarray
    valid_true: np.ndarray
    valid: np.ndarray
    test_id: np.ndarray
    test_true: np.ndarray
    test: np.ndarray


def join(members: Sequence[Member]) -> Joined:
    """Bring members to the tracks that all of them know.

    Parameters
    ----------
    members : sequence of Member

    Returns
    -------
    Joined

    Raises
    ------
    NotPossibleError
        If there are none, if labels differ, if no track is common to all, or if tracks of
        valid are tracks of test, too, as in a k-fold.
    """
    if not members:
        raise NotPossibleError("an ensemble needs members; run the systems first")
    first = members[0]
    for member in members:
        if member.labels != first.labels:
            raise NotPossibleError(
                f"{member.name} knows the labels {', '.join(member.labels)}, {first.name} others"
            )
    valid_id = sorted(set.intersection(*(set(m.valid_id.tolist()) for m in members)))
    test_id = sorted(set.intersection(*(set(m.test_id.tolist()) for m in members)))
    if not valid_id or not test_id:
        raise NotPossibleError(f"no track is common to {', '.join(m.name for m in members)}")
    if set(valid_id) & set(test_id):
        raise NotPossibleError(
            "an ensemble is fitted on valid, and a k-fold's valid tracks are its test tracks"
        )
    valid_rows = [np.searchsorted(m.valid_id, valid_id) for m in members]
    test_rows = [np.searchsorted(m.test_id, test_id) for m in members]
    valid_true = first.valid_true[valid_rows[0]]
    valid, test = [], []
    for member, v, t in zip(members, valid_rows, test_rows, strict=True):
        heat = evaluate.temperature(member.valid_probs[v], valid_true)
        valid.append(evaluate.tempered(member.valid_probs[v], heat))
        test.append(evaluate.tempered(member.test_probs[t], heat))
    return Joined(
        tuple(m.name for m in members),
        first.labels,
        np.array(valid_id),
        valid_true,
        np.stack(valid),
        np.array(test_id),
        first.test_true[test_rows[0]],
        np.stack(test),
    )


def select(joined: Joined) -> Mapping[str, int]:
    """Choose members, and how many votes each has, on valid.

    Starting from nothing, the member that lowers the loss of the vote most gets a vote, until
    none does (ensemble selection, Caruana et al. 2004).

    Returns
    -------
    mapping
        Votes by name, in the order in which members came in.
    """
    total = np.zeros_like(joined.valid[0])
    votes: dict[str, int] = {}
    best = np.inf
    for n in range(1, MOST_MEMBERS + 1):
        losses = [evaluate.loss((total + p) / n, joined.valid_true) for p in joined.valid]
        chosen = int(np.argmin(losses))
        if losses[chosen] >= best - 1e-3:
            break
        best = losses[chosen]
        total = total + joined.valid[chosen]
        votes[joined.names[chosen]] = votes.get(joined.names[chosen], 0) + 1
    return votes


def vote(joined: Joined, votes: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Average the members' probabilities, each as often as it has votes.

    Returns
    -------
    valid, test : ndarray, shape (n_tracks, n_labels)
    """
    weights = np.array([votes.get(name, 0) for name in joined.names], dtype=float)
    weights /= weights.sum()
    return np.tensordot(weights, joined.valid, 1), np.tensordot(weights, joined.test, 1)


def stack(
    joined: Joined, votes: Mapping[str, int], *, strength: float = 0.01, seed: int = 0
) -> np.ndarray:
    """Fit a logistic regression to what members say of valid, and ask it about test.

    Parameters
    ----------
    joined : Joined
    votes : mapping
        Those members that have one take part, see `select`; it does not matter how many.
    strength : float
        Inverse of the regularisation. Valid has few tracks, so it has to be small.
    seed : int

    Returns
    -------
    ndarray, shape (n_test_tracks, n_labels)
    """
    rows = [joined.names.index(name) for name in votes]
    X, X_test = (
        np.concatenate([np.log(np.maximum(part[row], 1e-3)) for row in rows], axis=1)
        for part in (joined.valid, joined.test)
    )
    model = LogisticRegression(C=strength, max_iter=3000, random_state=seed)
    model.fit(X, joined.valid_true)
    probs = np.zeros((len(X_test), len(joined.labels)))
    probs[:, model.classes_] = model.predict_proba(X_test)
    return probs
