"""The command line: ``gtzan``. Heavy libraries are imported by the command that needs them."""

import shlex
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gtzan_helpers import __version__, config, datasets, research, terminal, upkeep, workers
from gtzan_helpers.errors import AudioError, GtzanError, SettingError
from gtzan_helpers.terminal import (
    FORCE,
    JOBS,
    PROFILE,
    SCHEDULER,
    examples,
    open_named,
    refuse_replacing,
    say,
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
        sys.exit(128 + signal.SIGINT)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    except MemoryError:
        _fail("out of memory; close other programs, or take less: --profile, --jobs 1")
    finally:
        workers.end_children()


def _fail(message: str) -> None:
    say(f"error: {message}", err=True)
    sys.exit(2)


def _list_failures(failures: Any) -> int:
    """Show what could not be used; returns the exit code."""
    for failure in failures.itertuples():
        say(f"failed: {failure.path}: {failure.reason}", err=True)
    return int(len(failures) > 0)


@commands.command(
    epilog=examples("run", "run mini --only 3,5", "run ~/music --profile full --resume")
)
@click.argument("source", default="synthetic")
@PROFILE
@click.option("--only", default="", help="Numbers of notebooks, such as 3,5.")
@click.option("--out", default="", help="Folder of the run; runs/<source>-<profile> by default.")
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
def run(
    source: str, profile: str, only: str, out: str, jobs: int | None, resume: bool, column: str,
    balanced: bool,
) -> None:  # fmt: skip
    """Execute the notebooks, and make a book.

    It has the pages of the notebooks, and the results side by side.
    """
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
    say(f"done: open {page}")


@commands.command(epilog=examples("notebooks my_notebooks"))
@click.argument("folder", metavar="DIR", type=click.Path())
def notebooks(folder: str) -> None:
    """Copy the notebooks, to work in them.

    They come with the pictures that they show.
    """
    from gtzan_helpers.report import series

    say(f"open JupyterLab there: jupyter lab {shlex.quote(str(series.copy(folder)))}")


@commands.command(epilog=examples("fetch mini", "fetch gtzan --to ~/data"))
@click.argument("name", metavar="mini|gtzan")
@click.option("--to", default="", help="Folder for downloads; GTZAN_DATA by default.")
def fetch(name: str, to: str) -> None:
    """Download a dataset: mini or gtzan.

    The archive (mini 132 MB, gtzan 1.2 GB) is checked and unpacked.
    """
    say(f"{name} is in {datasets.download.fetch(name, to=to or None)}")


@commands.command(epilog=examples("check mini", "check ~/music --jobs 4"))
@click.argument("source")
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
@click.argument("paths", metavar="FILE|FOLDER...", nargs=-1, required=True)
@click.option(
    "--model",
    default="",
    metavar="small|large|FILE",
    help="One that the package carries, the large one if it can run, or one of a run.",
)
@click.option("--timeline", is_flag=True, help="Also show what each part of a song is.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--csv", "csv_path", default="", help="Also write a table: one row a file.")
@click.option("--plot", default="", help="Draw a song: a picture (.png), or a page (.html).")
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
            say(answers.as_json(file, result))
        elif not isinstance(result, AudioError):
            for line in rows(result):
                say(line)
    if csv_path:
        answers.write_csv(csv_path, files, results)
    return int(any(isinstance(result, AudioError) for result in results))


@commands.command(
    epilog=examples(
        "extract ~/music --csv table.csv",
        "extract ~/music --pack pack.npz",
        "extract mini --csv tracks.csv --segment-seconds 0",
    )
)
@click.argument("source")
@click.option("--csv", "csv_path", default="", help="Write a table in the Kaggle release's form.")
@click.option("--pack", "pack_path", default="", help="Write a feature pack (log-mel, .npz).")
@click.option(
    "--table",
    type=click.Choice(["kaggle", "capstone", "full", "logmel"]),
    default="kaggle",
    show_default=True,
    help="Which features --csv holds.",
)
@click.option(
    "--segment-seconds",
    type=click.FloatRange(min=0),
    default=3.0,
    show_default=True,
    help="Length of a segment; 0 for one row per track.",
)
@click.option(
    "--frame-period",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds between the frames of --pack.",
)
@FORCE
@SCHEDULER
@PROFILE
@JOBS
def extract(
    source: str,
    csv_path: str,
    pack_path: str,
    table: str,
    segment_seconds: float,
    frame_period: float | None,
    force: bool,
    scheduler: str,
    profile: str,
    jobs: int | None,
) -> int:
    """Compute features, in parallel, once.

    They are kept in the cache; --csv and --pack write files. Exit code 1 if a track could not be
    used.
    """
    if pack_path and csv_path and Path(pack_path).resolve() == Path(csv_path).resolve():
        raise SettingError(f"{csv_path}: --csv and --pack name the same file")
    refuse_replacing(csv_path, pack_path, force=force)
    opened = open_named(source, profile=profile, jobs=jobs, writes=(csv_path, pack_path))
    workers: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler}
    if pack_path:
        failures = datasets.write_pack(pack_path, opened, frame_period=frame_period, **workers)
        say(f"pack -> {pack_path}; {len(failures)} failed")
        code = _list_failures(failures)
        if not csv_path:
            return code
    features = opened.features(table, segment_seconds=segment_seconds, **workers)
    if csv_path:
        limit = opened.profile.seconds_limit
        datasets.write_csv(csv_path, features, segment_seconds=segment_seconds, seconds_limit=limit)
    say(
        f"{len(features.tracks)} tracks, {len(features.segments)} rows of "
        f"{len(features.columns)} features -> {csv_path or 'the cache'}; "
        f"{len(features.failures)} failed"
    )
    if not csv_path:
        say("no file was written: --csv writes a table, --pack a feature pack")
    return _list_failures(features.failures)


for command in (
    *(research.evaluate, research.measure, research.split, research.scoreboard),
    *(upkeep.systems, upkeep.info, upkeep.cache),
):
    commands.add_command(command)


if __name__ == "__main__":
    main()
