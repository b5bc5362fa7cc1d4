"""Settings: the genres, the profiles, and where data, cache and runs lie."""

import os
from dataclasses import dataclass
from pathlib import Path

from gtzan_helpers.errors import SettingError

GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)

SR = 22_050
"""Sampling rate in Hz at which features are computed; other recordings are resampled to it."""

SYNTHETIC_SEED = 20
"""The random seed of the embedded dataset."""


@dataclass(frozen=True)
class Profile:
    """How much of everything a run takes.

    Attributes
    ----------
    synthetic_tracks : int
        Tracks that the embedded dataset is made of.
    synthetic_seconds : float
        Length of each, in seconds.
    track_limit : int or None
        The most tracks taken from any other source; None takes all.
    seconds_limit : float or None
        The most seconds taken of a recording; None takes all.
    tuned : bool
        Whether hyperparameters are searched (on valid) under the honest protocol.
    epochs_limit : int or None
        The most epochs that a network is trained; None leaves that to the network.
    folds_limit : int or None
        The folds of a k-fold that a network is trained on; None for all.
    fetches : bool
        Whether weights of pre-trained networks that are not there may be downloaded.
    """

    name: str
    synthetic_tracks: int
    synthetic_seconds: float
    track_limit: int | None = None
    seconds_limit: float | None = None
    tuned: bool = False
    epochs_limit: int | None = None
    folds_limit: int | None = None
    fetches: bool = False


PROFILES = {
    "smoke": Profile(
        "smoke", 40, 6.0, track_limit=40, seconds_limit=6.0, epochs_limit=1, folds_limit=1
    ),
    "quick": Profile("quick", 100, 15.0, epochs_limit=6, folds_limit=1),
    "full": Profile("full", 1000, 30.0, tuned=True, fetches=True),
}


def profile(name: str) -> Profile:
    """Return the profile of that name.

    Raises
    ------
    SettingError
        If there is none.
    """
    if name not in PROFILES:
        raise SettingError(f"profile {name!r} does not exist; choose from {', '.join(PROFILES)}")
    return PROFILES[name]


def cache_dir() -> Path:
    """Where things lie that can be made again: `GTZAN_CACHE`, or the platform's cache folder."""
    import platformdirs

    return _folder("GTZAN_CACHE", platformdirs.user_cache_dir("gtzan", appauthor=False))


def data_dir() -> Path:
    """Where downloads lie: `GTZAN_DATA`, or the platform's data folder."""
    import platformdirs

    return _folder("GTZAN_DATA", platformdirs.user_data_dir("gtzan", appauthor=False))


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser()


def facts_dir() -> Path:
    """The package's own small tables of facts."""
    return Path(__file__).parent / "facts"


def checkout() -> Path | None:
    """The folder of the checkout this package runs from; None for an installed copy."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "notebooks").is_dir() and (root / "pyproject.toml").is_file() else None


def run_dir(source_name: str, profile_name: str) -> Path:
    """Where the results of a run lie by default: ``runs/<source>-<profile>``."""
    return (checkout() or Path.cwd()) / "runs" / f"{source_name}-{profile_name}"
