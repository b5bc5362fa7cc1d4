"""The answer to a song for readers: a picture, a page, and a place in a notebook to drop songs.

Taught in notebook 08.
"""

import os
import tempfile
import warnings
from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.display import HTML, display
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from gtzan_helpers import config, files, plots
from gtzan_helpers.audio import reading, spectra
from gtzan_helpers.audio.analysis import MelAnalysis
from gtzan_helpers.errors import AudioWarning, SettingError, reason, shown
from gtzan_helpers.models.songs import Answer
from gtzan_helpers.plots import alternatives, notebook, songs

# Seconds of a song that are drawn, and that can be heard: they are the most part of a page.
DRAWN_S, HEARD_S = 300.0, 60.0

# Bytes of a song that can be dropped: Jupyter refuses larger messages, and says nothing.
MOST_BYTES = 10_000_000

PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 1rem/1.5 sans-serif; max-width: 68rem; margin: 1rem auto; padding: 0 1rem; }
audio { display: block; width: 100%; }
img { max-width: 100%; height: auto; }
</style>
<h1>$title</h1>
$body
</html>
""")

# A native input takes files that are dropped on it. It hands them on to the hidden button of a
# FileUpload, which brings them to the kernel, and whose own input is in no page.
DROP = Template("""\
<label>Drop a song here, or choose one, of 10 MB at most:<input type="file"
style="display: block; box-sizing: border-box; width: 100%; padding: 2em; border: 2px dashed #999"
onclick="this.value = ''" onchange="
  const files = this.files, click = HTMLInputElement.prototype.click;
  if (!files.length) return;
  const large = files[0].size > $most;
  this.nextElementSibling.textContent = large ? files[0].name
    + ': larger than 10 MB, which Jupyter does not take; set my_song to its path' : '';
  if (large) return;
  HTMLInputElement.prototype.click = function () {
    this.files = files;
    this.dispatchEvent(new Event('change'));
  };
  this.closest('.gtzan-song').querySelector('button').click();
  HTMLInputElement.prototype.click = click;
"><output></output></label>""").substitute(most=MOST_BYTES)

# What a saved notebook shows of the place when it is opened without its kernel: nothing.
HIDDEN = """\
<style>
.jp-OutputArea-child:has(+ * .gtzan-answer) > .jupyter-widgets:not(:has(*)) { display: none; }
</style>"""

# A line in the picture, and what moves it, a few times a second.
MOVE = """\
this.nextElementSibling.lastChild.style.left = `${{{left} + {width} * this.currentTime}}%`"""

LINE = (
    "position: absolute; left: {left}%; top: {top}%; height: {height}%; "
    "border-left: 2px solid white; mix-blend-mode: difference; transition: left 0.25s linear"
)


def write(path: str | Path, answer: Answer) -> None:
    """Write an answer as a picture or as a page of its own, by the ending of the file.

    The page asks no server for anything. It has a player for the first minute of the song.

    Parameters
    ----------
    path : str or Path
        ``.png`` or ``.html``.
    answer : Answer
        Its file is read again.

    Raises
    ------
    SettingError
        If the file ends in something else.
    AudioError
        If the song cannot be read any more.
    WriteError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".png", ".html"):
        raise SettingError(f"{path}: a plot is a picture (.png) or a page (.html)")
    with plt.style.context("seaborn-v0_8-whitegrid"):
        if path.suffix == ".html":
            title = escape(shown(Path(answer.file).name))
            files.write_text(path, PAGE.substitute(title=title, body=_body(answer)))
            return
        figure = _figure(answer, _beginning(answer))
        about = {"Description": alternatives.describe(figure)}
        with files.replacing(path) as temporary:
            figure.savefig(temporary, dpi=200, bbox_inches="tight", metadata=about)
        plt.close(figure)


def show(answer: Answer) -> HTML:
    """Show an answer in a notebook: words, a player, and the picture.

    Parameters
    ----------
    answer : Answer
        Its file is read again.

    Raises
    ------
    AudioError
        If the song cannot be read any more.
    """
    return HTML(_body(answer))


def _beginning(answer: Answer) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AudioWarning)  # the answer has them as notices
        return next(reading.stream(answer.file, sr=config.SR, seconds=DRAWN_S))


def _figure(answer: Answer, y: np.ndarray) -> Figure:
    log_mel = spectra.log_mel(y, sr=config.SR)
    return songs.answer(answer, MelAnalysis(log_mel, frame_rate=config.SR / spectra.HOP_LENGTH))


def _body(answer: Answer) -> str:
    """An answer as part of a page."""
    y, name = _beginning(answer), shown(Path(answer.file).name)
    title = f"{name}, its first {HEARD_S:.0f} s" if answer.seconds > HEARD_S + 1 else name
    shares = ", ".join(f"{each} {100 * answer.probabilities[each]:.0f} %" for each in answer.genres)
    nearest = ", ".join(
        f"{each.track_id} ({each.genre}, {each.similarity:.2f})"
        for each in answer.neighbours[: songs.MOST_NEIGHBOURS].itertuples()
    )
    lines = [
        f"Probabilities: {shares}" * bool(shares),
        *answer.notices,
        f"Most similar training songs: {nearest}" * bool(nearest),
        f"Model: {answer.model}" * bool(answer.model),
    ]
    said = "".join(f"<p>{escape(line[0].upper() + line[1:])}.</p>" for line in lines if line)
    player = plots.player(y, config.SR, title=title, seconds=HEARD_S).data
    answered = f"<p><b>{escape(answer.promise)}</b></p>"
    return answered + said + _followed(player, _figure(answer, y))


def _followed(player: str, figure: Figure) -> str:
    """A player, and below it a picture whose first axes a line crosses as the player goes on."""
    figure.draw_without_rendering()
    frame = figure.get_tightbbox().padded(plt.rcParams["savefig.pad_inches"])
    in_time = [ax for ax in figure.axes if ax.get_xlabel().startswith("time")]
    box = Bbox.union([ax.get_window_extent() for ax in in_time])
    box = box.transformed(figure.dpi_scale_trans.inverted())
    left, width = 100 * (box.x0 - frame.x0) / frame.width, 100 * box.width / frame.width
    top, height = 100 * (frame.y1 - box.y1) / frame.height, 100 * box.height / frame.height
    move = MOVE.format(left=left, width=width / in_time[0].get_xlim()[1])
    line = LINE.format(left=left, top=top, height=height)
    picture = f"{notebook.image(figure)}<i style='{line}'></i>"
    plt.close(figure)
    return (
        player.replace("<audio ", f'<audio ontimeupdate="{move}" ')
        + f"<div style='position: relative; display: inline-block; line-height: 0'>{picture}</div>"
    )


# In a notebook


def widget(classify: Callable[..., Answer]) -> None:
    """Show a place in a notebook where songs can be dropped, and the answer to the last of them.

    Where nobody is there to drop one, as when papermill executes the notebook, a line says so.

    Parameters
    ----------
    classify : callable
        `predict.song`.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if not kernel or not kernel.get_parent()["content"].get("allow_stdin"):
        display(plots.notice("In JupyterLab, songs can be dropped here."))
        return
    import ipywidgets

    def hear(change: Any) -> None:
        for song in change.new:
            say(plots.notice(f"Listening to {escape(song.name)} ...").data)
            say(_heard(classify, song.name, song.content))
        upload.value = ()  # so that the same song can be dropped again

    def say(body: str) -> None:
        place.update(HTML(f"{HIDDEN}<div class='gtzan-answer'>{body}</div>"))

    upload = ipywidgets.FileUpload(layout={"display": "none"})
    upload.observe(hear, "value")
    box = ipywidgets.VBox([ipywidgets.HTML(DROP), upload]).add_class("gtzan-song")
    display(box._repr_mimebundle_() | {"text/plain": ""}, raw=True)
    place = display(HTML(), display_id=True)
    say("")


def _heard(classify: Callable[..., Answer], name: str, content: bytes) -> str:
    """The answer to what was dropped, or why there is none, as part of a page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(name).name)
        path.write_bytes(content)
        try:
            return _body(classify(path, timeline=True))
        except Exception as error:  # nobody sees what is raised in here
            return plots.notice(escape(reason(error).replace(f"{folder}{os.sep}", ""))).data
