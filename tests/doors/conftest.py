"""The command line, as a process and within this one."""

import contextlib
import os
import signal
import subprocess
import sys
import warnings

import pytest

from gtzan_helpers import cli


@pytest.fixture
def here(tmp_path):
    """An empty folder to stand in."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def gtzan_process(here):
    """Run ``gtzan`` as a process of its own; returns the finished process."""

    def run(*words, python=()):
        command = [sys.executable, *python, "-m", "gtzan_helpers.cli", *map(str, words)]
        return subprocess.run(
            command, cwd=here, capture_output=True, encoding="utf-8", timeout=300, check=False
        )

    return run


@pytest.fixture
def gtzan(here, monkeypatch, capsys):
    """Run ``gtzan`` in this process, which has everything imported: 3 s a call are saved."""
    monkeypatch.chdir(here)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main replaces it
    monkeypatch.setattr(cli.workers, "end_children", lambda: None)  # they are other tests'
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["gtzan", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, left.value.code or 0, shown.out, shown.err)

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def on_a_terminal(here):
    """What a terminal receives from a command, line by line, and the command's exit code."""
    termios = pytest.importorskip("termios")  # Windows has none

    def run(*command, columns=60, answer="", **variables):
        ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        places = {**os.environ, "TQDM_DISABLE": "", "TERM": "xterm", **variables}
        places.pop("COLUMNS", None)
        words = [*map(str, command)]
        process = subprocess.Popen(
            words, cwd=here, stdin=theirs, stdout=theirs, stderr=theirs, env=places
        )
        os.close(theirs)
        os.write(ours, answer.encode())
        received = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while piece := os.read(ours, 1 << 16):
                received += piece
        os.close(ours)
        return received.decode().split("\r\n"), process.wait(60)

    return run


@pytest.fixture
def in_terminal(on_a_terminal):
    """Run ``gtzan`` in a terminal; returns its exit code and what the terminal was sent."""

    def run(*words, columns=80, **settings):
        command = [sys.executable, "-m", "gtzan_helpers", *words]
        lines, code = on_a_terminal(*command, columns=columns, **settings)
        return code, "\n".join(lines)

    return run
