"""What the alternative texts of pictures say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from PIL import Image

from gtzan_helpers import audio, plots
from gtzan_helpers.plots import alternatives, style
from gtzan_helpers.plots.alternatives import describe

LABELS = ["blues", "jazz", "metal"]


def test_bars_are_described_by_the_longest_and_the_shortest():
    shares = {"track_accuracy": [0.9, 0.3, 0.5], "track_ci_low": 0.2, "track_ci_high": 0.95}
    ax = plots.accuracies(pd.DataFrame({"name": LABELS, **shares}), names="name", title="Three")
    text = describe(ax.figure)
    assert text.startswith("Three: bars; longest blues (90), shortest jazz (30). X axis: accuracy")
    assert "Y axis: blues, jazz, metal. Legend: chance level." in text


def test_lines_are_described_by_where_they_begin_and_end():
    rows = pd.DataFrame({"seconds": [1, 3, 30], "track_accuracy": [0.2, 0.7, 0.9]})
    rows = rows.assign(system_id="x", track_ci_low=0.1, track_ci_high=0.95)
    text = describe(plots.curves(rows, over="seconds", label="seconds of each song").figure)
    assert text.startswith("Areas, lines; x from 20 to 90.")
    assert "X axis: seconds of each song, from 1 to 30. Y axis: accuracy" in text


def test_an_image_is_described_by_its_axes_and_its_colours(rng):
    analysis = audio.Analysis(rng.normal(size=22_050).astype(np.float32), sr=22_050)
    text = describe(plots.tempogram(analysis, title="noise").figure)
    assert text.startswith("noise: image, lines. X axis: time (s), from 0 to 1")
    assert "Y axis: tempo (bpm)" in text and "Colour: autocorrelation" in text


def test_a_confusion_is_described_by_its_labels_without_its_numbers():
    text = describe(plots.confusion(pd.DataFrame(np.eye(3), LABELS, LABELS)).figure)
    assert text == (
        "Image. X axis: predicted (%), blues, jazz, metal. Y axis: true, blues, jazz, metal."
    )


def test_many_panels_are_described_together(rng):
    table = pd.DataFrame(rng.normal(size=(30, 3)), columns=["flatness", "tempo", "energy"])
    figure, axes = plt.subplots(1, 3)
    for ax, column in zip(axes, table, strict=True):
        sns.boxplot(x=table[column], ax=ax)
    text = describe(figure)
    assert text == "3 panels of box plots. X axis: flatness, tempo, energy."


def test_a_second_axis_is_no_second_panel():
    left = plt.subplots()[1]
    left.twinx().set_ylabel("right")
    assert "panels" not in describe(left.figure) and "right" in describe(left.figure)


def test_a_notice_is_the_description():
    ax = plots.reliability(pd.DataFrame(columns=["confidence"]))
    assert describe(ax.figure) == "Words: nothing to show: no predictions."


def test_long_names_are_cut_and_dollars_are_those_of_the_reader(ax):
    ax.set_title(style.plain("5 $ " + "and more " * 200))
    text = describe(ax.figure)
    assert text.startswith("5 $ and more") and len(text) <= alternatives.LONGEST


def test_saved_pictures_carry_the_text(tmp_path, ax):
    ax.set_title("α & β")
    path = plots.save(ax, tmp_path, "99_text")
    with Image.open(path) as picture:
        assert picture.text["Description"] == describe(ax.figure) == "α & β."
    assert "α &amp; β." in path.with_suffix(".svg").read_text(encoding="utf-8")
