"""Train the genre model that `gtzan predict` carries, and write it with its card.

Usage: ``python scripts/train_song_model.py features_30_sec.csv`` (the Kaggle release's table).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gtzan_helpers import files, predict
from gtzan_helpers.datasets import open_source, splits
from gtzan_helpers.evaluation import Scores, score, temperature, tempered
from gtzan_helpers.models import Fitted, Inputs
from gtzan_helpers.models.classical import FittedClassical, LogVariances

# Columns of the Kaggle release's table that we could not reproduce.
LEFT_OUT = ("tempo", "harmony_mean", "perceptr_mean")


def train(table: str | Path, *, without: tuple[str, ...] = ()) -> tuple[Fitted, dict[str, Scores]]:
    """Train the carried model and estimate its accuracy.

    Parameters
    ----------
    table : str or Path
        `features_30_sec.csv` of the Kaggle release.
    without : tuple of str
        Tracks to leave out, so that the model can be tested on them.

    Returns
    -------
    model : Fitted
        Trained on all other tracks; temperature and threshold come from the validation set of
        the fault-filtered split.
    scores : dict of {str: Scores}
        Under `fault_filtered` and, 10-fold, under `track_random`.
    """
    features = open_source(table, profile="full").features("kaggle", segment_seconds=0)
    columns = tuple(name for name in features.columns if name not in LEFT_OUT)
    X = features.frame()[list(columns)].to_numpy()
    labels, y_true = np.unique(features.segments.genre.to_numpy(str), return_inverse=True)
    ids = features.segments.track_id.to_numpy(str)
    inputs = Inputs("kaggle", 0.0, (len(columns),), tuple(labels.tolist()), columns=columns)

    variances = [i for i, name in enumerate(columns) if name.endswith("_var")]

    def fit(rows: np.ndarray) -> Fitted:
        # It has the lowest loss on the validation set, together with support vector machines.
        classifier = LogisticRegression(C=0.1, max_iter=5000)
        pipeline = make_pipeline(LogVariances(variances), StandardScaler(), classifier)
        return FittedClassical(pipeline.fit(X[rows], y_true[rows]), inputs)

    (split,) = splits.make("fault_filtered", features.segments, features.tracks, seed=0)
    model = fit(split.train)
    valid = model.probabilities(X[split.valid])
    heat = temperature(valid, y_true[split.valid])
    # Below it lies the confidence of one in twenty songs of the validation set.
    threshold = float(np.quantile(tempered(valid, heat).max(axis=1), 0.05))
    tested = model.probabilities(X[split.test])
    out_of_fold = np.zeros((len(X), len(labels)))
    for train_rows, test_rows in StratifiedKFold(10, shuffle=True, random_state=0).split(X, y_true):
        out_of_fold[test_rows] = fit(train_rows).probabilities(X[test_rows])
    scores = {
        "fault_filtered": score(ids[split.test], tested, y_true[split.test]),
        "track_random": score(ids, out_of_fold, y_true),
    }
    model = fit(np.flatnonzero(~np.isin(ids, without)))
    calibrated = replace(inputs, temperature=round(heat, 4), threshold=round(threshold, 4))
    return replace(model, inputs=calibrated), scores


CARD = Path(__file__).with_name("song_model_card.md")


def card(model: Fitted, scores: dict[str, Scores]) -> str:
    """The model card as Markdown."""
    names = ("track_accuracy", "track_ci_low", "track_ci_high")
    percent = {p: [100 * getattr(scores[p], name) for name in names] for p in scores}
    accuracy = {p: "{:.1f} % ({:.1f} to {:.1f})".format(*three) for p, three in percent.items()}
    return CARD.read_text(encoding="utf-8").format(
        n_columns=len(model.inputs.columns),
        left_out=", ".join(f"`{name}`" for name in LEFT_OUT),
        inputs=model.inputs,
        **accuracy,
    )


def main() -> None:
    """Train the model and write it, with its card, into the package."""
    parser = argparse.ArgumentParser(description="Train the model that `gtzan predict` carries.")
    parser.add_argument("table", help="features_30_sec.csv of the Kaggle release")
    model, scores = train(parser.parse_args().table)
    path = model.save(predict.carried_path())
    files.write_text(path.with_suffix(".md"), card(model, scores))


if __name__ == "__main__":
    main()
