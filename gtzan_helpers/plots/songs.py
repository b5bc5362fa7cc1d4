"""The picture of what a model answers about one song.

Taught in notebook 08.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtzan_helpers.audio.analysis import MelAnalysis
from gtzan_helpers.models.songs import Answer
from gtzan_helpers.plots import sound, style

# Columns of a spectrogram for which a picture has pixels.
MOST_COLUMNS = 1200

# Genres and reasons, and neighbours.
MOST_BARS, MOST_NEIGHBOURS = 10, 5

# Characters of a name at a bar.
LONGEST = 24

# A height, relative to others, and what draws.
Panel = tuple[float, Callable[[Axes], object]]


def answer(answer: Answer, analysis: MelAnalysis | None = None) -> Figure:
    """Draw an answer: spectrogram, genres over time, probabilities, neighbours, reasons.

    What the answer lacks is left out, and so are probabilities where no genre is named. The bars
    of the prediction set have the colours of the timeline; others are grey.

    Parameters
    ----------
    answer : Answer
    analysis : MelAnalysis or None
        Of the song, or of its beginning, which is all that is drawn then.
    """
    named = sorted(list(answer.probabilities)[:MOST_BARS])  # so that songs share their colours
    colours = style.colours_of(named)
    over_time, bars, end_s = [], [], answer.seconds
    if analysis is not None:
        end_s = min(end_s, analysis.log_mel.shape[1] / analysis.frame_rate)
        over_time.append((2.4, partial(_spectrogram, analysis=analysis)))
    if answer.genres:
        bars.append(_probabilities(answer, colours))
        parts = answer.timeline.query("start_s < @end_s") if len(answer.timeline) else ()
        if len(parts) > 1:
            over_time.append((2, partial(_timeline, parts=parts, end_s=end_s, colours=colours)))
    if len(answer.neighbours):
        bars.append(_neighbours(answer.neighbours[:MOST_NEIGHBOURS], colours))
    if answer.reasons:
        bars.append(_reasons(answer))
    figure = _drawn(over_time, bars)
    figure.suptitle(style.name_of(f"{Path(answer.file).name}: {answer.promise}", 95))
    for ax in figure.axes[: len(over_time)]:
        shown = f"time (s); the song lasts {answer.seconds:.0f} s"
        ax.set(xlim=(0, end_s), xlabel=shown if end_s < answer.seconds - 1 else "time (s)")
    return figure


def _drawn(*columns: Iterable[Panel]) -> Figure:
    """Panels under one another, in two columns where both have some."""
    filled = [list(column) for column in columns if column]
    filled = filled or [[(1, partial(style.notice_axes, text="no sound"))]]
    height = max(sum(size for size, _ in column) for column in filled)
    figure = plt.figure(figsize=(5.2 * len(filled), height + 0.4), layout="constrained")
    parts = figure.subfigures(1, len(filled), squeeze=False, width_ratios=[4, 3][: len(filled)])
    for part, column in zip(parts[0], filled, strict=True):
        ratios = [size for size, _ in column]
        axes = part.subplots(len(column), squeeze=False, height_ratios=ratios)[:, 0]
        for ax, (_, draw) in zip(axes, column, strict=True):
            draw(ax)
    return figure


def _spectrogram(ax: Axes, analysis: MelAnalysis) -> None:
    n_joined = -(-analysis.log_mel.shape[1] // MOST_COLUMNS)
    starts = np.arange(0, analysis.log_mel.shape[1], n_joined)
    loudest = np.maximum.reduceat(analysis.log_mel, starts, axis=1)
    joined = MelAnalysis(loudest, frame_rate=analysis.frame_rate / n_joined)
    sound.mel_spectrogram(joined, ax=ax)


def _timeline(ax: Axes, parts: pd.DataFrame, end_s: float, colours: Mapping[str, str]) -> None:
    """Probabilities stacked; those that are nowhere above a tenth are drawn together, in grey.

    Parts without an answer leave a gap. A part ends where the next one begins, or after the usual
    length; the last one may be half as long again.
    """
    drawn = parts.set_index("start_s")[[name for name in colours if parts[name].max() > 0.1]]
    shares = drawn.assign(others=1 - drawn.sum(axis=1))
    shares = shares.loc[:, shares.max() > 1e-3]
    lengths = np.diff([*shares.index, end_s])
    usual = lengths[:-1].min()
    gaps = pd.DataFrame(0.0, shares.index[lengths > 1.6 * usual] + usual, shares.columns)
    steps = pd.concat([shares, gaps]).sort_index()
    ax.stackplot(
        [*steps.index, end_s], steps.to_numpy()[[*range(len(steps)), -1]].T, step="post",
        labels=map(_short, steps), colors=[colours.get(name, style.LIGHT) for name in steps],
    )  # fmt: skip
    ax.set(ylim=(0, 1), title="genres over time")
    style.per_cent(ax.yaxis, "probability (%)")
    ax.grid(visible=False)
    ax.figure.legend(loc="outside lower center", ncols=4, fontsize=9)


def _probabilities(answer: Answer, colours: Mapping[str, str]) -> Panel:
    shares = 100 * pd.Series(answer.probabilities)
    shown, rest = shares[:MOST_BARS], shares[MOST_BARS:]
    looks = [colours[name] if name in answer.genres else style.LIGHT for name in shown.index]
    if len(rest):
        shown[f"{len(rest)} others"] = rest.sum()
    return _bars("probabilities (%)", shown, [*looks, style.LIGHT], "{:.0f}")


def _neighbours(table: pd.DataFrame, colours: Mapping[str, str]) -> Panel:
    names = [
        each.track_id if each.genre in each.track_id else f"{each.genre}: {each.track_id}"
        for each in table.itertuples()
    ]
    looks = [colours.get(genre, style.GREY) for genre in table.genre]
    values = pd.Series(table.similarity.to_numpy(), names)
    return _bars("most similar training songs", values, looks, "{:.2f}")


def _reasons(answer: Answer) -> Panel:
    amounts = pd.Series(answer.reasons)[:MOST_BARS]
    looks = [style.VERMILLION if amount < 0 else style.BLUE for amount in amounts]
    return _bars(f"for {_short(answer.genre)} (+), against it (−)", amounts, looks, "{:+.2f}")


def _bars(title: str, values: pd.Series, colours: list[str], form: str) -> Panel:
    """Horizontal bars with their amounts, which need no axis."""

    def draw(ax: Axes) -> None:
        bars = ax.barh(range(len(values)), values, color=colours[: len(values)])
        ax.bar_label(bars, [form.format(value) for value in values], padding=3, fontsize=9)
        ax.set_yticks(range(len(values)), map(_short, values.index), fontsize=9)
        least, most = min(0, values.min()), max(0, values.max())
        room = 0.25 * (most - least)  # for the amounts
        ax.set(xticks=[], xlim=(least - room * (least < 0), most + room))
        ax.invert_yaxis()
        ax.grid(visible=False)
        ax.set_title(title, fontsize=11)

    return 0.24 * len(values) + 0.5, draw


def _short(name: object) -> str:
    text = str(name)
    return style.plain(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
