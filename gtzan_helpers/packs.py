"""Feature packs: the log-mel spectrograms of a dataset in one `.npz`, without audio.

A pack may be shared where audio may not. It is written by ``gtzan extract SOURCE --pack F``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gtzan_helpers import files
from gtzan_helpers.audio import MAX_RATE, MIN_RATE
from gtzan_helpers.errors import DAMAGE, SourceError, reason

NUMBERS: dict[str, Callable] = {
    "mel_db_min": float,
    "mel_db_max": float,
    "sr": int,
    "n_fft": int,
    "n_mels": int,
    "hop_length": int,
    "frame_period_s": float,
}
MOST_DB = 300.0
"""What lies beyond, up or down, is no level of music."""

FIELDS = ("track_id", "genre", "log_mel", *NUMBERS)


@dataclass(frozen=True)
class Pack:
    """Log-mel spectrograms of many tracks.

    Attributes
    ----------
    track_id, genre : ndarray of str, shape (n_tracks,)
    stored : ndarray, shape (n_tracks, n_mels, n_frames), uint8 or float
        uint8 runs linearly from `db_min` to `db_max`; floats are dB.
    db_min, db_max : float
        Range in dB, relative to each track's maximum.
    sr, n_fft, hop_length : int
        How the frames were made: Hz, samples, samples.
    frame_period : float
        Seconds from one kept frame to the next.
    """

    track_id: np.ndarray
    genre: np.ndarray
    stored: np.ndarray
    db_min: float
    db_max: float
    sr: int
    n_fft: int
    hop_length: int
    frame_period: float

    def log_mel(self, index: int) -> np.ndarray:
        """Log-mel spectrogram of one track in dB, shape (n_mels, n_frames), float32."""
        return decode(self.stored[index], self.db_min, self.db_max)


def decode(stored: np.ndarray, db_min: float, db_max: float) -> np.ndarray:
    """Turn stored values into dB, float32."""
    values = stored.astype(np.float32)
    if stored.dtype != np.uint8:
        return values
    return db_min + values * np.float32((db_max - db_min) / 255)


def encode(log_mel: np.ndarray, db_min: float, db_max: float) -> np.ndarray:
    """Turn dB into uint8, `db_min` to 0 and `db_max` to 255."""
    share = (np.clip(log_mel, db_min, db_max) - db_min) / (db_max - db_min)
    return np.round(255 * share).astype(np.uint8)


def read(path: str | Path) -> Pack:
    """Read and check a feature pack.

    Raises
    ------
    SourceError
        If the file is no pack, lacks a field, or its parts do not fit together.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [field for field in FIELDS if field not in archive.files]
            if missing:
                raise SourceError(
                    f"{path}: not a feature pack: it lacks {', '.join(missing)}; "
                    "`gtzan extract SOURCE --pack F` writes one"
                )
            fields = {field: np.asarray(archive[field]) for field in FIELDS}
        words = {field: np.atleast_1d(fields[field]) for field in ("track_id", "genre")}
        if any(column.dtype.kind not in "US" for column in words.values()):
            raise ValueError("track_id and genre are no words")
        names = {field: column.astype(str) for field, column in words.items()}
    except DAMAGE as error:
        raise SourceError(
            f"{path}: not a feature pack that numpy can read ({reason(error)})"
        ) from error
    numbers = {}
    for field, kind in NUMBERS.items():
        try:
            numbers[field] = kind(fields[field].item())
        except (ValueError, TypeError, OverflowError) as error:
            raise SourceError(f"{path}: {field} is {fields[field]!r}, not a number") from error
    pack = Pack(
        track_id=names["track_id"],
        genre=names["genre"],
        stored=fields["log_mel"],
        db_min=numbers["mel_db_min"],
        db_max=numbers["mel_db_max"],
        sr=numbers["sr"],
        n_fft=numbers["n_fft"],
        hop_length=numbers["hop_length"],
        frame_period=numbers["frame_period_s"],
    )
    fault = _fault(pack, numbers["n_mels"])
    if fault:
        raise SourceError(f"{path}: {fault}; write it again with `gtzan extract SOURCE --pack F`")
    return pack


def _fault(pack: Pack, n_mels: int) -> str | None:
    n_tracks = len(pack.track_id)
    if pack.track_id.ndim != 1 or pack.genre.ndim != 1:
        return "track_id and genre are not one word a track"
    # Beside words, numpy has made "nan" of what was missing.
    if not all(word.strip() and word != "nan" for word in (*pack.track_id, *pack.genre)):
        return "a track has no id, or no genre"
    if pack.stored.ndim != 3 or pack.stored.shape[:2] != (n_tracks, n_mels):
        return (
            f"log_mel has shape {pack.stored.shape}, not (tracks, bands, frames) = "
            f"({n_tracks}, {n_mels}, ...)"
        )
    if len(pack.genre) != n_tracks or len(set(pack.track_id)) != n_tracks:
        return f"{n_tracks} track ids, but {len(pack.genre)} genres, or ids that repeat"
    if n_tracks == 0 or pack.stored.shape[2] < 2:
        return "it holds no track, or no two frames of each"
    if not np.issubdtype(pack.stored.dtype, np.floating) and pack.stored.dtype != np.uint8:
        return f"log_mel is {pack.stored.dtype}, not uint8 or float"
    if pack.stored.dtype != np.uint8 and not np.isfinite(pack.stored).all():
        return "log_mel holds values that are not finite"
    if not (0 < pack.frame_period <= 1 and -MOST_DB <= pack.db_min < pack.db_max <= MOST_DB):
        return f"frame_period_s={pack.frame_period}, dB from {pack.db_min} to {pack.db_max}"
    if pack.stored.dtype != np.uint8 and np.abs(pack.stored).max() > MOST_DB:
        return f"log_mel goes beyond {MOST_DB:g} dB"
    if not (MIN_RATE <= pack.sr <= MAX_RATE and pack.hop_length > 0 and 0 < pack.n_fft <= pack.sr):
        return f"sr={pack.sr}, n_fft={pack.n_fft}, hop_length={pack.hop_length} cannot be"
    return None


def write(path: str | Path, pack: Pack) -> Path:
    """Write a feature pack, whole or not at all."""
    with files.replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            track_id=pack.track_id.astype(str),
            genre=pack.genre.astype(str),
            log_mel=pack.stored,
            mel_db_min=np.float32(pack.db_min),
            mel_db_max=np.float32(pack.db_max),
            sr=np.int32(pack.sr),
            n_fft=np.int32(pack.n_fft),
            n_mels=np.int32(pack.stored.shape[1]),
            hop_length=np.int32(pack.hop_length),
            frame_period_s=np.float32(pack.frame_period),
        )
    return Path(path)
