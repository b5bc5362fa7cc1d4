"""Downloading archives: resumed, verified, and only then unpacked.

Addresses, sizes and hashes are in `facts/archives.csv`. GTZAN has no licence; what is downloaded
stays with the user.
"""

import csv
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from tqdm import tqdm

from gtzan_helpers import config
from gtzan_helpers.errors import DAMAGED_FILE, DownloadError, choose
from gtzan_helpers.files import file_hash

# The largest size of an archive, packed or unpacked, in bytes; GTZAN takes 1.3 GB.
MAX_UNPACKED = 4 * 2**30

# The largest number of files in an archive; GTZAN's has 2000.
MAX_MEMBERS = 20_000

# What the standard library raises when it reads a damaged archive.
DAMAGED_ARCHIVE = (*DAMAGED_FILE, tarfile.TarError, lzma.LZMAError, LookupError)

# Seconds to wait for a server's answer.
TIMEOUT = 30

BLOCK = 1 << 18


@dataclass(frozen=True)
class Archive:
    """Where to download an archive; size and hash are 0 and empty if they may change."""

    address: str
    n_bytes: int = 0
    sha256: str = ""

    @property
    def host(self) -> str:
        return self.address.split("/")[2]

    @property
    def max_bytes(self) -> int:
        return self.n_bytes or MAX_UNPACKED


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
        The dataset's folder.

    Raises
    ------
    DownloadError
        If no address gives the right archive. A partial download is kept for the next attempt;
        nothing is partly unpacked.
    """
    root = Path(to).expanduser() if to else config.data_dir()
    target, temporary = root / name, root / f".{name}.unpacking"
    options = archives(name) if sources is None else sources
    parts = {archive: _part(archive, root / "downloads") for archive in options}
    if target.exists():
        if not (target.is_dir() and any(target.iterdir())):
            raise DownloadError(f"{target}: there is something without music; remove it first")
        # What an earlier call that was killed at its very end could not remove.
        shutil.rmtree(temporary, ignore_errors=True)
        for part in parts.values():
            part.unlink(missing_ok=True)
        return target
    failures = []
    for archive, part in parts.items():
        try:
            _download(archive, part)
            _unpack(part, temporary, target)
            part.unlink()
            return target
        except DownloadError as error:
            failures.append(str(error))
    raise DownloadError(f"{name}: {'; '.join(failures)}; or unpack it to {target} yourself")


# Downloading


def _part(archive: Archive, folder: Path) -> Path:
    """The file for an archive until it is unpacked."""
    name = PurePosixPath(archive.address).name
    return folder / f"{(archive.sha256 or 'unhashed')[:8]}-{name}.part"


def _download(archive: Archive, part: Path) -> None:
    """Download an archive, resuming an earlier attempt, and verify its size and hash."""
    part.parent.mkdir(parents=True, exist_ok=True)
    if not archive.n_bytes or not part.exists() or part.stat().st_size < archive.n_bytes:
        try:
            _transfer(archive, part)
        except requests.Timeout as error:
            raise DownloadError(f"{archive.host} did not answer within {TIMEOUT} s") from error
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            fault = f"answered {status}" if status else "could not be reached, or broke off"
            raise DownloadError(f"{archive.host} {fault}") from error
    size = part.stat().st_size
    fault = _wrong_size(archive, size)
    if not fault and archive.sha256 and file_hash(part, "sha256") != archive.sha256:
        fault = f"sent another file (its sha256 is not {archive.sha256[:12]}...)"
    if fault:
        if size >= archive.n_bytes:  # a shorter one is resumed
            part.unlink()
        raise DownloadError(f"{archive.host} {fault}")


def _transfer(archive: Archive, part: Path) -> None:
    # Part of an archive that may have changed since cannot be resumed.
    size = part.stat().st_size if part.exists() and archive.sha256 else 0
    headers = {"Range": f"bytes={size}-"} if size else {}
    with requests.get(archive.address, headers=headers, stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        resumed = response.status_code == 206
        size = size if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = size + int(length) if length.isdecimal() and int(length) else archive.n_bytes
        # A login page, say, must not be taken for the beginning of the archive.
        if total and (fault := _wrong_size(archive, total)):
            raise DownloadError(f"{archive.host} {fault}")
        bar = tqdm(None, part.stem, total, initial=size, unit="B", unit_scale=True, disable=None)
        with part.open("ab" if resumed else "wb") as file, bar:
            for block in response.iter_content(BLOCK):
                file.write(block)
                bar.update(len(block))
                if file.tell() > archive.max_bytes:
                    break  # another file


def _wrong_size(archive: Archive, n_bytes: int) -> str:
    """What is wrong with a size that was declared or received; empty where nothing is."""
    if n_bytes < archive.n_bytes:
        return f"sent {n_bytes:,} of {archive.n_bytes:,} bytes"
    return f"sent more than {archive.max_bytes:,} bytes" if n_bytes > archive.max_bytes else ""


# Unpacking


def _unpack(path: Path, temporary: Path, target: Path) -> None:
    """Unpack the labelled folders of an archive, all or nothing."""
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                members = _checked(path, ((member.name, member.size, member) for member in tar))
                # The `data` filter also refuses devices, and links out of the folder.
                tar.extractall(temporary, members=members, filter="data")
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                infos = ((info.filename, info.file_size, info) for info in archive.infolist())
                # No more is unpacked than was declared, and links become plain files.
                archive.extractall(temporary, members=_checked(path, infos))
        else:
            raise DownloadError(f"{path.name} is neither a tar nor a zip archive")
        genres = next(temporary.rglob("genres"), None)
        if genres is None:
            raise DownloadError(f"{path.name} holds no folder `genres`")
        genres.parent.replace(target)
    except DAMAGED_ARCHIVE as error:
        raise DownloadError(f"{path.name} cannot be unpacked ({error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checked(path: Path, members: Iterable[tuple[str, int, Any]]) -> list[Any]:
    """Check names and declared sizes one by one: in a tar the next is behind all the bytes."""
    n_bytes, wanted = 0, []
    for n_members, (name, size, member) in enumerate(members, start=1):
        n_bytes += size
        if size < 0 or n_bytes > MAX_UNPACKED:
            raise DownloadError(f"{path.name} would unpack to {n_bytes:,} bytes or more; refused")
        if n_members > MAX_MEMBERS:
            raise DownloadError(f"{path.name} holds more than {MAX_MEMBERS:,} files; refused")
        inside = PurePosixPath(name)
        if ".." in inside.parts or inside.is_absolute():
            raise DownloadError(f"{path.name} would write outside its folder: {name}")
        if not inside.name.startswith("._"):  # macOS stores such a file beside every other
            wanted.append(member)
    return wanted
