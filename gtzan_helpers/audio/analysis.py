"""Features of music: audio or a log-mel spectrogram in, arrays of numbers out.

`Analysis` computes each feature of a piece of audio once, when it is first asked for, all from
one short-time Fourier transform. `MelAnalysis` gives the features that a log-mel spectrogram
alone allows, for sources without audio. The definitions are librosa's; some features are computed
in another, faster way, and tests check that the results match.

Taught in notebook 02.
"""

import warnings
from functools import cached_property
from itertools import pairwise

import librosa
import numpy as np
import scipy.fft

from gtzan_helpers.audio import median, spectra
from gtzan_helpers.audio.spectra import HOP_LENGTH, N_FFT, decibels, mel_of_power

N_MFCC = 20
# Frames, and bins, that the harmonic/percussive medians span; librosa's default.
HPSS_SIZE = 31

# Frames of the stacked study's array for 30 s of music; less music has fewer.
STACKED_FRAMES, STACKED_SECONDS = 1400, 30
TEMPO_BANDS = 10
TINY = np.finfo(np.float32).tiny


class MelAnalysis:
    """The features that a log-mel spectrogram alone allows.

    Parameters
    ----------
    log_mel : ndarray, shape (n_mels, n_frames)
        Mel spectrogram in dB.
    frame_rate : float
        Frames per second.

    Examples
    --------
    >>> import numpy as np
    >>> MelAnalysis(np.zeros((128, 40)), frame_rate=12.9).mfcc.shape
    (20, 40)
    """

    def __init__(self, log_mel: np.ndarray, *, frame_rate: float):
        self.log_mel = np.asarray(log_mel, dtype=np.float32)
        self.frame_rate = frame_rate

    @cached_property
    def mfcc(self) -> np.ndarray:
        """Mel-frequency cepstral coefficients, shape (20, n_frames).

        The cosine transform of each log-mel frame: the first is its loudness, the second how its
        energy leans to low or high, later ones describe ever finer shape.
        """
        return scipy.fft.dct(self.log_mel, axis=0, type=2, norm="ortho")[:N_MFCC]

    @cached_property
    def mfcc_delta(self) -> np.ndarray:
        """Slope of each MFCC in time (a Savitzky-Golay filter), shape (20, n_frames)."""
        width = min(9, (self.mfcc.shape[1] - 1) // 2 * 2 + 1)
        if width < 3:
            return np.zeros_like(self.mfcc)
        return librosa.feature.delta(self.mfcc, width=width)

    @cached_property
    def onset_envelope(self) -> np.ndarray:
        """Rise in level from the last frame, averaged over all bands, shape (n_frames,)."""
        rise = np.maximum(0.0, np.diff(self.log_mel, axis=1)).mean(axis=0)
        return np.pad(rise, (self._onset_delay, 0))[: self.log_mel.shape[1]]

    _onset_delay = 1  # of the difference, in frames

    @cached_property
    def tempogram(self) -> np.ndarray:
        """Autocorrelation of the onset envelope around each frame, shape (n_lags, n_frames).

        Row `k` says how well the music around a frame matches itself `k` frames later. The
        window is 8.9 s (384 frames of 23 ms), librosa's default, at any frame rate.
        """
        n_lags = max(2, round(384 * self.frame_rate * 512 / 22_050))
        ramped = np.pad(self.onset_envelope, n_lags // 2, mode="linear_ramp").astype(np.float32)
        around = np.lib.stride_tricks.sliding_window_view(ramped, n_lags)[: self.log_mel.shape[1]]
        size = scipy.fft.next_fast_len(2 * n_lags - 1, real=True)
        spectrum = scipy.fft.rfft(around * spectra.hann(n_lags), size, axis=1)
        matches = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=1)[:, :n_lags]
        best = np.abs(matches).max(axis=1, keepdims=True)
        best[best < TINY] = 1
        return (matches / best).T

    @cached_property
    def tempogram_bands(self) -> np.ndarray:
        """The tempogram in 10 bands of tempo from 30 to 300 beats a minute, shape (10, n_frames).

        Bands are equally wide in octaves; each is the mean over its lags, or the nearest lag
        if it contains none.
        """
        lags = np.arange(1, self.tempogram.shape[0])
        tempi = 60 * self.frame_rate / lags
        rows = []
        for low, high in pairwise(np.geomspace(30, 300, TEMPO_BANDS + 1)):
            inside = lags[(tempi >= low) & (tempi < high)]
            if inside.size == 0:
                inside = lags[[np.argmin(np.abs(np.log(tempi / np.sqrt(low * high))))]]
            rows.append(self.tempogram[inside].mean(axis=0))
        return np.stack(rows)

    def stacked(self) -> np.ndarray:
        """The part of the stacked study's array that a log-mel gives, shape (87, n_frames).

        20 MFCC, 57 mel bands (averages of neighbouring bands) and 10 tempogram bands, at the
        source's own frame rate.
        """
        mel = np.stack([group.mean(axis=0) for group in np.array_split(self.log_mel, 57)])
        return np.concatenate([self.mfcc, mel, self.tempogram_bands]).astype(np.float32)


class Analysis(MelAnalysis):
    """One piece of audio, analysed once.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr : int
        Its sampling rate in Hz.

    Notes
    -----
    Every attribute is an array of shape (n_frames,) or (n_rows, n_frames) with
    ``n_frames = 1 + n_samples // HOP_LENGTH``, unless it says otherwise. Those of `MelAnalysis`
    are among them: MFCC, onsets, the tempogram.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)
    >>> round(float(np.median(Analysis(tone, sr=22_050).centroid)))
    440
    """

    _onset_delay = 1 + N_FFT // (2 * HOP_LENGTH)  # the others because frames are centred

    def __init__(self, y: np.ndarray, *, sr: int):
        self.y = np.ascontiguousarray(y, dtype=np.float32)
        self.sr = sr
        self.frame_rate = sr / HOP_LENGTH

    # Spectra

    @cached_property
    def stft(self) -> np.ndarray:
        """Short-time Fourier transform, complex, shape (1 + n_fft / 2, n_frames)."""
        return spectra.stft(self.y)

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Magnitude spectrogram, shape (1 + n_fft / 2, n_frames)."""
        return np.sqrt(self.power)

    @cached_property
    def power(self) -> np.ndarray:
        """Power spectrogram, shape (1 + n_fft / 2, n_frames)."""
        return self.stft.real**2 + self.stft.imag**2

    @cached_property
    def log_mel(self) -> np.ndarray:  # type: ignore[override]
        """Mel spectrogram in dB, at most 80 dB below its maximum, shape (128, n_frames)."""
        return decibels(mel_of_power(self.power, sr=self.sr))

    # The shape of the spectrum

    @cached_property
    def _frequencies(self) -> np.ndarray:
        return librosa.fft_frequencies(sr=self.sr, n_fft=N_FFT)

    @cached_property
    def _shape(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return spectra.spectrum_shape(self.magnitude.T, self._frequencies)

    @property
    def centroid(self) -> np.ndarray:
        """Spectral centroid in Hz: the centre of mass of the magnitude spectrum."""
        return self._shape[0]

    @property
    def bandwidth(self) -> np.ndarray:
        """Spectral bandwidth in Hz: the spread of the spectrum around its centroid."""
        return self._shape[1]

    @property
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

    @cached_property
    def zero_crossing_rate(self) -> np.ndarray:
        """Share of the samples of each frame at which the waveform changes its sign."""
        # As librosa counts them, but once for all frames that share them.
        negative = np.pad(self.y, N_FFT // 2, mode="edge") < -1e-10
        changes = np.cumsum(np.r_[False, negative[1:] != negative[:-1]])
        first = np.arange(1 + self.y.size // HOP_LENGTH) * HOP_LENGTH
        return (changes[first + N_FFT - 1] - changes[first]) / N_FFT

    @cached_property
    def rms(self) -> np.ndarray:
        """Root mean square of each frame."""
        # A frame is a whole number of hops, so each hop is summed once.
        n_hops = N_FFT // HOP_LENGTH
        squares = np.pad(self.y**2, N_FFT // 2)[: (self.y.size // HOP_LENGTH + n_hops) * HOP_LENGTH]
        hops = squares.reshape(-1, HOP_LENGTH).sum(axis=1, dtype=np.float64)
        return np.sqrt(np.lib.stride_tricks.sliding_window_view(hops, n_hops).sum(axis=1) / N_FFT)

    # Pitch

    @cached_property
    def tuning(self) -> float:
        """Deviation from A = 440 Hz in semitones, from -0.5 to 0.5.

        librosa's `estimate_tuning` of the power spectrogram: the peak of a histogram over the
        strong spectral peaks between 150 and 4000 Hz. Only the peaks are interpolated here, not
        every bin.
        """
        low, high = np.searchsorted(self._frequencies, (150, 4000))
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
        pitches = ((bins + low + shift) * float(self.sr) / N_FFT).astype(np.float32)
        deviations = (12 * np.log2(pitches[height >= np.median(height)] / 440) + 0.5) % 1 - 0.5
        edges = np.linspace(-0.5, 0.5, 101)
        return float(edges[np.histogram(deviations, edges)[0].argmax()])

    @cached_property
    def chroma_stft(self) -> np.ndarray:
        """Energy of the 12 pitch classes from C on, the loudest set to 1, shape (12, n_frames)."""
        chroma = librosa.feature.chroma_stft(S=self.power, sr=self.sr, tuning=self.tuning)
        return np.ascontiguousarray(chroma)

    @cached_property
    def _cqt(self) -> np.ndarray:
        with warnings.catch_warnings():
            # In short segments the lowest notes' filters are longer than the audio, and audio
            # without any pitch counts as in tune.
            warnings.simplefilter("ignore")
            # chroma_cqt's own settings, so that all chromas share it.
            cqt = librosa.cqt(self.y, sr=self.sr, n_bins=252, bins_per_octave=36, tuning=None)
        return np.abs(cqt)

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

    @cached_property
    def tempo(self) -> float:
        """Tempo in beats a minute; 0 without any onset."""
        if not self.onset_envelope.any():
            return 0.0
        return float(librosa.feature.tempo(tg=self.tempogram, sr=self.sr)[0])

    # Harmonies and drums

    @cached_property
    def harmonic_mask(self) -> np.ndarray:
        """Share of each bin that is harmonic, 0 to 1, shape (1 + n_fft / 2, n_frames).

        Tones are level in time, drums level in frequency: the median along either direction
        keeps one and removes the other (Fitzgerald, "Harmonic/percussive separation using
        median filtering", DAFx 2010).
        """
        harmonic = median.sliding_median(self.magnitude.T, HPSS_SIZE) ** 2
        percussive = median.sliding_median(self.magnitude, HPSS_SIZE) ** 2
        # In the same memory order, which makes the sums below fast.
        total = harmonic + np.ascontiguousarray(percussive.T)
        silent = total < TINY
        total[silent] = 1
        harmonic[silent] = 0.5
        return (harmonic / total).T

    @cached_property
    def harmonic(self) -> np.ndarray:
        """The harmonic part of the audio, shape (n_samples,)."""
        return spectra.istft(self.stft * self.harmonic_mask, self.y.size)

    @cached_property
    def percussive(self) -> np.ndarray:
        """The percussive part of the audio, shape (n_samples,)."""
        # The two masks add up to one, so no second inverse transform is needed.
        return self.y - self.harmonic

    @cached_property
    def harmonic_mfcc(self) -> np.ndarray:
        """MFCC of the harmonic part, shape (20, n_frames)."""
        return self._masked_mfcc(self.harmonic_mask)

    @cached_property
    def percussive_mfcc(self) -> np.ndarray:
        """MFCC of the percussive part, shape (20, n_frames)."""
        return self._masked_mfcc(1 - self.harmonic_mask)

    def _masked_mfcc(self, mask: np.ndarray) -> np.ndarray:
        mel = mel_of_power((self.magnitude * mask) ** 2, sr=self.sr)
        return MelAnalysis(decibels(mel), frame_rate=self.frame_rate).mfcc

    def stacked(self) -> np.ndarray:
        """The array of the stacked study, shape (87, 1400) for 30 s of music.

        20 MFCC, 32 mel bands in dB, 10 tempogram bands, 12 chroma, 7 contrast, 6 tonnetz
        (here from the STFT's chroma). 1400 frames are 32.5 s, so the last frame is repeated; of
        longer music the first 1400 frames are used, and shorter music has as many fewer as it has
        whole seconds less.
        """
        mel = decibels(mel_of_power(self.power, sr=self.sr, n_mels=32))
        tonnetz = librosa.feature.tonnetz(chroma=self.chroma_stft, sr=self.sr)
        parts = [self.mfcc, mel, self.tempogram_bands, self.chroma_stft, self.contrast, tonnetz]
        share = min(1.0, max(1, round(self.y.size / self.sr)) / STACKED_SECONDS)
        size = round(share * STACKED_FRAMES)
        rows = librosa.util.fix_length(np.concatenate(parts), size=size, mode="edge")
        return rows.astype(np.float32)
