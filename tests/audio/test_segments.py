"""Segments cover a recording evenly, to its end."""

import numpy as np
import pytest

from gtzan_helpers.audio.segments import cut, kept_frames, segment_starts, split

SR = 22_050

LENGTHS = [
    (30.0, 3.0),
    (29.93, 3.0),
    (30.65, 3.0),
    (4.4, 3.0),
    (4.6, 3.0),
    (100.0, 9.0),
]


@pytest.mark.parametrize(("duration", "seconds"), [*LENGTHS, (1.0, 3.0), (3.0, 3.0)])
def test_the_number_of_segments_is_the_rounded_ratio_of_lengths(duration, seconds):
    starts = segment_starts(round(duration * SR), sr=SR, segment_seconds=seconds)
    assert len(starts) == max(1, round(duration / seconds))


@pytest.mark.parametrize(("duration", "seconds"), LENGTHS)
def test_the_last_segment_ends_where_the_recording_ends(duration, seconds):
    n_samples = round(duration * SR)
    starts = segment_starts(n_samples, sr=SR, segment_seconds=seconds)
    assert starts[-1] + round(seconds * SR) == n_samples


@pytest.mark.parametrize(("duration", "seconds"), LENGTHS)
def test_segments_are_evenly_spread(duration, seconds):
    starts = segment_starts(round(duration * SR), sr=SR, segment_seconds=seconds)
    steps = np.diff(starts)
    assert steps.size == 0 or (starts[0] == 0 and np.ptp(steps) <= 1)


def test_segments_of_frames_follow_a_rate_that_is_no_integer():
    starts = segment_starts(375, sr=12.5, segment_seconds=3)
    assert len(starts) == 10
    assert starts[-1] + round(3 * 12.5) == 375


def test_no_segment_length_means_the_whole_recording():
    assert segment_starts(10 * SR, sr=SR, segment_seconds=0).tolist() == [0]


def test_a_recording_shorter_than_a_segment_starts_at_its_beginning():
    assert segment_starts(SR, sr=SR, segment_seconds=3).tolist() == [0]


def test_cut_takes_a_piece_repeats_a_short_one_and_takes_everything_without_a_length():
    assert cut(np.arange(10), 3, 4).tolist() == [3, 4, 5, 6]
    assert cut(np.arange(3), 0, 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert cut(np.arange(5), 0, 0).tolist() == [0, 1, 2, 3, 4]
    assert cut(np.arange(6).reshape(2, 3), 0, 4).tolist() == [[0, 1, 2, 0], [3, 4, 5, 3]]


def test_split_gives_the_segments_with_their_starts():
    starts_s, pieces, repeated = split(np.arange(100), sr=10, seconds=3)
    assert starts_s.tolist() == [0.0, 3.5, 7.0] and not repeated
    assert [piece[0] for piece in pieces] == [0, 35, 70]
    assert split(np.arange(20), sr=10, seconds=3)[2]
    assert [piece.size for piece in split(np.arange(20), sr=10, seconds=0)[1]] == [20]


def test_kept_frames_are_spread_over_the_track():
    assert kept_frames(10, 3.0).tolist() == [0, 3, 6, 9]
    assert kept_frames(10, 2.5).tolist() == [0, 2, 5, 8]
    assert kept_frames(4, 1.0).tolist() == [0, 1, 2, 3]
