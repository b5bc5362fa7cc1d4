"""A run ends when something stops it: what was finished is kept, and no process outlives it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import nbformat
import psutil
import pytest

# The command line on notebooks of the test's own.
RUN = """
import sys
from pathlib import Path
from gtzan_helpers import cli, reproduce
paths = sorted(Path(sys.argv.pop(1)).glob("*.ipynb"))
reproduce.notebooks = lambda only: [reproduce.Notebook(path, wave=1) for path in paths]
cli.main()
"""

PARAMETERS = 'source = ""\nprofile = ""\nrun_dir = ""'

SLEEP = "from pathlib import Path\nPath('{mark}').touch()\nimport time\ntime.sleep(600)"


def until(ask, seconds=120):
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        threading.Event().wait(0.05)
    return answer


@pytest.fixture
def command(tmp_path, labelled_folder):
    """A function that writes notebooks with these codes; returns the command that runs them."""
    songs = labelled_folder()

    def write(*codes, words=()):
        series = tmp_path / "series"
        series.mkdir(exist_ok=True)
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        language = {"name": "python"}
        for place, code in enumerate(codes):
            cells = [
                nbformat.v4.new_markdown_cell(f"# 0{place}", id="title"),
                nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}, id="a"),
                nbformat.v4.new_code_cell(code, id="b"),
            ]
            metadata = {"kernelspec": kernel, "language_info": language}
            notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
            nbformat.write(notebook, series / f"0{place}_test.ipynb")
        command = [sys.executable, "-c", RUN, series, "run", songs, "--profile", "smoke"]
        return [*command, "--out", tmp_path / "run", *words]

    return write


@pytest.fixture
def start(tmp_path, command):
    """A function that begins a run of notebooks with these codes; `mark` is a file they touch."""
    processes = []

    def begin(*codes, words=()):
        process = subprocess.Popen(
            command(*codes, words=words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=tmp_path, env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
        )  # fmt: skip
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def done(run):
    """What a run's `run.json` counts as done, and what its book links to."""
    assert (run / "run.json").exists() and (run / "index.html").exists()
    state = json.loads((run / "run.json").read_text())["notebooks"]
    front = (run / "index.html").read_text(encoding="utf-8")
    assert all(f"notebooks/{name.removesuffix('.ipynb')}.html" in front for name in state)
    return {name: entry["error"] for name, entry in state.items()}


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)],
    ids=["ctrl-c", "terminated"],
)
def test_an_interrupted_run_says_so_at_once_and_leaves_no_kernel(tmp_path, start, number):
    mark = tmp_path / "mark"
    process = start("1 + 1", SLEEP.format(mark=mark))
    until(mark.exists)
    record = tmp_path / "run" / "run.json"
    until(lambda: record.exists() and "00_test" in record.read_text(), 30)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    line = process.stderr.readline()
    while not line.startswith("interrupted"):  # papermill's, of a kernel that is slow to start
        line = process.stderr.readline()
    assert "--resume" in line
    _, alive = psutil.wait_procs(kernels, timeout=5)
    assert kernels and not alive
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "Traceback" not in rest and "error" not in rest
    assert done(tmp_path / "run") == {"00_test.ipynb": ""}


def test_a_notebook_that_stops_ends_those_that_run(tmp_path, start):
    mark = tmp_path / "mark"
    wait = f"import time\nfrom pathlib import Path\nwhile not Path('{mark}').exists():\n"
    process = start(wait + "    time.sleep(0.05)\nraise ValueError('no')", SLEEP.format(mark=mark))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.startswith("error: 00_test.ipynb, code cell 2: ValueError: no")
    assert errors.count("\n") == 1
    assert list(done(tmp_path / "run")) == ["00_test.ipynb"]


def test_a_kernel_that_dies_is_one_line(tmp_path, start):
    process = start("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert errors.startswith("error: 00_test.ipynb: its kernel ended") and errors.count("\n") == 1
    assert "its kernel ended" in done(tmp_path / "run")["00_test.ipynb"]


@pytest.mark.slow
def test_resume_executes_what_was_half_done_when_everything_was_killed(tmp_path, start):
    assert start("1 + 1").wait(120) == 0
    mark = tmp_path / "mark"
    process = start(SLEEP.format(mark=mark))
    until(mark.exists)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    psutil.wait_procs(children, timeout=20)  # a kernel notices that it was left alone
    process = start("1 + 1", words=["--resume"])  # the notebook that was executed at first
    assert process.wait(120) == 0
    executed = nbformat.read(tmp_path / "run" / "notebooks" / "00_test.ipynb", 4)
    assert [output.data["text/plain"] for output in executed.cells[-1].outputs] == ["2"]


def test_a_second_signal_ends_everything_at_once(tmp_path, start):
    mark = tmp_path / "mark"
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    process = start(stubborn + SLEEP.format(mark=mark))
    until(mark.exists)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert errors.count("interrupted") == 1 and "Traceback" not in errors
    _, alive = psutil.wait_procs(kernels, timeout=5)
    assert kernels and not alive


SWALLOW = """
import contextlib, os, signal, threading
from gtzan_helpers import terminal
terminal.TIDY_SECONDS = 0.1
terminal.on_signals(terminal.interrupt)
with contextlib.suppress(SystemExit):
    os.kill(os.getpid(), signal.SIGINT)
threading.Event().wait()
"""


def test_a_command_ends_even_where_a_library_swallows_that(tmp_path):
    ended = subprocess.run([sys.executable, "-c", SWALLOW], capture_output=True, timeout=60)
    assert ended.returncode == 128 + signal.SIGINT
    assert ended.stderr.startswith(b"interrupted; ") and ended.stderr.count(b"\n") == 1


EXTRACT = """
import signal
from gtzan_helpers import cli, workers
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup`, before the tests, has it ignored
workers.WORTH_PROCESSES = 0
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["stopped", "hung up"])
def test_a_stopped_extraction_leaves_no_worker(tmp_path, labelled_folder, number):
    words = ["extract", labelled_folder(tracks=100), "--csv", tmp_path / "t.csv", "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", EXTRACT, *words], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "GTZAN_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    entries = tmp_path / "cache" / "features"
    until(lambda: len(list(entries.rglob("*.npz"))) > 5)  # two are made without workers
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert "interrupted" in process.communicate(timeout=5)[1]
    assert process.returncode == 128 + number
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_on_a_terminal_a_run_shows_what_it_does_now_and_opens_its_book(
    tmp_path, command, on_a_terminal
):
    count = """
from gtzan_helpers.workers import progress_bar
from threading import Event
title = "a network whose name does not fit"
for _ in progress_bar(range(4), total=4, description=title, unit="epoch"):
    Event().wait(0.8)
"""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    ran = command(count, "1 + 1", words=["--open"])
    lines, code = on_a_terminal(*ran, BROWSER=str(browser), LC_ALL="C")
    drawn = [part for line in lines for part in re.split(r"\r|\n|\x1b\[A", line)]
    assert code == 0 and until(opened.exists)
    link = (tmp_path / "run" / "index.html").as_uri()
    assert f"the book: {link}" in " ".join(" ".join(lines).split())
    assert opened.read_text().strip() == link
    now = [part for part in drawn if "00 test (" in part]
    assert any("of 4: a network" in part for part in now) and max(map(len, now)) < 60
    clocks = {match[0] for part in drawn if (match := re.match(r"\d+ s: . of 2 ", part))}
    assert len(clocks) >= 2
    assert all(" " not in part.strip() for part in drawn if len(part) > 60)  # names of files
    done = [part for part in drawn if part.endswith("of 2 done)")]
    assert sorted(part[:7] for part in done) == ["00 test", "01 test"]
