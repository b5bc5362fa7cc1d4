"""Genres of songs of any length: the two models that `gtzan predict` carries.

A song is compared with every song that a model was trained on (`similarity`); its genre is their
weighted vote. Each length, from 1 s to 30 s, has its own votes, temperature and threshold.
`scripts/train_song_model.py` trains both.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from gtzan_helpers import config, files
from gtzan_helpers.audio import blocks, spectra
from gtzan_helpers.errors import DAMAGED_FILE, SourceError, reason
from gtzan_helpers.evaluation import prediction_sets, set_threshold, temperature, tempered
from gtzan_helpers.models.songs.answer import Answer
from gtzan_helpers.models.songs.similarity import BLOCKS, LENGTHS, Songs, length_of

# Frames per second of the levels that models are given.
FRAME_RATE = config.SR / spectra.HOP_LENGTH

# Length of the parts of a timeline.
PART_SECONDS = 5

#: Share of the prediction sets that hold the right genre.
COVERAGE = 0.9

# Scores are so many times as large as logarithms of probabilities would be, before calibration.
SHARPNESS = 10

# Below the first a recording is unlike any song, below the second it is little like them; songs
# are at 1 on average, and what is no music is about 0. See the models' card.
UNLIKE, LITTLE_LIKE = 0.72, 0.82

# A band is empty where its level is rarely higher, in dB below the maximum; 99 of 100 songs of
# GTZAN reach higher than the frequency.
EMPTY_DB, FULL_HZ = -75.0, 8200.0

# Songs that are named as the most similar.
N_NEIGHBOURS = 5

# What speaks for a genre: what is in the names of blocks, in words.
WORDS = {
    "sr": "rhythm and harmony",
    "hp": "tones and beats",
    "spread": "contrast",
    "percentiles": "loudness of bands",
    "cepstrum": "timbre",
    "correlations": "what is struck together",
    "sorted": "loud and quiet moments",
    "pulses": "pulse",
    "pool": "what MusiCNN hears",
}


@dataclass(frozen=True, eq=False)
class Heard:
    """What a model makes of one part of a song.

    Attributes
    ----------
    length : int
        Index into `LENGTHS`.
    probabilities : ndarray, shape (n_labels,)
    likeness : float
        How like a song it is.
    kernels : ndarray, shape (n_blocks, n_songs)
    highest_hz : float
        Centre of the highest band that is not empty.
    """

    length: int
    probabilities: np.ndarray
    likeness: float
    kernels: np.ndarray
    highest_hz: float


@dataclass(frozen=True, eq=False)
class SongModel:
    """A model of songs of any length.

    Attributes
    ----------
    name : str
        In words.
    labels : tuple of str
    songs : Songs
        What it was trained on.
    votes : ndarray, shape (n_lengths, n_songs, n_labels)
        What similarity to each song tells about each label.
    likeness : ndarray, shape (n_lengths, n_songs)
        What it tells about being a song at all, in the kernels of `BLOCKS` alone.
    shares : ndarray, shape (n_lengths, n_labels)
        Of the labels among the songs.
    temperatures, thresholds : ndarray, shape (n_lengths,)
        Of probabilities, and from which on genres belong to a prediction set.
    """

    name: str
    labels: tuple[str, ...]
    songs: Songs
    votes: np.ndarray
    likeness: np.ndarray
    shares: np.ndarray
    temperatures: np.ndarray
    thresholds: np.ndarray

    @property
    def identity(self) -> str:
        """What two models that answer differently do not share."""
        digest = hashlib.md5(repr(self.labels).encode())
        for part in (self, self.songs):
            for each in fields(part):
                if isinstance(value := getattr(part, each.name), np.ndarray):
                    digest.update(value.tobytes())
        return digest.hexdigest()

    def scores(self, kernels: np.ndarray, length: int) -> np.ndarray:
        """Scores of each label, from `Songs.similarities`; shape (n_recordings, n_labels)."""
        return self.shares[length] + kernels.sum(axis=0) @ self.votes[length]

    def likenesses(self, kernels: np.ndarray, length: int) -> np.ndarray:
        """How like songs recordings are, from `Songs.similarities`; shape (n_recordings,)."""
        return kernels[: len(BLOCKS)].sum(axis=0) @ self.likeness[length]

    def probabilities(self, scores: np.ndarray, length: int) -> np.ndarray:
        """Calibrated probabilities of scores, shape (n_recordings, n_labels)."""
        return tempered(softmax(SHARPNESS * scores, axis=1), self.temperatures[length])

    def calibrated(self, scores: Sequence[np.ndarray], y_true: np.ndarray) -> "SongModel":
        """The model with temperatures and thresholds from scores of songs that it has not met.

        Parameters
        ----------
        scores : sequence of ndarray, shape (n_recordings, n_labels)
            For each of `LENGTHS`.
        y_true : ndarray of int, shape (n_recordings,)
        """
        raw = [softmax(SHARPNESS * each, axis=1) for each in scores]
        heats = [temperature(probs, y_true) for probs in raw]
        even = [tempered(probs, heat) for probs, heat in zip(raw, heats, strict=True)]
        least = [set_threshold(probs, y_true, COVERAGE) for probs in even]
        return replace(self, temperatures=np.array(heats), thresholds=np.array(least))

    def answer(
        self, file: str, windows: Iterable[tuple[float, np.ndarray]], *, timeline: bool = False
    ) -> Answer:
        """Name the genres of a song.

        Parameters
        ----------
        file : str
            Its name.
        windows : iterable of (float, ndarray of shape (n_samples,))
            Where each part of the song begins, in seconds, and its audio at `config.SR`.
        timeline : bool
            Whether parts of the song are classified, too.
        """
        heard, rows, highest_hz = [], [], 0.0
        for start_s, y in windows:
            levels = spectra.levels(y, sr=config.SR)
            window = self.hear(levels)
            highest_hz = max(highest_hz, window.highest_hz)
            if window.likeness >= UNLIKE:
                heard.append(window)
            n_parts = max(1, round(levels.shape[1] / FRAME_RATE / PART_SECONDS)) if timeline else 0
            edges = np.linspace(0, levels.shape[1], n_parts + 1).round().astype(int)
            for first, last in pairwise(edges):
                part = self.hear(levels[:, first:last])
                if part.likeness >= UNLIKE:
                    rows.append((start_s + first / FRAME_RATE, *part.probabilities))
        notices = (f"nothing above {highest_hz / 1000:.0f} kHz",) * (highest_hz < FULL_HZ)
        if not heard:
            return Answer(file, self.name, {}, notices=notices)
        if np.mean([window.likeness for window in heard]) < LITTLE_LIKE:
            notices += ("little like the training songs (noisy, or filtered?): trust it less",)
        table = pd.DataFrame(rows, columns=["start_s", *self.labels])
        return replace(self._named(heard), file=file, notices=notices, timeline=table)

    def hear(self, levels: np.ndarray) -> Heard:
        """What the model makes of one part of a song, from its levels; see `spectra.levels`."""
        log_mel = blocks.audible(levels, frame_rate=FRAME_RATE)
        length = length_of(log_mel.shape[1])
        values = self.songs.columns(levels, frame_rate=FRAME_RATE)
        kernels = self.songs.similarities(values[None], length)
        (likeness,) = self.likenesses(kernels, length)
        (probabilities,) = self.probabilities(self.scores(kernels, length), length)
        filled = np.flatnonzero(np.percentile(log_mel, 95, axis=1) > EMPTY_DB)
        highest_hz = float(_hz()[filled.max(initial=0)])
        return Heard(length, probabilities, likeness, kernels[:, 0], highest_hz)

    def _named(self, heard: list[Heard]) -> Answer:
        """What the parts of a song tell together."""
        length = max(part.length for part in heard)
        probs = np.mean([part.probabilities for part in heard], axis=0)
        kernels = np.mean([part.kernels for part in heard], axis=0)
        order = np.argsort(-probs, kind="stable")
        n_named = max(1, int(prediction_sets(probs, self.thresholds[length]).sum()))
        votes = self.votes[length][:, order[0]] - self.votes[length].mean(axis=1)
        words = [next(WORDS[key] for key in WORDS if key in name) for name in self.songs.blocks]
        reasons = pd.Series(kernels @ votes, words).groupby(level=0).sum()
        return Answer(
            file="",
            model=self.name,
            probabilities={self.labels[i]: float(probs[i]) for i in order},
            genres=tuple(self.labels[i] for i in order[:n_named]),
            coverage=COVERAGE,
            neighbours=self.songs.nearest(kernels, N_NEIGHBOURS),
            reasons=reasons.sort_values(ascending=False).to_dict(),
        )


@lru_cache
def _hz() -> np.ndarray:
    """Centre of each band."""
    import librosa

    return librosa.mel_to_hz(spectra.mel_centres(config.SR, spectra.N_MELS))


# Files: that of a large model lacks what its model shares with the small one beside it

_SHARED = ("labels", "track_id", "genre", "likeness")
_COLUMNS = ("mean", "deviation", "points")


def save(path: str | Path, model: SongModel) -> Path:
    """Write a model as plain arrays.

    Parameters
    ----------
    path : str or Path
        ``.npz``. A large model needs its small one beside it: "large" in the name of the file
        is "small" in that of the other.
    model : SongModel
    """
    arrays = {name: np.asarray(value) for name, value in vars(model).items() if name != "songs"}
    arrays |= {each.name: getattr(model.songs, each.name) for each in fields(Songs)}
    if len(model.songs.blocks) > len(BLOCKS):
        first = sum(size for size, _ in BLOCKS.values())
        arrays = {name: value for name, value in arrays.items() if name not in _SHARED}
        arrays |= {name: arrays[name][:, first:] for name in _COLUMNS}
    with files.replacing(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
    return Path(path)


def load(path: str | Path) -> SongModel:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    SourceError
        If it is missing, damaged, or no such model.
    """
    try:
        arrays = files.load_arrays(path)
        if "labels" not in arrays:
            small = files.load_arrays(str(path).replace("large", "small"))
            joined = [np.concatenate([small[name], arrays[name]], axis=1) for name in _COLUMNS]
            arrays = small | arrays | dict(zip(_COLUMNS, joined, strict=True))
        songs = Songs(**{each.name: arrays.pop(each.name) for each in fields(Songs)})
        words = {"name": str(arrays["name"]), "labels": tuple(arrays["labels"].tolist())}
        parts: dict[str, Any] = arrays | words
        return _tried(SongModel(songs=songs, **parts))
    except DAMAGED_FILE as error:
        raise SourceError(f"{path}: not a model of songs ({reason(error)})") from error


def _tried(model: SongModel) -> SongModel:
    """The model, if its arrays fit together."""
    nothing = np.zeros((1, model.songs.points.shape[1]), np.float32)
    for length in range(len(LENGTHS)):
        kernels = model.songs.similarities(nothing, length)
        alike = model.likenesses(kernels, length)
        probs = model.probabilities(model.scores(kernels, length), length)
        if probs.shape != (1, len(model.labels)) or not np.isfinite([*probs[0], *alike]).all():
            raise ValueError("its arrays do not fit together")
    return model
