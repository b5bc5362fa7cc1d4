"""A song in, its genres out: by the small model that the package carries, or one of a run.

`scripts/train_song_model.py` trains the carried model.
"""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gtzan_helpers import config
from gtzan_helpers.audio import FEATURE_SETS, feature_sets, reading, segments
from gtzan_helpers.errors import AudioError, SettingError
from gtzan_helpers.models import Fitted, fitted
from gtzan_helpers.workers import keep_memory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Length of the windows that songs are read in: that of the clips the models were trained on.
WINDOW_SECONDS = 30.0


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for one song.

    Attributes
    ----------
    labels : tuple of str
    starts_s : ndarray, shape (n_pieces,)
        Start of each classified piece, in seconds.
    pieces : ndarray, shape (n_pieces, n_labels)
        Probabilities over time.
    seconds : float
        Length of the song.
    threshold : float
        Confidence that an answer needs.
    """

    labels: tuple[str, ...]
    starts_s: np.ndarray
    pieces: np.ndarray
    seconds: float
    threshold: float

    @property
    def probabilities(self) -> dict[str, float]:
        """Mean over the song, the most probable genre first."""
        mean = self.pieces.mean(axis=0)
        return {self.labels[i]: float(mean[i]) for i in np.argsort(-mean, kind="stable")}

    @property
    def genre(self) -> str | None:
        """The most probable genre; None where the confidence is too low."""
        name, probability = next(iter(self.probabilities.items()))
        return name if probability >= self.threshold else None


def carried_path() -> Path:
    """The file of the model that the package carries."""
    return config.facts_dir() / "genres.skops"


def load(path: str | Path = "") -> Fitted:
    """Load a model to classify songs with.

    Parameters
    ----------
    path : str or Path
        A file of a run's `models/`, a network (``.keras``) or a classical model (``.skops``);
        empty for the model that the package carries.

    Raises
    ------
    SourceError
        If it is no model, or damaged.
    SettingError
        If it was trained on features that a song does not give.
    """
    with warnings.catch_warnings():
        if not path:  # the tests read it with every version of scikit-learn that is promised
            warnings.filterwarnings("ignore", "Trying to unpickle estimator")
        path = path or carried_path()
        model = fitted.load(path)
    inputs = model.inputs
    if inputs.features not in FEATURE_SETS or not FEATURE_SETS[inputs.features].can_use_audio:
        raise SettingError(f"{path}: it was trained on {inputs.features}, not on sound")
    period, of_songs = inputs.frame_period, feature_sets.FRAME_PERIOD
    if period and abs(period / of_songs - 1) > 0.01:
        raise SettingError(
            f"{path}: it was trained on a frame every {period:g} s; songs give one every "
            f"{of_songs:g} s"
        )
    return model


def predict(path: str | Path, model: Fitted | None = None) -> Prediction:
    """Classify a song.

    Parameters
    ----------
    path : str or Path
        Any file of audio, of any rate, number of channels and length from 1 s on.
        It is read in windows, so that memory stays flat.
    model : Fitted or None
        See `load`; None for the carried one.

    Returns
    -------
    Prediction

    Raises
    ------
    AudioError
        If the file cannot be used as audio.
    """
    if str(path) == "-":
        raise AudioError("-: standard input is not read; save it as a file first")
    model = model or load()
    keep_memory()
    starts, pieces, seconds = [], [], 0.0
    for y in _windows(path, WINDOW_SECONDS):
        if y.any():  # silence is not classified
            starts_s, probabilities = _classify(y, model)
            starts.append(seconds + starts_s)
            pieces.append(probabilities)
        seconds += y.size / config.SR
    if not pieces:
        raise AudioError(f"{path}: silent: every sample is zero; there is nothing to classify")
    parts = (np.concatenate(starts), np.concatenate(pieces))
    return Prediction(model.inputs.labels, *parts, seconds, model.inputs.threshold)


def _windows(path: str | Path, seconds: float) -> Iterator[np.ndarray]:
    """Windows of a file at `config.SR`; a short last one is joined to the one before."""
    waiting: list[np.ndarray] = []
    for y in reading.stream(path, sr=config.SR, seconds=seconds):
        if waiting and y.size >= seconds / 2 * config.SR:
            yield waiting.pop()
        waiting.append(y)
    if waiting:
        yield np.concatenate(waiting)


def _classify(y: np.ndarray, model: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Starts in seconds and probabilities of the segments of a window."""
    inputs = model.inputs
    feature_set = FEATURE_SETS[inputs.features]
    if inputs.columns:
        feature_set = replace(feature_set, columns=inputs.columns)
    parts = feature_set.from_audio(y, sr=config.SR, segment_seconds=inputs.segment_seconds)
    values = parts.values
    if values.ndim == 3:  # a window is not as long as what it was trained on
        values = segments.repeat_or_cut(values, inputs.shape[-1])
    inputs.refuse_other(replace(inputs, shape=tuple(values.shape[1:])))
    return parts.starts_s, model.probabilities(values).astype(float)


def song(path: str | Path, model: Fitted | None = None) -> "Figure":
    """Draw a song, for notebooks: player, spectrogram of its first minute, genres over time.

    Parameters
    ----------
    path, model
        See `predict`.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    from gtzan_helpers.audio.analysis import Analysis
    from gtzan_helpers.plots import notebook, scores, sound

    prediction = predict(path, model)
    y = next(reading.stream(path, sr=config.SR, seconds=60.0))
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 4.5), layout="constrained")
    sound.mel_spectrogram(Analysis(y, sr=config.SR), ax=above)
    edges = np.append(prediction.starts_s, prediction.seconds)
    scores.timeline(prediction.pieces, edges, list(prediction.labels), ax=below)
    above.set_title(f"{Path(path).name}: {prediction.genre or 'not sure'}")
    display(notebook.player(y, config.SR))
    return figure


# Output


def line(path: str, prediction: Prediction) -> str:
    """One line for people."""
    likeliest = list(prediction.probabilities.items())[:3]
    shares = ", ".join(f"{name} {probability:.0%}" for name, probability in likeliest)
    return f"{path}: {prediction.genre or 'not sure'} ({shares})"


def timeline(prediction: Prediction) -> Iterator[str]:
    """One line for each classified piece."""
    for start, probabilities in zip(prediction.starts_s, prediction.pieces, strict=True):
        best = int(probabilities.argmax())
        time = f"{int(start // 60)}:{start % 60:04.1f}"
        yield f"  {time} {prediction.labels[best]} {probabilities[best]:.0%}"


def as_json(path: str, prediction: Prediction) -> str:
    """One line for machines."""
    shares = {name: round(share, 4) for name, share in prediction.probabilities.items()}
    entry = {"file": path, "genre": prediction.genre, "probabilities": shares}
    return json.dumps(entry | {"seconds": round(prediction.seconds, 2)})
