"""The look of all pictures: colours, axes, names for people, and how a picture is saved."""

import base64
import io
import re
from collections.abc import Callable, Iterable
from functools import partial, wraps
from inspect import Signature, signature
from itertools import cycle
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from PIL import Image

from gtzan_helpers import files
from gtzan_helpers.datasets import PROTOCOLS
from gtzan_helpers.models.systems import SYSTEMS
from gtzan_helpers.plots import alternatives

# Okabe & Ito 2008, "Color universal design": readers with any colour vision can tell them apart.
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
VERMILLION, ORANGE, YELLOW, PURPLE = "#D55E00", "#E69F00", "#F0E442", "#CC79A7"
INK, GREY, LIGHT = "#222222", "#666666", "#D9D9D9"

# Theirs, and two more for ten genres.
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, INK, "#999999", "#882255", YELLOW)

PROTOCOL_COLOURS = dict(zip(PROTOCOLS, (VERMILLION, PURPLE, ORANGE, SKY, BLUE), strict=True))

SHARPNESS = 2  # pixels of a picture for one of the page, as many screens have them


def use_style() -> None:
    """Set the look of all pictures and tables; called once at the top of a notebook.

    In a notebook, pictures carry alternative texts from then on.
    """
    plt.style.use("seaborn-v0_8-whitegrid")
    plt.rc("font", family="DejaVu Sans")  # comes with matplotlib: the same picture everywhere
    plt.rc("axes", prop_cycle=plt.cycler(color=PALETTE), titlesize=12)
    plt.rc("figure", figsize=(9, 3.5))
    plt.rc("figure.constrained_layout", use=True)
    plt.rc("svg", hashsalt="gtzan")  # the same picture gives the same file
    pd.set_option("display.precision", 3, "display.max_columns", 30)
    if shell := get_ipython():
        plt.switch_backend(plt.get_backend())  # else it registers its own way of showing later
        shell.display_formatter.formatters["image/png"].for_type(Figure, _shown)


def _shown(figure: Figure) -> tuple[str, dict[str, Any]] | None:
    """A figure for a page: PNG in base64, its size there and what it shows."""
    if not figure.axes:
        return None
    data = png(figure)
    width, height = (length // SHARPNESS for length in Image.open(io.BytesIO(data)).size)
    alt = alternatives.describe(figure)
    return base64.b64encode(data).decode(), {"alt": alt, "width": width, "height": height}


def png(figure: Figure) -> bytes:
    """A figure as PNG for pages: sharp, and in 256 colours, which takes a third of the bytes."""
    drawn, reduced = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=SHARPNESS * figure.dpi, bbox_inches="tight")
    image = (
        Image.open(drawn)
        .convert("RGB")
        .quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    )
    # The mean of all that is nearly white; a page is white.
    image.putpalette([255 if value > 247 else value for value in image.getpalette() or ()])
    image.save(reduced, "PNG", optimize=True)
    return reduced.getvalue()


def save(picture: Figure | Axes | np.ndarray, folder: str | Path, name: str) -> Path:
    """Save a picture as ``<name>.png`` (200 dpi) and ``<name>.svg``, with what it shows as text.

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
    figure = picture if isinstance(picture, Figure) else np.array([picture]).flat[0].figure
    path, text = Path(folder) / f"{name}.png", alternatives.describe(figure)
    for target in (path.with_name(f"{name}.svg"), path):
        metadata = {"Description": text} | ({"Date": None} if target.suffix == ".svg" else {})
        with files.replacing(target) as temporary:
            figure.savefig(temporary, bbox_inches="tight", dpi=200, metadata=metadata)
    return path


# Pictures


def picture(
    empty: str = "", *, width: float = 9, height: float | Callable[[Any], float] = 3.5
) -> Callable[[Callable[..., None]], Callable[..., Axes]]:
    """Decorate a function that draws onto axes: `draw(ax, data, ...)`.

    The picture is called as ``picture(data, ..., title="", ax=None)`` and returns the axes. In
    the title, ids become names for people: see `name_of`.

    Parameters
    ----------
    empty : str
        What it says where there is no data.
    width, height : float
        Size in inches where no axes are given; the height may depend on the data.
    """

    def decorate(draw: Callable[..., None]) -> Callable[..., Axes]:
        @wraps(draw)
        def drawn(*args: Any, title: str = "", ax: Axes | None = None, **settings: Any) -> Axes:
            tall = height(*args[:1]) if callable(height) else height
            ax = ax or plt.subplots(figsize=(width, tall))[1]
            if title:
                ax.set_title(name_of(title, 45))
            if empty and not len(args[0]):
                notice_axes(ax, empty)
            else:
                draw(ax, *args, **settings)
            return ax

        _, *own = signature(draw).parameters.values()
        _, title, ax, _ = signature(drawn, follow_wrapped=False).parameters.values()
        vars(drawn)["__signature__"] = Signature([*own, title, ax], return_annotation=Axes)
        return drawn

    return decorate


def notice_axes(ax: Axes, text: str) -> None:
    """Say in the middle of `ax` why it shows nothing."""
    ax.axis("off")
    ax.text(0.5, 0.5, plain(f"nothing to show: {text}"), ha="center", va="center", color=GREY,
            transform=ax.transAxes, wrap=True)  # fmt: skip


def grid(n: int, n_columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """`n` axes of a size in inches, in rows of `n_columns` at most; a notice if there are none."""
    if n == 0:
        figure = plt.figure()
        notice_axes(figure.add_subplot(), "no data")
        return figure, []
    n_columns = min(n, n_columns)
    n_rows = -(-n // n_columns)
    figure = plt.figure(figsize=(width * n_columns, height * n_rows + 0.4))
    return figure, [figure.add_subplot(n_rows, n_columns, place + 1) for place in range(n)]


# Words

# Names of sources of real songs; those of systems are in `SYSTEMS`.
SOURCES = {"gtzan_log_mel": "GTZAN", "features_30_sec": "GTZAN, published features"}


def plain(text: object) -> str:
    """Text that matplotlib shows as it is: its ``$`` begins no formula."""
    return str(text).replace("$", r"\$")


def name_of(text: object, width: int = 99) -> str:
    """Text for a label or title: see `plain`, and ids become names for people.

    Parameters
    ----------
    text : str
        Ids of systems and names of sources are replaced where they stand as words.
    width : int
        Longer lines are broken, into lines of about one length.
    """
    names = SOURCES | {name: system.name for name, system in SYSTEMS.items()}
    words = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), str(text))
    return plain("\n".join(_broken(line, width) for line in words.split("\n")))


def _broken(line: str, width: int) -> str:
    """A line in as few lines as `width` allows, and those as short as that number allows."""
    whole = line.replace(" s ", "\xa0s ")  # seconds stay with their number
    cut = partial(wrap, whole, break_long_words=False, break_on_hyphens=False)
    n_lines = len(cut(width))
    shorter = range(1 + len(line) // max(1, n_lines), width)
    return "\n".join(cut(next((w for w in shorter if len(cut(w)) == n_lines), width)))


# Axes


# The line of the chance level, in every picture that has one.
CHANCE: dict[str, Any] = {"color": INK, "linestyle": ":", "label": "chance level", "zorder": 3}


def per_cent(axis: Axis, label: str, decimals: int | None = None) -> None:
    """Show shares in per cent; the label has to say so."""
    axis.set_major_formatter(PercentFormatter(1, decimals, symbol=""))
    axis.set_label_text(label)


def legend_beside(ax: Axes, **settings: Any) -> None:
    """Put the legend to the right of the axes, where it covers nothing."""
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=9, **settings)


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label; after ten they come again."""
    return dict(zip(labels, cycle(PALETTE), strict=False))
