"""Pictures of networks: how they are built, how they learn, what they see.

Taught in notebooks 04 to 07.
"""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import LogFormatter, MaxNLocator

from gtzan_helpers import config
from gtzan_helpers.plots import style
from gtzan_helpers.plots.sound import ticks_in_hz
from gtzan_helpers.plots.style import name_of, per_cent

COLOURS = {"Conv": style.BLUE, "GRU": style.PURPLE, "Dense": style.VERMILLION, "Pool": style.GREEN}
"""Colour of a layer by a word in its kind; other layers are grey."""

PASSING = ("Activation", "BatchNormalization", "Dropout", "LeakyReLU", "SpatialDropout2D")
"""Layers that leave the shape as it is: named with the one before."""


def architecture(model: Any, *, title: str = "", ax: Axes | None = None) -> Axes:
    """A network from left to right: its layers, and the shape of what leaves each.

    Parameters
    ----------
    model : keras.Model
    title : str
    """
    steps = _steps(model)
    ax = style.new_axes(ax, width=max(6.0, 1.25 * len(steps)), height=2.3)
    for place, (name, shape, extras) in enumerate(steps):
        colour = next((c for word, c in COLOURS.items() if word in name), style.GREY)
        box = (place - 0.42, 0.2)
        ax.add_patch(FancyBboxPatch(box, 0.84, 0.6, "round,pad=0.02", color=colour))
        ax.text(place, 0.5, name, color="white", ha="center", va="center", fontsize=8.5)
        ax.text(place, 0.08, shape, ha="center", va="top", fontsize=8)
        ax.text(place, 0.92, extras, ha="center", va="bottom", fontsize=7.5, color=style.GREY)
    ax.set(xlim=(-0.6, len(steps) - 0.4), ylim=(-0.25, 1.45))
    n_trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    branches = any(isinstance(layer.input, list) for layer in model.layers)
    words = " (branches one after the other)" * branches
    ax.set_title(f"{name_of(title)}: {n_trained:,} trainable weights{words}", loc="left")
    ax.axis("off")
    return ax


def _steps(model: Any) -> list[tuple[str, str, str]]:
    """Name, shape of the output, and what goes with it, of each layer worth a box."""
    steps = [("input", _shape(model.input_shape), "")]
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in PASSING:
            name, shape, extras = steps[-1]
            steps[-1] = (name, shape, f"{extras}\n{_word(layer, kind)}".strip())
        elif kind not in ("InputLayer", "Reshape"):
            steps.append((_box(layer, kind), _shape(layer.output.shape), ""))
    return steps


def _box(layer: Any, kind: str) -> str:
    name = kind.replace("MaxPooling2D", "Pool").replace("MaxPooling3D", "Pool")
    name = name.replace("AveragePooling2D", "Pool\n(mean)").replace("Normalization", "Scaler")
    for attribute in ("filters", "units"):
        if hasattr(layer, attribute):
            name += f"\n{getattr(layer, attribute)}"
    if hasattr(layer, "kernel_size"):
        name += "\n" + "×".join(map(str, layer.kernel_size))
    return name


def _word(layer: Any, kind: str) -> str:
    if "Dropout" in kind:
        return f"dropout {layer.rate:.2g}"
    if kind == "Activation":
        return layer.activation.__name__
    return {"BatchNormalization": "batch norm"}.get(kind, kind)


def _shape(shape: tuple) -> str:
    return "×".join(str(length) for length in shape[1:])


@style.unless_empty("no network was trained")
def history(
    table: pd.DataFrame, *, title: str = "", chance: float = 0.1, ax: Axes | None = None
) -> Axes:
    """Training and validation accuracy by epoch; the epoch that was kept is marked.

    Parameters
    ----------
    table : DataFrame
        See `Run.history`. Several folds are drawn over one another; a dashed line marks where
        fine-tuning begins, if it does.
    title : str
    chance : float
        Chance level.
    """
    ax = style.new_axes(ax, width=7, height=3.2)
    names = ["training set", "validation set", "epoch kept"]
    for _, rows in table.groupby("fold") if "fold" in table else [(0, table)]:
        best = rows[rows.best.astype(bool)]
        ax.plot(rows.epoch, rows.accuracy, color=style.SKY, label=names[0])
        ax.plot(rows.epoch, rows.val_accuracy, color=style.BLUE, label=names[1])
        ax.plot(best.epoch, best.val_accuracy, "o", color=style.ORANGE, label=names[2])
        names = ["_"] * 3  # in the legend, one fold stands for all
    ax.axhline(chance, color=style.GREY, linestyle=":", label="chance level")
    if "stage" in table and "tuned" in set(table.stage):
        begins = table.epoch[table.stage == "tuned"].min() - 0.5
        ax.axvline(begins, color=style.INK, linestyle="--", label="fine-tuning begins")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set(xlabel="epoch", ylim=(0, 1.02), title=name_of(title))
    per_cent(ax.yaxis, "accuracy (%)")
    style.legend_beside(ax)
    return ax


@style.unless_empty("no network was trained")
def histories(tables: Mapping[str, pd.DataFrame], *, chance: float = 0.1) -> Figure:
    """One small picture like `history` for each name; see `Run.histories`."""
    n_columns = min(3, len(tables))
    n_rows = -(-len(tables) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(3.3 * n_columns, 2.6 * n_rows + 0.4), squeeze=False, sharey=True
    )
    legend: dict[str, Any] = {}
    for ax, (name, table) in zip(axes.flat, tables.items(), strict=False):
        history(table, chance=chance, ax=ax)
        ax.set_title(name_of(name, 36), fontsize=10)
        handles, names = ax.get_legend_handles_labels()
        legend |= dict(zip(names, handles, strict=True))
        if ax.get_legend():
            ax.get_legend().remove()
    for ax in axes.flat[len(tables) :]:
        ax.axis("off")
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=5, fontsize=9)
    return figure


@style.unless_empty("no network was timed")
def costs(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Networks by time per song and accuracy; the larger a circle, the more weights.

    Parameters
    ----------
    table : DataFrame
        `system_id`, `n_parameters`, `ms a song`, `accuracy`, `measured` (else hollow: the
        accuracy was published).
    """
    ax = style.new_axes(ax, height=4.5)
    for row in table.assign(ms=table["ms a song"]).itertuples():
        size = 40 + 60 * row.n_parameters / 1e6
        face = style.ORANGE if row.measured else "none"
        ax.scatter(row.ms, row.accuracy, s=size, facecolor=face, edgecolor=style.INK, alpha=0.8)
        label = f"{name_of(row.system_id, 20)}\n{row.n_parameters / 1e6:.1f} M weights"
        side = 1 if row.accuracy < 0.3 else -1  # above, where there is no room below
        ax.annotate(label, (row.ms, row.accuracy), (0, side * (np.sqrt(size) / 2 + 4)),
                    textcoords="offset points", ha="center", va="bottom" if side > 0 else "top",
                    fontsize=8)  # fmt: skip
    low, high = table["ms a song"].min(), table["ms a song"].max()
    ax.set(xscale="log", xlabel="time per song (ms)", xlim=(low / 2.5, high * 2.5), ylim=(0, 1))
    ax.xaxis.set_major_formatter(LogFormatter())
    ax.xaxis.set_minor_formatter(LogFormatter())
    per_cent(ax.yaxis, "accuracy by track (%)")
    return ax


@style.unless_empty("no filters")
def filters(kernels: np.ndarray) -> Figure:
    """The filters of a first convolution: red weights respond to energy, blue to its absence.

    Parameters
    ----------
    kernels : ndarray, shape (n_bands, n_frames, 1, n_filters)
        Drawn with time to the right and frequency upwards.
    """
    n_filters = kernels.shape[-1]
    n_columns = min(8, n_filters)
    n_rows = -(-n_filters // n_columns)
    size = (n_columns + 1, 1.1 * n_rows + 0.3)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False)
    most = np.abs(kernels).max()
    look = {"origin": "lower", "cmap": "RdBu_r", "vmin": -most, "vmax": most}
    for ax, kernel in zip(axes.flat, np.moveaxis(kernels[:, :, 0], -1, 0), strict=False):
        image = ax.imshow(kernel, **look)
    for ax in axes.flat:
        ax.axis("off")
    figure.colorbar(image, ax=axes, label="weight")
    return figure


@style.unless_empty("no picture")
def seen(
    image: np.ndarray,
    *,
    title: str = "",
    frame_period: float | None = None,
    sr: int = config.SR,
    ax: Axes | None = None,
) -> Axes:
    """What a network is given: a log-mel spectrogram, or a picture.

    Parameters
    ----------
    image : ndarray, shape (n_bands, n_frames) or (height, width, 3)
    title : str
    frame_period : float or None
        Seconds from one frame to the next; None for an axis in frames.
    sr : int
        Sampling rate in Hz of the audio that the bands are from.
    """
    ax = style.new_axes(ax, width=4, height=3)
    ax.set_title(name_of(title))
    ax.grid(visible=False)
    if image.ndim == 3:
        ax.imshow(image)
        ax.axis("off")
        return ax
    n_bands, n_frames = image.shape
    extent = (0, n_frames * (frame_period or 1), -0.5, n_bands - 0.5)
    ax.imshow(image, origin="lower", aspect="auto", cmap="magma", extent=extent)
    ticks_in_hz(ax, n_bands, sr)
    ax.set(xlabel="time (s)" if frame_period else "frame", ylabel="frequency (Hz, mel)")
    return ax


def relevance(log_mel: np.ndarray, drops: np.ndarray, **settings: Any) -> Axes:
    """A log-mel spectrogram, and where hiding it lowers the probability most.

    Parameters
    ----------
    log_mel : ndarray, shape (n_bands, n_frames)
    drops : ndarray, shape (n_bands, n_frames)
        See `training.occlusion`. Red is the largest drop, yellow a quarter of it; smaller
        ones are not shown.
    **settings
        As for `seen`.
    """
    ax = seen(log_mel, **settings)
    for image in ax.get_images():
        image.set_cmap("gray")
        most = max(1e-6, float(drops.max()))
        ax.imshow(
            np.ma.masked_less(drops, 0.25 * most), origin="lower", aspect="auto", vmin=0,
            vmax=most, cmap="autumn_r", alpha=0.55, extent=image.get_extent(),
        )  # fmt: skip
    return ax


def unrolled(n_steps: int = 5, *, ax: Axes | None = None) -> Axes:
    """A recurrent layer drawn once per step: each reads a frame and the last step's state."""
    ax = style.new_axes(ax, height=2.6)
    for step in range(n_steps):
        last = step == n_steps - 1
        name = "T" if last else str(step + 1)
        box = (step - 0.22, 0.4)
        ax.add_patch(FancyBboxPatch(box, 0.44, 0.3, "round,pad=0.02", color=COLOURS["GRU"]))
        ax.text(step, 0.55, "GRU", color="white", ha="center", va="center")
        ax.text(step, 0.05, f"frame {name}", ha="center", va="center")
        _arrow(ax, (step, 0.13), (step, 0.37))
        if not last:
            gap = step == n_steps - 2
            _arrow(ax, (step + 0.25, 0.55), (step + 0.75, 0.55), "--" if gap else "-")
            ax.text(step + 0.5, 0.62, f"$h_{{{name}}}$", ha="center")
    _arrow(ax, (n_steps - 1, 0.73), (n_steps - 1, 0.97))
    ax.text(n_steps - 1, 1.03, "genre", ha="center", va="center")
    ax.set(xlim=(-0.5, n_steps - 0.5), ylim=(-0.05, 1.12))
    ax.axis("off")
    return ax


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], line: str = "-") -> None:
    look = {"arrowstyle": "-|>", "mutation_scale": 12, "color": style.GREY, "linestyle": line}
    ax.annotate("", end, start, arrowprops={**look, "shrinkA": 0, "shrinkB": 0})
