"""Writing files atomically, caching results in files, and hashing files."""

import contextlib
import errno
import hashlib
import math
import os
import platform
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
import psutil

from gtzan_helpers import config
from gtzan_helpers.errors import DAMAGED_FILE, WriteError

# How large the content of an archive may be, in bytes: what any may hold, how many times its own
# size, and at most.
SMALL, RATIO, LARGEST = 64 << 20, 100, 4 << 30

# Bytes of a word in an array: names are short, and numpy takes hundreds of times as much to read.
LONGEST_WORD = 1 << 14

# Seconds without a change after which another machine's temporary file counts as left behind.
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
        stays as it was. What killed processes left behind is removed by the next process that
        writes the same file.

    Raises
    ------
    WriteError
        If the file cannot be written: a full disk, a read-only folder.
    """
    path = config.expanded(path)
    if path.exists() and not path.is_file():
        raise WriteError(f"{path}: there is something that is no file; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stray in left_behind(path):
            stray.unlink(missing_ok=True)
        temporary = temporary_path(path)
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


def temporary_path(path: Path) -> Path:
    """A place beside `path`, of this process alone, for what is to be renamed to it.

    Parameters
    ----------
    path : Path
    """
    name = f"{_kind(path)}{_here()}.{os.getpid()}.{secrets.token_hex(4)}{path.suffix[:8]}"
    return path.with_name(name)


def left_behind(path: Path) -> Iterator[Path]:
    """Yield the temporary places beside `path` whose processes have ended.

    Processes elsewhere cannot be looked up: theirs count after a day without a change.

    Parameters
    ----------
    path : Path
        What they were to become.
    """
    for place in path.parent.glob(f"{_kind(path)}*"):
        here, pid = place.name.removeprefix(_kind(path)).split(".")[:2]
        with contextlib.suppress(FileNotFoundError):  # another process may be at it, too
            inside = place.iterdir() if place.is_dir() else ()
            changed = max(each.stat().st_mtime for each in (place, *inside))
            is_ours = here == _here() and pid.isdigit()
            if not psutil.pid_exists(int(pid)) if is_ours else time.time() - changed > STRAY_AFTER:
                yield place


def _kind(path: Path) -> str:
    # Short, because a name may be as long as the system allows.
    return f".{hashlib.md5(os.fsencode(path.name)).hexdigest()[:12]}.tmp."


def _here() -> str:
    """Where numbers of processes mean the same: containers may share a machine's name."""
    space = Path("/proc/self/ns/pid")
    state = space.stat().st_ino if space.exists() else 0
    return hashlib.md5(f"{platform.node()} {state}".encode()).hexdigest()[:8]


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
        arrays = {}
        for part in opened.filelist:
            try:
                with opened.open(part) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
            except (MemoryError, SyntaxError, LZMAError, TokenError) as error:
                raise ValueError(f"no arrays of its size ({type(error).__name__})") from error
            if array.dtype.kind in "SU" and array.itemsize > LONGEST_WORD:
                raise ValueError(f"words of {array.itemsize:,} bytes")
            if array.size > part.file_size:  # of nothing: words of no letters
                raise ValueError(f"{array.size:,} values in {part.file_size:,} bytes")
            arrays[part.filename.removesuffix(".npy")] = array
    return arrays


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
        If its parts are larger than `SMALL`, and than `RATIO` times the file, or than `LARGEST`; or
        packed in another way than zip files usually are, which could not be read bit by bit.
    """
    size = regular(path).st_size
    with zipfile.ZipFile(path) as opened:
        usual = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if not all(part.compress_type in usual for part in opened.filelist):
            raise ValueError("packed in another way than by deflation; pack it again")
        content = sum(part.file_size for part in opened.filelist)
        if content > min(SMALL + RATIO * size, LARGEST):
            raise ValueError(f"{size:,} bytes would unpack to {content:,}, which is too much")
        yield opened


def regular(path: str | Path, most: float = math.inf) -> os.stat_result:
    """The state of a regular file; a pipe would be waited for, a device may have no end.

    Parameters
    ----------
    path : str or Path
    most : float
        How many bytes it may have.

    Raises
    ------
    OSError
        If it is missing, something else, or larger.
    """
    state = Path(path).stat()
    if not stat.S_ISREG(state.st_mode):
        cause = "not a regular file; save its content as one first"
        raise OSError(errno.EINVAL, cause, str(path))
    if state.st_size > most:
        raise OSError(errno.EFBIG, f"{state.st_size:,} bytes, more than such a file has", str(path))
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
