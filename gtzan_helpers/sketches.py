"""Pictures of networks: how they are built, how they learnt, what they look for.

As in `plots`, a function takes `ax` and returns it; none shows or saves.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import MaxNLocator

from gtzan_helpers import plots

TRAIN, VALID, BEST = "#8ecae6", "#023047", "#fb8500"

COLOURS = {
    "Conv": "#2a6f97",
    "GRU": "#6a2c70",
    "Dense": "#b5523b",
    "Pool": "#7a9e7e",
}
"""Colour of a layer by a word in its kind; other layers are grey."""

_SKIPPED = ("InputLayer", "Activation", "LeakyReLU", "Dropout", "SpatialDropout2D", "Reshape")
"""Layers without weights that do not change what flows through: named with the one before."""


def architecture(model, *, title: str = "", ax: Axes | None = None) -> Axes:
    """A network from left to right: its layers, and the shape of what leaves each.

    Parameters
    ----------
    model : keras.Model
        A chain of layers.
    title : str
    """
    steps = _steps(model)
    ax = plots.given_or_new(ax, figsize=(max(6.0, 1.25 * len(steps)), 2.3))
    for place, (name, shape, extras) in enumerate(steps):
        colour = next((c for word, c in COLOURS.items() if word in name), "#777777")
        box = (place - 0.42, 0.2)
        ax.add_patch(FancyBboxPatch(box, 0.84, 0.6, "round,pad=0.02", color=colour))
        ax.text(place, 0.5, name, color="white", ha="center", va="center", fontsize=8.5)
        ax.text(place, 0.08, shape, ha="center", va="top", fontsize=8)
        ax.text(place, 0.92, extras, ha="center", va="bottom", fontsize=7.5, color="#444444")
    ax.set(xlim=(-0.6, len(steps) - 0.4), ylim=(-0.25, 1.45))
    learnt = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    ax.set_title(f"{title}: {learnt:,} weights to learn", loc="left")
    ax.axis("off")
    return ax


def _steps(model) -> list[tuple[str, str, str]]:
    """Name, shape of the output, and what goes with it, of each layer worth a box."""
    steps: list[tuple[str, str, str]] = [("input", _shape(model.input_shape), "")]
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("BatchNormalization", *_SKIPPED):
            if kind not in ("InputLayer", "Reshape"):
                name, shape, extras = steps[-1]
                word = _word(layer, kind)
                steps[-1] = (name, shape, f"{extras}\n{word}" if extras else word)
            continue
        name = kind.replace("MaxPooling2D", "Pool").replace("MaxPooling3D", "Pool")
        name = name.replace("AveragePooling2D", "Pool\n(mean)").replace("Normalization", "Scaler")
        for attribute in ("filters", "units"):
            if hasattr(layer, attribute):
                name += f"\n{getattr(layer, attribute)}"
        if hasattr(layer, "kernel_size"):
            name += "\n" + "×".join(map(str, layer.kernel_size))
        steps.append((name, _shape(layer.output.shape), ""))
    return steps


def _word(layer, kind: str) -> str:
    if "Dropout" in kind:
        return f"dropout {layer.rate:.2g}"
    if kind == "Activation":
        return layer.activation.__name__
    return {"BatchNormalization": "batch norm"}.get(kind, kind)


def _shape(shape) -> str:
    return "×".join(str(length) for length in shape[1:])


def histories(
    history: pd.DataFrame, *, title: str = "", guess: float = 0.1, ax: Axes | None = None
) -> Axes:
    """Accuracy in train and valid by epoch; the epoch whose weights were kept is marked.

    Parameters
    ----------
    history : DataFrame
        `training.Trained.history`; of a k-fold all folds, drawn thin.
    title : str
    guess : float
        What guessing scores.
    """
    ax = plots.given_or_new(ax, figsize=(5, 3.2))
    folds = history.groupby("fold") if "fold" in history else [(0, history)]
    for number, (_, lines) in enumerate(folds):
        names = ("train", "valid", "kept") if number == 0 else (None, None, None)
        ax.plot(lines.epoch, lines.accuracy, color=TRAIN, label=names[0])
        ax.plot(lines.epoch, lines.val_accuracy, color=VALID, label=names[1])
        kept = lines[lines.best]
        ax.plot(kept.epoch, kept.val_accuracy, "o", color=BEST, label=names[2])
    ax.axhline(guess, color="#555555", linestyle=":")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02), title=title)
    return ax


def grid_of_histories(tables: dict[str, pd.DataFrame], *, guess: float = 0.1) -> Figure:
    """One small picture of `histories` for each name."""
    n_columns = min(3, len(tables))
    n_rows = -(-len(tables) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(3.3 * n_columns, 2.6 * n_rows), squeeze=False, sharey=True
    )
    for ax, (name, table) in zip(axes.flat, tables.items(), strict=False):
        histories(table, title=name, guess=guess, ax=ax)
        ax.title.set_fontsize(10)
    for ax in axes.flat[len(tables) :]:
        ax.axis("off")
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    axes[0, 0].legend(loc="lower right", fontsize=8)
    return figure


def filters(kernels: np.ndarray) -> Figure:
    """The filters of a first convolution: red where sound counts for it, blue against.

    Parameters
    ----------
    kernels : ndarray, shape (n_bands, n_frames, 1, n_filters)
        Drawn with time to the right and frequency upwards.
    """
    n_filters = kernels.shape[-1]
    n_columns = min(8, n_filters)
    n_rows = -(-n_filters // n_columns)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=(n_columns, 1.1 * n_rows), squeeze=False)
    most = np.abs(kernels).max()
    for number, ax in enumerate(axes.flat):
        ax.axis("off")
        if number < n_filters:
            ax.imshow(
                kernels[:, :, 0, number], origin="lower", cmap="RdBu_r", vmin=-most, vmax=most
            )
    return figure


def relevance(
    log_mel: np.ndarray, drops: np.ndarray, *, title: str = "", ax: Axes | None = None
) -> Axes:
    """A log-mel spectrogram, and where hiding it costs the most: red the most, yellow a quarter.

    Parameters
    ----------
    log_mel : ndarray, shape (n_bands, n_frames)
        As stored, 0 to 255.
    drops : ndarray, shape (n_bands, n_frames)
        See `training.occlusion`.
    title : str
    """
    ax = plots.given_or_new(ax, figsize=(4, 3))
    ax.imshow(log_mel, origin="lower", aspect="auto", cmap="gray", vmin=0, vmax=255)
    most = max(1e-6, float(drops.max()))
    shown = np.ma.masked_less(drops, 0.25 * most)
    ax.imshow(shown, origin="lower", aspect="auto", cmap="autumn_r", alpha=0.55, vmin=0, vmax=most)
    ax.set(xlabel="frame", ylabel="mel band", title=title)
    ax.grid(visible=False)
    return ax


def unrolled(n_steps: int = 5, *, ax: Axes | None = None) -> Axes:
    """A recurrent layer drawn once per step: each reads a frame and what the last one kept."""
    ax = plots.given_or_new(ax, figsize=(9, 2.6))
    for step in range(n_steps):
        last = step == n_steps - 1
        name = "T" if last else str(step + 1)
        ax.add_patch(
            FancyBboxPatch((step - 0.22, 0.4), 0.44, 0.3, "round,pad=0.02", color="#6a2c70")
        )
        ax.text(step, 0.55, "GRU", color="white", ha="center", va="center")
        ax.text(step, 0.05, f"frame {name}", ha="center", va="center")
        _arrow(ax, (step, 0.13), (step, 0.37))
        if not last:
            gap = step == n_steps - 2
            _arrow(ax, (step + 0.25, 0.55), (step + 0.75, 0.55), dashed=gap)
            ax.text(step + 0.5, 0.62, f"$h_{{{name}}}$", ha="center")
    _arrow(ax, (n_steps - 1, 0.73), (n_steps - 1, 0.97))
    ax.text(n_steps - 1, 1.03, "genre", ha="center", va="center")
    ax.set(xlim=(-0.5, n_steps - 0.5), ylim=(-0.05, 1.12))
    ax.axis("off")
    return ax


def _arrow(ax: Axes, start, end, *, dashed: bool = False) -> None:
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=12, color="#444444",
        linestyle="--" if dashed else "-",
    )  # fmt: skip
    ax.add_patch(arrow)


def by_seconds(table: pd.DataFrame, *, guess: float = 0.1, ax: Axes | None = None) -> Axes:
    """Accuracy by track against the seconds heard, with its interval.

    Parameters
    ----------
    table : DataFrame
        `system_id`, `seconds`, `track_accuracy`, `track_ci_low`, `track_ci_high`.
    guess : float
        What guessing scores.
    """
    ax = plots.given_or_new(ax, figsize=(7, 3.6))
    for name, lines in table.groupby("system_id", sort=False):
        (line,) = ax.plot(lines.seconds, lines.track_accuracy, "o-", label=name)
        ax.fill_between(
            lines.seconds,
            lines.track_ci_low,
            lines.track_ci_high,
            alpha=0.15,
            color=line.get_color(),
        )
    plots.baseline(ax, share=guess)
    ax.set(xlabel="seconds heard", ylabel="accuracy by track", ylim=(0, 1))
    ax.legend(loc="lower right")
    return ax


def costs(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Networks by time a song and accuracy; the larger a circle, the more weights.

    Parameters
    ----------
    table : DataFrame
        `system_id`, `n_parameters`, `ms a song`, `accuracy`, `measured` (else hollow).
    """
    ax = plots.given_or_new(ax, figsize=(9, 4.5))
    for row in table.assign(ms=table["ms a song"]).itertuples():
        size = 40 + 60 * row.n_parameters / 1e6
        face = BEST if row.measured else "none"
        ax.scatter(row.ms, row.accuracy, s=size, facecolor=face, edgecolor=VALID, alpha=0.8)
        label = f"{row.system_id}\n{row.n_parameters / 1e6:.1f} M weights"
        side = 1 if row.accuracy < 0.3 else -1  # above, where there is no room below
        ax.annotate(label, (row.ms, row.accuracy), (0, side * (np.sqrt(size) / 2 + 4)),
                    textcoords="offset points", ha="center", va="bottom" if side > 0 else "top",
                    fontsize=8)  # fmt: skip
    low, high = table["ms a song"].min(), table["ms a song"].max()
    ax.set(xscale="log", xlabel="milliseconds a song", ylabel="accuracy by track")
    ax.set(xlim=(low / 2.5, high * 2.5), ylim=(0, 1))
    return ax
