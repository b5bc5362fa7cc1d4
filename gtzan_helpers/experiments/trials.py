"""Choices: variants of a model compared on the validation set. The test set is not touched."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gtzan_helpers import files
from gtzan_helpers.datasets import Features, splits
from gtzan_helpers.evaluation import score
from gtzan_helpers.experiments.measuring import Measurement
from gtzan_helpers.models import Inputs, systems


def compare(measurements: Mapping[str, Measurement]) -> pd.DataFrame:
    """Train variants of a network, and see on the validation set what each change is worth.

    With a k-fold, only the first split is used. What was trained before with the same settings
    on the same data is read back.

    Parameters
    ----------
    measurements : mapping
        For each name of a variant a `Measurement` whose system has that variant's learner.

    Returns
    -------
    DataFrame
        One line per variant and epoch: `variant`, the columns of a history, and for the epoch
        that was kept `valid_accuracy` (by track), `valid_low`, `valid_high`.
    """
    tables = []
    for name, measurement in measurements.items():
        stem = f"{measurement.stem}__{measurement.key[:12]}"
        path = measurement.folder / "trials" / f"{stem}.csv"
        if not path.exists():
            trial = _trial(measurement).to_csv(index=False, lineterminator="\n")
            files.write_text(path, trial)
        tables.append(pd.read_csv(path).assign(variant=name))
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
    features: Features,
    groups: Mapping[str, list[str]],
    *,
    system_id: str,
    protocol: str,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit one classical system to groups of columns, and compare them on the validation set.

    Parameters
    ----------
    features : Features
        A feature table.
    groups : mapping
        The columns of each group.
    system_id : str
    protocol : str
    seed : int

    Returns
    -------
    DataFrame
        `features`, `n_columns`, `track_accuracy`, `track_ci_low`, `track_ci_high` on the
        validation set.
    """
    names = ["features", "n_columns", "track_accuracy", "track_ci_low", "track_ci_high"]
    if features.segments.empty:
        return pd.DataFrame(columns=names)
    labels, y = np.unique(features.segments.genre.to_numpy(str), return_inverse=True)
    ids = features.segments.track_id.to_numpy(str)
    parts = splits.make(protocol, features.segments, features.tracks, seed=seed)
    valid = np.concatenate([part.valid for part in parts])
    learner, table = systems.get(system_id).learner, features.frame()
    lines = []
    for name, columns in groups.items():
        X = table[columns].to_numpy()
        inputs = Inputs(features.feature_set, 0.0, (len(columns),), tuple(labels.tolist()))
        probs = [
            learner.fit(X, y, part, inputs=inputs, seed=seed).probabilities(X[part.valid])
            for part in parts
        ]
        scores = score(ids[valid], np.concatenate(probs), y[valid])
        interval = (scores.track_ci_low, scores.track_ci_high)
        lines.append((name, len(columns), scores.track_accuracy, *interval))
    return pd.DataFrame(lines, columns=names)
