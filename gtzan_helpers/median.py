"""The sliding median that separates harmonies from drums, compiled and exact."""

import numba
import numpy as np

LANES = 64
"""Columns that are filtered side by side; the compiler turns them into vector instructions."""


def sliding_median(x: np.ndarray, size: int) -> np.ndarray:
    """Median of `size` neighbours along the first axis, for every column.

    The edges are mirrored, the outermost value repeated, as
    ``scipy.ndimage.median_filter(x, size=(size, 1), mode="reflect")`` does, and the result
    is the same to the bit wherever there are as many rows as half a window.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_columns), float32
        Must hold no NaN.
    size : int
        Odd number of rows to look at.

    Returns
    -------
    ndarray, shape (n_rows, n_columns), float32

    Raises
    ------
    ValueError
        If `size` is not a positive odd number.

    Notes
    -----
    Each column keeps its window as a sorted list. A step forward takes one value out and
    puts one in; both are a walk down the list made of minima and maxima only, with no
    branch, so that `LANES` columns take that walk at once.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size must be a positive odd number, got {size}")
    n_rows, n_columns = x.shape
    half = size // 2
    width = -(-n_columns // LANES) * LANES
    padded = np.zeros((n_rows + 2 * half, width), dtype=np.float32)
    padded[:, :n_columns] = np.pad(x, ((half, half), (0, 0)), mode="symmetric")
    out = np.empty((n_rows, width), dtype=np.float32)
    _filter(padded, size, out)
    return out[:, :n_columns]


@numba.njit(cache=True, nogil=True)
def _filter(padded, size, out):
    n_rows, width = out.shape
    window = np.empty((size + 1, LANES), dtype=np.float32)
    entering = np.empty(LANES, dtype=np.float32)
    for left in range(0, width, LANES):
        window[:] = np.inf
        for row in range(size):
            entering[:] = padded[row, left : left + LANES]
            for i in range(size):
                _insert(window[i], entering)
        out[0, left : left + LANES] = window[size // 2]
        for row in range(1, n_rows):
            leaving = padded[row - 1, left : left + LANES]
            for i in range(size):
                _close_gap(window[i], window[i + 1], leaving)
            window[size] = np.inf
            entering[:] = padded[row + size - 1, left : left + LANES]
            for i in range(size):
                _insert(window[i], entering)
            out[row, left : left + LANES] = window[size // 2]


@numba.njit(cache=True, nogil=True)
def _insert(here, entering):
    for k in range(LANES):
        low = min(here[k], entering[k])
        entering[k] = max(here[k], entering[k])
        here[k] = low


@numba.njit(cache=True, nogil=True)
def _close_gap(here, above, leaving):
    for k in range(LANES):
        here[k] = here[k] if here[k] < leaving[k] else above[k]
