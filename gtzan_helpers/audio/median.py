"""The sliding median of harmonic/percussive separation, compiled and exact."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

import numba
import numpy as np

# Columns that are filtered side by side, at most, in vector instructions.
LANES = 256

Step = tuple[int, int, int]

EXCHANGE, COPY, LOAD, STORE = range(4)


def sliding_median(x: np.ndarray, size: int) -> np.ndarray:
    """Median of `size` neighbours along the first axis, for every column.

    Equal to the bit to ``scipy.ndimage.median_filter(x, size=(size, 1), mode="reflect")`` if
    there are at least ``size / 2`` rows.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_columns), float32
        Without NaN.
    size : int
        Length of the window in rows: 1, 3, 7, 15, 31 and so on.

    Returns
    -------
    ndarray, shape (n_rows, n_columns), float32

    Raises
    ------
    ValueError
        If `size` is not one less than a power of two.

    Notes
    -----
    Neighbouring windows share most of their values. Sixteen successive windows of 31 have 16
    values in common, which are sorted once. Each half of these windows shares 8 more; of the
    24 merged values only the middle 8 can still be a median, and the others are dropped. This
    repeats by halves down to single windows with one value left: the method of Adams, "Fast
    median filters using separable sorting networks", SIGGRAPH 2021, in one dimension.
    """
    if size < 1 or size & (size + 1):
        raise ValueError(f"size must be 1, 3, 7, 15, 31 or so on, got {size}")
    n_rows, half = len(x), size // 2
    missing = -n_rows % (half + 1)  # to whole blocks of rows
    padded = np.pad(x, ((half, half + missing), (0, 0)), mode="symmetric")
    out = np.empty((n_rows + missing, x.shape[1]), dtype=np.float32)
    _run(_program(size), half + 1, padded, out)
    return out[:n_rows]


@lru_cache
def _program(size: int) -> np.ndarray:
    """Steps that turn ``2 * size - 1`` rows into ``(size + 1) / 2`` medians.

    Each is a kind and two row numbers: `EXCHANGE` puts the smaller values in the first row,
    `COPY` goes from the first to the second, `LOAD` from a row of the input, and `STORE` to one
    of the output.
    """
    block = size // 2 + 1
    core = range(block)
    load = [(LOAD, block - 1 + row, row) for row in core]
    return np.array([*load, *_sort(core), *_halve(core, 0, block, size)], dtype=np.uint16)


def _halve(shared: Sequence[int], first: int, free: int, size: int) -> Iterator[Step]:
    """Narrow the sorted values shared by some windows, from `first` on, to each half of these.

    Rows from `free` on may be used.
    """
    n = len(shared) // 2
    if n == 0:
        yield STORE, shared[0], first
        return
    copy = range(free, free + 2 * n)
    more = range(free + 2 * n, free + 3 * n)
    yield from ((COPY, a, b) for a, b in zip(shared, copy, strict=True))
    for rows, begin, row in ((copy, first, n - 1), (shared, first + n, size)):
        yield from ((LOAD, first + row + k, more[k]) for k in range(n))
        yield from _sort(more)
        low, high = rows[:n], rows[n:]
        # Drop the n largest of all, then the n smallest.
        yield from _exchange(high, more[::-1])
        yield from _merge(high)
        yield from _exchange(low, high[::-1])
        yield from _merge(high)
        yield from _halve(high, begin, free + 3 * n, size)


def _sort(rows: Sequence[int]) -> Iterator[Step]:
    """Batcher's bitonic sort of a power of two of rows."""
    n = len(rows) // 2
    if n:
        yield from chain(_sort(rows[:n]), _sort(rows[n:]))
        yield from _exchange(rows[:n], rows[n:][::-1])
        yield from chain(_merge(rows[:n]), _merge(rows[n:]))


def _merge(rows: Sequence[int]) -> Iterator[Step]:
    """Sort rows that rise and then fall, or fall and then rise."""
    n = len(rows) // 2
    if n:
        yield from _exchange(rows[:n], rows[n:])
        yield from chain(_merge(rows[:n]), _merge(rows[n:]))


def _exchange(upper: Sequence[int], lower: Sequence[int]) -> Iterator[Step]:
    return ((EXCHANGE, a, b) for a, b in zip(upper, lower, strict=True))


@numba.njit(cache=True, nogil=True)
def _run(program, block, padded, out):  # type: ignore[no-untyped-def]
    rows = np.empty((program[:, 1:].max() + np.uint16(1), LANES), dtype=np.float32)
    for left in range(0, out.shape[1], LANES):
        lanes = min(LANES, out.shape[1] - left)
        for top in range(0, out.shape[0], block):
            source, target = padded[top:, left:], out[top:, left:]
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
                        rows[b, k] = source[a, k]
                else:
                    for k in range(lanes):
                        target[b, k] = rows[a, k]
