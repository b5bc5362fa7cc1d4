"""Ensembles: joined by track, chosen on valid, scored on test."""

from dataclasses import replace

import numpy as np
import pytest

from gtzan_helpers import ensembles, experiments, results
from gtzan_helpers.errors import NotPossibleError

LABELS = ("a", "b", "c")


def member(name, rng, *, right, n=60, labels=LABELS, start=0):
    """A system that gives the true label 0.8 as often as `right` says, else another."""
    parts = []
    for prefix in ("v", "t"):
        truth = np.arange(n) % len(labels)
        answers = np.where(rng.random(n) < right, truth, (truth + 1) % len(labels))
        probs = np.full((n, len(labels)), 0.1)
        probs[np.arange(n), answers] = 0.8
        parts += [np.array([f"{prefix}{i + start:03d}" for i in range(n)]), probs, truth]
    return ensembles.Member(name, labels, *parts)


def test_members_are_joined_by_track_whatever_else_they_know(rng):
    joined = ensembles.join([member("x", rng, right=0.9), member("y", rng, right=0.6, start=30)])
    assert joined.valid.shape == (2, 30, 3) and joined.test.shape == (2, 30, 3)
    assert joined.test_id[0] == "t030"
    first = member("x", np.random.default_rng(0), right=0.9)
    rows = np.searchsorted(first.test_id, joined.test_id)
    assert (joined.test_true == first.test_true[rows]).all()
    assert (joined.test[0].argmax(axis=1) == first.test_probs[rows].argmax(axis=1)).all()


def test_better_members_get_votes_and_useless_ones_none(rng):
    good = [member(f"good{i}", rng, right=0.75) for i in range(3)]
    joined = ensembles.join([*good, member("useless", rng, right=0.33)])
    votes = ensembles.select(joined)
    assert "useless" not in votes and set(votes) <= {"good0", "good1", "good2"}
    valid, test = ensembles.vote(joined, votes)
    assert np.allclose(test.sum(axis=1), 1)
    assert evaluate_loss(valid, joined) <= min(evaluate_loss(p, joined) for p in joined.valid)


def evaluate_loss(probs, joined):
    return ensembles.evaluate.loss(probs, joined.valid_true)


def test_test_songs_have_no_say_in_who_is_chosen(rng):
    systems = [member(f"m{i}", rng, right=0.7) for i in range(3)]
    votes = ensembles.select(ensembles.join(systems))
    spoilt = [replace(m, test_probs=rng.dirichlet(np.ones(3), len(m.test_probs))) for m in systems]
    assert ensembles.select(ensembles.join(spoilt)) == votes


def test_a_stack_learns_whom_to_trust(rng):
    joined = ensembles.join([member("good", rng, right=0.95), member("bad", rng, right=0.2)])
    probs = ensembles.stack(joined, {"good": 1, "bad": 1}, strength=1.0)
    assert np.allclose(probs.sum(axis=1), 1)
    assert (probs.argmax(axis=1) == joined.test_true).mean() > 0.8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": ("a", "b", "z")}, "knows the labels"),
        ({"valid_id": np.array([f"w{i:03d}" for i in range(60)])}, "no track is common"),
        ({"valid_id": np.array([f"t{i:03d}" for i in range(60)])}, "k-fold"),
    ],
)
def test_what_cannot_be_joined_is_refused_in_one_line(rng, change, words):
    systems = [member("x", rng, right=0.9), member("y", rng, right=0.9)]
    changed = systems if words == "k-fold" else systems[1:]
    others = [replace(m, **change) for m in changed]
    with pytest.raises(NotPossibleError, match=words):
        ensembles.join(others if words == "k-fold" else [systems[0], *others])


def test_no_members_are_no_ensemble():
    with pytest.raises(NotPossibleError, match="needs members"):
        ensembles.join([])


def test_an_ensembles_row_is_kept_like_any_other(rng, tmp_path):
    systems = [member(f"m{i}__pack__fault_filtered__0", rng, right=0.8) for i in range(3)]
    joined = ensembles.join(systems)
    votes = ensembles.select(joined)
    row = experiments.run_ensemble(
        joined, votes, protocol="fault_filtered", run_dir=tmp_path, profile="full"
    )
    (line,) = results.read(tmp_path).itertuples()
    assert line.track_accuracy == row.track_accuracy and line.source == "pack"
    stored = results.read_predictions(tmp_path, row.stem)
    _, probs, truth = stored.tracks()
    assert (probs.argmax(axis=1) == truth).mean() == pytest.approx(row.track_accuracy)
    assert experiments.members([tmp_path], "fault_filtered") == []  # an ensemble is no member
