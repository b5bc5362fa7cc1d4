"""Every picture of the series. A function takes `ax` and returns it; none shows or saves.

Only `save_figure` writes a file, and only `banner`, `player` and `show_source` speak to the
notebook. Taught wherever a picture is drawn: ``plots.show_source(plots.waveform)``.
"""

import inspect
from pathlib import Path

import librosa
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtzan_helpers import audio, config, fingerprints, scoreboard, splits
from gtzan_helpers.features import STACKED_FRAMES, Analysis

PLAYER_SECONDS = 5.0
"""The most that a player holds, so that an executed notebook stays small."""

PROTOCOL_COLOURS = dict(
    zip(splits.PROTOCOLS, ["#6a2c70", "#8f2f6e", "#c0406a", "#dd5b5b", "#e98a6b"], strict=True)
)


# Speaking to the notebook


def use_style() -> None:
    """Set the look of all pictures; called once at the top of a notebook."""
    plt.style.use("seaborn-v0_8-whitegrid")
    plt.rcParams.update(
        {"figure.figsize": (9, 3.5), "figure.constrained_layout.use": True, "axes.titlesize": 12}
    )
    pd.set_option("display.precision", 3, "display.max_columns", 30)


def banner(source, tracks: pd.DataFrame):
    """Name the data at the top of a notebook, loudly where it is synthetic.

    Parameters
    ----------
    source : dataset.Source
    tracks : DataFrame
        See `dataset.load`.
    """
    from IPython.display import HTML

    colour, warning, limits = "#2a6f97", "", ""
    if source.profile.epochs_limit:
        folds = "" if source.profile.folds_limit is None else ", on one fold of a k-fold"
        limits = f" (networks train {source.profile.epochs_limit} epochs at most{folds})"
    if source.synthetic:
        colour = "#b58100"
        warning = (
            "<br><b>Synthetic music.</b> These numbers show how methods behave; "
            "they are not results on GTZAN."
        )
    return HTML(
        f"<div style='border-left:6px solid {colour};padding:.5em 1em'>"
        f"Data: <b>{source.name}</b> ({source.kind}), {len(tracks)} tracks, "
        f"{tracks.genre.nunique()} labels, profile <b>{source.profile.name}</b>{limits}"
        f"{warning}</div>"
    )


def notice(text: str):
    """A line that the reader should not miss, such as what was left out and why."""
    from IPython.display import HTML

    return HTML(f"<div style='border-left:6px solid #999;padding:.5em 1em'>{text}</div>")


def bounded(table: pd.DataFrame) -> pd.DataFrame:
    """Shares with their intervals, as text: a column `f1` with `f1_low` and `f1_high` is one.

    A dash stands where there is no interval.
    """
    shown = pd.DataFrame(index=table.index)
    for name in (name for name in table if not str(name).endswith(("_low", "_high"))):
        shown[name] = table[name]
        if f"{name}_low" in table:
            three = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
            shown[name] = ["–" if np.isnan(b) else f"{a:.0%} ({b:.0%} to {c:.0%})"
                           for a, b, c in three]  # fmt: skip
    return shown


def player(y: np.ndarray, sr: int, *, start: float = 0.0, seconds: float = PLAYER_SECONDS):
    """A player for some seconds of audio, at most `PLAYER_SECONDS`."""
    from IPython.display import Audio

    first = round(start * sr)
    return Audio(y[first : first + round(min(seconds, PLAYER_SECONDS) * sr)], rate=sr)


def playlist(table: pd.DataFrame, paths: pd.Series):
    """A table of tracks with a player in each line, for as many seconds as `player` gives.

    Parameters
    ----------
    table : DataFrame
        The track in its column `track`.
    paths : Series
        Where the audio of each lies, by track; where that is not known there are no players.

    Returns
    -------
    pandas Styler
    """
    shown = table
    if paths[table.track].notna().all():
        sounds = [player(*audio.read(paths[track], sr=config.SR)) for track in table.track]
        shown = table.assign(listen=[sound._repr_html_() for sound in sounds])
    return shown.style.hide(axis="index").format({"distance": "{:.2f}"}, na_rep="not known")


def browse(tracks: pd.DataFrame):
    """Look through a collection: a menu of tracks, with picture and player.

    On a page that nobody can click, such as one that papermill made, it shows one track.

    Parameters
    ----------
    tracks : DataFrame
        `track_id`, `path`; see `dataset.load`.
    """
    import os

    paths = tracks.set_index("track_id").path
    # A Jupyter server names the session it starts a kernel for; papermill has no server.
    if "JPY_SESSION_NAME" not in os.environ:
        return _one_track(paths.index[0], paths)
    import ipywidgets

    menu = ipywidgets.Dropdown(options=list(paths.index), description="track")
    return ipywidgets.interactive(lambda track_id: _one_track(track_id, paths), track_id=menu)


def _one_track(track_id: str, paths: pd.Series) -> None:
    from IPython.display import display

    y, sr = audio.read(paths[track_id])
    figure, axes = plt.subplots(2, 1, figsize=(9, 4.5), sharex=True)
    waveform(y, sr, ax=axes[0]).set(title=track_id, xlabel="")
    mel_spectrogram(Analysis(y, sr=sr), bar=False, ax=axes[1])
    display(figure, player(y, sr))
    plt.close(figure)


def show_source(function):
    """The code of a helper that matters, shown in the notebook."""
    from IPython.display import Code

    return Code(inspect.getsource(function), language="python")


def save_figure(figure: Figure, name: str, *, run_dir: str | Path) -> Path:
    """Save a figure as ``figures/<name>.png`` in a run's folder.

    Parameters
    ----------
    figure : Figure
    name : str
        Begins with the notebook's number: ``00_leak``.
    run_dir : str or Path

    Returns
    -------
    Path
    """
    from gtzan_helpers import files

    path = Path(run_dir) / "figures" / f"{name}.png"
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, bbox_inches="tight")
    return path


def given_or_new(ax: Axes | None = None, **size) -> Axes:
    """The axes that were given, or new ones."""
    return ax if ax is not None else plt.subplots(**size)[1]


# Sound


def waveform(y: np.ndarray, sr: int, *, alpha: float = 1.0, ax: Axes | None = None) -> Axes:
    """Pressure over time.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
        Hz.
    alpha : float
        Opacity, for a waveform behind something else.
    """
    ax = given_or_new(ax)
    librosa.display.waveshow(y, sr=sr, ax=ax, color="#2a6f97", alpha=alpha)
    ax.set(xlabel="time (s)", ylabel="amplitude", xlim=(0, y.size / sr))
    return ax


def _image(values: np.ndarray, analysis: Analysis, ax: Axes, **kwargs):
    image = librosa.display.specshow(
        values, sr=analysis.sr, hop_length=analysis.hop_length, x_axis="time", ax=ax, **kwargs
    )
    ax.set(xlabel="time (s)")
    return image


def spectrogram(analysis: Analysis, *, scale: str = "log", ax: Axes | None = None) -> Axes:
    """Magnitude spectrogram in dB below its loudest point.

    Parameters
    ----------
    analysis : Analysis
    scale : {"log", "linear"}
        Of the frequency axis.
    """
    ax = given_or_new(ax)
    level = librosa.amplitude_to_db(analysis.magnitude, ref=np.max)
    image = _image(level, analysis, ax, y_axis=scale, cmap="magma")
    ax.set(ylabel="frequency (Hz)")
    ax.figure.colorbar(image, ax=ax, label="dB")
    return ax


def mel_spectrogram(analysis: Analysis, *, bar: bool = True, ax: Axes | None = None) -> Axes:
    """Log-mel spectrogram in dB below its loudest point."""
    ax = given_or_new(ax)
    level = analysis.log_mel - analysis.log_mel.max()
    image = _image(level, analysis, ax, y_axis="mel", cmap="magma")
    ax.set(ylabel="frequency (Hz, mel)")
    if bar:
        ax.figure.colorbar(image, ax=ax, label="dB")
    return ax


def bits(values: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """A fingerprint (light 1, dark -1, between them neither), or where two differ (light).

    Parameters
    ----------
    values : ndarray, shape (n_frames, 32)
        See `fingerprints.take`.
    """
    ax = given_or_new(ax, figsize=(9, 1.8))
    extent = (0, len(values) * fingerprints.PERIOD, 0, values.shape[1])
    ax.imshow(
        values.T, origin="lower", aspect="auto", cmap="magma", extent=extent, interpolation="none"
    )
    ax.grid(False)
    ax.set(xlabel="time (s)", ylabel="bit")
    return ax


def stacked(rows: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """The stacked study's array, scaled by row, with its parts named.

    Parameters
    ----------
    rows : ndarray, shape (87, n_frames)
        From audio (87 rows of six kinds) or from a pack (of three).
    """
    ax = given_or_new(ax, figsize=(9, 5))
    ax.imshow(rows, origin="lower", aspect="auto", cmap="coolwarm", vmin=-3, vmax=3)
    ax.grid(False)
    from_audio = rows.shape[1] == STACKED_FRAMES
    parts = {"MFCC": 20, "mel": 32, "tempogram": 10, "chroma": 12, "contrast": 7, "tonnetz": 6}
    if not from_audio:
        parts = {"MFCC": 20, "mel": 57, "tempogram": 10}
    edges = np.cumsum([0, *parts.values()])
    for edge in edges[1:-1]:
        ax.axhline(edge - 0.5, color="black", linewidth=0.8)
    ax.set_yticks((edges[:-1] + edges[1:]) / 2 - 0.5, list(parts))
    ax.set(xlabel="frame")
    return ax


def mfcc(analysis: Analysis, *, n_mfcc: int = 13, ax: Axes | None = None) -> Axes:
    """MFCC over time, each row scaled to its own spread, because the first dwarfs the others."""
    ax = given_or_new(ax)
    rows = analysis.mfcc[:n_mfcc]
    spread = np.maximum(rows.std(axis=1, keepdims=True), 1e-9)
    image = _image(
        (rows - rows.mean(axis=1, keepdims=True)) / spread,
        analysis,
        ax,
        cmap="coolwarm",
        vmin=-3,
        vmax=3,
    )
    ax.set(ylabel="MFCC", yticks=np.arange(0, n_mfcc, 2) + 0.5, yticklabels=range(1, n_mfcc + 1, 2))
    ax.figure.colorbar(image, ax=ax, label="deviations from its mean")
    return ax


def chroma(analysis: Analysis, *, kind: str = "chroma_stft", ax: Axes | None = None) -> Axes:
    """Energy of the twelve pitch classes over time.

    Parameters
    ----------
    analysis : Analysis
    kind : {"chroma_stft", "chroma_cqt", "chroma_cens"}
    """
    ax = given_or_new(ax)
    image = _image(getattr(analysis, kind), analysis, ax, y_axis="chroma", cmap="viridis")
    ax.set(ylabel="pitch class")
    ax.figure.colorbar(image, ax=ax, label="share of the loudest")
    return ax


def tempogram(analysis: Analysis, *, ax: Axes | None = None) -> Axes:
    """How well the music matches itself after one beat of each tempo, over time."""
    ax = given_or_new(ax)
    image = _image(analysis.tempogram, analysis, ax, y_axis="tempo", cmap="magma")
    ax.axhline(analysis.tempo, color="white", linestyle="--", linewidth=1.5)
    ax.text(0.99, analysis.tempo * 1.06, f"{analysis.tempo:.0f} bpm", color="white", ha="right",
            transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set(ylabel="tempo (bpm)", ylim=(30, 320))
    ax.figure.colorbar(image, ax=ax, label="match")
    return ax


def over_waveform(
    values: np.ndarray, analysis: Analysis, *, label: str, top: float, ax: Axes | None = None
) -> Axes:
    """A feature's course drawn over the waveform it was computed from.

    Parameters
    ----------
    values : ndarray, shape (n_frames,)
    analysis : Analysis
    label : str
        What the curve is, with its unit.
    top : float
        Upper end of its axis, so that several pictures can be compared.
    """
    ax = waveform(analysis.y, analysis.sr, alpha=0.3, ax=ax)
    times = np.arange(values.size) / analysis.frame_rate
    right = ax.twinx()
    right.plot(times, values, color="#c1121f")
    right.grid(False)
    right.set(ylim=(0, 1.05 * top))
    right.set_ylabel(label, color="#c1121f")
    return ax


def zero_crossings(y: np.ndarray, sr: int, *, ax: Axes | None = None) -> Axes:
    """A short piece of audio with every change of sign marked."""
    ax = given_or_new(ax)
    times = 1000 * np.arange(y.size) / sr
    changes = np.flatnonzero(np.signbit(y[1:]) != np.signbit(y[:-1])) + 1
    ax.plot(times, y, color="#2a6f97")
    ax.plot(times[changes], np.zeros(changes.size), "o", color="#c1121f", markersize=5)
    ax.set(xlabel="time (ms)", ylabel="amplitude", title=f"{changes.size} zero crossings")
    return ax


def waterfall(analysis: Analysis, *, ax: Axes | None = None) -> Axes:
    """The spectrogram as a landscape: time, frequency, and loudness as height."""
    if ax is None:
        ax = plt.figure(figsize=(9, 5.5)).add_subplot(projection="3d")
    level = analysis.log_mel - analysis.log_mel.max()
    step = max(1, level.shape[1] // 120)
    level = level[::2, ::step]
    times = np.arange(level.shape[1]) * step / analysis.frame_rate
    time_grid, band_grid = np.meshgrid(times, np.arange(level.shape[0]) * 2)
    ax.plot_surface(time_grid, band_grid, level, cmap="magma", linewidth=0, rcount=64, ccount=120)
    ax.set(xlabel="time (s)", ylabel="mel band")
    ax.set_zlabel("dB", labelpad=8)
    ax.tick_params(labelsize=8)
    ax.view_init(elev=45, azim=-60)
    return ax


# Collections


def artist_shares(tracks: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """For each genre, its tracks stacked by artist: few blocks, few artists."""
    ax = given_or_new(ax, figsize=(9, 4))
    colours = plt.get_cmap("GnBu_r")(np.linspace(0, 0.7, 8))
    for row, (_, group) in enumerate(tracks.groupby("genre")):
        sizes = group.artist_group.value_counts().to_numpy()
        left = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        ax.barh(row, sizes, left=left, color=colours, edgecolor="white")
        ax.text(sizes.sum() * 1.01, row, f"{sizes.size} blocks", va="center", fontsize=9)
    genres = sorted(tracks.genre.unique())
    ax.set_yticks(range(len(genres)), genres)
    ax.set(xlabel="tracks, one block an artist", xlim=(0, 1.18 * tracks.genre.value_counts().max()))
    ax.grid(False)
    return ax


def with_intervals(
    rows: pd.DataFrame,
    *,
    names: str,
    colours=None,
    guess: float = scoreboard.BASELINE,
    ax: Axes | None = None,
) -> Axes:
    """Track accuracies as bars with their 95 % intervals; guessing drawn as a line.

    Parameters
    ----------
    rows : DataFrame
        `track_accuracy`, `track_ci_low`, `track_ci_high`, and the column `names`.
    names : str
        Column that names the bars.
    colours : list or None
        One a bar.
    guess : float
        What guessing scores.
    """
    ax = given_or_new(ax, figsize=(9, 0.5 * len(rows) + 1.2))
    place = np.arange(len(rows))
    ax.barh(place, rows.track_accuracy, color=colours or "#2a6f97")
    _intervals(rows, place, ax, colour="#333")
    for row, y in zip(rows.itertuples(), place, strict=True):
        right = max(row.track_accuracy, row.track_ci_high) + 0.01
        ax.text(right, y, f"{100 * row.track_accuracy:.0f} %", va="center")
    baseline(ax, "x", share=guess)
    ax.set_yticks(place, rows[names])
    ax.set(xlabel="accuracy by track, 95 % interval", xlim=(0, 1.06), ylim=(len(rows) - 0.4, -0.6))
    return ax


def _intervals(rows: pd.DataFrame, place: np.ndarray, ax: Axes, *, colour: str) -> None:
    error = np.abs(rows[["track_ci_low", "track_ci_high"]].sub(rows.track_accuracy, axis=0))
    ax.errorbar(rows.track_accuracy, place, xerr=error.T.to_numpy(), fmt="none", ecolor=colour)


def baseline(ax: Axes, axis: str = "y", *, share: float = scoreboard.BASELINE) -> Axes:
    """Draw what guessing scores."""
    line = ax.axhline if axis == "y" else ax.axvline
    line(share, color="#555", linestyle=":", label=f"guessing ({share:.0%})")
    return ax


def lengths(tracks: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Length of each clip, one dot a track, by genre.

    Parameters
    ----------
    tracks : DataFrame
        `genre`, `seconds`.
    """
    import seaborn as sns

    ax = given_or_new(ax, figsize=(9, 3.5))
    sns.stripplot(tracks, x="seconds", y="genre", size=3, ax=ax, color="#2a6f97")
    ax.set(xlabel="length of the clip (s)", ylabel="")
    ax.ticklabel_format(axis="x", useOffset=False)
    return ax


def by_genre(table: pd.DataFrame, columns: list[str]) -> Figure:
    """Box plots of some features, one row of boxes a genre."""
    import seaborn as sns

    figure, axes = plt.subplots(1, len(columns), figsize=(3.4 * len(columns), 4.5), sharey=True)
    for ax, column in zip(np.atleast_1d(axes), columns, strict=True):
        sns.boxplot(table, x=column, y="genre", ax=ax, color="#8ecae6", fliersize=2, linewidth=1)
        ax.set(ylabel="")
        ax.tick_params(axis="x", labelrotation=45)
    return figure


def claim(
    table: pd.DataFrame, column: str, highlighted: list[str], *, ax: Axes | None = None
) -> Axes:
    """A feature's distribution by genre, in order of the medians, some genres highlighted."""
    import seaborn as sns

    ax = given_or_new(ax, figsize=(9, 4))
    order = table.groupby("genre")[column].median().sort_values().index
    colours = {genre: "#fb8500" if genre in highlighted else "#8ecae6" for genre in order}
    sns.boxplot(
        table, x=column, y="genre", hue="genre", order=order, palette=colours, legend=False,
        fliersize=2, linewidth=1, ax=ax,
    )  # fmt: skip
    ax.set(ylabel="")
    return ax


def pairs(table: pd.DataFrame, columns: list[str], genres: list[str]) -> Figure:
    """Scatter plots of every pair of some features for a few genres."""
    import seaborn as sns

    chosen = table[table.genre.isin(genres)]
    # seaborn lays these out itself.
    with plt.rc_context({"figure.constrained_layout.use": False}):
        grid = sns.pairplot(
            chosen, vars=columns, hue="genre", hue_order=genres, height=2.1, corner=True,
            plot_kws={"s": 12, "alpha": 0.6, "linewidth": 0},
        )  # fmt: skip
    return grid.figure


def correlations(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Correlation of every feature with every other."""
    import seaborn as sns

    ax = given_or_new(ax, figsize=(9, 8))
    values = table.loc[:, table.std() > 0].corr()
    ticks = 1 if len(values) < 70 else "auto"
    sns.heatmap(
        values, cmap="coolwarm", vmin=-1, vmax=1, square=True, ax=ax,
        xticklabels=ticks, yticklabels=ticks, cbar_kws={"label": "correlation", "shrink": 0.7},
    )  # fmt: skip
    ax.tick_params(labelsize=6)
    return ax


def scatter(
    points: np.ndarray, genres: np.ndarray, *, labels: tuple[str, str], ax: Axes | None = None
) -> Axes:
    """Points in a plane, coloured and shaped by genre.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
    genres : ndarray of str, shape (n,)
    labels : pair of str
        Names of the two axes.
    """
    import seaborn as sns

    ax = given_or_new(ax, figsize=(9, 5.5))
    order = np.random.default_rng(0).permutation(len(points))  # else the last genre covers all
    points, genres = points[order], np.asarray(genres)[order]
    sns.scatterplot(
        x=points[:, 0], y=points[:, 1], hue=genres, style=genres, ax=ax, alpha=0.75,
        s=28 if len(points) < 2000 else 8,
        hue_order=sorted(set(genres)), style_order=sorted(set(genres)),
    )  # fmt: skip
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=9)
    return ax


# Models


def train_and_test(
    rows: pd.DataFrame, *, guess: float = scoreboard.BASELINE, ax: Axes | None = None
) -> Axes:
    """Train and test accuracy of systems side by side: the gap is overfitting.

    Parameters
    ----------
    rows : DataFrame
        Of `results.COLUMNS`, one a system.
    guess : float
        What guessing scores.
    """
    ax = given_or_new(ax, figsize=(9, 0.55 * len(rows) + 1.4))
    place = np.arange(len(rows))
    ax.barh(place - 0.2, rows.train_accuracy, 0.38, color="#8ecae6", label="train")
    ax.barh(place + 0.2, rows.track_accuracy, 0.38, color="#023047", label="test")
    _intervals(rows, place + 0.2, ax, colour="#fb8500")
    baseline(ax, "x", share=guess)
    ax.set_yticks(place, rows.system_id)
    ax.invert_yaxis()
    ax.set(
        xlabel="accuracy (train: of what was fitted; test: by track, 95 % interval)", xlim=(0, 1.02)
    )
    ax.legend(bbox_to_anchor=(1.01, 1), loc="upper left")
    return ax


def confusion(matrix: pd.DataFrame, *, title: str = "", ax: Axes | None = None) -> Axes:
    """A confusion matrix in per cent; see `evaluate.confusion`."""
    import seaborn as sns

    ax = given_or_new(ax, figsize=(6.5, 5.5))
    text = (100 * matrix).round().astype(int).astype(str).replace("0", "")
    sns.heatmap(
        matrix, annot=text, fmt="", cmap="Blues", vmin=0, vmax=1, square=True, cbar=False, ax=ax,
        annot_kws={"size": 9},
    )  # fmt: skip
    ax.set(xlabel="taken for", ylabel="is", title=title)
    ax.tick_params(axis="x", labelrotation=45)
    return ax


def importances(values: pd.Series, *, ax: Axes | None = None) -> Axes:
    """The features that matter most, longest bar first.

    Parameters
    ----------
    values : Series
        Importance, indexed by feature.
    """
    ax = given_or_new(ax, figsize=(9, 0.3 * len(values) + 1))
    ordered = values.sort_values(ascending=False)
    ax.barh(ordered.index, ordered, color="#2a6f97")
    ax.invert_yaxis()
    ax.set(xlabel="importance")
    return ax
