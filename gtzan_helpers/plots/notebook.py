"""What a notebook needs beside pictures: a banner, notices, players, tables to look through."""

import base64
import io
import re
from collections.abc import Mapping
from html import escape, unescape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import soundfile
from IPython.display import HTML
from matplotlib.figure import Figure
from PIL import Image

from gtzan_helpers import config
from gtzan_helpers.audio import read, resample
from gtzan_helpers.datasets import Source
from gtzan_helpers.plots.alternatives import describe
from gtzan_helpers.plots.style import BLUE, ORANGE, SHARPNESS, png


def banner(source: Source) -> HTML:
    """Name the data at the top of a notebook, with remarks, clearly where it is synthetic.

    Parameters
    ----------
    source : Source
    """
    name, n = source.profile.name, source.profile.steps_limit
    limits = f" (networks take {n} steps at most, on one fold of a k-fold)" * bool(n)
    lines = [
        f"Data: <b>{escape(source.name)}</b> ({source.kind}), {len(source.tracks)} tracks, "
        f"{len(source.labels)} labels, profile <b>{name}</b>{limits}",
        *["<b>Synthetic music.</b> These are not results on GTZAN."][: source.synthetic],
        *map(escape, source.remarks),
    ]
    return notice("<br>".join(lines), colour=ORANGE if source.synthetic else BLUE)


class Notice(HTML):
    """A line of HTML, which in a terminal is words alone."""

    def __repr__(self) -> str:
        return " ".join(unescape(re.sub("<[^>]+>", " ", self.data)).split())


def notice(text: str, *, colour: str = "#999999") -> HTML:
    """A line of HTML that the reader should not miss, such as what was left out and why.

    Parameters
    ----------
    text : str
        Words, which may hold HTML.
    colour : str
        Of the bar at its left.
    """
    return Notice(f"<div style='border-left:6px solid {colour};padding:.5em 1em'>{text}</div>")


def bounded(table: pd.DataFrame) -> pd.DataFrame:
    """Shares with their intervals, as text: a column `f1` with `f1_low` and `f1_high` is one.

    A dash stands where there is no interval.

    Parameters
    ----------
    table : DataFrame
        Shares from 0 to 1, with columns for their bounds.
    """
    shown = table.copy()
    for name in [name for name in table if f"{name}_low" in table]:
        three = zip(table[name], shown.pop(f"{name}_low"), shown.pop(f"{name}_high"), strict=True)
        shown[name] = ["–" if np.isnan(b) else f"{a:.0%} ({b:.0%} to {c:.0%})" for a, b, c in three]
    return shown


def player(y: np.ndarray, sr: int, *, title: str = "", seconds: float = 10.0) -> HTML:
    """A player for the first seconds, as MP3, so that an executed notebook stays small.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
        Sampling rate in Hz.
    title : str
        What plays; it stands above.
    seconds : float
        How much is kept.
    """
    return HTML(f"{escape(title)}<br>" * bool(title) + _sound(y, sr, title, seconds))


def _sound(y: np.ndarray, sr: int, title: str, seconds: float) -> str:
    part = resample(y[: int(seconds * sr)], sr=sr, target_sr=config.SR)
    sound = io.BytesIO()
    # As loud as can be: what is compared by ear differs in sound, not in level.
    soundfile.write(sound, part / (np.abs(part).max() or 1), config.SR, format="MP3")
    label = escape(title or f"{part.size / config.SR:.0f} seconds of sound")
    source = _address("audio/mpeg", sound.getvalue())
    return f"<audio controls aria-label='{label}' src='{source}'></audio>"


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def playlist(
    table: pd.DataFrame, paths: pd.Series, log_mels: Mapping[str, np.ndarray] | None = None
) -> Any:
    """A table of tracks with a player and a spectrogram in each line.

    Parameters
    ----------
    table : DataFrame
        The track in its column `track`.
    paths : Series
        Path of the audio of each, by track; where one is NA there are no players.
    log_mels : mapping or None
        Log-mel spectrogram of each, by track, as bytes; where one is missing there are none.

    Returns
    -------
    pandas Styler
    """
    if paths[table.track].notna().all():
        sounds = [_sound(*read(paths[track], sr=config.SR), track, 5) for track in table.track]
        table = table.assign(listen=sounds)
    if log_mels and set(table.track) <= set(log_mels):
        table = table.assign(spectrogram=[_thumbnail(log_mels[track]) for track in table.track])
    return table.style.hide(axis="index").format({"distance": "{:.2f}"}, na_rep="not known")


def _thumbnail(log_mel: np.ndarray) -> str:
    picture = Image.fromarray(plt.get_cmap("magma")(log_mel[::-1], bytes=True)).convert("RGB")
    file = io.BytesIO()
    picture.resize((240, 80)).quantize(64).save(file, "PNG", optimize=True)
    about = "alt='mel spectrogram, time to the right' width='240' height='80'"
    return f"<img {about} src='{_address('image/png', file.getvalue())}'>"


def unfold(pictures: Mapping[str, Figure], first: str = "") -> HTML:
    """Pictures under one another, of which one is open: a click on a title opens another.

    They need no kernel, so that they can be opened in a saved notebook, too.

    Parameters
    ----------
    pictures : mapping
        Figures by their titles.
    first : str
        The one that is open; empty for the first.
    """
    group, parts = f"pictures-{id(pictures)}", []
    for title, figure in pictures.items():
        plt.close(figure)
        is_open = " open" * (title == (first or next(iter(pictures))))
        parts.append(
            f"<details name='{group}'{is_open}><summary>{escape(title)}</summary>{image(figure)}"
            "</details>"
        )
    return HTML("".join(parts))


def image(figure: Figure) -> str:
    """A picture as an element of a page, with its alternative text.

    Parameters
    ----------
    figure : Figure
    """
    data = png(figure)
    width = Image.open(io.BytesIO(data)).width // SHARPNESS
    about = f"alt='{escape(describe(figure))}' width='{width}'"
    return f"<img {about} src='{_address('image/png', data)}'>"
