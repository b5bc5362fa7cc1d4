"""Files that are either whole or not there, and their hashes."""

import contextlib
import glob
import hashlib
import os
import platform
import secrets
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil

from gtzan_helpers.errors import WriteError


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
        look at the ending; on an exception it is removed and `path` stays as it was. What a
        killed process left is removed by the next one that writes the same file.

    Raises
    ------
    WriteError
        If the file cannot be written: a full disk, a folder that must not be changed.
    """
    path = Path(path).expanduser()
    if path.exists() and not path.is_file():
        raise WriteError(f"{path}: there is something that is no file; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = path.with_name(
            f"{_prefix(path)}{os.getpid()}.{secrets.token_hex(4)}{path.suffix}"
        )
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written ({error.strerror or error}); make room there, or choose "
            "another place (GTZAN_CACHE, GTZAN_DATA, or the option that named this one)"
        ) from error


def _prefix(path: Path) -> str:
    # The machine, because folders are shared, and each counts its processes for itself.
    return f".{path.name}.{platform.node()}.tmp."


def _sweep(path: Path) -> None:
    """Remove what writers of the same file left behind when they were killed."""
    for stray in path.parent.glob(f"{glob.escape(_prefix(path))}*"):
        pid = stray.name.removeprefix(_prefix(path)).split(".")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            stray.unlink(missing_ok=True)


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
