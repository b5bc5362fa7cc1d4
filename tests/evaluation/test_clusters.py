"""Clusters: labels that are confused, or whose features are close, are joined first."""

import numpy as np
import pandas as pd

from gtzan_helpers.evaluation import clusters


def test_classes_with_near_means_are_joined_first_whatever_the_columns_scale(rng):
    labels = np.repeat(["a", "b", "c"], 20)
    centres = {"a": [0, 5e6], "b": [9, 0], "c": [1, 4e6]}
    values = np.array([centres[label] for label in labels]) + rng.normal(size=(60, 2))
    linkage, names = clusters.tree(np.column_stack([values, np.ones(60)]), labels)
    assert {names[int(k)] for k in linkage[0, :2]} == {"a", "c"}
    assert np.isfinite(linkage).all()


def test_labels_that_are_confused_with_one_another_are_one_cluster():
    matrix = pd.DataFrame(np.eye(4) * 0.5, list("abcd"), list("abcd"))
    matrix.loc["a", "b"] = matrix.loc["b", "a"] = 0.5
    matrix.loc["c", "d"] = matrix.loc["d", "c"] = 0.5
    matrix.loc["e", "e"] = matrix.loc["f", "f"] = 1.0
    matrix = matrix.fillna(0)[list("abcdef")]
    _, cluster_of = clusters.confusion_clusters(matrix)
    assert cluster_of["a"] == cluster_of["b"] != cluster_of["c"] == cluster_of["d"]
    assert len(set(cluster_of.values())) == 4
    y_true, y_pred = np.array([0, 1, 2, 3]), np.array([1, 1, 0, 2])
    assert clusters.cluster_accuracy(y_true, y_pred, cluster_of) == 0.75


def test_one_class_joins_nothing():
    assert len(clusters.tree(np.ones((5, 2)), np.array(["a"] * 5))[0]) == 0
    linkage, cluster_of = clusters.confusion_clusters(pd.DataFrame([[1.0]], ["a"], ["a"]))
    assert len(linkage) == 0 and cluster_of == {"a": 0}
