"""Clusters of labels that are confused with one another.

Taught in notebook 08.
"""

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform


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
