"""The loop over tracks: parallel, cached, and with every failure in a table."""

import hashlib
import json
import os
import warnings
import zlib
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import threadpoolctl

from gtzan_helpers import (
    audio,
    augment,
    config,
    dataset,
    features,
    files,
    filters,
    median,
    packs,
    progress,
)
from gtzan_helpers.errors import DAMAGE, AudioError, GtzanError, NotPossibleError, SettingError
from gtzan_helpers.workers import Workers, keep_memory

DB_RANGE = (augment.SILENCE_DB, 0.0)
"""Range of a track's log-mel in dB, relative to its maximum."""

STACKED = "stacked"
PATCHES = "patches"
ARRAYS = ("log_mel", "mfcc", STACKED, PATCHES)
"""What networks are fed: log-mel as bytes (0 is -80 dB, 255 the track's maximum), MFCC of it,
and the stacked study's array, each of shape (n_segments, n_rows, n_frames); and what MusiCNN
hears (`features.patches`), shape (n_segments, 187, 96)."""

PATCH_SECONDS = 3.0

LEAST_SEGMENT, LONGEST_SEGMENT = 0.1, 600.0
"""In seconds: a few frames, and ten minutes."""

FRAME_PERIOD = 0.0775
"""Seconds from one frame of `log_mel` and `mfcc` to the next, where audio has more of them."""


@dataclass(frozen=True)
class Request:
    """What to compute; two equal requests for one file give one entry of the cache.

    Attributes
    ----------
    what : str
        A feature table (`features.TABLES`), or one of `ARRAYS`.
    segment_seconds : float
        Length of a segment; 0 for whole tracks.
    change : str
        What each segment is changed by first (`augment.WAVEFORM`); empty for nothing.
    sr : int
        Sampling rate that audio is brought to, in Hz.
    seconds_limit : float or None
        How much of each recording is used.
    """

    what: str
    segment_seconds: float
    change: str = ""
    sr: int = config.SR
    seconds_limit: float | None = None

    def key(self) -> str:
        """A short name of these settings and of the code that carries them out."""
        modules = (features, audio, filters, median, packs, *([augment] if self.change else []))
        code = [files.digest(str(path)) for path in (__file__, *(m.__file__ for m in modules))]
        libraries = ["librosa", *(["audiomentations"] if self.change else [])]
        text = json.dumps([asdict(self), code, *map(version, libraries)], sort_keys=True)
        return f"{self.what}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Extraction:
    """Features of a source.

    Attributes
    ----------
    segments : DataFrame
        `track_id`, `segment`, `start_s` (seconds), `genre`, `repeated` (the track was shorter
        than a segment, and repeated to its length).
    values : ndarray, shape (n_segments, ...)
        Row `i` belongs to row `i` of `segments`.
    columns : tuple of str
        Names of the columns of a table; empty for arrays.
    failures : DataFrame
        `track_id`, `path`, `reason` of each track that gave nothing.
    tracks : DataFrame
        The source's table of tracks, less the failures.
    what : str
        The name of the features, as it goes into result rows.
    frame_period : float or None
        Seconds from one frame to the next, of arrays made of a log-mel.
    """

    segments: pd.DataFrame
    values: np.ndarray
    columns: tuple[str, ...]
    failures: pd.DataFrame
    tracks: pd.DataFrame
    what: str = field(default="")
    frame_period: float | None = None

    def __post_init__(self) -> None:
        if len(self.segments) != len(self.values):
            raise ValueError(f"{len(self.segments)} segments, but {len(self.values)} values")

    def frame(self) -> pd.DataFrame:
        """Segments and named features side by side."""
        values = pd.DataFrame(self.values, columns=list(self.columns))
        return pd.concat([self.segments, values], axis=1)


def extract(
    source: str | Path | dataset.Source,
    what: str = "kaggle",
    *,
    segment_seconds: float = 3.0,
    change: str = "",
    profile: str = "quick",
    jobs: int | None = None,
    scheduler: str = "",
) -> Extraction:
    """Compute features of every track of a source, or load them where they are known.

    Parameters
    ----------
    source : str, Path or Source
        See `dataset.resolve`.
    what : str
        A feature table (`features.TABLES`), or one of `ARRAYS`.
    segment_seconds : float
        Length of a segment; 0 for one row per track.
    change : str
        What each segment is changed by first, for `log_mel` and `mfcc`: one of
        `augment.WAVEFORM`, of the waveform where there is one, else of the log-mel.
    profile : {"smoke", "quick", "full"}
        How much of the source to take.
    jobs : int or None
        Processes; None for as many as there are cores.
    scheduler : str
        Address of a Dask scheduler, ``tcp://...``, whose workers compute instead of `jobs`
        processes here; they must see the same files and the same cache. Empty for none.

    Returns
    -------
    Extraction

    Raises
    ------
    NotPossibleError
        If the source does not hold what these features need.
    SettingError
        If no scheduler answers there, or Dask is not installed.
    SourceError
        If there is no such source, or not one of its tracks could be used.
    """
    if what not in ARRAYS:
        features.blocks(what)
    if change and what not in ("log_mel", "mfcc"):
        raise SettingError(f"changed copies are made of log_mel and mfcc, not of {what!r}")
    if change and change not in augment.WAVEFORM:
        known = ", ".join(augment.WAVEFORM)
        raise SettingError(f"change {change!r} does not exist; choose from {known}")
    if what == STACKED and segment_seconds != 0:
        raise SettingError("the stacked array describes whole tracks; use segment_seconds=0")
    if what == PATCHES and segment_seconds != PATCH_SECONDS:
        raise SettingError(f"patches are {PATCH_SECONDS:g} s long; use segment_seconds=3")
    if segment_seconds and not LEAST_SEGMENT <= segment_seconds <= LONGEST_SEGMENT:
        raise SettingError(
            f"segment_seconds={segment_seconds:g} is not possible: 0 for whole tracks, or "
            f"{LEAST_SEGMENT:g} to {LONGEST_SEGMENT:g}"
        )
    workers = Workers(jobs or joblib.cpu_count(), scheduler)
    if not isinstance(source, dataset.Source):
        source = dataset.resolve(source, profile=profile, jobs=workers.jobs)
    tracks = dataset.load(source)
    if source.kind == "pictures":
        raise NotPossibleError(
            f"{what!r} needs audio; {source.name} holds pictures, which notebook 06 alone uses "
            "(`gtzan run FOLDER --only 06`)"
        )
    if source.kind == "table":
        return _from_table(source, tracks, what, segment_seconds)
    request = Request(what, segment_seconds, change, seconds_limit=source.profile.seconds_limit)
    period: float | None = FRAME_PERIOD
    if source.kind == "pack":
        parts, period = _from_pack(source, tracks, request, workers)
        failures = []
    else:
        parts, failures = _from_audio(tracks, request, workers)
    if not parts:
        raise NotPossibleError(
            f"{source.name}: not one of {len(tracks)} tracks could be used; the first: "
            f"{failures[0][2]}"
        )
    found = _assemble(tracks, parts, failures, what)
    framed = what in ("log_mel", "mfcc") or (what == STACKED and source.kind == "pack")
    return replace(found, frame_period=period) if framed else found


def natural_table(source: dataset.Source) -> str:
    """The feature table that a source gives without more ado.

    `kaggle` from audio, `logmel` from a pack, its own from a table.
    """
    if source.kind == "table":
        return dataset.read_table(source.path)[1]
    return "logmel" if source.kind == "pack" else "kaggle"


def lengths(source: dataset.Source) -> pd.Series | None:
    """Length of each track in samples at `config.SR`, by id; None where a source does not say."""
    tracks = dataset.load(source)
    if source.kind == "audio":
        counted = {t.track_id: _n_samples(t.path) for t in tracks.itertuples()}
        return pd.Series(counted).replace(0, np.nan).dropna()
    if source.kind == "table":
        rows = dataset.read_table(source.path)[0]
        if (rows.segment == 0).all() and "length" in rows:
            return rows.set_index("track_id")["length"]
    return None


# From audio


@dataclass(frozen=True)
class _Part:
    """Features of one track: `starts_s` in seconds, `values` one row per segment."""

    starts_s: np.ndarray
    values: np.ndarray
    repeated: bool


def _from_audio(tracks: pd.DataFrame, request: Request, workers: Workers):
    folder = config.cache_dir() / "features" / request.key()
    entries = {track.track_id: _entry(folder, track) for track in tracks.itertuples()}
    missing = [track for track in tracks.itertuples() if not entries[track.track_id].exists()]
    tasks = [(t.track_id, t.path, entries[t.track_id], request) for t in missing]
    done = progress.bar(
        workers.map(_compute, tasks), total=len(tasks), description="extract", unit="track"
    )
    reasons = dict(done)
    parts: dict[str, _Part] = {}
    failures = []
    for track in tracks.itertuples():
        reason = reasons.get(track.track_id)
        if reason is None:
            parts[track.track_id] = _load_or_compute(track, entries[track.track_id], request)
        else:
            failures.append((track.track_id, track.path, reason))
    return parts, failures


def _entry(folder: Path, track) -> Path:
    # A file that could not be hashed cannot be read either; it gets no entry.
    name = track.md5 if isinstance(track.md5, str) else f"unreadable-{os.urandom(4).hex()}"
    return folder / name[:2] / f"{name}.npz"


def _compute(track_id: str, path: str, entry: Path, request: Request) -> tuple[str, str | None]:
    """Compute one track into the cache; returns the reason where that is not possible."""
    try:
        # One thread a process: the cores are shared out already, and the sums of several
        # threads differ in the last digit.
        with threadpoolctl.threadpool_limits(1):
            part = _analyse(Path(path), request)
    except GtzanError as error:
        return track_id, str(error).removeprefix(f"{path}: ")
    with files.replacing(entry) as temporary:
        np.savez(
            temporary, starts_s=part.starts_s, values=part.values, repeated=np.array(part.repeated)
        )
    return track_id, None


def _load_or_compute(track, entry: Path, request: Request) -> _Part:
    try:
        return _load(entry)
    except DAMAGE:
        entry.unlink(missing_ok=True)  # damaged: made again
        _compute(track.track_id, track.path, entry, request)
        return _load(entry)


def _load(entry: Path) -> _Part:
    with np.load(entry, allow_pickle=False) as stored:
        return _Part(stored["starts_s"], stored["values"], bool(stored["repeated"]))


def _analyse(path: Path, request: Request) -> _Part:
    y, sr = audio.read(path, sr=request.sr)
    if request.seconds_limit:
        y = y[: round(request.seconds_limit * sr)]
    with warnings.catch_warnings():
        # The lowest notes' filters are longer than a short segment; librosa says so each time.
        warnings.filterwarnings("ignore", message="n_fft=.* is too large", module="librosa")
        # Music without any pitch counts as in tune.
        warnings.filterwarnings("ignore", message="Trying to estimate tuning from empty")
        part = _describe(y, sr, request)
    if not np.isfinite(part.values).all():
        raise AudioError(f"{path}: gives features that are not finite; please report this file")
    return part


def describe(
    y: np.ndarray, sr: int, what: str, *, segment_seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute features of one recording that is in memory.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Mono audio.
    sr : int
        Its sampling rate in Hz, `config.SR` for what models of this series were trained on.
    what : str
        A feature table, or one of `ARRAYS`.
    segment_seconds : float
        Length of a segment; 0 for the whole recording.

    Returns
    -------
    starts_s : ndarray, shape (n_segments,)
    values : ndarray, shape (n_segments, ...)
    """
    part = _describe(y, sr, Request(what, segment_seconds))
    return part.starts_s, part.values


def _describe(y: np.ndarray, sr: int, request: Request) -> _Part:
    keep_memory()
    if request.what == STACKED:
        values = features.Analysis(y, sr=sr).stacked().astype(np.float16)
        return _Part(np.zeros(1), values[None], repeated=False)
    if request.change:
        return _describe_changed(y, sr, request)
    if request.what in ("log_mel", "mfcc"):
        return _describe_log_mel(*_thinned(*track_log_mel(y, sr)), request)
    if request.what == PATCHES:
        return _describe_patches(y, sr)
    if request.what == "logmel":
        return _describe_log_mel(*track_log_mel(y, sr), request)
    length = round(request.segment_seconds * sr)
    starts = audio.segment_starts(y.size, sr=sr, segment_seconds=request.segment_seconds)
    pieces = (audio.cut(y, start, length) for start in starts)
    rows = [features.row(features.Analysis(piece, sr=sr), request.what) for piece in pieces]
    return _Part(starts / sr, np.stack(rows), repeated=y.size < length)


def _describe_patches(y: np.ndarray, sr: int) -> _Part:
    y = audio.resample(y, sr=sr, target_sr=features.PATCH_SR)
    starts = audio.segment_starts(y.size, sr=features.PATCH_SR, segment_seconds=PATCH_SECONDS)
    starts_s = starts / features.PATCH_SR
    repeated = y.size < PATCH_SECONDS * features.PATCH_SR
    return _Part(starts_s, features.patches(y, starts_s), repeated=repeated)


def _describe_changed(y: np.ndarray, sr: int, request: Request) -> _Part:
    """Each segment changed on its own, so that nothing of its neighbours gets into it."""
    whole = features.log_mel(y, sr=sr)
    reference = float(whole.max())
    n_kept = _kept(whole.shape[1], FRAME_PERIOD * sr / features.HOP_LENGTH).size
    # Counted in frames, as the originals are, so that each copy has its original.
    starts = audio.segment_starts(
        n_kept, sr=1 / FRAME_PERIOD, segment_seconds=request.segment_seconds
    )
    length = round(request.segment_seconds * sr) or y.size
    n_frames = round(request.segment_seconds / FRAME_PERIOD) or n_kept
    seed = zlib.crc32(y.tobytes())
    rows = []
    for number, start in enumerate(starts):
        first = min(round(start * FRAME_PERIOD * sr), max(0, y.size - length))
        piece = audio.cut(y, first, length)
        changed = augment.waveform(piece, sr=sr, change=request.change, seed=seed + number)
        log_mel, _ = _thinned(*track_log_mel(changed, sr, reference=reference))
        frames = np.arange(n_frames) % log_mel.shape[1]
        rows.append(_array(log_mel[:, frames], request.what))
    return _Part(starts * FRAME_PERIOD, np.stack(rows), repeated=n_kept < n_frames)


def _thinned(log_mel: np.ndarray, frame_rate: float) -> tuple[np.ndarray, float]:
    """Keep a frame every `FRAME_PERIOD`; returns the frames per second, too."""
    return log_mel[:, _kept(log_mel.shape[1], FRAME_PERIOD * frame_rate)], 1 / FRAME_PERIOD


def _kept(n_frames: int, step: float) -> np.ndarray:
    frames = np.arange(0, n_frames - 0.5, step).round().astype(int)
    return frames[frames < n_frames]


def _array(log_mel: np.ndarray, what: str) -> np.ndarray:
    if what == "mfcc":
        return features.LogMel(log_mel, frame_rate=1 / FRAME_PERIOD).mfcc.astype(np.float16)
    return packs.encode(log_mel, *DB_RANGE)


def track_log_mel(
    y: np.ndarray, sr: int, *, reference: float | None = None
) -> tuple[np.ndarray, float]:
    """Log-mel spectrogram of a whole track, in dB relative to its maximum.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
    reference : float or None
        What 0 dB is, instead of the maximum.

    Returns
    -------
    log_mel : ndarray, shape (128, n_frames), float32
        From -80 dB on; up to 0 dB where `reference` is the maximum.
    frame_rate : float
        Frames per second.
    """
    log_mel = features.log_mel(y, sr=sr)
    loudest = log_mel.max() if reference is None else reference
    return np.maximum(log_mel - loudest, DB_RANGE[0]), sr / features.HOP_LENGTH


def _describe_log_mel(log_mel: np.ndarray, frame_rate: float, request: Request) -> _Part:
    n_frames = log_mel.shape[1]
    length = round(request.segment_seconds * frame_rate)
    starts = audio.segment_starts(n_frames, sr=frame_rate, segment_seconds=request.segment_seconds)
    rows = []
    for start in starts:
        frames = np.arange(start, start + (length or n_frames)) % n_frames
        if request.what == "logmel":
            piece = features.LogMel(log_mel[:, frames], frame_rate=frame_rate)
            rows.append(features.row(piece, "logmel"))
        else:
            rows.append(_array(log_mel[:, frames], request.what))
    return _Part(starts / frame_rate, np.stack(rows), repeated=n_frames < length)


# From packs and tables


def _from_pack(
    source: dataset.Source, tracks: pd.DataFrame, request: Request, workers: Workers
) -> tuple[dict[str, _Part], float]:
    given = ("logmel", *ARRAYS)
    if request.what not in given:
        raise NotPossibleError(
            f"{request.what!r} needs audio; the pack {source.name} holds log-mel "
            f"spectrograms only, which give {', '.join(given)}"
        )
    entry = (
        config.cache_dir() / "features" / request.key() / f"pack-{files.digest(source.path)}.npz"
    )
    pack = packs.read(source.path)
    if request.segment_seconds and request.segment_seconds < 2 * pack.frame_period:
        raise NotPossibleError(
            f"segments of {request.segment_seconds:g} s are too short for the pack {source.name}, "
            f"which has a frame every {pack.frame_period:g} s"
        )
    if pack.stored.shape[1] != features.N_MELS:
        raise NotPossibleError(
            f"{request.what!r} needs {features.N_MELS} mel bands; the pack {source.name} has "
            f"{pack.stored.shape[1]}"
        )
    if request.what == PATCHES and pack.sr < features.PATCH_SR:
        raise NotPossibleError(
            f"{request.what!r} reach up to {features.PATCH_SR // 2} Hz; the pack {source.name} was "
            f"made at {pack.sr} Hz"
        )
    rows = np.flatnonzero(np.isin(pack.track_id, tracks.track_id))
    try:
        with np.load(entry, allow_pickle=False) as stored:
            values = stored["values"]
    except DAMAGE:
        none = pack.track_id[:0]  # each task takes the header with it, and no other track
        header = replace(pack, track_id=none, genre=none, stored=pack.stored[:0])
        tasks = [(stored, header, request) for stored in pack.stored]
        described = progress.bar(
            workers.map(_describe_stored, tasks),
            total=len(tasks),
            description="extract",
            unit="track",
        )
        values = np.stack(list(described))
        with files.replacing(entry) as temporary:
            np.savez(temporary, values=values)
    starts = _pack_starts(pack.stored.shape[2], 1 / pack.frame_period, request)
    repeated = pack.stored.shape[2] < round(request.segment_seconds / pack.frame_period)
    parts = {str(pack.track_id[row]): _Part(starts, values[row], repeated) for row in rows}
    return parts, pack.frame_period


def _pack_starts(n_frames: int, frame_rate: float, request: Request) -> np.ndarray:
    starts = audio.segment_starts(n_frames, sr=frame_rate, segment_seconds=request.segment_seconds)
    return starts / frame_rate


def _describe_stored(stored: np.ndarray, pack: packs.Pack, request: Request) -> np.ndarray:
    """Describe one track of a pack; of `pack` only the settings count."""
    log_mel, frame_rate = packs.decode(stored, pack.db_min, pack.db_max), 1 / pack.frame_period
    what = "log_mel" if request.change else request.what
    if request.what == STACKED:
        analysis = features.LogMel(log_mel, frame_rate=frame_rate)
        return analysis.stacked().astype(np.float16)[None]
    if request.what == PATCHES:
        starts_s = _pack_starts(stored.shape[1], frame_rate, request)
        return features.rebuilt_patches(
            log_mel, starts_s, frame_rate=frame_rate, sr=pack.sr, n_fft=pack.n_fft
        )
    part = _describe_log_mel(log_mel, frame_rate, replace(request, what=what))
    if not request.change:
        return part.values
    rng = np.random.default_rng(zlib.crc32(stored.tobytes() + request.change.encode()))
    pieces = (packs.decode(values, *DB_RANGE) for values in part.values)
    changed = (augment.log_mel(piece, change=request.change, rng=rng) for piece in pieces)
    return np.stack([_array(piece, request.what) for piece in changed])


def _from_table(
    source: dataset.Source, tracks: pd.DataFrame, what: str, segment_seconds: float
) -> Extraction:
    rows, table = dataset.read_table(source.path)
    if what != table:
        raise NotPossibleError(
            f"{what!r} needs audio; the table {source.name} holds the features {table!r} only "
            f"(--table {table})"
        )
    rows = rows[rows.track_id.isin(tracks.track_id)].reset_index(drop=True)
    in_segments = bool((rows.segment > 0).any())
    # A whole track as short as a segment is one.
    short = bool((rows.length > 0).all() and (rows.length <= segment_seconds * config.SR).all())
    lasting = rows.length[rows.length > 0] / config.SR
    if in_segments and segment_seconds and not np.allclose(lasting, segment_seconds, rtol=0.01):
        raise NotPossibleError(
            f"the table {source.name} holds segments of {lasting.iloc[0]:g} s, not of "
            f"{segment_seconds:g} s; name theirs (--segment-seconds)"
        )
    if in_segments and segment_seconds == 0:
        raise NotPossibleError(
            f"the table {source.name} holds segments only; name their length (--segment-seconds)"
        )
    if segment_seconds > 0 and not in_segments and not short:
        raise NotPossibleError(
            f"the table {source.name} holds whole tracks only; ask for them (--segment-seconds 0)"
        )
    names = features.columns(table)
    segments = rows[["track_id", "segment", "start_s", "genre"]].assign(repeated=False)
    return Extraction(
        segments, rows[list(names)].to_numpy(), names, _failure_table([]), tracks, what
    )


# Together


def _failure_table(failures: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(failures, columns=["track_id", "path", "reason"])


def _assemble(tracks, parts: dict[str, _Part], failures, what: str) -> Extraction:
    tables = []
    for track in tracks.itertuples():
        if track.track_id in parts:
            part = parts[track.track_id]
            n_segments = len(part.starts_s)
            tables.append(
                pd.DataFrame(
                    {
                        "track_id": track.track_id,
                        "segment": np.arange(n_segments),
                        "start_s": part.starts_s,
                        "genre": track.genre,
                        "repeated": part.repeated,
                    }
                )
            )
    kept = tracks[tracks.track_id.isin(parts)].reset_index(drop=True)
    arrays = [parts[track_id].values for track_id in kept.track_id]
    values = np.concatenate(_of_one_length(arrays) if what in ARRAYS else arrays)
    columns = () if what in ARRAYS else features.columns(what)
    segments = pd.concat(tables, ignore_index=True)
    return Extraction(segments, values, columns, _failure_table(failures), kept, what)


def _of_one_length(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Whole tracks differ in length; they get as many frames as the median, repeated or cut."""
    n_frames = int(np.median([values.shape[-1] for values in arrays]))
    return [of_length(values, n_frames) for values in arrays]


def of_length(values: np.ndarray, n_frames: int) -> np.ndarray:
    """Repeat or cut arrays of shape (..., frames) to a number of frames."""
    return values[..., np.arange(n_frames) % values.shape[-1]]


# Files for others


def write_csv(
    path: str | Path,
    extraction: Extraction,
    *,
    segment_seconds: float,
    seconds_limit: float | None = None,
) -> Path:
    """Write a feature table in the form of the Kaggle release.

    Parameters
    ----------
    path : str or Path
        Where to.
    extraction : Extraction
        Of a table of features.
    segment_seconds : float
        Length of its segments; 0 for whole tracks.
    seconds_limit : float or None
        How much of each recording was used.

    Returns
    -------
    Path
    """
    most = round(seconds_limit * config.SR) if seconds_limit else float("inf")
    segments = extraction.segments
    paths = extraction.tracks.set_index("track_id").path
    numbered = segments.segment.max() > 0
    names, lengths = [], []
    for row in segments.itertuples():
        suffix = (
            Path(paths[row.track_id]).suffix if isinstance(paths[row.track_id], str) else ".wav"
        )
        names.append(f"{row.track_id}{f'.{row.segment}' if numbered else ''}{suffix}")
        whole = min(most, _n_samples(paths[row.track_id]))
        lengths.append(round(segment_seconds * config.SR) or whole)
    table = pd.DataFrame(extraction.values, columns=list(extraction.columns))
    table.insert(0, "filename", names)
    table.insert(1, "length", lengths)
    table["label"] = segments.genre
    with files.replacing(path) as temporary:  # line by line: the text is larger than the table
        table.to_csv(
            temporary, index=False, lineterminator="\n", encoding="utf-8", errors="backslashreplace"
        )
    return Path(path)


def _n_samples(path) -> int:
    """Samples of a file at `config.SR`; 0 where there is no file that says."""
    try:
        n_samples, sr, _ = audio.header(path)
    except (AudioError, TypeError):
        return 0
    return round(n_samples * config.SR / sr)


def write_pack(
    path: str | Path,
    source: str | Path,
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
        Where to, `.npz`.
    source : str or Path
        See `dataset.resolve`; it must hold audio.
    profile : str
        How much of the source to take.
    frame_period : float or None
        Seconds from one kept frame to the next, at least 512 samples' worth; None keeps all.
    jobs, scheduler
        See `extract`.

    Returns
    -------
    DataFrame
        The failures: `track_id`, `path`, `reason`.
    """
    workers = Workers(jobs or joblib.cpu_count(), scheduler)
    found = dataset.resolve(source, profile=profile, jobs=workers.jobs)
    if found.kind != "audio":
        raise NotPossibleError(f"a pack is made from audio; {found.name} is a {found.kind}")
    if Path(path).suffix != ".npz":
        raise SettingError(f"{path}: a pack's name ends in .npz")
    hop_seconds = features.HOP_LENGTH / config.SR
    period = frame_period or hop_seconds
    if not hop_seconds <= period <= 1:
        raise SettingError(
            f"frame_period={period:g} is not possible: {hop_seconds:.4f} (every frame) to 1 s"
        )
    tracks = dataset.load(found)
    tasks = [
        (t.path, period / hop_seconds, found.profile.seconds_limit) for t in tracks.itertuples()
    ]
    results = progress.bar(
        workers.map(_encode_track, tasks),
        total=len(tasks),
        description="extract",
        unit="track",
    )
    encoded, failures = [], []
    for track, (log_mel, reason) in zip(tracks.itertuples(), results, strict=True):
        if reason is None:
            encoded.append((track.track_id, track.genre, log_mel))
        else:
            failures.append((track.track_id, track.path, reason))
    if not encoded:
        raise NotPossibleError(f"{found.name}: not one of {len(tracks)} tracks could be used")
    stored = _of_one_length([log_mel for *_, log_mel in encoded])
    packs.write(
        path,
        packs.Pack(
            track_id=np.array([track_id for track_id, *_ in encoded]),
            genre=np.array([genre for _, genre, _ in encoded]),
            stored=np.stack(stored),
            db_min=DB_RANGE[0],
            db_max=DB_RANGE[1],
            sr=config.SR,
            n_fft=2048,
            hop_length=features.HOP_LENGTH,
            frame_period=period,
        ),
    )
    return _failure_table(failures)


def _encode_track(path: str, hops: float, seconds_limit: float | None):
    try:
        y, sr = audio.read(path, sr=config.SR)
    except GtzanError as error:
        return None, str(error).removeprefix(f"{path}: ")
    if seconds_limit:
        y = y[: round(seconds_limit * sr)]
    log_mel, _ = track_log_mel(y, sr)
    return packs.encode(log_mel[:, _kept(log_mel.shape[1], hops)], *DB_RANGE), None
