"""A song in, its genres out: with the small model that the package carries, or any of a run.

``python -m gtzan_helpers.predict features_30_sec.csv`` trains that model anew, and writes its card.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from gtzan_helpers import audio, config, evaluate, features, files
from gtzan_helpers.errors import AudioError, SettingError, SourceError
from gtzan_helpers.workers import keep_memory

WINDOW_SECONDS = 30.0
"""What the carried model hears at once, as long as the clips that it was trained on."""

LEFT_OUT = ("tempo", "harmony_mean", "perceptr_mean")
"""Columns of the Kaggle release's table that nobody could compute again."""

WORTH_COMPILING = 20
"""So many windows take as long without compiled loops as compiling does."""

_NAME = "genres"


@dataclass(frozen=True)
class Prediction:
    """What a model says of one song.

    Attributes
    ----------
    labels : tuple of str
    starts_s : ndarray, shape (n_pieces,)
        Where each piece that was heard begins, in seconds.
    pieces : ndarray, shape (n_pieces, n_labels)
        Probabilities over time.
    seconds : float
        Length of the song.
    threshold : float
        How sure the model has to be of its answer.
    """

    labels: tuple[str, ...]
    starts_s: np.ndarray
    pieces: np.ndarray
    seconds: float
    threshold: float

    @property
    def probabilities(self) -> dict[str, float]:
        """Mean over the song, the likeliest first."""
        mean = self.pieces.mean(axis=0)
        return {self.labels[i]: float(mean[i]) for i in np.argsort(-mean, kind="stable")}

    @property
    def genre(self) -> str | None:
        """The likeliest genre; None where the model is not sure."""
        name, share = next(iter(self.probabilities.items()))
        return name if share >= self.threshold else None


@dataclass(frozen=True)
class Model:
    """The carried model: a classifier of a song's features, with what has to be known of it.

    Attributes
    ----------
    classifier : scikit-learn pipeline
    labels, columns : tuple of str
        Of `features.columns("kaggle")` those that are used.
    temperature, threshold : float
        See `evaluate.temperature`; a song whose likeliest genre lies below the threshold is
        not sure.
    """

    classifier: Any
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    temperature: float
    threshold: float
    heard: Iterator[int] = field(default_factory=count, repr=False, compare=False)

    window_seconds = WINDOW_SECONDS

    def hear(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Say what a piece of audio at `config.SR` is; one start, one row of probabilities."""
        analysis = features.Analysis if next(self.heard) >= WORTH_COMPILING else features.Uncompiled
        row = features.row(analysis(y, sr=config.SR), "kaggle", self.columns)
        return np.zeros(1), self.ask(row[None])

    def ask(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities of rows of features, shape (n, n_labels)."""
        X = _prepared(rows, self.columns)
        return evaluate.tempered(evaluate.probabilities(self.classifier, X), self.temperature)


@dataclass(frozen=True)
class _OfRun:
    """A model of a run, asked about windows of sound."""

    trained: Any
    threshold = 0.0
    window_seconds = WINDOW_SECONDS

    @property
    def labels(self) -> tuple[str, ...]:
        return self.trained.inputs.labels

    def hear(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from gtzan_helpers import extract

        inputs = self.trained.inputs
        starts, values = extract.describe(
            y, config.SR, inputs.features, segment_seconds=inputs.segment_seconds
        )
        if inputs.frame_period:
            values = extract.of_length(values, inputs.shape[-1])
        inputs.refuse_other(replace(inputs, shape=tuple(values.shape[1:])))
        return starts, self.trained.predict_proba(values).astype(float)


def _prepared(rows: np.ndarray, columns: tuple[str, ...]) -> np.ndarray:
    """Take logarithms of the variances, which span many orders of magnitude."""
    spread = np.array([name.endswith("_var") for name in columns])
    return np.where(spread, np.log(np.maximum(rows, 1e-12)), rows)


def load(path: str | Path = ""):
    """Load a model to ask about songs.

    Parameters
    ----------
    path : str or Path
        A file of a run's `models/`, a network (`.keras`) or a classical model (`.skops`); empty
        for the model that the package carries.

    Raises
    ------
    SourceError
        If it is no model, or damaged.
    SettingError
        If it hears something that a song does not give.
    """
    if not path:
        return _carried()
    from gtzan_helpers import extract, results

    trained = results.load_model(path)
    known = (*extract.ARRAYS, *features.TABLES)
    if trained.inputs.features not in known:
        raise SettingError(f"{path}: it was trained on {trained.inputs.features}, not on sound")
    period = trained.inputs.frame_period
    if period and abs(period / extract.FRAME_PERIOD - 1) > 0.01:
        raise SettingError(
            f"{path}: it was trained on a frame every {period:g} s; songs give one every "
            f"{extract.FRAME_PERIOD:g} s"
        )
    return _OfRun(trained)


def _carried() -> Model:
    import skops.io

    folder = config.facts_dir()
    try:
        stored = json.loads((folder / f"{_NAME}.json").read_text(encoding="utf-8"))
        classifier = skops.io.load(folder / f"{_NAME}.skops")
    except (OSError, ValueError) as error:
        raise SourceError(f"{folder / _NAME}: damaged ({error}); install the package again") from (
            error
        )
    return Model(
        classifier,
        tuple(stored["labels"]),
        tuple(stored["columns"]),
        stored["temperature"],
        stored["threshold"],
    )


def predict(path: str | Path, model: Any = None) -> Prediction:
    """Say which genre a song is.

    Parameters
    ----------
    path : str or Path
        Any file that libsndfile reads, of any rate, number of channels and length from 1 s on.
        It is read window by window, so that memory stays flat.
    model : object or None
        See `load`; None for the carried one.

    Returns
    -------
    Prediction

    Raises
    ------
    AudioError
        If the file cannot be used as audio.
    """
    model = model or _carried()
    keep_memory()
    starts, pieces, seconds = [], [], 0.0
    for y in _windows(path, model.window_seconds):
        if y.any():  # nothing is said of silence
            begins, probs = model.hear(y)
            starts.append(seconds + begins)
            pieces.append(probs)
        seconds += y.size / config.SR
    if not pieces:
        raise AudioError(f"{path}: silent: every sample is zero; there is nothing to classify")
    return Prediction(
        tuple(model.labels),
        np.concatenate(starts),
        np.concatenate(pieces),
        seconds,
        model.threshold,
    )


def _windows(path: str | Path, seconds: float) -> Iterator[np.ndarray]:
    """Windows of a file at `config.SR`; a last one that is short joins the one before."""
    held = None
    for y in audio.stream(path, sr=config.SR, seconds=seconds):
        if held is not None and y.size < seconds / 2 * config.SR:
            yield np.concatenate([held, y])
            held = None
            continue
        if held is not None:
            yield held
        held = y
    if held is not None:
        yield held


def song(path: str | Path, model: Any = None):
    """Draw a song, for notebooks: player, spectrogram of its first minute, genres over time.

    Returns
    -------
    Figure
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    from gtzan_helpers import charts, plots

    found = predict(path, model)
    y = next(audio.stream(path, sr=config.SR, seconds=60.0))
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 4.5))
    plots.mel_spectrogram(features.Analysis(y, sr=config.SR), bar=False, ax=above)
    edges = np.append(found.starts_s, found.seconds)
    charts.timeline(found.pieces, edges, list(found.labels), ax=below)
    above.set_title(f"{Path(path).name}: {found.genre or 'not sure'}")
    display(plots.player(y, config.SR))
    return figure


# Words


def line(path: str, found: Prediction) -> str:
    """One line for people."""
    shares = ", ".join(
        f"{name} {share:.0%}" for name, share in list(found.probabilities.items())[:3]
    )
    return f"{path}: {found.genre or 'not sure'} ({shares})"


def timeline(found: Prediction) -> Iterator[str]:
    """A line for each piece that was heard."""
    for start, probs in zip(found.starts_s, found.pieces, strict=True):
        best = int(probs.argmax())
        yield f"  {int(start // 60)}:{start % 60:04.1f} {found.labels[best]} {probs[best]:.0%}"


def as_json(path: str, found: Prediction) -> str:
    """One line for machines."""
    shares = {name: round(share, 4) for name, share in found.probabilities.items()}
    entry = {"file": path, "genre": found.genre, "probabilities": shares}
    return json.dumps(entry | {"seconds": round(found.seconds, 2)})


# Training


def train(table: str | Path, *, without: tuple[str, ...] = ()) -> tuple[Model, dict[str, Any]]:
    """Train the carried model, and measure what it is worth.

    Parameters
    ----------
    table : str or Path
        `features_30_sec.csv` of the Kaggle release.
    without : tuple of str
        Tracks to leave out, to judge the model by them.

    Returns
    -------
    model : Model
        Trained on all tracks; temperature and threshold are those of the fault-filtered split's
        valid part.
    measured : dict
        Scores under `fault_filtered` and, 10-fold, under `track_random`.
    """
    from sklearn.model_selection import StratifiedKFold

    from gtzan_helpers import dataset, extract, splits

    data = extract.extract(dataset.resolve(table, profile="full"), "kaggle", segment_seconds=0)
    columns = tuple(name for name in data.columns if name not in LEFT_OUT)
    X = _prepared(data.frame()[list(columns)].to_numpy(), columns)
    names, y = np.unique(data.segments.genre.to_numpy(str), return_inverse=True)
    ids = data.segments.track_id.to_numpy(str)
    (part,) = splits.make("fault_filtered", data.segments, data.tracks, seed=0)
    classifier = _classifier().fit(X[part.train], y[part.train])
    valid = evaluate.probabilities(classifier, X[part.valid])
    heat = evaluate.temperature(valid, y[part.valid])
    threshold = float(np.quantile(evaluate.tempered(valid, heat).max(axis=1), 0.05))
    probs = evaluate.probabilities(classifier, X[part.test])
    fair = evaluate.scores(ids[part.test], probs, y[part.test])
    out_of_fold = np.zeros((len(y), len(names)))
    for train_rows, test_rows in StratifiedKFold(10, shuffle=True, random_state=0).split(X, y):
        fold = _classifier().fit(X[train_rows], y[train_rows])
        out_of_fold[test_rows] = evaluate.probabilities(fold, X[test_rows])
    leaky = evaluate.scores(ids, out_of_fold, y)
    kept = ~np.isin(ids, without)
    model = Model(
        _classifier().fit(X[kept], y[kept]),
        tuple(names.tolist()),
        columns,
        round(heat, 4),
        round(threshold, 4),
    )
    measured = {
        name: [round(scores.track_accuracy, 3), round(scores.track_ci_low, 3),
               round(scores.track_ci_high, 3)]
        for name, scores in (("fault_filtered", fair), ("track_random", leaky))
    }  # fmt: skip
    return model, measured


def _classifier():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # Of the loss on the split's valid part the least, beside support vector machines.
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))


_CARD = """# The genre model that `gtzan predict` carries

A logistic regression (C = 0.1) on {n_columns} features of 30 s of music: means and variances of
chroma, loudness, spectral shape, zero crossings, harmonic and percussive signal and 20 MFCC, the
variances as logarithms. Trained on the 1000 tracks of GTZAN as they are in the Kaggle release's
table, without its columns `length`, {left_out}, which cannot be
computed again.

| judged on | accuracy (95 % interval) |
|---|---|
| artists that it never heard (fault-filtered split, 290 songs) | {fair} |
| other songs of GTZAN (10-fold over 1000 songs; artists and copies on both sides) | {leaky} |

Expect the first figure, or less, on your own songs. Probabilities are calibrated by one temperature
({temperature:.2f}), and the model is *not sure* below {threshold:.0%}: both were set on the split's
valid part, of which 95 % lie above.

**For** teaching, playing, and a first sorting of a collection. **Not for** decisions about people
or their work: it knows ten genres of a collection of about 2000, with wrong labels in one of
twenty, and nothing of most of the world's music. Anything else is put into one of the ten, too.

Written by `python -m gtzan_helpers.predict features_30_sec.csv`, which trains the model.
"""


def main(table: str) -> None:
    """Train the carried model and write it, with its card, into the package."""
    import skops.io

    model, measured = train(table)
    folder = config.facts_dir()
    with files.replacing(folder / f"{_NAME}.skops") as temporary:
        skops.io.dump(model.classifier, temporary)
    stored = {
        "labels": model.labels,
        "columns": model.columns,
        "temperature": model.temperature,
        "threshold": model.threshold,
        "accuracy": measured,
    }
    files.write_text(folder / f"{_NAME}.json", json.dumps(stored, indent=1) + "\n")
    said = {
        name: f"{100 * best:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        for name, (best, low, high) in measured.items()
    }
    card = _CARD.format(
        n_columns=len(model.columns),
        left_out=", ".join(f"`{name}`" for name in LEFT_OUT),
        fair=said["fault_filtered"],
        leaky=said["track_random"],
        temperature=model.temperature,
        threshold=model.threshold,
    )
    files.write_text(folder / f"{_NAME}.md", card)


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
