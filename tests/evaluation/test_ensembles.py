"""Ensembles: joined by track, chosen on the validation set, scored on the test set."""

from dataclasses import replace

import numpy as np
import pytest

from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.evaluation import ensembles
from gtzan_helpers.evaluation.calibration import log_loss

LABELS = ("a", "b", "c")


def member(name, rng, *, right, n=60, labels=LABELS, start=0):
    """A system that gives the true label 0.8 in a share `right` of the tracks, else another."""
    parts = []
    for prefix in ("v", "t"):
        y_true = np.arange(n) % len(labels)
        y_pred = np.where(rng.random(n) < right, y_true, (y_true + 1) % len(labels))
        probs = np.full((n, len(labels)), 0.1)
        probs[np.arange(n), y_pred] = 0.8
        parts += [np.array([f"{prefix}{i + start:03d}" for i in range(n)]), probs, y_true]
    return ensembles.Member(name, labels, *parts)


def test_members_are_joined_by_the_tracks_that_they_have_in_common(rng):
    joined = ensembles.join([member("x", rng, right=0.9), member("y", rng, right=0.6, start=30)])
    assert [m.valid_probs.shape for m in joined] == [(30, 3), (30, 3)]
    assert [m.test_probs.shape for m in joined] == [(30, 3), (30, 3)]
    assert [m.test_id[0] for m in joined] == ["t030", "t030"]
    first = member("x", np.random.default_rng(0), right=0.9)
    rows = np.searchsorted(first.test_id, joined[0].test_id)
    assert (joined[1].test_true == first.test_true[rows]).all()
    assert (joined[0].test_probs.argmax(axis=1) == first.test_probs[rows].argmax(axis=1)).all()


def test_better_members_get_votes_and_useless_ones_none(rng):
    good = [member(f"good{i}", rng, right=0.75) for i in range(3)]
    joined = ensembles.join([*good, member("useless", rng, right=0.33)])
    votes = ensembles.select(joined)
    assert "useless" not in votes and set(votes) <= {"good0", "good1", "good2"}
    valid, test = ensembles.vote(joined, votes)
    assert np.allclose(test.sum(axis=1), 1)
    losses = [log_loss(m.valid_probs, m.valid_true) for m in joined]
    assert log_loss(valid, joined[0].valid_true) <= min(losses)


def test_the_test_set_has_no_say_in_who_is_chosen(rng):
    systems = [member(f"m{i}", rng, right=0.7) for i in range(3)]
    votes = ensembles.select(ensembles.join(systems))
    changed = [replace(m, test_probs=rng.dirichlet(np.ones(3), len(m.test_probs))) for m in systems]
    assert ensembles.select(ensembles.join(changed)) == votes


def test_a_stack_learns_whom_to_trust(rng):
    joined = ensembles.join([member("good", rng, right=0.95), member("bad", rng, right=0.2)])
    probs = ensembles.stack(joined, {"good": 1, "bad": 1})
    assert np.allclose(probs.sum(axis=1), 1)
    assert (probs.argmax(axis=1) == joined[0].test_true).mean() > 0.8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ("a", "b", "z")}, "the labels of x, y differ"),
        ({"valid_id": np.array([f"w{i:03d}" for i in range(60)])}, "no track is common"),
        ({"valid_id": np.array([f"t{i:03d}" for i in range(60)])}, "k-fold"),
    ],
)
def test_members_that_cannot_be_joined_are_refused_in_one_line(rng, change, words):
    systems = [member("x", rng, right=0.9), member("y", rng, right=0.9)]
    changed = systems if words == "k-fold" else systems[1:]
    others = [replace(m, **change) for m in changed]
    with pytest.raises(NotPossibleError, match=words):
        ensembles.join(others if words == "k-fold" else [systems[0], *others])


def test_no_members_are_no_ensemble():
    with pytest.raises(NotPossibleError, match="needs members"):
        ensembles.join([])
