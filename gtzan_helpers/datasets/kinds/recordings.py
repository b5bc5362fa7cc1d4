"""Tracks that are files of their own, in folders of any layout: their names, content and sound."""

import os
import re
import warnings
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from gtzan_helpers import config
from gtzan_helpers.audio import feature_sets, reading
from gtzan_helpers.audio.feature_sets import FeatureSet, SegmentFeatures
from gtzan_helpers.datasets import (
    Features,
    Settings,
    Source,
    extract,
    facts,
    fingerprints,
    labels,
    recognition,
)
from gtzan_helpers.errors import AudioError, AudioWarning, SourceError, reason, safe
from gtzan_helpers.files import cached, file_hash
from gtzan_helpers.workers import Workers, progress_bar

# What systems leave in folders, beside hidden files such as the `._*.wav` of macOS's archives.
_JUNK = re.compile(r"\.|@eaDir|@Recycle|#recycle|\$RECYCLE|__MACOSX|System Volume|lost\+found")

# Raised when the same file may look, or sound, different.
LOOK_VERSION = 2


class FolderSource(Source):
    """A dataset whose tracks are files."""

    @abstractmethod
    def list_files(self) -> pd.DataFrame:
        """List the tracks: `path`, `genre`; `artist` and `name` where the dataset gives them."""

    def read_tracks(self) -> pd.DataFrame:
        """Tracks by their files."""
        tracks = self.list_files()
        self._refuse_alike("labels", tracks.genre.drop_duplicates().map(safe))
        tracks["genre"] = tracks.genre.map(safe)
        paths = [Path(path) for path in tracks.path]
        names = tracks.get("name", tracks.path.map(lambda path: os.path.relpath(path, self.path)))
        tracks.insert(0, "track_id", _track_ids(tracks.genre, names.map(_safe_parts).tolist()))
        self._refuse_alike("tracks", tracks.track_id)
        self.skipped = self._skipped(set(paths))
        if self.skipped:
            self._remarks.append(self._left_out({path.parent for path in paths}))
        return tracks.assign(md5=pd.array([_md5(path) for path in tracks.path], dtype="string"))

    def _refuse_alike(self, kind: str, names: Iterable[str]) -> None:
        for name, n in Counter(names).items():
            if n > 1:
                raise SourceError(f"{self.path}: two {kind} are shown as {name}; rename one")

    def _skipped(self, used: set[Path]) -> list[Path]:
        """Other files; beside the labels' folders any may lie, except those like the tracks."""
        paths = [Path(path) for path, _, _ in walk(self.path) if Path(path) not in used]
        own = self.suffixes
        return [p for p in paths if p.parent.parent == self.path or p.suffix.lower() in own]

    def _left_out(self, used: set[Path]) -> str:
        folders = {path.parent for path in self.skipped if path.parent.parent == self.path}
        n_labels = labels.count(len(folders - used), "label") if folders - used else ""
        words = " and ".join(filter(None, [labels.count(len(self.skipped), "file"), n_labels]))
        first = self.skipped[0].relative_to(self.path)
        return f"left out: {words}, such as {first}; `gtzan check` lists them"


class Recordings(FolderSource):
    """A dataset whose tracks are files of audio."""

    kind = "audio"
    has_audio = True
    suffixes = reading.SUFFIXES

    @classmethod
    def files(cls, place: Path) -> Iterable[tuple[str, int, int]]:
        """Path, size and time of change of each file of audio below `place`, sorted."""
        return walk(place, cls.suffixes)

    def add_facts(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """Add facts by the files' bytes or sound, and artists by name; mark duplicates."""
        tracks, remark = facts.add_by_content(tracks, self._recognise)
        self._remarks.append(remark)
        return facts.mark_duplicates(facts.add_artists(tracks))

    def _recognise(self, paths: pd.Series) -> list[tuple[str, ...]]:
        looks = self.looks(paths)
        if odd := [look.remark for look in looks if look.remark]:
            n_odd = labels.count(len(odd), "recording")
            self._remarks.append(f"not as expected: {n_odd}, the first: {odd[0]}")
        return [look.originals for look in looks]

    def looks(self, paths: Iterable[str]) -> list["Look"]:
        """What a first look at recordings shows, from the cache where they are known."""
        paths = list(paths)
        results = Workers(-1).map(look_at, [(path,) for path in paths])
        return list(progress_bar(results, total=len(paths), description="look", unit="track"))

    def lengths(self) -> pd.Series:
        """Samples of each readable track at `config.SR`, by its id."""
        counts = self.tracks.set_index("track_id").path.map(n_samples)
        return counts[counts > 0]

    def refusal(self, feature_set: str, segment_seconds: float) -> str:
        """Audio gives everything but ready-made pictures."""
        if feature_sets.feature_set(feature_set).can_use_audio:
            return ""
        return f"{feature_set!r} needs a folder of ready-made pictures; {self.name} holds audio"

    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Compute features of every recording."""
        settings |= {"sr": config.SR, "seconds_limit": self.profile.seconds_limit}
        return extract(self, self.tracks.path, _describe_file, feature_set, settings, workers)


# A first look at a recording


@dataclass(frozen=True)
class Look:
    """What a first look at a recording shows.

    Attributes
    ----------
    bits : ndarray, shape (n_frames, 32)
        Its fingerprint; empty where it cannot be read.
    originals : tuple of str
        Ids of GTZAN's tracks that it is, or is a part of: several where GTZAN holds a recording
        more than once; empty for other music.
    start_s : float
        Where in the first of these it begins, in seconds.
    remark : str
        What is odd about it: cut off, one channel silent; empty if nothing is.
    """

    bits: np.ndarray
    originals: tuple[str, ...] = ()
    start_s: float = 0.0
    remark: str = ""


def look_at(path: str) -> Look:
    """Take a first look at a recording, or recall it.

    Parameters
    ----------
    path : str
    """
    try:
        md5 = file_hash(path)
        entry = config.cache_dir() / f"looks-v{LOOK_VERSION}" / md5[:2] / f"{md5}.npz"
        arrays = cached(entry, partial(_look, path), of=f"look {md5}")
    except (AudioError, OSError, MemoryError):  # extraction says why
        return Look(fingerprints.EMPTY)
    remark = str(arrays["remark"])
    return Look(
        arrays["bits"],
        tuple(arrays["originals"].tolist()),
        float(arrays["start_s"]),
        f"{path}: {remark}" if remark else "",
    )


def _look(path: str) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught, threadpoolctl.threadpool_limits(1):
        warnings.simplefilter("always", AudioWarning)
        pieces = reading.stream(path, sr=config.SR, seconds=fingerprints.LONGEST_SECONDS)
        bits = fingerprints.from_audio(next(pieces), sr=config.SR)
        found = recognition.recognise(bits)
    remarks = [str(each.message) for each in caught if each.category is AudioWarning]
    return {
        "bits": bits,
        "originals": np.array([found.track_id, *found.alike] if found else [], dtype="U15"),
        "start_s": np.array(found.start_s if found else 0.0),
        "remark": np.array("; ".join(remark.removeprefix(f"{path}: ") for remark in remarks)),
    }


def _describe_file(
    path: str, feature_set: FeatureSet, *, sr: int, seconds_limit: float | None, **asked: Any
) -> SegmentFeatures:
    y, sr = read_start(path, sr=sr, seconds=seconds_limit)
    # One thread a process: the cores are shared out already, and the sums of several threads
    # differ in the last digit.
    with threadpoolctl.threadpool_limits(1), warnings.catch_warnings():
        # The lowest notes' filters are longer than a short segment; librosa says so each time.
        warnings.filterwarnings("ignore", message="n_fft=.* is too large", module="librosa")
        # Music without any pitch counts as in tune.
        warnings.filterwarnings("ignore", message="Trying to estimate tuning from empty")
        return feature_set.from_audio(y, sr=sr, **asked)


def read_start(path: str, *, sr: int, seconds: float | None) -> tuple[np.ndarray, int]:
    """Read a recording, or its first `seconds`, at a sampling rate in Hz."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)  # the first look has said so
        y, sr = reading.read(path, sr=sr)
    return (y[: round(seconds * sr)] if seconds else y), sr


def n_samples(path: Any) -> int:
    """Samples of a file at `config.SR`; 0 where there is no file that says."""
    try:
        count, sr, _ = reading.header(path)
    except (AudioError, TypeError):
        return 0
    return round(count * config.SR / sr)


# Files and folders


def walk(
    folder: str | os.PathLike[str], suffixes: tuple[str, ...] = ("",), *, depth: int = 8
) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and time of change of each file below a folder, sorted.

    Parameters
    ----------
    folder : path
    suffixes : tuple of str
        Endings that names must have.
    depth : int
        How many levels of folders are searched.
    """
    for entry in entries(folder):
        if is_folder(entry):
            if depth > 1 and not entry.is_symlink():
                yield from walk(entry, suffixes, depth=depth - 1)
        elif entry.name.lower().endswith(suffixes):
            yield state(entry)


def state(entry: os.DirEntry[str]) -> tuple[str, int, int]:
    """Path, size and time of change of a file; of a broken link, its own."""
    broken = entry.is_symlink() and not Path(entry).exists()
    stat = entry.stat(follow_symlinks=not broken)
    return entry.path, stat.st_size, stat.st_mtime_ns


def listing(folder: str | os.PathLike[str]) -> "os._ScandirIterator[str]":
    """What is in a folder; an OSError if that cannot be listed, or not be opened."""
    os.stat(os.path.join(folder, os.curdir))  # noqa: PTH116, PTH118 - a Path drops the dot
    return os.scandir(folder)


def entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted; nothing if it cannot be read."""
    try:
        with listing(folder) as found:
            return sorted((e for e in found if not _JUNK.match(e.name)), key=lambda e: e.name)
    except OSError:
        return []


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one."""
    # Few are links, and only these need to be looked up.
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def contents(folder: Path) -> str:
    """Say what is in a folder that is no dataset.

    Parameters
    ----------
    folder : Path
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        return f"a folder that cannot be read ({reason(error)})"
    counts: Counter[str] = Counter()
    for path, _, _ in walk(folder):
        relative = Path(path).relative_to(folder)
        suffix, level = relative.suffix.lower(), min(len(relative.parts) - 1, 3)
        where = ("directly inside", "one level down", "two levels down", "further down")[level]
        counts[f"{'audio' if suffix in reading.SUFFIXES else suffix} files {where}"] += 1
    words = [f"{n:,} {what}" for what, n in counts.most_common(4)]
    return f"no dataset; there are {', '.join(words)}" if words else "an empty folder"


def _safe_parts(place: str) -> str:
    return "/".join(map(safe, Path(place).parts))


def _track_ids(genres: Iterable[str], places: list[str]) -> list[str]:
    """The shortest name that tells all recordings apart, from their labels and files' names."""
    names = [os.path.split(place)[1] for place in places]
    stems = [name.rpartition(".")[0] for name in names]
    # The Kaggle release calls the picture of blues.00000 blues00000.
    ids = [re.sub(r"^([a-z]+)(\d{5})$", r"\1.\2", stem) for stem in stems]
    labelled = [f"{label}/{stem}" for label, stem in zip(genres, stems, strict=True)]
    whole = [f"{label}/{name}" for label, name in zip(genres, names, strict=True)]
    return next((each for each in (ids, labelled, whole) if len(set(each)) == len(names)), places)


def _md5(path: str) -> str | None:
    try:
        return file_hash(path)
    except OSError:
        return None  # extraction says why it cannot be read
