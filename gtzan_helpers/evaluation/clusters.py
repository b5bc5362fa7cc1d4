"""Clusters of labels: by what is confused, or by how close their features are.

Taught in notebook 08.
"""

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from sklearn.preprocessing import StandardScaler


def confusion_clusters(matrix: pd.DataFrame) -> tuple[np.ndarray, dict[str, int]]:
    """Group labels that are confused with one another, into four clusters at most.

    Parameters
    ----------
    matrix : DataFrame
        See `evaluation.confusion`.

    Returns
    -------
    linkage : ndarray, shape (n_labels - 1, 4)
        For `scipy.cluster.hierarchy.dendrogram`.
    cluster_of : dict
        Number of each label's cluster, from 0.

    Notes
    -----
    Distance is one minus the mean share of confusions in both directions; average linkage.
    """
    if len(matrix) < 2:
        return np.empty((0, 4)), dict.fromkeys(matrix.index, 0)
    distance = 1 - (matrix.to_numpy() + matrix.to_numpy().T) / 2
    np.fill_diagonal(distance, 0)
    linkage = hierarchy.linkage(squareform(distance, checks=False), "average")
    numbers = hierarchy.fcluster(linkage, min(4, len(matrix)), "maxclust") - 1
    return linkage, dict(zip(matrix.index, numbers.tolist(), strict=True))


def tree(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Join classes by the distance of their means, all columns on one scale.

    Parameters
    ----------
    values : ndarray, shape (n_examples, n_columns)
    labels : array of str, shape (n_examples,)

    Returns
    -------
    linkage : ndarray, shape (n_classes - 1, 4)
        For `scipy.cluster.hierarchy.dendrogram`; average linkage.
    names : list of str
        The classes in its order.
    """
    if len(set(labels)) < 2:
        return np.empty((0, 4)), list(dict.fromkeys(labels))
    scaled = StandardScaler().fit_transform(values)
    means = pd.DataFrame(scaled).groupby(np.asarray(labels)).mean()
    return hierarchy.linkage(means, "average"), means.index.tolist()


def cluster_accuracy(y_true: np.ndarray, y_pred: np.ndarray, cluster_of: dict[str, int]) -> float:
    """Share of examples that are put into the right cluster of labels.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, shape (n,)
        Indices of labels, in the order of `cluster_of`.
    cluster_of : dict
        Number of each label's cluster; see `confusion_clusters`.
    """
    numbers = np.array(list(cluster_of.values()))
    return float(pd.Series(numbers[y_true] == numbers[y_pred]).mean())
