"""`gtzan run` beyond the embedded dataset: other labels, failures, resuming."""

import json

import pytest

from gtzan_helpers import reproduce
from gtzan_helpers.errors import NotebookError, SettingError, SourceError


def run(source, folder, **settings):
    said = []
    page = reproduce.run(
        str(source), **{"profile": "smoke", **settings}, out=folder, say=said.append
    )
    return page, said


def test_two_labels_of_the_users_own_run_from_end_to_end(tmp_path, labelled_folder):
    folder = labelled_folder(("music_wav", "speech_wav"), tracks=8, seconds=4, name="music_speech")
    page, said = run(folder, tmp_path / "run")
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [entry["error"] for entry in state["notebooks"].values()] == [""] * len(
        reproduce.notebooks()
    )
    assert "2 labels" in said[1]
    assert "capstone_svm" in page.read_text(encoding="utf-8")


def test_a_failing_notebook_names_its_cell_and_keeps_what_was_done(tmp_path, labelled_folder):
    folder = labelled_folder(tracks=1)  # one track a label: nothing can be split
    with pytest.raises(
        NotebookError, match=r"03_classical_models\.ipynb, cell 2: NotPossibleError"
    ):
        run(folder, tmp_path / "run", only=["03"])
    assert (tmp_path / "run" / "notebooks" / "03_classical_models.ipynb").exists()
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "stopped: 03_classical_models.ipynb" in page


def test_a_single_label_is_refused_before_anything_runs(tmp_path, labelled_folder):
    with pytest.raises(SourceError, match="its only label is 'tone'"):
        run(labelled_folder(("tone",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_resume_keeps_what_was_executed_and_fresh_does_not(tmp_path):
    executed = tmp_path / "notebooks" / "02_feature_extraction.ipynb"
    run("synthetic", tmp_path, only=["02"])
    first = executed.stat().st_mtime_ns
    run("synthetic", tmp_path, only=["02"], resume=True)
    assert executed.stat().st_mtime_ns == first
    run("synthetic", tmp_path, only=["02"], resume=False)
    assert executed.stat().st_mtime_ns > first


def test_an_unknown_number_lists_the_known_ones():
    with pytest.raises(SettingError, match="no notebook 42; choose from 00, 01"):
        reproduce.notebooks(["42"])
