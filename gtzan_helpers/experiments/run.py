"""A run, as a notebook has it: a source, a profile, a seed and a folder.

Whatever is measured is kept in the folder, and read back when it is asked for again.
"""

import html
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config, files
from gtzan_helpers.datasets import (
    COLUMNS,
    Features,
    LostSource,
    Source,
    address,
    open_source,
    splits,
)
from gtzan_helpers.errors import (
    DAMAGED_FILE,
    GtzanError,
    NotPossibleError,
    SettingError,
    SourceError,
    choose,
    safe,
)
from gtzan_helpers.experiments import kept, results
from gtzan_helpers.experiments.kept import Predictions
from gtzan_helpers.experiments.measuring import Measurement
from gtzan_helpers.experiments.parallel import measure
from gtzan_helpers.experiments.results import Rows
from gtzan_helpers.models import Fitted, Learner, systems
from gtzan_helpers.workers import Workers, progress_bar


def start(
    source: str | Path | Source = "synthetic",
    *,
    profile: str = "quick",
    seed: int = 0,
    run_dir: str | Path = "",
    needs: Iterable[str] = (),
) -> "Run":
    """Open a source and the folder of its run, and show the banner.

    Parameters
    ----------
    source : str, Path or Source
        See `datasets.open_source`. If it is gone, but the folder holds results of it, those can
        still be read.
    profile : {"smoke", "quick", "full"}
    seed : int
        Random seed of splits and models.
    run_dir : str or Path
        Folder for everything that is kept; empty for ``runs/<source>-<profile>``.
    needs : iterable of {"audio", "log_mel", "features", "pretrained"}
        What the notebook needs of the source.

    Returns
    -------
    Run

    Raises
    ------
    NotPossibleError
        If the source does not give what is needed.
    SettingError
        If the seed cannot be one.
    SourceError
        If there is no such source.
    """
    run = resume(source, profile=profile, seed=seed, run_dir=run_dir)
    if reason := run.source.lacks(needs):
        raise NotPossibleError(reason)
    from IPython.display import display

    from gtzan_helpers.plots.notebook import banner

    display(banner(run.source))
    return run


def resume(
    source: str | Path | Source, *, profile: str, seed: int = 0, run_dir: str | Path = ""
) -> "Run":
    """Open a source and the folder of its run; see `start`."""
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise SettingError(f"seed {seed!r} is no whole number from 0 to {2**32 - 1}")
    opened, folder = _open(source, profile, run_dir)
    return Run(opened, seed, folder)


def leave_out(reason: object) -> None:
    """Show a notice of what is left out, and why."""
    from IPython.display import display

    from gtzan_helpers.plots.notebook import notice

    display(notice(f"Left out: {html.escape(str(reason))}"))


def if_possible(make: Callable[..., Features], *args: Any, **settings: Any) -> Features:
    """Make features; where that is not possible, say why, and give those of no track.

    Parameters
    ----------
    make : callable
        Called with the other arguments.
    """
    try:
        return make(*args, **settings)
    except (GtzanError, OSError) as error:
        leave_out(error)
        names = ["track_id", "segment", "start_s", "genre", "repeated"]
        segments, none = pd.DataFrame(columns=names), pd.DataFrame()
        return Features(segments, np.zeros((0, 0)), (), none, none)


def _open(source: str | Path | Source, profile: str, run_dir: str | Path) -> tuple[Source, Path]:
    """The source, and the folder of its run, which keeps the table of its tracks."""
    folder = config.expanded(run_dir or config.run_dir(address(source), profile))
    try:
        opened = open_source(source, profile=profile, learning=True)
        opened.tracks  # noqa: B018 - read now, so that a fault shows here
    except SourceError as error:
        lost = _stored_source(folder, str(error), config.profile(profile))
        if lost is None:
            raise
        return lost, folder
    keep_source(folder, opened)
    return opened, folder


def keep_source(folder: Path, source: Source) -> None:
    """Keep in a run's folder which source it is of, and the source's tracks; see `refuse_other`."""
    refuse_other(folder, source)
    path = folder / "source.json"
    about = {name: getattr(source, name) for name in ("name", "address", "synthetic")}
    text = json.dumps(about | {"digest": source.digest()}, indent=1) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        table = source.tracks.to_csv(index=False, lineterminator="\n")
        files.write_text(folder / "tracks.csv", table)
        files.write_text(path, text)


def refuse_other(folder: Path, source: Source) -> None:
    """Refuse a folder that a run on a source must not write into.

    Parameters
    ----------
    folder : Path
        It may be missing.
    source : Source

    Raises
    ------
    SettingError
        If the folder lies in that of the source, which nothing is written into, or holds a link.
    SourceError
        If the folder holds a run on another source, or it cannot be told on which.
    """
    if folder.resolve().is_relative_to(source.path.resolve()):
        raise SettingError(
            f"{folder}: lies in the source's folder; choose another (--out, run_dir)"
        )
    for inside, folders, names in os.walk(folder):
        for path in (Path(inside, name) for name in (*folders, *names)):
            if stat.S_IFMT(path.lstat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                kind = "link" if path.is_symlink() else "pipe or device"
                raise SettingError(f"{path}: a {kind}; a run writes files of its own, remove it")
    other = results.read_source(folder).get("address", source.address)
    if other != source.address:
        raise SourceError(
            f"{folder}: holds a run on {other}, and {source.address} is another source; "
            "choose another folder (--out, run_dir)"
        )


def _stored_source(folder: Path, reason: str, profile: config.Profile) -> Source | None:
    """The source as a run remembers it: its tracks, without their content."""
    try:
        about = results.read_source(folder)
        text = {"track_id": str, "genre": str, "md5": "string", "duplicate_of": "string"}
        text |= {"fault_filtered": "string", "path": "string"}
        types = {**text, "artist_group": "Int64", "sturm_removed": "boolean"}
        files.regular(folder / "tracks.csv", files.SMALL)
        tracks = pd.read_csv(
            folder / "tracks.csv", dtype=types, keep_default_na=False, na_values=[""]
        )
        tracks["recording"] = tracks.get("recording", tracks.track_id)  # older runs lack it
        tracks = tracks[[*COLUMNS]]
        if Path(about["name"]).name != about["name"]:
            return None
        for name in ("track_id", "genre"):
            tracks[name] = tracks[name].map(safe)
        return LostSource(about["name"], tracks, reason, profile, synthetic=about["synthetic"])
    except (*DAMAGED_FILE, SourceError):
        return None


@dataclass(frozen=True)
class Run:
    """A source, a seed, and the folder in which results are kept.

    Attributes
    ----------
    source : Source
    seed : int
        Random seed of splits and models.
    folder : Path
    """

    source: Source
    seed: int
    folder: Path

    @property
    def tracks(self) -> pd.DataFrame:
        """The source's table of tracks."""
        return self.source.tracks

    @property
    def labels(self) -> list[str]:
        """Its labels, sorted."""
        return self.source.labels

    @property
    def profile(self) -> config.Profile:
        """How much of everything is taken."""
        return self.source.profile

    @property
    def chance(self) -> float:
        """Accuracy of always predicting the most frequent label."""
        return self.source.chance

    @cached_property
    def honest(self) -> str:
        """The most honest protocol that is possible on the source."""
        return splits.honest(self.tracks)

    def features(
        self, feature_set: str = "", *, segment_seconds: float | None = None, change: str = ""
    ) -> Features:
        """Features of the source, by default the table that it gives most directly.

        Parameters
        ----------
        feature_set : str
            A key of `audio.FEATURE_SETS`; empty for the source's default.
        segment_seconds : float or None
            Length of a segment; 0 for whole tracks, None for the source's default.
        change : str
            Augmentation of which to give a copy, see `Source.features`; empty for none.

        Raises
        ------
        NotPossibleError
            If the source does not hold what these features need.
        """
        if segment_seconds is None:
            segment_seconds = self.source.default_segment_seconds
        name = feature_set or self.source.default_features
        return self.source.features(name, segment_seconds=segment_seconds, change=change)

    def split(self, features: Features) -> splits.Split:
        """Rows of features for training, validation and test, under the honest protocol.

        Parameters
        ----------
        features : Features
            With a k-fold, the first fold is given.
        """
        return splits.make(self.honest, features.segments, features.tracks, seed=self.seed)[0]

    def having(self, what: str) -> Source:
        """The source if it has that, else the embedded dataset, which has everything.

        Parameters
        ----------
        what : {"audio", "lengths", "duplicates", "ten genres"}
            "duplicates" are audio as well; "ten genres" are GTZAN's, with a `kaggle` table.
        """
        has = {
            "audio": self.source.has_audio,
            "lengths": self.source.lengths() is not None,
            "duplicates": self.source.has_audio and self.tracks.duplicate_of.notna().any(),
            "ten genres": set(config.GENRES) <= set(self.labels)
            and not self.source.refusal("kaggle", 0),
        }
        small = "smoke" if self.profile.name.startswith("smoke") else "quick"
        return self.source if has[what] else open_source("synthetic", profile=small)

    @cached_property
    def pooled(self) -> str:
        """The most honest protocol that tests every track once, in folds."""
        refused = splits.refusal("artist_grouped", self.tracks)
        return "track_random" if refused else "artist_grouped"

    def listen(self, table: pd.DataFrame) -> Any:
        """Show tracks with a player and a spectrogram each, as far as the source gives them.

        Parameters
        ----------
        table : DataFrame
            The track in its column `track`.
        """
        from gtzan_helpers.plots import notebook

        tracks, log_mels = self.tracks.set_index("track_id"), {}
        if self.source.gives("log_mel"):
            whole = self.features("log_mel", segment_seconds=0)
            log_mels = dict(zip(whole.segments.track_id, whole.values, strict=True))
        paths = tracks.path if self.source.has_audio else tracks.path.mask(tracks.path.notna())
        return notebook.playlist(table, paths, log_mels)

    @property
    def test_sets(self) -> int:
        """Test sets that are composed to check an interval."""
        return self.profile.test_sets

    @property
    def yardstick(self) -> str:
        """The system that shows what a split is worth: one of segments, where there are some."""
        return systems.YARDSTICK if self.source.default_segment_seconds else "capstone_svm"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds for results that are averaged: three in `full`, else the run's own."""
        return (0, 1, 2) if self.profile.tuned else (self.seed,)

    # Results

    def measure(self, *system_ids: str, protocols: str = "auto", seed: int | None = None) -> Rows:
        """Measure systems under protocols, or read back what was measured before.

        Parameters
        ----------
        *system_ids : str
            See `models.SYSTEMS`.
        protocols : str
            ``auto`` for each system's own and the source's honest one; ``all``; or names from
            `splits.PROTOCOLS`, separated by commas.
        seed : int or None
            Instead of the run's.

        Returns
        -------
        Rows
            What is not possible on the source is among them as `not_measured`, with the reason.
        """
        seeds = [self.seed if seed is None else seed]
        asked = self.measurements(*system_ids, protocols=protocols, seeds=seeds)
        bar = progress_bar(asked, total=len(asked), description="systems", unit="row")

        def named() -> Iterator[Measurement]:
            for one in bar:
                bar.set_description_str(one.title)
                yield one

        return Rows(results.table(measure(named(), Workers(1))))

    def measurements(
        self, *system_ids: str, protocols: str = "auto", seeds: Iterable[int] = (0,)
    ) -> list[Measurement]:
        """The rows of systems under protocols, to be measured.

        Parameters
        ----------
        *system_ids, protocols
            See `measure`.
        seeds : iterable of int
        """
        return [
            self.measurement(system_id, protocol, seed=seed)
            for system_id in system_ids
            for protocol in self._protocols(protocols, systems.get(system_id).run_protocol)
            for seed in seeds
        ]

    def _protocols(self, words: str, own: str) -> list[str]:
        if words == "all":
            return [p for p in splits.PROTOCOLS if p == own or p != "segment_random_augmented"]
        if words == "auto":
            return list(dict.fromkeys([own, self.honest]))
        names = list(dict.fromkeys(word.strip() for word in words.split(",")))
        for name in names:
            choose({"auto": (), "all": (), **splits.PROTOCOLS}, name, "protocol")
        return names

    def measurement(
        self,
        system_id: str,
        protocol: str = "",
        *,
        learner: Learner | None = None,
        seed: int | None = None,
    ) -> Measurement:
        """One row to be measured, under the honest protocol unless another one is named.

        Parameters
        ----------
        system_id : str
            A key of `models.SYSTEMS`.
        protocol : str
            One of `splits.PROTOCOLS`; empty for the source's honest one.
        learner : Learner or None
            Instead of the system's.
        seed : int or None
            Instead of the run's.
        """
        system = systems.get(system_id)
        return Measurement(
            replace(system, learner=learner) if learner else system,
            self.source,
            protocol or self.honest,
            self.seed if seed is None else seed,
            self.folder,
        )

    def results(self) -> Rows:
        """Every row that the folder holds; none if nothing was measured yet."""
        try:
            return Rows(results.read_run(self.folder))
        except SourceError:
            return Rows(results.table([]))

    def predictions(self, system_id: str, protocol: str = "") -> Predictions:
        """Predictions of a system, which is measured if it was not; of no track if it cannot be.

        Parameters
        ----------
        system_id : str
            A key of `models.SYSTEMS`.
        protocol : str
            One of `splits.PROTOCOLS`; empty for the source's honest one.
        """
        _, predictions = self.measurement(system_id, protocol).result()
        return predictions or kept.none_of(self.labels)

    def model(self, system_id: str, protocol: str = "") -> Fitted:
        """Load the model of a row; it is fitted again if its file is gone.

        Parameters
        ----------
        system_id : str
            A key of `models.SYSTEMS`.
        protocol : str
            One of `splits.PROTOCOLS`; empty for the source's honest one.
        """
        return self.measurement(system_id, protocol).model()

    def save(self, result: Any, name: str, of: Source | None = None) -> Path:
        """Save a picture in the run's `figures/`, as PNG and SVG, or a table, as CSV.

        Parameters
        ----------
        result : Figure, Axes or DataFrame
        name : str
            Begins with the notebook's number: ``00_leak``.
        of : Source or None
            Whose music it shows; that of another source than the run's is a demonstration, and
            goes into a folder of its own.

        Returns
        -------
        Path
            Of the PNG or CSV.
        """
        from gtzan_helpers.plots import style

        folder = self.folder / "figures"
        folder = folder if of in (None, self.source) else folder / "demonstrations"
        if isinstance(result, pd.DataFrame):
            text = result.to_csv(index=False, float_format="%.4g", lineterminator="\n")
            return files.write_text(folder / f"{name}.csv", text)
        return style.save(result, folder, name)
