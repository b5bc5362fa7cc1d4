"""Labelled folders, ``<root>/<label>/*``: of audio, or of pictures made from it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers.audio.feature_sets import PICTURE_SIZE, FeatureSet, SegmentFeatures
from gtzan_helpers.datasets import Features, Settings, assemble
from gtzan_helpers.datasets.kinds.recordings import (
    FolderSource,
    Recordings,
    entries,
    is_folder,
    listing,
    state,
)
from gtzan_helpers.errors import SourceError, reason
from gtzan_helpers.files import regular
from gtzan_helpers.workers import Workers

_RELEASES = ("genres", "genres_original", "images_original")
#: Where a dataset's labelled folders may lie below the folder that the user names.
INNER_FOLDERS = ("", *_RELEASES, *(f"Data/{name}" for name in _RELEASES))

# Pixels; a picture of a track has a few hundred thousand.
LARGEST_PICTURE = 25_000_000


class LabelledFolder(FolderSource):
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
            for entry in entries(label):
                if entry.name.lower().endswith(cls.suffixes) and not is_folder(entry):
                    yield state(entry)

    def list_files(self) -> pd.DataFrame:
        """The files in the labels' folders."""
        for folder in _folders(self.path):
            try:
                listing(folder).close()
            except OSError as error:
                fault = f"{folder.name}: a folder that cannot be read ({error.strerror})"
                self._remarks.append(f"{fault}; its tracks are left out")
        paths = [path for path, _, _ in self.files(self.path)]
        return pd.DataFrame({"path": paths, "genre": [Path(path).parent.name for path in paths]})


def _folders(place: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in entries(place) if is_folder(entry)]


class AudioFolder(LabelledFolder, Recordings):
    """Labelled folders of audio."""

    def list_files(self) -> pd.DataFrame:
        """The files in the labels' folders, unless those are numbered as FMA's are."""
        tracks = super().list_files()
        if all(re.search(r"(^|/)(\d{3})/\2\d{3}\.\w+$", Path(p).as_posix()) for p in tracks.path):
            raise SourceError(
                f"{self.path}: its folders are numbered as FMA's are, and are no labels; put FMA's "
                "tracks.csv into it, or the folder fma_metadata beside it"
            )
        return tracks


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
    """A picture without its white or transparent margin, or the reason why it cannot be read."""
    from PIL import Image, ImageChops

    size = (PICTURE_SIZE, PICTURE_SIZE)
    try:
        regular(path)
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > LARGEST_PICTURE:
                raise ValueError(f"{image.width} x {image.height} pixels; make it smaller")
            paper = Image.new("RGBA", image.size, "white")
            paper.alpha_composite(image.convert("RGBA"))
            # A JPEG's white is not quite white.
            drawn = ImageChops.invert(paper.convert("RGB")).point(lambda level: 255 * (level > 5))
            left, top, right, bottom = box = drawn.getbbox() or (0, 0, *image.size)
            shown = image.convert("RGB")
            # A figure's margin is around it; what is white at some sides may be silence.
            if left and top and right < image.width and bottom < image.height:
                shown = shown.crop(box)
            pixels = np.array(shown.resize(size, Image.Resampling.NEAREST))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return reason(error)
    return SegmentFeatures(np.zeros(1), pixels[None], repeated=False)
