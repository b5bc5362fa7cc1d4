"""What all tests share: workers, places of their own, a seeded generator, folders of audio."""

import itertools
import os
import sys
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers share two cores
    for name in ("OMP_NUM", "OPENBLAS_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP"):
        os.environ[f"{name}_THREADS"] = "1"  # read when numpy and TensorFlow are imported

import numpy as np
import pytest
import soundfile

os.environ["TQDM_DISABLE"] = "1"  # tqdm reads it when it is imported
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"  # where the tests' own servers are

SR = 22_050
NUMBERS = itertools.count()


def pytest_xdist_auto_num_workers(config):
    """Two workers, but none for single files and for what is timed."""
    whole = all(Path(each).is_dir() for each in config.args)
    if not whole or config.option.markexpr == "benchmark":
        return 0
    from gtzan_helpers.audio import tables

    tables.compile_kernels()  # here, because two processes must not do it at once
    return 2


def pytest_terminal_summary(terminalreporter):
    ended = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    n_browser = sum("browser" in report.keywords for report in ended)
    terminalreporter.write_line(f"{n_browser} tests ran in a browser")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    """One cache for the whole session, so that the embedded dataset is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_places(session_cache, tmp_path_factory, monkeypatch):
    """No test reads or writes the user's own cache, data and weights."""
    monkeypatch.setenv("GTZAN_CACHE", str(session_cache))
    data = tmp_path_factory.getbasetemp() / "data" / str(next(NUMBERS))
    monkeypatch.setenv("GTZAN_DATA", str(data))
    monkeypatch.setenv("KERAS_HOME", str(session_cache / "keras"))


@pytest.fixture
def real_data():
    """The folder of the real recordings; tests that need them are skipped without."""
    if "GTZAN_REAL_DATA" not in os.environ:
        pytest.skip("GTZAN_REAL_DATA is not set")
    return Path(os.environ["GTZAN_REAL_DATA"])


@pytest.fixture
def labelled_folder(tmp_path):
    """A function that writes ``<root>/<label>/<label>.<n>.wav``, no two files alike.

    Labels sound different: those of even place are tones, those of odd place noises.
    """

    def write(labels=("tone", "noise"), *, tracks=3, seconds=2.0, name="labelled"):
        root = tmp_path / name
        n = np.arange(round(seconds * SR))
        for place, label in enumerate(labels):
            (root / label).mkdir(parents=True)
            for track in range(tracks):
                rng = np.random.default_rng([place, track])
                tone = np.sin(2 * np.pi * (220 + 55 * place + 10 * track) * n / SR)
                y = 0.5 * tone if place % 2 == 0 else 0.1 * rng.standard_normal(n.size)
                soundfile.write(root / label / f"{label}.{track:05d}.wav", y, SR)
        return root

    return write


@pytest.fixture
def cluster(monkeypatch):
    """A scheduler and two worker processes on loopback, each with one thread."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
    ):
        yield cluster
