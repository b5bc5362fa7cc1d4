"""Features of all tracks of a source: computed in parallel, cached, every failure in a table."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config, datasets
from gtzan_helpers.audio.feature_sets import FRAME_PERIOD, FeatureSet, SegmentFeatures
from gtzan_helpers.audio.segments import repeat_or_cut
from gtzan_helpers.errors import AudioError, GtzanError, NotPossibleError, WriteError
from gtzan_helpers.files import cached, file_hash
from gtzan_helpers.workers import Workers, progress_bar

# What features depend on, beside the track and the feature set: names and numbers.
Settings = dict[str, Any]
Describe = Callable[..., SegmentFeatures]


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

    def by_track(self, columns: Sequence[str]) -> "Features":
        """Means of some columns over each track's segments.

        Parameters
        ----------
        columns : sequence of str
        """
        ids = self.segments.track_id
        values = self.frame()[list(columns)].groupby(ids, sort=False).mean().to_numpy(np.float32)
        segments = self.segments[~ids.duplicated()].reset_index(drop=True)
        return replace(self, segments=segments, values=values, columns=tuple(columns))


def side_by_side(parts: Sequence[Features]) -> Features:
    """Tables of the same tracks as one, with the columns of all.

    Parameters
    ----------
    parts : sequence of Features
        One row per track.

    Raises
    ------
    NotPossibleError
        If they are not of the same tracks.
    """
    first, *others = parts
    if any(list(part.segments.track_id) != list(first.segments.track_id) for part in others):
        raise NotPossibleError("features of different tracks cannot be put side by side")
    values = np.hstack([part.values for part in parts])
    columns = tuple(column for part in parts for column in part.columns)
    name = " + ".join(part.feature_set for part in parts)
    return replace(first, values=values, columns=columns, feature_set=name)


def extract(
    source: "datasets.Source",
    inputs: Sequence[Any],
    describe: Describe,
    feature_set: FeatureSet,
    settings: Settings,
    workers: Workers,
) -> Features:
    """Compute features of a source's tracks, or load them where they are in the cache.

    Parameters
    ----------
    source : Source
        Entries of the cache are named after the `md5` of its tracks.
    inputs : sequence
        What each track is made of: a path, or a stored spectrogram.
    describe : callable
        Called as ``describe(input, feature_set, **settings)``, maybe in another process; raises
        `GtzanError` for a track that cannot be used.
    feature_set : FeatureSet
    settings : dict
        What the features depend on; among it, where `inputs` are log-mel spectrograms, the
        `frame_period` in seconds.
    workers : Workers

    Returns
    -------
    Features

    Raises
    ------
    NotPossibleError
        If not one of the tracks can be used.
    """
    describe = partial(describe, feature_set=feature_set, **settings)
    folder = config.cache_dir() / "features" / _key(feature_set, settings)
    entries = [_entry(folder, md5) for md5 in source.tracks.md5]
    tasks = [(entry, describe, track) for entry, track in zip(entries, inputs, strict=True)]
    missing = [row for row, entry in enumerate(entries) if not entry.exists()]
    computed = workers.map(_compute, [tasks[row] for row in missing])
    results = progress_bar(computed, total=len(missing), description="extract", unit="track")
    reasons = dict(zip(missing, results, strict=True))
    parts = [reasons.get(row) or _load_or_make(*task) for row, task in enumerate(tasks)]
    features = assemble(source, parts, feature_set)
    of_log_mel = "frame_period" in settings
    period = settings.get("frame_period", FRAME_PERIOD) if feature_set.framed(of_log_mel) else None
    return replace(features, frame_period=period, of_log_mel=of_log_mel)


def _key(feature_set: FeatureSet, settings: Settings) -> str:
    """Name of the cache's folder for features that are computed in this way."""
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:12]
    return f"{feature_set.name}-v{feature_set.version}-{digest}"


def _entry(folder: Path, md5: Any) -> Path:
    # A file that could not be hashed cannot be read either; it gets no entry.
    name = md5 if isinstance(md5, str) else f"unreadable-{os.urandom(4).hex()}"
    return folder / name[:2] / f"{name}.npz"


def _compute(entry: Path, describe: Describe, track: Any) -> str:
    """Compute one track into the cache; returns the reason where that is not possible."""
    part = _load_or_make(entry, describe, track)
    return part if isinstance(part, str) else ""


def _load_or_make(entry: Path, describe: Describe, track: Any) -> SegmentFeatures | str:
    def make() -> dict[str, Any]:
        part = describe(track)
        if not np.isfinite(part.values).all():
            raise AudioError("gives features that are not finite; please report this file")
        if isinstance(track, str) and file_hash(track) != entry.stem:
            raise AudioError("changed while it was read; run again")
        return vars(part)

    try:
        arrays = cached(entry, make, of=f"{entry.parents[1].name} {entry.stem}")
    except WriteError:
        raise
    except MemoryError:
        return "needs more memory than there is; cut it into pieces"
    except (GtzanError, OSError) as error:
        return str(error).removeprefix(f"{track}: ")
    return SegmentFeatures(arrays["starts_s"], arrays["values"], bool(arrays["repeated"]))


def assemble(
    source: "datasets.Source", parts: Sequence[SegmentFeatures | str], feature_set: FeatureSet
) -> Features:
    """Put together what each track gave: features, or the reason why it cannot be used.

    Parameters
    ----------
    source : Source
    parts : sequence of SegmentFeatures or str
        One for each track of the source, in their order; a str is the reason why the
        track cannot be used.
    feature_set : FeatureSet

    Raises
    ------
    NotPossibleError
        If not one of the tracks can be used.
    """
    tracks = source.tracks
    of_tracks = [part for part in parts if isinstance(part, SegmentFeatures)]
    if not of_tracks:
        none = f"{source.name}: not one of {len(tracks)} tracks could be used"
        raise NotPossibleError(f"{none}; the first: {parts[0]}")
    failed = np.array([isinstance(part, str) for part in parts])
    failures = tracks.loc[failed, ["track_id", "path"]].reset_index(drop=True)
    failures["reason"] = [part for part in parts if isinstance(part, str)]
    usable = tracks[~failed].reset_index(drop=True)
    counts = [len(part.starts_s) for part in of_tracks]
    segments = usable[["track_id", "genre"]].loc[usable.index.repeat(counts)].reset_index(drop=True)
    segments.insert(1, "segment", np.concatenate([np.arange(count) for count in counts]))
    segments.insert(2, "start_s", np.concatenate([part.starts_s for part in of_tracks]))
    segments["repeated"] = np.repeat([part.repeated for part in of_tracks], counts)
    arrays = [part.values for part in of_tracks]
    if not feature_set.columns:
        # Whole tracks differ in length; they get as many frames as the median.
        n_frames = int(np.median([array.shape[-1] for array in arrays]))
        arrays = [repeat_or_cut(array, n_frames) for array in arrays]
    values, columns = np.concatenate(arrays), feature_set.columns
    return Features(segments, values, columns, failures, usable, feature_set.name)
