"""What commands share: options, lines to the user, and sources opened with their remarks."""

import os

import click
from tqdm import tqdm

from gtzan_helpers import datasets
from gtzan_helpers.errors import shown

PROFILES = click.Choice(["smoke", "quick", "full"])
PROFILE = click.option(
    "--profile",
    type=PROFILES,
    default="quick",
    show_default=True,
    help="How much of everything: seconds, minutes, or all of it.",
)
JOBS = click.option(
    "--jobs", type=click.IntRange(min=1), help="Processes; as many as there are cores by default."
)

SCHEDULER = click.option(
    "--scheduler", default="", help="Address of a Dask scheduler (tcp://...) to compute on."
)


def say(line: str, *, err: bool = False) -> None:
    """Write one line, whatever names are in it; a progress bar makes way for it."""
    with tqdm.external_write_mode(nolock=True):
        click.echo(shown(line), err=err)


def open_named(
    source: str, *, profile: str = "quick", jobs: int | None = None, learning: bool = False
) -> "datasets.Source":
    """Open a source, and show its remarks; see `datasets.open_source`."""
    jobs = jobs or os.cpu_count() or 1
    opened = datasets.open_source(source, profile=profile, jobs=jobs, learning=learning)
    for remark in opened.remarks:
        say(f"note: {remark}", err=True)
    return opened
