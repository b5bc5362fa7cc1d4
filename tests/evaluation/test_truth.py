"""Intervals of test sets of composed songs, and the truth."""

import time

from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from gtzan_helpers import evaluation
from gtzan_helpers.evaluation import truth


def test_each_set_has_its_intervals_and_one_truth(monkeypatch):
    monkeypatch.setattr(truth, "TRAINING", (2, 1))
    monkeypatch.setattr(truth, "TEST", (2, 2))
    table = evaluation.coverage(KNeighborsClassifier(1), n_sets=3, seed=0)
    assert len(table) == 3 and table.truth.nunique() == 1
    assert abs(table.truth[0] - table.accuracy.mean()) < 1e-9 and table.truth[0] > 0.2
    for name in ("song", "artist"):
        low, high = table[f"{name}_low"], table[f"{name}_high"]
        assert (low <= table.accuracy).all() and (table.accuracy <= high).all()
        assert (table[f"{name}_holds"] == table.truth.between(low, high)).all()
    started = time.perf_counter()  # the songs are known already
    guessing = evaluation.coverage(DummyClassifier(), n_sets=3, seed=0)
    assert guessing.accuracy.tolist() == [0.1] * 3 and guessing.song_holds.all()
    assert time.perf_counter() - started < 2
