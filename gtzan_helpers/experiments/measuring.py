"""One row to be measured: fitted on the training set, chosen on validation, tested once."""

import contextlib
import hashlib
import json
import time
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import files
from gtzan_helpers.datasets import Source, splits
from gtzan_helpers.errors import MissingWeightsError, NotPossibleError, SourceError
from gtzan_helpers.experiments import kept, results
from gtzan_helpers.experiments.data import Data, gather
from gtzan_helpers.experiments.kept import Predictions
from gtzan_helpers.experiments.results import Row
from gtzan_helpers.models import Fitted, System, fitted, systems


@dataclass(frozen=True)
class Measurement:
    """One row: a system on a source under a protocol.

    Attributes
    ----------
    system : System
    source : Source
    protocol : str
        See `splits.PROTOCOLS`.
    seed : int
    folder : Path
        Of the run.
    """

    system: System
    source: Source
    protocol: str
    seed: int
    folder: Path

    @property
    def stem(self) -> str:
        """Name of the files that belong to the row."""
        return results.stem(self.system.system_id, self.source.name, self.protocol, self.seed)

    @property
    def title(self) -> str:
        """Its name for people, while it is measured."""
        return f"{self.system.name}, {self.protocol}"

    @cached_property
    def honest(self) -> bool:
        """Whether the protocol is the most honest one of the source, which may have none."""
        tracks = self.source.tracks
        return self.protocol in splits.HONEST and self.protocol == splits.honest(tracks)

    @property
    def artists(self) -> pd.Series:
        """Who plays, by the ids of the source's tracks."""
        return self.source.tracks.set_index("track_id").artist_group

    @cached_property
    def tuned(self) -> bool:
        """Whether settings are searched: in `full`, under the source's honest protocol."""
        return self.source.profile.tuned and bool(self.system.learner.search) and self.honest

    @cached_property
    def key(self) -> str:
        """Key of the row, 64 hexadecimal digits; nothing is computed or loaded for it.

        It is made of names and numbers only, in a canonical order. Settings and limits count only
        where they differ from their defaults, so that a new kind of either changes no old key.
        """
        parts = {
            "system": self.system.settings(tuned=self.tuned),
            "limits": self.source.profile.limits(),
            "protocol": self.protocol,
            "seed": int(self.seed),
            "tracks": self.source.digest(),
        }
        if self.system.learner.base:
            parts["base"] = systems.get(self.system.learner.base).settings()
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def result(self) -> tuple[Row, Predictions | None]:
        """Read the row and its predictions back, or measure and write them.

        A measured row is never replaced by one that says that it could not be measured.
        """
        folder = self.folder / "results"
        row = results.read_row(folder, self.stem, key=self.key)
        measured = row is not None and row.status != "not_measured"
        if row is not None and measured:
            with contextlib.suppress(SourceError):  # damaged or lost predictions: measured again
                if predictions := kept.read_predictions(self.folder, self.stem):
                    return row, predictions
        try:
            if self.system.averages:
                new_row, predictions = self.average()
            else:
                new_row, predictions = self.measure(self.data())
        except NotPossibleError as error:
            if row is not None and measured:
                return row, None
            missing_weights = isinstance(error, MissingWeightsError)
            note = str(error) if missing_weights else f"not possible on this source: {error}"
            refused = self.row("not_measured", note, features="", segment_seconds=float("nan"))
            before = results.read_row(folder, self.stem)
            if before is None or before.status == "not_measured":
                self.write_row(refused)
            return refused, None
        results.withdraw(folder, self.stem)
        kept.write_predictions(self.folder, self.stem, predictions)
        self.write_row(new_row)
        for number in range(splits.N_FOLDS):
            (self.folder / "folds" / f"{self.stem}__{number}.npz").unlink(missing_ok=True)
        return new_row, predictions

    def write_row(self, row: Row) -> None:
        """Write a row under this measurement's key.

        Parameters
        ----------
        row : Row
        """
        folder, digest = self.folder / "results", self.source.digest()
        results.write_row(folder, row, key=self.key, tracks=digest)

    def row(self, status: str, note: str, **values: Any) -> Row:
        """The row with these results."""
        return Row(
            system_id=self.system.system_id,
            source=self.source.name,
            protocol=self.protocol,
            seed=self.seed,
            status=status,
            note=note,
            profile=self.source.profile.name,
            **values,
        )

    def data(self) -> Data:
        """What the system is fitted to; see `data.gather`."""
        return gather(self.system, self.source, self.protocol, seed=self.seed)

    def fit(self, data: Data, fold: int = 0, *, base: Fitted | None = None) -> Fitted:
        """Fit the learner to one split of the data."""
        profile = self.source.profile
        return self.system.learner.fit(
            data.features.values,
            data.labels,
            data.splits[fold],
            inputs=data.inputs,
            seed=self.seed,
            steps_limit=profile.steps_limit,
            fetch=profile.fetches,
            tuned=self.tuned,
            balanced=profile.balanced,
            description=self.title,
            base=base,
            artists=data.artists,
        )

    def measure(self, data: Data) -> tuple[Row, Predictions]:
        """Fit, predict and score; models and histories go into the run's folder."""
        folds = [self.fold(data, number) for number in range(len(data.splits))]
        if histories := [fold.history for fold in folds if len(fold.history)]:
            text = pd.concat(histories).to_csv(index=False, lineterminator="\n")
            files.write_text(self.folder / "histories" / f"{self.stem}.csv", text)
        valid, test = (np.concatenate([getattr(f, p) for f in folds]) for p in ("valid", "test"))
        predictions = Predictions(
            np.array(data.inputs.labels),
            *self._part(data, "valid", valid),
            *self._part(data, "test", test),
        )
        uses_keras = self.system.learner.trains_epochs or self.system.pretrained
        libraries = ["scikit-learn", "librosa", *(["keras"] if uses_keras else [])]
        row = self.row(
            "control" if self.system.pretrained == "random" else "measured",
            self._note(data, [fold.note for fold in folds]),
            features=data.features.feature_set,
            segment_seconds=self.system.segment_seconds,
            n_train=self._mean_tracks(data, "train"),
            n_valid=self._mean_tracks(data, "valid"),
            n_test=len(np.unique(predictions.test_id)),
            train_accuracy=float(np.concatenate([fold.hits for fold in folds]).mean()),
            # Scored as stored, so that a row and its predictions never differ.
            **predictions.figures(self.artists),
            fit_seconds=round(sum(fold.seconds for fold in folds), 3),
            n_parameters=folds[0].n_parameters,
            pretrained=self.system.pretrained,
            versions=", ".join(f"{name} {version(name)}" for name in libraries),
        )
        return row, predictions

    def average(self) -> tuple[Row, Predictions]:
        """Average the predictions of other systems, which are measured where they are not yet.

        Raises
        ------
        NotPossibleError
            If one of them cannot be measured.
        """
        measured = [replace(self, system=systems.get(n)).result() for n in self.system.joins]
        for row, _ in measured:
            if row.status == "not_measured":
                raise NotPossibleError(f"{row.system_id}: {row.note}")
        members = [predictions for _, predictions in measured if predictions is not None]
        ids = {(tuple(each.valid_id), tuple(each.test_id)) for each in members}
        if len(members) < len(measured) or len(ids) > 1:
            raise NotPossibleError("its members have no predictions for the same tracks")
        probs = {
            name: kept.rounded(np.mean([getattr(each, name).astype(float) for each in members], 0))
            for name in ("valid_probs", "test_probs")
        }
        predictions, first = replace(members[0], **probs), measured[0][0]
        changes: dict[str, Any] = {"system_id": self.system.system_id, "features": "probabilities"}
        changes |= {"train_accuracy": None, "fit_seconds": None}
        changes |= {"pretrained": self.system.pretrained, **predictions.figures(self.artists)}
        return replace(first, **changes), predictions

    def fold(self, data: Data, number: int) -> kept.Fold:
        """Fit, save and apply the model of one fold, or read back what is kept of it.

        Parameters
        ----------
        data : Data
        number : int
            Of the fold.
        """
        path = self.folder / "folds" / f"{self.stem}__{number}.npz"
        return kept.keep_fold(path, lambda: self._fold(data, number), key=self.key)

    def _fold(self, data: Data, number: int) -> kept.Fold:
        started = time.perf_counter()
        model, part, values = self._fitted(data, number), data.splits[number], data.features.values
        seconds = time.perf_counter() - started
        # What was measured before loses its files now.
        results.withdraw(self.folder / "results", self.stem)
        self._keep(model, number)
        train, valid, test = (
            model.probabilities(values[indices]) for indices in (part.train, part.valid, part.test)
        )
        hits, history = train.argmax(axis=1) == data.labels[part.train], model.history
        size, history = model.n_parameters, history.assign(fold=number)
        return kept.Fold(hits, valid, test, model.note, history, size, seconds)

    def folds(self) -> list[int]:
        """The folds that are fitted on their own; none where the row is there, or impossible."""
        row = results.read_row(self.folder / "results", self.stem, key=self.key)
        measured = row is not None and row.status != "not_measured"
        if measured or self.system.learner.base or self.system.averages:
            return []
        try:
            return list(range(len(self.data().splits)))
        except NotPossibleError:
            return []

    def _fitted(self, data: Data, number: int) -> Fitted:
        """The model of one fold, fitted."""
        learner, base = self.system.learner, None
        if learner.base:
            trained = replace(self, system=systems.get(learner.base))
            trained.result()  # all folds at once
            base = trained.model(number)
        return self.fit(data, number, base=base)

    def _keep(self, model: Fitted, number: int) -> None:
        """Save the model of one fold, where the run keeps it."""
        learner = self.system.learner
        # Models are large. Those of leaking protocols are no use but to systems built on them.
        built_on = {system.learner.base for system in systems.SYSTEMS.values()}
        kept = self.honest or self.system.system_id in built_on
        if model.suffix and kept and learner.pretrained != "random":
            model.save(self.model_path(number).with_suffix(model.suffix))

    def model_path(self, fold: int = 0) -> Path:
        """Where the model of a fold lies."""
        path = self.folder / "models" / f"{self.stem}__{fold}.skops"
        return path if path.exists() else path.with_suffix(".keras")

    def model(self, fold: int = 0) -> Fitted:
        """Load the model of a fold, or fit it again where its file is gone or was not kept.

        Raises
        ------
        SourceError
            If it is damaged.
        """
        path = self.model_path(fold)
        if path.exists():
            return fitted.load(path)
        model = self._fitted(self.data(), fold)
        self._keep(model, fold)
        return model

    def _part(self, data: Data, part: str, probs: np.ndarray) -> tuple[Any, ...]:
        indices = np.concatenate([getattr(split, part) for split in data.splits])
        segments = data.features.segments.iloc[indices]
        ids, numbers = segments.track_id.to_numpy(str), segments.segment.to_numpy()
        return ids, numbers, data.labels[indices], kept.rounded(probs)

    def _mean_tracks(self, data: Data, part: str) -> int:
        """Tracks in a part; with a k-fold, the mean over its folds."""
        ids = data.features.segments.track_id
        counts = [ids.iloc[getattr(split, part)].nunique() for split in data.splits]
        return round(float(np.mean(counts)))

    def _note(self, data: Data, of_folds: list[str]) -> str:
        notes = []
        if len(data.splits) < data.n_folds:
            notes.append(f"{len(data.splits)} of {data.n_folds} folds")
        elif data.n_folds > 1:
            notes.append(f"{data.n_folds}-fold, pooled")
        if self.system.learner.components:
            from gtzan_helpers.models.classical import components

            n_train = min(len(part.train) for part in data.splits)
            notes.append(f"{components(n_train)} principal components")
        notes += [" / ".join(dict.fromkeys(of_folds))] if any(of_folds) else []
        if len(data.features.failures):
            notes.append(f"{len(data.features.failures)} tracks could not be used")
        return "; ".join(notes)
