"""Whatever happens to a process, nothing is lost, and nothing is left half written."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from test_download import contents, host, tar_of, wav  # noqa: F401

from gtzan_helpers import files, reproduce
from gtzan_helpers.datasets import audit, download
from gtzan_helpers.errors import NotebookError
from gtzan_helpers.experiments import results
from gtzan_helpers.report import progress

SR = 22_050
PROCESSES = multiprocessing.get_context("forkserver")
# So that a child works from its first moment, and is not killed while it imports.
PROCESSES.set_forkserver_preload(
    [
        "pandas",
        "pytest",
        "soundfile",
        "soxr",
        "requests",
        "pooch",
        "librosa.core",
        "librosa.feature.rhythm",
        "gtzan_helpers.cli",
        "gtzan_helpers.audio.feature_sets",
        "gtzan_helpers.datasets.kinds.packs",
        "gtzan_helpers.datasets.kinds.tables",
        "gtzan_helpers.experiments.scoreboard",
    ]
)


def gtzan(places, words):
    """The command line in a process of its own, as it is after its imports."""
    from gtzan_helpers import cli

    os.environ.update(places)
    sys.argv = ["gtzan", *words]
    cli.main()


def start(target, *arguments):
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def watch(steps, last, target, *arguments):
    """Run a target, count its calls and returns of Python and C, and be killed at one of them."""

    def count(frame, event, argument):
        steps.value += 1
        if steps.value == last:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(count)
    sys.setprofile(count)
    try:
        target(*arguments)
    finally:
        sys.setprofile(None)


def finish(target, *arguments):
    """Run to the end; returns how many steps that took."""
    steps = PROCESSES.RawValue("q")
    process = start(watch, steps, 0, target, *arguments)
    process.join()
    assert process.exitcode == 0
    return steps.value


def kill_at(step, target, *arguments):
    """Steps, not seconds: how long something takes depends on what else the machine does."""
    process = start(watch, PROCESSES.RawValue("q"), step, target, *arguments)
    process.join()
    return process.exitcode == -signal.SIGKILL


def temporary_files(folder):
    return [path for path in Path(folder).rglob("*") if ".tmp" in path.name]


@pytest.fixture
def songs(tmp_path):
    """Two labels of six songs each, 2 s long."""
    for k in range(12):
        path = tmp_path / "songs" / ("polka", "waltz")[k % 2] / f"{k}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.2 * np.random.default_rng(k).standard_normal(2 * SR), SR)
    return tmp_path / "songs"


def extraction(songs, folder):
    """Places and words of ``gtzan extract`` into a folder of its own."""
    places = {"GTZAN_CACHE": str(folder / "cache"), "TQDM_DISABLE": "1"}
    words = ["extract", str(songs), "--csv", str(folder / "table.csv"), "--force", "--jobs", "1"]
    return places, words


@pytest.mark.slow
def test_an_extraction_killed_twenty_times_ends_as_an_undisturbed_one(songs, tmp_path):
    finish(gtzan, *extraction(songs, tmp_path / "warm"))
    steps = finish(gtzan, *extraction(songs, tmp_path / "calm"))
    expected = (tmp_path / "calm" / "table.csv").read_bytes()
    generator = random.Random(0)
    n_entries = []
    for k in range(20):
        folder = tmp_path / str(k)
        step = 1 + int(steps * generator.random())
        assert kill_at(step, gtzan, *extraction(songs, folder))
        n_entries.append(len(list(folder.rglob("*.npz"))))
        finish(gtzan, *extraction(songs, folder))
        assert (folder / "table.csv").read_bytes() == expected
        assert temporary_files(folder) == []
    assert len(set(n_entries)) >= 4  # different tracks were worked at


def fetch(to, address, n_bytes, sha256):
    download.fetch("mini", to=to, sources=[download.Archive(address, n_bytes, sha256)])


@pytest.mark.slow
def test_a_download_killed_twenty_times_ends_as_an_undisturbed_one(host, tmp_path):  # noqa: F811
    tracks = audit.expected_tracks("mini").index
    songs = {f"genres/{track}.wav": wav(k, seconds=7) for k, track in enumerate(tracks)}
    archive = host.offer("genres.tar.gz", tar_of(songs))
    words = (archive.address, archive.n_bytes, archive.sha256)
    finish(fetch, tmp_path / "warm", *words)
    steps = finish(fetch, tmp_path / "calm", *words)
    expected = contents(tmp_path / "calm" / "mini")
    generator = random.Random(0)
    arrived, unpacked = [], []
    for k in range(20):
        # The transfer is a thirtieth of the steps, early; half of the moments are about it.
        step = 1 + int(steps * generator.random() * (0.08 if k % 2 else 1))
        assert kill_at(step, fetch, tmp_path / str(k), *words)
        arrived += [path.stat().st_size for path in (tmp_path / str(k)).rglob("*.part")]
        unpacked.append(len(list((tmp_path / str(k)).rglob("*.wav"))))
        finish(fetch, tmp_path / str(k), *words)
        fetch(tmp_path / str(k), *words)  # and what was left at the very end is removed
        assert contents(tmp_path / str(k) / "mini") == expected
        left = {path.name for path in (tmp_path / str(k)).iterdir()}
        assert left == {"downloads", "mini"}
    assert len({size for size in arrived if size < archive.n_bytes}) >= 3
    assert len(set(unpacked)) >= 3


@pytest.mark.slow
def test_a_run_killed_three_times_ends_as_an_undisturbed_one(songs, tmp_path):
    def run(name):
        words = ["run", str(songs), "--profile", "smoke", "--only", "02,04", "--resume"]
        return subprocess.Popen(
            [sys.executable, "-m", "gtzan_helpers.cli", *words, "--out", str(tmp_path / name)],
            env={**os.environ, "GTZAN_CACHE": str(tmp_path / f"{name}-cache")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    assert run("calm").wait() == 0
    n_rows = len(list((tmp_path / "calm").glob("results/*.json")))
    for share in (0.3, 0.5, 0.7):
        process = run("killed")
        while len(list((tmp_path / "killed").glob("results/*.json"))) < share * n_rows:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
            assert process.returncode is None, "it ended before it was killed"
        os.killpg(process.pid, signal.SIGKILL)  # its kernels, too
        process.wait()
    assert run("killed").wait() == 0
    for name in ("killed", "calm"):
        assert temporary_files(tmp_path / name) == []
    pd.testing.assert_frame_equal(*(rows_of(tmp_path / name) for name in ("killed", "calm")))
    predicted = [sorted((tmp_path / n / "predictions").iterdir()) for n in ("killed", "calm")]
    assert [path.name for path in predicted[0]] == [path.name for path in predicted[1]]
    for mine, theirs in zip(*predicted, strict=True):
        with np.load(mine) as one, np.load(theirs) as other:
            for name in one.files:
                np.testing.assert_array_equal(one[name], other[name])


def rows_of(folder):
    table = results.read_run(folder).sort_values(["system_id", "protocol"], ignore_index=True)
    return table.drop(columns=["fit_seconds"])


# Together, and without room


def test_two_extractions_at_once_on_one_cache_both_succeed(songs, tmp_path):
    places, words = extraction(songs, tmp_path)
    words = [word.replace("table.csv", "{}.csv") for word in words]
    both = [start(gtzan, places, [word.format(k) for word in words]) for k in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
    assert temporary_files(tmp_path) == []


def test_what_a_killed_writer_left_goes_when_the_file_is_written_again_a_day_later(tmp_path):
    process = start(write_and_die, tmp_path / "a.txt")
    process.join()
    (left,) = temporary_files(tmp_path)
    two_days_ago = time.time() - 2 * 86_400
    os.utime(left, (two_days_ago, two_days_ago))
    with files.replacing(tmp_path / "a.txt") as mine:
        mine.write_text("mine")
        files.write_text(tmp_path / "a.txt", "another's")  # must not take mine away
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.txt": "mine"}


def write_and_die(path):
    with files.replacing(path) as temporary:
        temporary.write_text("half")
        os._exit(9)


@pytest.fixture
def mounted(tmp_path):
    """A function that mounts a small file system; skipped where that is not allowed."""
    places = []

    def mount(options):
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no right to mount a file system")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


def exit_of(places, words):
    """Exit code and error message of the command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gtzan_helpers.cli", *words],
        env={**os.environ, **places},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [("size=16k", "No space left on device"), ("ro", "Read-only file system")],
)
def test_a_cache_that_cannot_be_written_is_one_line(songs, tmp_path, mounted, options, reason):
    disk = mounted(options)
    places, words = extraction(songs, tmp_path)
    code, message = exit_of({**places, "GTZAN_CACHE": str(disk)}, words)
    assert code == 2
    assert message.count("\n") == 1 and message.startswith(f"error: {disk}")
    assert reason in message and "GTZAN_CACHE" in message
    assert temporary_files(disk) == [] and not (tmp_path / "table.csv").exists()


def test_a_disk_that_is_full_halfway_keeps_what_is_whole(songs, tmp_path, mounted):
    disk = mounted("size=40k")
    places, words = extraction(songs, tmp_path)
    assert exit_of({**places, "GTZAN_CACHE": str(disk)}, words)[0] == 2
    entries = list(disk.rglob("*.npz"))
    assert 0 < len(entries) < 12
    for path in entries:
        with np.load(path) as entry:
            assert [entry[name] for name in entry.files]  # whole, by its checksums


# Kernels


@pytest.fixture
def executed(tmp_path):
    """A function that executes a notebook of one cell: what stopped it, and the notebook."""

    def execute(code):
        parameters = nbformat.v4.new_code_cell("", metadata={"tags": ["parameters"]})
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        cells, metadata = [parameters, nbformat.v4.new_code_cell(code)], {"kernelspec": kernel}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        nbformat.write(notebook, tmp_path / "00_test.ipynb")
        waiting, folder = [reproduce.Notebook(tmp_path / "00_test.ipynb")], tmp_path / "run"
        with progress.Progress(waiting, 1, print) as watch:
            ((_, _, error),) = reproduce._executed(waiting, folder, {"source": ""}, watch)
        return error, nbformat.read(folder / "notebooks" / "00_test.ipynb", 4)

    return execute


def test_notebooks_run_in_this_python_whatever_kernel_is_called_python3(
    executed, tmp_path, monkeypatch
):
    spec = {"argv": ["false"], "display_name": "Python 3", "language": "python"}
    files.write_text(tmp_path / "jupyter/kernels/python3/kernel.json", json.dumps(spec))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    error, notebook = executed("import sys\nsys.executable")
    assert error is None
    assert notebook.cells[-1].outputs[0].data["text/plain"] == repr(sys.executable)


def test_a_kernel_that_cannot_start_is_one_line(executed, tmp_path, monkeypatch, capfd):
    files.write_text(tmp_path / "broken" / "ipykernel_launcher.py", "raise ImportError('zmq')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    error, _ = executed("1 + 1")
    assert type(error) is NotebookError and str(error).startswith("00_test.ipynb: its kernel ended")
    assert "\n" not in str(error) and capfd.readouterr().err == ""
