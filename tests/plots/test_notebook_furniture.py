"""Banner, players and tables: what a notebook shows beside pictures."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import soundfile

from gtzan_helpers import plots
from gtzan_helpers.datasets.sources import open_source

SR = 22_050


@pytest.fixture
def tracks(labelled_folder):
    return open_source(labelled_folder(tracks=1)).tracks


def test_a_banner_names_the_data(labelled_folder):
    page = plots.banner(open_source(labelled_folder(name="<my> music"))).data
    assert "‹my&gt; music" in page and "6 tracks, 2 labels" in page
    assert "Synthetic music" not in page


def test_a_banner_says_that_music_is_synthetic_in_a_terminal_too():
    banner = plots.banner(open_source("synthetic", profile="smoke"))
    assert "<b>Synthetic music.</b>" in banner.data
    assert repr(banner).endswith("Synthetic music. These are not results on GTZAN.")


@pytest.mark.parametrize("sr", [SR, 96_000])
def test_a_player_holds_at_most_ten_seconds_as_mp3(sr, rng):
    player = plots.player(rng.normal(size=20 * sr).astype(np.float32), sr, title="<Ed>'s").data
    assert "aria-label='&lt;Ed&gt;&#x27;s'" in player and len(player) < 120_000
    (code,) = re.findall("src='data:audio/mpeg;base64,([^']+)'", player)
    with soundfile.SoundFile(io.BytesIO(base64.b64decode(code))) as sound:
        assert (sound.format, sound.samplerate, sound.channels) == ("MP3", SR, 1)
        assert sound.frames == 10 * SR


def test_a_playlist_has_a_player_in_each_line_where_there_is_audio(tracks):
    paths = tracks.set_index("track_id").path
    table = pd.DataFrame({"track": paths.index, "artist": [3, pd.NA], "distance": [0.123, 1.0]})
    page = plots.playlist(table, paths).to_html()
    assert page.count(f"<audio controls aria-label='{paths.index[0]}'") == 1
    assert page.count("<audio") == 2 and "0.12<" in page and "not known" in page
    silent = plots.playlist(table, paths.map(lambda path: pd.NA)).to_html()
    assert "<audio" not in silent and paths.index[0] in silent


def test_a_player_says_what_plays():
    assert plots.player(np.ones(SR), SR, title="a <b>").data.startswith("a &lt;b&gt;<br><audio")
    assert plots.player(np.ones(SR), SR).data.startswith("<audio")


def test_of_pictures_to_unfold_one_is_open_and_each_says_what_it_shows():
    pictures = {}
    for name in ("one <x>", "two"):
        figure, ax = plt.subplots()
        ax.set(xlabel=f"of {name}", title="drawn")
        pictures[name] = figure
    page = plots.unfold(pictures, "two").data
    parts = re.findall(
        r"<details name='([\w-]+)'( open)?><summary>(.*?)</summary><img alt='(.*?)' width='\d+'",
        page,
    )
    assert [(opened, title) for _, opened, title, _ in parts] == [
        ("", "one &lt;x&gt;"), (" open", "two")
    ]  # fmt: skip
    assert len({group for group, *_ in parts}) == 1 and "of two" in parts[1][3]
    assert not plt.get_fignums()  # the page does not show them twice
    assert plots.unfold({}).data == ""


def test_shares_are_shown_with_their_bounds_and_a_dash_without():
    table = pd.DataFrame({"f1": [0.5, 0], "f1_low": [0.4, np.nan], "f1_high": [0.62, np.nan]})
    shown = plots.bounded(table.assign(examples=[10, 0]))
    assert shown.f1.tolist() == ["50% (40% to 62%)", "–"] and shown.examples.tolist() == [10, 0]
