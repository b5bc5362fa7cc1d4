"""Cross-validate systems over the training and validation songs; the test set is not read.

Usage: ``python scripts/cross_validate.py PACK SYSTEM...``. Lines go into
``figures/<source>/cross_validation.csv``: settings of ours are chosen by them.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from gtzan_helpers import files, models
from gtzan_helpers.datasets import Source, Split, open_source
from gtzan_helpers.evaluation import artist_interval
from gtzan_helpers.experiments.data import gather
from gtzan_helpers.models import System

SHUFFLES = range(3)


def cross_validate(system: System, source: Source) -> dict[str, Any]:
    """Accuracy by five folds grouped by artist, and on the validation set.

    Returns
    -------
    dict
        `system_id`, `songs`, `accuracy` (mean of three shuffles), `low` and `high` (95 % interval
        over artists, of the first), `valid_accuracy` (fitted on the training set), `settings`.
    """
    data = gather(system, source, "fault_filtered", seed=0)
    values, labels, artists, split = data.features.values, data.labels, data.artists, data.splits[0]
    n = len(values) // (1 + len(system.learner.copies))
    songs = np.sort(np.concatenate([split.train[split.train < n], split.valid]))

    def correct(train: np.ndarray, tested: np.ndarray) -> np.ndarray:
        copies = (train + n * np.arange(1 + len(system.learner.copies))[:, None]).ravel()
        parts = Split(copies, train, tested)  # what is calibrated changes no answer
        settings = {"inputs": data.inputs, "seed": 0, "artists": artists}
        model = system.learner.fit(values, labels, parts, **settings)
        return model.probabilities(values[tested]).argmax(axis=1) == labels[tested]

    hits = np.zeros((len(SHUFFLES), len(songs)), bool)
    for shuffle in SHUFFLES:
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=shuffle)
        for train, test in folds.split(songs, labels[songs], artists[songs]):
            hits[shuffle, test] = correct(songs[train], songs[test])
    low, high = artist_interval(hits[0], labels[songs], artists[songs])
    valid = correct(split.train[split.train < n], split.valid).mean()
    figures = {"accuracy": hits.mean(), "low": low, "high": high, "valid_accuracy": valid}
    settings = str(system.settings())
    return {"system_id": system.system_id, "songs": len(songs), **figures, "settings": settings}


def main() -> None:
    """Cross-validate the systems named, and keep their lines."""
    parser = argparse.ArgumentParser(description="Cross-validate systems on real songs.")
    parser.add_argument("pack", help="a feature pack of GTZAN")
    parser.add_argument("systems", nargs="+", metavar="SYSTEM")
    asked = parser.parse_args()
    source = open_source(asked.pack, profile="full")
    path = Path(__file__).parents[1] / "figures" / source.name / "cross_validation.csv"
    for system in [models.get(name) for name in asked.systems]:
        lines = pd.DataFrame([cross_validate(system, source)])
        if path.exists():
            lines = pd.concat([pd.read_csv(path), lines]).drop_duplicates("system_id", keep="last")
        files.write_text(path, lines.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


if __name__ == "__main__":
    main()
