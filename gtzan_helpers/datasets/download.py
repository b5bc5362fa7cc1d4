"""Downloading archives: resumed, verified, and only then unpacked.

Addresses, sizes and hashes are in `facts/archives.csv`. GTZAN has no licence; what is downloaded
stays with the user. pooch would give the temporary file, the hash and the rename; resuming, the
next address, limits of size and speed, and the check against the facts are what it lacks.

Each process works in a hidden folder of its own, and renames the finished dataset. A partial
archive in `downloads` belongs to nobody: whoever resumes it first moves it to its own folder.
"""

import contextlib
import csv
import hashlib
import lzma
import queue
import shutil
import tarfile
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import requests
import urllib3
from tqdm import tqdm

from gtzan_helpers import config
from gtzan_helpers.audio.reading import SUFFIXES
from gtzan_helpers.datasets.audit import expected_tracks
from gtzan_helpers.datasets.kinds.folders import AudioFolder
from gtzan_helpers.errors import DAMAGED_FILE, DownloadError, WriteError, choose, reason
from gtzan_helpers.files import archive as zip_archive
from gtzan_helpers.files import file_hash, left_behind, sync, temporary_path

# The largest size of an archive, packed or unpacked, in bytes; GTZAN takes 1.3 GB.
MAX_UNPACKED = 4 * 2**30

# The largest size of a track in bytes; GTZAN's have 1.4 MB.
MAX_TRACK = 2**24

# The largest number of files in an archive; GTZAN's has 2000.
MAX_MEMBERS = 20_000

# What the standard library raises when it reads a damaged archive.
DAMAGED_ARCHIVE = (*DAMAGED_FILE, tarfile.TarError, lzma.LZMAError, LookupError)

# Seconds to wait for a server's answer.
TIMEOUT = 30

# A server that sends fewer bytes a second, over so many seconds, is given up.
MIN_SPEED = 10_000
SPEED_SECONDS = 60

BLOCK = 1 << 18


@dataclass(frozen=True)
class Archive:
    """Where to download an archive; size and hash are 0 and empty if they may change."""

    address: str
    n_bytes: int = 0
    sha256: str = ""

    @property
    def part(self) -> str:
        """Name of the partial file."""
        return f"{self.sha256[:8]}-{PurePosixPath(self.address).name}.part"


def archives(name: str) -> list[Archive]:
    """Return the addresses of a dataset, the preferred one first.

    Parameters
    ----------
    name : {"mini", "gtzan"}

    Raises
    ------
    SettingError
        If no dataset of that name can be downloaded.
    """
    text = (config.facts_dir() / "archives.csv").read_text(encoding="utf-8")
    options: dict[str, list[Archive]] = {}
    for dataset, address, n_bytes, sha256 in list(csv.reader(text.splitlines()))[1:]:
        options.setdefault(dataset, []).append(Archive(address, int(n_bytes or 0), sha256))
    return choose(options, name, "dataset")


def fetch(
    name: str, *, to: str | Path | None = None, sources: Iterable[Archive] | None = None
) -> Path:
    """Download, verify and unpack a dataset, unless it is already there.

    Parameters
    ----------
    name : {"mini", "gtzan"}
    to : str, Path or None
        Folder for ``<name>/genres``; None for `config.data_dir`.
    sources : iterable of Archive, or None
        Addresses to try in turn; None for those of `archives`.

    Returns
    -------
    Path
        The dataset's folder, with all its tracks.

    Raises
    ------
    DownloadError
        If no address gives the right archive, or there is another folder in its place. A partial
        download is kept for the next attempt; nothing is partly unpacked.
    WriteError
        If the folder cannot be written: a full disk, a read-only folder.
    """
    root = config.expanded(to) if to else config.data_dir()
    options = list(archives(name) if sources is None else sources)
    target = root / name
    try:
        for work in left_behind(target):
            _leave(work)
        if not target.exists():
            _install(target, options)
        if missing := _missing(target):
            lack = f"{target} lacks {len(missing)} of {name}'s tracks"
            raise DownloadError(f"{lack}; move it away, and fetch {name} again")
        for archive in options:
            (root / "downloads" / archive.part).unlink(missing_ok=True)
    except OSError as error:
        cause = f"cannot be written ({error.strerror or error})"
        raise WriteError(f"{root}: {cause}; make room, or choose another place") from error
    return target


def _missing(folder: Path) -> list[str]:
    """The tracks that a folder lacks of the dataset of its name."""
    files = AudioFolder.files(AudioFolder.find(folder) or folder)
    paths = [Path(path) for path, size, _ in files if size and Path(path).is_file()]
    held = {f"{path.parent.name}/{path.stem}" for path in paths}
    # One is broken in some copies, and left out of others.
    return sorted(set(expected_tracks(folder.name).index) - held - {"jazz/jazz.00054"})


def _install(target: Path, options: list[Archive]) -> None:
    """Download and unpack a dataset in a folder of this process, and move it to its place."""
    root, name, failures = target.parent, target.name, []
    (root / "downloads").mkdir(parents=True, exist_ok=True)
    work = temporary_path(target)
    work.mkdir()
    try:
        for archive in options:
            part = work / archive.part
            left = root / "downloads" / part.name
            if left.is_file() and not left.is_symlink():
                with contextlib.suppress(FileNotFoundError):  # another process may be faster
                    left.replace(part)
            try:
                _download(archive, part)
                _unpack(archive, part, work / name)
                (work / name).rename(target)
                sync(root)
            except DownloadError as error:
                failures.append(f"{archive.address.split('/')[2]} {error}")
                continue
            except OSError:
                if not target.exists():  # else another process was faster
                    raise
            return
    finally:
        _leave(work)
    place = root / "downloads" / options[0].part
    way_out = f"download {options[0].address} by hand to {place}, and fetch {name} again"
    raise DownloadError(f"{name}: {'; '.join(failures)}; or {way_out}")


def _leave(work: Path) -> None:
    """Remove a process's folder; partial archives go where the next process finds them."""
    with contextlib.suppress(OSError):
        # One without a hash cannot be resumed: the archive may have changed.
        for part in (part for part in work.glob("[!-]*.part") if part.stat().st_size):
            part.replace(work.parent / "downloads" / part.name)
    shutil.rmtree(work, ignore_errors=True)


# Downloading


def _download(archive: Archive, part: Path) -> None:
    """Download an archive, or what a part lacks of it, and verify its size and hash."""
    with part.open("ab") as file:
        if not file.tell() or file.tell() < archive.n_bytes:
            for place, block in _watched(_blocks(archive, file.tell())):
                file.truncate(place)  # the server may have begun anew
                file.write(block)
    fault = _wrong_size(archive, part.stat().st_size)
    if not fault and archive.sha256 and file_hash(part, "sha256") != archive.sha256:
        fault = f"sent another file (its sha256 is not {archive.sha256[:12]}...)"
    if fault:
        part.unlink()
        raise DownloadError(fault)


def _watched(blocks: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Pass blocks on, and give up a server that sends too little: any call may wait for ever."""
    arrived: queue.Queue[Any] = queue.Queue(4)

    def receive() -> None:
        try:
            for block in blocks:
                arrived.put(block)
            arrived.put(None)
        except Exception as error:
            arrived.put(error)

    threading.Thread(target=receive, daemon=True).start()
    n_bytes, since = 0, time.monotonic()
    while True:
        try:
            item = arrived.get(timeout=max(0.0, since + SPEED_SECONDS - time.monotonic()))
        except queue.Empty:
            if n_bytes < MIN_SPEED * SPEED_SECONDS:
                slow = f"sends fewer than {MIN_SPEED:,} bytes a second"
                raise DownloadError(slow) from None
            n_bytes, since = 0, time.monotonic()
            continue
        if item is None:
            return
        if isinstance(item, Exception):
            raise item
        n_bytes += len(item[1])
        yield item


def _blocks(archive: Archive, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield place and bytes of each block behind the first `size` bytes, or of all blocks."""
    session = requests.Session()
    wanted = {"Range": f"bytes={size}-"} if size else {}
    session.headers.update({"Accept-Encoding": "identity", **wanted})
    if archive.address.startswith("https:"):
        del session.adapters["http://"]
    # requests would read the text of a redirect, which may be endless.
    session.hooks["response"] = [lambda answer, **_: answer.close() if answer.is_redirect else None]
    try:
        with session, session.get(archive.address, stream=True, timeout=TIMEOUT) as response:
            resumed = response.headers.get("Content-Range", "").startswith(f"bytes {size}-")
            if size and not resumed and response.status_code in (206, 416):
                yield from _blocks(archive, 0)
                return
            if not response.ok:
                raise DownloadError(f"answered {response.status_code}")
            yield from _received(archive, response.raw, size if resumed else 0)
    except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
        raise DownloadError(f"cannot be reached or broke off ({type(error).__name__})") from error


def _received(archive: Archive, answer: Any, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield place and bytes of each block of an answer that begins behind `size` bytes."""
    total = size + answer.length_remaining if answer.length_remaining else archive.n_bytes
    # A login page, say, must not be taken for the beginning of the archive.
    if total and (fault := _wrong_size(archive, total)):
        raise DownloadError(fault)
    bar = tqdm(None, archive.part, total, initial=size, unit="B", unit_scale=True, disable=None)
    with bar:
        while size <= (total or MAX_UNPACKED) and (block := answer.read1(BLOCK)):
            yield size, block
            size += len(block)
            bar.update(len(block))


def _wrong_size(archive: Archive, n_bytes: int) -> str:
    """What is wrong with a size that was declared or received; empty where nothing is."""
    most = archive.n_bytes or MAX_UNPACKED
    return "" if archive.n_bytes <= n_bytes <= most else f"sent {n_bytes:,} bytes, not {most:,}"


# Unpacking


def _unpack(archive: Archive, part: Path, folder: Path) -> None:
    """Write the tracks of the dataset that `folder` is named by, and no other member."""
    shutil.rmtree(folder, ignore_errors=True)
    expected = expected_tracks(folder.name)
    for track, suffix, content in _tracks(archive, part, expected):
        if not archive.sha256 and hashlib.md5(content).hexdigest() != expected[track]:
            raise DownloadError(f"sent another {track}{suffix} than GTZAN's")
        path = folder / "genres" / f"{track}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if missing := _missing(folder):
        raise DownloadError(f"sent an archive without {missing[0]} (and {len(missing) - 1} more)")
    for path in (folder, *folder.rglob("*")):
        sync(path)


def _tracks(archive: Archive, part: Path, ids: Container[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield ``<label>/<id>``, suffix and content of each wanted track in an archive."""
    n_bytes = 0
    try:
        # One by one: in a tar the next member is behind all the bytes of this one.
        for n_members, (name, size, opener) in enumerate(_members(archive, part), start=1):
            n_bytes += size
            if size < 0 or n_bytes > MAX_UNPACKED or n_members > MAX_MEMBERS:
                raise DownloadError("sent an archive that would unpack to too much")
            path = PurePosixPath(name)
            track, suffix = f"{path.parent.name}/{path.stem}", path.suffix.lower()
            if track in ids and suffix in SUFFIXES and size <= MAX_TRACK:
                yield track, suffix, opener().read()
    except DAMAGED_ARCHIVE as error:
        raise DownloadError(f"sent what cannot be unpacked ({reason(error)})") from error


def _members(archive: Archive, part: Path) -> Iterator[tuple[str, int, Callable[[], Any]]]:
    """Yield name, declared size and opener of each member; links and devices have no name.

    An address that ends in ``.zip`` is a zip, any other a gzipped tar.
    """
    if archive.address.endswith(".zip"):
        with zip_archive(part) as packed:
            for info in packed.infolist():  # a link becomes a plain file
                yield info.filename, info.file_size, partial(packed.open, info)
    else:
        with tarfile.open(part, "r:gz") as tar:
            for m in tar:
                yield m.name if m.isreg() else "", m.size, partial(tar.extractfile, m)
