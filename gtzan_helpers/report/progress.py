"""What a run does at the moment, and when it will be done, for those who watch it."""

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gtzan_helpers.report.series import Notebook

# Sphinx makes the book of a run.
BOOK_S = 5.0

# A forecast goes by what a run takes, but not at once: what was expected has the weight of so many
# seconds.
PRIOR_S = 3.0

# Off a terminal there is a sign of life each minute.
LIVE_S, SIGN_S = 1.0, 60.0


def waves(notebooks: Iterable[Notebook]) -> list[list[Notebook]]:
    """Notebooks wave by wave, the longest first."""
    order = sorted(notebooks, key=lambda one: (one.wave, -one.seconds, one.number))
    return [list(wave) for _, wave in groupby(order, key=lambda one: one.wave)]


def duration(notebooks: Iterable[Notebook], at_once: int) -> float:
    """Seconds that notebooks are expected to take."""
    return Forecast(list(notebooks), at_once).left(0.0)


@dataclass
class Executing:
    """A notebook that is being executed: since when, its cell, since when that, and its section.

    Times are of one clock, in seconds; `expected` is what the cells before this one were to take.
    """

    begun: float
    cell_begun: float
    cell: str = ""
    section: str = ""
    expected: float = 0.0


@dataclass
class Forecast:
    """How long notebooks will still take, judged by what their cells took until now.

    Attributes
    ----------
    waiting : list of Notebook
        Those that have not begun.
    at_once : int
        Notebooks that are executed at a time.
    """

    waiting: list[Notebook]
    at_once: int
    executing: dict[Notebook, Executing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.expected = self.taken = PRIOR_S

    def begin(self, notebook: Notebook, now: float) -> None:
        """Take note that a notebook is started."""
        self.waiting.remove(notebook)
        self.executing[notebook] = Executing(now, now)

    def cell(self, notebook: Notebook, name: str, now: float) -> None:
        """Take note that a notebook begins its next cell, or with an empty name ends the last."""
        one = self.executing[notebook]
        expected = notebook.seconds_of(one.cell)
        one.expected += expected
        self.expected += expected
        if expected:  # of the shortest cells nothing is known
            self.taken += now - one.cell_begun
        one.cell, one.cell_begun = name, now

    def end(self, notebook: Notebook, now: float) -> float:
        """Take note that a notebook is done; returns its seconds."""
        self.cell(notebook, "", now)
        return now - self.executing.pop(notebook).begun

    def left(self, now: float) -> float:
        """Seconds until everything is done, the book of the run included."""
        rate = self._rate(now)
        lasts = {
            one: max(
                rate * (one.seconds - state.expected - one.seconds_of(state.cell)),
                rate * (one.seconds - state.expected) - (now - state.cell_begun),
            )
            for one, state in self.executing.items()
        }
        total = BOOK_S
        for wave in waves([*self.executing, *self.waiting]):
            busy = [0.0] * self.at_once  # when each of those who work is free
            for one in sorted(wave, key=lambda one: one not in lasts):
                busy.sort()
                busy[0] += lasts.get(one, rate * one.seconds)
            total += max(busy)
        return total

    def _rate(self, now: float) -> float:
        """What cells take, relative to what was expected of them."""
        expected, taken = self.expected, self.taken
        for notebook, one in self.executing.items():
            cell, so_far = notebook.seconds_of(one.cell), now - one.cell_begun
            if so_far * expected > cell * taken:  # it takes longer than the others
                expected, taken = expected + cell, taken + so_far
        return taken / expected


class Progress:
    """Lines about a run: in a terminal below what else is said, elsewhere once a minute.

    Parameters
    ----------
    notebooks : list of Notebook
        Those that will be executed.
    at_once : int
    say : callable
        Takes each line that stays.
    """

    def __init__(self, notebooks: list[Notebook], at_once: int, say: Callable[[str], object]):
        self.total, self.done, self.say = len(notebooks), 0, say
        self.forecast = Forecast(list(notebooks), at_once)
        self.started, self.lock, self.ended = time.monotonic(), threading.Lock(), threading.Event()
        dumb = os.environ.get("TERM") == "dumb" or os.environ.get("TQDM_DISABLE")
        self.live = sys.stderr.isatty() and not dumb
        shape: dict[str, Any] = {"bar_format": "{desc}", "leave": False, "disable": not self.live}
        self.lines = [tqdm(total=1, position=place, **shape) for place in range(1 + at_once)]
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "Progress":
        if self.total:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        if self.total:
            self.thread.join(1)  # a pipe that nobody reads may hold it
        for line in reversed(self.lines):
            line.close()
        self.folder.cleanup()

    def status(self, notebook: Notebook) -> Path:
        """Where a notebook's kernel writes what it computes; see `workers.progress_bar`."""
        return Path(self.folder.name, notebook.path.stem)

    def begin(self, notebook: Notebook) -> None:
        """Take note that a notebook is started."""
        with self.lock:
            self.forecast.begin(notebook, time.monotonic())

    def cell(self, notebook: Notebook, cell: Any) -> None:
        """Take note that a notebook comes to a cell."""
        self.status(notebook).unlink(missing_ok=True)
        with self.lock:
            if cell.cell_type == "code":
                self.forecast.cell(notebook, cell.id, time.monotonic())
            elif cell.source.startswith("## "):
                title = cell.source.splitlines()[0].removeprefix("## ")
                self.forecast.executing[notebook].section = title

    def end(self, notebook: Notebook, *, stopped: bool) -> float:
        """Take note that a notebook is done, and say so; returns its seconds."""
        with self.lock:
            seconds = self.forecast.end(notebook, time.monotonic())
            self.done += not stopped
            if self.live:
                self._draw()
            if not stopped:
                self.say(f"{notebook.title}: {minutes(seconds)} ({self.done} of {self.total} done)")
        return seconds

    def _tick(self) -> None:
        while not self.ended.wait(LIVE_S if self.live else SIGN_S):
            with self.lock, contextlib.suppress(OSError):  # of a pipe that is closed
                if self.live:
                    self._draw()
                else:
                    self.say(f"{self._summary()}; now {'; '.join(self._now())}")

    def _draw(self) -> None:
        width = shutil.get_terminal_size().columns - 1
        texts = [self._summary(), *(f"  {words}" for words in self._now())]
        for line, text in zip(self.lines, texts + [""] * len(self.lines), strict=False):
            line.set_description_str(text if len(text) <= width else f"{text[: width - 3]}...")

    def _summary(self) -> str:
        now = time.monotonic()
        gone, left = minutes(now - self.started), minutes(self.forecast.left(now), roughly=True)
        return f"{gone}: {self.done} of {self.total} notebooks done, about {left} left"

    def _now(self) -> list[str]:
        """What each notebook that is executed does: a computation that counts, or its section."""
        words = []
        for notebook, one in sorted(
            self.forecast.executing.items(), key=lambda item: item[1].begun
        ):
            try:
                what = self.status(notebook).read_text(encoding="utf-8")
            except OSError:
                what = f'section "{one.section}"' if one.section else "starting"
            words.append(f"{notebook.title} ({minutes(time.monotonic() - one.begun)}): {what}")
        return words or ["starting"]


def minutes(seconds: float, *, roughly: bool = False) -> str:
    """A duration in words: ``75 s`` is ``1 min 15 s``, roughly ``1 min``.

    Parameters
    ----------
    seconds : float
    roughly : bool
        In whole minutes, from one on.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole > 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{round(whole / 60)} min" if roughly else f"{whole // 60} min {whole % 60:02d} s"
