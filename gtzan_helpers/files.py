"""Files that are either whole or not there, and their hashes."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from functools import cache
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
        # A name of a file, of which texts may speak, need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return Path(path)


def digest(path: str | Path, algorithm: str = "md5") -> str:
    """Return the hexadecimal hash of a file's bytes.

    A process reads a file once for it, as long as its size and time of change stay the same.
    """
    state = Path(path).stat()
    return _digest(str(path), algorithm, state.st_size, state.st_mtime_ns)


@cache
def _digest(path: str, algorithm: str, size: int, changed: int) -> str:
    state = hashlib.new(algorithm)
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
