"""Parquet files of the Hugging Face Hub, which hold audio and labels."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import reading
from gtzan_helpers.datasets.kinds.listed import LABEL_COLUMNS, ListedFolder, label_column
from gtzan_helpers.errors import DAMAGED_FILE, SourceError, reason
from gtzan_helpers.files import replacing


class ParquetFiles(ListedFolder):
    """Parquet files with `audio` (its bytes) and a label, and where it is known `artist`.

    The recordings are unpacked into the cache.
    """

    @classmethod
    def find(cls, path: Path) -> Path | None:
        """The file, or the folder that holds some, itself or in ``data``."""
        places = (path, path / "data")
        return next((place for place in places if cls.tables(place)), None)

    @classmethod
    def tables(cls, place: Path) -> list[Path]:
        """The Parquet files."""
        if place.suffix == ".parquet":
            return [place] if place.is_file() else []
        return sorted(place.glob("*.parquet"))

    @classmethod
    def files(cls, place: Path) -> Iterable[tuple[str, int, int]]:
        """Path, size and time of change of the Parquet files."""
        for path in cls.tables(place):
            stat = path.stat()
            yield str(path), stat.st_size, stat.st_mtime_ns

    def list_files(self) -> pd.DataFrame:
        """The recordings in the files, unpacked."""
        tables = [self._unpacked(path) for path in self.tables(self.path)]
        return self.chosen(pd.concat(tables, ignore_index=True), "*.parquet")

    def _skipped(self, used: set[Path]) -> list[Path]:
        return []  # the tracks lie in the cache

    def _unpacked(self, path: Path) -> pd.DataFrame:
        """Paths, labels and artists of the recordings in one file."""
        try:
            import pyarrow.parquet
        except ImportError as error:
            remedy = 'pip install "gtzan-helpers[parquet]"'
            raise SourceError(f"{path}: pyarrow is not installed; run `{remedy}`") from error
        try:
            file = pyarrow.parquet.ParquetFile(path)
            names = [name for name in file.schema_arrow.names if name != "audio"]
            label = label_column(names, self.label_column)
            others = [label, *(name for name in ("artist", "album") if name in names)]
            if not label or "audio" not in file.schema_arrow.names:
                wanted = f"audio and {self.label_column or ' or '.join(LABEL_COLUMNS[:2])}"
                raise SourceError(f"{path}: no columns {wanted}; it has {', '.join(names)}")
            table = file.read(columns=others).to_pandas().astype("string").fillna("")
            words = _class_names(file.schema_arrow.metadata or {}, label)
            table[label] = table[label].map(lambda number: words.get(number, number))
            batches = file.iter_batches(64, columns=["audio"])
            kept = [_kept(a) for batch in batches for a in batch.column(0).to_pylist()]
            table["path"] = [place for place, _ in kept]
            table["name"] = [name or f"{path.stem}.{n}.wav" for n, (_, name) in enumerate(kept)]
            return table
        except DAMAGED_FILE as error:
            raise SourceError(f"{path}: not a Parquet file of audio ({reason(error)})") from error


def _class_names(metadata: dict[bytes, bytes], column: str) -> dict[str, str]:
    """Names of the numbers that stand for labels, as the Hub's `ClassLabel` stores them."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    names = features.get(column, {}).get("names", [])
    return {str(number): name for number, name in enumerate(names)}


def _kept(audio: Any) -> tuple[str, str]:
    """A recording's place in the cache, written if it is not there yet, and its name if any."""
    audio = {"bytes": audio} if isinstance(audio, bytes) else audio or {}
    data, name = audio.get("bytes") or b"", audio.get("path") or ""
    digest, suffix = hashlib.md5(data).hexdigest(), Path(name).suffix.lower()
    suffix = suffix if suffix in reading.SUFFIXES else ".wav"
    path = config.cache_dir() / "parquet" / digest[:2] / f"{digest}{suffix}"
    if data and not path.is_file():
        with replacing(path, durable=False) as temporary:
            temporary.write_bytes(data)
    return str(path), name
