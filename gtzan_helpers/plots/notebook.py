"""What a notebook needs beside pictures: a banner, notices, players, tables to look through."""

import inspect
import os
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Audio, Code, display

from gtzan_helpers import config
from gtzan_helpers.audio import Analysis, read
from gtzan_helpers.datasets import Source
from gtzan_helpers.plots.sound import mel_spectrogram, waveform
from gtzan_helpers.plots.style import BLUE, ORANGE, plain


def banner(source: Source) -> HTML:
    """Name the data at the top of a notebook, with remarks, clearly where it is synthetic."""
    name, n = source.profile.name, source.profile.epochs_limit
    limits = f" (networks train {n} epochs at most, on one fold of a k-fold)" * bool(n)
    lines = [
        f"Data: <b>{escape(source.name)}</b> ({source.kind}), {len(source.tracks)} tracks, "
        f"{len(source.labels)} labels, profile <b>{name}</b>{limits}",
        *["<b>Synthetic music.</b> These are no results on GTZAN."][: source.synthetic],
        *map(escape, source.remarks),
    ]
    return notice("<br>".join(lines), colour=ORANGE if source.synthetic else BLUE)


def notice(text: str, *, colour: str = "#999999") -> HTML:
    """A line of HTML that the reader should not miss, such as what was left out and why."""
    return HTML(f"<div style='border-left:6px solid {colour};padding:.5em 1em'>{text}</div>")


def bounded(table: pd.DataFrame) -> pd.DataFrame:
    """Shares with their intervals, as text: a column `f1` with `f1_low` and `f1_high` is one.

    A dash stands where there is no interval.
    """
    shown = table.copy()
    for name in [name for name in table if f"{name}_low" in table]:
        three = zip(table[name], shown.pop(f"{name}_low"), shown.pop(f"{name}_high"), strict=True)
        shown[name] = ["–" if np.isnan(b) else f"{a:.0%} ({b:.0%} to {c:.0%})" for a, b, c in three]
    return shown


def player(y: np.ndarray, sr: int) -> Audio:
    """A player for the first five seconds, so that an executed notebook stays small."""
    return Audio(y[: 5 * sr], rate=sr)


def playlist(table: pd.DataFrame, paths: pd.Series) -> Any:
    """A table of tracks with a player in each line.

    Parameters
    ----------
    table : DataFrame
        The track in its column `track`.
    paths : Series
        Path of the audio of each, by track; where one is NA there are no players.

    Returns
    -------
    pandas Styler
    """
    if paths[table.track].notna().all():
        sounds = [player(*read(paths[track], sr=config.SR)) for track in table.track]
        table = table.assign(listen=[sound._repr_html_() for sound in sounds])
    return table.style.hide(axis="index").format({"distance": "{:.2f}"}, na_rep="not known")


def browse(tracks: pd.DataFrame) -> Any:
    """Look through a collection: a menu of tracks, with picture and player.

    On a page that nobody can click, such as one that papermill made, it shows one track.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `path`; see `Source.tracks`.
    """
    paths = tracks.set_index("track_id").path.dropna()
    if paths.empty:
        return notice("No players: this source holds no audio.")
    # A Jupyter server names the session it starts a kernel for; papermill has no server.
    if "JPY_SESSION_NAME" not in os.environ:
        return _one_track(paths.index[0], paths)
    import ipywidgets

    known = ipywidgets.fixed(paths)
    return ipywidgets.interactive(_one_track, track=list(paths.index), paths=known)


def _one_track(track: str, paths: pd.Series) -> None:
    y, sr = read(paths[track])
    figure, axes = plt.subplots(2, 1, figsize=(9, 4.5), sharex=True)
    waveform(y, sr, ax=axes[0]).set(title=plain(track), xlabel="")
    mel_spectrogram(Analysis(y, sr=sr), ax=axes[1])
    display(figure, player(y, sr))
    plt.close(figure)


def show_source(function: Callable | type) -> Code:
    """The code of a helper that matters, shown in the notebook."""
    return Code(inspect.getsource(function), language="python")
