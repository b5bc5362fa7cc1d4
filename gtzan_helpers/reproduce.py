"""The notebooks of the series, executed by papermill, and a book of what came out.

A run leaves in its folder `notebooks/` (executed, and as pages of the book that `index.html`
opens), `figures/`, `results/`, `predictions/`, of networks also `models/` and `histories/`, and
`run.json`.
"""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import psutil

from gtzan_helpers import config, experiments, workers
from gtzan_helpers.datasets import Source, labels, open_source
from gtzan_helpers.datasets.labels import FEWEST_TRACKS
from gtzan_helpers.errors import (
    DAMAGED_FILE,
    NotebookError,
    NotPossibleError,
    SettingError,
    SourceError,
)
from gtzan_helpers.experiments import results
from gtzan_helpers.report import book, front, progress, series
from gtzan_helpers.report.progress import Progress
from gtzan_helpers.report.record import Record, alone
from gtzan_helpers.report.series import Notebook, notebooks

# What a run in profile full takes longer than in quick, in seconds for each track; and for each
# notebook in which networks are trained to their end.
UNTUNED_S, TRAINED_S = 1.75, 2.0


def run(
    source: str,
    *,
    profile: str = "quick",
    only: Iterable[str] = (),
    out: str | Path = "",
    jobs: int | None = None,
    resume: bool = False,
    say: Callable[[str], object] = print,
) -> Path:
    """Execute the notebooks on a source, and make a book of them.

    Parameters
    ----------
    source : str
        See `datasets.open_source`.
    profile : {"smoke", "quick", "full"}
        How much of everything.
    only : iterable of str
        Numbers of notebooks; empty for all.
    out : str or Path
        Folder of the run; empty for `config.run_dir`.
    jobs : int or None
        Processes for extraction; with 1, notebooks are executed one after the other, else two
        at a time where they do not build on each other.
    resume : bool
        Keep notebooks that were executed already with the same parameters. Result rows that
        are still true are kept in any case.
    say : callable
        Takes each line for the user.

    Returns
    -------
    Path
        The `index.html` of the run.

    Raises
    ------
    NotebookError
        If a notebook stops; what was done before is kept, and the book says so.
    NotPossibleError
        If the source lacks what every chosen notebook needs.
    """
    chosen = notebooks(list(only))
    if jobs:
        os.environ["LOKY_MAX_CPU_COUNT"] = str(jobs)  # what joblib takes for the cores there are
    if source == "synthetic":
        say("the embedded dataset is composed first, unless it is there")
    opened = open_source(source, profile=profile, jobs=jobs or os.cpu_count() or 1, learning=True)
    for remark in opened.remarks:
        say(f"note: {remark}")
    _check_labels(opened)
    folder = _folder(out or config.run_dir(opened.address, profile), opened)
    chosen, left_out = _divide(chosen, opened, folder)
    # Half of a notebook's time is spent by one thread, on imports and on tracing networks.
    at_once = min(2, jobs or os.cpu_count() or 1)
    chosen = _timed(chosen, opened, at_once)
    say(_forecast(opened, chosen, progress.duration(chosen, at_once)))
    n_tracks, n_labels = len(opened.tracks), len(opened.labels)
    say(f"{opened.name}: {n_tracks} tracks, {n_labels} labels -> {folder}")
    for notebook, reason in left_out.items():
        say(f"left out: {notebook.title}: {reason}")
    experiments.refuse_other(folder, opened)
    with alone(folder):
        experiments.keep_source(folder, opened)
        named = {"source": opened.address, "profile": opened.profile.name}
        parameters = named | {"run_dir": str(folder)}
        reasons = [(one.path.name, one.title, why) for one, why in left_out.items()]
        record = Record(folder, opened, reasons)
        waiting = [one for one in chosen if not (resume and record.has(one.path, parameters))]
        record.forget(one.path for one in waiting)
        try:
            with Progress(waiting, at_once, say) as watch:
                stopped = _execute_all(waiting, record, parameters, watch)
        finally:  # also of a run that is interrupted
            for warning in book.build(folder):
                say(f"warning: {warning}")
    if stopped:
        raise stopped
    say(f"done in {progress.minutes(time.monotonic() - watch.started)}")
    for line in front.summary(folder):
        say(line)
    return folder / "index.html"


def _check_labels(source: Source) -> None:
    sizes = source.tracks.genre.value_counts()
    if (sizes >= FEWEST_TRACKS).sum() < 2:
        counts = labels.listed(f"{label} ({n})" for label, n in sizes.items())
        need = f"two labels of {FEWEST_TRACKS} tracks each"
        raise SourceError(f"{source.name}: classification needs {need}; there is {counts}")


def _folder(name: str | Path, source: Source) -> Path:
    """The folder of a run, if it can be one."""
    folder = config.expanded(name).resolve()
    for place in (source.address, str(folder)):
        if place != place.encode(errors="replace").decode():
            raise SettingError(f"{place}: notebooks cannot name it, it is not UTF-8; rename it")
    if folder.exists() and not (folder / "source.json").exists() and any(folder.iterdir()):
        raise SettingError(f"{folder}: holds something, but no run; choose an empty folder (--out)")
    return folder


def _divide(
    chosen: list[Notebook], source: Source, folder: Path
) -> tuple[list[Notebook], dict[Notebook, str]]:
    """Notebooks that can run on a source, and the reasons why others cannot."""
    reasons = {one: source.lacks(need for need in one.needs if need != "rows") for one in chosen}
    readers = [one for one in chosen if "rows" in one.needs and not reasons[one]]
    measuring = [one for one in chosen if one.systems and not reasons[one] and one not in readers]
    if not measuring and not _has_rows(folder, source.digest()):
        reasons |= dict.fromkeys(readers, "no system was measured yet; run it with the others")
    possible = [one for one in chosen if not reasons[one]]
    left_out = {one: reason for one, reason in reasons.items() if reason}
    if not possible:
        told = "; ".join(f"{one.title}: {reason}" for one, reason in left_out.items())
        raise NotPossibleError(f"{source.name}: no notebook can run on it; {told}")
    return possible, left_out


def _has_rows(folder: Path, digest: str) -> bool:
    try:
        same = results.read_source(folder).get("digest", digest) == digest
        return same and bool((results.read_run(folder).status == "measured").any())
    except SourceError:
        return False


def _timed(chosen: list[Notebook], source: Source, at_once: int) -> list[Notebook]:
    """Notebooks that know what their cells are expected to take on a source."""
    n_tracks = len(source.tracks) if source.gives("log_mel") else 0  # else features are there
    sound = series.sound_s(n_tracks, source.profile, synthetic=source.synthetic)
    timed = series.timed(chosen, source.profile.name.removesuffix(config.BALANCED), sound)
    if not source.profile.tuned:
        return timed
    training = [any(system.learner.trains_epochs for system in one.systems) for one in chosen]
    more = len(source.tracks) * (UNTUNED_S + TRAINED_S * sum(training))
    return [one.stretched(1 + more / progress.duration(timed, at_once)) for one in timed]


def _forecast(source: Source, chosen: list[Notebook], seconds: float) -> str:
    """Say how long a run may take, going by what it took on two cores."""
    transfers = any(system.family == "transfer" for one in chosen for system in one.systems)
    fetches = source.profile.fetches and transfers
    downloads = "up to 150 MB of ImageNet weights are" if fetches else "nothing is"
    return (
        f"notebooks: {len(chosen)}, profile {source.profile.name}, about "
        f"{progress.minutes(seconds, roughly=True)} on two cores; {downloads} downloaded"
    )


# Execution


def _execute_all(
    waiting: list[Notebook], record: Record, parameters: dict[str, str], watch: Progress
) -> NotebookError | None:
    """Execute notebooks and take note of each; returns what stopped one, if anything did."""
    stopped = None
    outcomes = _executed(waiting, record.folder, parameters, watch)
    with contextlib.closing(outcomes):
        for notebook, seconds, error in outcomes:
            record.add(notebook.path, notebook.title, parameters, seconds, str(error or ""))
            stopped = stopped or error
    return stopped


def _executed(
    waiting: list[Notebook], folder: Path, parameters: dict[str, str], watch: Progress
) -> Generator[tuple[Notebook, float, NotebookError | None]]:
    """Execute notebooks; yields each when it is done, with its seconds and what stopped it.

    When one stops, or the caller does, those that run are ended, and no other is begun.
    """
    at_once = watch.forecast.at_once
    if at_once > 1 and len(waiting) > 1:
        code = "from gtzan_helpers.audio import tables; tables.compile_kernels()"
        subprocess.run([sys.executable, "-c", code], check=False)  # else each for itself
    ending, others = threading.Event(), workers.children()

    def attempt(notebook: Notebook) -> tuple[Notebook, float, NotebookError | None] | None:
        if ending.is_set():
            return None
        watch.begin(notebook)
        stopped = None
        try:
            _execute(notebook, folder, parameters, watch)
        except NotebookError as error:
            if ending.is_set():  # it did not stop by itself
                return None
            ending.set()
            stopped = error
        return notebook, watch.end(notebook, stopped=bool(stopped)), stopped

    with _quiet(), ThreadPoolExecutor(at_once) as pool:
        futures: list[Future] = []
        try:
            for wave in progress.waves(waiting):
                futures = [pool.submit(attempt, one) for one in wave]
                for future in workers.completed(futures):
                    if outcome := future.result():
                        yield outcome
                    if ending.is_set():
                        _end(futures, others)
        finally:
            ending.set()
            _end(futures, others)


def _end(futures: list[Future], others: set[psutil.Process]) -> None:
    """End notebooks that run, those too whose kernels are just being started."""
    while wait(futures, timeout=0.2).not_done:
        workers.end_children(others)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide progress bars, which move in a terminal and fill a page with lines.

    Kernels work in another folder, so that they are told whole paths.
    """
    settings = {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    settings["GTZAN_CACHE"] = str(config.cache_dir().absolute())
    settings["GTZAN_DATA"] = str(config.data_dir().absolute())
    before = {name: os.environ[name] for name in settings if name in os.environ}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            del os.environ[name]
        os.environ.update(before)


def _formatted(path: Path) -> str:
    """A path as papermill takes it, which fills in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _kernel_manager(status: Path) -> type:
    """What starts the kernels of this Python; a user's kernel called python3 may be of another."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Kernels(AsyncKernelManager):
        kernel_spec = KernelSpec(**get_kernel_dict())

        def start_kernel(self, **settings: Any) -> Any:
            env = {**os.environ, "GTZAN_STATUS": str(status)}
            return super().start_kernel(stderr=subprocess.DEVNULL, env=env, **settings)

    return Kernels


def _execute(notebook: Notebook, folder: Path, parameters: dict[str, str], watch: Progress) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # what went wrong is said once
    target = folder / "notebooks" / notebook.path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            _formatted(notebook.path),
            _formatted(target),
            parameters=parameters,
            kernel_name="python3",
            progress_bar=False,
            # The kernel warns of every local connection, and of being told to stop.
            extra_arguments=["--log-level=CRITICAL"],
            kernel_manager_class=_kernel_manager(watch.status(notebook)),
            on_cell_start=lambda cell, cell_index: watch.cell(notebook, cell),
            cwd=str(notebook.path.parent),
        )
    except PapermillExecutionError as error:
        lines = str(error.evalue).strip().splitlines()
        reason = lines[0] if lines else "no message"
        number = error.exec_count - 1  # papermill adds a cell with the parameters
        raise NotebookError(
            f"{notebook.path.name}, code cell {number}: {error.ename}: {reason}; "
            f"what was done is in {target}"
        ) from error
    except RuntimeError as error:  # nbclient's, of a kernel that died, or never answered
        raise NotebookError(
            f"{notebook.path.name}: its kernel ended, for lack of memory or by a signal ({error}); "
            f"what was done is in {target}"
        ) from error
    except OSError as error:
        raise NotebookError(
            f"{error.filename or target}: cannot be written ({error.strerror or error}); make "
            "room, or choose another folder (--out)"
        ) from error
    finally:
        with contextlib.suppress(*DAMAGED_FILE):  # a full disk leaves half a notebook
            book.embed_pictures(target, notebook.path.parent)
