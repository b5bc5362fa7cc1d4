"""An installed copy: outside a clone, of a user without a folder, who can write nowhere else."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gtzan_helpers import config, reproduce
from gtzan_helpers.audio import tables
from gtzan_helpers.report import publish

ROOT = config.checkout()

# A user whom the system does not know, and who reads everything.
STRANGER = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
STRANGER += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that pip installs the package into, closed."""
    site = tmp_path_factory.mktemp("site")
    words = ["pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
    try:
        subprocess.run(["uv", *words, "--target", site, ROOT], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no package can be built here: {getattr(error, 'stderr', error)}")
    for path in [site, *site.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    return site


@pytest.fixture(scope="module")
def stranger():
    """How a command begins that a stranger gives; nothing where this user is no more than that."""
    try:
        subprocess.run([*STRANGER, sys.executable, "-c", ""], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        if os.geteuid() == 0:
            pytest.skip("no right to become another user")
        return []
    return STRANGER


@pytest.fixture
def here():
    """An empty folder to stand in, which everybody may write; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
def gtzan(installed, stranger, here):
    """Run ``gtzan`` as installed; returns the finished process."""
    tables.compile_kernels()

    def run(*words, **places):
        kept = {name: os.environ[name] for name in ("PATH", "NUMBA_CACHE_DIR")}
        if not stranger:
            kept["HOME"] = str(installed)
        env = {**kept, "PYTHONPATH": str(installed), "TQDM_DISABLE": "1", **places}
        return subprocess.run(
            [*stranger, sys.executable, "-m", "gtzan_helpers", *map(str, words)],
            cwd=here, env={name: value for name, value in env.items() if value},
            capture_output=True, text=True,
        )  # fmt: skip

    return run


def test_it_carries_the_notebooks_and_what_they_read_of_real_songs(installed):
    series = installed / "gtzan_helpers" / "series"
    names = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.name for path in series.glob("notebooks/*")} == names
    for name in publish.shown_figures(ROOT):
        for path in ROOT.glob(f"figures/{name}.[pc]*"):  # a picture or a table
            assert (series / path.relative_to(ROOT)).exists()
    carried = [path for path in (series / "figures").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in carried) < 5e6


def test_it_shows_the_results_on_real_songs(gtzan):
    shown = gtzan("scoreboard")
    assert shown.returncode == 0
    assert re.fullmatch(r"\d+ not measured; --json says why\n", shown.stderr)
    assert "features_30_sec\tfault_filtered\tcapstone_svm\t" in shown.stdout


def test_it_copies_the_notebooks_with_the_pictures_that_they_link_to(gtzan, here):
    copied = gtzan("notebooks", "my own")
    assert copied.stdout == "open JupyterLab there: jupyter lab 'my own'\n", copied.stderr
    paths = sorted((here / "my own" / "notebooks").glob("*.ipynb"))
    assert [path.name for path in paths] == [one.path.name for one in reproduce.notebooks()]
    for path in paths:
        links = re.findall(r"\.\./[\w/]+\.png", path.read_text(encoding="utf-8"))
        assert links and all((path.parent / link).is_file() for link in links)
    paths[-1].write_text("mine")
    again = gtzan("notebooks", "my own")
    assert again.returncode == 2 and re.fullmatch(r"error: .*is there already.*\n", again.stderr)
    assert paths[-1].read_text() == "mine"


def test_predict_needs_no_place_to_write(gtzan, labelled_folder, here):
    song = labelled_folder() / "tone" / "tone.00000.wav"
    here.chmod(0o555)
    predicted = gtzan("predict", "--model", "small", song)
    assert predicted.returncode == 0 and "Traceback" not in predicted.stderr, predicted.stderr
    assert predicted.stdout.startswith(f"{song}: ")


def test_a_cache_is_all_that_a_stranger_needs(gtzan, labelled_folder, here):
    source, cache = labelled_folder(tracks=2, seconds=4.0), here / "cache"
    shutil.copytree(os.environ["NUMBA_CACHE_DIR"], cache / "numba")  # else it takes ten seconds
    for path in [cache, *cache.rglob("*")]:
        path.chmod(0o777)
    n_compiled = len(list(cache.rglob("*.nbi")))
    places = {"GTZAN_CACHE": str(cache), "NUMBA_CACHE_DIR": ""}
    checked = gtzan("check", source, **places)
    assert checked.returncode == 0 and checked.stdout.startswith("4 tracks"), checked.stderr
    extracted = gtzan("extract", source, "--csv", "table.csv", **places)
    assert extracted.returncode == 0 and (here / "table.csv").exists(), extracted.stderr
    assert len(list(cache.rglob("*.nbi"))) > n_compiled  # of the package, which lies elsewhere


def test_without_a_cache_the_message_names_the_variable(gtzan, labelled_folder):
    ended = gtzan("extract", labelled_folder(tracks=1), "--csv", "table.csv", "--jobs", "1")
    assert ended.returncode == 2
    assert re.fullmatch(r"error: .*cannot be written.*GTZAN_CACHE.*\n", ended.stderr)


@pytest.mark.slow
def test_a_run_outside_a_clone_leaves_its_book_in_the_current_folder(gtzan, here, installed):
    ended = gtzan("run", "--profile", "smoke", "--only", "02", GTZAN_CACHE="cache")
    assert (ended.returncode, ended.stderr) == (0, "")
    run = here / "runs" / "synthetic-smoke"
    name = "02_feature_extraction"
    assert f"notebooks/{name}.html" in (run / "index.html").read_text(encoding="utf-8")
    faults = runpy.run_path(str(ROOT / "scripts" / "check_run.py"))["faults"]
    assert list(faults(run, [f"{name}.ipynb"])) == []
    assert str(installed) not in (run / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
