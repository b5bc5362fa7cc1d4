"""Labelled folders, ``<root>/<label>/*``: of audio, or of pictures made from it."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from gtzan_helpers import config
from gtzan_helpers.audio import feature_sets, reading
from gtzan_helpers.audio.feature_sets import PICTURE_SIZE, FeatureSet, SegmentFeatures
from gtzan_helpers.datasets import Features, Settings, Source, assemble, extract, facts
from gtzan_helpers.errors import AudioError, SourceError, reason, safe
from gtzan_helpers.files import file_hash, regular
from gtzan_helpers.workers import Workers

_RELEASES = ("genres", "genres_original", "images_original")
#: Where a dataset's labelled folders may lie below the folder that the user names.
INNER_FOLDERS = ("", *_RELEASES, *(f"Data/{name}" for name in _RELEASES))

# Pixels; a picture of a track has a few hundred thousand.
LARGEST_PICTURE = 25_000_000


class LabelledFolder(Source):
    """Tracks as files in folders that are named by their labels."""

    @classmethod
    def find(cls, path: Path) -> Path | None:
        """The folder of labelled folders; see `INNER_FOLDERS`."""
        places = (path / inner for inner in INNER_FOLDERS)
        return next((place for place in places if any(cls.files(place))), None)

    @classmethod
    def files(cls, place: Path) -> Iterator[tuple[str, int, int]]:
        """Path, size and time of change of each track's file, sorted."""
        for label in _folders(place):
            for entry in _entries(label):
                if entry.name.lower().endswith(cls.suffixes) and not _is_folder(entry):
                    broken = entry.is_symlink() and not Path(entry).exists()
                    stat = entry.stat(follow_symlinks=not broken)
                    yield entry.path, stat.st_size, stat.st_mtime_ns

    def read_tracks(self) -> pd.DataFrame:
        """Tracks by their files."""
        for folder in _folders(self.path):
            try:
                _listing(folder).close()
            except OSError as error:
                fault = f"{folder.name}: a folder that cannot be read ({error.strerror})"
                self._remarks.append(f"{fault}; its tracks are left out")
        paths = [path for path, _, _ in self.files(self.path)]
        names = [os.path.split(path) for path in paths]
        folders = {folder: safe(os.path.split(folder)[1]) for folder, _ in names}
        self._refuse_alike("labels", folders.values())
        labels = [folders[folder] for folder, _ in names]
        tracks = {"track_id": _track_ids(labels, [safe(name) for _, name in names])}
        self._refuse_alike("tracks", tracks["track_id"])
        md5 = pd.array([_md5(path) for path in paths], dtype="string")
        return pd.DataFrame({**tracks, "path": paths, "genre": labels, "md5": md5})

    def _refuse_alike(self, kind: str, names: Iterable[str]) -> None:
        for name, n in Counter(names).items():
            if n > 1:
                raise SourceError(f"{self.path}: two {kind} are shown as {name}; rename one")


class AudioFolder(LabelledFolder):
    """Labelled folders of audio."""

    kind = "audio"
    has_audio = True
    suffixes = reading.SUFFIXES

    def add_facts(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """Add facts by the files' bytes, and mark duplicates."""
        tracks, remark = facts.add_by_content(tracks)
        self._remarks += [remark] if remark else []
        return facts.mark_duplicates(tracks)

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


class PictureFolder(LabelledFolder):
    """Labelled folders of ready-made pictures of tracks, such as the Kaggle release's."""

    kind = "pictures"
    suffixes = (".png", ".jpg", ".jpeg")

    def refusal(self, feature_set: str, segment_seconds: float) -> str:
        """Pictures give nothing but themselves."""
        if feature_set == "pictures":
            return ""
        return f"{feature_set!r} needs audio; {self.name} holds pictures, for `gtzan measure`"

    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Read every picture, brought to `PICTURE_SIZE`: values of shape (n, size, size, 3)."""
        return assemble(self, [_picture(path) for path in self.tracks.path], feature_set)


def _picture(path: str) -> SegmentFeatures | str:
    """A picture, or the reason why it cannot be read."""
    from PIL import Image

    size = (PICTURE_SIZE, PICTURE_SIZE)
    try:
        regular(path)
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > LARGEST_PICTURE:
                raise ValueError(f"{image.width} x {image.height} pixels; make it smaller")
            pixels = np.array(image.convert("RGB").resize(size, Image.Resampling.NEAREST))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return reason(error)
    return SegmentFeatures(np.zeros(1), pixels[None], repeated=False)


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
    y, sr = reading.read(path, sr=sr)
    return (y[: round(seconds * sr)] if seconds else y), sr


def n_samples(path: Any) -> int:
    """Samples of a file at `config.SR`; 0 where there is no file that says."""
    try:
        count, sr, _ = reading.header(path)
    except (AudioError, TypeError):
        return 0
    return round(count * config.SR / sr)


def _listing(folder: str | os.PathLike[str]) -> "os._ScandirIterator[str]":
    """What is in a folder; an OSError if that cannot be listed, or not be opened."""
    os.stat(os.path.join(folder, os.curdir))  # noqa: PTH116, PTH118 - a Path drops the dot
    return os.scandir(folder)


def _entries(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted; nothing if it cannot be read."""
    try:
        with _listing(folder) as entries:
            # Hidden ones, such as the `._*.wav` that macOS leaves in archives, are not the user's.
            return sorted((e for e in entries if e.name[0] != "."), key=lambda entry: entry.name)
    except OSError:
        return []


def _folders(place: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(place) if _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # Few are links, and only these need to be looked up.
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def _track_ids(labels: list[str], names: list[str]) -> list[str]:
    """The shortest name that tells all recordings apart, from their labels and files' names."""
    stems = [name.rpartition(".")[0] for name in names]
    # The Kaggle release calls the picture of blues.00000 blues00000.
    ids = [re.sub(r"^([a-z]+)(\d{5})$", r"\1.\2", stem) for stem in stems]
    labelled = [f"{label}/{stem}" for label, stem in zip(labels, stems, strict=True)]
    whole = [f"{label}/{name}" for label, name in zip(labels, names, strict=True)]
    return next((every for every in (ids, labelled) if len(set(every)) == len(names)), whole)


def _md5(path: str) -> str | None:
    try:
        return file_hash(path)
    except OSError:
        return None  # extraction says why it cannot be read
