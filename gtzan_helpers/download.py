"""Fetching archives: resumed, checked, and only then unpacked.

Addresses, sizes and hashes stand in `facts/archives.csv`. GTZAN has no licence; what is
fetched stays with the user.
"""

import csv
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from gtzan_helpers import config
from gtzan_helpers.errors import DownloadError, SettingError

MAX_UNPACKED = 4 * 2**30
"""Bytes that an archive may unpack to, or hold itself; GTZAN takes 1.3 GB."""

MAX_MEMBERS = 20_000
"""Files that an archive may hold; GTZAN's has 2000."""

DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, LookupError, RuntimeError, ValueError),
)
"""What the standard library raises when it reads an archive that is damaged."""

TIMEOUT = 30
"""Seconds to wait for a server's next word."""

BLOCK = 1 << 18


@dataclass(frozen=True)
class Archive:
    """Where an archive is to be had; size and hash None where they may change."""

    address: str
    n_bytes: int | None = None
    sha256: str | None = None


def archives(name: str) -> list[Archive]:
    """Addresses of a dataset, the preferred one first.

    Raises
    ------
    SettingError
        If no dataset of that name can be fetched.
    """
    with (config.facts_dir() / "archives.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    found = [
        Archive(line["address"], int(line["bytes"] or 0) or None, line["sha256"] or None)
        for line in lines
        if line["dataset"] == name
    ]
    if not found:
        names = ", ".join(dict.fromkeys(line["dataset"] for line in lines))
        raise SettingError(f"dataset {name!r} cannot be fetched; choose from {names}")
    return found


def fetch(
    name: str, *, to: str | Path | None = None, sources: Iterable[Archive] | None = None
) -> Path:
    """Download, check and unpack a dataset; what is there already is left as it is.

    Parameters
    ----------
    name : {"mini", "gtzan"}
    to : str, Path or None
        Folder to put ``<name>/genres`` into; None for `config.data_dir`.
    sources : iterable of Archive, or None
        Addresses to try in turn; None for those of `archives`.

    Returns
    -------
    Path
        The dataset's folder.

    Raises
    ------
    DownloadError
        If no address gives the archive that was asked for. What was downloaded of it stays
        for the next try; nothing is half unpacked.
    """
    found = list(sources) if sources is not None else archives(name)
    root = Path(to).expanduser() if to else config.data_dir()
    target = root / name
    parts = {archive: _part(archive, root / "downloads") for archive in found}
    if target.exists():
        if not (target.is_dir() and any(target.iterdir())):
            raise DownloadError(f"{target}: there is something without music; remove it first")
        # What a fetch that was killed at its very end had no time to remove.
        shutil.rmtree(_unpacking(target), ignore_errors=True)
        for part in parts.values():
            part.unlink(missing_ok=True)
        return target
    failures = []
    for archive, part in parts.items():
        try:
            _download(archive, part)
            _unpack(part, target)
            part.unlink()
            return target
        except DownloadError as error:
            failures.append(str(error))
    raise DownloadError(
        f"{name}: {'; '.join(failures)}; download it by hand on a machine with a network and "
        f"unpack it to {target}"
    )


# Downloading


def _part(archive: Archive, folder: Path) -> Path:
    """Where an archive is downloaded to; it stays there until it is unpacked."""
    name = PurePosixPath(archive.address).name
    return folder / f"{(archive.sha256 or 'unhashed')[:8]}-{name}.part"


def _download(archive: Archive, part: Path) -> None:
    """Bring an archive here, going on where an earlier try stopped; check size and hash."""
    import requests

    part.parent.mkdir(parents=True, exist_ok=True)
    if archive.n_bytes is None or not part.exists() or part.stat().st_size < archive.n_bytes:
        try:
            _transfer(archive, part)
        except requests.RequestException as error:
            host = archive.address.split("/")[2]
            raise DownloadError(f"{host} {_reason(error)}") from error
    _verify(archive, part)


def _transfer(archive: Archive, part: Path) -> None:
    import requests

    # A part of an archive that may have changed since cannot be continued.
    have = part.stat().st_size if part.exists() and archive.sha256 else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(archive.address, headers=headers, stream=True, timeout=TIMEOUT) as reply:
        reply.raise_for_status()
        resumed = reply.status_code == 206
        have = have if resumed else 0
        said = reply.headers.get("Content-Length", "")
        offered = int(said) if said.isdecimal() else None
        _refuse_other_size(archive, offered and have + offered)
        total = archive.n_bytes or offered
        most = archive.n_bytes or MAX_UNPACKED
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=None
            ) as bar,
        ):
            for block in reply.iter_content(BLOCK):
                file.write(block)
                bar.update(len(block))
                if file.tell() > most:
                    break  # not what was asked for; the check says so


def _refuse_other_size(archive: Archive, offered: int | None) -> None:
    """A page to log in, say, must not be mistaken for the beginning of the archive."""
    if archive.n_bytes and offered and offered != archive.n_bytes:
        host = archive.address.split("/")[2]
        told = "sent more than" if offered > archive.n_bytes else f"offers {offered:,} of"
        raise DownloadError(f"{host} {told} {archive.n_bytes:,} bytes")


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"answered {response.status_code}"
    if "Timeout" in type(error).__name__:
        return f"did not answer within {TIMEOUT} s"
    return "could not be reached, or broke off"


def _verify(archive: Archive, part: Path) -> None:
    import pooch

    size = part.stat().st_size
    host = archive.address.split("/")[2]
    if archive.n_bytes and size < archive.n_bytes:
        raise DownloadError(f"{host} broke off after {size:,} of {archive.n_bytes:,} bytes")
    most = archive.n_bytes or MAX_UNPACKED
    wrong = None
    if size > most:
        wrong = f"{host} sent more than {most:,} bytes"
    elif archive.sha256 and pooch.file_hash(str(part)) != archive.sha256:
        wrong = f"{host} sent another file (its sha256 is not {archive.sha256[:12]}...)"
    if wrong:
        part.unlink()
        raise DownloadError(wrong)


# Unpacking


def _unpacking(target: Path) -> Path:
    return target.with_name(f".{target.name}.unpacking")


def _unpack(path: Path, target: Path) -> None:
    """Unpack the labelled folders of an archive, all or nothing."""
    temporary = _unpacking(target)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        if tarfile.is_tarfile(path):
            _unpack_tar(path, temporary)
        elif zipfile.is_zipfile(path):
            _unpack_zip(path, temporary)
        else:
            raise DownloadError(f"{path.name} is neither a tar nor a zip archive")
        genres = next(temporary.rglob("genres"), None)
        if genres is None:
            raise DownloadError(f"{path.name} holds no folder `genres`")
        genres.parent.replace(target)
    except DAMAGE as error:
        raise DownloadError(f"{path.name} cannot be unpacked ({error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack_tar(path: Path, folder: Path) -> None:
    with tarfile.open(path) as archive:
        _refuse_harm(path, ((m.name, m.size) for m in archive))
        # The `data` filter also refuses links out of the folder, and devices.
        members = [m for m in archive.getmembers() if _wanted(m.name)]
        archive.extractall(folder, members=members, filter="data")


def _unpack_zip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        _refuse_harm(path, ((m.filename, m.file_size) for m in archive.infolist()))
        # No more is unpacked than was declared, and links become plain files.
        members = [m for m in archive.infolist() if _wanted(m.filename)]
        archive.extractall(folder, members=members)


def _wanted(name: str) -> bool:
    # macOS leaves `._*` twins of every file in its archives.
    return not PurePosixPath(name).name.startswith("._")


def _refuse_harm(path: Path, members: Iterable[tuple[str, int]]) -> None:
    """Look at names and declared sizes one by one: in a tar the next is behind all the bytes."""
    n_bytes = 0
    for n_members, (name, size) in enumerate(members, start=1):
        n_bytes += size
        if size < 0 or n_bytes > MAX_UNPACKED:
            raise DownloadError(f"{path.name} would unpack to {n_bytes:,} bytes or more; refused")
        if n_members > MAX_MEMBERS:
            raise DownloadError(f"{path.name} holds more than {MAX_MEMBERS:,} files; refused")
        if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
            raise DownloadError(f"{path.name} would write outside its folder: {name}")
