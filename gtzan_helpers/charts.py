"""Pictures of results: how sure, how robust, how related; published against honest.

Each takes axes, or makes them, and returns them. Used by notebooks 08 to 10.
"""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.cluster import hierarchy
from scipy.stats import binom

from gtzan_helpers import damage, plots, scoreboard

HONEST, LEAKY, PUBLISHED = "#023047", "#8ecae6", "#fb8500"


def reliability(bins: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Axes:
    """How often answers are right, by how sure they are; on the diagonal is calibrated.

    Parameters
    ----------
    bins : DataFrame
        See `evaluate.reliability`.
    title : str
    """
    ax = plots.given_or_new(ax, figsize=(4, 4))
    ax.plot([0, 1], [0, 1], color="#555555", linestyle=":")
    ax.plot(bins.sure, bins.right, color=HONEST)
    ax.scatter(bins.sure, bins.right, s=10 + 200 * bins.n / bins.n.sum(), color=PUBLISHED, zorder=3)
    ax.set(xlabel="how sure", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1), title=title)
    ax.set_aspect("equal")
    return ax


def timeline(
    probs: np.ndarray, edges_s: np.ndarray, labels: list[str], *, ax: Axes | None = None
) -> Axes:
    """Probabilities of genres over the seconds of a song, stacked.

    Parameters
    ----------
    probs : ndarray, shape (n_segments, n_labels)
    edges_s : ndarray, shape (n_segments + 1,)
        Where each segment begins, and where the last one ends, in seconds.
    labels : list of str
        Those that are nowhere above a tenth are drawn together, in grey.
    """
    import matplotlib.pyplot as plt

    ax = plots.given_or_new(ax, figsize=(9, 2.5))
    below = np.zeros(len(probs))
    colours = plt.get_cmap("tab20")(np.linspace(0, 1, len(labels)))
    named = probs.max(axis=0) > 0.1
    layers = [(labels[k], probs[:, k], colours[k]) for k in np.flatnonzero(named)]
    if not named.all():
        layers.append(("others", probs[:, ~named].sum(axis=1), "#dddddd"))
    for label, share, colour in layers:
        ax.bar(edges_s[:-1], share, np.diff(edges_s), below, align="edge", color=colour,
               edgecolor="white", linewidth=0.5, label=label)  # fmt: skip
        below = below + share
    ax.set(xlabel="time (s)", ylabel="probability", xlim=(edges_s[0], edges_s[-1]), ylim=(0, 1))
    ax.grid(visible=False)
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=8)
    return ax


def robustness(table: pd.DataFrame, *, guess: float = 0.1, ax: Axes | None = None) -> Axes:
    """Accuracy on damaged songs.

    Parameters
    ----------
    table : DataFrame
        See `probes.robustness`.
    guess : float
        What guessing scores.
    """
    names = [
        row.kind if row.kind == "none" else f"{row.kind} {row.dose:g} {damage.UNITS[row.kind]}"
        for row in table.itertuples()
    ]
    ax = plots.with_intervals(table.assign(damage=names), names="damage", guess=guess, ax=ax)
    ax.axvline(table.track_accuracy.iloc[0], color=PUBLISHED, linewidth=1)
    return ax


def by_label(reports: Mapping[str, pd.DataFrame], *, ax: Axes | None = None) -> Axes:
    """F1 of each label with its interval, by several systems.

    Parameters
    ----------
    reports : mapping
        For each system its `evaluate.report`.
    """
    ax = plots.given_or_new(ax, figsize=(9, 4))
    colours = cycle((HONEST, PUBLISHED, LEAKY, "#8f2f6e"))
    width = 0.75 / len(reports)
    for number, ((name, table), colour) in enumerate(zip(reports.items(), colours, strict=False)):
        rows = table.drop(index="mean")
        place = np.arange(len(rows)) + width * (number - (len(reports) - 1) / 2)
        error = np.abs(rows[["f1_low", "f1_high"]].sub(rows.f1, axis=0)).T.to_numpy()
        ax.errorbar(place, rows.f1, yerr=error, fmt="o", color=colour, label=name)
    ax.set_xticks(np.arange(len(rows)), rows.index)
    ax.set(ylabel="F1, 95 % interval", ylim=(0, 1.02))
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=9)
    return ax


def dendrogram(
    linkage: np.ndarray, labels: list[str], *, title: str = "", ax: Axes | None = None
) -> Axes:
    """A tree of what is close to what."""
    ax = plots.given_or_new(ax, figsize=(7, 0.22 * len(labels) + 1.2))
    hierarchy.dendrogram(
        linkage, labels=labels, orientation="left", ax=ax, color_threshold=0.0,
        above_threshold_color=HONEST,
    )  # fmt: skip
    ax.grid(visible=False)
    ax.tick_params(labelsize=8)
    ax.set(title=title, xlabel="distance")
    return ax


def prices(compared: pd.DataFrame, *, guess: float = 0.1, ax: Axes | None = None) -> Axes:
    """Published, reproduced and honest accuracy of each system, on one line each.

    Parameters
    ----------
    compared : DataFrame
        See `scoreboard.comparison`; one line a system.
    guess : float
        What guessing scores.
    """
    import seaborn as sns

    ax = plots.given_or_new(ax, figsize=(9, 0.28 * len(compared) + 1.4))
    ordered = compared.sort_values("honest", ascending=False, na_position="last")
    names = {"published": "published", "reproduced": "reproduced", "honest": "honest"}
    points = ordered.melt("system_id", list(names), var_name="figure", value_name="accuracy")
    points = points.dropna(subset=["accuracy"])
    places = {name: i for i, name in enumerate(ordered.system_id)}
    ax.hlines(
        list(places.values()), ordered.honest, ordered.honest + ordered.price, color="#cccccc",
        linewidth=4, zorder=1, label="price of the leak",
    )  # fmt: skip
    ax.hlines(list(places.values()), ordered.low, ordered.high, color=HONEST, linewidth=1, zorder=2)
    sns.scatterplot(
        points.assign(place=points.system_id.map(places)), x="accuracy", y="place", hue="figure",
        style="figure", palette={"published": PUBLISHED, "reproduced": LEAKY, "honest": HONEST},
        markers={"published": "D", "reproduced": "o", "honest": "o"}, s=55, ax=ax, zorder=3,
        hue_order=list(names), style_order=list(names),
    )  # fmt: skip
    ax.set_yticks(list(places.values()), list(places), fontsize=8)
    ax.invert_yaxis()
    for share, words in ((guess, "guessing"), (scoreboard.CEILING, "ceiling")):
        ax.axvline(share, color="#555555", linestyle=":")
        ax.text(share, 0.01, words, rotation=90, ha="right", va="bottom", fontsize=8,
                color="#555555", transform=ax.get_xaxis_transform())  # fmt: skip
    ax.set(xlim=(0, 1.02), xlabel="accuracy", ylabel="")
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=9)
    return ax


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
    ax = plots.given_or_new(ax, figsize=(9, 0.32 * len(table) + 1.4))
    for number, ((among, lines), colour) in enumerate(zip(groups, (LEAKY, HONEST), strict=False)):
        place = np.array([labels.index(name) for name in lines[names]]) + height * number
        error = [lines.precision - lines.low, lines.high - lines.precision]
        ax.barh(place, lines.precision, height, xerr=error, color=colour, ecolor=PUBLISHED,
                label=f"among {among}")  # fmt: skip
        ax.vlines(lines.guess, place - height / 2, place + height / 2, color="#c1121f",
                  linestyle=":", label="_" * number + "drawn by lot")  # fmt: skip
    ax.set_yticks(np.arange(len(labels)) + height * (len(groups) - 1) / 2, labels)
    ax.invert_yaxis()
    ax.set(xlabel="share of the neighbours, 95 % interval", xlim=(0, 1))
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=9)
    return ax


def hubs(counts: np.ndarray, *, title: str = "", ax: Axes | None = None) -> Axes:
    """How often songs are named as neighbours, against neighbours drawn by lot.

    Parameters
    ----------
    counts : ndarray of int, shape (n_songs,)
        See `neighbours.occurrences`.
    title : str
    """
    ax = plots.given_or_new(ax, figsize=(5, 3.5))
    times = np.arange(counts.max() + 1)
    others = len(counts) - 1
    by_lot = binom.pmf(times, others, counts.mean() / others)
    ax.bar(times, np.bincount(counts), color=HONEST, label="songs")
    ax.plot(times, len(counts) * by_lot, color=PUBLISHED, label="drawn by lot")
    ax.set(xlabel="times named as a neighbour", ylabel="songs", title=title)
    ax.legend(fontsize=9)
    return ax
