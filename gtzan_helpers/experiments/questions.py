"""Questions to trained models: less of a song, corrupted songs, other music.

The songs that they are asked about took no part in their training. Taught in notebooks 07 and 08.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import FEATURE_SETS, changes, reading, segments, spectra
from gtzan_helpers.config import SEGMENT_SECONDS
from gtzan_helpers.datasets import Features, Source, Split, open_source, splits
from gtzan_helpers.errors import NotPossibleError, SettingError
from gtzan_helpers.evaluation import Scores, by_track, confusion, score
from gtzan_helpers.experiments.data import Data
from gtzan_helpers.experiments.measuring import Measurement
from gtzan_helpers.experiments.results import rounded
from gtzan_helpers.experiments.scoreboard import ACCURACY
from gtzan_helpers.models import Fitted, fitted
from gtzan_helpers.workers import progress_bar

SECONDS = (1, 2, 3, 6, 9, 15, 21, 30)


def _rounded_scores(ids: np.ndarray, probs: np.ndarray, y_true: np.ndarray) -> Scores:
    """Scores of probabilities rounded as stored ones are, so that they agree with rows."""
    return score(ids, rounded(probs).astype(float), y_true)


def accuracy_by_seconds(
    measurement: Measurement, *, seconds: Iterable[float] = SECONDS
) -> pd.DataFrame:
    """Accuracy of a trained network by how many seconds of each test track it is given.

    Less than a segment is repeated to its length; more are so many segments from the track's
    start, whose probabilities are averaged.

    Parameters
    ----------
    measurement : Measurement
        Of a network over segments that was trained, under a protocol that keeps tracks whole.
    seconds : iterable of float
        Whole segments from one segment on; the last is always the whole track.

    Returns
    -------
    DataFrame
        `system_id`, `seconds`, `track_accuracy`, `track_ci_low`, `track_ci_high`.

    Raises
    ------
    SettingError
        If the system is given whole tracks, or the protocol splits them.
    SourceError
        If the network was not trained on this split.

    Notes
    -----
    Levels stay relative to the loudest moment of the whole track.
    """
    system_id, protocol = measurement.system.system_id, measurement.protocol
    by_segments = measurement.system.segment_seconds > 0
    if not by_segments or "track" not in splits.PROTOCOLS[protocol]:
        raise SettingError(f"{system_id} under {protocol} does not hear tracks piece by piece")
    data = measurement.data()
    networks = measurement.models(data)
    numbers, values = data.features.segments.segment.to_numpy(), data.features.values
    ids, n_frames = data.features.segments.track_id.to_numpy(str), values.shape[-1]
    whole = SEGMENT_SECONDS * (numbers.max() + 1)
    lines = []
    for length in [*(s for s in seconds if s < whole), whole]:
        n_used = max(1, round(n_frames * min(1, length / SEGMENT_SECONDS)))
        frames = np.arange(n_frames) % n_used
        rows = [
            part.test[numbers[part.test] < max(1, length / SEGMENT_SECONDS)] for part in data.splits
        ]
        probs = [
            network.probabilities(values[indices][..., frames])
            for network, indices in zip(networks, rows, strict=True)
        ]
        tested = np.concatenate(rows)
        scores = _rounded_scores(ids[tested], np.concatenate(probs), data.labels[tested])
        lines.append((system_id, length, *(getattr(scores, name) for name in ACCURACY)))
    return pd.DataFrame(lines, columns=["system_id", "seconds", *ACCURACY])


def embed(measurement: Measurement) -> tuple[Features, np.ndarray]:
    """Embeddings of a source's segments in the penultimate layer of a trained network.

    Parameters
    ----------
    measurement : Measurement
        Of a trained network; with a k-fold, the first one is used.

    Returns
    -------
    Features
        Values of shape (n_segments, n_units), for all segments but augmented copies.
    test : ndarray of str
        Tracks that took no part in its training.

    Raises
    ------
    SourceError
        If the network was not trained on this split.
    """
    data = measurement.data()
    network, table = measurement.models(data)[0], data.features.segments
    originals = np.flatnonzero(~table.duplicated(["track_id", "segment"]))
    penultimate = network.model.layers[-2].name
    features = replace(
        data.features,
        segments=table.iloc[originals].reset_index(drop=True),
        values=network.hidden(data.features.values[originals], penultimate),
        columns=(),
        feature_set=measurement.system.system_id,
        frame_period=None,
    )
    return features, np.unique(table.track_id.iloc[data.splits[0].test].to_numpy(str))


def _severities(source: Source) -> dict[str, Sequence[float]]:
    """Corruptions that a source allows; where training is limited, the strongest of each kind."""
    every = changes.CORRUPTIONS if source.has_audio else changes.LOG_MEL_CORRUPTIONS
    first = 0 if source.profile.epochs_limit is None else -1
    return {kind: amounts[first:] for kind, amounts in every.items()}


def robustness(
    measurement: Measurement, *, severities: Mapping[str, Sequence[float]] | None = None
) -> pd.DataFrame:
    """Accuracy of a trained network on corrupted test tracks.

    Parameters
    ----------
    measurement : Measurement
        Of a trained network over `log_mel`.
    severities : mapping or None
        For each kind of corruption; None for those of `audio.CORRUPTIONS`, without audio of
        `audio.LOG_MEL_CORRUPTIONS`, of which only `full` takes all.

    Returns
    -------
    DataFrame
        `kind`, `severity`, `track_accuracy`, `track_ci_low`, `track_ci_high`; the first line is
        "none". With a k-fold, each network is given its own test tracks only.

    Raises
    ------
    NotPossibleError
        If the source gives no log-mel spectrograms, or the network uses something else.
    SourceError
        If the network was not trained on this split.
    """
    source, system = measurement.source, measurement.system
    if not source.gives("log_mel") or "log_mel" not in system.features:
        raise NotPossibleError(
            f"{system.system_id} on {source.name}: audio and log-mel spectrograms can be corrupted"
        )
    data = measurement.data()
    networks = measurement.models(data)
    severities = severities or _severities(source)
    trials = [(kind, amount) for kind, amounts in severities.items() for amount in amounts]
    trials = [("none", 0.0), *trials]
    lines = []
    for kind, severity in progress_bar(
        trials, total=len(trials), description="corruption", unit="severity"
    ):
        parts = [
            _on_corrupted(measurement, data, network, part, kind, severity)
            for network, part in zip(networks, data.splits, strict=True)
        ]
        scores = _rounded_scores(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        lines.append((kind, severity, *(getattr(scores, name) for name in ACCURACY)))
    return pd.DataFrame(lines, columns=["kind", "severity", *ACCURACY])


def _on_corrupted(
    measurement: Measurement, data: Data, network: Fitted, part: Split, kind: str, severity: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Track of each test segment, probabilities when corrupted, and label."""
    source, inputs = measurement.source, network.inputs
    ids = data.features.segments.track_id.to_numpy(str)[part.test]
    values, y_true = data.features.values[part.test], data.labels[part.test]
    if kind == "none":
        return ids, network.probabilities(values), y_true
    if not source.has_audio:
        log_mel = changes.corrupt_log_mel(spectra.decode(values), kind=kind, severity=severity)
        return ids, network.probabilities(spectra.encode(log_mel)), y_true
    array, parts = FEATURE_SETS[data.features.feature_set], []
    tracks = source.tracks.set_index("track_id")
    for track in tracks.loc[list(dict.fromkeys(ids))].itertuples():
        y, sr = reading.read(track.path, sr=config.SR)
        if source.profile.seconds_limit:
            y = y[: round(source.profile.seconds_limit * sr)]
        y = changes.corrupt(y, sr=sr, kind=kind, severity=severity)
        values = array.from_audio(y, sr=sr, segment_seconds=inputs.segment_seconds).values
        probs = network.probabilities(segments.repeat_or_cut(values, inputs.shape[-1]))
        label = np.full(len(values), inputs.labels.index(track.genre))
        parts.append((np.full(len(values), track.Index), probs, label))
    all_ids, all_probs, all_labels = (np.concatenate(p) for p in zip(*parts, strict=True))
    return all_ids, all_probs, all_labels


@dataclass(frozen=True)
class Evaluation:
    """Scores of a saved model on other music.

    Attributes
    ----------
    scores : Scores
        Over tracks whose label the model knows.
    confusion : DataFrame
        Shares; rows are the source's labels, columns the model's.
    n_tracks : int
        Tracks that count.
    unknown : DataFrame
        Tracks of labels that the model does not know: `track_id`, `genre`.
    failures : DataFrame
        `track_id`, `path`, `reason`.
    """

    scores: Scores
    confusion: pd.DataFrame
    n_tracks: int
    unknown: pd.DataFrame
    failures: pd.DataFrame


def evaluate_model(
    path: str | Path,
    source: str | Path | Source,
    *,
    profile: str = "quick",
    jobs: int | None = None,
) -> Evaluation:
    """Evaluate a saved model on another labelled source.

    Parameters
    ----------
    path : str or Path
        A file of a run's `models/`.
    source : str or Path
        See `datasets.open_source`; none of its tracks should have been in the model's training
        set.
    profile : {"smoke", "quick", "full"}
    jobs : int or None

    Returns
    -------
    Evaluation

    Raises
    ------
    SourceError
        If the file is no model, or there is no such source.
    NotPossibleError
        If the source does not give the model's features, or shares no label with it.
    """
    model = fitted.load(path)
    inputs = model.inputs
    opened = open_source(source, profile=profile, jobs=jobs or 1)
    if inputs.features not in FEATURE_SETS:
        raise NotPossibleError(f"{path}: it hears {inputs.features}, which only notebook 06 makes")
    features = opened.features(inputs.features, segment_seconds=inputs.segment_seconds, jobs=jobs)
    values = features.values
    if inputs.frame_period and inputs.segment_seconds == 0:  # whole tracks differ in length
        values = segments.repeat_or_cut(values, inputs.shape[-1])
    shape = tuple(values.shape[1:])
    inputs.refuse_other(replace(inputs, shape=shape, frame_period=features.frame_period))
    genres = features.segments.genre.to_numpy(str)
    known = np.isin(genres, inputs.labels)
    if not known.any():
        raise NotPossibleError(
            f"{opened.name} has none of the model's labels: {', '.join(inputs.labels)}"
        )
    y_true = np.array([inputs.labels.index(genre) for genre in genres[known]])
    ids = features.segments.track_id.to_numpy(str)[known]
    probs = model.probabilities(values[known]).astype(float)
    _, track_probs, track_true = by_track(ids, probs, y_true)
    matrix = confusion(track_true, track_probs.argmax(axis=1), list(inputs.labels))
    unknown = features.tracks.loc[~features.tracks.genre.isin(inputs.labels)]
    return Evaluation(
        score(ids, probs, y_true),
        matrix.loc[matrix.sum(axis=1) > 0],
        len(track_probs),
        unknown[["track_id", "genre"]].reset_index(drop=True),
        features.failures,
    )
