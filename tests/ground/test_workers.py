"""Results are the same from one process, several, or a cluster that loses a worker."""

import os
import platform
import signal
import subprocess
import sys

import pytest

from gtzan_helpers import workers
from gtzan_helpers.errors import GtzanError, SettingError


def double(x):
    return 2 * x


def computed_by(x):
    return 2 * x, os.getpid()


def killed_elsewhere(home):
    if os.getpid() != home:
        os.kill(os.getpid(), signal.SIGKILL)


FAULTS = """
import resource
import numpy as np
from gtzan_helpers import workers
workers.keep_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):  # arrays larger than any that was freed before
        [np.ones(1 << 20, np.float32) for _ in range(6)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator only")
def test_memory_of_freed_arrays_is_kept():
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 1000  # returned and fetched again it would be 24 times 1024


def test_several_processes_give_what_one_gives_in_the_same_order(monkeypatch):
    tasks = [(k,) for k in range(8)]
    monkeypatch.setattr(workers, "WORTH_PROCESSES", 0)
    doubled, processes = zip(*workers.Workers(2).map(computed_by, tasks), strict=True)
    assert doubled == tuple(2 * k for k in range(8))
    assert os.getpid() in processes[:2] and os.getpid() not in processes[2:]
    assert list(workers.Workers(2).map(double, [])) == []


def test_a_process_that_is_killed_is_one_line(monkeypatch):
    monkeypatch.setattr(workers, "WORTH_PROCESSES", 0)
    try:
        list(workers.Workers(2).map(killed_elsewhere, [(os.getpid(),)] * 4))
    except Exception as error:
        assert isinstance(error, GtzanError) and "\n" not in str(error)
        assert "--jobs" in str(error)
    else:
        pytest.fail("its work is lost, and nothing says so")


def test_little_work_stays_in_this_process():
    assert dict(workers.Workers(2).map(computed_by, [(k,) for k in range(8)])) == {
        2 * k: os.getpid() for k in range(8)
    }


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(cluster, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    tasks = [(k, str(marks)) for k in range(12)]
    results = list(workers.Workers(1, cluster.scheduler_address).map(once_deadly, tasks))
    assert [doubled for doubled, _ in results] == [2 * k for k in range(12)]
    assert os.getpid() not in {process for _, process in results}
    assert len(list(marks.iterdir())) == 1


def once_deadly(k, marks):
    """Double `k`; the first process of the cluster that gets a 6 dies."""
    import os
    from pathlib import Path

    mark = Path(marks) / "killed"
    if k == 6 and not mark.exists():
        mark.touch()
        os._exit(9)
    return 2 * k, os.getpid()


def test_a_scheduler_that_does_not_answer_is_refused_in_one_line(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "ANSWER_SECONDS", 1)
    with pytest.raises(SettingError, match=r"tcp://127.0.0.1:9' does not answer; start one"):
        list(workers.Workers(1, "tcp://127.0.0.1:9").map(double, [(k,) for k in range(4)]))


def test_without_dask_the_message_says_how_to_install_it():
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from gtzan_helpers import workers\n"
        "list(workers.Workers(1, 'tcp://127.0.0.1:9').map(abs, [(1,), (2,), (3,)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "gtzan-helpers[dask]"' in done.stderr


def test_a_progress_bar_passes_its_items_on():
    settings = {"description": "extract", "unit": "track"}
    assert list(workers.progress_bar(iter("ab"), total=2, **settings)) == ["a", "b"]
    assert list(workers.progress_bar([], total=0, **settings)) == []
    with workers.progress_bar(total=2, **settings) as meter:
        meter.update()
