"""Clusters: labels that are confused are joined first."""

import numpy as np
import pandas as pd

from gtzan_helpers.evaluation import clusters


def test_labels_that_are_confused_with_one_another_are_one_cluster():
    matrix = pd.DataFrame(np.eye(4) * 0.5, list("abcd"), list("abcd"))
    matrix.loc["a", "b"] = matrix.loc["b", "a"] = 0.5
    matrix.loc["c", "d"] = matrix.loc["d", "c"] = 0.5
    matrix.loc["e", "e"] = matrix.loc["f", "f"] = 1.0
    matrix = matrix.fillna(0)[list("abcdef")]
    _, cluster_of = clusters.confusion_clusters(matrix)
    assert cluster_of["a"] == cluster_of["b"] != cluster_of["c"] == cluster_of["d"]
    assert len(set(cluster_of.values())) == 4


def test_one_class_joins_nothing():
    linkage, cluster_of = clusters.confusion_clusters(pd.DataFrame([[1.0]], ["a"], ["a"]))
    assert len(linkage) == 0 and cluster_of == {"a": 0}
