"""Spectra: the Fourier transform and back, mel spectrograms, and their storage as bytes.

The results are librosa's, computed faster: in single precision, block by block, and with a few
compiled loops over frames.
"""

from functools import lru_cache

import librosa
import numba
import numpy as np
import scipy.fft

#: Length of a frame in samples.
N_FFT = 2048
#: Samples from one frame to the next.
HOP_LENGTH = 512
#: Number of mel bands.
N_MELS = 128

#: Range of a track's log-mel spectrogram in dB, relative to its maximum.
DB_RANGE = (-80.0, 0.0)

# Frames that are transformed at a time, few enough to stay in a processor's cache.
_BLOCK = 128


@lru_cache
def hann(n_fft: int) -> np.ndarray:
    """Periodic Hann window, shape (n_fft,), float32."""
    return librosa.filters.get_window("hann", n_fft).astype(np.float32)


def stft(y: np.ndarray) -> np.ndarray:
    """Short-time Fourier transform with centred frames and a Hann window, as `librosa.stft`.

    Parameters
    ----------
    y : ndarray, shape (n_samples,), float32

    Returns
    -------
    ndarray, shape (1 + N_FFT / 2, 1 + n_samples // HOP_LENGTH), complex64
    """
    return scipy.fft.rfft(_frames(y, N_FFT, HOP_LENGTH) * hann(N_FFT), axis=1).T


def _frames(y: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(np.pad(y, n_fft // 2), n_fft)[::hop_length]


def istft(spectrum: np.ndarray, length: int) -> np.ndarray:
    """Turn a short-time Fourier transform back into audio, as `librosa.istft`.

    Parameters
    ----------
    spectrum : ndarray, shape (1 + N_FFT / 2, n_frames), complex
    length : int
        Samples to return.

    Returns
    -------
    ndarray, shape (length,)
    """
    window, n_frames, n_hops = hann(N_FFT), spectrum.shape[1], N_FFT // HOP_LENGTH
    # The overlapping frames are added hop by hop, for all frames at once.
    parts = (scipy.fft.irfft(spectrum.T, axis=1) * window).reshape(-1, n_hops, HOP_LENGTH)
    weights = (window**2).reshape(n_hops, HOP_LENGTH)
    y = np.zeros((n_frames - 1 + n_hops, HOP_LENGTH), dtype=np.float32)
    weight = np.full_like(y, np.finfo(np.float32).tiny)
    for hop in range(n_hops):
        y[hop : hop + n_frames] += parts[:, hop]
        weight[hop : hop + n_frames] += weights[hop]
    return (y / weight).ravel()[N_FFT // 2 :][:length]


def mel(
    y: np.ndarray,
    *,
    sr: int,
    n_fft: int = N_FFT,
    hop_length: int = HOP_LENGTH,
    n_mels: int = N_MELS,
) -> np.ndarray:
    """Mel power spectrogram of audio, as `librosa.feature.melspectrogram`.

    A few frames are transformed at a time and only their bands are stored, so that the work stays
    in the processor's cache. The window is applied after the transform.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr : int
        Sampling rate in Hz.
    n_fft, hop_length : int
        Length and step of the frames in samples.
    n_mels : int
        Number of mel bands.

    Returns
    -------
    ndarray, shape (n_mels, 1 + n_samples // hop_length), float32
    """
    frames = _frames(np.asarray(y, dtype=np.float32), n_fft, hop_length)
    bands = []
    for first in range(0, len(frames), _BLOCK):
        power = _windowed_power(scipy.fft.rfft(frames[first : first + _BLOCK], axis=1))
        bands.append(mel_of_power(power.T, sr=sr, n_mels=n_mels))
    return np.concatenate(bands, axis=1)


def mel_of_power(power: np.ndarray, *, sr: int, n_mels: int = N_MELS) -> np.ndarray:
    """Mel power spectrogram of a power spectrogram.

    Parameters
    ----------
    power : ndarray, shape (1 + n_fft / 2, n_frames), float32
    sr, n_mels : int
        See `mel`.

    Returns
    -------
    ndarray, shape (n_mels, n_frames), float32
    """
    filters = _mel_filters(sr, 2 * (len(power) - 1), n_mels)
    return np.concatenate([power.T[:, low:high] @ part for low, high, part in filters], axis=1).T


@lru_cache(maxsize=8)
def _mel_filters(sr: int, n_fft: int, n_mels: int) -> list[tuple[int, int, np.ndarray]]:
    """The mel filters, sixteen at a time, with the bins that these cover: most bins are zero."""
    # In double precision first: librosa's single one is off in the last digit.
    filters = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=n_mels, dtype=np.float64)
    parts = []
    for first in range(0, n_mels, 16):
        bands = filters[first : first + 16].astype(np.float32)
        covered = np.flatnonzero(bands.any(axis=0))
        low, high = covered.min(initial=n_fft // 2), covered.max(initial=0) + 1
        parts.append((int(low), int(high), bands[:, low:high].T))
    return parts


def mel_centres(sr: int, n_mels: int) -> np.ndarray:
    """Centre of each mel band, in mel, shape (n_mels,)."""
    return np.linspace(0, librosa.hz_to_mel(sr / 2), n_mels + 2)[1:-1]


def decibels(power: np.ndarray) -> np.ndarray:
    """Power in dB, at most 80 dB below its maximum, as `librosa.power_to_db`.

    Parameters
    ----------
    power : ndarray
        Power, of any shape.

    Returns
    -------
    ndarray of the same shape
        In dB; 0 dB is a power of 1.
    """
    level = np.maximum(power, 1e-10)
    np.log(level, out=level)  # vectorised, unlike log10
    level *= 10 / np.log(10)
    return np.maximum(level, level.max() - 80, out=level)


def log_mel(y: np.ndarray, *, sr: int) -> np.ndarray:
    """Mel spectrogram of audio in dB, shape (128, n_frames); equal to `Analysis.log_mel`.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr : int
        Sampling rate in Hz.

    Examples
    --------
    >>> log_mel(np.zeros(22_050, np.float32), sr=22_050).shape
    (128, 44)
    """
    return decibels(mel(y, sr=sr))


def track_log_mel(y: np.ndarray, *, sr: int, reference: float | None = None) -> np.ndarray:
    """Log-mel spectrogram of a track in dB relative to its maximum, from -80 dB up.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
        Sampling rate in Hz; there are ``sr / HOP_LENGTH`` frames per second.
    reference : float or None
        The level that becomes 0 dB, instead of the maximum.

    Returns
    -------
    ndarray, shape (128, n_frames), float32
    """
    levels = log_mel(y, sr=sr)
    return np.maximum(levels - (levels.max() if reference is None else reference), DB_RANGE[0])


def levels(y: np.ndarray, *, sr: int) -> np.ndarray:
    """Mel spectrogram of audio in dB, relative to nothing in it.

    A constant offset is removed first, which would be the loudest level of a quiet recording.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    ndarray, shape (128, 1 + n_samples // HOP_LENGTH), float32
        0 dB is a power of 1, -100 dB the least.
    """
    from scipy.signal import lfilter

    offset = y[:1].astype(np.float32)
    centred = lfilter([1, -1], [1, -0.999], y, zi=-offset)[0].astype(np.float32)
    return 10 * np.log10(np.maximum(mel(centred, sr=sr), 1e-10))


def encode(log_mel: np.ndarray) -> np.ndarray:
    """Turn dB into bytes: the ends of `DB_RANGE` become 0 and 255.

    Parameters
    ----------
    log_mel : ndarray
        In dB; what lies beyond `DB_RANGE` is clipped.

    Returns
    -------
    ndarray of the same shape, uint8
    """
    low, high = DB_RANGE
    share = (np.clip(log_mel, low, high) - low) / (high - low)
    return np.round(255 * share).astype(np.uint8)


def decode(stored: np.ndarray, db_min: float = -80.0, db_max: float = 0.0) -> np.ndarray:
    """Turn stored values, bytes or dB, into dB, float32; `db_min` is the byte 0, `db_max` 255.

    Parameters
    ----------
    stored : ndarray, uint8 or float
        Floats are dB already.
    db_min, db_max : float
        Ends of the range of bytes, in dB.
    """
    values = stored.astype(np.float32)
    if stored.dtype != np.uint8:
        return values
    return db_min + values * np.float32((db_max - db_min) / 255)


# Compiled loops over frames


@numba.njit(cache=True, nogil=True)
def _windowed_power(frames):  # type: ignore[no-untyped-def]
    """Power of spectra of frames to which no window was applied, as if Hann's had been.

    The window is a constant and a cosine, and a cosine spreads each bin over its two neighbours
    only: a sum of three bins replaces a windowed copy of the frames. Beyond either end the
    spectrum of a real signal continues mirrored, as its complex conjugate.
    """
    power = np.empty(frames.shape, dtype=np.float32)
    half, quarter = np.float32(0.5), np.float32(0.25)
    for frame in range(frames.shape[0]):
        bins, last = frames[frame], frames.shape[1] - 1
        power[frame, 0] = (half * (bins[0].real - bins[1].real)) ** 2
        power[frame, last] = (half * (bins[last].real - bins[last - 1].real)) ** 2
        for k in range(1, last):
            real = half * bins[k].real - quarter * (bins[k - 1].real + bins[k + 1].real)
            imag = half * bins[k].imag - quarter * (bins[k - 1].imag + bins[k + 1].imag)
            power[frame, k] = real * real + imag * imag
    return power


@numba.njit(cache=True, nogil=True)
def spectrum_shape(magnitude, frequencies):  # type: ignore[no-untyped-def]
    """Centroid, bandwidth and 85 % roll-off in Hz of each row of magnitudes."""
    n_frames, n_bins = magnitude.shape
    centroid, bandwidth, rolloff = np.zeros(n_frames), np.zeros(n_frames), np.zeros(n_frames)
    below = np.empty(n_bins, dtype=np.float32)
    for frame in range(n_frames):
        # In single precision, as in librosa: rounding decides which bin is the roll-off.
        running = np.float32(0)
        total = first = second = 0.0
        for k in range(n_bins):
            value = magnitude[frame, k]
            running += value
            below[k] = running
            total += value
            first += value * frequencies[k]
            second += value * frequencies[k] ** 2
        rolloff[frame] = frequencies[np.argmax(below >= np.float32(0.85) * running)]
        # A silent frame has no centre of mass; it gets 0, as in librosa.
        if total >= np.finfo(np.float32).tiny:
            centroid[frame] = first / total
            bandwidth[frame] = np.sqrt(max(second / total - centroid[frame] ** 2, 0))
    return centroid, bandwidth, rolloff


# The input of MusiCNN: patches of a compressed mel spectrogram

PATCH_SECONDS = 3.0
PATCH_SR, PATCH_FFT, PATCH_HOP = 16_000, 512, 256
#: Frames and bands of a patch, 3 s at `PATCH_SR`.
PATCH_SHAPE = (187, 96)

# Level of the loudest point of a track's mel spectrogram, the median over GTZAN's mini set.
LOUDEST_DB = 31.4


def patches(y: np.ndarray, starts_s: np.ndarray) -> np.ndarray:
    """Cut patches out of a track.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Audio at `PATCH_SR`.
    starts_s : ndarray, shape (n_patches,)
        Start of each patch in seconds; a patch beyond the end continues at the beginning.

    Returns
    -------
    ndarray, shape (n_patches, 187, 96), float16
        ``log10(1 + 10000 mel)``, the compression that the network was trained with.
    """
    settings = {"n_fft": PATCH_FFT, "hop_length": PATCH_HOP, "n_mels": PATCH_SHAPE[1]}
    bands = mel(y, sr=PATCH_SR, **settings)
    compressed = np.log10(1 + 10_000 * bands.T).astype(np.float16)
    first = np.round(np.asarray(starts_s) * PATCH_SR / PATCH_HOP).astype(int)
    frames = (first[:, None] + np.arange(PATCH_SHAPE[0])) % len(compressed)
    return compressed[frames]


def patches_from_log_mel(
    log_mel: np.ndarray, starts_s: np.ndarray, *, frame_rate: float, sr: int, n_fft: int
) -> np.ndarray:
    """Approximate patches from a log-mel spectrogram.

    Levels are interpolated between bands and between frames. Changes within a frame, and between
    frames that are far apart, are lost: beats are blurred, timbre remains.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        In dB relative to the track's maximum.
    starts_s : ndarray, shape (n_patches,)
        Start of each patch in seconds.
    frame_rate : float
        Frames per second.
    sr, n_fft : int
        Sampling rate in Hz, at least `PATCH_SR`, and length of the frames in samples of the
        audio that the spectrogram was computed from.

    Returns
    -------
    ndarray, shape (n_patches, 187, 96), float16
        See `patches`.
    """
    from scipy.ndimage import map_coordinates

    n_frames, n_bands = PATCH_SHAPE
    centres = mel_centres(sr, len(log_mel))
    bands = np.interp(mel_centres(PATCH_SR, n_bands), centres, np.arange(len(log_mel)))
    times = np.asarray(starts_s)[:, None] + np.arange(n_frames) * PATCH_HOP / PATCH_SR
    frames = np.minimum(times * frame_rate, log_mel.shape[1] - 1)[..., None]
    level = map_coordinates(log_mel, np.broadcast_arrays(bands, frames), order=1, mode="nearest")
    # A frame's power grows with the square of its length, for tones and for noise.
    level += LOUDEST_DB + 20 * np.log10(PATCH_FFT / n_fft)
    return np.log10(1 + 10_000 * 10 ** (level / 10)).astype(np.float16)
