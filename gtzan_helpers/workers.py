"""Who computes, and how: this process, several, or a cluster."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import joblib
import numpy as np

from gtzan_helpers.errors import SettingError

WORTH_PROCESSES = 20.0
"""Seconds of work below which further processes take longer to start than they save."""

LARGEST_KEPT = 31 << 20
"""Bytes; glibc keeps blocks of no more than 32 MB."""


def keep_memory() -> None:
    """Have this process keep the memory of freed arrays for the next ones.

    glibc returns large blocks to the system when they are freed, and the next array fetches the
    same pages again, one fault each: a quarter of the time of a feature table, and more where two
    processes do so at once. For large it takes whatever is larger than any block that was freed
    before; so one is allocated here, and freed, without ever being touched.
    """
    np.empty(LARGEST_KEPT, np.uint8)


@dataclass(frozen=True)
class Workers:
    """Processes of this machine, or those of a cluster.

    Attributes
    ----------
    jobs : int
        Processes here.
    scheduler : str
        Address of a Dask scheduler, ``tcp://...``, whose workers are used instead; empty for
        none. They must see the same files under the same names.
    """

    jobs: int
    scheduler: str = ""

    def map(self, function: Callable, tasks: list[tuple]) -> Iterator:
        """Yield the results of all tasks in order, from several processes where that pays.

        Without a scheduler the first two are done here: the second one, when everything is
        compiled, says how long the rest will take.

        Parameters
        ----------
        function : callable
        tasks : list of tuple
            Arguments of each call.

        Raises
        ------
        SettingError
            If no scheduler answers, or Dask is not installed.
        """
        if self.scheduler:
            yield from self._on_cluster(joblib.delayed(function)(*task) for task in tasks)
            return
        started = time.perf_counter()
        for task in tasks[:2]:
            started = time.perf_counter()
            yield function(*task)
        rest = tasks[2:]
        seconds = (time.perf_counter() - started) * len(rest)
        if self.jobs == 1 or seconds < WORTH_PROCESSES:
            yield from (function(*task) for task in rest)
        else:
            # Elsewhere idle processes are kept for minutes, each with its libraries in memory.
            with joblib.parallel_config("loky", n_jobs=self.jobs, idle_worker_timeout=5):
                yield from joblib.Parallel(return_as="generator")(
                    joblib.delayed(function)(*task) for task in rest
                )

    def _on_cluster(self, calls) -> Iterator:
        try:
            from distributed import Client
        except ImportError as error:
            raise SettingError(
                f"scheduler {self.scheduler!r}: Dask is not installed; "
                'install it with `pip install "gtzan-helpers[dask]"`'
            ) from error
        try:
            client = Client(self.scheduler, timeout=10, set_as_default=True)
        except (OSError, ValueError, TimeoutError) as error:
            raise SettingError(
                f"scheduler {self.scheduler!r} does not answer; start one with `dask scheduler`, "
                "and workers with `dask worker ADDRESS --nthreads 1`"
            ) from error
        with client, joblib.parallel_config(backend="dask", n_jobs=-1):
            yield from joblib.Parallel(return_as="generator")(calls)
