"""Questions to trained models: less of a song, corrupted songs, other music, their costs.

The songs that they are asked about took no part in their training. Taught in notebooks 06 to 08.
"""

import math
import timeit
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import FEATURE_SETS, changes, reading, segments, spectra
from gtzan_helpers.config import SEGMENT_SECONDS
from gtzan_helpers.datasets import Features, Source, Split, open_source
from gtzan_helpers.datasets.embedded import dataset as embedded
from gtzan_helpers.errors import GtzanError, NotPossibleError, SettingError, SourceError
from gtzan_helpers.evaluation import Scores, by_track, confusion, score
from gtzan_helpers.experiments.data import Data
from gtzan_helpers.experiments.kept import rounded
from gtzan_helpers.experiments.run import Run, leave_out
from gtzan_helpers.models import Transfer, fitted, systems
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
    SourceError
        If the network was not trained on this split.

    Notes
    -----
    Levels stay relative to the loudest moment of the whole track.
    """
    measurement = run.measurement(system_id)
    if not measurement.system.segment_seconds:
        raise SettingError(f"{system_id} does not hear tracks piece by piece")
    data = measurement.data()
    networks = measurement.models(data)
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


def embed(run: Run, system_id: str) -> Features:
    """Embeddings of a source's segments in the penultimate layer of a trained network.

    Parameters
    ----------
    run : Run
    system_id : str
        A trained network; with a k-fold, the first one is used.

    Returns
    -------
    Features
        Values of shape (n_segments, n_units), for all segments but augmented copies.

    Raises
    ------
    SourceError
        If the network was not trained on this split.
    """
    return _embedded(run, system_id)[0]


def _embedded(run: Run, system_id: str) -> tuple[Features, np.ndarray]:
    """Embeddings, and the ids of the tracks that took no part in the network's training."""
    measurement = run.measurement(system_id)
    data = measurement.data()
    network, table = measurement.models(data)[0], data.features.segments
    originals = np.flatnonzero(~table.duplicated(["track_id", "segment"]))
    penultimate = network.model.layers[-2].name
    features = replace(
        data.features,
        segments=table.iloc[originals].reset_index(drop=True),
        values=network.hidden(data.features.values[originals], penultimate),
        columns=(),
        feature_set=system_id,
        frame_period=None,
    )
    return features, np.unique(table.track_id.iloc[data.splits[0].test].to_numpy(str))


def test_embeddings(run: Run, system_id: str) -> Features:
    """Embeddings of the test songs' segments in a trained network; see `embed`.

    Parameters
    ----------
    run : Run
    system_id : str
        A trained network.
    """
    if not system_id:
        raise NotPossibleError("no network was trained")
    features, test = _embedded(run, system_id)
    rows = np.flatnonzero(features.segments.track_id.isin(test))
    segments = features.segments.iloc[rows].reset_index(drop=True)
    return replace(features, segments=segments, values=features.values[rows])


def robustness(
    run: Run, system_id: str, *, severities: Mapping[str, Sequence[float]] | None = None
) -> pd.DataFrame:
    """Accuracy of a trained network on corrupted test tracks.

    Parameters
    ----------
    run : Run
        Its honest protocol is the split.
    system_id : str
        A trained network over `log_mel`.
    severities : mapping or None
        For each kind of corruption; None for those of `audio.CORRUPTIONS`, without audio of
        `audio.LOG_MEL_CORRUPTIONS`, of which only `full` takes all.

    Returns
    -------
    DataFrame
        `kind`, `severity`, and the fields of `evaluation.Scores`; the first line is "none". With
        a k-fold, each network is given its own test tracks only. Empty, with a notice, where the
        source or the network has no log-mel spectrograms, or the network was not trained.
    """
    source, measurement = run.source, run.measurement(system_id)
    try:
        if not source.gives("log_mel") or "log_mel" not in measurement.system.features:
            raise NotPossibleError(
                f"{system_id} on {source.name}: audio and log-mel spectrograms can be corrupted"
            )
        data = measurement.data()
        networks = measurement.models(data)
    except (NotPossibleError, SourceError) as error:
        leave_out(error)
        return pd.DataFrame()
    if severities is None:
        every = changes.CORRUPTIONS if source.has_audio else changes.LOG_MEL_CORRUPTIONS
        first = 0 if source.profile.steps_limit is None else -1  # else the strongest only
        severities = {kind: amounts[first:] for kind, amounts in every.items()}
    trials = [(kind, amount) for kind, amounts in severities.items() for amount in amounts]
    trials = [("none", 0.0), *trials]
    tested = np.concatenate([part.test for part in data.splits])
    ids = data.features.segments.track_id.to_numpy(str)[tested]
    lines = []
    for kind, severity in progress_bar(
        trials, total=len(trials), description="corruption", unit="severity"
    ):
        probs = [
            network.probabilities(_corrupted(source, data, part, kind, severity))
            for network, part in zip(networks, data.splits, strict=True)
        ]
        scores = _scores(ids, probs, data.labels[tested])
        lines.append({"kind": kind, "severity": severity, **scores})
    return pd.DataFrame(lines)


def _corrupted(source: Source, data: Data, part: Split, kind: str, severity: float) -> np.ndarray:
    """Features of a fold's test segments when the sound, or else the log-mel, is corrupted."""
    features, seconds = data.features, data.inputs.segment_seconds
    values, table = features.values[part.test], features.segments.iloc[part.test]
    if kind == "none":
        return values
    if not source.has_audio:
        log_mel = changes.corrupt_log_mel(spectra.decode(values), kind=kind, severity=severity)
        return spectra.encode(log_mel)
    feature_set = FEATURE_SETS[features.feature_set]
    paths, tracks = source.tracks.set_index("track_id").path, {}
    for track_id in table.track_id.unique():
        y, sr = reading.read(paths[track_id], sr=config.SR)
        if source.profile.seconds_limit:
            y = y[: round(source.profile.seconds_limit * sr)]
        y = changes.corrupt(y, sr=sr, kind=kind, severity=severity)
        corrupted = feature_set.from_audio(y, sr=sr, segment_seconds=seconds).values
        tracks[track_id] = segments.repeat_or_cut(corrupted, values.shape[-1])
    return np.stack([tracks[row.track_id][row.segment] for row in table.itertuples()])


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
        return evaluate_model(run.measurement(system_id).model_path(), folder)
    except GtzanError as error:
        leave_out(error)
        none, nobody = pd.DataFrame(), np.zeros(0, int)
        matrix = confusion(nobody, nobody, run.labels)
        return Evaluation(Scores(*[math.nan] * 7), matrix, 0, none, none)


def costs(run: Run, system_ids: Iterable[str], *, quick: int | None = None) -> pd.DataFrame:
    """Size, time per song and accuracy of systems on pretrained networks.

    Parameters
    ----------
    run : Run
    system_ids : iterable of str
    quick : int or None
        How many of them are timed outside of `full`; None for all.

    Returns
    -------
    DataFrame
        `system_id`, `n_parameters`, `megabytes`, `ms a song` (on this computer, without reading
        the file), and `accuracy` under the honest protocol; where it was not `measured`, the
        published one. Systems that have neither are left out.
    """
    rows = run.results().table.dropna(subset=["track_accuracy"])
    rows = rows[(rows.protocol == run.honest) & (rows.seed == run.seed)]
    reached = rows.set_index("system_id").track_accuracy
    lines = []
    for system_id in list(system_ids)[: None if run.profile.tuned else quick]:
        try:
            model = _pretrained_network(system_id)
        except NotPossibleError as error:
            leave_out(error)
            continue
        n_segments = 1 + max(run.predictions(system_id).test_segment, default=0)
        values = np.zeros((n_segments, *model.input_shape[1:]), np.float32)
        predict = partial(model.predict_on_batch, values)
        predict()  # the first pass compiles
        seconds = min(timeit.repeat(predict, number=1, repeat=3))
        accuracy = reached.get(system_id, systems.get(system_id).published.test)
        size, measured = model.count_params(), system_id in reached
        lines.append((system_id, size, 4e-6 * size, 1000 * seconds, accuracy, measured))
    names = ["system_id", "n_parameters", "megabytes", "ms a song", "accuracy", "measured"]
    table = pd.DataFrame(lines, columns=names).astype({"accuracy": float})
    return table.dropna(subset=["accuracy"])


def _pretrained_network(system_id: str) -> Any:
    from gtzan_helpers.models import musicnn, transfer

    learner = systems.get(system_id).learner
    if isinstance(learner, Transfer):  # as fast with any weights
        return transfer.build(replace(learner, weights="random"))
    return musicnn.build(musicnn.read_weights())
