"""Computing in this process, in several processes or on a cluster, with a progress bar."""

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from gtzan_helpers.errors import SettingError, WorkerError

# Seconds of work below which further processes take longer to start than they save.
WORTH_PROCESSES = 20.0

ENDED = (
    "a worker was ended, for lack of memory or by a signal; what was done is kept: run it again, "
    "with fewer processes (--jobs)"
)

# How long a scheduler may take to answer.
ANSWER_SECONDS = 10

# Bytes; glibc reuses blocks of at most 32 MB.
LARGEST_REUSED = 31 << 20


def keep_memory() -> None:
    """Make this process reuse the memory of freed arrays.

    glibc returns large blocks to the system when they are freed, and the next array fetches the
    same pages again, with one page fault each: a quarter of the time of a feature table. Blocks
    count as large if they are larger than any that was freed before; so one is allocated and
    freed here, without being touched.
    """
    import numpy as np

    np.empty(LARGEST_REUSED, np.uint8)


def children() -> set[psutil.Process]:
    """Every process that this one has started, with all that those have started.

    Without joblib's keeper of semaphores, which ends by itself, and complains if others end it.
    """
    every = set(psutil.Process().children(recursive=True))
    return {child for child in every if not _keeps_semaphores(child)}


def _keeps_semaphores(process: psutil.Process) -> bool:
    try:
        return any("resource_tracker" in word for word in process.cmdline())
    except psutil.Error:  # it has just ended
        return True


def end_children(spared: Iterable[psutil.Process] = ()) -> None:
    """End the processes that this one has started.

    Parameters
    ----------
    spared : iterable of Process
        Those that are none of the caller's business; see `children`.
    """
    ended = children() - set(spared)
    for child in ended:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(ended, timeout=5)


def completed(futures: Iterable[Future], seconds: float = math.inf) -> Iterator[Future]:
    """Yield futures as they complete, until a time has passed.

    Of two signals at once both may reach another thread, which does not wake this one: it wakes
    by itself.

    Parameters
    ----------
    futures : iterable of Future
    seconds : float
        The time.
    """
    waiting, end = set(futures), time.monotonic() + seconds
    while waiting and time.monotonic() < end:
        done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
        yield from done


def limited(function: Callable[[], Any], seconds: float) -> Any:
    """Call a function that may take for ever, in a thread, so that signals are still handled.

    Parameters
    ----------
    function : callable
    seconds : float
        The time after which it is left alone; it ends with the process.

    Raises
    ------
    TimeoutError
        If it takes longer.
    """
    future: Future = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    for _ in completed([future], seconds):
        return future.result()
    raise TimeoutError(f"it takes longer than {seconds:g} s")


@dataclass(frozen=True)
class Workers:
    """Processes of this machine, or of a cluster.

    Attributes
    ----------
    jobs : int
        Number of processes on this machine; -1 for one per core.
    scheduler : str
        Address of a Dask scheduler, ``tcp://...``, whose workers are used instead; empty for
        none. They must see the same files under the same names.
    """

    jobs: int
    scheduler: str = ""

    @property
    def several(self) -> bool:
        """Whether there is more than this process."""
        return bool(self.scheduler) or self.jobs != 1

    def map(self, function: Callable, tasks: list[tuple], *, trial: bool = True) -> Iterator:
        """Yield the results of all tasks in order, from several processes where that saves time.

        On trial, and without a scheduler, this process computes the first two; the second one, by
        which time everything is compiled, predicts how long the rest will take.

        Parameters
        ----------
        function : callable
        tasks : list of tuple
            Arguments of each call.
        trial : bool

        Raises
        ------
        SettingError
            If no scheduler answers, or Dask is not installed.
        WorkerError
            If a process is ended from outside.
        """
        import joblib
        from joblib.externals.loky import get_reusable_executor

        if self.scheduler:
            yield from self._on_cluster(joblib.delayed(function)(*task) for task in tasks)
            return
        started, rest = time.perf_counter(), tasks[2:] if trial else tasks
        for task in tasks[: len(tasks) - len(rest)]:
            started = time.perf_counter()
            yield function(*task)
        seconds = (time.perf_counter() - started) * len(rest)
        if not self.several or (trial and seconds < WORTH_PROCESSES):
            yield from (function(*task) for task in rest)
            return
        # By default idle processes stay for minutes, each with its libraries in memory.
        with joblib.parallel_config("loky", n_jobs=self.jobs, idle_worker_timeout=5):
            calls = (joblib.delayed(function)(*task) for task in rest)
            try:
                yield from joblib.Parallel(return_as="generator")(calls)
            except BrokenProcessPool as error:
                raise WorkerError(ENDED) from error
        # Ended from outside, they would leave semaphores behind.
        get_reusable_executor().shutdown(wait=True)

    def _on_cluster(self, calls: Iterable) -> Iterator:
        import joblib

        try:
            from distributed import Client, KilledWorker
            from distributed.comm import CommClosedError
        except ImportError as error:
            remedy = 'pip install "gtzan-helpers[dask]"'
            raise SettingError(f"scheduler: Dask is not installed; run `{remedy}`") from error
        try:
            client = Client(self.scheduler, timeout=ANSWER_SECONDS, set_as_default=True)
        except (OSError, ValueError, TimeoutError) as error:
            raise SettingError(
                f"scheduler {self.scheduler!r} does not answer; start one with `dask scheduler`"
            ) from error
        with client, joblib.parallel_config(backend="dask", n_jobs=-1):
            try:
                yield from joblib.Parallel(return_as="generator")(calls)
            except (KilledWorker, CommClosedError) as error:
                raise WorkerError(ENDED) from error


def progress_bar(items: Iterable | None = None, *, total: int, description: str, unit: str) -> tqdm:
    """Show progress through `items`, or by the bar's method `update`; `TQDM_DISABLE=1` hides it.

    A line in a terminal or in JupyterLab, which is gone in the end; in a notebook of a run, what
    that shows of it, by the file that `GTZAN_STATUS` names.
    """
    hidden: bool | None = not total or bool(os.environ.get("TQDM_DISABLE")) or None
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    place: dict[str, Any] = {}
    if total and (status := os.environ.get("GTZAN_STATUS")):
        hidden, shape = False, "{unit} {n_fmt} of {total_fmt}: {desc}"
        place = {"file": _Status(Path(status)), "position": 0, "bar_format": shape}
    elif not hidden and hasattr(shell, "kernel"):
        place = {"file": _Line(), "position": 0}
    return tqdm(items, description, total, False, unit=unit, disable=hidden, **place)


class _Status:
    """A file for `tqdm` that holds what was written last; nothing depends on it."""

    def __init__(self, path: Path):
        self.path = path

    def write(self, text: str) -> None:
        if text.strip():
            with contextlib.suppress(OSError):
                self.path.write_text(text.strip(), encoding="utf-8")

    def flush(self) -> None:
        """There is nothing to flush."""


class _Line:
    """A line of a notebook's cell for `tqdm`, with what was written last; no widget."""

    def __init__(self) -> None:
        from IPython.display import display

        self.shown = display({}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        self.shown.update({"text/plain": text.strip()} if text.strip() else {}, raw=True)

    def flush(self) -> None:
        """There is nothing to flush."""
