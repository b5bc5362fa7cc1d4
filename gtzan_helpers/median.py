"""The sliding median that separates harmonies from drums, compiled and exact."""

from functools import lru_cache
from itertools import chain

import numba
import numpy as np

LANES = 256
"""At most so many columns are filtered side by side, in vector instructions."""

EXCHANGE, COPY, LOAD, STORE = range(4)


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
        Rows to look at: 1, 3, 7, 15, 31 and so on.

    Returns
    -------
    ndarray, shape (n_rows, n_columns), float32

    Raises
    ------
    ValueError
        If `size` is not one less than a power of two.

    Notes
    -----
    Neighbouring windows share most of their values. Sixteen windows of 31 in a row all hold
    the same 16, which are sorted once. Each half of these windows shares 8 more; merged with
    them, only the middle 8 of now 24 can still be anybody's median, and the others are
    dropped. So it goes on by halves, down to single windows with one value left. The idea is
    that of Adams, "Fast median filters using separable sorting networks", SIGGRAPH 2021, here
    in one dimension.
    """
    if size < 1 or size & (size + 1):
        raise ValueError(f"size must be 1, 3, 7, 15, 31 or so on, got {size}")
    n_rows, n_columns = x.shape
    half = size // 2
    block = half + 1
    height = -(-n_rows // block) * block
    n_strips = -(-n_columns // LANES)
    lanes = -(-n_columns // n_strips)
    width = lanes * n_strips
    padded = np.zeros((height + 2 * half, width), dtype=np.float32)
    padded[: n_rows + 2 * half, :n_columns] = np.pad(x, ((half, half), (0, 0)), mode="symmetric")
    out = np.empty((height, width), dtype=np.float32)
    _run(_program(size), block, lanes, padded, out)
    return out[:n_rows, :n_columns]


@lru_cache
def _program(size: int) -> np.ndarray:
    """Steps that turn ``2 * size - 1`` rows into ``(size + 1) / 2`` medians.

    Each is a kind and two numbers of rows: `EXCHANGE` leaves the smaller values in the first
    one, `COPY` goes from the first to the second, `LOAD` from a row of the input, and `STORE`
    to one of the output.
    """
    block = size // 2 + 1
    core = range(block)
    steps = [(LOAD, block - 1 + row, row) for row in core]
    steps += [*_sort(core), *_halve(core, 0, block, size)]
    return np.array(steps, dtype=np.uint16)


def _halve(shared, first: int, free: int, size: int):
    """From the sorted values that some windows, from `first` on, share, on to each half of them.

    Rows from `free` on may be used.
    """
    n = len(shared) // 2
    if n == 0:
        yield STORE, shared[0], first
        return
    copy = range(free, free + 2 * n)
    more = range(free + 2 * n, free + 3 * n)
    yield from ((COPY, *rows) for rows in zip(shared, copy, strict=True))
    for mine, begin, row in ((copy, first, n - 1), (shared, first + n, size)):
        yield from ((LOAD, first + row + k, more[k]) for k in range(n))
        yield from _sort(more)
        low, high = mine[:n], mine[n:]
        # The n largest of all leave, then the n smallest.
        yield from ((EXCHANGE, *rows) for rows in zip(high, more[::-1], strict=True))
        yield from _merge(high)
        yield from ((EXCHANGE, *rows) for rows in zip(low, high[::-1], strict=True))
        yield from _merge(high)
        yield from _halve(high, begin, free + 3 * n, size)


def _sort(rows):
    """Batcher's bitonic sort of a power of two of rows."""
    n = len(rows)
    if n == 1:
        return
    upper, lower = rows[: n // 2], rows[n // 2 :]
    yield from chain(_sort(upper), _sort(lower))
    yield from ((EXCHANGE, *pair) for pair in zip(upper, lower[::-1], strict=True))
    yield from chain(_merge(upper), _merge(lower))


def _merge(rows):
    """Sort rows that rise and then fall, or fall and then rise."""
    n = len(rows)
    if n == 1:
        return
    upper, lower = rows[: n // 2], rows[n // 2 :]
    yield from ((EXCHANGE, *pair) for pair in zip(upper, lower, strict=True))
    yield from chain(_merge(upper), _merge(lower))


@numba.njit(cache=True, nogil=True)
def _run(program, block, lanes, padded, out):
    rows = np.empty((program[:, 1:].max() + np.uint16(1), lanes), dtype=np.float32)
    for left in range(0, out.shape[1], lanes):
        for top in range(0, out.shape[0], block):
            given, found = padded[top:, left:], out[top:, left:]
            for kind, a, b in program:
                if kind == EXCHANGE:
                    for k in range(lanes):
                        low = min(rows[a, k], rows[b, k])
                        rows[b, k] = max(rows[a, k], rows[b, k])
                        rows[a, k] = low
                elif kind == COPY:
                    for k in range(lanes):
                        rows[b, k] = rows[a, k]
                elif kind == LOAD:
                    for k in range(lanes):
                        rows[b, k] = given[a, k]
                else:
                    for k in range(lanes):
                        found[b, k] = rows[a, k]
