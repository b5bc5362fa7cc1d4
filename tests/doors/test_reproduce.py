"""`gtzan run` beyond the embedded dataset: other labels, failures, what is left out, resuming."""

import json
import threading

import nbformat
import pytest

from gtzan_helpers import reproduce
from gtzan_helpers.datasets.kinds import packs
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotebookError, NotPossibleError, SettingError, SourceError
from gtzan_helpers.experiments import results


def run(source, folder, **settings):
    """The page of a run at smoke, and the lines that it shows."""
    lines = []
    page = reproduce.run(
        str(source), **{"profile": "smoke", **settings}, out=folder, say=lines.append
    )
    return page, lines


@pytest.fixture
def music_and_speech(labelled_folder):
    """What the walkthrough study describes: two labels that are no genres."""
    return labelled_folder(("music_wav", "speech_wav"), tracks=6, seconds=4, name="music_speech")


def test_two_labels_of_the_users_own_are_classified(tmp_path, music_and_speech):
    page, lines = run(music_and_speech, tmp_path / "run", only=["03"])
    assert "12 tracks, 2 labels" in lines[1]
    table = results.read_run(tmp_path / "run")
    measured = table[table.status == "measured"].set_index("system_id")
    assert measured.track_accuracy["capstone_random_forest"].min() == 1  # tones against noise
    assert "capstone_random_forest" in page.read_text(encoding="utf-8")


@pytest.fixture
def pack(tmp_path):
    """The embedded dataset without its audio."""
    source = open_source("synthetic", profile="smoke")
    packs.write_pack(tmp_path / "class.npz", source)
    return tmp_path / "class.npz"


@pytest.mark.slow
@pytest.mark.parametrize("source", ["music_and_speech", "pack"])
def test_the_series_runs_on_two_labels_and_on_a_pack(tmp_path, request, source):
    run(request.getfixturevalue(source), tmp_path / "run")
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {entry["error"] for entry in state["notebooks"].values()} == {""}
    assert len(state["notebooks"]) == len(reproduce.notebooks()) and not state["left_out"]


# What a source lacks


@pytest.fixture
def table(tmp_path, music_and_speech):
    """A table of features, without spectrograms."""
    from gtzan_helpers.datasets.kinds import tables

    features = open_source(music_and_speech, profile="smoke").features("kaggle", jobs=1)
    tables.write_csv(tmp_path / "songs.csv", features, segment_seconds=3.0)
    return tmp_path / "songs.csv"


def test_a_notebook_that_needs_what_the_source_lacks_is_left_out_with_the_reason(tmp_path, table):
    page, lines = run(table, tmp_path / "run", only=["02", "05"])
    (line,) = [line for line in lines if line.startswith("left out: 05 cnn: ")]
    reason = line.removeprefix("left out: 05 cnn: ")
    assert "log-mel" in reason
    text = page.read_text(encoding="utf-8")
    assert f"left out: {reason}" in text and "html/02_feature_extraction.html" in text
    assert not (tmp_path / "run" / "notebooks" / "05_cnn.ipynb").exists()


def test_a_run_of_which_nothing_is_possible_is_refused(tmp_path, table):
    with pytest.raises(NotPossibleError, match=r"no notebook can run on it; 05 cnn: .*log-mel"):
        run(table, tmp_path / "run", only=["05"])
    assert not (tmp_path / "run").exists()


def test_rows_are_there_when_the_run_makes_them_or_the_folder_has_some(tmp_path, smoke_run):
    source = open_source("synthetic", profile="smoke")
    alone, both = reproduce.notebooks(["08"]), reproduce.notebooks(["03", "08"])
    with pytest.raises(NotPossibleError, match="08 error analysis: no system was measured yet"):
        reproduce._divide(alone, source, tmp_path)
    assert reproduce._divide(alone, source, smoke_run) == (alone, {})
    assert reproduce._divide(both, source, tmp_path) == (both, {})


def test_notebooks_that_look_at_rows_come_after_those_that_measure():
    waves = reproduce._waves(reproduce.notebooks())
    assert [[one.number for one in wave] for wave in waves] == [
        ["05", "00", "01", "02", "03"],  # 05 takes the longest
        ["06", "04", "07"],
        ["08", "10"],
        ["09"],
    ]
    assert all("rows" not in one.needs for wave in waves[:2] for one in wave)


# Failures


def test_a_failing_notebook_names_its_cell_and_keeps_what_was_done(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=1)  # one track a label: nothing can be split
    with pytest.raises(
        NotebookError, match=r"03_classical_models\.ipynb, code cell \d+: NotPossibleError"
    ):
        run(folder, tmp_path / "run", only=["03"])
    assert (tmp_path / "run" / "notebooks" / "03_classical_models.ipynb").exists()
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "stopped: 03_classical_models.ipynb" in page


def write_notebook(path, code):
    cells = [nbformat.v4.new_code_cell(code)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return reproduce.Notebook(path)


def test_after_a_notebook_that_stops_the_run_ends_and_begins_no_queued_one(tmp_path):
    failing = write_notebook(tmp_path / "00_failing.ipynb", "raise ValueError('no')")
    queued = [write_notebook(tmp_path / f"0{n}_queued.ipynb", "") for n in range(1, 4)]
    outcomes = []

    def execute():
        waiting, parameters = [failing, *queued], {"source": "none"}
        outcomes.extend(reproduce._executed(waiting, tmp_path / "run", parameters, jobs=1))

    thread = threading.Thread(target=execute, daemon=True)
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive(), "the run hangs"
    ((stopped, _, error),) = outcomes
    assert stopped == failing
    assert "00_failing.ipynb, code cell 1: ValueError: no" in str(error)


def test_a_single_label_is_refused_before_anything_runs(tmp_path, labelled_folder):
    with pytest.raises(SourceError, match="its only label is 'tone'"):
        run(labelled_folder(("tone",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_number_lists_the_known_ones():
    with pytest.raises(SettingError, match="no notebook 42; choose from 00, 01"):
        reproduce.notebooks(["42"])


# Again


def test_resume_keeps_what_was_executed_with_the_same_parameters(smoke_run):
    executed = sorted((smoke_run / "notebooks").iterdir())
    before = [path.stat().st_mtime_ns for path in executed]
    run("synthetic", smoke_run, resume=True)
    assert [path.stat().st_mtime_ns for path in executed] == before


def test_resume_executes_a_notebook_whose_parameters_changed(smoke_run):
    record = reproduce.Record(smoke_run, open_source("synthetic", profile="smoke"), {})
    notebook = reproduce.notebooks(["02"])[0]
    parameters = {"source": "synthetic", "profile": "smoke", "run_dir": str(smoke_run)}
    assert record.has(notebook, parameters)
    assert not record.has(notebook, {**parameters, "profile": "quick"})
