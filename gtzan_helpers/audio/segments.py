"""Cutting audio and spectrograms into segments."""

import numpy as np


def segment_starts(n_samples: int, *, sr: float, segment_seconds: float) -> np.ndarray:
    """Return where the segments of a recording start.

    There are ``max(1, round(duration / segment_seconds))`` segments, spread evenly so that the
    last one ends where the recording ends. If the duration is no multiple of the segment's,
    neighbours overlap a little or leave a small gap.

    Parameters
    ----------
    n_samples : int
        Length of the recording.
    sr : float
        Samples (or frames) per second.
    segment_seconds : float
        Length of a segment in seconds; 0 for the whole recording as one segment.

    Returns
    -------
    ndarray of int, shape (n_segments,)
        First sample of each segment.

    Examples
    --------
    >>> segment_starts(10 * 100, sr=100, segment_seconds=3).tolist()
    [0, 350, 700]
    """
    length = round(segment_seconds * sr)
    if segment_seconds == 0 or n_samples <= length:
        return np.zeros(1, dtype=int)
    n_segments = max(1, round(n_samples / sr / segment_seconds))
    # Backwards, so that a single segment, too, ends where the recording ends.
    return np.linspace(n_samples - length, 0, n_segments).round().astype(int)[::-1]


def cut(values: np.ndarray, start: int, length: int) -> np.ndarray:
    """Cut a segment out of audio or of a spectrogram.

    Parameters
    ----------
    values : ndarray, shape (..., n_samples)
        Audio, or a spectrogram with its frames in the last axis.
    start, length : int
        In samples (or frames); a `length` of 0 returns all of `values`.

    Returns
    -------
    ndarray, shape (..., length)
        Repeated where `values` is too short.
    """
    if length == 0:
        return values
    piece = values[..., start : start + length]
    return piece if piece.shape[-1] == length else repeat_or_cut(piece, length)


def split(
    values: np.ndarray, *, sr: float, seconds: float
) -> tuple[np.ndarray, list[np.ndarray], bool]:
    """Cut audio or a spectrogram into segments.

    Parameters
    ----------
    values : ndarray, shape (..., n_samples)
    sr : float
        Samples (or frames) per second.
    seconds : float
        Length of a segment; 0 for the whole recording.

    Returns
    -------
    starts_s : ndarray, shape (n_segments,)
        Start of each segment in seconds.
    segments : list of ndarray, shape (..., length)
    repeated : bool
        Whether the recording is shorter than a segment and was repeated to its length.
    """
    n_samples, length = values.shape[-1], round(seconds * sr)
    starts = segment_starts(n_samples, sr=sr, segment_seconds=seconds)
    return starts / sr, [cut(values, start, length) for start in starts], n_samples < length


def repeat_or_cut(values: np.ndarray, n_frames: int) -> np.ndarray:
    """Repeat or cut an array of shape (..., n) to shape (..., n_frames)."""
    return values[..., np.arange(n_frames) % values.shape[-1]]


def kept_frames(n_frames: int, step: float) -> np.ndarray:
    """Indices of the frames that remain when one in `step` (not always whole) is kept.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    step : float
        Frames from one that is kept to the next, at least 1.

    Returns
    -------
    ndarray of int, shape (n_kept,)
    """
    frames = np.arange(0, n_frames - 0.5, step).round().astype(int)
    return frames[frames < n_frames]
