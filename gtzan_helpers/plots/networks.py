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

from gtzan_helpers.audio import MelAnalysis
from gtzan_helpers.plots import sound, style

# Colour of a layer by a word in its kind; other layers are grey.
COLOURS = {"Conv": style.BLUE, "GRU": style.PURPLE, "Dense": style.VERMILLION, "Pool": style.GREEN}

# Names of layers that go by a shorter one.
BOXES = {
    "InputLayer": "input",
    "MaxPooling2D": "Pool",
    "MaxPooling3D": "Pool",
    "AveragePooling2D": "Pool\n(mean)",
}

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
    boxes = _boxes(model)
    columns, rows = (1 + max(box[part] for box in boxes) for part in ("column", "row"))
    ax = ax or plt.subplots(figsize=(max(6.0, 1.25 * columns), 2.3 + 1.9 * (rows - 1)))[1]
    for box in boxes:
        x, y, name = box["column"], -1.7 * box["row"], box["name"]
        colour = next((c for word, c in COLOURS.items() if word in name), style.GREY)
        ax.add_patch(FancyBboxPatch((x - 0.42, y + 0.2), 0.84, 0.6, "round,pad=0.02", color=colour))
        ax.text(x, y + 0.5, name, color="white", ha="center", va="center", fontsize=8.5)
        shape = "×".join(map(str, box["shape"][1:]))
        ax.text(x, y + 0.08, shape, ha="center", va="top", fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        words = "\n".join(box["extras"])
        ax.text(x, y + 0.92, words, ha="center", fontsize=7.5, color=style.GREY)
        for before in (boxes[number] for number in box["inputs"]):
            ends = [before["column"] + 0.44, x - 0.44], [0.5 - 1.7 * before["row"], y + 0.5]
            ax.plot(*ends, color=style.GREY, linewidth=1.5, zorder=0)
    ax.set(xlim=(-0.6, columns - 0.4), ylim=(-0.25 - 1.7 * (rows - 1), 1.45))
    n_trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    ax.set_title(f"{style.name_of(title)}: {n_trained:,} trainable weights", loc="left")
    ax.axis("off")
    return ax


def _boxes(model: Any) -> list[dict[str, Any]]:
    """Each layer worth a box: what to write, where it stands, and the boxes before it."""
    boxes: list[dict[str, Any]] = []
    box_of: dict[int, int] = {}  # by the tensor that leaves it
    for layer in model.layers:
        kind = type(layer).__name__
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = list(dict.fromkeys(box_of[id(x)] for x in given if id(x) in box_of))
        if kind in PASSING or (kind == "Reshape" and inputs):
            box_of[id(layer.output)] = inputs[0]
            boxes[inputs[0]]["extras"] += [PASSING.get(kind, "").format(layer)]
            continue
        sizes = [getattr(layer, size) for size in ("filters", "units") if hasattr(layer, size)]
        kernel = "×".join(map(str, getattr(layer, "kernel_size", ())))
        name = "\n".join(filter(None, (BOXES.get(kind, kind), *map(str, sizes), kernel)))
        column = 1 + max((boxes[number]["column"] for number in inputs), default=-1)
        taken = {box["row"] for box in boxes if box["column"] == column}
        row = min((boxes[number]["row"] for number in inputs), default=0)
        while row in taken:
            row += 1
        box_of[id(layer.output)] = len(boxes)
        place = {"name": name, "shape": layer.output.shape, "column": column, "row": row}
        boxes.append(place | {"extras": [], "inputs": inputs})
    return boxes


@style.picture("no epochs")
def learning(
    ax: Axes, history: pd.DataFrame, measure: str = "accuracy", *, chance: float = 0
) -> None:
    """A measure of training and validation data by epoch, and the best epoch on the latter.

    Parameters
    ----------
    history : DataFrame
        By epoch from 1: `measure`, and `val_` with its name, as Keras's `fit` reports them.
    measure : str
        ``accuracy``, in which chance counts, or ``loss``.
    chance : float
        Chance level of an accuracy; 0 for none.
    """
    of_valid, best = history[f"val_{measure}"], {"loss": "idxmin", "accuracy": "idxmax"}[measure]
    ax.plot(history[measure], label="training")
    ax.plot(of_valid, label="validation")
    ax.axvline(getattr(of_valid, best)(), color=style.GREY, linestyle="--", label="best epoch")
    ax.set(xlabel="epoch", ylabel=measure)
    if measure == "accuracy":
        ax.set(ylim=(0, 1.02))
        style.per_cent(ax.yaxis, "accuracy (%)")
    if chance:
        ax.axhline(chance, **style.CHANCE)
    ax.legend(fontsize=9)


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


def occlusions(
    songs: Mapping[str, tuple[np.ndarray, np.ndarray]], *, frame_period: float
) -> Figure:
    """Log-mel spectrograms, and where hiding them changes the probability of a label.

    Parameters
    ----------
    songs : mapping
        By title, a log-mel spectrogram, shape (n_bands, n_frames), and by how much the
        probability falls where it is hidden, of the same shape; see `training.occlusion`.
    frame_period : float
        Seconds from one frame to the next.
    """
    figure, axes = style.grid(len(songs), 5, 2.3, 2.3)
    most = max((float(np.abs(drops).max()) for _, drops in songs.values()), default=0) or 1.0
    for ax, (title, (log_mel, drops)) in zip(axes, songs.items(), strict=True):
        sound.mel_spectrogram(MelAnalysis(log_mel, frame_rate=1 / frame_period), ax=ax)
        ax.set_title(style.name_of(title))
        image: Any = ax.collections[0]
        image.set_cmap("gray")
        grid = np.moveaxis(image.get_coordinates(), -1, 0)
        shown = ax.pcolormesh(*grid, drops, vmin=-most, vmax=most, cmap="RdBu_r", alpha=0.55,
                              rasterized=True)  # fmt: skip
        ax.label_outer()
    if axes:
        bar = figure.colorbar(shown, ax=axes)
        style.per_cent(bar.ax.yaxis, "fall of the probability (points)")
    return figure
