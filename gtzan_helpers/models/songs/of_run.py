"""Genres of songs by a model that a run of the notebooks has trained."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config, files
from gtzan_helpers.audio import FEATURE_SETS, feature_sets, segments
from gtzan_helpers.errors import SettingError
from gtzan_helpers.models import fitted
from gtzan_helpers.models.songs.answer import Answer


@dataclass(frozen=True, eq=False)
class RunModel:
    """A model of a run; it promises nothing, and its prediction sets are its first answers.

    Attributes
    ----------
    name : str
        Its file.
    fitted : Fitted
    identity : str
        What two models that answer differently do not share.
    """

    name: str
    fitted: fitted.Fitted
    identity: str

    @classmethod
    def load(cls, path: str | Path) -> "RunModel":
        """Read a file of a run's `models/`.

        Parameters
        ----------
        path : str or Path
            A network (``.keras``) or a classical model (``.skops``).

        Raises
        ------
        SourceError
            If it is no model, or damaged.
        SettingError
            If it was trained on features that a song does not give.
        """
        model = fitted.load(path)
        inputs, of_songs = model.inputs, feature_sets.FRAME_PERIOD
        if inputs.features not in FEATURE_SETS or not FEATURE_SETS[inputs.features].can_use_audio:
            raise SettingError(f"{path}: it was trained on {inputs.features}, not on sound")
        if inputs.frame_period and abs(inputs.frame_period / of_songs - 1) > 0.01:
            period = f"a frame every {inputs.frame_period:g} s"
            raise SettingError(
                f"{path}: it was trained on {period}; songs give one every {of_songs:g} s"
            )
        return cls(str(path), model, files.file_hash(path))

    def answer(
        self, file: str, windows: Iterable[tuple[float, np.ndarray]], *, timeline: bool = False
    ) -> Answer:
        """Name the genre of a song; see `SongModel.answer`."""
        labels, parts = [*self.fitted.inputs.labels], []
        for start_s, y in windows:
            if not y.any():  # silence is not classified
                continue
            starts_s, probabilities = self._classify(y)
            parts.append(pd.DataFrame(probabilities, columns=labels))
            parts[-1].insert(0, "start_s", start_s + starts_s)
        table = pd.concat(parts, ignore_index=True)
        mean = table[labels].mean().sort_values(ascending=False, kind="stable")
        synthetic = self.fitted.inputs.source == "synthetic"
        return Answer(
            file,
            self.name,
            mean.to_dict(),
            (mean.index[0],),
            notices=("the model was trained on synthetic music, not on songs",) * synthetic,
            timeline=table if timeline else pd.DataFrame(),
        )

    def _classify(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Starts in seconds and probabilities of the segments of a window."""
        inputs = self.fitted.inputs
        feature_set = FEATURE_SETS[inputs.features]
        if inputs.columns:
            feature_set = replace(feature_set, columns=inputs.columns)
        parts = feature_set.from_audio(y, sr=config.SR, segment_seconds=inputs.segment_seconds)
        values = parts.values
        if values.ndim == 3:  # a window is not as long as what it was trained on
            values = segments.repeat_or_cut(values, inputs.shape[-1])
        inputs.refuse_other(replace(inputs, shape=tuple(values.shape[1:])))
        return parts.starts_s, self.fitted.probabilities(values).astype(float)
