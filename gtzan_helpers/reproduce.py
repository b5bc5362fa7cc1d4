"""Papermill at work: the notebooks of the series, executed in order, and a page about it.

A run leaves in its folder `notebooks/` (executed), `html/` (the same, pictures embedded),
`index.html`, `figures/`, `results/`, `predictions/`, of networks also `models/`, `histories/` and
`trials/` (variants compared on valid), and `run.json`.
"""

import base64
import contextlib
import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from gtzan_helpers import config, dataset, files, results, scoreboard, systems
from gtzan_helpers.errors import NotebookError, SettingError, SourceError

KERNEL = "python3"

SECONDS_A_NOTEBOOK = {
    **dict.fromkeys(["00", "01", "02", "03"], 20),
    **{"04": 45, "05": 120, "06": 60, "07": 35, "08": 25, "09": 5, "10": 10},
}
"""What each adds to a run of two at a time."""

WAVES = (("05", "03", "00", "01", "02"), ("04", "06", "07"), ("08", "10"), ("09",))
"""Notebooks two at a time, a wave when the one before is done. 05 takes the longest and the most
memory, so others that train networks wait for its end; the last two waves look at what all left."""

SECONDS_A_TRACK = {"smoke": 0.3, "quick": 1.5, "full": 2.0}
"""What runs took on two cores, extraction from audio included."""

SECONDS_OF_TRAINING = 2.0
"""A track, and a notebook that trains networks to their end."""


@dataclass(frozen=True)
class Notebook:
    """A notebook of the series: ``03_classical_models.ipynb`` is number 03."""

    path: Path

    @property
    def number(self) -> str:
        """Its two digits."""
        return self.path.stem[:2]

    @property
    def title(self) -> str:
        """Its name for people: ``03 classical models``."""
        return self.path.stem.replace("_", " ")


def notebooks(only: Iterable[str] = ()) -> list[Notebook]:
    """The notebooks of the checkout in their order.

    Parameters
    ----------
    only : iterable of str
        Numbers to keep, ``("03", "05")``; empty for all.

    Raises
    ------
    SettingError
        If a number has no notebook.
    SourceError
        If the package runs outside a checkout.
    """
    root = config.checkout()
    if root is None:
        raise SourceError("the notebooks are not here; run `gtzan run` in a clone of the project")
    found = [Notebook(path) for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
    wanted = list(only)
    numbers = {notebook.number for notebook in found}
    unknown = [number for number in wanted if number not in numbers]
    if unknown:
        raise SettingError(
            f"there is no notebook {', '.join(unknown)}; choose from {', '.join(sorted(numbers))}"
        )
    return [notebook for notebook in found if not wanted or notebook.number in wanted]


def run(
    source: str,
    *,
    profile: str = "quick",
    only: Iterable[str] = (),
    out: str | Path = "",
    jobs: int | None = None,
    resume: bool = False,
    say=print,
) -> Path:
    """Execute the notebooks on a source, and write a page about it.

    Parameters
    ----------
    source : str
        See `dataset.resolve`.
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
        If a notebook stops; what was done before is kept, and the page says so.
    """
    chosen = notebooks(only)
    if jobs:
        os.environ["LOKY_MAX_CPU_COUNT"] = str(jobs)  # what joblib takes for the cores there are
    if source == "synthetic":
        say("making the embedded dataset, where it is not there yet")
    found = dataset.resolve(source, profile=profile, jobs=jobs or os.cpu_count() or 1)
    tracks = dataset.load(found)
    folder = Path(out or config.run_dir(found.name, profile)).expanduser().resolve()
    # Only a source that is a path changes; names keep their meaning anywhere.
    named = source if source in ("synthetic", "mini", "gtzan") else str(Path(source).resolve())
    parameters = {"source": named, "profile": profile, "run_dir": str(folder)}
    if tracks.genre.nunique() < 2:
        raise SourceError(
            f"{found.name}: its only label is {tracks.genre.iloc[0]!r}; classification needs two, "
            "each a folder of its own"
        )
    say(_forecast(found, len(tracks), chosen))
    say(f"{found.name}: {len(tracks)} tracks, {tracks.genre.nunique()} labels -> {folder}")
    report = _Report(folder, found.name, profile, tracks)
    waiting = [one for one in chosen if not (resume and report.has(one, parameters))]
    stopped = None
    with tqdm(total=len(waiting), desc="notebooks", unit="notebook", disable=None) as bar:
        for notebook, seconds, error in _executed(waiting, folder, parameters, jobs):
            report.add(notebook, parameters, seconds, str(error or ""))
            report.write()
            bar.set_postfix_str(notebook.title)
            bar.update()
            stopped = stopped or error
    if stopped:
        raise stopped
    return report.write()


def _executed(
    waiting: list[Notebook], folder: Path, parameters: dict[str, str], jobs: int | None
) -> Iterator[tuple[Notebook, float, NotebookError | None]]:
    """Execute notebooks; yields each when it is done, with its seconds and what stopped it.

    After one that stopped, no other is begun.
    """
    # Half of a notebook's time is spent by one thread, on imports and on tracing networks.
    at_once = min(2, jobs or os.cpu_count() or 1)
    if at_once > 1 and len(waiting) > 1:
        code = "from gtzan_helpers import features; features.compile_loops()"
        subprocess.run([sys.executable, "-c", code], check=False)  # else each for itself
    with _silenced(), ThreadPoolExecutor(at_once) as pool:
        for wave in _waves(waiting):
            running = {pool.submit(_timed, one, folder, parameters): one for one in wave}
            stopped = False
            for future in as_completed(running):
                if future.cancelled():
                    continue
                seconds, error = future.result()
                yield running[future], seconds, error
                if error and not stopped:
                    stopped = True
                    pool.shutdown(wait=False, cancel_futures=True)
            if stopped:
                return


def _waves(waiting: list[Notebook]) -> list[list[Notebook]]:
    by_number = {one.number: one for one in waiting}
    waves = [[by_number.pop(n) for n in wave if n in by_number] for wave in WAVES]
    return [*waves, list(by_number.values())]


def _timed(
    notebook: Notebook, folder: Path, parameters: dict[str, str]
) -> tuple[float, NotebookError | None]:
    started, stopped = time.perf_counter(), None
    try:
        _execute(notebook, folder, parameters)
    except NotebookError as error:
        stopped = error
    return time.perf_counter() - started, stopped


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Bars move in a terminal; on a page they are a wall of lines."""
    words = {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    before = {name: os.environ.get(name) for name in words}
    os.environ.update(words)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _forecast(source: dataset.Source, n_tracks: int, chosen: list[Notebook]) -> str:
    """Say how long a run may take, going by what it took on two cores."""
    a_track = SECONDS_A_TRACK[source.profile.name] if source.kind == "audio" else 0.1
    if source.profile.tuned:
        a_track += 0.5
    fixed = sum(SECONDS_A_NOTEBOOK.get(notebook.number, 25) for notebook in chosen)
    trained = [notebook for notebook in chosen if notebook.number in ("04", "05", "06", "07")]
    if source.profile.name == "full":
        a_track += SECONDS_OF_TRAINING * len(trained)
    minutes = (fixed + a_track * n_tracks) / 60
    fetches = source.profile.fetches and any(notebook.number == "06" for notebook in chosen)
    loads = "up to 150 MB of ImageNet weights are" if fetches else "nothing is"
    return (
        f"{len(chosen)} notebooks, profile {source.profile.name}: about {max(1, round(minutes))} "
        f"min on two cores, less where results are known already; {loads} downloaded"
    )


def _execute(notebook: Notebook, folder: Path, parameters: dict[str, str]) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    target = folder / "notebooks" / notebook.path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(notebook.path),
            str(target),
            parameters=parameters,
            kernel_name=KERNEL,
            progress_bar=False,
            # The kernel warns of every local connection, and of being told to stop.
            extra_arguments=["--log-level=CRITICAL"],
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
    finally:
        if target.exists():
            _embed_pictures(target, notebook.path.parent)
            _write_html(target, folder / "html" / f"{target.stem}.html")


def _embed_pictures(executed: Path, folder: Path) -> None:
    """Put the pictures that a notebook's text points to into its executed copy."""
    import nbformat

    book = nbformat.read(executed, 4)
    for cell in (cell for cell in book.cells if cell.cell_type == "markdown"):
        for address in re.findall(r"!\[[^\]]*\]\((\.\./figures/[^)]+\.png)\)", cell.source):
            picture, name = folder / address, Path(address).name
            if picture.exists():
                code = base64.b64encode(picture.read_bytes()).decode()
                cell.setdefault("attachments", {})[name] = {"image/png": code}
                cell.source = cell.source.replace(address, f"attachment:{name}")
    files.write_text(executed, nbformat.writes(book) + "\n")


def _write_html(executed: Path, target: Path) -> None:
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(embed_images=True, raw_template=_FOLDING)
    body, _ = exporter.from_notebook_node(nbformat.read(executed, 4))
    # Notebooks link to notebooks, pages to pages.
    files.write_text(target, re.sub(r'href="(\d\d_\w+)\.ipynb', r'href="\1.html', body))


class _Report:
    """`run.json`, and the page made from it and from the results."""

    def __init__(self, folder: Path, source_name: str, profile: str, tracks: pd.DataFrame):
        self.folder = folder
        self.state: dict[str, Any] = {
            "source": source_name,
            "profile": profile,
            "n_tracks": len(tracks),
            "n_labels": int(tracks.genre.nunique()),
            "notebooks": self._before(),
        }

    def _before(self) -> dict:
        try:
            return json.loads((self.folder / "run.json").read_text(encoding="utf-8"))["notebooks"]
        except (OSError, ValueError, KeyError):
            return {}

    def has(self, notebook: Notebook, parameters: dict[str, str]) -> bool:
        """Whether a notebook was executed to its end, as it is now, with these parameters."""
        entry = self.state["notebooks"].get(notebook.path.name, {})
        return (
            entry.get("error") == ""
            and entry.get("parameters") == parameters
            and entry.get("md5") == files.digest(notebook.path)
        )

    def add(self, notebook: Notebook, parameters: dict, seconds: float, error: str) -> None:
        self.state["notebooks"][notebook.path.name] = {
            "title": notebook.title,
            "parameters": parameters,
            "md5": files.digest(notebook.path),
            "seconds": round(seconds, 1),
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "error": error,
        }

    def write(self) -> Path:
        files.write_text(self.folder / "run.json", json.dumps(self.state, indent=1) + "\n")
        return files.write_text(self.folder / "index.html", self._page())

    def _page(self) -> str:
        source, profile = html.escape(self.state["source"]), self.state["profile"]
        warning = (
            "<p class='note'>The embedded dataset is synthetic: these figures show how the "
            "protocols behave. They are no results on GTZAN.</p>"
            if source.startswith("synthetic")
            else ""
        )
        return _PAGE.format(
            title=f"Music genres: {source}, {profile}",
            n_tracks=self.state["n_tracks"],
            n_labels=self.state["n_labels"],
            guess=f"{100 / self.state['n_labels']:.0f}",
            ceiling=scoreboard.percent(scoreboard.CEILING),
            warning=warning,
            notebooks="\n".join(self._line(name) for name in sorted(self.state["notebooks"])),
            scoreboard=self._scoreboard(),
        )

    def _line(self, name: str) -> str:
        entry = self.state["notebooks"][name]
        link = f"<a href='html/{Path(name).stem}.html'>{html.escape(entry['title'])}</a>"
        state = f"{entry['seconds']:.0f} s"
        if entry["error"]:
            state = f"<strong>stopped: {html.escape(entry['error'])}</strong>"
        return f"<li>{link} <span class='small'>{state}</span></li>"

    def _scoreboard(self) -> str:
        try:
            rows = results.read(self.folder)
        except SourceError:
            return "<p>No system was measured yet.</p>"
        compared = scoreboard.comparison(scoreboard.merge(rows[:0], rows))
        table = pd.DataFrame(
            {
                "system": compared.system_id,
                "published": compared.published.map(scoreboard.percent),
                "reproduced": compared.reproduced.map(scoreboard.percent),
                "under": compared.run_protocol,
                "honest": compared.honest.map(scoreboard.percent),
                "95 % interval": [
                    f"{scoreboard.percent(low)} to {scoreboard.percent(high)}"
                    for low, high in zip(compared.low, compared.high, strict=True)
                ],
                "under ": compared.honest_protocol,
                "price of the leak": compared.price.map(_points),
                "note": compared.note.map(html.escape),
            }
        )
        table["system"] = table.system.map(self._linked)
        cells = table.to_html(index=False, border=0, escape=False)
        return f"{self._chart()}<div class='wide' tabindex='0'>{cells}</div>"

    def _linked(self, system_id: str) -> str:
        """A system's name, as a link to where its notebook runs it, if that was executed."""
        system = systems.get(system_id)
        for name in self.state["notebooks"]:
            if name.startswith(f"{system.notebook}_"):
                return f"<a href='html/{Path(name).stem}.html{system.anchor}'>{system_id}</a>"
        return system_id

    def _chart(self) -> str:
        """The chart of notebook 09, inside the page."""
        try:
            picture = (self.folder / "figures" / "09_scoreboard.png").read_bytes()
        except OSError:
            return ""
        return (
            "<p><img alt='Published, reproduced and honest accuracy of each system; the table "
            "below has the numbers' src='data:image/png;base64,"
            f"{base64.b64encode(picture).decode()}'></p>"
        )


def _points(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:+.1f}"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3rem .7rem; text-align: left; border-bottom: 1px solid #ddd; }}
td:nth-child(2), td:nth-child(3), td:nth-child(5), td:nth-child(8) {{ text-align: right; }}
.wide {{ overflow-x: auto; }}
img {{ max-width: 100%; height: auto; }}
.note {{ background: #fff3cd; padding: .6rem 1rem; border-left: 4px solid #b58100; }}
.small {{ color: #555; font-size: .9em; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{n_tracks} tracks, {n_labels} labels. Accuracies are in per cent; guessing scores {guess}, and
given the wrong labels of GTZAN nothing beyond {ceiling} is to be believed there.</p>
{warning}
<h2>Scoreboard</h2>
{scoreboard}
<h2>Notebooks</h2>
<ul>
{notebooks}
</ul>
</body>
</html>
"""

_FOLDING = """{%- extends "lab/index.html.j2" -%}
{%- block codecell -%}
{%- if "solution" in cell.metadata.get("tags", []) -%}
<details style="margin: 1em 0"><summary>Solution</summary>{{ super() }}</details>
{%- else -%}
{{ super() }}
{%- endif -%}
{%- endblock codecell -%}
"""
"""nbconvert's page, with cells tagged `solution` folded, what they say included."""
