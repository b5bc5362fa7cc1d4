"""Pictures of networks: how they are built, how they learn, what they see.

Taught in notebooks 04 to 07.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import LogFormatter, MaxNLocator

from gtzan_helpers.audio import MelAnalysis
from gtzan_helpers.plots import sound, style

# Colour of a layer by a word in its kind; other layers are grey.
COLOURS = {"Conv": style.BLUE, "GRU": style.PURPLE, "Dense": style.VERMILLION, "Pool": style.GREEN}

# Names of layers that go by a shorter one.
BOXES = {"MaxPooling2D": "Pool", "MaxPooling3D": "Pool", "AveragePooling2D": "Pool\n(mean)"}

# Layers that leave the shape as it is: named with the one before.
PASSING = {
    "Activation": "{0.activation.__name__}",
    "BatchNormalization": "batch norm",
    "Dropout": "dropout {0.rate:.2g}",
    "LeakyReLU": "LeakyReLU",
    "SpatialDropout2D": "dropout {0.rate:.2g}",
}


def architecture(model: Any, *, title: str = "", ax: Axes | None = None) -> Axes:
    """A network from left to right: its layers, and the shape of what leaves each.

    Parameters
    ----------
    model : keras.Model
    title : str
    """
    steps = _steps(model)
    ax = ax or plt.subplots(figsize=(max(6.0, 1.25 * len(steps)), 2.3))[1]
    for place, (name, shape, *extras) in enumerate(steps):
        colour = next((c for word, c in COLOURS.items() if word in name), style.GREY)
        ax.add_patch(FancyBboxPatch((place - 0.42, 0.2), 0.84, 0.6, "round,pad=0.02", color=colour))
        ax.text(place, 0.5, name, color="white", ha="center", va="center", fontsize=8.5)
        ax.text(place, 0.08, "×".join(map(str, shape[1:])), ha="center", va="top", fontsize=8)
        ax.text(place, 0.92, "\n".join(extras), ha="center", fontsize=7.5, color=style.GREY)
    ax.set(xlim=(-0.6, len(steps) - 0.4), ylim=(-0.25, 1.45))
    n_trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    branches = any(isinstance(layer.input, list) and layer.input for layer in model.layers)
    words = " (branches one after the other)" * branches
    ax.set_title(f"{style.name_of(title)}: {n_trained:,} trainable weights{words}", loc="left")
    ax.axis("off")
    return ax


def _steps(model: Any) -> list[list]:
    """Name, shape of the output, and what goes with it, of each layer worth a box."""
    steps: list[list] = [["input", model.input_shape]]
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in PASSING:
            steps[-1].append(PASSING[kind].format(layer))
        elif kind not in ("InputLayer", "Reshape"):
            sizes = [getattr(layer, size) for size in ("filters", "units") if hasattr(layer, size)]
            kernel = "×".join(map(str, getattr(layer, "kernel_size", ())))
            lines = filter(None, (BOXES.get(kind, kind), *map(str, sizes), kernel))
            steps.append(["\n".join(lines), layer.output.shape])
    return steps


@style.picture("no network was trained", width=7, height=3.2)
def history(ax: Axes, table: pd.DataFrame, *, chance: float = 0.1) -> None:
    """Training and validation accuracy by epoch; the epoch that was kept is marked.

    Parameters
    ----------
    table : DataFrame
        See `Run.history`. Several folds are drawn over one another; a dashed line marks where
        fine-tuning begins, if it does.
    chance : float
        Chance level.
    """
    names = ["training set", "validation set", "epoch kept"]
    for _, rows in table.groupby("fold") if "fold" in table else [(0, table)]:
        best = rows[rows.best.astype(bool)]
        ax.plot(rows.epoch, rows.accuracy, color=style.SKY, label=names[0])
        ax.plot(rows.epoch, rows.val_accuracy, color=style.BLUE, label=names[1])
        ax.plot(best.epoch, best.val_accuracy, "o", color=style.ORANGE, label=names[2])
        names = ["_"] * 3  # in the legend, one fold stands for all
    ax.axhline(chance, **style.CHANCE)
    if "stage" in table and "tuned" in set(table.stage):
        begins = table.epoch[table.stage == "tuned"].min() - 0.5
        ax.axvline(begins, color=style.INK, linestyle="--", label="fine-tuning begins")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set(xlabel="epoch", ylim=(0, 1.02))
    style.per_cent(ax.yaxis, "accuracy (%)")
    style.legend_beside(ax)


def histories(tables: Mapping[str, pd.DataFrame], *, chance: float = 0.1) -> Figure:
    """One small picture like `history` for each name.

    Parameters
    ----------
    tables : mapping
        A history by name; see `Run.histories`.
    chance : float
        Chance level.
    """
    figure, axes = style.grid(len(tables), 3, 3.3, 2.6)
    legend: dict[str, Any] = {}
    for place, (ax, (name, table)) in enumerate(zip(axes, tables.items(), strict=True)):
        history(table, chance=chance, ax=ax)
        ax.set_title(style.name_of(name, 36), fontsize=10)
        handles, names = ax.get_legend_handles_labels()
        legend |= dict(zip(names, handles, strict=True))
        ax.legend_ = None  # one for all
        ax.set_ylabel("" if place % 3 else "accuracy (%)")
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=5, fontsize=9)
    return figure


@style.picture("no network was timed", height=4.5)
def costs(ax: Axes, table: pd.DataFrame) -> None:
    """Networks by time per song and accuracy; the larger a circle, the more weights.

    Parameters
    ----------
    table : DataFrame
        `system_id`, `n_parameters`, `ms a song`, `accuracy`, `measured` (else hollow: the
        accuracy was published).
    """
    ms, millions = table["ms a song"], table.n_parameters / 1e6
    faces = np.where(table.measured.astype(bool), style.ORANGE, "none")
    ax.scatter(ms, table.accuracy, s=40 + 60 * millions, facecolor=faces, edgecolor=style.INK)
    for x, y, n, name in zip(ms, table.accuracy, millions, table.system_id, strict=True):
        ax.annotate(f"{style.name_of(name, 20)}\n{n:.1f} M weights", (x, y),
                    (0, np.sqrt(40 + 60 * n) / 2 + 4), textcoords="offset points",
                    ha="center", fontsize=8)  # fmt: skip
    limits = (ms.min() / 2.5, ms.max() * 2.5)
    ax.set(xscale="log", xlabel="time per song (ms)", xlim=limits, ylim=(0, 1))
    ax.xaxis.set_major_formatter(LogFormatter())
    ax.xaxis.set_minor_formatter(LogFormatter())
    style.per_cent(ax.yaxis, "accuracy by track (%)")


def filters(kernels: np.ndarray) -> Figure:
    """The filters of a first convolution: red weights respond to energy, blue to its absence.

    Parameters
    ----------
    kernels : ndarray, shape (n_bands, n_frames, 1, n_filters)
        Drawn with time to the right and frequency upwards.
    """
    figure, axes = style.grid(kernels.shape[-1], 8, 1.15, 1.1)
    most = np.abs(kernels).max()
    for ax, kernel in zip(axes, np.moveaxis(kernels[:, :, 0], -1, 0), strict=True):
        image = ax.imshow(kernel, origin="lower", cmap="RdBu_r", vmin=-most, vmax=most)
        ax.axis("off")
    figure.colorbar(image, ax=axes, label="weight")
    return figure


@style.picture("no picture", width=4, height=3)
def seen(ax: Axes, image: np.ndarray, *, frame_period: float = 1.0) -> None:
    """What a network is given: a log-mel spectrogram, or a picture.

    Parameters
    ----------
    image : ndarray, shape (n_bands, n_frames) or (height, width, 3)
    frame_period : float
        Seconds from one frame of a spectrogram to the next.
    """
    if image.ndim == 2:
        sound.mel_spectrogram(MelAnalysis(image, frame_rate=1 / frame_period), ax=ax)
    else:
        ax.imshow(image)
        ax.axis("off")


@style.picture("no picture", width=4, height=3)
def relevance(ax: Axes, log_mel: np.ndarray, drops: np.ndarray, *, frame_period: float) -> None:
    """A log-mel spectrogram, and where hiding it lowers the probability most.

    Parameters
    ----------
    log_mel : ndarray, shape (n_bands, n_frames)
    drops : ndarray, shape (n_bands, n_frames)
        See `training.occlusion`. Red is the largest drop, yellow a quarter of it; smaller
        ones are not shown.
    frame_period : float
        As for `seen`.
    """
    seen(log_mel, frame_period=frame_period, ax=ax)
    image: Any = ax.collections[0]
    image.set_cmap("gray")
    most = max(1e-6, float(drops.max()))
    shown = np.ma.masked_less(drops, 0.25 * most)
    ax.pcolormesh(*np.moveaxis(image.get_coordinates(), -1, 0), shown, vmin=0, vmax=most,
                  cmap="autumn_r", alpha=0.55, rasterized=True)  # fmt: skip


@style.picture(height=2.6)
def unrolled(ax: Axes) -> None:
    """A recurrent layer drawn once per step: each reads a frame and the last step's state."""
    box = {"boxstyle": "round,pad=0.6", "color": COLOURS["GRU"]}
    look: dict[str, Any] = {"ha": "center", "va": "center"}
    arrow = {"arrowstyle": "-|>", "color": style.GREY}
    for step, name in enumerate("1234T"):
        ax.annotate(f"frame {name}", (step, 0.36), (step, 0), arrowprops=arrow, **look)
        ax.text(step, 0.5, "GRU", color="white", bbox=box, **look)
        if name != "T":
            line = "--" if name == "4" else "-"  # steps are left out
            ax.annotate("", (step + 0.8, 0.5), (step + 0.2, 0.5), arrowprops={**arrow, "ls": line})
            ax.text(step + 0.5, 0.58, f"$h_{{{name}}}$", **look)
    ax.annotate("genre", (4, 0.64), (4, 1), arrowprops={**arrow, "arrowstyle": "<|-"}, **look)
    ax.set(xlim=(-0.5, 4.5), ylim=(-0.1, 1.1))
    ax.axis("off")
