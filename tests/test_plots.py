"""Pictures: drawn on the axes they are given, never shown, saved by one helper only."""

import inspect

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from gtzan_helpers import charts, dataset, fingerprints, plots
from gtzan_helpers.features import Analysis

SR = 22_050


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def analysis():
    t = np.arange(2 * SR) / SR
    return Analysis(np.sin(2 * np.pi * 440 * t) * (t % 0.5 < 0.1), sr=SR)


@pytest.mark.parametrize(
    "draw", [plots.spectrogram, plots.mel_spectrogram, plots.mfcc, plots.chroma, plots.tempogram]
)
def test_a_picture_of_sound_goes_onto_the_given_axes_with_its_units(draw, analysis):
    _, ax = plt.subplots()
    assert draw(analysis, ax=ax) is ax
    assert ax.get_xlabel() == "time (s)" and ax.get_ylabel()


PUBLIC = [
    function
    for module in (plots, charts)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
]


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_every_public_picture_takes_axes_and_gives_them_back(function):
    assert function.__doc__
    signature = inspect.signature(function)
    assert ("ax" in signature.parameters) == (signature.return_annotation in (Axes, "Axes"))
    if "ax" in signature.parameters and function is not plots.baseline:
        assert signature.parameters["ax"].default is None


def test_a_waveform_spans_its_seconds(analysis):
    assert plots.waveform(analysis.y, SR).get_xlim() == (0, 2)


def test_bits_span_their_seconds():
    ax = plots.bits(np.eye(32)[:20] > 0)
    assert ax.get_xlim() == pytest.approx((0, 20 * fingerprints.PERIOD))
    assert ax.get_images()[0].get_array().shape == (32, 20)


def test_zero_crossings_are_counted_in_the_title():
    y = np.sin(2 * np.pi * 100 * (np.arange(441) + 0.5) / SR)  # two periods in 20 ms
    assert plots.zero_crossings(y, SR).get_title() == "3 zero crossings"


def test_intervals_reach_from_low_to_high():
    rows = pd.DataFrame(
        {"track_accuracy": [0.5], "track_ci_low": [0.4], "track_ci_high": [0.7], "name": ["a"]}
    )
    ax = plots.with_intervals(rows, names="name")
    segment = ax.collections[0].get_segments()[0]
    np.testing.assert_allclose(segment[:, 0], [0.4, 0.7])


def test_a_confusion_matrix_is_written_in_per_cent():
    matrix = pd.DataFrame([[0.75, 0.25], [0.0, 1.0]], index=["a", "b"], columns=["a", "b"])
    written = [text.get_text() for text in plots.confusion(matrix).texts]
    assert written == ["75", "25", "", "100"]


def test_a_player_holds_at_most_five_seconds():
    import io

    from scipy.io import wavfile

    player = plots.player(np.zeros(20 * SR) + 0.1, SR)
    rate, samples = wavfile.read(io.BytesIO(player.data))
    assert (rate, samples.size) == (SR, 5 * SR)


def test_a_playlist_has_a_player_in_each_line_where_there_is_audio(labelled_folder):
    paths = dataset.load(labelled_folder(tracks=1)).set_index("track_id").path
    table = pd.DataFrame({"track": paths.index, "artist": [3, pd.NA], "distance": [0.123, 1.0]})
    page = plots.playlist(table, paths).to_html()
    assert page.count("<audio") == 2 and "0.12<" in page and "not known" in page
    silent = plots.playlist(table, paths.map(lambda path: pd.NA)).to_html()
    assert "<audio" not in silent and paths.index[0] in silent


@pytest.mark.parametrize("served", [True, False])
def test_the_browser_is_a_menu_where_somebody_can_click(labelled_folder, monkeypatch, served):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if served:
        monkeypatch.setenv("JPY_SESSION_NAME", "01_audio_exploration.ipynb")
    tracks = dataset.load(labelled_folder(tracks=2))
    shown = plots.browse(tracks)
    assert (shown is not None) == served
    if served:
        assert shown.children[0].options == tuple(tracks.track_id)


def test_a_figure_is_saved_under_the_runs_figures(tmp_path):
    figure, _ = plt.subplots()
    path = plots.save_figure(figure, "99_test", run_dir=tmp_path)
    assert path == tmp_path / "figures" / "99_test.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_shares_are_shown_with_their_bounds_and_a_dash_without():
    table = pd.DataFrame({"f1": [0.5, 0], "f1_low": [0.4, np.nan], "f1_high": [0.62, np.nan]})
    shown = plots.bounded(table.assign(examples=[10, 0]))
    assert shown.f1.tolist() == ["50% (40% to 62%)", "–"] and shown.examples.tolist() == [10, 0]
