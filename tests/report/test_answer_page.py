"""Answers as pictures, as pages, and in a notebook."""

import base64
import io
import re
from dataclasses import replace

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from nbclient import NotebookClient
from PIL import Image

from gtzan_helpers.errors import AudioError, SettingError
from gtzan_helpers.models.songs import Answer
from gtzan_helpers.report import answer_page

SR = 44_100

matplotlib.use("Agg")


@pytest.fixture
def answer(tmp_path, rng):
    """The answer to a song of 70 s, whose name means something to pages."""
    path = tmp_path / "<b> & $1.flac"
    soundfile.write(path, 0.1 * rng.standard_normal((70 * SR, 2)), SR)
    near = pd.DataFrame({"track_id": ["rock.00001"], "genre": ["rock"], "similarity": [0.91]})
    parts = pd.DataFrame({"start_s": [0.0, 30.0], "rock": [0.8, 0.4], "<pop>": [0.2, 0.6]})
    return Answer(
        file=str(path), model="large", probabilities={"rock": 0.6, "<pop>": 0.4},
        genres=("rock", "<pop>"), seconds=70.0, coverage=0.9, timeline=parts, neighbours=near,
        notices=("nothing above <4 kHz",), reasons={"pulse": 0.5},
    )  # fmt: skip


def test_a_page_says_what_is_known_and_asks_no_server(answer, tmp_path):
    answer_page.write(tmp_path / "page.html", answer)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>&lt;b&gt; &amp; $1.flac</h1>" in page and "<title>&lt;b&gt;" in page
    for line in (
        "rock, or &lt;pop&gt; (90 % of such sets hold the right genre)",
        "Probabilities: rock 60 %, &lt;pop&gt; 40 %.",
        "Nothing above &lt;4 kHz.",
        "Most similar training songs: rock.00001 (rock, 0.91).",
        "Model: large.",
        "&lt;b&gt; &amp; $1.flac, its first 60 s<br>",
    ):
        assert line in page, line
    assert not re.search(r"(src|href)=['\"](?!data:)", page) and "<b> &" not in page
    assert len(page) < 2_000_000


def test_a_page_plays_the_first_minute_and_a_line_follows_in_the_picture(answer, tmp_path):
    page = answer_page.show(answer).data
    (code,) = re.findall("src='data:audio/mpeg;base64,([^']+)'", page)
    with soundfile.SoundFile(io.BytesIO(base64.b64decode(code))) as sound:
        assert sound.frames / sound.samplerate == pytest.approx(60, abs=0.1)
    left, speed = map(float, re.search(r"`\$\{([\d.]+) \+ ([\d.]+) \* this", page).groups())
    (code,) = re.findall("src='data:image/png;base64,([^']+)'", page)
    with Image.open(io.BytesIO(base64.b64decode(code))) as picture:
        row = np.asarray(picture.convert("RGB"))[picture.height // 4].astype(int)
    is_dark = np.flatnonzero(np.ptp(row, axis=1) > 40)  # the spectrogram has colours
    first, last = 100 * is_dark[[0, np.searchsorted(is_dark, row.shape[0] * 0.6) - 1]] / len(row)
    assert left == pytest.approx(first, abs=0.5)
    assert left + 70 * speed == pytest.approx(last, abs=0.5)


def test_a_picture_carries_what_it_shows(answer, tmp_path):
    answer_page.write(tmp_path / "picture.png", answer)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.text["Description"].startswith("<b> & $1.flac: rock, or <pop> (90 %")
        assert picture.width > 1500


def test_other_endings_and_songs_that_are_gone_are_refused_in_a_line(answer, tmp_path):
    with pytest.raises(SettingError, match=r"a\.pdf: a plot is a picture \(.png\) or a page"):
        answer_page.write(tmp_path / "a.pdf", answer)
    gone = replace(answer, file=str(tmp_path / "gone.mp3"))
    for name in ("a.html", "a.png"):
        with pytest.raises(AudioError, match=r"gone\.mp3: cannot be opened"):
            answer_page.write(tmp_path / name, gone)
    assert [path.name for path in tmp_path.iterdir()] == ["<b> & $1.flac"]


def test_what_is_dropped_is_answered_or_refused_in_a_line_without_its_folder(answer):
    def classify(path, *, timeline):
        assert timeline
        return replace(answer, file=str(path))

    sound = io.BytesIO()
    soundfile.write(sound, np.sin(np.arange(SR * 2.0)), SR, format="WAV")
    page = answer_page._heard(classify, "../a&b.wav", sound.getvalue())
    assert "<audio " in page and "a&amp;b.wav" in page and "/a&amp;b.wav" not in page
    refused = answer_page._heard(classify, "<a>.mp3", b"no sound")
    assert "'>&lt;a&gt;.mp3: not audio" in refused and refused.count("<") == 2


def test_where_nobody_can_drop_a_song_a_line_stands_and_no_widget():
    code = "from gtzan_helpers.report import answer_page\nanswer_page.widget(print)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    executed = NotebookClient(notebook).execute()
    (output,) = executed.cells[0].outputs
    assert output.data["text/plain"] == "In JupyterLab, songs can be dropped here."
    assert "widgets" not in executed.metadata
