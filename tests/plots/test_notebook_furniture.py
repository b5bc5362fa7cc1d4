"""Banner, players and tables: what a notebook shows beside pictures."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from gtzan_helpers import plots
from gtzan_helpers.datasets.sources import open_source

SR = 22_050


@pytest.fixture
def tracks(labelled_folder):
    return open_source(labelled_folder(tracks=1)).tracks


def test_a_banner_names_the_data(labelled_folder):
    page = plots.banner(open_source(labelled_folder(name="<my> music"))).data
    assert "&lt;my&gt; music" in page and "6 tracks, 2 labels" in page
    assert "Synthetic music" not in page


def test_a_banner_says_that_music_is_synthetic():
    assert "<b>Synthetic music.</b>" in plots.banner(open_source("synthetic", profile="smoke")).data


def test_a_player_holds_at_most_five_seconds():
    player = plots.player(np.zeros(20 * SR) + 0.1, SR)
    rate, samples = wavfile.read(io.BytesIO(player.data))
    assert (rate, samples.size) == (SR, 5 * SR)


def test_a_playlist_has_a_player_in_each_line_where_there_is_audio(tracks):
    paths = tracks.set_index("track_id").path
    table = pd.DataFrame({"track": paths.index, "artist": [3, pd.NA], "distance": [0.123, 1.0]})
    page = plots.playlist(table, paths).to_html()
    assert page.count("<audio") == 2 and "0.12<" in page and "not known" in page
    silent = plots.playlist(table, paths.map(lambda path: pd.NA)).to_html()
    assert "<audio" not in silent and paths.index[0] in silent


@pytest.mark.parametrize("served", [True, False])
def test_the_browser_is_a_menu_where_somebody_can_click(tracks, monkeypatch, served):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if served:
        monkeypatch.setenv("JPY_SESSION_NAME", "01_audio_exploration.ipynb")
    shown = plots.browse(tracks)
    assert (shown is not None) == served
    if served:
        assert shown.children[0].options == tuple(tracks.track_id)


def test_without_audio_there_is_nothing_to_browse(tracks):
    assert "holds no audio" in plots.browse(tracks.assign(path=pd.NA)).data


def test_shares_are_shown_with_their_bounds_and_a_dash_without():
    table = pd.DataFrame({"f1": [0.5, 0], "f1_low": [0.4, np.nan], "f1_high": [0.62, np.nan]})
    shown = plots.bounded(table.assign(examples=[10, 0]))
    assert shown.f1.tolist() == ["50% (40% to 62%)", "–"] and shown.examples.tolist() == [10, 0]


def test_the_code_of_a_picture_can_be_shown():
    assert "def waveform(" in plots.show_source(plots.waveform).data
