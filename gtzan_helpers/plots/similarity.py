"""Pictures of similarity: trees of classes, neighbours and hubs. Taught in notebooks 08 and 10."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.cluster import hierarchy
from scipy.stats import binom

from gtzan_helpers.plots import style
from gtzan_helpers.plots.style import name_of, plain


@style.unless_empty("no classes to join")
def dendrogram(
    linkage: np.ndarray, labels: Sequence[str], *, title: str = "", ax: Axes | None = None
) -> Axes:
    """A tree of classes, joined in order of their distance.

    Parameters
    ----------
    linkage : ndarray, shape (n_labels - 1, 4)
        See `evaluation.confusion_clusters` and `evaluation.tree`.
    labels : sequence of str
    title : str
    """
    ax = style.new_axes(ax, width=7, height=0.22 * len(labels) + 1.2)
    hierarchy.dendrogram(
        linkage, labels=[plain(label) for label in labels], orientation="left", ax=ax,
        color_threshold=0.0, above_threshold_color=style.BLUE,
    )  # fmt: skip
    ax.grid(visible=False)
    ax.tick_params(labelsize=8)
    ax.set(title=name_of(title), xlabel="distance")
    return ax


@style.unless_empty("no neighbours")
def precisions(table: pd.DataFrame, *, names: str, ax: Axes | None = None) -> Axes:
    """Precision at k among all songs and among those by other artists, with intervals.

    Parameters
    ----------
    table : DataFrame
        See `neighbours.averaged`; its column `among` tells the bars of one name apart.
    names : str
        Column that names the bars.
    """
    groups = list(table.groupby("among", sort=False))
    labels = list(dict.fromkeys(table[names]))
    height = 0.8 / len(groups)
    ax = style.new_axes(ax, height=0.32 * len(table) + 1.4)
    colours = (style.SKY, style.BLUE)
    for number, ((among, rows), colour) in enumerate(zip(groups, colours, strict=False)):
        place = np.array([labels.index(name) for name in rows[names]]) + height * number
        error = [rows.precision - rows.low, rows.high - rows.precision]
        ax.barh(place, rows.precision, height, xerr=error, color=colour, ecolor=style.INK,
                label=plain(f"among {among}"))  # fmt: skip
        ax.vlines(rows.chance, place - height / 2, place + height / 2, color=style.VERMILLION,
                  linestyle=":", label="_" * number + "chance level")  # fmt: skip
    middle = np.arange(len(labels)) + height * (len(groups) - 1) / 2
    ax.set_yticks(middle, [name_of(label, 30) for label in labels])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1))
    style.per_cent(ax.xaxis, "precision (%), with 95 % interval")
    style.legend_beside(ax)
    return ax


@style.unless_empty("no neighbours")
def hubs(counts: np.ndarray, *, title: str = "", ax: Axes | None = None) -> Axes:
    """How often songs are retrieved as neighbours, compared with random neighbours.

    Parameters
    ----------
    counts : ndarray of int, shape (n_songs,)
        See `neighbours.occurrences`.
    title : str
    """
    ax = style.new_axes(ax, width=5)
    times = np.arange(counts.max() + 1)
    others = len(counts) - 1
    by_chance = binom.pmf(times, others, counts.mean() / others)
    ax.bar(times, np.bincount(counts), color=style.BLUE, label="songs")
    ax.plot(times, len(counts) * by_chance, color=style.ORANGE, label="random neighbours")
    ax.set(xlabel="times retrieved as a neighbour", ylabel="songs", title=name_of(title))
    ax.legend(fontsize=9)
    return ax
