"""The feature sets that models are trained on, and how each is computed from one track.

A `FeatureSet` is a table of named statistics, or an array per segment for networks. All but
pictures can be computed from audio, most also from a log-mel spectrogram alone.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gtzan_helpers.audio import blocks, changes, reading, segments, spectra, tables
from gtzan_helpers.audio.analysis import Analysis, MelAnalysis
from gtzan_helpers.audio.spectra import HOP_LENGTH, track_log_mel
from gtzan_helpers.errors import NotPossibleError, SettingError, choose
from gtzan_helpers.workers import keep_memory

#: Seconds between the frames of `log_mel` and `mfcc` that are computed from audio.
FRAME_PERIOD = 0.0775

#: Height and width of pictures in pixels.
PICTURE_SIZE = 224
# In seconds: a few frames, and ten minutes.
MIN_SEGMENT, MAX_SEGMENT = 0.1, 600.0


@dataclass(frozen=True)
class SegmentFeatures:
    """Features of one track.

    Attributes
    ----------
    starts_s : ndarray, shape (n_segments,)
        Start of each segment in seconds.
    values : ndarray, shape (n_segments, ...)
    repeated : bool
        Whether the track is shorter than a segment and was repeated to its length.
    """

    starts_s: np.ndarray
    values: np.ndarray
    repeated: bool


@dataclass(frozen=True)
class FeatureSet:
    """A way to turn a track into features, a row or an array per segment.

    A subclass computes one segment (`_of_audio`, `_of_log_mel`), or whole tracks in its own way.

    Attributes
    ----------
    name : str
    version : int
        Raised when the values change, so that cached features are computed again.
    columns : tuple of str
        Names of the columns of a table; empty for arrays. A copy with fewer columns (see
        `dataclasses.replace`) computes only these.
    only_segment_seconds : float or None
        The only possible length of a segment, 0 for whole tracks; None for any.
    can_use_audio, can_use_log_mel : bool
    copies : mapping
        The augmentations of which there are copies.
    """

    name: str
    version: int = 1
    columns: tuple[str, ...] = ()
    only_segment_seconds: ClassVar[float | None] = None
    can_use_audio: ClassVar[bool] = True
    can_use_log_mel: ClassVar[bool] = True
    copies: ClassVar[Mapping[str, Any]] = {}

    def check(self, segment_seconds: float, change: str = "", lasts: float = 0.0) -> None:
        """Raise `SettingError` if such segments, or such augmented copies, are not possible.

        `lasts` is the length of a recording in seconds: one segment of hours needs too much memory.
        """
        if change and not self.copies:
            having = ", ".join(name for name, each in FEATURE_SETS.items() if each.copies)
            raise SettingError(f"changed copies are made of {having}, not of {self.name!r}")
        if change:
            choose(self.copies, change, "change")
        only, given = self.only_segment_seconds, f"segment_seconds={segment_seconds:g}"
        if only not in (None, segment_seconds):
            raise SettingError(f"{given}: {self.name!r} needs segment_seconds={only:g}")
        if segment_seconds and not MIN_SEGMENT <= segment_seconds <= MAX_SEGMENT:
            bounds = f"{MIN_SEGMENT:g} to {MAX_SEGMENT:g}"
            raise SettingError(f"{given} is not possible: 0 for whole tracks, or {bounds}")
        if not segment_seconds and lasts > MAX_SEGMENT:
            most = f"a whole track has {MAX_SEGMENT:g} s at most; ask for segments, or cut it"
            raise SettingError(f"lasts {lasts:,.0f} s; {most}")

    def framed(self, of_log_mel: bool) -> bool:
        """Whether arrays, computed from a log-mel or from audio, have the frames of a log-mel."""
        return False

    def from_audio(
        self, y: np.ndarray, *, sr: int, segment_seconds: float, change: str = ""
    ) -> SegmentFeatures:
        """Compute the features of a recording.

        Parameters
        ----------
        y : ndarray, shape (n_samples,)
            Mono audio.
        sr : int
            Sampling rate in Hz.
        segment_seconds : float
            Length of a segment; 0 for the whole recording.
        change : str
            One of `AUGMENTATIONS`, applied to each segment first; empty for none.

        Raises
        ------
        SettingError
            See `check`.
        NotPossibleError
            If these features are not computed from audio.
        """
        self.check(segment_seconds, change, y.size / sr)
        keep_memory()
        return self._from_audio(y, sr, segment_seconds, change)

    def _from_audio(self, y: np.ndarray, sr: int, seconds: float, change: str) -> SegmentFeatures:
        starts_s, pieces, repeated = segments.split(y, sr=sr, seconds=seconds)
        values = np.stack([self._of_audio(piece, sr) for piece in pieces])
        return SegmentFeatures(starts_s, values, repeated)

    def _of_audio(self, y: np.ndarray, sr: int) -> np.ndarray:
        raise NotPossibleError(f"{self.name!r} cannot be computed from audio")

    def from_log_mel(
        self,
        log_mel: np.ndarray,
        *,
        frame_rate: float,
        segment_seconds: float,
        change: str = "",
        seed: int = 0,
        **made: int,
    ) -> SegmentFeatures:
        """Compute the features of a track from its log-mel spectrogram.

        Parameters
        ----------
        log_mel : ndarray, shape (128, n_frames)
            In dB relative to the track's maximum.
        frame_rate : float
            Frames per second.
        segment_seconds, change
            See `from_audio`.
        seed : int
            Random seed of the change.
        **made : int
            How it was made, `sr` and `n_fft`; see `patches_from_log_mel`, nothing else needs it.

        Raises
        ------
        SettingError, NotPossibleError
            See `from_audio`.
        """
        self.check(segment_seconds, change, log_mel.shape[-1] / frame_rate)
        starts_s, pieces, repeated = segments.split(log_mel, sr=frame_rate, seconds=segment_seconds)
        if change:
            rng = np.random.default_rng(seed)
            # Rounded to bytes first, as the unchanged segments are.
            rounded = [spectra.decode(spectra.encode(piece)) for piece in pieces]
            pieces = [changes.augment_log_mel(piece, change=change, rng=rng) for piece in rounded]
        values = self._of_pieces(pieces, log_mel, starts_s, frame_rate, **made)
        return SegmentFeatures(starts_s, values, repeated)

    def _of_pieces(
        self, pieces: list, log_mel: np.ndarray, starts_s: np.ndarray, rate: float, **made: int
    ) -> np.ndarray:
        return np.stack([self._of_log_mel(piece, rate) for piece in pieces])

    def _of_log_mel(self, log_mel: np.ndarray, frame_rate: float) -> np.ndarray:
        raise NotPossibleError(f"{self.name!r} cannot be computed from a log-mel spectrogram")


class AudioStatistics(FeatureSet):
    """A feature table that needs audio."""

    can_use_log_mel = False

    def _of_audio(self, y: np.ndarray, sr: int) -> np.ndarray:
        return tables.row(Analysis(y, sr=sr), self.name, self.columns)


class MelStatistics(FeatureSet):
    """A feature table that a log-mel spectrogram gives."""

    def _from_audio(self, y: np.ndarray, sr: int, seconds: float, change: str) -> SegmentFeatures:
        log_mel, seed = track_log_mel(y, sr=sr), zlib.crc32(y.tobytes() + change.encode())
        return self.from_log_mel(
            log_mel, frame_rate=sr / HOP_LENGTH, segment_seconds=seconds, change=change, seed=seed
        )

    def _of_log_mel(self, log_mel: np.ndarray, frame_rate: float) -> np.ndarray:
        return tables.row(MelAnalysis(log_mel, frame_rate=frame_rate), self.name, self.columns)


class Blocks(MelStatistics):
    """Blocks of columns, see `blocks.BLOCKS`, each column named by its block and a number."""

    only_segment_seconds = 0.0
    copies = changes.RECORDINGS

    def _of_log_mel(self, log_mel: np.ndarray, frame_rate: float) -> np.ndarray:
        # The frame in the middle of each period, as packs have it.
        step, n_frames = blocks.PERIOD * frame_rate, log_mel.shape[1]
        middles = ((np.arange(max(1, round(n_frames / step))) + 0.5) * step).astype(int)
        log_mel = log_mel[:, np.minimum(middles, n_frames - 1)]
        names = dict.fromkeys(column.rpartition("_")[0] for column in self.columns)
        return np.concatenate([blocks.BLOCKS[name](log_mel) for name in names]).astype(np.float32)


class LogMelArray(FeatureSet):
    """Log-mel spectrograms as bytes: 0 is -80 dB, 255 the track's maximum."""

    copies = changes.AUGMENTATIONS

    def framed(self, of_log_mel: bool) -> bool:
        return True

    def _from_audio(self, y: np.ndarray, sr: int, seconds: float, change: str) -> SegmentFeatures:
        if change:
            return self._augmented(y, sr, seconds, change)
        log_mel, frame_rate = _thinned(track_log_mel(y, sr=sr), sr), 1 / FRAME_PERIOD
        return self.from_log_mel(log_mel, frame_rate=frame_rate, segment_seconds=seconds)

    def _augmented(self, y: np.ndarray, sr: int, seconds: float, change: str) -> SegmentFeatures:
        """Change each segment on its own, so that nothing of its neighbours gets into it."""
        whole, rate = spectra.log_mel(y, sr=sr), 1 / FRAME_PERIOD
        # Cut in frames, as the originals are, so that each segment has its copy.
        starts_s, pieces, repeated = segments.split(_thinned(whole, sr), sr=rate, seconds=seconds)
        length, reference = round(seconds * sr) or y.size, float(whole.max())
        seed = zlib.crc32(y.tobytes())
        values = []
        for number, start_s in enumerate(starts_s):
            piece = segments.cut(y, min(round(start_s * sr), max(0, y.size - length)), length)
            changed = changes.augment(piece, sr=sr, change=change, seed=seed + number)
            log_mel = _thinned(track_log_mel(changed, sr=sr, reference=reference), sr)
            log_mel = segments.repeat_or_cut(log_mel, pieces[0].shape[1])
            values.append(self._of_log_mel(log_mel, rate))
        return SegmentFeatures(starts_s, np.stack(values), repeated)

    def _of_log_mel(self, log_mel: np.ndarray, frame_rate: float) -> np.ndarray:
        return spectra.encode(log_mel)


def _thinned(log_mel: np.ndarray, sr: int) -> np.ndarray:
    """Keep one frame every `FRAME_PERIOD` seconds."""
    return log_mel[:, segments.kept_frames(log_mel.shape[1], FRAME_PERIOD * sr / HOP_LENGTH)]


class MfccArray(LogMelArray):
    """MFCC over time."""

    def _of_log_mel(self, log_mel: np.ndarray, frame_rate: float) -> np.ndarray:
        return MelAnalysis(log_mel, frame_rate=frame_rate).mfcc.astype(np.float16)


class Stacked(FeatureSet):
    """The array of the stacked study: several features over time, one above the other."""

    only_segment_seconds = 0.0

    def framed(self, of_log_mel: bool) -> bool:
        return of_log_mel

    def _of_audio(self, y: np.ndarray, sr: int) -> np.ndarray:
        return Analysis(y, sr=sr).stacked().astype(np.float16)

    def _of_log_mel(self, log_mel: np.ndarray, frame_rate: float) -> np.ndarray:
        return MelAnalysis(log_mel, frame_rate=frame_rate).stacked().astype(np.float16)


class Patches(FeatureSet):
    """The input of MusiCNN."""

    only_segment_seconds = spectra.PATCH_SECONDS

    def _from_audio(self, y: np.ndarray, sr: int, seconds: float, change: str) -> SegmentFeatures:
        y = reading.resample(y, sr=sr, target_sr=spectra.PATCH_SR)
        starts_s, _, repeated = segments.split(y, sr=spectra.PATCH_SR, seconds=seconds)
        return SegmentFeatures(starts_s, spectra.patches(y, starts_s), repeated)

    def _of_pieces(
        self, pieces: list, log_mel: np.ndarray, starts_s: np.ndarray, rate: float, **made: int
    ) -> np.ndarray:
        return spectra.patches_from_log_mel(log_mel, starts_s, frame_rate=rate, **made)


class Pictures(FeatureSet):
    """Spectrograms drawn by someone else, a picture per track."""

    only_segment_seconds = 0.0
    can_use_audio = False
    can_use_log_mel = False


_ALL = (
    AudioStatistics("kaggle", columns=tables.columns("kaggle")),
    AudioStatistics("capstone", columns=tables.columns("capstone")),
    MelStatistics("logmel", columns=tables.columns("logmel")),
    AudioStatistics("full", columns=tables.columns("full")),
    LogMelArray("log_mel"),
    MfccArray("mfcc"),
    Blocks("blocks", columns=blocks.columns(*blocks.BLOCKS)),
    Blocks("blocks_fast", columns=blocks.columns(*blocks.FAST)),
    Stacked("stacked", version=2),
    Patches("patches"),
    Pictures("pictures"),
)

#: Every feature set by its name: kaggle, capstone, logmel, full, log_mel, mfcc, blocks,
#: blocks_fast, stacked, patches, pictures.
#:
#: :meta hide-value:
FEATURE_SETS: Mapping[str, FeatureSet] = {each.name: each for each in _ALL}

#: The feature tables, in the order in which a source's default is chosen.
TABLE_SETS = ("kaggle", "logmel", "capstone", "full")


def feature_set(name: str) -> FeatureSet:
    """Return the feature set of that name.

    Parameters
    ----------
    name : str
        A key of `FEATURE_SETS`.

    Raises
    ------
    SettingError
        If there is none.
    """
    return choose(FEATURE_SETS, name, "feature set")
