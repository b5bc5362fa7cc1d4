"""Feature packs: the log-mel spectrograms of a dataset in one ``.npz``, without audio.

A pack may be shared where audio may not. It is written by ``gtzan extract SOURCE --pack F``.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config, errors
from gtzan_helpers.audio import FEATURE_SETS, reading, segments, spectra
from gtzan_helpers.audio.feature_sets import FeatureSet, SegmentFeatures
from gtzan_helpers.audio.spectra import DB_RANGE, HOP_LENGTH, N_FFT, N_MELS, decode
from gtzan_helpers.datasets import Features, FileSource, Settings, Source, extract, open_source
from gtzan_helpers.datasets.kinds.recordings import read_start
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError, reason, safe
from gtzan_helpers.files import load_arrays, replacing
from gtzan_helpers.workers import Workers

# The numbers in the file, whole ones and others; attributes of `Pack` have the same names.
WHOLE = ("sr", "n_fft", "n_mels", "hop_length")
REAL = ("mel_db_min", "mel_db_max", "frame_period_s")

# No level of music lies beyond, up or down.
MOST_DB = 300.0

# From one frame to the next, in seconds: what is computed from frames grows with their number.
MIN_PERIOD, MAX_PERIOD = 0.005, 1.0

REMEDY = "`gtzan extract SOURCE --pack F` writes one"

FIELDS = ("track_id", "genre", "log_mel", *WHOLE, *REAL)


@dataclass(frozen=True)
class Pack:
    """Log-mel spectrograms of many tracks.

    Attributes
    ----------
    track_id, genre : ndarray of str, shape (n_tracks,)
    stored : ndarray, shape (n_tracks, n_mels, n_frames), uint8 or float
        uint8 runs linearly from `mel_db_min` to `mel_db_max`; floats are dB.
    frame_period_s : float
        Seconds from one frame to the next.
    mel_db_min, mel_db_max : float
        Range in dB, relative to each track's maximum.
    sr, n_fft, hop_length : int
        How the frames were made: Hz, samples, samples.
    """

    track_id: np.ndarray
    genre: np.ndarray
    stored: np.ndarray
    frame_period_s: float
    mel_db_min: float = DB_RANGE[0]
    mel_db_max: float = DB_RANGE[1]
    sr: int = config.SR
    n_fft: int = N_FFT
    hop_length: int = HOP_LENGTH

    @property
    def n_mels(self) -> int:
        """Number of mel bands."""
        return self.stored.shape[1]

    def log_mel(self, index: int) -> np.ndarray:
        """Log-mel spectrogram of one track in dB, shape (n_mels, n_frames), float32."""
        return decode(self.stored[index], self.mel_db_min, self.mel_db_max)


class PackSource(FileSource):
    """A feature pack as a source."""

    kind = "pack"
    suffixes = (".npz",)

    def read(self) -> pd.DataFrame:
        """Read the pack (see `read_pack`), and hash each stored spectrogram."""
        self.pack = pack = read_pack(self.path)
        hashes = [hashlib.md5(stored.tobytes()).hexdigest() for stored in pack.stored]
        return pd.DataFrame({"track_id": pack.track_id, "genre": pack.genre, "md5": hashes})

    def _rows(self) -> np.ndarray:
        return pd.Index(self.pack.track_id).get_indexer(self.tracks.track_id)

    def log_mels(self) -> Iterator[tuple[str, np.ndarray, float]]:
        """Yield id, log-mel spectrogram (dB) and frames per second of each track."""
        pack = self.pack
        for row in self._rows():
            yield str(pack.track_id[row]), pack.log_mel(row), 1 / pack.frame_period_s

    def refusal(self, feature_set: str, segment_seconds: float) -> str:
        """A pack gives what a log-mel of our 128 bands allows."""
        pack, possible = self.pack, [n for n, s in FEATURE_SETS.items() if s.can_use_log_mel]
        if feature_set not in possible:
            need = f"audio; log-mel spectrograms give {', '.join(possible)}"
        elif segment_seconds and segment_seconds < 2 * pack.frame_period_s:
            need = f"segments of two frames; {segment_seconds:g} s are too short"
        elif pack.n_mels != N_MELS:
            need = f"{N_MELS} mel bands, not {pack.n_mels}"
        elif feature_set == "patches" and pack.sr < spectra.PATCH_SR:
            need = f"{spectra.PATCH_SR} samples per second, not {pack.sr}"
        else:
            return ""
        return f"the pack {self.name}: {feature_set!r} needs {need}"

    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Compute features of every stored spectrogram."""
        pack = self.pack
        stored = [pack.stored[row] for row in self._rows()]
        settings |= {"sr": pack.sr, "n_fft": pack.n_fft, "frame_period": pack.frame_period_s}
        settings["db_range"] = pack.mel_db_min, pack.mel_db_max
        return extract(self, stored, _describe_stored, feature_set, settings, workers)


def _describe_stored(
    stored: np.ndarray,
    feature_set: FeatureSet,
    *,
    frame_period: float,
    db_range: tuple[float, float],
    **asked: Any,
) -> SegmentFeatures:
    log_mel = decode(stored, *db_range)
    seed = zlib.crc32(stored.tobytes() + asked["change"].encode())
    return feature_set.from_log_mel(log_mel, frame_rate=1 / frame_period, seed=seed, **asked)


def read_pack(path: str | Path) -> Pack:
    """Read and check a feature pack.

    Parameters
    ----------
    path : str or Path
        An ``.npz`` file.

    Raises
    ------
    SourceError
        If the file is no pack, lacks a field, or its parts do not fit together.
    """
    path = Path(path)
    try:
        arrays = load_arrays(path)
        if missing := [field for field in FIELDS if field not in arrays]:
            raise ValueError(f"{missing[0]} is missing")
        fields = {field: arrays[field] for field in FIELDS}
        words = [np.atleast_1d(fields[field]) for field in ("track_id", "genre")]
        if any(column.dtype.kind not in "US" for column in words):
            raise ValueError("track_id and genre are no words")
        clean = np.vectorize(safe, otypes=[str])
        track_id, genre = (clean(column.astype(str)) for column in words)
        numbers: dict[str, Any] = {field: int(fields[field].item()) for field in WHOLE}
        numbers |= {field: float(fields[field].item()) for field in REAL}
    except (*errors.DAMAGED_FILE, SystemError) as error:  # for letters that cannot be
        raise SourceError(f"{path}: not a feature pack ({reason(error)}); {REMEDY}") from error
    n_mels = numbers.pop("n_mels")
    pack = Pack(track_id, genre, fields["log_mel"], **numbers)
    if fault := _fault(pack, n_mels):
        raise SourceError(f"{path}: {fault}; {REMEDY}")
    return pack


def _fault(pack: Pack, n_mels: int) -> str:
    """What does not fit together in a pack; empty where everything does."""
    ids, genre, stored = pack.track_id, pack.genre, pack.stored
    words = {word.strip() for word in (*ids.flat, *genre.flat)}
    # Beside words, numpy has made "nan" of what was missing.
    if ids.ndim != 1 or genre.shape != ids.shape or len(set(ids)) < len(ids) or words & {"", "nan"}:
        return "ids repeat, or a track has no id or no genre (nan counts as none)"
    n_tracks, shape = len(ids), stored.shape
    if stored.ndim != 3 or shape[:2] != (n_tracks, n_mels) or 0 in shape or shape[2] < 2:
        return f"log_mel has shape {shape}, not ({n_tracks} tracks, {n_mels} bands, frames)"
    if shape[2] > (longest := reading.MAX_SAMPLES // HOP_LENGTH):
        return f"a track has {shape[2]:,} frames; {longest:,} are possible"
    in_db = np.issubdtype(stored.dtype, np.floating) and np.abs(stored).max() <= MOST_DB
    if stored.dtype != np.uint8 and not in_db:
        return f"log_mel is {stored.dtype}, not uint8 or floats within {MOST_DB:g} dB"
    frames = MIN_PERIOD <= pack.frame_period_s <= MAX_PERIOD
    levels = -MOST_DB <= pack.mel_db_min < pack.mel_db_max <= MOST_DB
    rates = reading.MIN_RATE <= pack.sr <= reading.MAX_RATE and 0 < pack.n_fft <= pack.sr
    if frames and levels and rates and pack.hop_length > 0:
        return ""
    numbers = ", ".join(f"{name}={getattr(pack, name)}" for name in (*WHOLE, *REAL))
    return f"{numbers}: one of these cannot be"


def save_pack(path: str | Path, pack: Pack) -> Path:
    """Save a feature pack, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where to, ``.npz``.
    pack : Pack

    Raises
    ------
    SourceError
        If it could not be read again.
    """
    if fault := _fault(pack, pack.stored.shape[1]):
        raise SourceError(f"{path}: not written; {fault}")
    fields: dict[str, Any] = {"track_id": pack.track_id.astype(str)}
    fields["genre"] = pack.genre.astype(str)
    fields |= {field: np.int32(getattr(pack, field)) for field in WHOLE}
    fields |= {field: np.float32(getattr(pack, field)) for field in REAL}
    with replacing(path) as temporary:
        np.savez_compressed(temporary, log_mel=pack.stored, **fields)
    return Path(path)


def write_pack(
    path: str | Path,
    source: str | Path | Source,
    *,
    profile: str = "quick",
    frame_period: float | None = None,
    jobs: int | None = None,
    scheduler: str = "",
) -> pd.DataFrame:
    """Write a feature pack of an audio source.

    Tracks get as many frames as the one of median length; shorter ones are repeated, longer
    ones cut.

    Parameters
    ----------
    path : str or Path
        Where to, ``.npz``.
    source : str, Path or Source
        It must hold audio.
    profile : str
        How much of the source to use.
    frame_period : float or None
        Seconds from one kept frame to the next, at least 512 samples' worth; None keeps all.
    jobs, scheduler
        See `Source.features`.

    Returns
    -------
    DataFrame
        The failures: `track_id`, `path`, `reason`.
    """
    workers = Workers(jobs or -1, scheduler)
    source = open_source(source, profile=profile, jobs=workers.jobs)
    if not source.has_audio:
        raise NotPossibleError(f"a pack is made from audio; {source.name} is a {source.kind}")
    if Path(path).suffix != ".npz":
        raise SettingError(f"{path}: a pack's name ends in .npz")
    hop_seconds = HOP_LENGTH / config.SR
    period = frame_period or hop_seconds
    if not hop_seconds <= period <= MAX_PERIOD:
        raise SettingError(f"frame_period={period:g} is not possible: {hop_seconds:.4f} to 1 s")
    settings = {"hops": period / hop_seconds, "seconds_limit": source.profile.seconds_limit}
    log_mel = FEATURE_SETS["log_mel"]
    features = extract(source, source.tracks.path, _encode_file, log_mel, settings, workers)
    track_id, genre = features.tracks[["track_id", "genre"]].to_numpy(str).T
    save_pack(path, Pack(track_id, genre, features.values, period))
    return features.failures


def _encode_file(
    path: str, feature_set: FeatureSet, *, hops: float, seconds_limit: float | None
) -> SegmentFeatures:
    y, sr = read_start(path, sr=config.SR, seconds=seconds_limit)
    log_mel = spectra.track_log_mel(y, sr=sr)
    stored = spectra.encode(log_mel[:, segments.kept_frames(log_mel.shape[1], hops)])
    return SegmentFeatures(np.zeros(1), stored[None], repeated=False)
