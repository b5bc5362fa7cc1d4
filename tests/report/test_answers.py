"""What is written of answers: rows of a terminal, lines, JSON and CSV."""

import csv
import json
import locale

import numpy as np
import pandas as pd
import pytest
from tqdm.utils import disp_len

from gtzan_helpers.errors import AudioError
from gtzan_helpers.models.songs import Answer
from gtzan_helpers.report import answers

SHARES = {"rock": 0.54, "blues": 0.31, "country": 0.06, "metal": 0.05, "pop": 0.04}
MODEL = "large model (MusiCNN and blocks), trained on 999 songs of GTZAN"


def answer(file="music/a.mp3", *, n=2, **others):
    genres, shares = tuple(SHARES)[:n], SHARES if n else {}
    known = {"seconds": 200.256, "coverage": 0.9, **others}
    return Answer(file, MODEL, shares, genres, **known)


@pytest.fixture
def parts():
    """The timeline of a song that becomes blues."""
    table = pd.DataFrame({"start_s": [0.0, 59.97], "rock": [0.61, 0.2], "blues": [0.39, 0.8]})
    return answer(timeline=table)


@pytest.fixture
def terminal(monkeypatch):
    """A function that shows answers on a terminal so many columns wide, in a locale."""
    before = locale.setlocale(locale.LC_CTYPE)
    monkeypatch.setenv("TERM", "xterm")

    def show(*shown, columns=80, where="C.UTF-8"):
        locale.setlocale(locale.LC_CTYPE, where)
        monkeypatch.setenv("COLUMNS", str(columns))
        table = answers.Table([each.file for each in shown])
        return [line for each in shown for line in table.lines(each)]

    yield show
    locale.setlocale(locale.LC_CTYPE, before)


# Lines


def test_a_line_tells_the_set_the_likeliest_and_the_notices():
    (line,) = answers.lines(answer(n=3, notices=("one channel silent", "nothing above 4 kHz")))
    shares = "(rock 54%, blues 31%, country 6%)"
    notices = "one channel silent; nothing above 4 kHz"
    assert line == f"music/a.mp3: rock, or blues, or country {shares}; {notices}"


def test_a_line_is_silent_on_what_is_hardly_possible():
    (line,) = answers.lines(Answer("a", MODEL, {"rock": 0.998, "pop": 0.002}, ("rock",)))
    assert line == "a: rock (rock 100%)"


def test_what_is_no_song_has_no_genre():
    (line,) = answers.lines(answer(n=0, notices=("constant",)))
    assert line == "music/a.mp3: unlike anything in the training songs; constant"


def test_each_part_is_a_line_below(parts):
    assert list(answers.lines(parts))[1:] == ["  0:00.0 rock 61%", "  1:00.0 blues 80%"]


# Rows


def test_rows_are_aligned_below_what_holds_for_all(terminal):
    assert terminal(answer(n=1), answer("b.wav", n=3), answer("noise.flac", n=0), columns=110) == [
        f"{MODEL}; 90 % of its sets hold the right genre",
        "music/a.mp3  rock                                      ███████        54%",
        "b.wav        rock, or blues, or country                ███████▓▓▓▓▒   54%",
        "noise.flac   unlike anything in the training songs",
    ]


def test_a_model_that_promises_nothing_is_only_named(terminal):
    assert terminal(answer(coverage=None), columns=80)[0] == MODEL


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("where", ["C", "C.UTF-8"])
def test_no_line_is_wider_than_the_terminal(terminal, parts, columns, where):
    files = ["x" * 300 + "end.mp3", "音楽/" + 60 * "曲" + ".wav", "e\u0301.wav", "two\nlines.wav"]
    notices = ("a sentence that is longer than terminals are wide, and goes on for a while",) * 2
    shown = [answer(file, n=n, notices=notices) for n, file in enumerate(files)]
    lines = terminal(*shown, answer(n=5), parts, columns=columns, where=where)
    assert max(map(disp_len, lines)) <= columns
    assert "".join(lines).isprintable()
    assert "".join(lines).isascii() == (where == "C")
    text = " ".join(" ".join(lines).split())
    assert text.count("a sentence that is longer than terminals are wide, and goes on") == 8
    gap = "..." if where == "C" else "…"
    (row,) = [line for line in lines if "end.mp3" in line]
    assert row.startswith("xxxxx") and gap in row


def test_a_dumb_terminal_gets_ascii(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    _, _, row, *_ = terminal(answer("naïve.wav", n=4), columns=100)
    assert row == "na\\xefve.wav  rock, or blues, or country, or metal      ######====-.  54%"


def test_parts_are_indented_and_have_a_bar_each(terminal, parts):
    assert terminal(parts, columns=80)[-2:] == [
        "     0:00.0 rock     61% ██████",
        "     1:00.0 blues    80% ████████",
    ]


# Machines


def test_json_tells_all_that_is_known(parts):
    neighbours = pd.DataFrame(
        {"track_id": ["a"], "genre": ["rock"], "similarity": np.float32([0.123456])}
    )
    known = answer(
        "\udcff.wav", notices=("one",), neighbours=neighbours, reasons={"pulse": 0.123456},
        timeline=parts.timeline,
    )  # fmt: skip
    entry = json.loads(answers.as_json("\udcff.wav", known))
    assert entry == {
        "file": "\udcff.wav",
        "model": MODEL,
        "genre": "rock",
        "probabilities": SHARES,
        "genres": ["rock", "blues"],
        "seconds": 200.256,
        "coverage": 0.9,
        "notices": ["one"],
        "timeline": [
            {"start_s": 0.0, "probabilities": {"rock": 0.61, "blues": 0.39}},
            {"start_s": 59.97, "probabilities": {"rock": 0.2, "blues": 0.8}},
        ],
        "neighbours": [{"track_id": "a", "genre": "rock", "similarity": 0.1235}],
        "reasons": {"pulse": 0.1235},
    }


def test_json_of_what_is_no_song_and_of_no_audio():
    entry = json.loads(answers.as_json("a", answer("a", n=0)))
    assert (entry["genre"], entry["genres"], entry["timeline"]) == (None, [], [])
    line = answers.as_json("a\n.wav", AudioError("a\n.wav: silent"))
    assert json.loads(line) == {"file": "a\n.wav", "error": "silent"}


def test_a_table_has_a_row_for_each_file_and_a_column_for_each_genre(tmp_path):
    files = ["a.mp3", "=1+1.wav", "noise.wav", "bad,.wav"]
    results = [
        answer(files[0]),
        answer(files[1], n=1, notices=("one", "two")),
        answer(files[2], n=0),
        AudioError("bad,.wav: silent"),
    ]
    answers.write_csv(tmp_path / "new" / "t.csv", files, results)
    with (tmp_path / "new" / "t.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == [
        *("file", "genre", "genres", "seconds", "notices", "error"),
        *("blues", "country", "metal", "pop", "rock"),
    ]
    shares = ["0.3100", "0.0600", "0.0500", "0.0400", "0.5400"]
    assert rows == [
        ["a.mp3", "rock", "rock;blues", "200.26", "", "", *shares],
        ["'=1+1.wav", "rock", "rock", "200.26", "one; two", "", *shares],
        ["noise.wav", "", "", "200.26", "", "", *[""] * 5],
        ["bad,.wav", "", "", "", "", "silent", *[""] * 5],
    ]
