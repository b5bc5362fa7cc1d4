"""The compiled sliding median is scipy's, to the bit."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from gtzan_helpers.audio.median import LANES, sliding_median


def scipys(x, size):
    return median_filter(x, size=(size, 1), mode="reflect")


@pytest.mark.parametrize("size", [1, 3, 7, 15, 31])
@pytest.mark.parametrize("n_columns", [1, LANES, LANES + 1])
@pytest.mark.parametrize("n_rows", [16, 17, 130])
def test_the_same_as_scipy_to_the_bit(rng, n_rows, n_columns, size):
    x = rng.standard_normal((n_rows, n_columns)).astype(np.float32)
    np.testing.assert_array_equal(sliding_median(x, size), scipys(x, size))


def test_a_whole_spectrogram_is_the_same_in_both_directions(rng):
    x = rng.exponential(size=(1025, 130)).astype(np.float32)
    np.testing.assert_array_equal(sliding_median(x, 31), scipys(x, 31))
    np.testing.assert_array_equal(sliding_median(x.T, 31), scipys(x.T, 31))


def test_equal_values_are_the_same_as_scipy(rng):
    x = rng.integers(-2, 3, (100, 70)).astype(np.float32)
    np.testing.assert_array_equal(sliding_median(x, 31), scipys(x, 31))


def test_extreme_values_are_the_same_as_scipy(rng):
    big = np.finfo(np.float32).max
    x = rng.choice(np.float32([0, 1e-45, -big, big, np.inf, -np.inf]), (60, 70))
    np.testing.assert_array_equal(sliding_median(x, 31), scipys(x, 31))


@pytest.mark.parametrize("n_rows", [1, 2, 7, 15])
def test_fewer_rows_than_half_a_window_are_mirrored_over_and_over(rng, n_rows):
    # Not against scipy: from 2 to 7 rows and windows of more than four times as many, scipy
    # 1.17 gives values that are no median of the mirrored column.
    x = rng.standard_normal((n_rows, 20)).astype(np.float32)
    there_and_back = np.concatenate([np.arange(n_rows), np.arange(n_rows)[::-1]])
    rows = there_and_back[np.arange(-15, n_rows + 15) % (2 * n_rows)]
    windows = np.lib.stride_tricks.sliding_window_view(x[rows], 31, axis=0)
    np.testing.assert_array_equal(sliding_median(x, 31), np.median(windows, axis=-1))


def test_one_outlier_disappears():
    x = np.ones((50, 1), dtype=np.float32)
    x[20] = 100
    assert (sliding_median(x, 3) == 1).all()


def test_the_input_is_left_as_it_is(rng):
    x = rng.standard_normal((40, 70)).astype(np.float32)
    before = x.copy()
    sliding_median(x, 7)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("size", [0, 5, -3])
def test_a_window_that_does_not_halve_is_refused(size):
    with pytest.raises(ValueError, match=f"1, 3, 7, 15, 31 or so on, got {size}"):
        sliding_median(np.zeros((40, 2), dtype=np.float32), size)
