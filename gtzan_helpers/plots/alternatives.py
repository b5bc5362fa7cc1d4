"""What a picture shows, in words, for people who do not see it."""

from collections.abc import Iterable, Iterator
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter

LONGEST = 400  # characters: half a minute of a screen reader

MOST_NAMES = 10

# What things on axes are called.
KINDS = {
    FancyBboxPatch: "diagram",
    PathPatch: "box plots",
    QuadMesh: "image",
    PathCollection: "points",
    PolyCollection: "areas",
    LineCollection: "lines",
}


def describe(figure: Figure) -> str:
    """Say what a figure shows: its titles, axes and names, and the extremes of bars and lines.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    str
        At most `LONGEST` characters.
    """
    drawn = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    n_panels = len({ax.get_subplotspec() or ax for ax in drawn})  # a second y axis is none
    if n_panels <= 2:
        parts = [part for ax in drawn for part in _sentences(ax)]
    else:
        kinds, titles = _listed(k for ax in drawn for k in _kinds(ax)), _listed(map(_title, drawn))
        parts = [f"{n_panels} panels" + f" of {kinds}" * bool(kinds), titles]
        parts.append(_named("X axis", _listed(ax.get_xlabel() for ax in drawn)))
        parts.append(_named("Y axis", _listed(ax.get_ylabel() for ax in drawn)))
    legends = [text for legend in figure.legends for text in legend.get_texts()]
    parts = [figure.get_suptitle(), *parts, _named("Legend", _words(legends))]
    text = ". ".join(filter(None, parts))
    return shorten(text.replace(r"\$", "$") + ".", LONGEST, placeholder=" ...")


def _sentences(ax: Axes) -> Iterator[str]:
    title, kinds = _title(ax), _listed(_kinds(ax))
    kinds = kinds if title else kinds.capitalize()
    shown = "; ".join(filter(None, (kinds, *_bars(ax), *_lines(ax))))
    yield ": ".join(filter(None, (title, shown)))
    if ax.axison or ax.name == "3d":
        yield _named("X axis", _axis(ax.xaxis, ax.dataLim.intervalx))
        yield _named("Y axis", _axis(ax.yaxis, ax.dataLim.intervaly))
        for each in (*ax.images, *ax.collections):
            if each.colorbar:
                yield _named("Colour", _listed([each.colorbar.ax.get_ylabel()]))
        legend = ax.get_legend()
        yield _named("Legend", _words(legend.get_texts() if legend else []))
    # Numbers at bars or in cells would be read out without their places.
    words = [text for text in ax.texts if any(map(str.isalpha, text.get_text()))]
    yield _named("Labels" if ax.axison else "Words", _words(words))


def _title(ax: Axes) -> str:
    return " ".join((ax.get_title() or ax.get_title("left")).split())


def _kinds(ax: Axes) -> list[str]:
    if any(isinstance(each, BarContainer) for each in ax.containers):
        return ["bars"]
    things = [each for each in (*ax.patches, *ax.collections) if each.get_visible()]
    found = ["image"] * bool(ax.images)
    found += [name for kind, name in KINDS.items() if any(isinstance(t, kind) for t in things)]
    if "box plots" not in found:
        found += [
            "lines" if _is_line(line) else "points" for line in ax.lines if line.get_visible()
        ]
    return list(dict.fromkeys(found))


def _is_line(line: Line2D) -> bool:
    return line.get_linestyle() != "None"


def _bars(ax: Axes) -> Iterator[str]:
    """For each series of bars, the longest and the shortest, with their labels."""
    series: dict[str, dict[str, float]] = {}
    for bars in (each for each in ax.containers if isinstance(each, BarContainer)):
        upright = bars.orientation == "vertical"
        places, sizes = (ax.xaxis, ax.yaxis) if upright else (ax.yaxis, ax.xaxis)
        label = str(bars.get_label())
        ends = series.setdefault("" if label.startswith("_") else label, {})
        for box in (bar.get_bbox() for bar in bars):
            place, size = (box.intervalx, box.intervaly)[:: 1 if upright else -1]
            (name,) = places.get_major_formatter().format_ticks([round(place.mean())])
            if np.isfinite(size).all():
                ends[name] = max(size.max(), ends.get(name, size.max()))  # of stacked bars the last
    for label, ends in series.items():
        if ends:
            longest, shortest = max(ends, key=ends.__getitem__), min(ends, key=ends.__getitem__)
            high, low = _number(sizes, ends[longest]), _number(sizes, ends[shortest])
            words = f"longest {longest} ({high}), shortest {shortest} ({low})"
            if high == low:
                words = f"{_listed(ends)}: {high}"
            yield _named(label, words) if label else words


def _lines(ax: Axes) -> Iterator[str]:
    """For each line of the legend where it begins and ends."""
    for line in ax.lines:
        values = np.asarray(line.get_ydata(), float)
        values = values[np.isfinite(values)]
        label = str(line.get_label())
        if _is_line(line) and values.size > 2 and not label.startswith("_"):
            first, last = (_number(ax.yaxis, value) for value in values[[0, -1]])
            yield f"{label} from {first} to {last}"


def _axis(axis: Axis, drawn: np.ndarray) -> str:
    """The label of an axis, with its names or the extent of what is drawn."""
    names = [text for text in axis.get_ticklabels() if "$" not in text.get_text()]
    extent = ""
    if any(map(str.isalpha, "".join(text.get_text() for text in names))):
        extent = _words(names)
    elif np.isfinite(drawn).all():
        least, most = sorted(axis.get_view_interval())
        ends = np.clip(drawn, least, most)
        ends[(ends < 0) & (ends > -np.ptp(ends) / 50)] = 0  # half a cell of an image
        low, high = (_number(axis, end) for end in ends)
        extent = low if low == high else f"from {low} to {high}"
    return ", ".join(filter(None, (_listed([axis.get_label_text()]), extent)))


def _number(axis: Axis, value: float) -> str:
    formatter = axis.get_major_formatter()
    if isinstance(formatter, PercentFormatter):
        value *= 100 / formatter.xmax
    return f"{value:,.0f}" if abs(value) >= 99.5 else f"{value:.2g}"


def _named(name: str, text: str) -> str:
    return f"{name}: {text}" if text else ""


def _words(texts: Iterable[Text]) -> str:
    return _listed(text.get_text() for text in texts)


def _listed(names: Iterable[str]) -> str:
    """Different names, on one line; those beyond a number are counted."""
    names = list(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))
    more = len(names) - MOST_NAMES
    mark = "; " if any("," in name for name in names) else ", "
    return mark.join(names[:MOST_NAMES]) + f" and {more} more" * (more > 0)
