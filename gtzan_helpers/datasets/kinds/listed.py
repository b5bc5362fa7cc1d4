"""A folder with a table of its tracks, ``metadata.csv``, as the Hugging Face Hub has it."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gtzan_helpers.datasets import labels
from gtzan_helpers.datasets.kinds.recordings import Recordings
from gtzan_helpers.datasets.kinds.tables import text_encoding
from gtzan_helpers.errors import SourceError, reason
from gtzan_helpers.files import LARGEST, regular

#: What the column of labels is usually called, in small letters.
LABEL_COLUMNS = ("label", "genre", "labels", "genres", "class", "category")

TABLE = "metadata.csv"

# Columns whose names may be in capitals.
OURS = ("file_name", "artist", "album")


class ListedFolder(Recordings):
    """Files of audio that a table lists: `file_name`, a label, and where it is known `artist`.

    Without a column of labels, the files' folders are the labels. Tracks without an artist, but of
    one `album`, count as one artist's.
    """

    has_table = True

    @classmethod
    def find(cls, path: Path) -> Path | None:
        """The folder that the table lies in; the path may be that of the table."""
        place = path.parent if path.name.lower() == TABLE else path
        return place if cls.tables(place) else None

    @classmethod
    def tables(cls, place: Path) -> list[Path]:
        """Tables of tracks: in the folder, or one in each of its folders."""
        paths = [place / TABLE] if (place / TABLE).is_file() else sorted(place.glob(f"*/{TABLE}"))
        return [path for path in paths if _names_files(path)]

    @classmethod
    def files(cls, place: Path) -> Iterable[tuple[str, int, int]]:
        """Path, size and time of change of the tables, and of each file of audio."""
        states = ((path, path.stat()) for path in cls.tables(place))
        yield from ((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in states)
        yield from super().files(place)

    def list_files(self) -> pd.DataFrame:
        """The files that the table names, as far as they are there and have labels."""
        tables = {path: read_words(path) for path in self.tables(self.path)}
        for path, table in tables.items():
            table["path"] = [str(path.parent / name) for name in table.file_name]
        return self.chosen(pd.concat(tables.values(), ignore_index=True), TABLE)

    def chosen(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Path, label and artist of the tracks of a table that can be used; remarks on others.

        Parameters
        ----------
        table : DataFrame of str
            `path`, a label, and maybe `name`, `artist` and `album`.
        name : str
            Of the table, for people.

        Raises
        ------
        SourceError
            If there is no such column of labels, or nothing is left.
        """
        column = label_column(table.columns, self.label_column)
        folders = table.path.map(lambda path: Path(path).parent)
        if not column and not self.label_column and len(set(folders)) > 1:
            column, table["folder"] = "folder", folders.map(lambda folder: folder.name)
        if not column:
            asked = self.label_column or " or ".join(LABEL_COLUMNS[:2])
            raise SourceError(
                f"{self.path / name}: no column {asked}; it has {', '.join(table.columns)}; name "
                "the one of the labels (--label-column)"
            )
        absent = ~table.path.map(lambda path: Path(path).is_file())
        blank = ~absent & (table[column].fillna("").str.strip() == "")
        for why, rows in {"not there": absent, "without a label": blank}.items():
            if rows.any():
                n_files, first = labels.count(int(rows.sum()), "file"), table.path[rows].iloc[0]
                self._remarks.append(f"left out of {name}: {n_files} {why}, such as {first}")
        used = table[~absent & ~blank].drop_duplicates("path")
        if used.empty:
            raise SourceError(f"{self.path / name}: not one of its {len(table)} tracks is there")
        artist = used.get("artist", pd.Series(pd.NA, used.index, dtype="string"))
        artist = artist.replace("", pd.NA).fillna(used.get("album", artist).replace("", pd.NA))
        chosen = used[[name for name in ("path", "name") if name in used]]
        return chosen.assign(genre=used[column], artist=artist).reset_index(drop=True)


def _names_files(path: Path) -> bool:
    try:
        return "file_name" in read_words(path, n_rows=0)
    except SourceError:  # of somebody else's, beside labelled folders perhaps
        return False


def read_words(path: Path, n_rows: int | None = None) -> pd.DataFrame:
    """Read a table of words, whose fields are separated by a comma, semicolon or tab.

    Parameters
    ----------
    path : Path
    n_rows : int or None
        How many are read; None for all.
    """
    try:
        regular(path, LARGEST)
        encoding = text_encoding(path)
        with path.open(encoding=encoding) as file:
            separator = max(",;\t", key=file.readline().count)
        table = pd.read_csv(
            path, sep=separator, encoding=encoding, nrows=n_rows, dtype=str, keep_default_na=False
        )
    except (ValueError, OSError) as error:
        raise SourceError(f"{path}: not a table that can be read ({reason(error)})") from error
    table.columns = table.columns.str.strip()
    return table.rename(columns={name: name.lower() for name in table if name.lower() in OURS})


def label_column(columns: Iterable[str], asked: str) -> str:
    """The column that holds the labels; empty where there is none.

    Parameters
    ----------
    columns : iterable of str
    asked : str
        The one that was asked for; empty for the first of `LABEL_COLUMNS`.
    """
    names = {column.casefold(): column for column in columns}
    wanted = [asked.casefold()] if asked else LABEL_COLUMNS
    return next((names[name] for name in wanted if name in names), "")
