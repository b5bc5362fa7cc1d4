"""Pictures of scores: accuracies with intervals, confusions, calibration, neighbours.

Taught in notebooks 00 and 03 to 10.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import binom

from gtzan_helpers.plots import style

# What a perfect listener would score, given GTZAN's wrong labels (Sturm 2013).
CEILING = 0.945

# The ground of words that lie on lines.
BEHIND: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1}

ACCURACY = ["track_accuracy", "track_ci_low", "track_ci_high"]


@style.picture("no accuracy was measured", height=lambda rows: 0.5 * len(rows) + 1.2)
def accuracies(
    ax: Axes, rows: pd.DataFrame, *, names: str = "system_id", chance: float = 0.1
) -> None:
    """Track accuracies as bars with their 95 % intervals.

    Parameters
    ----------
    rows : DataFrame
        `track_accuracy`, `track_ci_low`, `track_ci_high`, and the column `names`. The bars are in
        the colours of the protocols, else blue.
    names : str
        Column that names the bars.
    chance : float
        Chance level.
    """
    shares, title = rows[ACCURACY], "accuracy by track (%), with 95 % interval"
    colours = [style.PROTOCOL_COLOURS.get(name, style.BLUE) for name in rows[names]]
    labels = rows[names] + np.where(rows.get("status") == "control", "\n(control)", "")
    ax.axvline(chance, **style.CHANCE)
    _bars(ax, labels, {"": shares}, [colours], title)
    for place, (share, _, high) in enumerate(shares.to_numpy()):
        ax.text(max(share, high) + 0.015, place, f"{100 * share:.0f}", va="center",
                bbox=BEHIND)  # fmt: skip


def _bars(
    ax: Axes, names: Sequence[str], parts: Mapping[str, pd.DataFrame], colours: Sequence, title: str
) -> None:
    """Shares as horizontal bars with their intervals, side by side for each name.

    Parameters
    ----------
    ax : Axes
    names : sequence of str, shape (n_names,)
    parts : mapping
        By the label in the legend: a table of a row per name, whose columns are the share, its
        lower and upper bound and, where each bar has one of its own, the chance level.
    colours : sequence
        For each part a colour, or a list of one for each name.
    title : str
        Of the axis of shares, which are shown in per cent.
    """
    height = 0.8 / len(parts)
    for number, ((label, table), colour) in enumerate(zip(parts.items(), colours, strict=False)):
        place = np.arange(len(names)) + height * (number - (len(parts) - 1) / 2)
        share, low, high, *chance = table.to_numpy(float).T
        error = np.abs([share - low, high - share])
        ax.barh(place, share, height, xerr=error, color=colour, ecolor=style.INK, label=label)
        for level in chance:
            look = style.CHANCE | {"label": "_" * number + "chance level"}  # once in the legend
            ax.vlines(level, place - height / 2, place + height / 2, **look)
    ax.set_yticks(range(len(names)), [style.name_of(name, 34) for name in names])
    ax.set(xlim=(0, 1.06), ylim=(len(names) - 0.4, -0.6))
    style.per_cent(ax.xaxis, title)
    style.legend_beside(ax)


@style.picture("no accuracy was measured", height=3.6)
def curves(
    ax: Axes, table: pd.DataFrame, *, over: str, label: str = "", chance: float = 0.1
) -> None:
    """Accuracy by track of systems as something changes, with 95 % intervals.

    Parameters
    ----------
    table : DataFrame
        `system_id`, `track_accuracy`, `track_ci_low`, `track_ci_high`, and the column `over`.
    over : str
        Column of numbers, or of words, which stand in their order at equal distances.
    label : str
        What the column means, with its unit.
    chance : float
        Chance level.
    """
    for name, rows in table.groupby("system_id", sort=False):
        places = rows[over].to_numpy()
        (line,) = ax.plot(places, rows.track_accuracy, "o-", label=style.name_of(name, 30))
        bounds = rows.track_ci_low, rows.track_ci_high
        ax.fill_between(places, *bounds, alpha=0.15, color=line.get_color())
    ax.axhline(chance, **style.CHANCE)
    ax.set(xlabel=label or over, ylim=(0, 1))
    style.per_cent(ax.yaxis, "accuracy by track (%),\nwith 95 % interval")
    style.legend_beside(ax)


@style.picture("no accuracy was measured", height=lambda rows: 0.55 * len(rows) + 1.4)
def train_and_test(ax: Axes, rows: pd.DataFrame, *, chance: float = 0.1) -> None:
    """Training and test accuracy of systems side by side: the gap is overfitting.

    Parameters
    ----------
    rows : DataFrame
        `system_id`, `train_accuracy`, and the track accuracy with its interval.
    chance : float
        Chance level.
    """
    parts = {"training set": rows[["train_accuracy"] * 3], "test set": rows[ACCURACY]}
    title = "accuracy (%); test set by track, with 95 % interval"
    ax.axvline(chance, **style.CHANCE)
    _bars(ax, rows.system_id, parts, (style.SKY, style.BLUE), title)


@style.picture("no mistake was measured", height=lambda ledger: 0.65 * len(ledger) + 1.3)
def mistakes(ax: Axes, ledger: pd.DataFrame, *, chance: float = 0.1) -> None:
    """What each mistake reports, what it is worth on new songs, and the price between them.

    Parameters
    ----------
    ledger : DataFrame
        See `evaluation.mistakes`.
    chance : float
        Chance level.
    """
    places = np.arange(len(ledger))
    ax.hlines(places, ledger.fair, ledger.reported, color=style.LIGHT, linewidth=6)
    ax.scatter(ledger.fair, places, s=60, color=style.BLUE, label="without the mistake", zorder=3)
    ax.scatter(ledger.reported, places, s=60, color=style.VERMILLION, marker="D",
               label="with it", zorder=3)  # fmt: skip
    for place, line in enumerate(ledger.itertuples()):
        points = (100 * share for share in (line.price, line.price_low, line.price_high))
        words = "{:+.0f} ({:+.0f} to {:+.0f})".format(*points).replace("-", "−")
        ax.text(max(line.fair, line.reported) + 0.03, place, words, va="center", bbox=BEHIND)
    ax.axvline(chance, **style.CHANCE)
    names = [f"{each.mistake}\n({each.songs} songs)" for each in ledger.itertuples()]
    ax.set_yticks(places, [style.name_of(name, 34) for name in names])
    ax.set(xlim=(0, 1.5), xticks=np.linspace(0, 1, 6), ylim=(len(ledger) - 0.5, -0.5))
    style.per_cent(ax.xaxis, "accuracy (%), and its price in points with 95 % interval")
    style.legend_beside(ax)


@style.picture("no test sets", height=4)
def coverage(ax: Axes, table: pd.DataFrame) -> None:
    """Intervals of many test sets, by songs and by artists, and which miss the truth.

    Parameters
    ----------
    table : DataFrame
        See `evaluation.coverage`.
    """
    for shift, name in ((-0.2, "song"), (0.2, "artist")):
        holds = table[f"{name}_holds"]
        marker = {"song": "o", "artist": "s"}[name]
        for part, colour in ((holds, style.BLUE), (~holds, style.VERMILLION)):
            rows = table[part]
            ax.vlines(
                rows.index + 1 + shift, rows[f"{name}_low"], rows[f"{name}_high"], color=colour
            )
            ax.plot(rows.index + 1 + shift, rows.accuracy, marker, color=colour, markersize=3)
        ax.plot(
            [], [], marker, color=style.GREY, label=f"over {name}s: {holds.sum()} of {len(table)}"
        )
    ax.axhline(table.truth.iloc[0], color=style.INK, linestyle="--", label="truth")
    ax.vlines([], 0, 0, color=style.VERMILLION, label="misses the truth")
    ax.set(xlabel="test set")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.per_cent(ax.yaxis, "accuracy (%), with 95 % interval", decimals=0)
    style.legend_beside(ax, title="intervals that hold it")


@style.picture(width=6.5, height=5.5)
def confusion(ax: Axes, matrix: pd.DataFrame) -> None:
    """A confusion matrix in per cent of the true label's tracks.

    Parameters
    ----------
    matrix : DataFrame, shape (n_labels, n_labels)
        Shares; see `evaluation.confusion`.
    """
    if not matrix.to_numpy().any():
        return style.notice_axes(ax, "no predictions")
    shown = matrix.rename(index=style.plain, columns=style.plain)
    text = (100 * shown).round().astype(int).astype(str).replace("0", "")
    sns.heatmap(
        shown, annot=text, fmt="", cmap="Blues", vmin=0, vmax=1, square=True, cbar=False, ax=ax,
        annot_kws={"size": 9}, xticklabels=1, yticklabels=1,
    )  # fmt: skip
    ax.set(xlabel="predicted (%)", ylabel="true")
    ax.tick_params(axis="x", labelrotation=45)
    ax.tick_params(axis="y", labelrotation=0)


@style.picture("no predictions", width=4, height=4)
def reliability(ax: Axes, bins: pd.DataFrame) -> None:
    """Accuracy by confidence, and where a calibrated model's would lie; on average the diagonal.

    Parameters
    ----------
    bins : DataFrame
        See `evaluation.reliability`.
    """
    ax.plot([0, 1], [0, 1], color=style.GREY, linestyle=":", label="confidence = accuracy")
    ax.fill_between(bins.confidence, bins.low, bins.high, color=style.LIGHT,
                    label="95 % of calibrated models")  # fmt: skip
    ax.plot(bins.confidence, bins.accuracy, "o-", color=style.BLUE, label="this model",
            clip_on=False)  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    style.per_cent(ax.xaxis, "confidence (%)")
    style.per_cent(ax.yaxis, "accuracy (%)")
    ax.legend(loc="upper left", fontsize=9)


@style.picture("no system was measured", width=10, height=lambda table: 0.31 * len(table) + 1.4)
def prices(ax: Axes, compared: pd.DataFrame, *, chance: float = 0.1) -> None:
    """Published, reproduced and honest accuracy of each system, on one line each.

    Parameters
    ----------
    compared : DataFrame
        See `scoreboard.comparison`; one line per system.
    chance : float
        Chance level.
    """
    rows = compared.sort_values("honest", ascending=False, na_position="last")
    place = np.arange(len(rows))
    ax.hlines(place, rows.honest, rows.honest + rows.price, color=style.LIGHT, linewidth=4,
              label="price of the leak")  # fmt: skip
    ax.hlines(place, rows.low, rows.high, color=style.BLUE, linewidth=1)
    for name, colour, marker, size, level in (
        ("published", style.VERMILLION, "D", 45, 5),  # on top, but smaller than what it may hide
        ("reproduced", style.SKY, "o", 80, 3),
        ("honest", style.BLUE, "s", 45, 4),
    ):
        if rows[name].notna().any():
            ax.scatter(rows[name], place, s=size, color=colour, marker=marker, label=name,
                       zorder=level)  # fmt: skip
    ax.set_yticks(place, [style.name_of(name, 48) for name in rows.system_id], fontsize=9)
    ax.set(xlim=(0, 1.02), ylim=(len(rows) - 0.4, -0.6))
    style.per_cent(
        ax.xaxis, "accuracy (%); lines: 95 % interval, over artists where they are known"
    )
    ax.axvline(chance, **style.CHANCE)
    if rows.published.notna().any():
        ax.axvline(CEILING, color=style.GREY, linestyle="--", label="ceiling of GTZAN")
    style.legend_beside(ax)


@style.picture("no system was measured", height=lambda rows: 0.4 * len(rows) + 1)
def studies(ax: Axes, compared: pd.DataFrame) -> None:
    """Published and honest accuracy of a few systems, study by study, figures at the marks.

    Parameters
    ----------
    compared : DataFrame
        See `scoreboard.comparison`; one line per system, those of a study together.
    """
    systems = [style.SYSTEMS[system_id] for system_id in compared.system_id]
    begins = np.array([a.study != b.study for a, b in pairwise([systems[-1], *systems])])
    place = np.arange(len(systems)) + 1.2 * begins.cumsum()  # a study's name stands above
    ax.hlines(place, compared.honest, compared.published, color=style.LIGHT, linewidth=6)
    ax.hlines(place, compared.low, compared.high, color=style.BLUE, linewidth=1.5)
    right = compared[["published", "high"]].max(axis=1) + 0.02
    for name, marker, colour, side, beside in (
        ("published", "D", style.VERMILLION, "left", right),
        ("honest", "o", style.BLUE, "right", compared.low - 0.012),
    ):
        look: Any = {"color": colour, "va": "center", "weight": "bold", "bbox": BEHIND}
        ax.scatter(compared[name], place, s=60, color=colour, marker=marker, zorder=3)
        ax.text(compared[name].iloc[0], place[0] - 0.95, name, ha="center", **look)
        for x, y, share in zip(beside, place, compared[name], strict=True):
            ax.text(x, y, "" if np.isnan(share) else f"{100 * share:.0f}", ha=side, **look)
    names = [re.sub(r", \w+ study$| \(ours\)$", "", system.name) for system in systems]
    ax.set_yticks(place, [style.name_of(name, 34) for name in names])
    for y, system in zip(place[begins], np.array(systems)[begins], strict=True):
        ax.text(-0.01, y - 0.95, f"{system.study} study".replace("ours study", "ours"), ha="right",
                va="center", weight="bold", transform=ax.get_yaxis_transform())  # fmt: skip
    ax.grid(axis="y", visible=False)
    ax.set(xlim=(0.2, 1), ylim=(place[-1] + 0.6, place[0] - 1.5))
    style.per_cent(ax.xaxis, "accuracy (%); thin lines: 95 % interval over artists")


@style.picture("no neighbours", height=lambda table: 0.32 * len(table) + 1.4)
def precisions(ax: Axes, table: pd.DataFrame, *, names: str) -> None:
    """Precision at k among all songs and among those by other artists, with intervals.

    Parameters
    ----------
    table : DataFrame
        See `neighbours.averaged`; its column `among` tells the bars of one name apart.
    names : str
        Column that names the bars.
    """
    labels = table[names].unique()
    columns = ["precision", "low", "high", "chance"]
    groups = table.set_index(names).groupby("among", sort=False)[columns]
    parts = {f"among {among}": rows.reindex(labels) for among, rows in groups}
    _bars(ax, labels, parts, (style.SKY, style.BLUE), "precision (%), with 95 % interval")


@style.picture("no neighbours", width=5)
def hubs(ax: Axes, counts: np.ndarray) -> None:
    """How often songs are retrieved as neighbours, compared with random neighbours.

    Parameters
    ----------
    counts : ndarray of int, shape (n_songs,)
        How often each was retrieved.
    """
    times = np.arange(counts.max() + 1)
    others = len(counts) - 1
    by_chance = binom.pmf(times, others, counts.mean() / others)
    ax.bar(times, np.bincount(counts), color=style.BLUE, label="these neighbours")
    ax.plot(times, len(counts) * by_chance, color=style.ORANGE, label="random neighbours")
    ax.set(xlabel="times retrieved as a neighbour", ylabel="songs")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=9)
