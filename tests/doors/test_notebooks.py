"""The notebooks: their shape, and that two of them run."""

import ast
import os
import re
import runpy
import statistics
import subprocess
import sys

import nbconvert
import nbformat
import numpy as np
import pytest

from gtzan_helpers import config, experiments, reproduce
from gtzan_helpers.experiments import kept

PATHS = sorted((config.checkout() / "notebooks").glob("*.ipynb"))
KNOWN = {"source", "profile", "protocols", "seed", "run_dir", "kaggle_csv"}


def cells(path, kind=None):
    return [c for c in nbformat.read(path, 4).cells if kind in (None, c.cell_type)]


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def is_solution(cell):
    return "solution" in cell.metadata.get("tags", [])


notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_the_series_is_numbered_without_a_gap():
    numbers = [int(path.stem[:2]) for path in PATHS]
    missing = set(range(max(numbers))) - set(numbers)
    assert len(set(numbers)) == len(numbers) and not missing


@notebook
def test_a_notebook_is_stripped(path):
    for cell in cells(path, "code"):
        assert not cell.outputs and cell.execution_count is None


@notebook
def test_a_notebook_is_exported_as_a_script(path):
    _, resources = nbconvert.get_exporter("script")().from_filename(str(path))
    assert resources["output_extension"] == ".py"


@notebook
def test_a_lesson_has_its_parts(path):
    first, *_, summary, _, _, outlook = [cell.source for cell in cells(path)]
    for words in (f"# {path.stem[:2]} · ", "?**", "You will learn", "*Needs*", "\n\n![", "\n\n*"):
        assert words in first, words
    if path != PATHS[0]:
        assert "Before you start, two questions about notebook" in first
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[-5:] == ["Summary", "Check yourself", "Exercises", "Next", "References"]
    assert "Find the mistake" in headings and "**Limits.**" in summary
    assert outlook.startswith("## Next")
    _, questions, exercises = re.split("## Check yourself|## Exercises", summary)
    assert 3 <= questions.count("<details><summary>") <= 5
    tasks = re.findall(r"^\d\. (.+?)(?=^\d\. |\Z)", exercises, re.MULTILINE | re.DOTALL)
    assert len(tasks) == 3 and all("`" in task for task in tasks)  # a line to start from


@notebook
def test_after_its_opening_a_lesson_names_no_file_folder_profile_or_source(path):
    hidden = {"profile", "run_dir", "source", "kind", "folder"}
    own = ("my_song", "my_folder")  # a reader's own music is found by its path
    lessons = [cell for cell in cells(path, "code")[2:] if not any(o in cell.source for o in own)]
    for cell in lessons:
        for node in ast.walk(ast.parse(cell.source)):
            name = getattr(node, "id", "") or getattr(node, "attr", "") or getattr(node, "arg", "")
            assert name not in hidden, cell.source
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"\w/\w|\.(csv|npz|png|wav|ipynb)\b", node.value), node.value


@notebook
def test_one_exercise_has_a_folded_solution_right_below(path):
    *_, exercises, heading, solution, outlook = cells(path)
    assert [cell.id for cell in cells(path) if is_solution(cell)] == [solution.id]
    assert solution.cell_type == "code" and len(lines(solution)) <= 15
    # What stands under a collapsed heading stays hidden when it is run; what follows ends it.
    assert heading.metadata["jp-MarkdownHeadingCollapsed"] and outlook.source.startswith("## ")
    (number,) = re.findall(r"^### Solution of exercise (\d)$", heading.source)
    assert f"\n{number}. " in exercises.source


@notebook
def test_parameters_are_known_literals_with_a_comment_each(path):
    tagged = [c for c in cells(path, "code") if "parameters" in c.metadata.get("tags", [])]
    assert tagged == [cells(path, "code")[0]]
    assignments = ast.parse(tagged[0].source).body
    names = {node.targets[0].id: ast.literal_eval(node.value) for node in assignments}
    assert set(names) <= KNOWN and {"source", "profile", "run_dir"} <= set(names)
    assert (names["source"], names["profile"]) == ("synthetic", "quick")
    assert all("  # " in line for line in lines(tagged[0]))


@notebook
def test_the_metadata_agree_with_what_the_notebook_asks_of_its_source(path):
    about = reproduce.Notebook.read(path)
    code = "\n".join(cell.source for cell in cells(path, "code"))
    (call,) = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "experiments.start"
    ]
    needs = [ast.literal_eval(word.value) for word in call.keywords if word.arg == "needs"]
    assert set(about.needs) - {"rows"} == set(*needs)
    assert set(about.needs) <= {"audio", "log_mel", "features", "pretrained", "rows"}
    assert 1 <= about.wave <= 4


def code_lines(source):
    """Numbers of the lines that hold code."""
    numbered = enumerate(source.splitlines(), 1)
    return {i for i, line in numbered if line.strip() and not line.lstrip().startswith("#")}


def guarded_lines(source):
    """Numbers of the lines of code that stand under a branch."""
    branches = (ast.If, ast.Try, ast.IfExp, ast.While, ast.Match)
    inside = set()
    for node in ast.walk(ast.parse(source)):
        filters = any(part.ifs for part in getattr(node, "generators", ()))
        if isinstance(node, branches) or filters:
            inside |= set(range(node.lineno, node.end_lineno + 1))
    return inside & code_lines(source)


@notebook
def test_a_notebook_hardly_branches(path):
    sources = [cell.source for cell in cells(path, "code")]
    n_guarded = sum(len(guarded_lines(source)) for source in sources)
    assert n_guarded <= 0.06 * sum(len(code_lines(source)) for source in sources)


@notebook
def test_cells_are_short_and_code_lives_in_the_package(path):
    sizes = [len(lines(cell)) for cell in cells(path, "code")]
    assert max(sizes) <= 20
    assert statistics.median(sizes) <= 6
    # Lessons write down what they teach: a loss, a gradient, a layer.
    assert sum(cell.source.count("def ") for cell in cells(path, "code")) <= 8


# Executed. The main job runs all of them, and `scripts/check_run.py` checks them.

faults = runpy.run_path(str(config.checkout() / "scripts" / "check_run.py"))["faults"]


def test_two_notebooks_run_without_error_or_complaint(tmp_path):
    run = experiments.start("synthetic", profile="smoke", run_dir=tmp_path)
    run.measure("capstone_svm")
    reproduce.run(
        "synthetic", profile="smoke", only=("02", "09"), out=tmp_path, say=lambda line: None
    )
    assert list(faults(tmp_path, [path.name for path in PATHS if path.stem[:2] in "02 09"])) == []
    assert (tmp_path / "figures" / "09_scoreboard.png").stat().st_size > 0


def test_each_fault_of_an_executed_notebook_is_a_line(tmp_path):
    output = nbformat.v4.new_output
    cells = [
        nbformat.v4.new_code_cell("", outputs=[output("stream", name="stderr", text="oh!\n")]),
        nbformat.v4.new_code_cell("", outputs=[output("error", ename="ValueError", evalue="no")]),
        nbformat.v4.new_code_cell("", outputs=[output("stream", text=f"in {tmp_path}/figures")]),
        nbformat.v4.new_code_cell("", metadata={"tags": ["solution"]}),
    ]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "a.ipynb")
    assert list(faults(tmp_path, ["a.ipynb", "b.ipynb"])) == [
        "a.ipynb, code cell 0: on stderr: 'oh!'",
        "a.ipynb, code cell 1: ValueError: no",
        f"a.ipynb, code cell 2: shows {tmp_path}",
        "a.ipynb: no solution was executed",
        "b.ipynb: not there",
    ]


@pytest.mark.slow
def test_a_notebook_runs_by_plain_papermill_from_any_folder(tmp_path):
    path = PATHS[2]
    assert path.stem == "02_feature_extraction"
    parameters = {"profile": "smoke", "run_dir": str(tmp_path / "run")}
    words = [word for name, value in parameters.items() for word in ("-p", name, value)]
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(path), "out.ipynb", "-k", "python3", *words],
        cwd=tmp_path,
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "figures" / "02_pca.png").stat().st_size > 0
    outputs = [output for cell in cells(tmp_path / "out.ipynb", "code") for output in cell.outputs]
    assert any("by hand" in output.get("text", "") for output in outputs)


@pytest.mark.slow
def test_a_damaged_run_is_measured_again_where_it_is_needed_and_gives_a_report(tmp_path):
    def run(*numbers):
        return reproduce.run(
            "synthetic", profile="smoke", only=numbers, out=tmp_path, say=lambda line: None
        )

    run("03", "04")
    honest = "synthetic__fault_filtered__0"
    (tmp_path / "results" / f"capstone_knn__{honest}.json").unlink()
    (tmp_path / "predictions" / f"capstone_svm__{honest}.npz").write_bytes(b"")
    for path in (tmp_path / "predictions").glob(f"*__{honest}.npz"):
        if not path.stat().st_size:
            continue
        stored = kept.read_predictions(tmp_path, path.stem)
        # One test track is left, and the first label is never predicted.
        mine = stored.test_id == stored.test_id[0]
        probs = stored.test_probs[mine].astype(float) + 0.001
        probs[:, 0] = 0
        probs /= probs.sum(axis=1, keepdims=True)
        left = dict(vars(stored), test_probs=probs)
        left |= {name: getattr(stored, name)[mine] for name in ("test_id", "test_segment")}
        np.savez(path, **(left | {"test_true": stored.test_true[mine]}))
    page = run("08", "09")
    again = kept.read_predictions(tmp_path, f"capstone_svm__{honest}")
    assert len(set(again.test_id)) > 1
    assert "k-nearest neighbours, capstone study" in page.read_text(encoding="utf-8")
