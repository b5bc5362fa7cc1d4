"""Settings: the genres, the profiles, and the folders of data, cache and runs."""

import hashlib
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from gtzan_helpers.errors import SettingError, choose, safe

#: GTZAN's ten labels.
GENRES = tuple(
    "blues classical country disco hiphop jazz metal pop reggae rock".split()  # noqa: SIM905
)

#: Sampling rate in Hz at which features are computed; other recordings are resampled to it.
SR = 22_050

#: Length of a segment in seconds, where nothing else is asked for.
SEGMENT_SECONDS = 3.0

#: Characters of a source's name, which is part of names of files.
LONGEST_NAME = 40

# Bytes: what libraries keep is less.
LITTLE = 32 << 20

# The random seed of the embedded dataset.
SYNTHETIC_SEED = 20


@dataclass(frozen=True)
class Profile:
    """How much data and training a run uses.

    Attributes
    ----------
    synthetic_tracks : int
        Number of tracks of the embedded dataset.
    synthetic_seconds : float
        Length of each of them in seconds.
    track_limit : int or None
        Maximum number of tracks of any other source; None for all.
    seconds_limit : float or None
        Maximum number of seconds of a recording; None for all.
    tuned : bool
        Whether hyperparameters are searched on the validation set under the honest protocol.
    steps_limit : int or None
        Number of optimizer steps after which a network's last epoch ends; None leaves it to the
        network.
    folds_limit : int or None
        Number of folds of a k-fold split that a network is trained on; None for all.
    test_sets : int
        Test sets that are composed to check an interval.
    fetches : bool
        Whether missing weights of pretrained networks may be downloaded.
    balanced : bool
        Whether every label weighs the same in training, however many tracks it has.
    """

    name: str
    synthetic_tracks: int
    synthetic_seconds: float
    track_limit: int | None = None
    seconds_limit: float | None = None
    tuned: bool = False
    steps_limit: int | None = None
    folds_limit: int | None = None
    test_sets: int = 50
    fetches: bool = False
    balanced: bool = False

    def limits(self) -> dict[str, Any]:
        """The settings that change a result and differ from their defaults, by name."""
        names = ("track_limit", "seconds_limit", "tuned", "steps_limit", "folds_limit", "balanced")
        return {n: getattr(self, n) for n in names if getattr(self, n) != getattr(Profile, n)}


#: What the names of profiles with balanced labels end in.
BALANCED = "-balanced"

#: The profiles by name.
PROFILES = {
    "smoke": Profile(
        "smoke",
        40,
        6.0,
        track_limit=40,
        seconds_limit=6.0,
        steps_limit=1,
        folds_limit=1,
        test_sets=2,
    ),
    # Short songs, so that there can be many: about a hundred in the honest test set.
    "quick": Profile("quick", 460, 6.0, steps_limit=200, folds_limit=1, test_sets=12),
    "full": Profile("full", 1000, 30.0, tuned=True, fetches=True),
}


def profile(name: str) -> Profile:
    """Return the profile of that name.

    Parameters
    ----------
    name : {"smoke", "quick", "full"}
        With `BALANCED` at its end, labels weigh the same in training.

    Raises
    ------
    SettingError
        If there is none.
    """
    chosen = choose(PROFILES, name.removesuffix(BALANCED), "profile")
    return chosen if chosen.name == name else replace(chosen, name=name, balanced=True)


def cache_dir() -> Path:
    """Folder of files that can be made again: `GTZAN_CACHE`, or the platform's cache folder."""
    return _folder("GTZAN_CACHE", platformdirs.user_cache_dir("gtzan", appauthor=False))


def data_dir() -> Path:
    """Folder of downloads: `GTZAN_DATA`, or the platform's data folder."""
    return _folder("GTZAN_DATA", platformdirs.user_data_dir("gtzan", appauthor=False))


def _folder(variable: str, default: str) -> Path:
    return expanded(os.environ.get(variable) or default)


def settle() -> bool:
    """Name places for what libraries keep, before they are imported; returns whether numba has one.

    numba keeps compiled loops below `cache_dir`. Where nothing can be written in the user's folder,
    matplotlib and IPython write there, too. Variables that are set stay as they are.
    """
    if not expanded("~").is_absolute():
        os.environ["HOME"] = os.sep  # as in containers, of a user whom the system does not know
    cache, names = cache_dir().absolute(), {"NUMBA_CACHE_DIR": "numba"}
    if not _writable(expanded("~")) and _writable(cache):
        names |= {"MPLCONFIGDIR": "matplotlib", "IPYTHONDIR": "ipython"}
    for variable, name in names.items():
        os.environ[variable] = os.environ.get(variable) or str(cache / name)
    return _writable(Path(os.environ["NUMBA_CACHE_DIR"]).absolute())


def _writable(folder: Path) -> bool:
    """Whether a folder can be written, or made where it is missing, and has room for a little."""
    # Path.exists raises in folders that cannot be read.
    there = next(each for each in (folder, *folder.parents) if os.path.exists(each))  # noqa: PTH110
    allowed = there.is_dir() and os.access(there, os.W_OK)
    return allowed and shutil.disk_usage(there).free > LITTLE


def expanded(path: str | Path) -> Path:
    """The path with ``~`` replaced by the user's folder, where there is such a user.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    SettingError
        If it is empty, as a variable that was not set is.
    """
    if not str(path):
        raise SettingError("'' names no file or folder")
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's raises for unknown users


def facts_dir() -> Path:
    """Folder of the package's own small tables."""
    return Path(__file__).parent / "facts"


def checkout() -> Path | None:
    """Folder of the checkout that this package runs from; None for an installed package."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "notebooks").is_dir() and (root / "pyproject.toml").is_file() else None


def series() -> Path:
    """Folder of `notebooks/` and `figures/`: the checkout, or what an installed package carries."""
    return checkout() or Path(__file__).parent / "series"


def run_dir(address: str, profile_name: str) -> Path:
    """Default folder of a run's results: ``runs/<source>-<profile>``.

    Parameters
    ----------
    address : str
        Name of a built-in source, or absolute path, whose name then has six characters of the
        path's hash behind it: two folders of one name are two sources.
    profile_name : str
    """
    name = address
    if Path(address).is_absolute():
        digest = hashlib.sha256(address.encode(errors="backslashreplace")).hexdigest()
        name = f"{safe(Path(address).stem)[:LONGEST_NAME]}-{digest[:6]}"
    return (checkout() or Path.cwd()) / "runs" / f"{name}-{profile_name}"
