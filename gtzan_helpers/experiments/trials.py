"""Choices, made on the validation set: variants of a model, groups of columns, the best systems.

The test set is not touched.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gtzan_helpers import files
from gtzan_helpers.datasets import Features, splits
from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.evaluation import score
from gtzan_helpers.experiments import results
from gtzan_helpers.experiments.measuring import Measurement
from gtzan_helpers.experiments.run import Run
from gtzan_helpers.models import Inputs, Learner, systems

VALIDATION = ("valid_accuracy", "valid_low", "valid_high")

KINDS = ("network", "pretrained network", "classical model")


def compare(
    run: Run, variants: Mapping[str, Learner], system_id: str, *, quick: int | None = None
) -> pd.DataFrame:
    """Train variants of a network, and see on the validation set what each change is worth.

    With a k-fold, only the first split is used. What was trained before with the same settings
    on the same data is read back.

    Parameters
    ----------
    run : Run
    variants : mapping
        The system's learner, changed, by a name for the change.
    system_id : str
    quick : int or None
        How many of them are trained outside of `full`; None for all.

    Returns
    -------
    DataFrame
        One line per variant and epoch: `variant`, the columns of a history, and for the epoch
        that was kept `valid_accuracy` (by track), `valid_low`, `valid_high`.
    """
    tables = []
    for name, learner in list(variants.items())[: None if run.profile.tuned else quick]:
        measurement = run.measurement(system_id, learner=learner)
        stem = f"{measurement.stem}__{measurement.key[:12]}"
        path = run.folder / "trials" / f"{stem}.csv"
        if not path.exists():
            trial = _trial(measurement).to_csv(index=False, lineterminator="\n")
            files.write_text(path, trial)
        tables.append(results.read_history(path, *VALIDATION).assign(variant=name))
    return pd.concat(tables, ignore_index=True)


def _trial(measurement: Measurement) -> pd.DataFrame:
    data = measurement.data()
    valid = data.splits[0].valid
    fitted = measurement.fit(data)
    probs = fitted.probabilities(data.features.values[valid])
    ids = data.features.segments.track_id.to_numpy(str)[valid]
    scores = score(ids, probs, data.labels[valid])
    return fitted.history.assign(
        valid_accuracy=scores.track_accuracy,
        valid_low=scores.track_ci_low,
        valid_high=scores.track_ci_high,
    )


def ablate(
    run: Run, features: Features, groups: Mapping[str, list[str]], system_id: str
) -> pd.DataFrame:
    """Fit one classical system to groups of columns, and compare them on the validation set.

    Parameters
    ----------
    run : Run
        Its seed is used; the split is the honest one of the features' tracks.
    features : Features
        A feature table.
    groups : mapping
        The columns of each group.
    system_id : str

    Returns
    -------
    DataFrame
        `features`, `n_columns`, and the fields of `evaluation.Scores` on the validation set;
        empty without features.
    """
    if features.segments.empty:
        return pd.DataFrame()
    labels, y = np.unique(features.segments.genre.to_numpy(str), return_inverse=True)
    ids = features.segments.track_id.to_numpy(str)
    protocol = splits.honest(features.tracks)
    parts = splits.make(protocol, features.segments, features.tracks, seed=run.seed)
    valid = np.concatenate([part.valid for part in parts])
    learner, table = systems.get(system_id).learner, features.frame()
    lines = []
    for name, columns in groups.items():
        X = table[columns].to_numpy()
        inputs = Inputs(features.feature_set, 0.0, (len(columns),), tuple(labels.tolist()))
        probs = [
            learner.fit(X, y, part, inputs=inputs, seed=run.seed).probabilities(X[part.valid])
            for part in parts
        ]
        scores = score(ids[valid], np.concatenate(probs), y[valid])
        lines.append({"features": name, "n_columns": len(columns), **vars(scores)})
    return pd.DataFrame(lines)


def readable_rows(run: Run) -> pd.DataFrame:
    """Rows under the honest protocol whose predictions can be read.

    Parameters
    ----------
    run : Run

    Returns
    -------
    DataFrame
        As `Rows.measured`, best first, with `valid`, the accuracy by track on the validation
        set. Ensembles are left out.

    Raises
    ------
    NotPossibleError
        If there are none.
    """
    rows = run.results().under(run.honest)
    own = (rows.source == run.source.name) & (rows.seed == run.seed)
    averages = rows.system_id.map(lambda name: systems.get(name).averages).astype(bool)
    rows = rows[own & ~averages]
    accuracy = {}
    for system_id in rows.system_id:
        y_true, y_pred = run.predictions(system_id).classes("valid")
        if len(y_true):
            accuracy[system_id] = float((y_true == y_pred).mean())
    if not accuracy:
        raise NotPossibleError(f"{run.folder}: no predictions there yet; `gtzan run` makes them")
    rows = rows.assign(valid=rows.system_id.map(accuracy)).dropna(subset=["valid"])
    return rows.sort_values("valid", ascending=False, kind="stable")


def best_of_each_kind(rows: pd.DataFrame, by: str = "valid") -> pd.DataFrame:
    """The best network, pretrained network, classical model and system of the studies.

    Parameters
    ----------
    rows : DataFrame
        See `readable_rows`.
    by : str
        Column to choose by.

    Returns
    -------
    DataFrame
        One row for each kind that there is, with the kinds as its index.
    """
    kinds = rows.system_id.map(lambda name: systems.get(name).kind)
    groups = {f"best {kind}": rows[kinds == kind] for kind in KINDS}
    ours = rows.system_id.map(lambda name: systems.get(name).study) == "ours"
    groups["best of the studies"] = rows[~ours]
    best = {kind: group.loc[group[by].idxmax()] for kind, group in groups.items() if len(group)}
    return pd.DataFrame(best).T.infer_objects()
