"""What commands share: options, examples, lines and tables to the user, signals, sources opened."""

import contextlib
import io
import itertools
import locale
import os
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Sequence

import click
from tqdm import tqdm

from gtzan_helpers import config, datasets, workers
from gtzan_helpers.errors import AudioWarning, SettingError, shown

# A shell completes names of files there; whether they can be read is found out by reading.
PATH = click.Path(readable=False)
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

# Characters of a cell's line.
CELL = 20

# How long a command may take to tidy up when it is stopped; a run builds its book.
TIDY_SECONDS = 60.0

# The signal that ends this command, once there was one.
stopped_by: list[int] = []

FORCE = click.option("--force", is_flag=True, help="Replace a file that is there already.")


def examples(*lines: str) -> str:
    """The end of a command's help: examples, each without its ``gtzan``."""
    return "\n".join(["\b", "Examples:", *(f"  gtzan {line}" for line in lines)])


def say(line: str, *, err: bool = False, whole: bool = False) -> None:
    """Write one line, whatever names are in it; a progress bar makes way for it.

    Parameters
    ----------
    line : str
    err : bool
        On stderr.
    whole : bool
        A terminal, too, is to have it as it is, and not broken between words.
    """
    text = shown(line)
    if (sys.stderr if err else sys.stdout).isatty() and not whole:
        text = textwrap.fill(
            text, shutil.get_terminal_size().columns, subsequent_indent="  ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    with tqdm.external_write_mode(nolock=True):
        click.echo(text, err=err)


def say_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, shared: int) -> None:
    """Write a table: as wide as the terminal; elsewhere a line a row, with tabs between cells.

    Parameters
    ----------
    heads : sequence of str
        Names of columns: some whose values many rows share, an id, a name for people, and others.
    rows : iterable of sequence of str
        Their cells; those of the same shared values follow each other.
    shared : int
        Number of columns before the id. In a terminal they stand in a line above their rows, and
        the id stands below the name.
    """
    lines = [[shown(cell) for cell in line] for line in (heads, *rows)]
    if not sys.stdout.isatty():
        click.echo("\n".join("\t".join(line) for line in lines))
        return
    cells = [[textwrap.wrap(cell, CELL) for cell in line[shared + 2 :]] for line in lines]
    widths = [max(map(len, itertools.chain(*column))) for column in zip(*cells, strict=True)]
    columns = shutil.get_terminal_size().columns
    room = max(CELL // 2, columns - sum(widths) - 2 * len(widths))
    room = min(room, 2 + max(len(cell) for line in lines for cell in line[shared:][:2]))
    pairs = zip(lines[1:], cells[1:], strict=True)
    for titles, group in itertools.groupby(pairs, lambda pair: pair[0][:shared]):
        title = ", ".join(map("{}: {}".format, heads, titles))
        click.echo("\n".join(["", *textwrap.wrap(title, columns)]))
        for line, others in [(lines[0], cells[0]), *group]:
            key = textwrap.indent(textwrap.fill(line[shared].replace("_", "-"), room - 2), "  ")
            first = [*textwrap.wrap(line[shared + 1], room), *key.replace("-", "_").splitlines()]
            for parts in itertools.zip_longest(first, *others, fillvalue=""):
                text = "  ".join(map(str.ljust, parts, [room, *widths]))
                click.echo(text.rstrip())


def refuse_replacing(*paths: str, force: bool) -> None:
    """Refuse to replace files, before anything is computed; empty paths are none."""
    for path in filter(None, paths):
        if config.expanded(path).exists() and not force:
            raise SettingError(f"{path}: is there already; choose another name, or add --force")


def open_named(
    source: str,
    *,
    profile: str = "quick",
    jobs: int | None = None,
    learning: bool = False,
    writes: Sequence[str] = (),
) -> "datasets.Source":
    """Open a source, and show its remarks; see `datasets.open_source`.

    Parameters
    ----------
    writes : sequence of str
        Files that will be written, of which none may be the source's own.
    """
    jobs = jobs or os.cpu_count() or 1
    opened = datasets.open_source(source, profile=profile, jobs=jobs, learning=learning)
    for remark in opened.remarks:
        say(f"note: {remark}", err=True)
    for path in filter(None, writes):
        if opened.holds(path):
            raise SettingError(f"{path}: is a file of the source itself; choose another name")
    return opened


def set_streams() -> None:
    """Have names written that are not UTF-8, and ASCII alone where a terminal shows no more."""
    # Python itself writes UTF-8 in the locale C, whose terminals need not show it.
    plain = os.environ.get("TERM") == "dumb" or "utf" not in locale.getencoding().lower()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_only = plain and os.name == "posix" and stream.isatty()
            stream.reconfigure(encoding="ascii" if ascii_only else None, errors="backslashreplace")


def show_warning(
    message: Warning | str, category: type[Warning], *where: object, **how: object
) -> None:
    """Show a warning about the user's files in one line, and no other."""
    if issubclass(category, UserWarning | AudioWarning):
        say(f"warning: {message}", err=True)


def on_signals(handler: Callable[[int, object], None]) -> None:
    """Have the signals that end a command handled."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
    # Windows has no SIGHUP; `nohup` has it ignored.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def _end_at_once(number: int, _: object) -> None:
    workers.end_children()
    os._exit(128 + number)


def interrupt(number: int, _: object) -> None:
    """Say at once that the command ends, and end it; a second signal does not wait for that."""
    stopped_by.append(number)
    meanwhile: list[int] = []
    on_signals(lambda second, _: meanwhile.append(second))  # the line is said in any case
    with contextlib.suppress(OSError):  # Ctrl-C also ended who was reading
        # A terminal has shown "^C" in the line of a question or of a progress bar.
        start = "\n" if sys.stderr.isatty() else ""
        words = "interrupted; what was done is kept: repeat the command (a run with --resume)"
        click.echo(start + words, err=True)
    on_signals(_end_at_once)
    for second in meanwhile:
        _end_at_once(second, None)
    # The exception may be lost in a library that was just calling back.
    last = threading.Timer(TIDY_SECONDS, _end_at_once, (number, None))
    last.daemon = True
    last.start()
    sys.exit(128 + number)
