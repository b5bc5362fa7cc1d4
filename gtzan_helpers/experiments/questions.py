"""Questions to trained models: less of a song, corrupted songs, other music.

The songs that they are asked about took no part in their training. Taught in notebooks 07 and 08.
"""

import math
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import FEATURE_SETS, changes, reading, segments
from gtzan_helpers.config import SEGMENT_SECONDS
from gtzan_helpers.datasets import Source, Split, open_source
from gtzan_helpers.datasets.embedded import dataset as embedded
from gtzan_helpers.errors import GtzanError, NotPossibleError, SettingError
from gtzan_helpers.evaluation import Scores, by_track, confusion, score
from gtzan_helpers.experiments.data import Data
from gtzan_helpers.experiments.kept import rounded
from gtzan_helpers.experiments.run import Run, leave_out
from gtzan_helpers.models import Fitted, fitted
from gtzan_helpers.workers import progress_bar

#: How much of a song `accuracy_by_seconds` gives a network, in seconds.
SECONDS = (1, 2, 3, 6, 9, 15, 21, 30)


def _scores(ids: np.ndarray, probs: list[np.ndarray], y_true: np.ndarray) -> dict[str, float]:
    """Scores of the folds' probabilities, rounded as stored ones are, to agree with rows."""
    return vars(score(ids, rounded(np.concatenate(probs)).astype(float), y_true))


def accuracy_by_seconds(run: Run, system_id: str) -> pd.DataFrame:
    """Accuracy of a trained network by how many seconds of each test track it is given.

    Less than a segment is repeated to its length; more are so many segments from the track's
    start, whose probabilities are averaged.

    Parameters
    ----------
    run : Run
        Its honest protocol, which keeps tracks whole, is the split.
    system_id : str
        A network over segments that was trained.

    Returns
    -------
    DataFrame
        `system_id`, `seconds` (`SECONDS`, and at last the whole track), and the fields of
        `evaluation.Scores`.

    Raises
    ------
    SettingError
        If the system is given whole tracks.

    Notes
    -----
    Levels stay relative to the loudest moment of the whole track.
    """
    measurement = run.measurement(system_id)
    if not measurement.system.segment_seconds:
        raise SettingError(f"{system_id} does not hear tracks piece by piece")
    data = measurement.data()
    networks = [measurement.model(fold) for fold in range(len(data.splits))]
    numbers, values = data.features.segments.segment.to_numpy(), data.features.values
    ids, n_frames = data.features.segments.track_id.to_numpy(str), values.shape[-1]
    whole = SEGMENT_SECONDS * (numbers.max() + 1)
    lines = []
    for length in [*(s for s in SECONDS if s < whole), whole]:
        n_used = max(1, round(n_frames * min(1, length / SEGMENT_SECONDS)))
        frames = np.arange(n_frames) % n_used
        n_segments = max(1, length / SEGMENT_SECONDS)
        rows = [part.test[numbers[part.test] < n_segments] for part in data.splits]
        pairs = zip(networks, rows, strict=True)
        probs = [network.probabilities(values[these][..., frames]) for network, these in pairs]
        tested = np.concatenate(rows)
        scores = _scores(ids[tested], probs, data.labels[tested])
        lines.append({"system_id": system_id, "seconds": length, **scores})
    return pd.DataFrame(lines)


def robustness(run: Run, *system_ids: str) -> pd.DataFrame:
    """Accuracy of trained networks on corrupted test tracks.

    Parameters
    ----------
    run : Run
        Its honest protocol is the split.
    *system_ids : str
        Networks over the same features, made of a log-mel.

    Returns
    -------
    DataFrame
        For each kind of corruption (`audio.CORRUPTIONS`, without audio
        `audio.LOG_MEL_CORRUPTIONS`), severity and system: `kind` with its unit, `severity` as text
        ("none" is without corruption), `system_id`, and the fields of `evaluation.Scores`. With a
        k-fold, each network is given its own test tracks only. Empty, with a notice, where that is
        not possible on the source.
    """
    source, measurements = run.source, [run.measurement(name) for name in system_ids]
    try:
        data = measurements[0].data()
        networks = [[m.model(fold) for fold in range(len(data.splits))] for m in measurements]
    except NotPossibleError as error:
        leave_out(error)
        return pd.DataFrame(columns=["kind", "system_id", "severity", "track_accuracy"])
    every = changes.CORRUPTIONS if source.has_audio else changes.LOG_MEL_CORRUPTIONS
    trials = [(kind, amount) for kind, amounts in every.items() for amount in (0.0, *amounts)]
    tested = np.concatenate([part.test for part in data.splits])
    ids = data.features.segments.track_id.to_numpy(str)[tested]

    def scored(values: list[np.ndarray]) -> list[dict[str, float]]:
        return [
            _scores(
                ids,
                [network.probabilities(v) for network, v in zip(of_folds, values, strict=True)],
                data.labels[tested],
            )
            for of_folds in networks
        ]

    lines, uncorrupted = [], scored([data.features.values[part.test] for part in data.splits])
    for kind, severity in progress_bar(
        trials, total=len(trials), description="corruption", unit="severity"
    ):
        scores = uncorrupted
        if severity:
            corrupted = _corrupted(source, data, set(ids), kind, severity)
            scores = scored([_rows(corrupted, data, part) for part in data.splits])
        for system_id, of_system in zip(system_ids, scores, strict=True):
            what = {"kind": f"{kind} ({changes.UNITS[kind]})", "system_id": system_id}
            lines.append(what | {"severity": f"{severity:g}" if severity else "none"} | of_system)
    return pd.DataFrame(lines)


def _corrupted(
    source: Source, data: Data, ids: set[str], kind: str, severity: float
) -> dict[str, np.ndarray]:
    """Features of tracks, by their ids, when the sound, or else the log-mel, is corrupted."""
    seconds: Any = {"segment_seconds": data.inputs.segment_seconds}
    feature_set, tracks = FEATURE_SETS[data.features.feature_set], {}
    if not source.has_audio:
        for track_id, log_mel, rate in source.log_mels():
            if track_id in ids:
                changed = changes.corrupt_log_mel(log_mel, kind=kind, severity=severity)
                part = feature_set.from_log_mel(changed, frame_rate=rate, **seconds)
                tracks[track_id] = part.values
        return tracks
    paths = source.tracks.set_index("track_id").path
    for track_id in ids:
        y, sr = reading.read(paths[track_id], sr=config.SR)
        if source.profile.seconds_limit:
            y = y[: round(source.profile.seconds_limit * sr)]
        y = changes.corrupt(y, sr=sr, kind=kind, severity=severity)
        tracks[track_id] = feature_set.from_audio(y, sr=sr, **seconds).values
    return tracks


def _rows(tracks: dict[str, np.ndarray], data: Data, part: Split) -> np.ndarray:
    """A fold's test segments; of what has become shorter, the last segment stands again."""
    rows, n_frames = [], data.features.values.shape[-1]
    for row in data.features.segments.iloc[part.test].itertuples():
        values = tracks[row.track_id]
        segment = values[min(row.segment, len(values) - 1)]
        rows.append(segments.repeat_or_cut(segment[None], n_frames)[0])
    return np.stack(rows)


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

    def __str__(self) -> str:
        if not self.n_tracks:
            return "no track could be used"
        accuracy, low, high = (100 * share for share in astuple(self.scores)[1:4])
        return (
            f"{self.n_tracks} tracks: {accuracy:.1f} % classified correctly "
            f"(95 % interval {low:.1f} to {high:.1f}), macro F1 {100 * self.scores.macro_f1:.1f} %"
        )


def evaluate_model(
    model: str | Path | Fitted,
    source: str | Path | Source,
    *,
    profile: str = "quick",
    jobs: int | None = None,
) -> Evaluation:
    """Evaluate a saved model on another labelled source.

    Parameters
    ----------
    model : str, Path or Fitted
        A model, or a file of a run's `models/`.
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
    model = model if isinstance(model, Fitted) else fitted.load(model)
    inputs = model.inputs
    opened = open_source(source, profile=profile, jobs=jobs or 1)
    if inputs.features not in FEATURE_SETS:
        raise NotPossibleError(f"the model hears {inputs.features}, which only notebook 06 makes")
    features = opened.features(inputs.features, segment_seconds=inputs.segment_seconds, jobs=jobs)
    values = features.values
    if inputs.frame_period and inputs.segment_seconds == 0:  # whole tracks differ in length
        values = segments.repeat_or_cut(values, inputs.shape[-1])
    shape = tuple(values.shape[1:])
    inputs.refuse_other(replace(inputs, shape=shape, frame_period=features.frame_period))
    genres = features.segments.genre.to_numpy(str)
    known = np.isin(genres, inputs.labels)
    if not known.any():
        own, learnt = (", ".join(names) for names in (opened.labels, inputs.labels))
        raise NotPossibleError(f"{opened.name} has the labels {own}; the model knows only {learnt}")
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


def on_new_songs(run: Run, system_id: str) -> Evaluation:
    """Evaluate a network of the run on forty new songs of the embedded composer.

    Parameters
    ----------
    run : Run
    system_id : str
        A trained network.
    """
    folder = config.cache_dir() / "synthetic" / f"new-v{embedded.VERSION}"
    embedded.make(folder, n_tracks=40, seconds=5.0, seed=99)
    try:
        return evaluate_model(run.model(system_id), folder)
    except GtzanError as error:
        leave_out(error)
        none, nobody = pd.DataFrame(), np.zeros(0, int)
        matrix = confusion(nobody, nobody, run.labels)
        return Evaluation(Scores(*[math.nan] * 7), matrix, 0, none, none)
