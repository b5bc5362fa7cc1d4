"""Systems run on sources: fit on train, choose on valid, touch test once, keep the row.

`run_systems` is what notebooks call. Work resumes by row: what was measured with the same
settings on the same data is read back, not measured again. Taught in notebook 03.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import (
    classical,
    config,
    dataset,
    ensembles,
    evaluate,
    extract,
    files,
    progress,
    results,
    splits,
    systems,
    tasks,
)
from gtzan_helpers.errors import MissingWeightsError, NotPossibleError, SettingError
from gtzan_helpers.results import Predictions, Row
from gtzan_helpers.scoreboard import YARDSTICK


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
        Columns `results.COLUMNS`; what is not possible on the source stands in it as
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
    return results.table(rows)


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
        return tasks.make(system, source, protocol, seed=seed, jobs=jobs).result(folder)
    except NotPossibleError as error:
        missing = isinstance(error, MissingWeightsError)
        note = str(error) if missing else f"not possible on this source: {error}"
        row = _refused(system, source, protocol, seed, note)
        results.write_row(folder / "results", row, key="")
        return row, None


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
    seconds = 0.0 if yardstick(source)[0] == "capstone_svm" else systems.SEGMENT_SECONDS
    return extract.extract(
        source, extract.natural_table(source), segment_seconds=seconds, jobs=jobs
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
        task = tasks.make(system, source, protocol, seed=seed, network=network)
        path = folder / f"{task.stem}__{task.key()[:12]}.csv"
        if not path.exists():
            files.write_text(path, _trial(task).to_csv(index=False, lineterminator="\n"))
        tables.append(pd.read_csv(path).assign(variant=name))
    return pd.concat(tables, ignore_index=True)


def _trial(task: tasks.Task) -> pd.DataFrame:
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
            predictions = results.stored_predictions(Path(folder), path.stem)
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
        results.rounded(valid),
        joined.test_id,
        np.zeros(len(joined.test_id), int),
        joined.test_true,
        results.rounded(test),
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
    results.write_predictions(folder, row.stem, predictions)
    results.write_row(folder / "results", row, key="")
    return row
