"""The look of all pictures: colours, axes, names for people, and how a picture is saved."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import Any, TypeVar, cast, get_type_hints

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from gtzan_helpers import files
from gtzan_helpers.models.systems import SYSTEMS

F = TypeVar("F", bound=Callable[..., Any])

# Okabe & Ito 2008, "Color universal design": readers with any colour vision can tell them apart.
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
VERMILLION, ORANGE, YELLOW, PURPLE = "#D55E00", "#E69F00", "#F0E442", "#CC79A7"
INK, GREY, LIGHT = "#222222", "#666666", "#D9D9D9"

PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, INK, "#999999", "#882255", YELLOW)
"""Theirs, and two more for ten genres."""

PROTOCOL_COLOURS = {
    "segment_random": VERMILLION,
    "segment_random_augmented": PURPLE,
    "track_random": ORANGE,
    "artist_grouped": SKY,
    "fault_filtered": BLUE,
}


def use_style() -> None:
    """Set the look of all pictures and tables; called once at the top of a notebook."""
    plt.style.use("seaborn-v0_8-whitegrid")
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=PALETTE),
            "axes.titlesize": 12,
            "figure.constrained_layout.use": True,
            "figure.figsize": (9, 3.5),
            "svg.hashsalt": "gtzan",  # the same picture gives the same file
        }
    )
    pd.set_option("display.precision", 3, "display.max_columns", 30)


def save(picture: Figure | Axes | np.ndarray, folder: str | Path, name: str) -> Path:
    """Save a picture as ``<name>.png`` (200 dpi) and ``<name>.svg``.

    Parameters
    ----------
    picture : Figure, Axes, or array of Axes
    folder : str or Path
    name : str
        Begins with the notebook's number: ``00_leak``.

    Returns
    -------
    Path
        Of the PNG.
    """
    figure = picture if isinstance(picture, Figure) else np.ravel(picture)[0].figure
    path = Path(folder) / f"{name}.png"
    for target in (path.with_name(f"{name}.svg"), path):
        metadata = {"Date": None} if target.suffix == ".svg" else None
        with files.replacing(target) as temporary:
            figure.savefig(temporary, bbox_inches="tight", dpi=200, metadata=metadata)
    return path


# Where there is nothing to draw


def notice_axes(ax: Axes, text: str) -> Axes:
    """Say in the middle of `ax` why it shows nothing."""
    ax.axis("off")
    ax.text(0.5, 0.5, plain(f"nothing to show: {text}"), ha="center", va="center", color=GREY,
            transform=ax.transAxes, wrap=True)  # fmt: skip
    return ax


def unless_empty(text: str) -> Callable[[F], F]:
    """Decorate a picture: where its first argument is empty, it shows `text` as a notice."""

    def decorate(draw: F) -> F:
        @wraps(draw)
        def drawn(*args: Any, **kwargs: Any) -> Any:
            data, *_ = (*args, *kwargs.values())
            if len(data):
                return draw(*args, **kwargs)
            ax = notice_axes(new_axes(kwargs.get("ax")), text)
            ax.set_title(name_of(kwargs.get("title", "")))
            return ax.figure if get_type_hints(draw)["return"] is Figure else ax

        return cast(F, drawn)

    return decorate


# Words


def plain(text: object) -> str:
    """Text that matplotlib shows as it is: its ``$`` begins no formula."""
    return str(text).replace("$", r"\$")


def name_of(text: object, width: int = 99) -> str:
    """Text for a label or title: see `plain`, and a system's id becomes its name for people.

    Parameters
    ----------
    text : str
        Ids may have lines of their own.
    width : int
        Longer lines are broken.
    """
    names = (SYSTEMS[line].name if line in SYSTEMS else line for line in str(text).split("\n"))
    return plain("\n".join(fill(name, width, break_long_words=False) for name in names))


# Axes


def new_axes(ax: Axes | None = None, *, width: float = 9, height: float = 3.5) -> Axes:
    """Return the axes that were given, or new ones of a size in inches."""
    return ax if ax is not None else plt.subplots(figsize=(width, height))[1]


def per_cent(axis: Axis, label: str) -> None:
    """Show shares in per cent; the label has to say so."""
    axis.set_major_formatter(PercentFormatter(1, symbol=""))
    axis.set_label_text(label)


def mark(ax: Axes, shares: Mapping[str, float]) -> None:
    """Draw a dotted line at one share or two, from low to high, with its name above the axes."""
    top = ax.secondary_xaxis("top")
    top.set_xticks(list(shares.values()), list(shares))
    top.tick_params(length=0, labelsize=8, labelcolor=GREY)
    for label, side in zip(top.get_xticklabels(), ("right", "left"), strict=False):
        label.set(ha=side)
    for share in shares.values():
        ax.axvline(share, color=GREY, linestyle=":", zorder=3)


def legend_beside(ax: Axes, **settings: Any) -> None:
    """Put the legend to the right of the axes, where it covers nothing."""
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=9, **settings)


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label; after ten they come again."""
    return dict(zip(labels, cycle(PALETTE), strict=False))
