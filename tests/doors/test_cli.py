"""The command line: its messages, its exit codes, how soon it answers."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner

from gtzan_helpers import cli, experiments
from gtzan_helpers.datasets.kinds import packs
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.experiments import results
from gtzan_helpers.report import series

SR = 22_050

HEAVY = {"tensorflow", "keras", "librosa", "matplotlib", "sklearn", "pandas", "numpy"}


def every(command=cli.commands, words=()):
    """The words of the command line itself, of each command, and of those within them."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from every(inner, (*words, name))


COMMANDS = [*every()]


def write(path, frequency, *, seconds=3.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * SR)) / SR
    soundfile.write(path, 0.4 * np.exp(-4 * (t % 0.5)) * np.sin(2 * np.pi * frequency * t), SR)


@pytest.fixture
def songs(tmp_path):
    """Three sound recordings under two labels."""
    for frequency, name in ((300, "polka/p1"), (400, "polka/p2"), (500, "waltz/w1")):
        write(tmp_path / "songs" / f"{name}.wav", frequency)
    return tmp_path / "songs"


def one_line(process):
    """The message of an expected failure, which must be all that is shown."""
    assert process.returncode == 2
    assert process.stdout == ""
    assert re.fullmatch(r"error: [^\n]+\n", process.stderr), process.stderr
    return process.stderr


# Help


def test_help_answers_within_half_a_second(gtzan_process):
    times = []
    for _ in range(5):
        before = os.times()  # the processor's seconds: another worker may share the core
        assert gtzan_process("--help").returncode == 0
        after = os.times()
        children = (after.children_user, after.children_system)
        times.append(sum(children) - before.children_user - before.children_system)
    assert min(times) < 0.5


def test_help_lists_every_command_and_imports_nothing_heavy(gtzan_process):
    process = gtzan_process("--help", python=["-X", "importtime"])
    for command in cli.commands.commands:
        assert re.search(rf"^  {command} +\S", process.stdout, re.MULTILINE), command
    imported = {line.split("|")[-1].strip() for line in process.stderr.splitlines()}
    roots = {name.split(".")[0] for name in imported}
    assert "click" in roots and roots & HEAVY == set()


def test_help_of_each_command_imports_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from gtzan_helpers import cli\n"
        f"for words in {COMMANDS}:\n"
        "    print(CliRunner().invoke(cli.commands, [*words, '--help']).exit_code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["0"] * len(COMMANDS)
    assert set(lines[-1]) & HEAVY == set()


def test_without_a_word_the_help_is_shown_as_it_is(gtzan_process):
    process = gtzan_process()
    assert "error:" not in process.stderr
    assert (process.stdout or process.stderr).startswith("Usage: ")
    assert "\nCommands:\n" in process.stdout + process.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", [60, 80])
def test_help_has_an_example_that_begins_as_the_command_does(words, columns):
    done = CliRunner().invoke(cli.commands, [*words, "--help"], terminal_width=columns)
    help_, _, examples = done.output.partition("\n  Examples:\n")
    assert all(len(line) <= columns for line in done.output.splitlines())
    assert "..." not in help_.partition("\nCommands:\n")[2]  # no summary is cut
    lines = examples.splitlines()
    assert lines and all(line.startswith(" ".join(("    gtzan", *words))) for line in lines)
    for line in lines:  # each is one that the command understands
        name, *rest = line.partition(" | ")[0].split()[1:]
        command = cli.commands.commands[name]
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        command.make_context(name, rest)


def test_the_version_is_said(gtzan):
    done = gtzan("--version")
    assert (done.returncode, done.stdout) == (0, f"gtzan {metadata.version('gtzan-helpers')}\n")


# Shell completion


def test_a_shell_is_given_the_names_of_commands(gtzan, monkeypatch):
    monkeypatch.setenv("_GTZAN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "gtzan s")
    monkeypatch.setenv("COMP_CWORD", "1")
    done = gtzan()
    assert (done.returncode, done.stdout) == (0, "plain,scoreboard\nplain,split\nplain,systems\n")


# How a command ends


@pytest.fixture
def begun(here):
    """A function that begins a command; it ends with the test."""
    processes = []

    def begin(*words, python=()):
        command = [sys.executable, *python, "-m", "gtzan_helpers", *map(str, words)]
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        processes.append(subprocess.Popen(command, cwd=here, text=True, **streams))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals are others")
@pytest.mark.parametrize("library", ["click", "numpy"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_a_command_that_is_stopped_ends_without_a_traceback(begun, songs, library, number):
    process = begun("check", songs, python=["-X", "importtime"])
    for line in process.stderr:  # which Python writes after each import
        if re.search(rf"\b{library}\.", line):
            process.send_signal(number)
            break
    _, rest = process.communicate(timeout=30)
    lines = [line for line in rest.splitlines() if not line.startswith("import time:")]
    if library == "click":  # the command line itself was not there yet
        assert (process.returncode, lines) == (-number, [])
    else:
        assert process.returncode == 128 + number
        assert len(lines) == 1 and lines[0].startswith("interrupted")


def test_a_closed_pipe_is_silent(begun):
    process = begun("scoreboard", "--json")
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(30) == 1


# Expected failures


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["check"], "Missing argument 'SOURCE'"),
        (["check", "synthetic", "more"], "unexpected extra argument"),
        (["check", "--nonsense"], "No such option"),
        (["extract", "synthetic", "--profile", "huge"], "'huge' is not one of"),
        (["extract", "synthetic", "--table", "huge"], "'huge' is not one of"),
        (["extract", "synthetic", "--segment-seconds", "-1"], "-1.0 is not in the range"),
        (["extract", "synthetic", "--frame-period", "0"], "0.0 is not in the range"),
        (["extract", "synthetic", "--jobs", "many"], "'many' is not a valid integer"),
        (["run", "--jobs", "0"], "0 is not in the range"),
        (["measure", "synthetic", "--seeds", "0"], "0 is not in the range"),
        (["split", "synthetic", "--csv", "s.csv"], "Missing option '--protocol'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_command_is_one_line(gtzan, words, message):
    assert message in one_line(gtzan(*words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "nowhere"], "nowhere: no such folder or file"),
        (["extract", "nowhere"], "nowhere: no such folder or file"),
        (["run", "nowhere"], "nowhere: no such folder or file"),
        (["check", "mini"], "`gtzan fetch mini`"),
        (["scoreboard", "nowhere"], "nowhere: no results there"),
        (["run", "--only", "3,99"], "there is no notebook '99'; choose from 00, 01"),
        (["run", "--only", ","], "there is no notebook ''"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_expected_failure_is_one_line(gtzan, words, message):
    assert message in one_line(gtzan(*words))


def test_an_expected_failure_of_a_process_shows_no_traceback(gtzan_process):
    assert "choose from gtzan, mini" in one_line(gtzan_process("fetch", "nonsense"))


def test_an_empty_folder_is_one_line(gtzan, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "an empty folder; expected audio" in one_line(gtzan("check", tmp_path / "empty"))


def test_a_file_of_another_kind_is_one_line(gtzan, tmp_path):
    (tmp_path / "t.doc").write_text("words", encoding="utf-8")
    assert "neither a folder nor" in one_line(gtzan("extract", tmp_path / "t.doc"))


def test_a_broken_table_is_one_line(gtzan, tmp_path):
    (tmp_path / "t.csv").write_bytes(b'a,b\n"open')
    assert "no feature table" in one_line(gtzan("extract", tmp_path / "t.csv"))


def test_a_folder_with_bad_files_only_is_one_line(gtzan, tmp_path):
    (tmp_path / "songs" / "polka").mkdir(parents=True)
    (tmp_path / "songs" / "polka" / "bad.wav").write_bytes(b"")
    words = one_line(gtzan("extract", tmp_path / "songs", "--jobs", "1"))
    assert "not one of 1 tracks could be used" in words


def test_a_csv_that_cannot_be_written_is_one_line(gtzan, songs, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    path = tmp_path / "file" / "t.csv"
    words = one_line(gtzan("extract", songs, "--csv", path, "--jobs", "1"))
    assert str(path) in words and "cannot be written" in words


def test_a_notebook_may_be_named_by_one_digit():
    chosen = series.notebooks(["3", "05", "10"])
    assert [notebook.number for notebook in chosen] == ["03", "05", "10"]


@pytest.mark.parametrize(
    "words",
    [
        ["extract", "SONGS", "--csv", "t.csv"],
        ["extract", "SONGS", "--csv", "new.csv", "--pack", "t.csv"],
        ["predict", "SONGS", "--csv", "t.csv"],
        ["predict", "SONGS/polka/p1.wav", "--plot", "t.csv"],
        ["split", "SONGS", "--protocol", "track_random", "--csv", "t.csv"],
    ],
    ids=lambda words: f"{words[0]} {words[-2]}",
)
def test_a_file_is_not_replaced_unless_it_is_forced(gtzan, songs, here, words):
    (here / "t.csv").write_text("mine", encoding="utf-8")
    words = [word.replace("SONGS", str(songs)) for word in words]
    message = "error: t.csv: is there already; choose another name, or add --force\n"
    assert one_line(gtzan(*words)) == message
    assert [path.name for path in here.iterdir()] == ["t.csv"]
    assert (here / "t.csv").read_text(encoding="utf-8") == "mine"


def test_a_forced_command_replaces_a_file(gtzan, songs, here):
    (here / "t.csv").write_text("mine", encoding="utf-8")
    assert gtzan("extract", songs, "--csv", "t.csv", "--force", "--jobs", "1").returncode == 0
    assert len(pd.read_csv(here / "t.csv")) == 3


# check


def test_check_of_a_clean_folder_exits_with_0(gtzan, songs):
    process = gtzan("check", songs, "--jobs", "1")
    assert process.stdout == (
        "3 tracks: 0 unreadable, 0 odd, 0 duplicate, 0 near replica, 0 missing, 0 wrong\n"
    )
    assert (process.stderr, process.returncode) == ("", 0)


def test_check_tells_each_finding_and_exits_with_1(gtzan_process, songs):
    (songs / "polka" / "bad.wav").write_bytes(b"")
    write(songs / "polka" / "short.wav", 600, seconds=2)
    shutil.copy(songs / "polka" / "p1.wav", songs / "waltz" / "w2.wav")
    (songs / "polka" / "README.md").write_text("words", encoding="utf-8")
    process = gtzan_process("check", songs, "--jobs", "1")
    *lines, summary = process.stdout.splitlines()
    assert [re.match(r"(\w+(?: \w+)?) +(\S+):", line).groups() for line in lines] == [
        ("unreadable", "bad"),
        ("odd", "short"),
        ("duplicate", "w2"),
        ("skipped", str(songs / "polka" / "README.md")),
    ]
    assert summary == (
        "6 tracks: 1 unreadable, 1 odd, 1 duplicate, 0 near replica, 0 missing, 0 wrong"
    )
    left_out = "left out: 1 file, such as polka/README.md; `gtzan check` lists them"
    assert (process.stderr, process.returncode) == (f"note: {left_out}\n", 1)


def test_check_of_a_pack_says_what_it_left_out(gtzan, songs, tmp_path):
    assert gtzan("extract", songs, "--pack", tmp_path / "p.npz", "--jobs", "1").returncode == 0
    process = gtzan("check", tmp_path / "p.npz")
    left_out, summary = process.stdout.splitlines()
    assert re.match(r"left out +clipping, .*: a pack holds no sound", left_out)
    assert (
        summary == "3 tracks: 0 unreadable, 0 odd, 0 duplicate, 0 near replica, 0 missing, 0 wrong"
    )
    assert (process.stderr, process.returncode) == ("", 0)


def test_a_skipped_file_alone_is_no_fault(gtzan, songs):
    (songs / "polka" / "README.md").write_text("words", encoding="utf-8")
    process = gtzan("check", songs, "--jobs", "1")
    assert "skipped" in process.stdout
    assert process.returncode == 0


def test_a_remark_is_one_line_and_no_failure(gtzan, songs):
    (songs / "waltz").rename(songs / "blues")
    (songs / "blues" / "w1.wav").rename(songs / "blues" / "blues.00000.wav")
    process = gtzan("check", songs, "--jobs", "1")
    words = "tracks of GTZAN were recognised: 1 by their names only, of 3"
    assert process.stderr == f"note: {words}\n"
    assert process.returncode == 0


# extract


def test_extract_writes_a_table_and_exits_with_0(gtzan, songs, tmp_path):
    process = gtzan("extract", songs, "--csv", tmp_path / "t.csv", "--jobs", "1")
    assert process.returncode == 0
    assert process.stdout == (
        f"3 tracks, 3 rows of 57 features -> {tmp_path / 't.csv'}; 0 failed\n"
    )
    assert pd.read_csv(tmp_path / "t.csv").label.tolist() == ["polka", "polka", "waltz"]


def test_extract_says_that_it_wrote_no_file(gtzan, songs, here):
    process = gtzan("extract", songs, "--jobs", "1")
    assert (process.returncode, process.stdout) == (
        0,
        "3 tracks, 3 rows of 57 features -> the cache; 0 failed\n"
        "no file was written: --csv writes a table, --pack a feature pack\n",
    )
    assert [*here.iterdir()] == []


def test_extract_names_a_bad_file_writes_the_rest_and_exits_with_1(gtzan_process, songs, tmp_path):
    bad = songs / "polka" / "bad.wav"
    bad.write_bytes(b"")
    process = gtzan_process(
        *("extract", songs, "--csv", tmp_path / "t.csv", "--segment-seconds", "0"),
        *("--table", "logmel", "--jobs", "1"),
    )
    assert process.returncode == 1
    (failure,) = [line for line in process.stderr.splitlines() if line.startswith("failed: ")]
    assert failure.startswith(f"failed: {bad}: an empty file")
    assert process.stdout.endswith("; 1 failed\n")
    assert pd.read_csv(tmp_path / "t.csv").filename.tolist() == ["p1.wav", "p2.wav", "w1.wav"]


def test_extract_writes_a_pack_at_a_frame_period(gtzan, songs, tmp_path):
    process = gtzan(
        *("extract", songs, "--pack", tmp_path / "p.npz", "--frame-period", "0.1", "--jobs", "1")
    )
    assert process.returncode == 0
    pack = packs.read_pack(tmp_path / "p.npz")
    assert pack.track_id.tolist() == ["p1", "p2", "w1"]
    assert pack.frame_period_s == pytest.approx(0.1)
    assert pack.stored.shape[2] == pytest.approx(35, abs=1)


def test_a_pack_with_a_bad_file_exits_with_1(gtzan, songs, tmp_path):
    (songs / "polka" / "bad.wav").write_bytes(b"")
    process = gtzan("extract", songs, "--pack", tmp_path / "p.npz", "--jobs", "1")
    assert process.returncode == 1
    assert f"failed: {songs / 'polka' / 'bad.wav'}: an empty file" in process.stderr
    assert packs.read_pack(tmp_path / "p.npz").track_id.tolist() == ["p1", "p2", "w1"]


def test_a_pack_of_the_embedded_dataset_stands_for_it_in_a_class(gtzan, tmp_path):
    pack = tmp_path / "class.npz"
    assert gtzan("extract", "synthetic", "--profile", "smoke", "--pack", pack).returncode == 0
    source = open_source(str(pack), profile="smoke")
    assert (source.name, source.synthetic) == ("synthetic_class", True)
    assert (len(source.tracks), len(source.labels)) == (40, 10)


# scoreboard


@pytest.fixture
def finished(tmp_path):
    """A run with one result: half of the tracks right, under an honest protocol."""
    row = results.Row(
        system_id="capstone_svm",
        source="mini",
        features="capstone",
        segment_seconds=3.0,
        protocol="track_random",
        seed=0,
        status="measured",
        segment_accuracy=0.4321,
        track_accuracy=0.5,
        track_ci_low=0.4,
        track_ci_high=0.6,
        profile="quick",
    )
    results.write_row(tmp_path / "run" / "results", row, key="k")
    return tmp_path / "run"


def test_scoreboard_shows_the_results_of_a_run(gtzan, finished):
    process = gtzan("scoreboard", finished)
    assert process.returncode == 0
    (line,) = [line for line in process.stdout.splitlines() if "capstone_svm" in line]
    assert "50.0 (40.0 to 60.0)" in line
    assert "track_random" in line


def test_scoreboard_gives_rows_to_machines(gtzan, finished):
    (row,) = json.loads(gtzan("scoreboard", finished, "--json").stdout)
    assert row["system_id"] == "capstone_svm"
    assert row["segment_accuracy"] == pytest.approx(0.4321)
    assert row["n_parameters"] is None


def test_scoreboard_of_two_runs_holds_both(gtzan, finished, tmp_path):
    path = next((finished / "results").glob("*.json"))
    stored = json.loads(path.read_text(encoding="utf-8"))
    other = stored | {"system_id": "capstone_knn"}
    (tmp_path / "other" / "results").mkdir(parents=True)
    name = path.name.replace("capstone_svm", "capstone_knn")
    (tmp_path / "other" / "results" / name).write_text(json.dumps(other), encoding="utf-8")
    both = json.loads(gtzan("scoreboard", finished, tmp_path / "other", "--json").stdout)
    assert {row["system_id"] for row in both} == {"capstone_svm", "capstone_knn"}


def test_a_broken_result_is_one_line(gtzan, finished):
    path = next((finished / "results").glob("*.json"))
    path.write_text("{", encoding="utf-8")
    assert f"{path}: not a result of this version" in one_line(gtzan("scoreboard", finished))


# evaluate


def test_evaluate_says_how_many_are_right_and_what_was_left_out(gtzan, tmp_path, labelled_folder):
    run = experiments.start("synthetic", profile="smoke", run_dir=tmp_path / "run")
    run.measure("capstone_svm", protocols="fault_filtered")
    (model,) = (tmp_path / "run" / "models").iterdir()
    other = labelled_folder(("blues", "polka"), tracks=2, seconds=3.2)
    done = gtzan("evaluate", model, other)
    assert done.returncode == 0 and done.stdout.startswith("2 tracks: ")
    assert "polka: 2 tracks left out" in done.stdout
    (other / "blues" / "broken.wav").write_bytes(b"RIFF")
    done = gtzan("evaluate", model, other)
    assert done.returncode == 1 and "failed broken: " in done.stdout


def test_evaluate_refuses_what_is_no_model_in_one_line(gtzan, tmp_path, labelled_folder):
    (tmp_path / "no.keras").write_bytes(b"no model")
    for path in (tmp_path / "no.keras", tmp_path / "none.keras"):
        done = gtzan("evaluate", path, labelled_folder(name=path.stem))
        assert done.returncode == 2 and done.stderr.startswith(f"error: {path}")
        assert len(done.stderr.splitlines()) == 1


# For researchers


def test_rows_are_measured_without_notebooks_and_said_with_their_intervals(gtzan, tmp_path):
    words = ["measure", "synthetic", "capstone_knn", "--profile", "smoke", "--seeds", "2"]
    words += ["--protocol", "fault_filtered", "--protocol", "artist_grouped", "--jobs", "1"]
    done = gtzan(*words, "--out", str(tmp_path / "run"))
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 5
    pattern = r"capstone_knn, fault_filtered, seed 0: [\d.]+ % of \d+ tracks "
    words = r"\(95 % interval over artists [\d.]+ to [\d.]+\), macro F1 [\d.]+ %$"
    assert re.match(pattern + words, lines[0])
    assert lines[-1] == f"4 rows in {tmp_path / 'run'}, 0 of them not measured"
    done = gtzan("scoreboard", str(tmp_path / "run"), "--verify")
    assert (done.returncode, done.stdout) == (0, "4 rows checked, 0 faults\n")


def test_a_row_that_cannot_be_measured_is_said_and_counts(gtzan, tmp_path, labelled_folder):
    folder = labelled_folder(tracks=4)
    words = ["measure", str(folder), "capstone_knn", "--protocol", "artist_grouped"]
    done = gtzan(*words, "--profile", "smoke", "--out", str(tmp_path / "run"), "--jobs", "1")
    assert done.returncode == 1
    reason = "not possible on this source: artist_grouped: the source does not know"
    assert f"seed 0: {reason}" in done.stdout
    assert done.stdout.endswith("1 of them not measured\n")


def test_a_split_is_written_for_other_peoples_code(gtzan, tmp_path):
    path, pack = tmp_path / "split.csv", tmp_path / "pack.npz"
    made = gtzan("extract", "synthetic", "--profile", "smoke", "--pack", pack, "--jobs", "1")
    assert made.returncode == 0
    words = ["split", str(pack), "--csv", str(path)]
    done = gtzan(*words, "--protocol", "fault_filtered")
    assert done.returncode == 0
    parts = r"(\d+ (train|test|valid), ){3}"
    assert re.search(rf": {parts}\d+ left out; 1 folds", done.stdout)
    table = pd.read_csv(path)
    assert table.columns.tolist() == ["track_id", "genre", "part", "fold", "artist_group"]
    assert table.track_id.is_unique and set(table.part) == {"train", "valid", "test"}
    by_part = table.groupby("part").artist_group.agg(set)
    assert not by_part["test"] & (by_part["train"] | by_part["valid"])
    done = gtzan(*words, "--protocol", "segment_random", "--force")
    assert done.returncode == 2
    assert "segment_random divides segments, not tracks; choose from" in done.stderr
