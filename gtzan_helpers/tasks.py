"""One row to be measured: a system's data, its split, and the model that is fitted to it.

`make` gathers what a row needs; `Task.measure` fits on train, chooses on valid, touches test once.
"""

import hashlib
import json
import time
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import classical, dataset, evaluate, extract, files, results, splits, systems
from gtzan_helpers.errors import NotPossibleError, SourceError
from gtzan_helpers.inputs import Inputs
from gtzan_helpers.results import Predictions, Row

HEADS = ("stacked_cnn_svm", "stacked_cnn_gmm")
"""Classical models on what the convolutions of a trained `stacked_cnn` make of a track."""


@dataclass(frozen=True)
class _Fitted:
    """A model fitted to one split, and what is to be said of it."""

    model: Any
    note: str = ""
    n_parameters: int | None = None
    history: pd.DataFrame | None = None


@dataclass(frozen=True)
class Task:
    """One row to be measured; see `make`.

    Attributes
    ----------
    system : System
    source : Source
    protocol : str
    seed : int
    data : Extraction
        What the system is fed; changed copies, where it makes some, follow the originals.
    parts : list of Split
        Rows of `data`; of a k-fold one for each fold that is measured.
    n_folds : int
        Folds that there are.
    network : Network, Transfer or None
        What is trained; None for a classical model.
    """

    system: systems.System
    source: dataset.Source
    protocol: str
    seed: int
    data: extract.Extraction
    parts: list[splits.Split]
    n_folds: int
    network: Any = None

    @property
    def stem(self) -> str:
        """Name of the files that belong to the row."""
        return results.stem(self.system.system_id, self.source.name, self.protocol, self.seed)

    @property
    def labels(self) -> np.ndarray:
        """Names of the labels, sorted."""
        return np.unique(self.data.segments.genre.to_numpy(str))

    @property
    def y(self) -> np.ndarray:
        """Label of each segment, as an index into `labels`."""
        return np.unique(self.data.segments.genre.to_numpy(str), return_inverse=True)[1]

    @property
    def pretrained(self) -> str:
        """Whose weights were there before training; empty where there were none."""
        if self.system.family != "transfer":
            return ""
        return "MusiCNN" if self.system.array == extract.PATCHES else self.network.weights

    @property
    def tuned(self) -> bool:
        """Whether settings are searched: in `full`, under the source's honest protocol."""
        return (
            self.source.profile.tuned
            and self.system.system_id in classical.SEARCH
            and self.protocol == splits.honest(self.data.tracks)
        )

    @property
    def inputs(self) -> Inputs:
        """What a model is fed."""
        return Inputs(
            features=self.data.what,
            segment_seconds=self.system.segment_seconds,
            shape=tuple(self.data.values.shape[1:]),
            labels=tuple(self.labels.tolist()),
            frame_period=self.data.frame_period,
        )

    def key(self) -> str:
        """What the row depends on; a change makes it stale."""
        ids = [self.data.segments[["track_id", "segment", "genre"]].to_csv(index=False)]
        values = hashlib.sha256(self.data.values.tobytes()).hexdigest()
        rows = [
            [part.train.tolist(), part.valid.tolist(), part.test.tolist()] for part in self.parts
        ]
        settings = [self._classical_settings(), self._network_settings()]
        text = json.dumps([ids, values, settings, rows, self.data.what])
        return hashlib.sha256(text.encode()).hexdigest()

    def _classical_settings(self) -> str:
        if self.system.system_id not in classical.names():
            return ""
        model = classical.build(self.system.system_id, n_train=10, seed=self.seed)
        search = classical.SEARCH.get(self.system.system_id) if self.tuned else None
        return f"{model!r} {search!r}"

    def _network_settings(self) -> str:
        if self.network is None:
            return ""
        inputs = self.inputs
        text = self.network.settings(inputs.shape, len(inputs.labels))
        return f"{text} {self.source.profile.epochs_limit}"

    def result(self, folder: Path, *, anew: bool = False) -> tuple[Row, Predictions]:
        """Read the row and its predictions back, or measure and write them."""
        key = self.key()
        row = None if anew else results.read_row(folder / "results", self.stem, key=key)
        predictions = results.stored_predictions(folder, self.stem) if row else None
        if row is None or predictions is None:
            row, predictions = self.measure(folder)
            results.write_predictions(folder, self.stem, predictions)
            results.write_row(folder / "results", row, key=key)
        return row, predictions

    def measure(self, folder: Path) -> tuple[Row, Predictions]:
        """Fit, predict and score; models and histories go into the run's folder."""
        y = self.y
        started = time.perf_counter()
        train_hits, valid_probs, test_probs, fitted = [], [], [], []
        for number, part in enumerate(self.parts):
            found = self._fit(part, y, folder, number)
            probs = evaluate.probabilities(found.model, self.data.values[part.train])
            train_hits.append(probs.argmax(axis=1) == y[part.train])
            valid_probs.append(evaluate.probabilities(found.model, self.data.values[part.valid]))
            test_probs.append(evaluate.probabilities(found.model, self.data.values[part.test]))
            fitted.append(replace(found, model=None))
        fit_seconds = time.perf_counter() - started
        self._write_histories(folder, fitted)
        valid = np.concatenate([part.valid for part in self.parts])
        test = np.concatenate([part.test for part in self.parts])
        predictions = Predictions(
            self.labels,
            *self._part(valid, y, np.concatenate(valid_probs)),
            *self._part(test, y, np.concatenate(test_probs)),
        )
        # Scored as stored, so that a row and its predictions never differ.
        scores = evaluate.scores(
            predictions.test_id, predictions.test_probs.astype(float), predictions.test_true
        )
        valid_hits = np.concatenate(valid_probs).argmax(axis=1) == y[valid]
        row = Row(
            system_id=self.system.system_id,
            source=self.source.name,
            features=self.data.what,
            segment_seconds=self.system.segment_seconds,
            protocol=self.protocol,
            seed=self.seed,
            status="control" if self.pretrained == "random" else "measured",
            note=self._note([found.note for found in fitted]),
            n_train=self._tracks("train"),
            n_valid=self._tracks("valid"),
            n_test=len(np.unique(predictions.test_id)),
            train_accuracy=float(np.concatenate(train_hits).mean()),
            valid_accuracy=float(valid_hits.mean()),
            segment_accuracy=scores.segment_accuracy,
            track_accuracy=scores.track_accuracy,
            track_ci_low=scores.track_ci_low,
            track_ci_high=scores.track_ci_high,
            macro_f1=scores.macro_f1,
            fit_seconds=round(fit_seconds, 3),
            n_parameters=fitted[0].n_parameters,
            pretrained=self.pretrained,
            profile=self.source.profile.name,
            versions=", ".join(f"{name} {version(name)}" for name in self._libraries()),
        )
        return row, predictions

    def _fit(self, part: splits.Split, y: np.ndarray, folder: Path, number: int) -> _Fitted:
        if self.system.system_id in HEADS:
            return self._fit_head(part, y, folder, number)
        if self.network is not None:
            return self._fit_network(part, y, folder, number)
        found = self._fit_classical(part, y)
        if not self.system.array:  # on whole spectrograms a model takes hundreds of megabytes
            kept = classical.Fitted(found.model, self.inputs)
            kept.save(results.model_path(folder, self.stem, number, suffix=".skops"))
        return found

    def _fit_classical(self, part: splits.Split, y: np.ndarray) -> _Fitted:
        """Fit to train; where settings are searched, the best on valid stays as it was fitted."""
        best, best_hits, best_settings = None, -1.0, {}
        search = classical.SEARCH[self.system.system_id] if self.tuned else ({},)
        for settings in search:
            model = classical.build(
                self.system.system_id, n_train=len(part.train), seed=self.seed, **settings
            ).fit(self.data.values[part.train], y[part.train])
            hits = 0.0
            if len(search) > 1:
                hits = float((model.predict(self.data.values[part.valid]) == y[part.valid]).mean())
            if hits > best_hits:
                best, best_hits, best_settings = model, hits, settings
        words = " ".join(f"{name}={value}" for name, value in best_settings.items())
        return _Fitted(best, f"chosen on valid: {words}" if self.tuned else "")

    def _fit_network(self, part: splits.Split, y: np.ndarray, folder: Path, number: int) -> _Fitted:
        trained = self.train(part, y)
        trained.save(results.model_path(folder, self.stem, number))
        epoch = int(trained.history.epoch[trained.history.best].iloc[0])
        note = f"epoch {epoch} of {len(trained.history)}"
        return _Fitted(trained, note, trained.n_parameters, trained.history)

    def train(self, part: splits.Split, y: np.ndarray):
        """Train the network on one split."""
        from gtzan_helpers import pretrained, training

        fit = training.fit
        if self.system.system_id in pretrained.names():
            fit = partial(pretrained.fit, fetch=self.source.profile.fetches)
        return fit(
            self.network,
            self.data.values,
            y,
            part,
            inputs=self.inputs,
            seed=self.seed,
            epochs_limit=self.source.profile.epochs_limit,
            description=f"{self.system.system_id}, {self.protocol}",
        )

    def models(self, folder: Path) -> list:
        """Load the networks that were trained for this row, one a fold."""
        from gtzan_helpers import training

        paths = [results.model_path(folder, self.stem, number) for number in range(len(self.parts))]
        loaded = [training.load(path) for path in paths]
        for model in loaded:
            model.inputs.refuse_other(self.inputs)
        return loaded

    def _fit_head(self, part: splits.Split, y: np.ndarray, folder: Path, number: int) -> _Fitted:
        from gtzan_helpers import networks, training

        base = replace(self, system=systems.get("stacked_cnn"))
        if number == 0:  # all folds at once
            base.result(folder)
        try:
            trained = training.load(results.model_path(folder, base.stem, number))
        except SourceError:  # its row was kept, its model was not
            base.result(folder, anew=True)
            trained = training.load(results.model_path(folder, base.stem, number))
        trained.inputs.refuse_other(self.inputs)
        layer = networks.CONVOLUTIONAL_OUTPUT
        n_features = trained.model.get_layer(layer).output.shape[-1]
        n_train = min(len(part.train), n_features + 1)
        head = classical.build(self.system.system_id, n_train=n_train, seed=self.seed)
        model = _OnConvolutions(trained, layer, head)
        return _Fitted(model.fit(self.data.values[part.train], y[part.train]))

    def _write_histories(self, folder: Path, fitted: list[_Fitted]) -> None:
        tables = [
            found.history.assign(fold=number)
            for number, found in enumerate(fitted)
            if found.history is not None
        ]
        if tables:
            text = pd.concat(tables).to_csv(index=False, lineterminator="\n")
            files.write_text(folder / "histories" / f"{self.stem}.csv", text)

    def _libraries(self) -> list[str]:
        names = ["scikit-learn", "librosa"]
        return names if self.network is None else [*names, "keras"]

    def _part(self, rows: np.ndarray, y: np.ndarray, probs: np.ndarray) -> tuple:
        segments = self.data.segments.iloc[rows]
        ids, numbers = segments.track_id.to_numpy(str), segments.segment.to_numpy()
        return ids, numbers, y[rows], results.rounded(probs)

    def _tracks(self, part: str) -> int:
        """Tracks in a part; of a k-fold, the mean of its folds."""
        ids = self.data.segments.track_id
        counts = [ids.iloc[getattr(split, part)].nunique() for split in self.parts]
        return round(float(np.mean(counts)))

    def _note(self, of_parts: list[str]) -> str:
        notes = []
        if len(self.parts) < self.n_folds:
            notes.append(f"{len(self.parts)} of {self.n_folds} folds")
        elif self.n_folds > 1:
            notes.append(f"{self.n_folds}-fold, pooled")
        own = self.system.system_id
        reduced = own in classical.names() or (self.network and self.network.components)
        if self.system.study == "stacked" and reduced:
            n_train = min(len(part.train) for part in self.parts)
            notes.append(f"{classical.components(n_train)} principal components")
        notes += [" / ".join(dict.fromkeys(of_parts))] if any(of_parts) else []
        if len(self.data.failures):
            notes.append(f"{len(self.data.failures)} tracks could not be used")
        return "; ".join(notes)


def make(
    system: systems.System,
    source: dataset.Source,
    protocol: str,
    *,
    seed: int,
    jobs: int | None = None,
    network: Any = None,
) -> Task:
    """Gather what a row needs: features, copies where the system makes some, and the split.

    Parameters
    ----------
    system : System
    source : Source
    protocol : str
        See `splits.PROTOCOLS`.
    seed : int
    jobs : int or None
        Processes for extraction.
    network : Network, Transfer or None
        Instead of the system's own.

    Raises
    ------
    NotPossibleError
        If the source lacks what system or protocol need.
    """
    network = network or _network(system)
    copies = () if network is None else network.copies
    data = _inputs(system, source, jobs, network)
    n_segments = len(data.segments)
    if protocol == "segment_random_augmented":
        if not copies:
            raise NotPossibleError(f"{protocol} is for systems that make copies; it makes none")
        data = _with_copies(data, copies, system, source, jobs)
    parts = splits.make(
        protocol,
        data.segments,
        data.tracks,
        test_size=system.test_size,
        valid_size=system.valid_size,
        seed=seed,
    )
    if copies and protocol != "segment_random_augmented":
        data = _with_copies(data, copies, system, source, jobs)
        shifts = n_segments * np.arange(1 + len(copies))[:, None]
        parts = [replace(part, train=(part.train + shifts).ravel()) for part in parts]
    n_folds = len(parts)
    if network is not None:
        parts = parts[: source.profile.folds_limit]
    return Task(system, source, protocol, seed, data, parts, n_folds, network)


def _network(system: systems.System):
    """The network that is trained, or whose convolutions are used; None without one."""
    if system.system_id in HEADS:
        system = systems.get("stacked_cnn")
    if system.system_id in classical.names():
        return None
    from gtzan_helpers import networks, pretrained  # here, because Keras takes seconds

    transferred = system.system_id in pretrained.names()
    return (pretrained if transferred else networks).get(system.system_id)


def _with_copies(data: extract.Extraction, changes, system, source: dataset.Source, jobs):
    """Segments, and then for each change a changed copy of every one in the same order."""
    seconds = system.segment_seconds
    copies = [
        extract.extract(source, data.what, segment_seconds=seconds, change=change, jobs=jobs)
        for change in changes
    ]
    which = ["track_id", "segment"]
    for change, copy in zip(changes, copies, strict=True):
        if not copy.segments[which].equals(data.segments[which]):
            raise SourceError(
                f"{source.name}: copies ({change}) are not of the same segments as the originals; "
                "please report this source"
            )
    segments = [data.segments, *(copy.segments for copy in copies)]
    return replace(
        data,
        segments=pd.concat(segments, ignore_index=True),
        values=np.concatenate([data.values, *(copy.values for copy in copies)]),
    )


def _inputs(system: systems.System, source: dataset.Source, jobs: int | None, network):
    """The features a system is fed from a source of that kind."""
    if system.family == "transfer":
        from gtzan_helpers import pretrained

        if system.array == extract.PATCHES:
            return pretrained.heard(source, jobs=jobs)
        return pretrained.activations(network, source, fetch=source.profile.fetches, jobs=jobs)
    what = system.array or extract.natural_table(source)
    if system.study == "capstone" and not system.array and source.kind == "audio":
        what = "capstone"
    seconds = system.segment_seconds
    return extract.extract(source, what, segment_seconds=seconds, jobs=jobs)


@dataclass(frozen=True)
class _OnConvolutions:
    """A classical model on a layer of a trained network."""

    trained: Any
    layer: str
    head: Any

    def fit(self, values: np.ndarray, y: np.ndarray) -> "_OnConvolutions":
        self.head.fit(self.trained.hidden(values, self.layer), y)
        return self

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        return evaluate.probabilities(self.head, self.trained.hidden(values, self.layer))
