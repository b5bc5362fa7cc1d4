"""What strangers look for first: pages whose links work, a citation, a version, forms, examples."""

import doctest
import importlib
import json
import re
import string
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from click.testing import CliRunner

import gtzan_helpers
from gtzan_helpers.cli import commands
from gtzan_helpers.datasets import embedded

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = ["pip install uv && uv run gtzan run", "pip install uv && uv run pytest"]

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/reference/*.md")]
PAGES.append(ROOT / "tests" / "benchmarks" / "README.md")


def name(path):
    return path.relative_to(ROOT).as_posix()


def prose(page):
    """The text of a page without its code."""
    return re.sub(
        r"^```.*?^```$|`[^`\n]+`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )


def anchors(page):
    """What links to a page's headings end with, on GitHub and in the book."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.M)
    kept = string.ascii_lowercase + string.digits + " -_"
    plain = ("".join(sign for sign in text.lower() if sign in kept) for text in headings)
    return {text.replace(" ", "-") for text in plain}


# Pages


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_of_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pictures_of_pages_have_alternative_texts(page):
    text = prose(page)
    assert all(len(alt.split()) >= 4 for alt in re.findall(r"!\[(.*?)\]\(", text))
    assert "<img" not in text


def test_readme_can_be_read_in_three_minutes():
    assert len(README.split()) <= 800


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_has_the_two_commands_alone_on_their_lines(command):
    assert re.search(rf"^{re.escape(command)}(  +#.*)?$", README, re.MULTILINE)


def test_screenshots_are_shown_and_small():
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert len(pictures) == 2
    for picture in pictures:
        assert f"]({name(picture)})" in README and picture.stat().st_size < 150_000


@pytest.mark.slow
def test_readme_shows_what_predict_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    song = embedded.play(embedded.draw_song("classical", 0, 0, seed=1), 30.0)
    soundfile.write("song.wav", song, 22_050)
    noise = np.random.default_rng(0).normal(0, 0.1, 661_500)
    soundfile.write("noise.wav", noise, 22_050)
    (command, answers) = re.search(r"^\$ uv run gtzan (.*)\n((?:.+\n)+)```", README, re.M).groups()
    assert CliRunner().invoke(commands, command.split()).stdout == answers


# Version and citation


def test_citation_and_changes_are_of_this_version():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest, date = re.search(r"^## (\S+) - (\d{4}-\d\d-\d\d)$", changes, re.M).groups()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == newest == gtzan_helpers.__version__
    assert str(citation["date-released"]) == date
    kinds = set(re.findall(r"^### (.*)", changes, re.M))
    assert {"Added", "Changed", "Fixed"} <= kinds <= {"Added", "Changed", "Removed", "Fixed"}


def test_the_citation_has_what_its_format_demands():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["message"] and citation["license"]
    assert len(citation["references"]) > 2
    for work in (citation, *citation["references"]):
        assert work["title"] and work["type"] in ("software", "article")
        assert all({"name", "family-names"} & set(author) for author in work["authors"])


# Forms and containers


@pytest.mark.parametrize("form", ["bug", "question"])
def test_forms_for_issues_ask_for_something_and_name_commands_that_exist(form):
    path = ROOT / ".github" / "ISSUE_TEMPLATE" / f"{form}.yml"
    asked = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert asked["name"] and asked["description"]
    assert len({field["id"] for field in asked["body"]}) == len(asked["body"]) > 1
    assert {field["type"] for field in asked["body"]} == {"textarea"}
    assert any(field.get("validations", {}).get("required") for field in asked["body"])


def test_containers_install_what_the_project_installs():
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = json.loads(text)
    assert container["image"] == "python:3.12" and "uv sync" in container["postCreateCommand"]
    build = ROOT / "postBuild"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (group,) = re.findall(r"^music = \[(.*)\]$", project, re.M)
    assert set(re.findall('"(.*?)"', build.read_text(encoding="utf-8"))) == set(
        re.findall('"(.*?)"', group)
    )
    assert build.stat().st_mode & 0o100


# Examples


def with_examples(paths):
    return [path for path in paths if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", with_examples(PAGES), ids=name)
def test_pages_show_what_python_prints(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert (failed, tried > 10) == (0, True)


MODULES = with_examples(sorted((ROOT / "gtzan_helpers").rglob("*.py")))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_docstrings_show_what_python_prints(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name(path).removesuffix(".py").replace("/", "."))
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)
