"""What a learner is given: features of a source, split by a protocol."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from gtzan_helpers.datasets import Features, Source, Split, splits
from gtzan_helpers.errors import NotPossibleError, SourceError
from gtzan_helpers.models import Inputs, System


@dataclass(frozen=True)
class Data:
    """What a learner is given.

    Attributes
    ----------
    features : Features
        Augmented copies, if the system makes some, follow the originals.
    splits : list of Split
        Rows of `features`; one for each fold that is measured.
    n_folds : int
        Folds that the protocol has.
    inputs : Inputs
    """

    features: Features
    splits: list[Split]
    n_folds: int
    inputs: Inputs

    @cached_property
    def labels(self) -> np.ndarray:
        """Label of each segment, as an index into ``inputs.labels``."""
        return np.unique(self.features.segments.genre.to_numpy(str), return_inverse=True)[1]

    @cached_property
    def artists(self) -> np.ndarray:
        """Who plays each segment, as text; where a source does not know, each track on its own."""
        tracks = self.features.tracks.set_index("track_id")
        groups = tracks.artist_group.astype("string").fillna(tracks.index.to_series())
        return groups[self.features.segments.track_id].to_numpy(str)


def gather(system: System, source: Source, protocol: str, *, seed: int) -> Data:
    """Gather features, augmented copies if the system makes some, and the split.

    Parameters
    ----------
    system : System
    source : Source
    protocol : str
        See `splits.PROTOCOLS`.
    seed : int

    Raises
    ------
    NotPossibleError
        If the source lacks what the system or the protocol needs.
    """
    features = system.load_features(source)
    copies, n_segments = system.learner.copies, len(features.segments)
    before_split = protocol == "segment_random_augmented"
    if before_split:
        if not copies:
            raise NotPossibleError(f"{protocol} is for systems that make copies; it makes none")
        features = _with_copies(features, system, source)
    parts = splits.make(
        protocol,
        features.segments,
        features.tracks,
        test_size=system.test_size,
        valid_size=system.valid_size,
        seed=seed,
    )
    n_folds = len(parts)
    if copies and not before_split:
        features = _with_copies(features, system, source)
        shifts = n_segments * np.arange(1 + len(copies))[:, None]
        parts = [replace(part, train=(part.train + shifts).ravel()) for part in parts]
    if system.learner.trains_epochs:
        parts = parts[: source.profile.folds_limit]
    inputs = Inputs(
        features=features.feature_set,
        segment_seconds=system.segment_seconds,
        shape=tuple(features.values.shape[1:]),
        labels=tuple(np.unique(features.segments.genre.to_numpy(str)).tolist()),
        frame_period=features.frame_period,
        columns=features.columns,
        source=source.name,
    )
    return Data(features, parts, n_folds, inputs)


def _with_copies(features: Features, system: System, source: Source) -> Features:
    """Segments, and then for each change an augmented copy of every one in that order."""
    name, seconds = features.feature_set, system.segment_seconds
    changes = system.learner.copies
    copies = [source.features(name, segment_seconds=seconds, change=c) for c in changes]
    keys = ["track_id", "segment"]
    for change, copy in zip(changes, copies, strict=True):
        if not copy.segments[keys].equals(features.segments[keys]):
            raise SourceError(
                f"{source.name}: copies ({change}) are not of the same segments as the originals; "
                "please report this source"
            )
    segments = [features.segments, *(copy.segments for copy in copies)]
    return replace(
        features,
        segments=pd.concat(segments, ignore_index=True),
        values=np.concatenate([features.values, *(copy.values for copy in copies)]),
    )
