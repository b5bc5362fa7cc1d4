"""Pictures of a collection: who plays, how long the clips are, how features are distributed.

Taught in notebooks 00 to 02.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from gtzan_helpers.plots import style


@style.picture(height=4)
def artist_shares(ax: Axes, tracks: pd.DataFrame) -> None:
    """For each genre, its tracks stacked by artist: few blocks, few artists.

    Parameters
    ----------
    tracks : DataFrame
        `genre`, `artist_group`; see `Source.tracks`.
    """
    if tracks.artist_group.isna().all():
        return style.notice_axes(ax, "the artists are not known")
    colours = plt.get_cmap("GnBu_r")(np.linspace(0, 0.7, 8))
    groups = tracks.groupby("genre").artist_group
    for row, (_, artists) in enumerate(groups):
        sizes = artists.value_counts().to_numpy()
        ax.barh(row, sizes, left=np.cumsum(sizes) - sizes, color=colours, edgecolor="white")
        ax.text(sizes.sum() * 1.01, row, sizes.size, va="center", fontsize=9)
    ax.set_yticks(range(len(groups)), [style.plain(genre) for genre in groups.groups])
    ax.invert_yaxis()
    ax.set(xlabel="tracks, one block per artist, and the number of blocks")
    ax.grid(False)


@style.picture("no points", width=5.5, height=4.5)
def regions(
    ax: Axes,
    points: np.ndarray,
    genres: np.ndarray,
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    labels: tuple[str, str],
) -> None:
    """What a classifier of two features predicts for each place of their plane.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Songs.
    genres : ndarray of str, shape (n,)
        Their true genres.
    predict : callable
        Genres of points, such as a classifier's `predict`.
    labels : pair of str
        Names of the two axes.
    """
    low, high = np.quantile(points, (0.01, 0.99), axis=0)
    margin = 0.15 * (high - low)
    ends = zip(low - margin, high + margin, strict=True)
    grid = np.meshgrid(*(np.linspace(*end, 150) for end in ends))
    names, places = sorted(set(genres)), np.column_stack([axis.ravel() for axis in grid])
    colours = [style.colours_of(names)[name] for name in names]
    numbers = np.searchsorted(names, predict(places)).reshape(grid[0].shape)
    ax.pcolormesh(*grid, numbers, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(names) - 0.5,
                  alpha=0.3, shading="nearest", rasterized=True)  # fmt: skip
    for name, colour in zip(names, colours, strict=True):
        x, y = points[genres == name].T
        ax.scatter(x, y, s=12, color=colour, label=style.plain(name))
    ax.set(xlabel=labels[0], ylabel=labels[1], xlim=(grid[0].min(), grid[0].max()),
           ylim=(grid[1].min(), grid[1].max()))  # fmt: skip
    style.legend_beside(ax)


@style.picture("no points", height=5.5)
def scatter(ax: Axes, points: np.ndarray, genres: np.ndarray, *, labels: tuple[str, str]) -> None:
    """Points in a plane; colour and shape show the genre.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
    genres : ndarray of str, shape (n,)
    labels : pair of str
        Names of the two axes.
    """
    order = np.random.default_rng(0).permutation(len(points))  # else the last genre covers all
    names = np.array([style.plain(genre) for genre in genres])[order]
    genre_order, many = sorted(set(names)), len(points) > 2000
    markers = dict(zip(genre_order, "os^DvPX<>" * len(genre_order), strict=False))
    sns.scatterplot(
        x=points[order, 0], y=points[order, 1], hue=names, style=names, hue_order=genre_order,
        style_order=genre_order, palette=style.colours_of(genre_order), markers=markers, alpha=0.75,
        s=8 if many else 28, rasterized=many, ax=ax,
    )  # fmt: skip
    ax.set(xlabel=labels[0], ylabel=labels[1])
    style.legend_beside(ax, markerscale=2.5 if many else 1)
