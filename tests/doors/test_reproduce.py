"""`gtzan run`: on small notebooks of the tests' own, what it executes, leaves out and keeps."""

import json
import os
import re
import threading

import nbformat
import pytest

from gtzan_helpers import config, experiments, reproduce
from gtzan_helpers.datasets.kinds import tables
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import NotebookError, NotPossibleError, SettingError, SourceError
from gtzan_helpers.experiments import results
from gtzan_helpers.report import progress, record
from gtzan_helpers.report.series import timed

v4 = nbformat.v4


def run(source, folder, **settings):
    """The page of a run at smoke, and the lines that it shows."""
    lines = []
    page = reproduce.run(
        str(source), **{"profile": "smoke", "jobs": 1, **settings}, out=folder, say=lines.append
    )
    return page.read_text(encoding="utf-8"), lines


def write_notebook(path, code, **about):
    parameters = v4.new_code_cell('source = ""\nprofile = ""\nrun_dir = ""')
    parameters.metadata["tags"] = ["parameters"]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [v4.new_markdown_cell(f"# {path.stem}"), parameters, v4.new_code_cell(code)]
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "gtzan": about})
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
    return reproduce.Notebook.read(path)


@pytest.fixture
def series(tmp_path, monkeypatch):
    """The folder of two notebooks that take a second, in place of the project's series."""
    monkeypatch.setattr(config, "checkout", lambda: tmp_path / "series")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # a run with one job sets it
    folder = tmp_path / "series" / "notebooks"
    folder.parent.mkdir()
    write_notebook(folder / "00_sound.ipynb", "print('heard')", needs=["log_mel"], wave=1)
    write_notebook(folder / "01_words.ipynb", "print([source, profile, run_dir])", wave=1)
    return folder


@pytest.fixture
def music_and_speech(labelled_folder):
    """What the walkthrough study describes: two labels that are no genres."""
    return labelled_folder(("music_wav", "speech_wav"), tracks=6, seconds=4, name="music_speech")


def test_notebooks_are_executed_with_the_runs_parameters_and_become_its_pages(tmp_path, series):
    folder = tmp_path / "run"
    page, lines = run("synthetic", folder)
    assert any("synthetic: 40 tracks, 10 labels" in line for line in lines)
    assert "notebooks/00_sound.html" in page and "notebooks/01_words.html" in page
    executed = nbformat.read(folder / "notebooks" / "01_words.ipynb", 4)
    assert executed.cells[-1].outputs[0].text == f"{['synthetic', 'smoke', str(folder)]}\n"
    state = json.loads((folder / "run.json").read_text())
    assert (state["n_tracks"], state["n_labels"], state["chance"]) == (40, 10, 0.1)
    assert {entry["error"] for entry in state["notebooks"].values()} == {""}


def test_a_run_says_what_it_does_and_what_came_out(tmp_path, series, monkeypatch):
    monkeypatch.setattr(progress, "SIGN_S", 0.2)
    count = """
from gtzan_helpers.workers import progress_bar
from threading import Event
for _ in progress_bar(range(3), total=3, description="CNN", unit="epoch"):
    Event().wait(0.5)
"""
    write_notebook(series / "01_words.ipynb", count, wave=2)
    _, lines = run("synthetic", tmp_path / "run", resume=True)
    signs = [line for line in lines if "left; now" in line]
    assert any(re.search(r"now 01 words \(\d+ s\): epoch [12] of 3: CNN$", line) for line in signs)
    assert any(re.search("^\\d+ s: 1 of 2 notebooks done, about .* left", line) for line in signs)
    done = [line for line in lines if re.fullmatch(r"0\d \w+: \d+ s \(. of 2 done\)", line)]
    assert [line[:8] for line in done] == ["00 sound", "01 words"]
    assert re.fullmatch(r"done in \d+ s", lines[-2])
    assert lines[-1] == "notebooks: 2; rows: 0 of 0 systems; rows not measured: 0"


def test_folders_of_any_name_hold_sources_and_runs(tmp_path, labelled_folder, series):
    source = labelled_folder(name="own {source} \"'\\ \x1b[31m")
    folder = tmp_path / "run {profile} {y} \"'\\"
    try:
        run(source, folder)
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}")
    assert (folder / "notebooks" / "01_words.html").exists()
    assert not (tmp_path / "run smoke").exists()


def test_a_run_is_put_into_no_folder_that_holds_something_else(tmp_path, labelled_folder, series):
    source = labelled_folder(name="_images")  # a book has a folder of this name, too
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "logo.txt").write_text("mine")
    try:
        run(source, tmp_path)
    except SettingError as error:
        assert "no run" in str(error)
    assert len(list(source.rglob("*.wav"))) == 6
    assert (tmp_path / "_static" / "logo.txt").exists()


def test_a_folder_that_notebooks_cannot_name_is_refused(tmp_path, series):
    folder = tmp_path / os.fsdecode(b"\xff")
    with pytest.raises(Exception, match="UTF-8") as refusal:
        run("synthetic", folder)
    assert refusal.type is SettingError and not folder.exists()


def test_two_labels_of_the_users_own_are_classified(tmp_path, music_and_speech):
    run = experiments.start(music_and_speech, profile="smoke", run_dir=tmp_path)
    (row,) = run.measure("capstone_random_forest", protocols="track_random").table.itertuples()
    assert row.status == "measured" and row.track_accuracy == 1  # tones against noise


# What a source lacks


@pytest.fixture
def table(tmp_path, music_and_speech):
    """A table of features, without spectrograms."""
    features = open_source(music_and_speech, profile="smoke").features("kaggle", jobs=1)
    tables.write_csv(tmp_path / "songs.csv", features, segment_seconds=3.0)
    return tmp_path / "songs.csv"


def test_a_notebook_that_needs_what_the_source_lacks_is_left_out_with_the_reason(
    tmp_path, table, series
):
    page, lines = run(table, tmp_path / "run")
    (line,) = [line for line in lines if line.startswith("left out: ")]
    reason = line.removeprefix("left out: 00 sound: ")
    assert "log-mel" in reason and reason in page and "notebooks/01_words.html" in page
    assert not (tmp_path / "run" / "notebooks" / "00_sound.ipynb").exists()


def test_a_run_of_which_nothing_is_possible_is_refused(tmp_path, table):
    with pytest.raises(NotPossibleError, match=r"no notebook can run on it; 05 cnn: .*log-mel"):
        run(table, tmp_path / "run", only=["05"])
    assert not (tmp_path / "run").exists()


def test_rows_are_there_when_the_run_makes_them_or_the_folder_has_some(tmp_path):
    source = open_source("synthetic", profile="smoke")
    alone, both = reproduce.notebooks(["08"]), reproduce.notebooks(["03", "08"])
    with pytest.raises(NotPossibleError, match="08 error analysis: no system was measured yet"):
        reproduce._divide(alone, source, tmp_path)
    assert reproduce._divide(both, source, tmp_path) == (both, {})
    row = results.Row(
        "capstone_svm", "synthetic", "capstone", 3.0, "track_random", 0, "measured",
        segment_accuracy=0.4, track_accuracy=0.5, track_ci_low=0.4, track_ci_high=0.6,
    )  # fmt: skip
    results.write_row(tmp_path / "results", row, key="k")
    assert reproduce._divide(alone, source, tmp_path) == (alone, {})
    about = {"name": "synthetic", "address": "synthetic", "synthetic": True, "digest": "other"}
    (tmp_path / "source.json").write_text(json.dumps(about))
    with pytest.raises(NotPossibleError, match="no system was measured yet"):
        reproduce._divide(alone, source, tmp_path)


def test_notebooks_that_look_at_rows_come_after_those_that_measure():
    waves = progress.waves(timed(reproduce.notebooks(), "quick", 2_760.0))
    assert [[one.number for one in wave] for wave in waves] == [
        ["05", "07", "04", "00", "03", "01", "02"],  # the longest first
        ["06"],  # alone, for it takes most memory
        ["08", "10"],
        ["09"],
    ]
    assert all("rows" not in one.needs for wave in waves[:2] for one in wave)


def test_two_runs_do_not_write_into_one_folder(tmp_path, series, labelled_folder):
    source, folder = labelled_folder(), tmp_path / "run"
    run(source, folder, only=["00"])
    kept = (folder / "tracks.csv").read_bytes()
    song = next(source.glob("*/*.wav"))
    song.rename(song.with_stem("renamed"))
    with record.alone(folder), pytest.raises(SettingError, match="run: another run writes there"):
        run(source, folder, only=["01"])
    assert (folder / "tracks.csv").read_bytes() == kept
    song.with_stem("renamed").rename(song)
    run(source, folder, only=["01"])
    assert len(json.loads((folder / "run.json").read_text())["notebooks"]) == 2


@pytest.mark.parametrize("change", ["tracks", "profile"])
def test_a_page_of_other_tracks_or_another_profile_is_none_of_the_run(
    tmp_path, series, labelled_folder, change
):
    source, folder = labelled_folder(), tmp_path / "run"
    run(source, folder)
    song = next(source.glob("*/*.wav"))
    if change == "tracks":
        song.rename(song.with_stem("renamed"))
    profile = {"tracks": "smoke", "profile": "quick"}[change]
    page, _ = run(source, folder, only=["01"], profile=profile)
    assert "notebooks/01_words.html" in page and "notebooks/00_sound.html" not in page
    assert not (folder / "notebooks" / "00_sound.html").exists()


# Failures


def test_a_notebook_cut_short_by_others_does_not_stop_the_next_run(tmp_path, series):
    run("synthetic", tmp_path / "run")
    path = tmp_path / "run" / "notebooks" / "00_sound.ipynb"
    path.write_bytes(path.read_bytes()[:100])
    page, _ = run("synthetic", tmp_path / "run", only=["01"])
    assert "notebooks/01_words.html" in page and "notebooks/00_sound.html" not in page


def test_a_failing_notebook_names_its_cell_and_keeps_what_was_done(tmp_path, series):
    write_notebook(series / "01_words.ipynb", "print('begun')\nraise ValueError('no luck')", wave=2)
    message = r"01_words\.ipynb, code cell 2: ValueError: no luck"
    with pytest.raises(NotebookError, match=message):
        run("synthetic", tmp_path / "run")
    executed = (tmp_path / "run" / "notebooks" / "01_words.ipynb").read_text(encoding="utf-8")
    assert "begun" in executed
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "01_words.ipynb, code cell 2: ValueError: no luck" in page
    assert "notebooks/00_sound.html" in page


def test_after_a_notebook_that_stops_the_run_ends_and_begins_no_queued_one(tmp_path):
    failing = write_notebook(tmp_path / "00_failing.ipynb", "raise ValueError('no')")
    queued = [write_notebook(tmp_path / f"0{n}_queued.ipynb", "") for n in range(1, 4)]
    outcomes = []

    def execute():
        waiting, parameters = [failing, *queued], {"source": "none"}
        with progress.Progress(waiting, 1, print) as watch:
            outcomes.extend(reproduce._executed(waiting, tmp_path / "run", parameters, watch))

    thread = threading.Thread(target=execute, daemon=True)
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive(), "the run hangs"
    ((stopped, _, error),) = outcomes
    assert stopped == failing
    assert "00_failing.ipynb, code cell 2: ValueError: no" in str(error)


def test_a_single_label_is_refused_before_anything_runs(tmp_path, labelled_folder):
    with pytest.raises(SourceError, match=r"two labels of 3 tracks each; there is tone \(3\)"):
        run(labelled_folder(("tone",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_number_lists_the_known_ones():
    with pytest.raises(SettingError, match="no notebook '42'; choose from 00, 01"):
        reproduce.notebooks(["42"])


# Again


def test_resume_executes_only_what_failed_or_changed(tmp_path, series, labelled_folder):
    folder, source = tmp_path / "run", labelled_folder()
    broken = write_notebook(series / "02_broken.ipynb", "raise ValueError", wave=2)

    def executed(**settings):
        """Which notebooks a run writes anew."""
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")}
        run(source, folder, **settings)
        after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")}
        return [path.name[:2] for path in sorted(after) if after[path] != before.get(path)]

    with pytest.raises(NotebookError):
        run(source, folder)
    write_notebook(broken.path, "print('mended')", wave=2)
    write_notebook(series / "00_sound.ipynb", "print('edited')", needs=["log_mel"], wave=1)
    assert executed(resume=True) == ["00", "02"]
    assert executed(resume=True) == []
    (folder / "notebooks" / "00_sound.ipynb").unlink()
    path = folder / "notebooks" / "02_broken.ipynb"
    path.write_bytes(path.read_bytes()[:100])
    assert executed(resume=True) == ["00", "02"]
    song = next(source.glob("*/*.wav"))
    song.rename(song.with_stem("renamed"))
    assert executed(resume=True) == ["00", "01", "02"]
    assert executed(resume=True, only=["01"], profile="quick") == ["01"]
    assert executed(only=["01"], profile="quick") == ["01"]
