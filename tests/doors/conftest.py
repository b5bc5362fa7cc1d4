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
def in_terminal(here):
    """Run ``gtzan`` in a terminal; returns its exit code and what the terminal was sent."""
    pty = pytest.importorskip("pty")  # Windows has none

    def run(*words, columns=80, answer="", **places):
        ours, theirs = pty.openpty()
        env = {**os.environ, "COLUMNS": str(columns), **places}
        process = subprocess.Popen(
            [sys.executable, "-m", "gtzan_helpers", *map(str, words)], cwd=here,
            stdin=theirs, stdout=theirs, stderr=theirs, env=env,
        )  # fmt: skip
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        with contextlib.suppress(OSError):  # that is how Linux tells the end
            while part := os.read(ours, 1 << 16):
                shown += part
        os.close(ours)
        return process.wait(60), shown.decode().replace("\r\n", "\n")

    return run
