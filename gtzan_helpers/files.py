"""Writing files atomically, caching results in files, and hashing files."""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError

import numpy as np

from gtzan_helpers.errors import DAMAGED_FILE, WriteError

# How large the content of an archive may be, in bytes: what any may hold, how many times its own
# size, and at most.
SMALL, RATIO, LARGEST = 64 << 20, 100, 4 << 30

# A temporary file that is older, in seconds, was left behind by a process that was killed.
STRAY_AFTER = 86_400


@contextlib.contextmanager
def replacing(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Write to a temporary file in the same folder, and rename it at the end.

    Parameters
    ----------
    path : str or Path
        The finished file; missing folders are made. Where it is a link, the link is replaced, and
        what it points to stays as it is.
    durable : bool
        Whether the file is on the disk when this returns, so that it outlives a loss of power.

    Yields
    ------
    Path
        The temporary file, with the suffix of `path`. On an exception it is removed and `path`
        stays as it was. Temporary files of killed processes are removed, a day later, by the
        next process that writes the same file.

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
        # Short, because a name may be as long as the system allows.
        prefix = f".{hashlib.md5(os.fsencode(path.name)).hexdigest()[:12]}.tmp."
        for stray in path.parent.glob(f"{prefix}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - stray.stat().st_mtime > STRAY_AFTER:
                    stray.unlink()
        temporary = path.with_name(f"{prefix}{secrets.token_hex(4)}{path.suffix}")
        try:
            yield temporary
            if durable:
                sync(temporary)
            temporary.replace(path)
            if durable:
                sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        cause = error.strerror or error
        raise WriteError(
            f"{path}: cannot be written ({cause}); make room, or choose another place "
            "(GTZAN_CACHE, GTZAN_DATA, or the option that named it)"
        ) from error


def sync(path: Path) -> None:
    """Have the system write a file, or a folder's list of files, to the disk.

    Parameters
    ----------
    path : Path
    """
    if os.name == "posix":  # Windows opens no folder, and syncs by itself
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` as UTF-8, whole or not at all, and return the path."""
    with replacing(path) as temporary:
        # Texts may hold file names, which need not be UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return Path(path)


def cached(
    path: str | Path, make: Callable[[], dict[str, np.ndarray]], *, of: str
) -> dict[str, np.ndarray]:
    """Load arrays from a file, or make and save them if it is missing, damaged or of another thing.

    Parameters
    ----------
    path : str or Path
    make : callable
        Makes the arrays, by their names.
    of : str
        What they are of; it is stored with them.
    """
    with contextlib.suppress(*DAMAGED_FILE):
        return load_arrays(path, of=of)
    arrays = make()
    with replacing(path, durable=False) as temporary:
        _save_arrays(temporary, arrays, of)
    return arrays


def load_arrays(path: str | Path, *, of: str = "") -> dict[str, np.ndarray]:
    """Load the arrays of an ``.npz``.

    Parameters
    ----------
    path : str or Path
    of : str
        What they must be of, if `cached` wrote them; empty for files of others.

    Raises
    ------
    One of `errors.DAMAGED_FILE`
        If it is no such file, see `archive`; or the arrays are larger than the file.
    """
    with archive(path) as opened:
        if of and opened.comment != _seal(opened, of):
            raise ValueError(f"not of {of}")
        try:
            parts = opened.filelist
            return {part.filename.removesuffix(".npy"): _read(opened, part) for part in parts}
        except (MemoryError, SyntaxError, LZMAError, TokenError) as error:
            raise ValueError(f"it holds no arrays of its size ({type(error).__name__})") from error


def _read(opened: zipfile.ZipFile, part: zipfile.ZipInfo) -> np.ndarray:
    with opened.open(part) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if array.size > part.file_size:  # of nothing: words of no letters
        raise ValueError(f"{array.size:,} values in {part.file_size:,} bytes")
    return array


def _save_arrays(path: Path, arrays: dict[str, np.ndarray], of: str) -> None:
    with zipfile.ZipFile(path, "w") as opened:
        for name, array in arrays.items():
            with opened.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
        opened.comment = _seal(opened, of)


def _seal(opened: zipfile.ZipFile, of: str) -> bytes:
    """What arrays are of, and their checksums: other arrays, or of other things, differ."""
    return " ".join([of, *(f"{part.CRC:08x}" for part in opened.filelist)]).encode()


@contextlib.contextmanager
def archive(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive to read it whole: its content has a bound.

    Raises
    ------
    OSError, BadZipFile
        If it is missing, not a regular file, or no archive.
    ValueError
        If its parts are larger than `SMALL`, and than `RATIO` times the file, or than `LARGEST`.
    """
    size = regular(path).st_size
    with zipfile.ZipFile(path) as opened:
        content = sum(part.file_size for part in opened.filelist)
        if content > min(SMALL + RATIO * size, LARGEST):
            raise ValueError(f"{size:,} bytes would unpack to {content:,}, which is too much")
        yield opened


def regular(path: str | Path) -> os.stat_result:
    """The state of a regular file; a pipe would be waited for, a device may have no end.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    OSError
        If it is missing, or something else.
    """
    state = Path(path).stat()
    if not stat.S_ISREG(state.st_mode):
        cause = "not a regular file; save its content as one first"
        raise OSError(errno.EINVAL, cause, str(path))
    return state


def file_hash(path: str | Path, algorithm: str = "md5") -> str:
    """Return the hexadecimal hash of a file's bytes.

    Within a process it is computed once, as long as the file is the same, of the same size and time
    of change. Raises `OSError` if it is no regular file.
    """
    state = regular(path)
    same = state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
    return _file_hash(str(path), algorithm, same)


@cache
def _file_hash(path: str, algorithm: str, same: tuple[int, ...]) -> str:
    state = hashlib.new(algorithm)
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
