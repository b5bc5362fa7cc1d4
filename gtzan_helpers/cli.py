"""The command line: ``gtzan``. Heavy libraries are imported by the command that needs them."""

import io
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from gtzan_helpers import config, datasets, experiments, research, workers
from gtzan_helpers.errors import AudioError, AudioWarning, GtzanError, SettingError
from gtzan_helpers.terminal import JOBS, PROFILE, SCHEDULER, open_named, say


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
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
    warnings.showwarning = _show_warning
    _on_signals(_interrupt)
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be UTF-8
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    config.settle()
    try:
        sys.exit(commands.main(standalone_mode=False) or 0)
    except GtzanError as error:
        _fail(str(error))
    except click.ClickException as error:
        _fail(f"{error.format_message()} See `gtzan --help`.")
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    except MemoryError:
        _fail("out of memory; close other programs, or take less: --profile, --jobs 1")
    finally:
        workers.end_children()


def _fail(message: str) -> None:
    say(f"error: {message}", err=True)
    sys.exit(2)


def _on_signals(handler: Callable[[int, object], None]) -> None:
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        signal.signal(number, handler)


def _end_at_once(number: int, _: object) -> None:
    workers.end_children()
    os._exit(128 + number)


def _interrupt(number: int, _: object) -> None:
    """Say at once that the command ends, and end it; a second signal does not wait for that."""
    meanwhile: list[int] = []
    _on_signals(lambda second, _: meanwhile.append(second))  # the line is said in any case
    click.echo(
        "interrupted; what was done is kept: repeat the command (a run with --resume)", err=True
    )
    _on_signals(_end_at_once)
    for second in meanwhile:
        _end_at_once(second, None)
    sys.exit(128 + number)


def _show_warning(
    message: Warning | str, category: type[Warning], *where: object, **how: object
) -> None:
    if issubclass(category, UserWarning | AudioWarning):
        say(f"warning: {message}", err=True)


def _list_failures(failures: Any) -> int:
    """Show what could not be used; returns the exit code."""
    for failure in failures.itertuples():
        say(f"failed: {failure.path}: {failure.reason}", err=True)
    return int(len(failures) > 0)


@commands.command()
@click.argument("source", default="synthetic")
@PROFILE
@click.option("--only", default="", help="Numbers of notebooks, such as 03,05.")
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
@click.option("--open", "opens", is_flag=True, help="Open the book in a browser in the end.")
def run(
    source: str, profile: str, only: str, out: str, jobs: int | None, resume: bool, column: str,
    balanced: bool, opens: bool,
) -> None:  # fmt: skip
    """Execute the notebooks, and make a book of what came out."""
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


@commands.command()
@click.argument("folder", metavar="DIR", type=click.Path())
def notebooks(folder: str) -> None:
    """Copy the notebooks, and the pictures that they show, into a folder, to work in them."""
    from gtzan_helpers.report import series

    say(f"open JupyterLab there: jupyter lab {shlex.quote(str(series.copy(folder)))}")


@commands.command()
@click.argument("name", metavar="mini|gtzan")
@click.option("--to", default="", help="Folder for downloads; GTZAN_DATA by default.")
def fetch(name: str, to: str) -> None:
    """Download, check and unpack a dataset (mini 132 MB, gtzan 1.2 GB)."""
    say(f"{name} is in {datasets.download.fetch(name, to=to or None)}")


@commands.command()
@click.argument("source")
@JOBS
def check(source: str, jobs: int | None) -> int:
    """Look for unreadable, odd, duplicate, missing and wrong tracks; exit code 1 if any."""
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


@commands.command()
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
@JOBS
def predict(
    paths: tuple[str, ...], model: str, timeline: bool, as_json: bool, csv_path: str, plot: str,
    jobs: int | None,
) -> int:  # fmt: skip
    """Classify songs by genre; exit code 1 if a file could not be used.

    Answers are kept: a command that was interrupted goes on where it was.
    """
    from gtzan_helpers import predict as prediction
    from gtzan_helpers import report
    from gtzan_helpers.report import answers

    files = prediction.audio_files(paths)
    if csv_path and (as_json or Path(csv_path).suffix != ".csv"):
        raise SettingError(f"--csv {csv_path}: name a .csv, and leave out --json")
    if plot and len(files) > 1:
        raise SettingError(f"--plot {plot}: draws one song, not {len(files)}; name a single file")
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


@commands.command()
@click.argument("model", type=click.Path())
@click.argument("source")
@PROFILE
@JOBS
def evaluate(model: str, source: str, profile: str, jobs: int | None) -> int:
    """Evaluate a model of a run (.keras, .skops) on another labelled source; 1 on failures."""
    opened = open_named(source, profile=profile, jobs=jobs)
    evaluation = experiments.evaluate_model(model, opened, profile=profile, jobs=jobs)
    click.echo(evaluation)
    for genre, shares in evaluation.confusion.iterrows():
        predicted = shares[shares > 0].sort_values(ascending=False)
        parts = ", ".join(f"{100 * share:.0f} % {label}" for label, share in predicted.items())
        say(f"{genre}: {parts}")
    for genre, tracks in evaluation.unknown.groupby("genre"):
        say(f"{genre}: {len(tracks)} tracks left out; the model does not know this label")
    for failure in evaluation.failures.itertuples():
        say(f"failed {failure.track_id}: {failure.reason}")
    return int(len(evaluation.failures) > 0)


@commands.command()
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
    scheduler: str,
    profile: str,
    jobs: int | None,
) -> int:
    """Compute features, in parallel, once; exit code 1 if a track could not be used."""
    if pack_path and csv_path and Path(pack_path).resolve() == Path(csv_path).resolve():
        raise SettingError(f"{csv_path}: --csv and --pack name the same file")
    opened = open_named(source, profile=profile, jobs=jobs)
    for path in filter(None, (csv_path, pack_path)):
        if opened.holds(path):
            raise SettingError(f"{path}: is a file of the source itself; choose another name")
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
        f"{len(features.columns)} features{f' -> {csv_path}' if csv_path else ''}; "
        f"{len(features.failures)} failed"
    )
    return _list_failures(features.failures)


for command in (research.measure, research.split, research.scoreboard):
    commands.add_command(command)


if __name__ == "__main__":
    main()
