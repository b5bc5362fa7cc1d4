"""Many rows, fold by fold: in this process, in several, or on a cluster."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gtzan_helpers.datasets import open_source
from gtzan_helpers.errors import NotPossibleError, SourceError
from gtzan_helpers.experiments.measuring import Measurement
from gtzan_helpers.experiments.results import Row
from gtzan_helpers.models import systems
from gtzan_helpers.workers import Workers


def measure(measurements: Iterable[Measurement], workers: Workers) -> Iterator[Row]:
    """Measure rows, or read them back, one after the other; their folds in parallel.

    Systems that are built on others are fitted in this process, once those are there.

    Parameters
    ----------
    measurements : iterable of Measurement
        Of systems as they are listed.
    workers : Workers
        Each fold is a task, which opens the source for itself and keeps what came out in the
        run's folder: what was fitted when a worker ended is not lost.
    """
    if not workers.several:
        yield from (one.result()[0] for one in measurements)
        return
    asked = list(measurements)
    folds = [one.folds() for one in asked]
    tasks = [
        (*_address(one), number)
        for one, missing in zip(asked, folds, strict=True)
        for number in missing
    ]
    done = workers.map(_fit_fold, tasks, trial=False)
    for one, missing in zip(asked, folds, strict=True):
        for _ in missing:
            next(done)
        yield one.result()[0]
    next(done, None)  # its processes end


def _address(one: Measurement) -> tuple[Any, ...]:
    """What another process needs to know of a measurement."""
    source = one.source
    names = (one.system.system_id, one.protocol, one.seed, one.folder.absolute())
    return (source.address, source.profile.name, source.digest(), *names)


def _fit_fold(
    address: str, profile: str, digest: str, system_id: str, protocol: str, seed: int,
    folder: Path, number: int,
) -> None:  # fmt: skip
    source = open_source(address, profile=profile)
    if source.digest() != digest:
        raise SourceError(f"{address}: a worker finds other tracks there; give all the same files")
    one = Measurement(systems.get(system_id), source, protocol, seed, folder)
    with contextlib.suppress(NotPossibleError):  # which the row will say
        one.fold(one.data(), number)
