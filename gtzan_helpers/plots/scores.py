"""Pictures of scores: accuracies with intervals, confusions, calibration, the scoreboard.

Taught in notebooks 00 and 03 to 09.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from gtzan_helpers.audio.changes import UNITS
from gtzan_helpers.plots import style
from gtzan_helpers.plots.style import name_of, per_cent, plain

CEILING = 0.945
"""What a perfect listener would score, given GTZAN's wrong labels (Sturm 2013)."""

VALIDATION = {
    "valid_accuracy": "track_accuracy",
    "valid_low": "track_ci_low",
    "valid_high": "track_ci_high",
}


@style.unless_empty("no accuracy was measured")
def accuracies(
    rows: pd.DataFrame,
    *,
    names: str = "system_id",
    colours: Sequence[str] | None = None,
    chance: float = 0.1,
    ax: Axes | None = None,
) -> Axes:
    """Track accuracies as bars with their 95 % intervals.

    Parameters
    ----------
    rows : DataFrame
        `track_accuracy`, `track_ci_low`, `track_ci_high`, and the column `names`; or variants
        compared on the validation set, see `Run.compare`, of which the best epochs are shown.
    names : str
        Column that names the bars.
    colours : sequence of str or None
        One per bar; None for those of the protocols, or blue.
    chance : float
        Chance level.
    """
    title = "accuracy by track (%), with 95 % interval"
    if "valid_low" in rows:
        rows = rows[rows.best.astype(bool)].rename(columns=VALIDATION)
        title = f"validation {title}"
    ax = style.new_axes(ax, height=0.5 * len(rows) + 1.2)
    place = np.arange(len(rows))
    colours = colours or [style.PROTOCOL_COLOURS.get(name, style.BLUE) for name in rows[names]]
    ax.barh(place, rows.track_accuracy, color=colours)
    _intervals(rows, place, ax)
    for y, share, high in zip(place, rows.track_accuracy, rows.track_ci_high, strict=True):
        ax.text(max(share, high) + 0.015, y, f"{100 * share:.0f}", va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
    labels = [name_of(name, 30) for name in rows[names]]
    if "status" in rows:
        notes = rows.status.map({"control": " (control)"}).fillna("")
        labels = [label + note for label, note in zip(labels, notes, strict=True)]
    ax.set_yticks(place, labels)
    ax.set(xlim=(0, 1.06), ylim=(len(rows) - 0.4, -0.6))
    per_cent(ax.xaxis, title)
    style.mark(ax, {"chance level": chance})
    return ax


def _intervals(rows: pd.DataFrame, place: np.ndarray, ax: Axes) -> None:
    error = np.abs(rows[["track_ci_low", "track_ci_high"]].sub(rows.track_accuracy, axis=0))
    xerr = error.T.to_numpy()
    ax.errorbar(rows.track_accuracy, place, xerr=xerr, fmt="none", ecolor=style.INK)


@style.unless_empty("no accuracy on corrupted songs was measured")
def robustness(table: pd.DataFrame, *, chance: float = 0.1, ax: Axes | None = None) -> Axes:
    """Accuracy on corrupted songs.

    Parameters
    ----------
    table : DataFrame
        `kind`, `severity`, `track_accuracy`, `track_ci_low`, `track_ci_high`; the first row
        without corruption, which the line repeats. See `Run.robustness`.
    chance : float
        Chance level.
    """
    labels = [
        f"{row.kind} {row.severity:g} {UNITS[row.kind]}" if row.kind in UNITS else row.kind
        for row in table.itertuples()
    ]
    ax = accuracies(table.assign(label=labels), names="label", chance=chance, ax=ax)
    ax.axvline(table.track_accuracy.iloc[0], color=style.ORANGE)
    return ax


@style.unless_empty("no accuracy was measured")
def train_and_test(rows: pd.DataFrame, *, chance: float = 0.1, ax: Axes | None = None) -> Axes:
    """Training and test accuracy of systems side by side: the gap is overfitting.

    Parameters
    ----------
    rows : DataFrame
        `system_id`, `train_accuracy`, and the track accuracy with its interval.
    chance : float
        Chance level.
    """
    ax = style.new_axes(ax, height=0.55 * len(rows) + 1.4)
    place = np.arange(len(rows))
    ax.barh(place - 0.2, rows.train_accuracy, 0.38, color=style.SKY, label="training set")
    ax.barh(place + 0.2, rows.track_accuracy, 0.38, color=style.BLUE, label="test set")
    _intervals(rows, place + 0.2, ax)
    ax.set_yticks(place, [name_of(name, 30) for name in rows.system_id])
    ax.set(xlim=(0, 1.02), ylim=(len(rows) - 0.4, -0.6))
    per_cent(ax.xaxis, "accuracy (%); test set by track, with 95 % interval")
    style.mark(ax, {"chance level": chance})
    style.legend_beside(ax)
    return ax


@style.unless_empty("no network was tested on parts of songs")
def by_seconds(table: pd.DataFrame, *, chance: float = 0.1, ax: Axes | None = None) -> Axes:
    """Accuracy by track against the seconds of each song that are used, with its interval.

    Parameters
    ----------
    table : DataFrame
        `system_id`, `seconds`, `track_accuracy`, `track_ci_low`, `track_ci_high`.
    chance : float
        Chance level.
    """
    ax = style.new_axes(ax, height=3.6)
    colours = style.colours_of(table.system_id.unique())
    for name, rows in table.groupby("system_id", sort=False):
        low, high, colour = rows.track_ci_low, rows.track_ci_high, colours[name]
        ax.plot(rows.seconds, rows.track_accuracy, "o-", color=colour, label=name_of(name, 30))
        ax.fill_between(rows.seconds, low, high, alpha=0.15, color=colour)
    ax.axhline(chance, color=style.GREY, linestyle=":", label="chance level")
    ax.set(xlabel="seconds of each song", ylim=(0, 1))
    per_cent(ax.yaxis, "accuracy by track (%),\nwith 95 % interval")
    style.legend_beside(ax)
    return ax


def confusion(matrix: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Axes:
    """A confusion matrix in per cent of the true label's tracks; see `evaluation.confusion`."""
    ax = style.new_axes(ax, width=6.5, height=5.5)
    ax.set_title(name_of(title, 45))
    if not matrix.to_numpy().any():
        return style.notice_axes(ax, "no predictions")
    shown = matrix.rename(index=plain, columns=plain)
    text = (100 * shown).round().astype(int).astype(str).replace("0", "")
    sns.heatmap(
        shown, annot=text, fmt="", cmap="Blues", vmin=0, vmax=1, square=True, cbar=False, ax=ax,
        annot_kws={"size": 9}, xticklabels=1, yticklabels=1,
    )  # fmt: skip
    ax.set(xlabel="predicted (%)", ylabel="true")
    ax.tick_params(axis="x", labelrotation=45)
    ax.tick_params(axis="y", labelrotation=0)
    return ax


@style.unless_empty("no predictions")
def by_label(reports: Mapping[str, pd.DataFrame], *, ax: Axes | None = None) -> Axes:
    """F1 of each label with its interval, by several systems.

    Parameters
    ----------
    reports : mapping
        For each system its `evaluation.report`.
    """
    ax = style.new_axes(ax, height=4)
    width = 0.75 / len(reports)
    for number, (name, colour) in enumerate(style.colours_of(list(reports)).items()):
        rows = reports[name].drop(index="mean")
        place = np.arange(len(rows)) + width * (number - (len(reports) - 1) / 2)
        error = np.abs(rows[["f1_low", "f1_high"]].sub(rows.f1, axis=0)).T.to_numpy()
        ax.errorbar(place, rows.f1, yerr=error, fmt="o", color=colour, label=name_of(name, 30))
    ax.set_xticks(np.arange(len(rows)), [plain(label) for label in rows.index])
    ax.tick_params(axis="x", labelrotation=45)
    ax.set(ylabel="F1, with 95 % interval", ylim=(0, 1.02))
    style.legend_beside(ax)
    return ax


@style.unless_empty("no features")
def importances(values: pd.Series, *, ax: Axes | None = None) -> Axes:
    """The most important features, longest bar first; `values` are indexed by feature."""
    ax = style.new_axes(ax, height=0.3 * len(values) + 1)
    ordered = values.sort_values(ascending=False)
    ax.barh([plain(feature) for feature in ordered.index], ordered, color=style.BLUE)
    ax.invert_yaxis()
    ax.set(xlabel="importance")
    return ax


@style.unless_empty("no predictions")
def reliability(bins: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Accuracy by confidence; on the diagonal, probabilities are calibrated.

    Parameters
    ----------
    bins : DataFrame
        See `evaluation.reliability`; the more tracks in a bin, the larger its point.
    title : str
    """
    ax = style.new_axes(ax, width=4, height=4)
    ax.plot([0, 1], [0, 1], color=style.GREY, linestyle=":")
    ax.text(0.05, 0.08, "calibrated", rotation=45, rotation_mode="anchor", color=style.GREY)
    ax.plot(bins.confidence, bins.accuracy, color=style.BLUE)
    sizes = 10 + 200 * bins.n / bins.n.sum()
    ax.scatter(bins.confidence, bins.accuracy, s=sizes, color=style.ORANGE, zorder=3, clip_on=False)
    ax.set(xlim=(0, 1), ylim=(0, 1), title=name_of(title, 45), aspect="equal")
    per_cent(ax.xaxis, "confidence (%)")
    per_cent(ax.yaxis, "accuracy (%)")
    return ax


@style.unless_empty("no predictions")
def timeline(
    probs: np.ndarray, edges_s: np.ndarray, labels: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Probabilities of genres over the seconds of a song, stacked.

    Parameters
    ----------
    probs : ndarray, shape (n_segments, n_labels)
    edges_s : ndarray, shape (n_segments + 1,)
        Where each segment begins, and where the last one ends, in seconds.
    labels : sequence of str
        Those that are nowhere above a tenth are drawn together, in grey.
    """
    ax = style.new_axes(ax, height=2.5)
    shares = pd.DataFrame(probs, columns=[plain(label) for label in labels])
    colours = {**style.colours_of(shares.columns), "others": style.LIGHT}
    small = shares.columns[shares.max() <= 0.1]
    if len(small):
        shares = shares.drop(columns=small).assign(others=shares[small].sum(axis=1))
    below = shares.cumsum(axis=1) - shares
    for label, share in shares.items():
        ax.bar(edges_s[:-1], share, np.diff(edges_s), below[label], align="edge",
               color=colours[label], edgecolor="white", linewidth=0.5, label=label)  # fmt: skip
    ax.set(xlabel="time (s)", xlim=(edges_s[0], edges_s[-1]), ylim=(0, 1))
    per_cent(ax.yaxis, "probability (%)")
    ax.grid(visible=False)
    style.legend_beside(ax)
    return ax


@style.unless_empty("no system was measured")
def prices(
    compared: pd.DataFrame, *, chance: float = 0.1, ceiling: float = CEILING, ax: Axes | None = None
) -> Axes:
    """Published, reproduced and honest accuracy of each system, on one line each.

    Parameters
    ----------
    compared : DataFrame
        See `scoreboard.comparison`; one line per system.
    chance, ceiling : float
        Chance level, and what a perfect listener would score.
    """
    ax = style.new_axes(ax, width=11, height=0.28 * len(compared) + 1.4)
    rows = compared.sort_values("honest", ascending=False, na_position="last")
    place = np.arange(len(rows))
    ax.hlines(place, rows.honest, rows.honest + rows.price, color=style.LIGHT, linewidth=4,
              label="price of the leak")  # fmt: skip
    ax.hlines(place, rows.low, rows.high, color=style.BLUE, linewidth=1)
    colours = {"published": style.VERMILLION, "reproduced": style.SKY, "honest": style.BLUE}
    for (name, colour), marker in zip(colours.items(), "Dos", strict=True):
        ax.scatter(rows[name], place, s=45, color=colour, marker=marker, label=name, zorder=3)
    ax.set_yticks(place, [name_of(name) for name in rows.system_id], fontsize=8)
    ax.set(xlim=(0, 1.02), ylim=(len(rows) - 0.4, -0.6))
    per_cent(ax.xaxis, "accuracy (%)")
    style.mark(ax, {"chance level": chance, "ceiling": ceiling})
    style.legend_beside(ax)
    return ax
