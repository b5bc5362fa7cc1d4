"""Features of music: a signal in, numbers out.

`Analysis` computes each feature of a piece of audio once, when it is first asked for, all
from one short-time Fourier transform. `LogMel` gives those that a log-mel spectrogram alone
allows, for sources that hold no audio. `columns` and `row` turn either into one line of a
named feature table. Everything follows librosa's definitions; where it is computed another
way here, that is to be faster, and the tests hold the two together.

Taught in notebook 02.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import librosa
import numba
import numpy as np
import pandas as pd
import scipy.fft

from gtzan_helpers import filters
from gtzan_helpers.errors import SettingError
from gtzan_helpers.median import sliding_median

N_MFCC = 20
N_MELS = 128
HOP_LENGTH = 512
HPSS_SIZE = 31
"""Frames, and bins, over which the harmonic/percussive medians reach; librosa's default."""

STACKED_FRAMES = 1400
TEMPO_BANDS = 10

_CHUNK = 128
"""Frames that are transformed at a time: so many fit into a processor's cache."""

PATCH_SR, PATCH_FFT, PATCH_HOP = 16_000, 512, 256
PATCH_SHAPE = (187, 96)
"""Frames and bands of what MusiCNN hears at once, 3 s at `PATCH_SR`."""

LOUDEST_DB = 31.4
"""Level of the loudest point of a song of GTZAN's mel spectrogram, the median of mini's."""


class LogMel:
    """What a log-mel spectrogram tells of a piece of music.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        Mel spectrogram in dB.
    frame_rate : float
        Frames per second.

    Examples
    --------
    >>> import numpy as np
    >>> LogMel(np.zeros((128, 40)), frame_rate=12.9).mfcc.shape
    (20, 40)
    """

    def __init__(self, log_mel: np.ndarray, *, frame_rate: float):
        self.log_mel = np.asarray(log_mel, dtype=np.float32)
        self.frame_rate = frame_rate

    @cached_property
    def mfcc(self) -> np.ndarray:
        """Mel-frequency cepstral coefficients, shape (20, n_frames).

        The cosine transform of each log-mel frame: the first says how loud it is, the next
        how its energy leans to low or high, later ones describe ever finer shape.
        """
        return scipy.fft.dct(self.log_mel, axis=0, type=2, norm="ortho")[:N_MFCC]

    @cached_property
    def mfcc_delta(self) -> np.ndarray:
        """How fast each MFCC changes (a Savitzky-Golay slope), shape (20, n_frames)."""
        width = min(9, (self.mfcc.shape[1] - 1) // 2 * 2 + 1)
        if width < 3:
            return np.zeros_like(self.mfcc)
        return librosa.feature.delta(self.mfcc, width=width)

    @cached_property
    def onset_envelope(self) -> np.ndarray:
        """How much louder each frame is than the last, over all bands, shape (n_frames,)."""
        rise = np.maximum(0.0, np.diff(self.log_mel, axis=1)).mean(axis=0)
        return self._delayed(rise)

    def _delayed(self, rise: np.ndarray) -> np.ndarray:
        # One frame for the difference.
        return np.pad(rise, (1, 0))

    @cached_property
    def tempogram(self) -> np.ndarray:
        """Autocorrelation of the onset envelope around each frame, shape (n_lags, n_frames).

        Row `k` says how well the music around a frame matches itself `k` frames later. The
        window is 8.9 s (384 frames of 23 ms), librosa's default, whatever the frame rate.
        """
        n_lags = max(2, round(384 * self.frame_rate * 512 / 22_050))
        n_frames = self.onset_envelope.size
        ramped = np.pad(self.onset_envelope, n_lags // 2, mode="linear_ramp").astype(np.float32)
        around = np.lib.stride_tricks.sliding_window_view(ramped, n_lags)[:n_frames]
        windowed = around * filters.hann(n_lags)
        size = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
        spectrum = scipy.fft.rfft(windowed, size, axis=1)
        matches = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=1)[:, :n_lags]
        best = np.abs(matches).max(axis=1, keepdims=True)
        best[best < np.finfo(np.float32).tiny] = 1
        return (matches / best).T

    @cached_property
    def tempogram_bands(self) -> np.ndarray:
        """The tempogram in 10 bands of tempo from 30 to 300 beats a minute, shape (10, n_frames).

        Bands are equally wide in octaves; each is the mean over its lags, or the nearest lag
        where it holds none.
        """
        edges = np.geomspace(30, 300, TEMPO_BANDS + 1)
        lags = np.arange(1, self.tempogram.shape[0])
        tempi = 60 * self.frame_rate / lags
        rows = []
        for low, high in pairwise(edges):
            inside = lags[(tempi >= low) & (tempi < high)]
            if inside.size == 0:
                inside = lags[[np.argmin(np.abs(np.log(tempi / np.sqrt(low * high))))]]
            rows.append(self.tempogram[inside].mean(axis=0))
        return np.stack(rows)

    def stacked(self) -> np.ndarray:
        """The array of the stacked study as far as a log-mel goes, shape (87, n_frames).

        20 MFCC, 57 mel bands (neighbours of the given bands averaged) and 10 tempogram
        bands, at the source's own frame rate.
        """
        groups = np.array_split(self.log_mel, 57, axis=0)
        mel = np.stack([group.mean(axis=0) for group in groups])
        return np.concatenate([self.mfcc, mel, self.tempogram_bands]).astype(np.float32)


class Analysis(LogMel):
    """One piece of audio, analysed once.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr : int
        Its sampling rate in Hz.
    n_fft, hop_length : int
        Length and step of the analysis frames, in samples.
    n_mels : int
        Number of mel bands.

    Notes
    -----
    Every attribute is an array of shape (n_frames,) or (n_rows, n_frames) with
    ``n_frames = 1 + n_samples // hop_length``, unless it says otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)
    >>> round(float(np.median(Analysis(tone, sr=22_050).centroid)))
    440
    """

    def __init__(
        self,
        y: np.ndarray,
        *,
        sr: int,
        n_fft: int = 2048,
        hop_length: int = HOP_LENGTH,
        n_mels: int = N_MELS,
    ):
        self.y = np.ascontiguousarray(y, dtype=np.float32)
        self.sr = sr
        if n_fft % hop_length:
            raise ValueError(f"n_fft={n_fft} must be a multiple of hop_length={hop_length}")
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.frame_rate = sr / hop_length

    # Spectra

    @cached_property
    def stft(self) -> np.ndarray:
        """Short-time Fourier transform, complex, shape (1 + n_fft / 2, n_frames)."""
        return stft(self.y, n_fft=self.n_fft, hop_length=self.hop_length)

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Magnitude spectrogram, shape (1 + n_fft / 2, n_frames)."""
        return np.sqrt(self.power)

    @cached_property
    def power(self) -> np.ndarray:
        """Power spectrogram, shape (1 + n_fft / 2, n_frames)."""
        return _power(self.stft.T).T

    @cached_property
    def mel(self) -> np.ndarray:
        """Mel power spectrogram, shape (n_mels, n_frames)."""
        return _mel(self.power, sr=self.sr, n_fft=self.n_fft, n_mels=self.n_mels)

    @cached_property
    def log_mel(self) -> np.ndarray:  # type: ignore[override]
        """Mel spectrogram in dB, at most 80 dB below its maximum, shape (n_mels, n_frames)."""
        return decibels(self.mel)

    # The spectrum's shape

    @cached_property
    def _shape(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _spectrum_shape(self.magnitude.T, filters.frequencies(self.sr, self.n_fft))

    @cached_property
    def centroid(self) -> np.ndarray:
        """Spectral centroid in Hz: the centre of mass of the magnitude spectrum."""
        return self._shape[0]

    @cached_property
    def bandwidth(self) -> np.ndarray:
        """Spectral bandwidth in Hz: how far the spectrum spreads around its centroid."""
        return self._shape[1]

    @cached_property
    def rolloff(self) -> np.ndarray:
        """Frequency in Hz below which 85 % of the magnitude lies."""
        return self._shape[2]

    @cached_property
    def flatness(self) -> np.ndarray:
        """Spectral flatness, 0 (a tone) to 1 (white noise)."""
        return librosa.feature.spectral_flatness(S=self.magnitude)[0]

    @cached_property
    def contrast(self) -> np.ndarray:
        """Spectral contrast in dB: peaks over valleys in 7 octave bands, shape (7, n_frames)."""
        return librosa.feature.spectral_contrast(S=self.magnitude, sr=self.sr)

    # The waveform

    def _per_frame(self, per_sample: np.ndarray) -> np.ndarray:
        """Sums over each frame of what is given for each sample of the padded wave."""
        n_hops = self.n_fft // self.hop_length
        n_frames = 1 + self.y.size // self.hop_length
        used = per_sample[: (n_frames + n_hops - 1) * self.hop_length]
        # A frame is a whole number of hops, so each hop is summed up once.
        hops = used.reshape(-1, self.hop_length).sum(axis=1, dtype=np.float64)
        return np.lib.stride_tricks.sliding_window_view(hops, n_hops).sum(axis=1)

    @cached_property
    def zero_crossing_rate(self) -> np.ndarray:
        """Share of samples in each frame at which the wave changes its sign."""
        # Values that are zero but for rounding count as positive, as in librosa.
        negative = np.pad(self.y, self.n_fft // 2, mode="edge") < -1e-10
        crossed = np.pad(negative[1:] != negative[:-1], (1, 0))
        # What lies before a frame's first sample is outside of it.
        at_start = crossed[: 1 + self.y.size : self.hop_length]
        return (self._per_frame(crossed) - at_start) / self.n_fft

    @cached_property
    def rms(self) -> np.ndarray:
        """Root mean square of each frame."""
        return np.sqrt(self._per_frame(np.pad(self.y**2, self.n_fft // 2)) / self.n_fft)

    # Pitch

    @cached_property
    def tuning(self) -> float:
        """How far the music is from A = 440 Hz, in semitones from -0.5 to 0.5.

        librosa's `estimate_tuning` of the power spectrogram: the peak of a histogram over the
        strong spectral peaks between 150 and 4000 Hz. Only the peaks are interpolated here, not
        every bin.
        """
        frequencies = filters.frequencies(self.sr, self.n_fft)
        inside = np.flatnonzero((frequencies >= 150) & (frequencies < 4000))
        low, high = inside[0], inside[-1] + 1
        below, here, above = (self.power[low + d : high + d] for d in (-1, 0, 1))
        floor = np.float32(0.1) * self.power.max(axis=0)
        bins, frames = np.nonzero((here > below) & (here >= above) & (here > floor))
        if bins.size == 0:
            return 0.0
        below, here, above = (part[bins, frames] for part in (below, here, above))
        slope = (above - below) / 2
        curvature = above + below - 2 * here
        bent = np.abs(slope) < np.abs(curvature)
        shift = np.where(bent, -slope / np.where(bent, curvature, 1), np.float32(0))
        height = here + np.float32(0.5) * slope * shift
        pitches = ((bins + low + shift) * float(self.sr) / self.n_fft).astype(np.float32)
        strong = pitches[height >= np.median(height)]
        off = (12 * np.log2(strong / 440) + 0.5) % 1 - 0.5
        edges = np.linspace(-0.5, 0.5, 101)
        return float(edges[np.histogram(off, edges)[0].argmax()])

    @cached_property
    def chroma_stft(self) -> np.ndarray:
        """Energy of the 12 pitch classes from C on, the loudest set to 1, shape (12, n_frames)."""
        chroma = filters.chroma(self.sr, self.n_fft, round(self.tuning, 2)) @ self.power
        loudest = chroma.max(axis=0)
        return chroma / np.where(loudest < np.finfo(np.float32).tiny, 1, loudest)

    @cached_property
    def _cqt(self) -> np.ndarray:
        # 36 bins an octave, as chroma_cqt takes by default: pitch classes and CENS share it.
        return np.abs(
            librosa.cqt(
                self.y,
                sr=self.sr,
                hop_length=self.hop_length,
                n_bins=252,
                bins_per_octave=36,
                tuning=None,  # estimated
            )
        )

    @cached_property
    def chroma_cqt(self) -> np.ndarray:
        """Pitch classes from a constant-Q transform, sharper in the bass, shape (12, n_frames)."""
        return librosa.feature.chroma_cqt(C=self._cqt, sr=self.sr, bins_per_octave=36)

    @cached_property
    def chroma_cens(self) -> np.ndarray:
        """Pitch classes smoothed over about a second, without loudness, shape (12, n_frames)."""
        return librosa.feature.chroma_cens(C=self._cqt, sr=self.sr, bins_per_octave=36)

    @cached_property
    def tonnetz(self) -> np.ndarray:
        """Place of the harmony on circles of fifths and thirds, shape (6, n_frames)."""
        return librosa.feature.tonnetz(chroma=self.chroma_cqt, sr=self.sr)

    # Rhythm

    def _delayed(self, rise: np.ndarray) -> np.ndarray:
        # One frame for the difference, the others because frames are centred.
        n_frames = self.log_mel.shape[1]
        return np.pad(rise, (1 + self.n_fft // (2 * self.hop_length), 0))[:n_frames]

    @cached_property
    def tempo(self) -> float:
        """Tempo in beats a minute; 0 where nothing ever starts."""
        if not self.onset_envelope.any():
            return 0.0
        return float(
            librosa.feature.tempo(tg=self.tempogram, sr=self.sr, hop_length=self.hop_length)[0]
        )

    # Harmonies and drums

    @cached_property
    def harmonic_mask(self) -> np.ndarray:
        """Share of each bin that is harmonic, 0 to 1, shape (1 + n_fft / 2, n_frames).

        Tones are level in time, drums level in frequency: the median along each direction
        keeps one and drops the other (Fitzgerald, "Harmonic/percussive separation using
        median filtering", DAFx 2010).
        """
        harmonic = self._median(self.magnitude.T)
        percussive = self._median(self.magnitude)
        # In one order of memory, else the sums below would jump about.
        harmonic, percussive = harmonic**2, np.ascontiguousarray(percussive.T) ** 2
        total = harmonic + percussive
        silent = total < np.finfo(np.float32).tiny
        total[silent] = 1
        harmonic[silent] = 0.5
        return (harmonic / total).T

    def _median(self, rows: np.ndarray) -> np.ndarray:
        return sliding_median(rows, HPSS_SIZE)

    @cached_property
    def harmonic(self) -> np.ndarray:
        """The audio with its drums taken out, shape (n_samples,)."""
        return istft(self.stft * self.harmonic_mask, hop_length=self.hop_length, length=self.y.size)

    @cached_property
    def percussive(self) -> np.ndarray:
        """What is left of the audio without its harmonies, shape (n_samples,)."""
        # The two masks add up to one, so no second inverse transform is needed.
        return self.y - self.harmonic

    @cached_property
    def harmonic_mfcc(self) -> np.ndarray:
        """MFCC of the harmonic part alone, shape (20, n_frames)."""
        return self._masked_mfcc(self.harmonic_mask)

    @cached_property
    def percussive_mfcc(self) -> np.ndarray:
        """MFCC of the percussive part alone, shape (20, n_frames)."""
        return self._masked_mfcc(1 - self.harmonic_mask)

    def _masked_mfcc(self, mask: np.ndarray) -> np.ndarray:
        power = (self.magnitude * mask) ** 2
        mel = _mel(power, sr=self.sr, n_fft=self.n_fft, n_mels=self.n_mels)
        return LogMel(decibels(mel), frame_rate=self.frame_rate).mfcc

    def stacked(self) -> np.ndarray:
        """The array of the stacked study, shape (87, 1400).

        20 MFCC, 32 mel bands in dB, 10 tempogram bands, 12 chroma, 7 contrast, 6 tonnetz
        (here from the STFT's chroma). Shorter music repeats its last frame, of longer music
        the first 1400 frames count.
        """
        mel = decibels(_mel(self.power, sr=self.sr, n_fft=self.n_fft, n_mels=32))
        tonnetz = librosa.feature.tonnetz(chroma=self.chroma_stft, sr=self.sr)
        rows = np.concatenate(
            [self.mfcc, mel, self.tempogram_bands, self.chroma_stft, self.contrast, tonnetz]
        )[:, :STACKED_FRAMES]
        missing = STACKED_FRAMES - rows.shape[1]
        return np.pad(rows, ((0, 0), (0, missing)), mode="edge").astype(np.float32)


class Uncompiled(Analysis):
    """The same without compiled loops, for the first few songs after an installation.

    Compiling takes several seconds; after that, 30 s of music are analysed in half the time.
    """

    @cached_property
    def power(self) -> np.ndarray:
        return self.stft.real**2 + self.stft.imag**2

    @cached_property
    def _shape(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        magnitude, frequencies = self.magnitude.T, filters.frequencies(self.sr, self.n_fft)
        powers = np.stack([frequencies**k for k in range(3)], axis=1)
        moments = magnitude.astype(np.float64) @ powers
        moments[moments[:, 0] < np.finfo(np.float32).tiny] = 1, 0, 0
        total, first, second = moments.T
        centroid = first / total
        bandwidth = np.sqrt(np.maximum(second / total - centroid**2, 0))
        below = np.cumsum(magnitude, axis=1)
        rolloff = frequencies[(below >= np.float32(0.85) * below[:, -1:]).argmax(axis=1)]
        return centroid, bandwidth, rolloff

    def _median(self, rows: np.ndarray) -> np.ndarray:
        from scipy.ndimage import median_filter

        # Column by column scipy takes a faster way.
        columns = np.ascontiguousarray(rows.T)
        return np.stack([median_filter(c, HPSS_SIZE, mode="reflect") for c in columns], axis=1)


def patches(y: np.ndarray, starts_s: np.ndarray) -> np.ndarray:
    """Cut what MusiCNN hears out of a track.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Audio at `PATCH_SR`.
    starts_s : ndarray, shape (n_patches,)
        Where each patch begins, in seconds; what lies beyond the end is the beginning again.

    Returns
    -------
    ndarray, shape (n_patches, *PATCH_SHAPE), float16
        ``log10(1 + 10000 mel)``, the compression that the network was trained with.
    """
    bands = mel(y, sr=PATCH_SR, n_fft=PATCH_FFT, hop_length=PATCH_HOP, n_mels=PATCH_SHAPE[1])
    compressed = np.log10(1 + 10_000 * bands.T).astype(np.float16)
    first = np.round(np.asarray(starts_s) * PATCH_SR / PATCH_HOP).astype(int)
    frames = (first[:, None] + np.arange(PATCH_SHAPE[0])) % len(compressed)
    return compressed[frames]


def rebuilt_patches(
    log_mel: np.ndarray,
    starts_s: np.ndarray,
    *,
    frame_rate: float,
    sr: int,
    n_fft: int,
    loudest: float = LOUDEST_DB,
) -> np.ndarray:
    """Rebuild what MusiCNN hears from a log-mel spectrogram, as far as that goes.

    Levels are interpolated between bands and between frames. What happens within a frame, and
    between two that are far apart, is lost: beats are blurred, timbre stays.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        In dB relative to the track's maximum.
    starts_s : ndarray, shape (n_patches,)
        Where each patch begins, in seconds.
    frame_rate : float
        Frames per second.
    sr, n_fft : int
        Of the audio that it was made of, in Hz, at least `PATCH_SR`, and of its frames.
    loudest : float
        Level of the track's maximum, in dB.

    Returns
    -------
    ndarray, shape (n_patches, *PATCH_SHAPE), float16
        See `patches`.
    """
    from scipy.ndimage import map_coordinates  # here, because few need it

    n_frames, n_bands = PATCH_SHAPE
    bands = np.interp(
        filters.mel_centres(PATCH_SR, n_bands),
        filters.mel_centres(sr, len(log_mel)),
        np.arange(len(log_mel)),
    )
    times = np.asarray(starts_s)[:, None] + np.arange(n_frames) * PATCH_HOP / PATCH_SR
    frames = np.minimum(times * frame_rate, log_mel.shape[1] - 1)
    place = np.broadcast_arrays(bands, frames[..., None])
    level = map_coordinates(log_mel, place, order=1, mode="nearest")
    # A frame's power grows with the square of its length, tone or noise.
    level += loudest + 20 * np.log10(PATCH_FFT / n_fft)
    return np.log10(1 + 10_000 * 10 ** (level / 10)).astype(np.float16)


def log_mel(y: np.ndarray, *, sr: int) -> np.ndarray:
    """Mel spectrogram in dB where nothing else is asked of the music, as `Analysis.log_mel`."""
    return decibels(mel(y, sr=sr))


def mel(
    y: np.ndarray, *, sr: int, n_fft: int = 2048, hop_length: int = HOP_LENGTH, n_mels: int = N_MELS
) -> np.ndarray:
    """Mel power spectrogram where nothing else is asked of the music, as `Analysis.mel`.

    A few frames are transformed at a time, and only their bands are kept: so little is held at
    once that it stays in the processor's cache. The window comes after the transform.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr, n_fft, hop_length, n_mels : int
        See `Analysis`.

    Returns
    -------
    ndarray, shape (n_mels, 1 + n_samples // hop_length), float32
    """
    frames = _frames(np.asarray(y, dtype=np.float32), n_fft, hop_length)
    bands = np.empty((len(frames), n_mels), dtype=np.float32)
    for first in range(0, len(frames), _CHUNK):
        some = slice(first, first + _CHUNK)
        power = _windowed_power(scipy.fft.rfft(frames[some], axis=1))
        _fill_bands(bands[some], power, sr=sr, n_fft=n_fft)
    return bands.T


def decibels(power: np.ndarray) -> np.ndarray:
    """Power in dB, at most 80 dB below its maximum, as `librosa.power_to_db`."""
    level = np.maximum(power, 1e-10)
    np.log(level, out=level)  # in vector instructions, which log10 has not
    level *= 10 / np.log(10)
    return np.maximum(level, level.max() - 80, out=level)


def stft(y: np.ndarray, *, n_fft: int, hop_length: int) -> np.ndarray:
    """Short-time Fourier transform, centred frames and a Hann window, as `librosa.stft`.

    Parameters
    ----------
    y : ndarray, shape (n_samples,), float32
    n_fft, hop_length : int
        In samples.

    Returns
    -------
    ndarray, shape (1 + n_fft / 2, 1 + n_samples // hop_length), complex64
        In single precision throughout, which is what makes it quicker than librosa's.
    """
    frames = _frames(y, n_fft, hop_length)
    return scipy.fft.rfft(frames * filters.hann(n_fft), axis=1).T


def _frames(y: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
    padded = np.pad(y, n_fft // 2)
    return np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]


def istft(spectrum: np.ndarray, *, hop_length: int, length: int) -> np.ndarray:
    """Turn a short-time Fourier transform back into audio, as `librosa.istft`.

    Parameters
    ----------
    spectrum : ndarray, shape (1 + n_fft / 2, n_frames), complex
    hop_length : int
        In samples; `n_fft` must be a multiple of it.
    length : int
        Samples to return.

    Returns
    -------
    ndarray, shape (length,)
    """
    frames = scipy.fft.irfft(spectrum.T, axis=1)
    n_fft = frames.shape[1]
    window, (n_frames, n_hops) = filters.hann(n_fft), (len(frames), n_fft // hop_length)
    # Hop by hop: each of a frame's is added to the row where it lies.
    parts = (frames * window).reshape(n_frames, n_hops, hop_length)
    weights = (window**2).reshape(n_hops, hop_length)
    y = np.zeros((n_frames - 1 + n_hops, hop_length), dtype=np.float32)
    weight = np.full_like(y, np.finfo(np.float32).tiny)
    for hop in range(n_hops):
        y[hop : hop + n_frames] += parts[:, hop]
        weight[hop : hop + n_frames] += weights[hop]
    return (y / weight).ravel()[n_fft // 2 : n_fft // 2 + length]


# Loops over frames, compiled


@numba.njit(cache=True, nogil=True)
def _power(frames):
    """Squared magnitudes, with no array in between."""
    power = np.empty(frames.shape, dtype=np.float32)
    for frame in range(frames.shape[0]):
        for k in range(frames.shape[1]):
            value = frames[frame, k]
            power[frame, k] = value.real * value.real + value.imag * value.imag
    return power


@numba.njit(cache=True, nogil=True)
def _windowed_power(frames):
    """Power of spectra whose frames had no window, as if they had had Hann's.

    A cosine, and the Hann window is one and a constant, spreads each bin over its neighbours
    alone: what is left to do is a sum of three, with no windowed copy of the frames. Beyond
    either end the spectrum of a real signal goes on mirrored, as its complex conjugate.
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
def _spectrum_shape(magnitude, frequencies):
    """Centroid, bandwidth and 85 % roll-off in Hz of each row of magnitudes."""
    n_frames, n_bins = magnitude.shape
    centroid, bandwidth, rolloff = np.zeros(n_frames), np.zeros(n_frames), np.zeros(n_frames)
    below = np.empty(n_bins, dtype=np.float32)
    for frame in range(n_frames):
        # In single precision, as librosa adds it up: the roll-off is a bin, right or wrong.
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
        # A silent frame has no centre of mass; librosa says 0 there, and so do we.
        if total >= np.finfo(np.float32).tiny:
            centroid[frame] = first / total
            bandwidth[frame] = np.sqrt(max(second / total - centroid[frame] ** 2, 0))
    return centroid, bandwidth, rolloff


def _mel(power: np.ndarray, *, sr: int, n_fft: int, n_mels: int) -> np.ndarray:
    # Frame by frame, as they lie in memory.
    bands = np.empty((power.shape[1], n_mels), dtype=np.float32)
    _fill_bands(bands, power.T, sr=sr, n_fft=n_fft)
    return bands.T


def _fill_bands(bands: np.ndarray, power: np.ndarray, *, sr: int, n_fft: int) -> None:
    """Put the mel bands of frames of power, both a row a frame, where they belong."""
    n_mels = bands.shape[1]
    parts = _mel_filters(sr, n_fft, n_mels)
    for first, (low, high, part) in zip(range(0, n_mels, 16), parts, strict=True):
        np.matmul(power[:, low:high], part, out=bands[:, first : first + 16])


@lru_cache(maxsize=8)
def _mel_filters(sr: int, n_fft: int, n_mels: int) -> list[tuple[int, int, np.ndarray]]:
    """The mel filters, sixteen at a time, with the bins that these cover: most of all is zero."""
    parts = []
    for first in range(0, n_mels, 16):
        bands = filters.mel(sr, n_fft, n_mels)[first : first + 16]
        covered = np.flatnonzero(bands.any(axis=0))
        low, high = covered.min(initial=n_fft // 2), covered.max(initial=0) + 1
        parts.append((int(low), int(high), bands[:, low:high].T))
    return parts


# Tables


@dataclass(frozen=True)
class Block:
    """Columns that describe one attribute of an analysis.

    Attributes
    ----------
    name : str
        What the columns' names begin with.
    attribute : str
        Attribute of `Analysis` or `LogMel`.
    stats : tuple of str
        Which summaries over time: mean, var, std, skew; empty for a single number.
    n_rows : int
        Rows of the attribute, each summarised on its own; 0 pools all of them.
    meaning : str
        What it says about the music, for the data dictionary.
    """

    name: str
    attribute: str
    stats: tuple[str, ...]
    n_rows: int = 0
    meaning: str = ""

    def columns(self) -> list[str]:
        """Names of the columns, row by row."""
        if not self.stats:
            return [self.name]
        stems = [f"{self.name}{i + 1}" for i in range(self.n_rows)] or [self.name]
        return [f"{stem}_{stat}" for stem in stems for stat in self.stats]

    def values(self, analysis: LogMel) -> np.ndarray:
        """Values of the columns, shape (n_columns,), float64."""
        value = getattr(analysis, self.attribute)
        if not self.stats:
            return np.array([value], dtype=np.float64)
        rows = np.asarray(value, dtype=np.float64)
        rows = rows[: self.n_rows] if self.n_rows else rows.reshape(1, -1)
        return np.stack([_STATS[stat](rows) for stat in self.stats], axis=1).ravel()


def _skew(rows: np.ndarray) -> np.ndarray:
    """Third standardised moment, as `scipy.stats.skew`; 0 for a row that is constant.

    Written out because scipy.stats takes seconds to import.
    """
    centred = rows - rows.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1))
    flat = spread <= 1e-7 * np.abs(rows).max(axis=1)
    return np.where(flat, 0.0, (centred**3).mean(axis=1) / np.where(flat, 1, spread) ** 3)


_STATS = {
    "mean": lambda rows: rows.mean(axis=1),
    "var": lambda rows: rows.var(axis=1),
    "std": lambda rows: rows.std(axis=1),
    "skew": _skew,
}

_MV = ("mean", "var")
_MS = ("mean", "std")
_MSS = ("mean", "std", "skew")

_TEMPO = Block("tempo", "tempo", (), 0, "beats a minute")

_KAGGLE = (
    Block("chroma_stft", "chroma_stft", _MV, 0, "energy of all pitch classes: tonal or noisy"),
    Block("rms", "rms", _MV, 0, "loudness"),
    Block("spectral_centroid", "centroid", _MV, 0, "Hz; brightness: the spectrum's centre of mass"),
    Block("spectral_bandwidth", "bandwidth", _MV, 0, "Hz; spread around the centroid"),
    Block("rolloff", "rolloff", _MV, 0, "Hz; 85 % of the magnitude lies below"),
    Block("zero_crossing_rate", "zero_crossing_rate", _MV, 0, "sign changes: noisiness, attack"),
    Block("harmony", "harmonic", _MV, 0, "the waveform without its drums"),
    Block("perceptr", "percussive", _MV, 0, "the waveform without its harmonies"),
    _TEMPO,
    Block("mfcc", "mfcc", _MV, N_MFCC, "timbre: the spectrum's shape, coarse to fine"),
)

_CAPSTONE = (
    _TEMPO,
    Block("chroma", "chroma_stft", _MSS, 12, "energy of each pitch class, C to B"),
    Block("mfcc", "mfcc", _MSS, 13, "timbre: the spectrum's shape, coarse to fine"),
    Block("s_centroid", "centroid", _MSS, 0, "Hz; brightness: the spectrum's centre of mass"),
    Block("s_contrast", "contrast", _MSS, 7, "dB; peaks over valleys in each octave"),
    Block("s_rolloff", "rolloff", _MSS, 0, "Hz; 85 % of the magnitude lies below"),
    Block("z_cr", "zero_crossing_rate", _MSS, 0, "sign changes: noisiness, attack"),
)

_LOGMEL = (
    Block("mfcc", "mfcc", _MS, N_MFCC, "timbre: the spectrum's shape, coarse to fine"),
    Block("mfcc_delta", "mfcc_delta", _MS, N_MFCC, "how fast the timbre changes"),
    Block("mel", "log_mel", _MS, 128, "dB; energy of each mel band, low to high"),
)

_EXTRA = (
    Block("mfcc", "mfcc", ("skew",), N_MFCC, "lean of each timbre coefficient"),
    Block("flatness", "flatness", _MSS, 0, "0 a tone, 1 white noise"),
    Block("spectral_bandwidth", "bandwidth", ("std", "skew"), 0, "Hz; spread around the centroid"),
    Block("rms", "rms", ("std", "skew"), 0, "loudness"),
    Block("chroma_cqt", "chroma_cqt", _MSS, 12, "pitch classes, sharper in the bass"),
    Block("chroma_cens", "chroma_cens", _MSS, 12, "pitch classes over about a second"),
    Block("tonnetz", "tonnetz", _MSS, 6, "harmony on circles of fifths and thirds"),
    Block("tempogram", "tempogram_bands", _MSS, TEMPO_BANDS, "pulse from 30 to 300 a minute"),
    Block("harmonic_mfcc", "harmonic_mfcc", _MS, 13, "timbre of the harmonic part"),
    Block("percussive_mfcc", "percussive_mfcc", _MS, 13, "timbre of the percussive part"),
)

TABLES: Mapping[str, tuple[Block, ...]] = {
    "kaggle": _KAGGLE,
    "capstone": _CAPSTONE,
    "logmel": _LOGMEL,
    "full": (*_KAGGLE, *_CAPSTONE, *_LOGMEL, *_EXTRA),
}


def blocks(table: str) -> tuple[Block, ...]:
    """Return the blocks of columns that make a feature table.

    Raises
    ------
    SettingError
        If there is no such table.
    """
    if table not in TABLES:
        raise SettingError(
            f"feature table {table!r} does not exist; choose from {', '.join(TABLES)}"
        )
    return TABLES[table]


@lru_cache
def columns(table: str) -> tuple[str, ...]:
    """Names of the columns of a feature table, in order.

    Parameters
    ----------
    table : {"kaggle", "capstone", "logmel", "full"}
        `kaggle`: the 57 features of the widespread Kaggle release. `capstone`: those of the
        capstone study. `logmel`: what a log-mel spectrogram gives. `full`: all of them and more.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> len(columns("kaggle")), columns("kaggle")[0]
    (57, 'chroma_stft_mean')
    """
    # Tables share columns; `full` holds each of them once.
    return tuple(dict.fromkeys(name for block in blocks(table) for name in block.columns()))


def growing_sets(groups: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Columns of `kaggle`, then the same and one group of `full` after the other.

    Parameters
    ----------
    groups : dict
        For each group what its columns' names begin with.

    Returns
    -------
    dict
        Under ``kaggle`` and ``+ <group>``: lists of columns of the table `full`.
    """
    sets = {"kaggle": list(columns("kaggle"))}
    for name, begins in groups.items():
        before = list(sets.values())[-1]
        sets[f"+ {name}"] = [*before, *(c for c in columns("full") if c.startswith(begins))]
    return sets


def dictionary() -> pd.DataFrame:
    """The data dictionary: every block of columns, what it means, and which tables hold it.

    Returns
    -------
    DataFrame
        `feature`, `meaning`, `rows` (coefficients or bands), `summaries`, and a column for
        each table that says how many of its columns the feature gives.
    """
    lines: dict[tuple[str, str], dict] = {}
    for table, parts in TABLES.items():
        for block in parts:
            line = lines.setdefault(
                (block.attribute, block.name),
                {"feature": block.name, "meaning": block.meaning, "rows": max(1, block.n_rows)},
            )
            line.setdefault("stats", {}).update(dict.fromkeys(block.stats or ("value",)))
            line.setdefault(table, set()).update(block.columns())
    frame = pd.DataFrame(lines.values())
    frame["summaries"] = [", ".join(stats) for stats in frame.pop("stats")]
    for table in TABLES:
        frame[table] = [len(names) if isinstance(names, set) else 0 for names in frame[table]]
    return frame[["feature", "meaning", "rows", "summaries", *TABLES]]


def row(analysis: LogMel, table: str, names: tuple[str, ...] = ()) -> np.ndarray:
    """Compute one line of a feature table.

    Parameters
    ----------
    analysis : Analysis, or LogMel for the table `logmel`
    table : str
        See `columns`.
    names : tuple of str
        The columns to compute, if not all of them.

    Returns
    -------
    ndarray, shape (n_columns,), float64
        In the order of `names`, or of ``columns(table)``.
    """
    names = names or columns(table)
    values: dict[str, float] = {}
    for block in blocks(table):
        if not set(names).isdisjoint(block.columns()):
            values.update(zip(block.columns(), block.values(analysis), strict=True))
    return np.array([values[name] for name in names])


def compile_loops() -> None:
    """Compile what numba compiles, here and in librosa, and keep it on disk.

    For before several processes would do so at once: numba's cache mixes up what they write,
    and whoever reads that crashes.
    """
    noise = np.random.default_rng(0).standard_normal(5 * 22_050)
    row(Analysis(noise, sr=22_050), "full")
