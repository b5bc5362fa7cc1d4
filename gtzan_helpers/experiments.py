"""Systems run on sources: fit on train, choose on valid, touch test once, keep the row.

`run_systems` is what notebooks call. Work resumes by row: what was measured with the same
settings on the same data is read back, not measured again. Taught in notebook 03.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import (
    audio,
    classical,
    config,
    damage,
    dataset,
    ensembles,
    evaluate,
    extract,
    features,
    files,
    packs,
    progress,
    splits,
    systems,
)
from gtzan_helpers.errors import (
    MissingWeightsError,
    NotPossibleError,
    SettingError,
    SourceError,
)
from gtzan_helpers.inputs import Inputs
from gtzan_helpers.scoreboard import YARDSTICK, Row, read_row, stem, table, write_row

SEGMENT_SECONDS = 3.0

HEADS = ("stacked_cnn_svm", "stacked_cnn_gmm")
"""Classical models on what the convolutions of a trained `stacked_cnn` make of a track."""


@dataclass(frozen=True)
class Predictions:
    """What a system said of valid and test, in the order of the parts' segments.

    Attributes
    ----------
    labels : ndarray of str, shape (n_labels,)
    valid_id, test_id : ndarray of str, shape (n_segments,)
        Track of each segment.
    valid_segment, test_segment : ndarray of int, shape (n_segments,)
        Its number within the track.
    valid_true, test_true : ndarray of int, shape (n_segments,)
        Indices into `labels`.
    valid_probs, test_probs : ndarray, shape (n_segments, n_labels), float16
        A k-fold's folds follow one another; `valid` of one is `test` of another.
    """

    labels: np.ndarray
    valid_id: np.ndarray
    valid_segment: np.ndarray
    valid_true: np.ndarray
    valid_probs: np.ndarray
    test_id: np.ndarray
    test_segment: np.ndarray
    test_true: np.ndarray
    test_probs: np.ndarray

    def tracks(self, part: str = "test") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids, probabilities and true labels of a part's tracks; see `evaluate.by_track`."""
        ids, probs, truth = (getattr(self, f"{part}_{name}") for name in ("id", "probs", "true"))
        return evaluate.by_track(ids, probs.astype(float), truth)


def run_systems(
    system_ids: Iterable[str],
    *,
    source: str | Path,
    profile: str = "quick",
    protocols: str = "auto",
    seed: int = 0,
    run_dir: str | Path = "",
    jobs: int | None = None,
) -> pd.DataFrame:
    """Run systems under protocols, and return their result rows.

    Parameters
    ----------
    system_ids : iterable of str
        See `systems.all_systems`.
    source : str or Path
        See `dataset.resolve`.
    profile : {"smoke", "quick", "full"}
        How much of everything.
    protocols : str
        ``auto`` for each system's own and the source's honest one; ``all``; or names from
        `splits.PROTOCOLS`, separated by commas.
    seed : int
        Random seed of splits and models.
    run_dir : str or Path
        Where rows and predictions go; empty for `config.run_dir`.
    jobs : int or None
        Processes for extraction.

    Returns
    -------
    DataFrame
        Columns `scoreboard.COLUMNS`; what is not possible on the source stands in it as
        `not_measured`, with the reason in `note`.
    """
    found = dataset.resolve(source, profile=profile)
    pairs = [
        (system_id, protocol)
        for system_id in system_ids
        for protocol in _protocols(protocols, systems.get(system_id), found)
    ]
    rows = [
        run_system(system_id, found, protocol=protocol, seed=seed, run_dir=run_dir, jobs=jobs)[0]
        for system_id, protocol in progress.bar(
            pairs, total=len(pairs), description="systems", unit="row"
        )
    ]
    return table(rows)


def _protocols(words: str, system: systems.System, source: dataset.Source) -> list[str]:
    if words == "all":
        own = system.run_protocol
        return [p for p in splits.PROTOCOLS if p == own or p != "segment_random_augmented"]
    if words != "auto":
        names = [word.strip() for word in words.split(",")]
        for name in names:
            if name not in splits.PROTOCOLS:
                raise SettingError(
                    f"protocol {name!r} does not exist; choose auto, all, or from "
                    f"{', '.join(splits.PROTOCOLS)}"
                )
        return names
    return list(dict.fromkeys([system.run_protocol, splits.honest(dataset.load(source))]))


def run_system(
    system_id: str,
    source: str | Path | dataset.Source,
    *,
    protocol: str,
    seed: int = 0,
    profile: str = "quick",
    run_dir: str | Path = "",
    jobs: int | None = None,
) -> tuple[Row, Predictions | None]:
    """Run one system under one protocol, or read back what it gave before.

    Parameters
    ----------
    system_id, source, protocol, seed, profile, run_dir, jobs
        As for `run_systems`.

    Returns
    -------
    row : Row
    predictions : Predictions or None
        None where the row is `not_measured`.
    """
    system = systems.get(system_id)
    if not isinstance(source, dataset.Source):
        source = dataset.resolve(source, profile=profile)
    folder = Path(run_dir or config.run_dir(source.name, source.profile.name))
    try:
        return _measured(_task(system, source, protocol, seed, jobs), folder)
    except NotPossibleError as error:
        missing = isinstance(error, MissingWeightsError)
        note = str(error) if missing else f"not possible on this source: {error}"
        row = _refused(system, source, protocol, seed, note)
        write_row(folder / "results", row, key="")
        return row, None


def _task(system, source: dataset.Source, protocol: str, seed: int, jobs: int | None, network=None):
    network = network or _network(system)
    copies = () if network is None else network.copies
    data = _inputs(system, source, jobs, network)
    n_segments = len(data.segments)
    if protocol == "segment_random_augmented":
        if not copies:
            raise NotPossibleError(f"{protocol} is for systems that make copies; it makes none")
        data = _with_copies(data, copies, system, source, jobs)
    parts = splits.make(
        protocol,
        data.segments,
        data.tracks,
        test_size=system.test_size,
        valid_size=system.valid_size,
        seed=seed,
    )
    if copies and protocol != "segment_random_augmented":
        data = _with_copies(data, copies, system, source, jobs)
        shifts = n_segments * np.arange(1 + len(copies))[:, None]
        parts = [replace(part, train=(part.train + shifts).ravel()) for part in parts]
    n_folds = len(parts)
    if network is not None:
        parts = parts[: source.profile.folds_limit]
    return _Task(system, source, protocol, seed, data, parts, n_folds, network)


def _network(system: systems.System):
    """The network that is trained, or whose convolutions are used; None without one."""
    if system.system_id in HEADS:
        system = systems.get("stacked_cnn")
    if system.system_id in classical.names():
        return None
    from gtzan_helpers import networks, pretrained  # here, because Keras takes seconds

    transferred = system.system_id in pretrained.names()
    return (pretrained if transferred else networks).get(system.system_id)


def _with_copies(data: extract.Extraction, changes, system, source: dataset.Source, jobs):
    """Segments, and then for each change a changed copy of every one in the same order."""
    seconds = segment_seconds(system.system_id)
    copies = [
        extract.extract(source, data.what, segment_seconds=seconds, change=change, jobs=jobs)
        for change in changes
    ]
    which = ["track_id", "segment"]
    for change, copy in zip(changes, copies, strict=True):
        if not copy.segments[which].equals(data.segments[which]):
            raise SourceError(
                f"{source.name}: copies ({change}) are not of the same segments as the originals; "
                "please report this source"
            )
    segments = [data.segments, *(copy.segments for copy in copies)]
    return replace(
        data,
        segments=pd.concat(segments, ignore_index=True),
        values=np.concatenate([data.values, *(copy.values for copy in copies)]),
    )


def _measured(task: "_Task", folder: Path, *, anew: bool = False) -> tuple[Row, Predictions]:
    """Read a row back, or measure and write it."""
    key = task.key()
    stored = None if anew else read_row(folder / "results", task.stem, key=key)
    predictions = _stored_predictions(folder, task.stem) if stored else None
    if stored is not None and predictions is not None:
        return stored, predictions
    row, predictions = task.measure(folder)
    _write_predictions(folder, row.stem, predictions)
    write_row(folder / "results", row, key=key)
    return row, predictions


def segment_seconds(system_id: str) -> float:
    """Length of the segments that a system hears, in seconds; 0 for whole tracks."""
    return SEGMENT_SECONDS if systems.get(system_id).unit == "segment" else 0.0


def yardstick(source: dataset.Source) -> tuple[str, str]:
    """Name the classifier that shows what a split is worth, and its features, on a source.

    Returns
    -------
    system_id : str
        `ours_svm_segments`, or `capstone_svm` where a table knows whole tracks only.
    features : str
        See `extract.natural_table`.
    """
    whole = source.kind == "table" and not (dataset.read_table(source.path)[0].segment > 0).any()
    return "capstone_svm" if whole else YARDSTICK, extract.natural_table(source)


def natural_features(source: dataset.Source, *, jobs: int | None = None) -> extract.Extraction:
    """The feature table that a source gives without more ado, of segments where it has them."""
    seconds = 0.0 if yardstick(source)[0] == "capstone_svm" else SEGMENT_SECONDS
    return extract.extract(
        source, extract.natural_table(source), segment_seconds=seconds, jobs=jobs
    )


def _inputs(system: systems.System, source: dataset.Source, jobs: int | None, network):
    """The features a system is fed from a source of that kind."""
    if system.family == "transfer":
        from gtzan_helpers import pretrained

        if system.array == extract.PATCHES:
            return pretrained.heard(source, jobs=jobs)
        return pretrained.activations(network, source, fetch=source.profile.fetches, jobs=jobs)
    what = system.array or extract.natural_table(source)
    if system.study == "capstone" and not system.array and source.kind == "audio":
        what = "capstone"
    seconds = segment_seconds(system.system_id)
    return extract.extract(source, what, segment_seconds=seconds, jobs=jobs)


def _refused(system, source: dataset.Source, protocol: str, seed: int, note: str) -> Row:
    return Row(
        system_id=system.system_id,
        source=source.name,
        features="",
        segment_seconds=float("nan"),
        protocol=protocol,
        seed=seed,
        status="not_measured",
        note=note,
        profile=source.profile.name,
    )


def ablate(
    data: extract.Extraction,
    groups: dict[str, list[str]],
    *,
    system_id: str,
    protocol: str,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit one system to growing sets of features, and compare them on valid.

    Parameters
    ----------
    data : Extraction
        Of a feature table.
    groups : dict
        For each set its columns.
    system_id : str
        A classical system.
    protocol : str
        How to split. Test is not touched: which features to take is a choice.
    seed : int

    Returns
    -------
    DataFrame
        `features`, `n_columns`, `track_accuracy`, `track_ci_low`, `track_ci_high`, of valid.
    """
    _, y = np.unique(data.segments.genre.to_numpy(str), return_inverse=True)
    ids = data.segments.track_id.to_numpy(str)
    parts = splits.make(protocol, data.segments, data.tracks, seed=seed)
    lines = []
    for name, columns in groups.items():
        X = data.frame()[columns].to_numpy()
        probs = [
            evaluate.probabilities(
                classical.build(system_id, n_train=len(part.train), seed=seed).fit(
                    X[part.train], y[part.train]
                ),
                X[part.valid],
            )
            for part in parts
        ]
        valid = np.concatenate([part.valid for part in parts])
        found = evaluate.scores(ids[valid], np.concatenate(probs), y[valid])
        lines.append(
            {
                "features": name,
                "n_columns": len(columns),
                "track_accuracy": found.track_accuracy,
                "track_ci_low": found.track_ci_low,
                "track_ci_high": found.track_ci_high,
            }
        )
    return pd.DataFrame(lines)


def compare_networks(
    variants: Mapping[str, Any],
    *,
    system_id: str,
    source: dataset.Source,
    protocol: str,
    seed: int = 0,
    run_dir: str | Path = "",
) -> pd.DataFrame:
    """Train variants of a network, and see on valid what each change is worth.

    Test is not touched: which variant to take is a choice. Of a k-fold only the first split is
    used. What was trained before with the same settings on the same data is read back.

    Parameters
    ----------
    variants : mapping
        For each name a `networks.Network`.
    system_id : str
        The system whose data and split they get.
    source : dataset.Source
    protocol : str
    seed : int
    run_dir : str or Path

    Returns
    -------
    DataFrame
        One line per variant and epoch: `variant`, those of `training.Trained.history`, and of
        the epoch that was kept `valid_accuracy` (by track), `valid_low`, `valid_high`.
    """
    folder = Path(run_dir or config.run_dir(source.name, source.profile.name)) / "trials"
    system = systems.get(system_id)
    tables = []
    for name, network in variants.items():
        task = _task(system, source, protocol, seed, None, network)
        path = folder / f"{task.stem}__{task.key()[:12]}.csv"
        if not path.exists():
            files.write_text(path, _trial(task).to_csv(index=False, lineterminator="\n"))
        tables.append(pd.read_csv(path).assign(variant=name))
    return pd.concat(tables, ignore_index=True)


def _trial(task: "_Task") -> pd.DataFrame:
    part, y = task.parts[0], task.y
    trained = task.train(part, y)
    probs = trained.predict_proba(task.data.values[part.valid])
    ids = task.data.segments.track_id.to_numpy(str)[part.valid]
    found = evaluate.scores(ids, probs, y[part.valid])
    return trained.history.assign(
        valid_accuracy=found.track_accuracy,
        valid_low=found.track_ci_low,
        valid_high=found.track_ci_high,
    )


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
    if segment_seconds(system_id) == 0 or "track" not in splits.PROTOCOLS[protocol]:
        raise SettingError(f"{system_id} under {protocol} does not hear tracks piece by piece")

    folder = Path(run_dir or config.run_dir(source.name, source.profile.name))
    task = _task(systems.get(system_id), source, protocol, seed, None)
    if read_row(folder / "results", task.stem, key=task.key()) is None:
        raise SourceError(f"{system_id} was not trained on this split yet; run_systems does that")
    models = task.models(folder)
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
        found = evaluate.scores(ids, np.concatenate(probs), task.y[tested])
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
    folder = Path(run_dir or config.run_dir(source.name, source.profile.name))
    task = _task(systems.get(system_id), source, protocol, seed, None)
    if read_row(folder / "results", task.stem, key=task.key()) is None:
        raise SourceError(f"{system_id} was not trained on this split yet; run_systems does that")
    trained, segments = task.models(folder)[0], task.data.segments
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

    folder = Path(run_dir or config.run_dir(source.name, source.profile.name))
    task = _task(system, source, protocol, seed, None)
    models = task.models(folder)
    doses = doses or (damage.WAVEFORM if source.kind == "audio" else damage.LOG_MEL)
    trials = [("none", 0.0), *((kind, dose) for kind in doses for dose in doses[kind])]
    lines = []
    for kind, dose in progress.bar(trials, total=len(trials), description="damage", unit="dose"):
        found = [
            _on_damaged(task, model, part, kind, dose)
            for model, part in zip(models, task.parts, strict=True)
        ]
        ids, probs, truth = (np.concatenate(values) for values in zip(*found, strict=True))
        scores = evaluate.scores(ids, probs, truth)
        interval = (scores.track_ci_low, scores.track_ci_high)
        lines.append((kind, dose, scores.track_accuracy, *interval))
    columns = ["kind", "dose", "track_accuracy", "track_ci_low", "track_ci_high"]
    return pd.DataFrame(lines, columns=columns)


def _on_damaged(task: "_Task", model, part: splits.Split, kind: str, dose: float):
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
    model = load_model(path)
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


def members(
    folders: Iterable[str | Path], protocol: str, *, sources: Iterable[str] | None = None
) -> list[ensembles.Member]:
    """Read what systems said of the tracks of a split, from the predictions of runs.

    Parameters
    ----------
    folders : iterable of str or Path
        Runs, or `figures`; of two files of one name the first counts.
    protocol : str
    sources : iterable of str or None
        Names of sources; None takes all.

    Returns
    -------
    list of Member
        Sorted by name, `<system>__<source>__<protocol>__<seed>`; ensembles are no members, and
        damaged files are left out.
    """
    found: dict[str, ensembles.Member] = {}
    wanted = None if sources is None else set(sources)
    for folder in folders:
        for path in sorted((Path(folder) / "predictions").glob(f"*__{protocol}__*.npz")):
            system_id, source, *_ = path.stem.split("__")
            skipped = system_id == "ours_ensemble" or (wanted is not None and source not in wanted)
            if skipped or path.stem in found:
                continue
            predictions = _stored_predictions(Path(folder), path.stem)
            if predictions is None:
                continue
            found[path.stem] = ensembles.Member(
                path.stem,
                tuple(predictions.labels.tolist()),
                *predictions.tracks("valid"),
                *predictions.tracks("test"),
            )
    return [found[name] for name in sorted(found)]


def run_ensemble(
    joined: ensembles.Joined,
    votes: Mapping[str, int],
    *,
    protocol: str,
    run_dir: str | Path,
    profile: str,
    seed: int = 0,
) -> Row:
    """Score a vote on test, and keep its row and predictions as those of a system.

    Parameters
    ----------
    joined : Joined
    votes : mapping
        See `ensembles.select`.
    protocol : str
        The members' split.
    run_dir : str or Path
    profile : str
    seed : int

    Returns
    -------
    Row
        Its source joins the names of its members' sources.
    """
    valid, test = ensembles.vote(joined, votes)
    sources = dict.fromkeys(name.split("__")[1] for name in votes)
    predictions = Predictions(
        np.array(joined.labels),
        joined.valid_id,
        np.zeros(len(joined.valid_id), int),
        joined.valid_true,
        valid.round(3).astype(np.float16),
        joined.test_id,
        np.zeros(len(joined.test_id), int),
        joined.test_true,
        test.round(3).astype(np.float16),
    )
    scores = evaluate.scores(joined.test_id, predictions.test_probs.astype(float), joined.test_true)
    named = ", ".join(f"{n} x {name.split('__')[0]} ({name.split('__')[1]}, seed "
                      f"{name.split('__')[3]})" for name, n in votes.items())  # fmt: skip
    row = Row(
        system_id="ours_ensemble",
        source="+".join(sources),
        features="probabilities",
        segment_seconds=0.0,
        protocol=protocol,
        seed=seed,
        status="measured",
        note=f"chosen on valid: {named}",
        n_valid=len(joined.valid_id),
        n_test=len(joined.test_id),
        valid_accuracy=float((valid.argmax(axis=1) == joined.valid_true).mean()),
        segment_accuracy=scores.segment_accuracy,
        track_accuracy=scores.track_accuracy,
        track_ci_low=scores.track_ci_low,
        track_ci_high=scores.track_ci_high,
        macro_f1=scores.macro_f1,
        profile=profile,
        versions=f"scikit-learn {version('scikit-learn')}",
    )
    folder = Path(run_dir)
    _write_predictions(folder, row.stem, predictions)
    write_row(folder / "results", row, key="")
    return row


@dataclass(frozen=True)
class _Fitted:
    """A model fitted to one split, and what is to be said of it."""

    model: Any
    note: str = ""
    n_parameters: int | None = None
    history: pd.DataFrame | None = None


@dataclass(frozen=True)
class _Task:
    """One row to be measured."""

    system: systems.System
    source: dataset.Source
    protocol: str
    seed: int
    data: extract.Extraction
    parts: list[splits.Split]
    n_folds: int
    network: Any = None

    @property
    def stem(self) -> str:
        return stem(self.system.system_id, self.source.name, self.protocol, self.seed)

    @property
    def labels(self) -> np.ndarray:
        """Names of the labels, sorted."""
        return np.unique(self.data.segments.genre.to_numpy(str))

    @property
    def y(self) -> np.ndarray:
        """Label of each segment, as an index into `labels`."""
        return np.unique(self.data.segments.genre.to_numpy(str), return_inverse=True)[1]

    @property
    def pretrained(self) -> str:
        """Whose weights were there before training; empty where there were none."""
        if self.system.family != "transfer":
            return ""
        return "MusiCNN" if self.system.array == extract.PATCHES else self.network.weights

    @property
    def tuned(self) -> bool:
        """Whether settings are searched: in `full`, under the source's honest protocol."""
        return (
            self.source.profile.tuned
            and self.system.system_id in classical.SEARCH
            and self.protocol == splits.honest(self.data.tracks)
        )

    @property
    def inputs(self):
        """What a model is fed."""
        return Inputs(
            features=self.data.what,
            segment_seconds=segment_seconds(self.system.system_id),
            shape=tuple(self.data.values.shape[1:]),
            labels=tuple(self.labels.tolist()),
            frame_period=self.data.frame_period,
        )

    def key(self) -> str:
        """What the row depends on; a change makes it stale."""
        ids = [self.data.segments[["track_id", "segment", "genre"]].to_csv(index=False)]
        values = hashlib.sha256(self.data.values.tobytes()).hexdigest()
        rows = [
            [part.train.tolist(), part.valid.tolist(), part.test.tolist()] for part in self.parts
        ]
        settings = [self._classical_settings(), self._network_settings()]
        text = json.dumps([ids, values, settings, rows, self.data.what])
        return hashlib.sha256(text.encode()).hexdigest()

    def _classical_settings(self) -> str:
        if self.system.system_id not in classical.names():
            return ""
        model = classical.build(self.system.system_id, n_train=10, seed=self.seed)
        search = classical.SEARCH.get(self.system.system_id) if self.tuned else None
        return f"{model!r} {search!r}"

    def _network_settings(self) -> str:
        if self.network is None:
            return ""
        inputs = self.inputs
        text = self.network.settings(inputs.shape, len(inputs.labels))
        return f"{text} {self.source.profile.epochs_limit}"

    def measure(self, folder: Path) -> tuple[Row, Predictions]:
        """Fit, predict and score; models and histories go into the run's folder."""
        y = self.y
        started = time.perf_counter()
        train_hits, valid_probs, test_probs, fitted = [], [], [], []
        for number, part in enumerate(self.parts):
            found = self._fit(part, y, folder, number)
            probs = evaluate.probabilities(found.model, self.data.values[part.train])
            train_hits.append(probs.argmax(axis=1) == y[part.train])
            valid_probs.append(evaluate.probabilities(found.model, self.data.values[part.valid]))
            test_probs.append(evaluate.probabilities(found.model, self.data.values[part.test]))
            fitted.append(replace(found, model=None))
        fit_seconds = time.perf_counter() - started
        self._write_histories(folder, fitted)
        valid = np.concatenate([part.valid for part in self.parts])
        test = np.concatenate([part.test for part in self.parts])
        predictions = Predictions(
            self.labels,
            *self._part(valid, y, np.concatenate(valid_probs)),
            *self._part(test, y, np.concatenate(test_probs)),
        )
        # Scored as stored, so that a row and its predictions never differ.
        scores = evaluate.scores(
            predictions.test_id, predictions.test_probs.astype(float), predictions.test_true
        )
        valid_hits = np.concatenate(valid_probs).argmax(axis=1) == y[valid]
        row = Row(
            system_id=self.system.system_id,
            source=self.source.name,
            features=self.data.what,
            segment_seconds=segment_seconds(self.system.system_id),
            protocol=self.protocol,
            seed=self.seed,
            status="control" if self.pretrained == "random" else "measured",
            note=self._note([found.note for found in fitted]),
            n_train=self._tracks("train"),
            n_valid=self._tracks("valid"),
            n_test=len(np.unique(predictions.test_id)),
            train_accuracy=float(np.concatenate(train_hits).mean()),
            valid_accuracy=float(valid_hits.mean()),
            segment_accuracy=scores.segment_accuracy,
            track_accuracy=scores.track_accuracy,
            track_ci_low=scores.track_ci_low,
            track_ci_high=scores.track_ci_high,
            macro_f1=scores.macro_f1,
            fit_seconds=round(fit_seconds, 3),
            n_parameters=fitted[0].n_parameters,
            pretrained=self.pretrained,
            profile=self.source.profile.name,
            versions=", ".join(f"{name} {version(name)}" for name in self._libraries()),
        )
        return row, predictions

    def _fit(self, part: splits.Split, y: np.ndarray, folder: Path, number: int) -> _Fitted:
        if self.system.system_id in HEADS:
            return self._fit_head(part, y, folder, number)
        if self.network is not None:
            return self._fit_network(part, y, folder, number)
        found = self._fit_classical(part, y)
        if not self.system.array:  # on whole spectrograms a model takes hundreds of megabytes
            kept = classical.Fitted(found.model, self.inputs)
            kept.save(model_path(folder, self.stem, number, suffix=".skops"))
        return found

    def _fit_classical(self, part: splits.Split, y: np.ndarray) -> _Fitted:
        """Fit to train; where settings are searched, the best on valid stays as it was fitted."""
        best, best_hits, best_settings = None, -1.0, {}
        search = classical.SEARCH[self.system.system_id] if self.tuned else ({},)
        for settings in search:
            model = classical.build(
                self.system.system_id, n_train=len(part.train), seed=self.seed, **settings
            ).fit(self.data.values[part.train], y[part.train])
            hits = 0.0
            if len(search) > 1:
                hits = float((model.predict(self.data.values[part.valid]) == y[part.valid]).mean())
            if hits > best_hits:
                best, best_hits, best_settings = model, hits, settings
        words = " ".join(f"{name}={value}" for name, value in best_settings.items())
        return _Fitted(best, f"chosen on valid: {words}" if self.tuned else "")

    def _fit_network(self, part: splits.Split, y: np.ndarray, folder: Path, number: int) -> _Fitted:
        trained = self.train(part, y)
        trained.save(model_path(folder, self.stem, number))
        epoch = int(trained.history.epoch[trained.history.best].iloc[0])
        note = f"epoch {epoch} of {len(trained.history)}"
        return _Fitted(trained, note, trained.n_parameters, trained.history)

    def train(self, part: splits.Split, y: np.ndarray):
        """Train the network on one split."""
        from gtzan_helpers import pretrained, training

        fit = training.fit
        if self.system.system_id in pretrained.names():
            fit = partial(pretrained.fit, fetch=self.source.profile.fetches)
        return fit(
            self.network,
            self.data.values,
            y,
            part,
            inputs=self.inputs,
            seed=self.seed,
            epochs_limit=self.source.profile.epochs_limit,
            description=f"{self.system.system_id}, {self.protocol}",
        )

    def models(self, folder: Path) -> list:
        """Load the networks that were trained for this row, one a fold."""
        from gtzan_helpers import training

        paths = [model_path(folder, self.stem, number) for number in range(len(self.parts))]
        loaded = [training.load(path) for path in paths]
        for model in loaded:
            model.inputs.refuse_other(self.inputs)
        return loaded

    def _fit_head(self, part: splits.Split, y: np.ndarray, folder: Path, number: int) -> _Fitted:
        from gtzan_helpers import networks, training

        base = replace(self, system=systems.get("stacked_cnn"))
        if number == 0:  # all folds at once
            _measured(base, folder)
        try:
            trained = training.load(model_path(folder, base.stem, number))
        except SourceError:  # its row was kept, its model was not
            _measured(base, folder, anew=True)
            trained = training.load(model_path(folder, base.stem, number))
        trained.inputs.refuse_other(self.inputs)
        layer = networks.CONVOLUTIONAL_OUTPUT
        n_features = trained.model.get_layer(layer).output.shape[-1]
        n_train = min(len(part.train), n_features + 1)
        head = classical.build(self.system.system_id, n_train=n_train, seed=self.seed)
        model = _OnConvolutions(trained, layer, head)
        return _Fitted(model.fit(self.data.values[part.train], y[part.train]))

    def _write_histories(self, folder: Path, fitted: list[_Fitted]) -> None:
        tables = [
            found.history.assign(fold=number)
            for number, found in enumerate(fitted)
            if found.history is not None
        ]
        if tables:
            text = pd.concat(tables).to_csv(index=False, lineterminator="\n")
            files.write_text(folder / "histories" / f"{self.stem}.csv", text)

    def _libraries(self) -> list[str]:
        names = ["scikit-learn", "librosa"]
        return names if self.network is None else [*names, "keras"]

    def _part(self, rows: np.ndarray, y: np.ndarray, probs: np.ndarray) -> tuple:
        segments = self.data.segments.iloc[rows]
        ids, numbers = segments.track_id.to_numpy(str), segments.segment.to_numpy()
        # Three decimals are what half a float holds near 1, and most become 0: small files.
        return ids, numbers, y[rows], probs.round(3).astype(np.float16)

    def _tracks(self, part: str) -> int:
        """Tracks in a part; of a k-fold, the mean of its folds."""
        ids = self.data.segments.track_id
        counts = [ids.iloc[getattr(split, part)].nunique() for split in self.parts]
        return round(float(np.mean(counts)))

    def _note(self, of_parts: list[str]) -> str:
        notes = []
        if len(self.parts) < self.n_folds:
            notes.append(f"{len(self.parts)} of {self.n_folds} folds")
        elif self.n_folds > 1:
            notes.append(f"{self.n_folds}-fold, pooled")
        own = self.system.system_id
        reduced = own in classical.names() or (self.network and self.network.components)
        if self.system.study == "stacked" and reduced:
            n_train = min(len(part.train) for part in self.parts)
            notes.append(f"{classical.components(n_train)} principal components")
        notes += [" / ".join(dict.fromkeys(of_parts))] if any(of_parts) else []
        if len(self.data.failures):
            notes.append(f"{len(self.data.failures)} tracks could not be used")
        return "; ".join(notes)


@dataclass(frozen=True)
class _OnConvolutions:
    """A classical model on a layer of a trained network."""

    trained: Any
    layer: str
    head: Any

    def fit(self, values: np.ndarray, y: np.ndarray) -> "_OnConvolutions":
        self.head.fit(self.trained.hidden(values, self.layer), y)
        return self

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        return evaluate.probabilities(self.head, self.trained.hidden(values, self.layer))


def model_path(folder: str | Path, stem: str, fold: int = 0, *, suffix: str = ".keras") -> Path:
    """Where the model of a row lies, a network's or a classical one; each fold has its own."""
    return Path(folder) / "models" / f"{stem}__{fold}{suffix}"


def load_model(path: str | Path) -> Any:
    """Load a model of a run, `.keras` or `.skops`; it has `inputs` and `predict_proba`.

    Raises
    ------
    SettingError
        If the name ends otherwise.
    SourceError
        If there is none, or it is damaged.
    """
    if Path(path).suffix == ".skops":
        return classical.load(path)
    if Path(path).suffix != ".keras":
        raise SettingError(f"{path}: models of a run end in .keras or .skops")
    from gtzan_helpers import training

    return training.load(path)


def read_history(folder: str | Path, stem: str) -> pd.DataFrame | None:
    """Read how a network was trained, one line per epoch and `fold`; None where it was not."""
    path = Path(folder) / "histories" / f"{stem}.csv"
    return pd.read_csv(path) if path.exists() else None


def _write_predictions(folder: Path, stem: str, predictions: Predictions) -> None:
    with files.replacing(folder / "predictions" / f"{stem}.npz") as temporary:
        np.savez_compressed(temporary, **vars(predictions))


def _stored_predictions(folder: Path, stem: str) -> Predictions | None:
    try:
        return read_predictions(folder, stem)
    except SourceError:
        return None  # damaged: measured again


def read_predictions(folder: str | Path, stem: str) -> Predictions | None:
    """Read the predictions that belong to a row; None where there are none."""
    path = Path(folder) / "predictions" / f"{stem}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Predictions(**{name: stored[name] for name in stored.files})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise SourceError(f"{path}: damaged ({error}); remove it and run again") from error
