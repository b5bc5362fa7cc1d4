"""Commands for researchers: features, splits, rows without notebooks, what all systems scored."""

import math
from pathlib import Path
from typing import Any

import click

from gtzan_helpers import datasets, experiments, models, report, workers
from gtzan_helpers.errors import SettingError
from gtzan_helpers.terminal import (
    FORCE,
    JOBS,
    PROFILE,
    PROFILES,
    SCHEDULER,
    examples,
    open_named,
    refuse_replacing,
    say,
    say_table,
)


@click.command(
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


def _list_failures(failures: Any) -> int:
    """Show what could not be used; returns the exit code."""
    for failure in failures.itertuples():
        say(f"failed: {failure.path}: {failure.reason}", err=True)
    return int(len(failures) > 0)


@click.command(
    epilog=examples(
        "measure gtzan capstone_svm ours_blocks",
        "measure mini ours_blocks --seeds 3",
        "measure gtzan --protocol artist_grouped",
    )
)
@click.argument("source")
@click.argument("systems", metavar="[SYSTEM]...", nargs=-1)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    help="How to split; may be repeated. Each system's own and the honest one by default.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many random seeds, from 0 up.",
)
@click.option("--out", default="", help="Folder of the run; under runs/ by default.")
@SCHEDULER
@click.option("--profile", type=PROFILES, default="full", show_default=True)
@JOBS
def measure(
    source: str, systems: tuple[str, ...], protocols: tuple[str, ...], seeds: int, out: str,
    scheduler: str, profile: str, jobs: int | None,
) -> int:  # fmt: skip
    """Measure systems without notebooks.

    All by default, fold by fold; exit code 1 if one is not measured. What was measured before is
    read back, and folds that were fitted before are kept.
    """
    run = experiments.resume(
        open_named(source, profile=profile, jobs=jobs, learning=True), profile=profile, run_dir=out
    )
    names = systems or models.SYSTEMS
    asked = run.measurements(*names, protocols=",".join(protocols) or "auto", seeds=range(seeds))
    refused = 0
    for row in experiments.measure(asked, workers.Workers(jobs or -1, scheduler)):
        say(f"{row.system_id}, {row.protocol}, seed {row.seed}: {_result(row)}")
        refused += row.status == "not_measured"
    say(f"{len(asked)} rows in {run.folder}, {refused} of them not measured")
    return int(refused > 0)


def _result(row: "experiments.Row") -> str:
    if row.status == "not_measured":
        return row.note
    *ends, unit = experiments.scoreboard.interval(row)
    figures = (row.track_accuracy, row.macro_f1, *ends)
    share, f1, low, high = (experiments.scoreboard.percent(x) for x in figures)
    interval = f"95 % interval over {unit}s {low} to {high}"
    return f"{share} % of {row.n_test} tracks ({interval}), macro F1 {f1} %"


@click.command(epilog=examples("evaluate runs/mini-full/models/MODEL.skops ~/music"))
@click.argument("model", type=click.Path())
@click.argument("source")
@PROFILE
@JOBS
def evaluate(model: str, source: str, profile: str, jobs: int | None) -> int:
    """Evaluate a run's model on another source.

    MODEL is a .keras or .skops file of a run; the source needs labels. Exit code 1 if a track could
    not be used.
    """
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


@click.command(epilog=examples("split gtzan --protocol fault_filtered --csv s.csv"))
@click.argument("source")
@click.option("--protocol", required=True, help="How to split, fault_filtered for example.")
@click.option("--csv", "csv_path", required=True, help="Where to write the table.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@FORCE
def split(source: str, protocol: str, csv_path: str, seed: int, force: bool) -> None:
    """Write which track is in which part.

    A table for other people's code: one row for each track.
    """
    from gtzan_helpers import files  # imports numpy

    refuse_replacing(csv_path, force=force)
    opened = open_named(source, profile="full", writes=[csv_path])
    table = datasets.splits.table(protocol, opened.tracks, seed=seed)
    files.write_text(csv_path, table.to_csv(index=False, lineterminator="\n"))
    counts = ", ".join(f"{n} {part}" for part, n in table.part.value_counts().items())
    left_out = len(opened.tracks) - len(table)
    say(f"{protocol} -> {csv_path}: {counts}, {left_out} left out; {table.fold.nunique()} folds")


@click.command(
    epilog=examples(
        "scoreboard", "scoreboard runs/mini-full runs/gtzan-full", "scoreboard --verify"
    )
)
@click.argument("runs", nargs=-1)
@click.option("--write", is_flag=True, help="Merge into figures/, RESULTS.md and README.")
@click.option("--json", "as_json", is_flag=True, help="Rows as JSON.")
@click.option("--verify", is_flag=True, help="Score every stored prediction again.")
def scoreboard(runs: tuple[str, ...], write: bool, as_json: bool, verify: bool) -> int:
    """Show the results of runs side by side.

    By default those on real music that come with the project; in a pipe, columns have tabs between
    them. With --verify, name each row that does not follow from its predictions; exit code 1 if
    there are any.
    """
    if verify:
        faults, n_rows = report.publish.verify(runs)
        for fault in faults:
            say(fault)
        say(f"{n_rows} rows checked, {len(faults)} faults")
        return int(bool(faults))
    rows = report.publish.write(runs) if write else report.publish.gather(runs)
    if as_json:
        click.echo(rows.to_json(orient="records", indent=1))
        return 0
    compared = experiments.scoreboard.ranked(experiments.scoreboard.comparison(rows))
    measured = compared[compared.reproduced.notna() | compared.honest.notna()]
    heads = ("source", "honest under", "id", "system", "published", "reproduced")
    say_table((*heads, "honest (95 % interval)"), map(_cells, measured.itertuples()), shared=2)
    if left := len(compared) - len(measured):
        say(f"{left} not measured; --json says why", err=True)
    return 0


def _cells(row: Any) -> tuple[str, ...]:
    """A line of the scoreboard; what was published is of real music."""
    published = math.nan if row.source.startswith("synthetic") else row.published
    shares = (published, row.reproduced, row.honest, row.low, row.high)
    texts = (experiments.scoreboard.percent(share).replace("–", "-") for share in shares)
    published, reproduced, honest, *ends = texts
    if row.seeds:
        honest += f" ({' to '.join(ends)})"
    if row.seeds > 1:
        honest += f", {row.seeds} seeds within {100 * row.spread:.1f}"
    name = models.SYSTEMS[row.system_id].name
    return row.source, row.honest_protocol, row.system_id, name, published, reproduced, honest


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
