"""Caches and keys across processes: an edit of prose recomputes nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gtzan_helpers

PACKAGE = Path(gtzan_helpers.__file__).parent


def python(*words, **places):
    env = {**os.environ, **{name: str(value) for name, value in places.items()}}
    subprocess.run([sys.executable, *words], env=env, check=True, capture_output=True)


def test_an_edited_docstring_recomputes_no_features(tmp_path, labelled_folder):
    source = labelled_folder(tracks=2)
    copy = tmp_path / "copy" / "gtzan_helpers"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def extracted():
        python(
            *("-m", "gtzan_helpers", "extract", source),
            PYTHONPATH=copy.parent,
            GTZAN_CACHE=tmp_path / "cache",
        )
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npz")}

    before = extracted()
    assert len(before) == 4
    for path in copy.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"""', '"""Edited. ', 1), encoding="utf-8")
    assert extracted() == before


@pytest.mark.slow
def test_a_stacked_system_is_not_fitted_twice(tmp_path, labelled_folder):
    source, folder = labelled_folder(tracks=6), tmp_path / "run"
    code = (
        "from gtzan_helpers import experiments\n"
        f"run = experiments.start({str(source)!r}, run_dir={str(folder)!r})\n"
        "run.measure('stacked_svm', 'stacked_gmm', protocols='track_random')\n"
    )
    python("-c", code)
    rows = {path: path.stat().st_mtime_ns for path in (folder / "results").iterdir()}
    python("-c", code)
    assert {path: path.stat().st_mtime_ns for path in rows} == rows and len(rows) == 2
