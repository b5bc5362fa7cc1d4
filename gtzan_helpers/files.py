"""Writing files atomically, caching results in files, and hashing files."""

import contextlib
import glob
import hashlib
import os
import platform
import secrets
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

import psutil

from gtzan_helpers.errors import DAMAGED_FILE, WriteError

T = TypeVar("T")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write to a temporary file in the same folder, and rename it at the end.

    Parameters
    ----------
    path : str or Path
        The finished file; missing folders are made.

    Yields
    ------
    Path
        The temporary file, with the suffix of `path`. On an exception it is removed and `path`
        stays as it was. Temporary files of killed processes are removed by the next process
        that writes the same file.

    Raises
    ------
    WriteError
        If the file cannot be written: a full disk, a read-only folder.
    """
    path = Path(path).expanduser()
    if path.exists() and not path.is_file():
        raise WriteError(f"{path}: there is something that is no file; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Process numbers are unique on one machine only, and folders may be shared.
        prefix = f".{path.name}.{platform.node()}.tmp."
        for stray in path.parent.glob(f"{glob.escape(prefix)}*"):
            pid = stray.name.removeprefix(prefix).split(".")[0]
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                stray.unlink(missing_ok=True)
        temporary = path.with_name(f"{prefix}{os.getpid()}.{secrets.token_hex(4)}{path.suffix}")
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        cause = error.strerror or error
        raise WriteError(
            f"{path}: cannot be written ({cause}); make room, or choose another place "
            "(GTZAN_CACHE, GTZAN_DATA, or the option that named it)"
        ) from error


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` as UTF-8, whole or not at all, and return the path."""
    with replacing(path) as temporary:
        # Texts may hold file names, which need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return Path(path)


def cached(
    path: str | Path,
    make: Callable[[], T],
    *,
    load: Callable[[Path], T],
    save: Callable[[Path, T], object],
) -> T:
    """Load a result from a file, or make it and save it where the file is missing or damaged.

    Parameters
    ----------
    path : str or Path
    make : callable
        Makes the result.
    load, save : callable
        ``load(path)`` and ``save(path, result)``; `save` is given a temporary path.
    """
    with contextlib.suppress(*DAMAGED_FILE):
        return load(Path(path))
    result = make()
    with replacing(path) as temporary:
        save(temporary, result)
    return result


def file_hash(path: str | Path, algorithm: str = "md5") -> str:
    """Return the hexadecimal hash of a file's bytes.

    Within a process it is computed once, as long as the file's size and time of change stay the
    same.
    """
    state = Path(path).stat()
    return _file_hash(str(path), algorithm, state.st_size, state.st_mtime_ns)


@cache
def _file_hash(path: str, algorithm: str, size: int, changed: int) -> str:
    state = hashlib.new(algorithm)
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
