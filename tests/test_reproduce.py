"""`gtzan run` beyond the embedded dataset: other labels, failures, resuming."""

import json

import pytest

from gtzan_helpers import dataset, extract, reproduce, results
from gtzan_helpers.errors import NotebookError, SettingError, SourceError


def run(source, folder, **settings):
    said = []
    page = reproduce.run(
        str(source), **{"profile": "smoke", **settings}, out=folder, say=said.append
    )
    return page, said


@pytest.fixture
def music_and_speech(labelled_folder):
    """What the walkthrough study describes: two labels that are no genres."""
    return labelled_folder(("music_wav", "speech_wav"), tracks=6, seconds=4, name="music_speech")


def test_two_labels_of_the_users_own_are_classified(tmp_path, music_and_speech):
    page, said = run(music_and_speech, tmp_path / "run", only=["03"])
    assert "12 tracks, 2 labels" in said[1]
    rows = results.read(tmp_path / "run")
    measured = rows[rows.status == "measured"].set_index("system_id")
    assert measured.track_accuracy["capstone_random_forest"].min() == 1  # tones against noise
    assert "capstone_random_forest" in page.read_text(encoding="utf-8")


@pytest.fixture
def pack(tmp_path):
    """The embedded dataset without its audio."""
    extract.write_pack(tmp_path / "class.npz", "synthetic", profile="smoke")
    return tmp_path / "class.npz"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "only"), [("music_and_speech", []), ("pack", ["01", "03", "08", "09", "10"])]
)
def test_the_series_runs_on_two_labels_and_on_a_pack(tmp_path, request, source, only):
    run(request.getfixturevalue(source), tmp_path / "run", only=only)
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {entry["error"] for entry in state["notebooks"].values()} == {""}
    assert len(state["notebooks"]) == len(reproduce.notebooks(only))


def test_a_failing_notebook_names_its_cell_and_keeps_what_was_done(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=1)  # one track a label: nothing can be split
    with pytest.raises(
        NotebookError, match=r"03_classical_models\.ipynb, code cell 2: NotPossibleError"
    ):
        run(folder, tmp_path / "run", only=["03"])
    assert (tmp_path / "run" / "notebooks" / "03_classical_models.ipynb").exists()
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "stopped: 03_classical_models.ipynb" in page


def test_a_single_label_is_refused_before_anything_runs(tmp_path, labelled_folder):
    with pytest.raises(SourceError, match="its only label is 'tone'"):
        run(labelled_folder(("tone",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_resume_keeps_what_was_executed_with_the_same_parameters(smoke_run):
    executed = sorted((smoke_run / "notebooks").iterdir())
    before = [path.stat().st_mtime_ns for path in executed]
    run("synthetic", smoke_run, resume=True)
    assert [path.stat().st_mtime_ns for path in executed] == before


def test_resume_executes_a_notebook_whose_parameters_changed(smoke_run, tmp_path):
    tracks = dataset.load("synthetic", profile="smoke")
    report = reproduce._Report(smoke_run, "synthetic", "smoke", tracks)
    notebook = reproduce.notebooks(["02"])[0]
    parameters = {"source": "synthetic", "profile": "smoke", "run_dir": str(smoke_run)}
    assert report.has(notebook, parameters)
    assert not report.has(notebook, {**parameters, "profile": "quick"})


def test_an_unknown_number_lists_the_known_ones():
    with pytest.raises(SettingError, match="no notebook 42; choose from 00, 01"):
        reproduce.notebooks(["42"])
