"""Labelled folders, ``<root>/<label>/*``: of audio, or of pictures made from it."""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from gtzan_helpers import config
from gtzan_helpers.audio import feature_sets, reading
from gtzan_helpers.audio.feature_sets import PICTURE_SIZE, FeatureSet, SegmentFeatures
from gtzan_helpers.datasets import Features, Settings, Source, assemble, extract, facts
from gtzan_helpers.errors import AudioError, reason
from gtzan_helpers.files import file_hash
from gtzan_helpers.workers import Workers

_RELEASES = ("genres", "genres_original", "images_original")
#: Where a dataset's labelled folders may lie below the folder that the user names.
INNER_FOLDERS = ("", *_RELEASES, *(f"Data/{name}" for name in _RELEASES))


class LabelledFolder(Source):
    """Tracks as files in folders that are named by their labels."""

    @classmethod
    def find(cls, path: Path) -> Path | None:
        """The folder of labelled folders; see `INNER_FOLDERS`."""
        places = (path / inner for inner in INNER_FOLDERS)
        return next((place for place in places if any(cls.files(place))), None)

    @classmethod
    def files(cls, place: Path) -> Iterator[Path]:
        """The tracks' files, sorted."""
        for path in sorted(place.glob("*/*")):
            # Hidden ones, such as the `._*.wav` that macOS leaves in archives, are not the user's.
            shown = path.name[0] != "." and path.parent.name[0] != "."
            if shown and path.suffix.lower() in cls.suffixes and not path.is_dir():
                yield path

    def read_tracks(self) -> pd.DataFrame:
        """Tracks by their files."""
        paths = list(self.files(self.path))
        tracks = pd.DataFrame({"track_id": _track_ids(paths), "path": [str(p) for p in paths]})
        tracks["genre"] = [path.parent.name for path in paths]
        return tracks.assign(md5=pd.array([_md5(path) for path in paths], dtype="string"))


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
        return f"{feature_set!r} needs audio; {self.name} holds pictures, for notebook 06 alone"

    def compute(self, feature_set: FeatureSet, settings: Settings, workers: Workers) -> Features:
        """Read every picture, brought to `PICTURE_SIZE`: values of shape (n, size, size, 3)."""
        return assemble(self, [_picture(path) for path in self.tracks.path], feature_set)


def _picture(path: str) -> SegmentFeatures | str:
    """A picture, or the reason why it cannot be read."""
    from PIL import Image

    size = (PICTURE_SIZE, PICTURE_SIZE)
    try:
        with Image.open(path) as image:
            pixels = np.array(image.convert("RGB").resize(size, Image.Resampling.NEAREST))
    except (OSError, ValueError, SyntaxError) as error:
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


def _track_ids(paths: list[Path]) -> list[str]:
    """The shortest name that tells all recordings apart."""
    # The Kaggle release calls the picture of blues.00000 blues00000.
    ids = [re.sub(r"^([a-z]+)(\d{5})$", r"\1.\2", path.stem) for path in paths]
    labelled = [f"{path.parent.name}/{path.stem}" for path in paths]
    whole = [f"{path.parent.name}/{path.name}" for path in paths]
    return next((names for names in (ids, labelled) if len(set(names)) == len(paths)), whole)


def _md5(path: Path) -> str | None:
    try:
        return file_hash(path)
    except OSError:
        return None  # extraction says why it cannot be read
