"""What holds for every picture: axes in, axes out; notices where there is nothing; one look."""

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtzan_helpers import plots
from gtzan_helpers.plots import collection, networks, scores, songs, sound, style

PICTURES = [
    function
    for module in (sound, collection, scores, networks, songs)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and name in plots.__all__
]

TABLE = pd.DataFrame(columns=["system_id", "genre", "artist_group", "seconds", "x"])
ARRAY = np.zeros((0, 3))
EMPTY = {
    plots.fingerprint: (ARRAY,),
    plots.stacked: (ARRAY,),
    plots.artist_shares: (TABLE,),
    plots.scatter: (ARRAY, []),
    plots.regions: (ARRAY, [], len),
    plots.accuracies: (TABLE,),
    plots.train_and_test: (TABLE,),
    plots.curves: (TABLE,),
    plots.confusion: (pd.DataFrame(0.0, ["a", "b"], ["a", "b"]),),
    plots.mistakes: (TABLE,),
    plots.coverage: (TABLE,),
    plots.reliability: (TABLE,),
    plots.prices: (TABLE,),
    plots.studies: (TABLE,),
    plots.precisions: (TABLE,),
    plots.hubs: (np.zeros(0, int),),
    plots.learning: (TABLE,),
}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.__name__)
def test_every_picture_takes_axes_and_returns_them_or_is_a_grid(picture):
    signature = inspect.signature(picture)
    settings = signature.parameters
    assert picture.__doc__ and issubclass(signature.return_annotation, (Axes, Figure))
    assert ("ax" in settings) == issubclass(signature.return_annotation, Axes)
    assert "ax" not in settings or settings["ax"].default is None


@pytest.mark.parametrize("picture", EMPTY, ids=lambda picture: picture.__name__)
def test_a_picture_of_nothing_says_so(picture):
    axes = {"labels": ("x", "y")}
    more = {plots.scatter: axes, plots.regions: axes, plots.precisions: {"names": "genre"}}
    more |= {plots.curves: {"over": "seconds"}}
    drawn = picture(*EMPTY[picture], **more.get(picture, {}))
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    (words,) = [text.get_text() for text in figure.axes[0].texts]
    assert words.startswith("nothing to show: ")


def test_a_notice_goes_onto_the_given_axes_with_the_title(ax):
    assert plots.reliability(TABLE, title="ours_blocks", ax=ax) is ax
    assert ax.get_title() == "Kernel ridge on blocks (ours)"


def test_every_name_of_the_face_exists():
    for name in plots.__all__:
        assert getattr(importlib.import_module("gtzan_helpers.plots"), name) is not None


def test_systems_and_real_songs_go_by_their_names_and_other_text_stays():
    assert style.name_of("capstone_crnn_dropout") == "CRNN with dropout, capstone study"
    assert style.name_of("capstone_svm\ntrack_random", 20) == (
        "Support vector\nmachine,\ncapstone study\ntrack_random"
    )
    assert style.name_of("dropout 0.3") == "dropout 0.3"
    assert style.name_of("gtzan_log_mel: track_random") == "GTZAN: track_random"


def test_dollars_open_no_formula(ax):
    ax.set_title(style.plain("a$b$ and $\\broken{$"))
    ax.figure.canvas.draw()  # raises where mathtext reads it
    layout = ax.title._preprocess_math(ax.title.get_text())
    assert layout == ("a$b$ and $\\broken{$", False)


def test_a_picture_is_saved_as_png_and_svg(tmp_path):
    _, axes = plt.subplots(1, 2)
    for picture in (axes, axes[0].figure):
        path = plots.save(picture, tmp_path / "figures", "99_test.a")
        assert path == tmp_path / "figures" / "99_test.a.png"
        assert path.read_bytes().startswith(b"\x89PNG")
        assert "<svg" in path.with_suffix(".svg").read_text(encoding="utf-8")
    assert len(list(path.parent.iterdir())) == 2


def test_the_same_picture_is_the_same_file(tmp_path):
    plots.use_style()
    for name in ("one", "two"):
        plots.save(plots.hubs(np.array([0, 1, 1, 2])), tmp_path, name)
    one, two = ((tmp_path / f"{name}.svg").read_bytes() for name in ("one", "two"))
    assert one == two
