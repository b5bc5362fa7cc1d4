"""The picture of an answer: what is drawn of it, and what is left out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gtzan_helpers import plots
from gtzan_helpers.audio.analysis import MelAnalysis
from gtzan_helpers.models.songs import Answer
from gtzan_helpers.plots import songs
from gtzan_helpers.plots.alternatives import describe

SHARES = {"rock": 0.5, "blues": 0.3, "pop": 0.2}
BARE = Answer(
    file="music/song $1.mp3", model="large", probabilities=SHARES, genres=("rock", "blues"),
    seconds=20.0, coverage=0.9,
)  # fmt: skip
TIMELINE = pd.DataFrame(
    {"start_s": [0.0, 5.0, 15.0], "blues": [0.0, 0.3, 0.3], "pop": 0.05, "rock": [0.95, 0.65, 0.65]}
)
NEIGHBOURS = pd.DataFrame(
    {"track_id": ["rock.00001", "17"], "genre": ["rock", "polka"], "similarity": [0.9, 0.8]}
)
WHOLE = replace(BARE, timeline=TIMELINE, neighbours=NEIGHBOURS, reasons={"pulse": 0.5, "MFCC": -1})


@pytest.fixture
def analysis(rng):
    return MelAnalysis(rng.normal(size=(128, 200)), frame_rate=10.0)


def panels(figure):
    return {ax.get_title() or ax.get_ylabel(): ax for ax in figure.axes}


def labels(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def amounts(ax):
    return [text.get_text() for text in ax.texts]


def test_words_name_the_set_and_its_promise_or_say_that_there_is_no_genre():
    assert BARE.promise == "rock, or blues (90 % of such sets hold the right genre)"
    assert replace(BARE, coverage=None).promise == "rock, or blues"
    assert replace(BARE, genres=()).promise == "unlike anything in the training songs"


def test_a_whole_answer_has_five_panels_below_its_words(analysis):
    figure = plots.answer(WHOLE, analysis)
    assert list(panels(figure)) == [
        *("frequency (Hz, mel)", "genres over time", "probabilities (%)"),
        *("most similar training songs", "for rock (+), against it (−)"),
    ]
    assert describe(figure).startswith("song $1.mp3: rock, or blues (90 % of such sets")


def test_the_set_is_in_the_colours_of_the_timeline_and_the_rest_grey():
    ax = panels(plots.answer(WHOLE))["probabilities (%)"]
    looks = dict(zip(labels(ax), [bar.get_facecolor() for bar in ax.patches], strict=True))
    over_time = panels(ax.figure.figure)["genres over time"]
    colours = {each.get_label(): tuple(each.get_facecolor()[0]) for each in over_time.collections}
    assert amounts(ax) == ["50", "30", "20"]
    assert (looks["rock"], looks["blues"]) == (colours["rock"], colours["blues"])
    assert looks["pop"] == colours["others"]


def test_reasons_and_neighbours_have_their_amounts():
    drawn = panels(plots.answer(WHOLE))
    reasons, near = drawn["for rock (+), against it (−)"], drawn["most similar training songs"]
    assert (labels(reasons), amounts(reasons)) == (["pulse", "MFCC"], ["+0.50", "-1.00"])
    assert (labels(near), amounts(near)) == (["rock.00001", "polka: 17"], ["0.90", "0.80"])


def test_the_timeline_fills_a_whole_and_leaves_a_gap_for_a_part_without_an_answer():
    ax = panels(plots.answer(WHOLE))["genres over time"]
    total = {}
    for x, y in np.concatenate([each.get_paths()[0].vertices for each in ax.collections]):
        total[x] = max(y, total.get(x, 0))
    assert [total[x] for x in (0, 5, 15, 20)] == pytest.approx([1, 1, 1, 1])
    rock = next(each for each in ax.collections if each.get_label() == "rock")
    in_the_gap = [y for x, y in rock.get_paths()[0].vertices if x == 10]
    assert 0 in in_the_gap and ax.get_xlim() == (0, 20)


def test_spectrogram_and_timeline_end_where_the_sound_does(analysis):
    figure = plots.answer(replace(WHOLE, seconds=4000.0), analysis)
    drawn = panels(figure)
    for name in ("frequency (Hz, mel)", "genres over time"):
        assert drawn[name].get_xlim() == (0, 20)
        assert drawn[name].get_xlabel() == "time (s); the song lasts 4000 s"


def test_a_long_spectrogram_has_no_more_columns_than_can_be_seen(rng):
    long = MelAnalysis(rng.normal(size=(4, 12_001)), frame_rate=10.0)
    (mesh,) = plots.answer(replace(BARE, seconds=1200.1), long).axes[0].collections
    assert mesh.get_array().shape[1] <= songs.MOST_COLUMNS


def test_what_an_answer_lacks_is_left_out(analysis):
    assert list(panels(plots.answer(BARE, analysis))) == [
        "frequency (Hz, mel)", "probabilities (%)"
    ]  # fmt: skip
    one = replace(BARE, timeline=TIMELINE[:1])
    assert list(panels(plots.answer(one))) == ["probabilities (%)"]


def test_of_what_is_unlike_any_song_no_probability_is_drawn(analysis):
    figure = plots.answer(replace(WHOLE, genres=(), reasons={}), analysis)
    assert list(panels(figure)) == ["frequency (Hz, mel)", "most similar training songs"]
    assert "unlike anything in the training songs" in figure.get_suptitle()
    (words,) = plots.answer(replace(BARE, genres=())).axes[0].texts
    assert words.get_text() == "nothing to show: no sound"


def test_of_many_long_labels_the_first_are_named_and_cut():
    names = [f"{n:02d} a label that is far too long" for n in range(40)]
    shares = dict(zip(names, np.linspace(0.05, 0, 40), strict=True))
    parts = pd.DataFrame({"start_s": [0.0, 3.0], **dict.fromkeys(names, 0.0), names[30]: 1.0})
    figure = plots.answer(replace(BARE, probabilities=shares, genres=(names[0],), timeline=parts))
    ax = panels(figure)["probabilities (%)"]
    assert labels(ax)[-2:] == ["09 a label that is far …", "30 others"]
    (others,) = panels(figure)["genres over time"].collections
    assert others.get_label() == "others" and ax.patches[-1].get_facecolor() == tuple(
        others.get_facecolor()[0]
    )


def test_amounts_lie_inside_their_axes_beside_the_names():
    figure = plots.answer(WHOLE)
    figure.draw_without_rendering()
    for ax in figure.axes:
        frame = ax.get_window_extent()
        for text in ax.texts:
            box = text.get_window_extent()
            assert frame.x0 <= box.x0 and box.x1 <= frame.x1, text
