"""FMA: numbered folders of audio, and its table of tracks.

Defferrard, Benzi, Vandergheynst & Bresson, "FMA: a dataset for music analysis" (ISMIR 2017).
"""

from pathlib import Path

import pandas as pd

from gtzan_helpers.datasets.kinds.listed import ListedFolder
from gtzan_helpers.errors import SourceError, reason

TABLE = "tracks.csv"


class FmaFolder(ListedFolder):
    """FMA's layout: ``<root>/000/000002.mp3``, with `tracks.csv` there or in ``fma_metadata``.

    Labels are the top genres, in the table's column `genre_top`.
    """

    @classmethod
    def find(cls, path: Path) -> Path | None:
        """The folder with FMA's audio, where its table is near."""
        places = [path, *sorted(path.glob("fma_*"))]
        numbered = (p for p in places if any(p.glob("[0-9][0-9][0-9]")) and cls.tables(p))
        return next(numbered, None)

    @classmethod
    def tables(cls, place: Path) -> list[Path]:
        """FMA's table of tracks: in the folder, beside it, or in ``fma_metadata``."""
        folders = (place, place / "fma_metadata", place.parent, place.parent / "fma_metadata")
        return [path for folder in folders if (path := folder / TABLE).is_file()][:1]

    def list_files(self) -> pd.DataFrame:
        """The tracks of the table whose files are here; the other ones are another subset's."""
        (path,) = self.tables(self.path)
        files = {Path(file).stem: file for file, _, _ in super(ListedFolder, self).files(self.path)}
        try:
            table = pd.read_csv(path, header=[0, 1], index_col=0, dtype=str, keep_default_na=False)
            ids = table.index.map(lambda number: f"{int(number):06d}")
            table.columns = [" ".join(column) for column in table.columns]
        except (ValueError, OSError) as error:
            raise SourceError(f"{path}: not FMA's table of tracks ({reason(error)})") from error
        names = {"track genre_top": "genre_top", "artist id": "artist", "album id": "album"}
        table = table.set_index(ids)[lambda table: table.index.isin(files)]
        table = table.rename(columns=names).assign(path=table.index.map(files))
        self.label_column = self.label_column or "genre_top"
        return self.chosen(table.reset_index(drop=True), TABLE)
