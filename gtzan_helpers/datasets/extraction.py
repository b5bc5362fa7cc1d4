"""Features of all tracks of a source: computed in parallel, cached, every failure in a table."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio.feature_sets import FRAME_PERIOD, FeatureSet, SegmentFeatures
from gtzan_helpers.audio.segments import repeat_or_cut
from gtzan_helpers.errors import AudioError, GtzanError, NotPossibleError
from gtzan_helpers.files import cached, replacing
from gtzan_helpers.workers import Workers, progress_bar

Failure = tuple[str, str, str]
"""Id and path of a track that cannot be used, and the reason."""


@dataclass(frozen=True)
class Features:
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
        `track_id`, `path`, `reason` of each track that cannot be used.
    tracks : DataFrame
        The source's tracks, less the failures.
    feature_set : str
        Name of the features in result rows.
    frame_period : float or None
        Seconds from one frame to the next, of arrays made of a log-mel.
    of_log_mel : bool
        Whether they were made from stored log-mel spectrograms, not from audio.
    """

    segments: pd.DataFrame
    values: np.ndarray
    columns: tuple[str, ...]
    failures: pd.DataFrame
    tracks: pd.DataFrame
    feature_set: str = ""
    frame_period: float | None = None
    of_log_mel: bool = False

    def __post_init__(self) -> None:
        if len(self.segments) != len(self.values):
            raise ValueError(f"{len(self.segments)} segments, but {len(self.values)} values")

    def frame(self) -> pd.DataFrame:
        """Segments and named features side by side."""
        values = pd.DataFrame(self.values, columns=list(self.columns))
        return pd.concat([self.segments, values], axis=1)


@dataclass(frozen=True)
class Request:
    """What `Source.features` was asked for."""

    feature_set: FeatureSet
    segment_seconds: float
    change: str
    workers: Workers


def extract(
    name: str,
    tracks: pd.DataFrame,
    inputs: Sequence[Any],
    describe: Callable[..., SegmentFeatures],
    request: Request,
    settings: dict[str, Any],
    *,
    frame_period: float = FRAME_PERIOD,
    of_log_mel: bool = False,
) -> Features:
    """Compute features of tracks, or load them where they are in the cache.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    tracks : DataFrame
        Entries of the cache are named after their `md5`.
    inputs : sequence
        What each track is made of: a path, or a stored spectrogram.
    describe : callable
        Called as ``describe(input, request, **settings)``, maybe in another process; raises
        `GtzanError` for a track that cannot be used.
    request : Request
    settings : dict
        Further names and numbers that the features depend on.
    frame_period : float
        Seconds from one frame to the next, of arrays that have frames.
    of_log_mel : bool
        Whether `inputs` are log-mel spectrograms.

    Returns
    -------
    Features

    Raises
    ------
    NotPossibleError
        If not one of the tracks can be used.
    """
    describe = partial(_checked, partial(describe, request=request, **settings))
    folder = config.cache_dir() / "features" / _key(request, settings)
    entries = [_entry(folder, md5) for md5 in tracks.md5]
    missing = [row for row, entry in enumerate(entries) if not entry.exists()]
    tasks = [(entries[row], describe, inputs[row]) for row in missing]
    results = progress_bar(
        request.workers.map(_compute, tasks), total=len(tasks), description="extract", unit="track"
    )
    reasons = dict(zip(missing, results, strict=True))
    parts: dict[str, SegmentFeatures] = {}
    failures: list[Failure] = []
    for row, track in enumerate(tracks.itertuples()):
        if reasons.get(row):
            failures.append((track.track_id, track.path, reasons[row]))
        else:
            make = partial(describe, inputs[row])
            parts[track.track_id] = cached(entries[row], make, load=_load, save=_save)
    features = assemble(name, tracks, parts, failures, request.feature_set)
    period = frame_period if request.feature_set.framed(of_log_mel) else None
    return replace(features, frame_period=period, of_log_mel=of_log_mel)


def _key(request: Request, settings: dict[str, Any]) -> str:
    """Name of the cache's folder for features that are computed in this way."""
    asked = {"segment_seconds": request.segment_seconds, "change": request.change}
    canonical = json.dumps(settings | asked, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
    return f"{request.feature_set.name}-v{request.feature_set.version}-{digest}"


def _entry(folder: Path, md5: Any) -> Path:
    # A file that could not be hashed cannot be read either; it gets no entry.
    name = md5 if isinstance(md5, str) else f"unreadable-{os.urandom(4).hex()}"
    return folder / name[:2] / f"{name}.npz"


def _compute(entry: Path, describe: Callable[[Any], SegmentFeatures], track: Any) -> str:
    """Compute one track into the cache; returns the reason where that is not possible."""
    try:
        part = describe(track)
    except GtzanError as error:
        return str(error).removeprefix(f"{track}: ")
    with replacing(entry) as temporary:
        _save(temporary, part)
    return ""


def _checked(describe: Callable[[Any], SegmentFeatures], track: Any) -> SegmentFeatures:
    part = describe(track)
    if not np.isfinite(part.values).all():
        raise AudioError("gives features that are not finite; please report this file")
    return part


def _save(path: Path, part: SegmentFeatures) -> None:
    np.savez(path, starts_s=part.starts_s, values=part.values, repeated=np.array(part.repeated))


def _load(path: Path) -> SegmentFeatures:
    with np.load(path, allow_pickle=False) as stored:
        return SegmentFeatures(stored["starts_s"], stored["values"], bool(stored["repeated"]))


def assemble(
    name: str,
    tracks: pd.DataFrame,
    parts: Mapping[str, SegmentFeatures],
    failures: list[Failure],
    feature_set: FeatureSet,
) -> Features:
    """Put the features of single tracks together; see `extract`."""
    if not parts:
        raise NotPossibleError(
            f"{name}: not one of {len(tracks)} tracks could be used; the first: {failures[0][2]}"
        )
    usable = tracks[tracks.track_id.isin(parts)].reset_index(drop=True)
    of_tracks = [parts[track_id] for track_id in usable.track_id]
    counts = [len(part.starts_s) for part in of_tracks]
    segments = pd.DataFrame(
        {
            "track_id": np.repeat(usable.track_id.to_numpy(), counts),
            "segment": np.concatenate([np.arange(count) for count in counts]),
            "start_s": np.concatenate([part.starts_s for part in of_tracks]),
            "genre": np.repeat(usable.genre.to_numpy(), counts),
            "repeated": np.repeat([part.repeated for part in of_tracks], counts),
        }
    )
    arrays = [part.values for part in of_tracks]
    if not feature_set.columns:
        # Whole tracks differ in length; they get as many frames as the median.
        n_frames = int(np.median([array.shape[-1] for array in arrays]))
        arrays = [repeat_or_cut(array, n_frames) for array in arrays]
    values, columns = np.concatenate(arrays), feature_set.columns
    return Features(segments, values, columns, failure_table(failures), usable, feature_set.name)


def failure_table(failures: list[Failure]) -> pd.DataFrame:
    """A table of tracks that cannot be used: `track_id`, `path`, `reason`."""
    return pd.DataFrame(failures, columns=["track_id", "path", "reason"])
