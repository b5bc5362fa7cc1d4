"""What trained models of a run make of other input: less of a song, damage, other music.

What they are asked about took no part in their training. Taught in notebooks 07 and 08.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import (
    audio,
    config,
    damage,
    dataset,
    evaluate,
    extract,
    features,
    packs,
    progress,
    results,
    splits,
    systems,
    tasks,
)
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError
from gtzan_helpers.systems import SEGMENT_SECONDS


def _trained(
    system_id: str, source: dataset.Source, protocol: str, seed: int, run_dir: str | Path
) -> tuple[tasks.Task, list]:
    """The row that a run has measured, and its networks, one a fold."""
    folder = Path(run_dir or config.run_dir(source.name, source.profile.name))
    task = tasks.make(systems.get(system_id), source, protocol, seed=seed)
    if results.read_row(folder / "results", task.stem, key=task.key()) is None:
        raise SourceError(f"{system_id} was not trained on this split yet; run_systems does that")
    return task, task.models(folder)


def accuracy_by_seconds(
    system_id: str,
    source: dataset.Source,
    *,
    protocol: str,
    seed: int = 0,
    run_dir: str | Path = "",
    seconds: Iterable[float] = (1, 2, 3, 6, 9, 15, 21, 30),
) -> pd.DataFrame:
    """Accuracy of a trained network by how many seconds of each test track it hears.

    Less than a segment is repeated to its length; more are so many segments from the track's
    start, whose probabilities are averaged.

    Parameters
    ----------
    system_id : str
        A network over segments.
    source : dataset.Source
    protocol, seed, run_dir
        As for `run_systems`, which has to have trained it; a protocol that keeps tracks whole.
    seconds : iterable of float
        Whole segments from one segment on; those longer than the tracks are left out.

    Returns
    -------
    DataFrame
        `system_id`, `seconds`, `track_accuracy`, `track_ci_low`, `track_ci_high`.

    Raises
    ------
    SettingError
        If the system hears whole tracks, or the protocol splits them.
    SourceError
        If the network was not trained on this split.

    Notes
    -----
    Levels stay relative to the loudest moment of the whole track, heard or not.
    """
    if systems.get(system_id).segment_seconds == 0 or "track" not in splits.PROTOCOLS[protocol]:
        raise SettingError(f"{system_id} under {protocol} does not hear tracks piece by piece")
    task, models = _trained(system_id, source, protocol, seed, run_dir)
    longest = SEGMENT_SECONDS * (task.data.segments.segment.max() + 1)
    lines = []
    for heard in seconds:
        if heard > longest:
            continue
        rows, probs = [], []
        for model, part in zip(models, task.parts, strict=True):
            first = task.data.segments.segment.iloc[part.test] < max(1, heard / SEGMENT_SECONDS)
            rows.append(part.test[first.to_numpy()])
            n_frames = task.data.values.shape[-1]
            kept = max(1, round(n_frames * min(1, heard / SEGMENT_SECONDS)))
            probs.append(
                model.predict_proba(task.data.values[rows[-1]][..., np.arange(n_frames) % kept])
            )
        tested = np.concatenate(rows)
        ids = task.data.segments.track_id.to_numpy(str)[tested]
        said = results.rounded(np.concatenate(probs)).astype(float)
        found = evaluate.scores(ids, said, task.y[tested])
        accuracy = (found.track_accuracy, found.track_ci_low, found.track_ci_high)
        lines.append((system_id, heard, *accuracy))
    columns = ["system_id", "seconds", "track_accuracy", "track_ci_low", "track_ci_high"]
    return pd.DataFrame(lines, columns=columns)


def embed(
    system_id: str,
    source: dataset.Source,
    *,
    protocol: str,
    seed: int = 0,
    run_dir: str | Path = "",
) -> tuple[extract.Extraction, np.ndarray]:
    """What a trained network makes of a source's segments, in the layer below its answers.

    Parameters
    ----------
    system_id : str
        A network.
    source : dataset.Source
    protocol, seed, run_dir
        As for `run_systems`, which has to have trained it. Of a k-fold the first network is
        asked.

    Returns
    -------
    Extraction
        Values of shape (n_segments, n_units), of all its segments but changed copies.
    test : ndarray of str
        Tracks that had no part in its training.

    Raises
    ------
    SourceError
        If the network was not trained on this split.
    """
    task, models = _trained(system_id, source, protocol, seed, run_dir)
    trained, segments = models[0], task.data.segments
    originals = np.flatnonzero(~segments.duplicated(["track_id", "segment"]))
    below = trained.model.layers[-2].name
    found = replace(
        task.data,
        segments=segments.iloc[originals].reset_index(drop=True),
        values=trained.hidden(task.data.values[originals], below),
        columns=(),
        what=system_id,
        frame_period=None,
    )
    return found, np.unique(segments.track_id.iloc[task.parts[0].test].to_numpy(str))


def robustness(
    system_id: str,
    source: dataset.Source,
    *,
    protocol: str,
    seed: int = 0,
    run_dir: str | Path = "",
    doses: Mapping[str, Iterable[float]] | None = None,
) -> pd.DataFrame:
    """Accuracy of a trained network on damaged test tracks.

    Parameters
    ----------
    system_id : str
        A network over `log_mel`.
    source : dataset.Source
        Audio, or a pack.
    protocol, seed, run_dir
        As for `run_systems`, which has to have trained it.
    doses : mapping or None
        Doses by kind of damage; None for all of `damage.WAVEFORM`, of a pack `damage.LOG_MEL`.

    Returns
    -------
    DataFrame
        `kind`, `dose`, `track_accuracy`, `track_ci_low`, `track_ci_high`; the first line is
        "none". Of a k-fold each network hears its own test tracks only.

    Raises
    ------
    NotPossibleError
        If the source is a table, or the network hears something else.
    SourceError
        If the network was not trained on this split.
    """
    system = systems.get(system_id)
    if source.kind not in ("audio", "pack") or system.array != "log_mel":
        raise NotPossibleError(f"{system_id} on {source.name}: damage is done to sound or log-mel")
    task, models = _trained(system_id, source, protocol, seed, run_dir)
    doses = doses or (damage.WAVEFORM if source.kind == "audio" else damage.LOG_MEL)
    trials = [("none", 0.0), *((kind, dose) for kind in doses for dose in doses[kind])]
    lines = []
    for kind, dose in progress.bar(trials, total=len(trials), description="damage", unit="dose"):
        found = [
            _on_damaged(task, model, part, kind, dose)
            for model, part in zip(models, task.parts, strict=True)
        ]
        ids, probs, truth = (np.concatenate(values) for values in zip(*found, strict=True))
        scores = evaluate.scores(ids, results.rounded(probs).astype(float), truth)
        interval = (scores.track_ci_low, scores.track_ci_high)
        lines.append((kind, dose, scores.track_accuracy, *interval))
    columns = ["kind", "dose", "track_accuracy", "track_ci_low", "track_ci_high"]
    return pd.DataFrame(lines, columns=columns)


def _on_damaged(task: tasks.Task, model, part: splits.Split, kind: str, dose: float):
    """Track of each test segment, what the model says of it damaged, and its label."""
    segments = task.data.segments.iloc[part.test]
    if kind == "none" or task.source.kind == "pack":
        values = task.data.values[part.test]
        if kind != "none":
            decoded = packs.decode(values, *extract.DB_RANGE)
            values = packs.encode(damage.log_mel(decoded, kind=kind, dose=dose), *extract.DB_RANGE)
        return segments.track_id.to_numpy(str), model.predict_proba(values), task.y[part.test]
    ids, probs, truth = [], [], []
    tracks = task.data.tracks.set_index("track_id")
    for track_id in segments.track_id.unique():
        y, sr = audio.read(tracks.path[track_id], sr=config.SR)
        if task.source.profile.seconds_limit:
            y = y[: round(task.source.profile.seconds_limit * sr)]
        y = damage.waveform(y, sr=sr, kind=kind, dose=dose)
        _, values = extract.describe(
            y, sr, task.data.what, segment_seconds=model.inputs.segment_seconds
        )
        probs.append(model.predict_proba(extract.of_length(values, model.inputs.shape[-1])))
        ids += [track_id] * len(values)
        truth += [model.inputs.labels.index(tracks.genre[track_id])] * len(values)
    return np.array(ids), np.concatenate(probs), np.array(truth)


@dataclass(frozen=True)
class Evaluation:
    """What a saved model is worth on other music.

    Attributes
    ----------
    scores : evaluate.Scores
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

    scores: evaluate.Scores
    confusion: pd.DataFrame
    n_tracks: int
    unknown: pd.DataFrame
    failures: pd.DataFrame


def evaluate_model(
    path: str | Path, source: str | Path, *, profile: str = "quick", jobs: int | None = None
) -> Evaluation:
    """Ask a saved model about every track of another source.

    Parameters
    ----------
    path : str or Path
        A file of a run's `models/`.
    source : str or Path
        See `dataset.resolve`; none of its tracks should have been in the model's train part.
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
        If the source does not give what the model hears, or shares no label with it.
    """
    model = results.load_model(path)
    inputs = model.inputs
    found = dataset.resolve(source, profile=profile)
    if inputs.features not in (*extract.ARRAYS, *features.TABLES):
        raise NotPossibleError(f"{path}: it hears {inputs.features}, which only notebook 06 makes")
    data = extract.extract(
        found, inputs.features, segment_seconds=inputs.segment_seconds, jobs=jobs
    )
    values = data.values
    if inputs.frame_period and inputs.segment_seconds == 0:  # whole tracks differ in length
        values = extract.of_length(values, inputs.shape[-1])
    inputs.refuse_other(
        replace(inputs, shape=tuple(values.shape[1:]), frame_period=data.frame_period)
    )
    genres = data.segments.genre.to_numpy(str)
    known = np.isin(genres, inputs.labels)
    if not known.any():
        raise NotPossibleError(
            f"{found.name} has none of the model's labels: {', '.join(inputs.labels)}"
        )
    truth = np.array([inputs.labels.index(genre) for genre in genres[known]])
    ids = data.segments.track_id.to_numpy(str)
    probs = model.predict_proba(values[known]).astype(float)
    _, of_tracks, of_truth = evaluate.by_track(ids[known], probs, truth)
    confusion = evaluate.confusion(of_truth, of_tracks.argmax(axis=1), list(inputs.labels))
    unknown = data.tracks.loc[~data.tracks.genre.isin(inputs.labels), ["track_id", "genre"]]
    return Evaluation(
        evaluate.scores(ids[known], probs, truth),
        confusion.loc[confusion.sum(axis=1) > 0],
        len(of_tracks),
        unknown.reset_index(drop=True),
        data.failures,
    )
