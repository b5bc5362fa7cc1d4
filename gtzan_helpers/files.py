"""Files that are either whole or not there, and their hashes."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write to a temporary name in the same folder, and rename it at the end.

    Parameters
    ----------
    path : str or Path
        Where the finished file is to be; missing folders are made.

    Yields
    ------
    Path
        The temporary name to write to. It ends as `path` does, because numpy and pandas
        look at the ending; on an exception it is removed and `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` as UTF-8, whole or not at all, and return the path."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def digest(path: str | Path, algorithm: str = "md5") -> str:
    """Return the hexadecimal hash of a file's bytes."""
    with Path(path).open("rb") as file:
        return (
            hashlib.file_digest(file, algorithm).hexdigest()
            if hasattr(hashlib, "file_digest")
            else _digest_by_blocks(file, algorithm)
        )


def _digest_by_blocks(file, algorithm: str) -> str:
    # Python 3.10 has no hashlib.file_digest.
    state = hashlib.new(algorithm)
    while block := file.read(1 << 20):
        state.update(block)
    return state.hexdigest()
