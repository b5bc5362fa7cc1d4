"""Conda's list, the lock and the project's own list agree; nothing tracked names a machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]

CONDA_NAMES = {
    "matplotlib": {"matplotlib", "matplotlib-base"},
    "soundfile": {"soundfile", "pysoundfile"},
    "soxr": {"soxr", "soxr-python"},
    "tensorflow-cpu": {"tensorflow", "tensorflow-cpu"},
    "tensorflow": {"tensorflow", "tensorflow-cpu"},
    "xgboost": {"xgboost", "py-xgboost", "py-xgboost-cpu"},
    "xgboost-cpu": {"xgboost", "py-xgboost", "py-xgboost-cpu"},
}
"""What conda-forge calls a package, where that is not what Python's index calls it."""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def lower_bound(requirement):
    """Name and lower bound of a requirement such as ``librosa>=0.11,<2; marker``."""
    found = re.match(
        r"\s*([\w.-]+?)\s*(?:\[.*?\])?\s*(?:>=\s*([\d.]+).*|==?\s*([\d.]+).*)?$",
        requirement.split(";")[0].strip(),
    )
    assert found, f"{requirement!r} is not understood"
    return normal(found[1]), found[2] or found[3]


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEPENDENCIES = [lower_bound(line) for line in PROJECT["dependencies"]]


def conda():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text), text


def from_pip():
    return next(line["pip"] for line in conda()[0]["dependencies"] if isinstance(line, dict))


def conda_bounds():
    """What the environment holds, and from which version on; conda's and pip's together."""
    listed = [line for line in conda()[0]["dependencies"] if isinstance(line, str)]
    return dict(lower_bound(line) for line in [*listed, *from_pip()] if line != "-e .")


def lock():
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_the_projects_list_was_read():
    assert ("librosa", "0.11") in DEPENDENCIES
    assert len(DEPENDENCIES) > 20


# environment.yml


@pytest.mark.parametrize(("name", "bound"), DEPENDENCIES)
def test_conda_installs_every_dependency_from_the_same_version_on(name, bound):
    bounds = conda_bounds()
    found = [other for other in CONDA_NAMES.get(name, {name}) if other in bounds]
    assert found, f"environment.yml lacks {name}"
    assert bounds[found[0]] == bound


def test_conda_lists_nothing_that_the_project_does_not_need():
    expected = {other for name, _ in DEPENDENCIES for other in CONDA_NAMES.get(name, {name})}
    assert set(conda_bounds()) - expected <= {"python", "pip"}


def test_conda_installs_the_package_itself_in_place():
    assert "-e ." in from_pip()


def test_conda_takes_everything_from_conda_forge():
    assert conda()[0]["channels"] in (["conda-forge"], ["conda-forge", "nodefaults"])


def test_every_package_of_conda_says_what_it_is_for():
    lines = conda()[1].partition("dependencies:")[2].splitlines()
    packages = [line for line in lines if re.match(r"\s+- [a-z][\w-]*\s*[<>=#]|\s+- [\w-]+$", line)]
    assert len(packages) >= len(conda_bounds())
    assert [line for line in packages if not re.search(r"\s# \S", line)] == []


# requirements.lock


def locked():
    """Names in the lock, each with whether a hash stands with it."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock(), flags=re.MULTILINE)
    pinned = [entry for entry in entries if re.match(r"[\w.-]+(\[.*?\])?==", entry)]
    hash_ = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
    return [(normal(re.match(r"[\w.-]+", e)[0]), bool(hash_.search(e))) for e in pinned]


@pytest.mark.parametrize("name", [name for name, _ in DEPENDENCIES])
def test_the_lock_holds_every_dependency(name):
    assert name in dict(locked())


def test_everything_in_the_lock_has_a_hash():
    assert [name for name, has_hash in locked() if not has_hash] == []


def test_the_lock_holds_nothing_but_pinned_versions():
    lines = [line for line in lock().splitlines() if line and line[0] not in " #\t"]
    assert [line for line in lines if not re.match(r"[\w.-]+(\[.*?\])?==\S+", line)] == []


def test_the_lock_names_no_address():
    assert ":" + "//" not in lock()


# What git tracks

REGISTRIES = [b"pypi" + b".org", b"python" + b"hosted"]
MACHINES = [b"/wo" + b"rk/", b"/ro" + b"ot/"]


def tracked():
    """Contents of every file that git tracks, by name."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: git does not say what it tracks")
    try:
        said = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git is not here, or does not say what it tracks")
    names = [name for name in said.stdout.decode().split("\0") if name]
    assert "README.md" in names
    return {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}


@pytest.mark.parametrize("words", REGISTRIES, ids=["registry", "its files"])
def test_no_tracked_file_names_a_registry(words):
    assert [name for name, content in tracked().items() if words in content] == []


@pytest.mark.parametrize("words", MACHINES, ids=["workplace", "home of root"])
def test_no_tracked_file_holds_a_path_of_one_machine(words):
    assert [name for name, content in tracked().items() if words in content] == []
