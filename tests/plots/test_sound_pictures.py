"""Pictures of sound: their axes are in seconds and Hz, and things are where they belong."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from gtzan_helpers import plots
from gtzan_helpers.audio.analysis import Analysis, MelAnalysis
from gtzan_helpers.datasets import fingerprints

SR = 22_050


@pytest.fixture(scope="module")
def analysis():
    t = np.arange(2 * SR) / SR
    return Analysis(np.sin(2 * np.pi * 440 * t) * (t % 0.5 < 0.1), sr=SR)


@pytest.mark.parametrize("draw", [plots.mel_spectrogram, plots.tempogram])
def test_a_picture_of_sound_goes_onto_the_given_axes_with_its_units(draw, analysis, ax):
    assert draw(analysis, ax=ax) is ax
    assert ax.get_xlabel() == "time (s)" and ax.get_ylabel()


def test_half_seconds_are_not_rounded(analysis):
    ax = plots.mel_spectrogram(analysis)
    ax.figure.canvas.draw()
    shown = {text.get_text() for text in ax.get_xticklabels()}
    assert {"0.50", "1.00", "1.50"} <= shown


def test_a_log_mel_without_audio_is_drawn_at_its_own_frame_rate(rng):
    log_mel = MelAnalysis(rng.normal(-40, 5, (128, 100)), frame_rate=12.5)
    (image,) = plots.mel_spectrogram(log_mel).collections
    assert image.get_coordinates()[..., 0].max() == pytest.approx(8, abs=0.1)


def test_the_tempo_lies_on_its_row_of_the_tempogram():
    y = np.zeros(12 * SR)
    y[:: SR // 2] = 1  # two clicks a second
    analysis = Analysis(y, sr=SR)
    ax = plots.tempogram(analysis)
    image = ax.collections[0]
    rows = image.get_coordinates()[:, 0, 1]
    strongest = analysis.tempogram[20:30].mean(axis=1).argmax() + 20
    low, high = sorted(rows[strongest - 1 : strongest + 1])  # no row shows a lag of 0
    assert low < analysis.tempo < high


def test_the_bands_of_a_waterfall_are_labelled_by_their_frequency(analysis):
    ax = plots.waterfall(analysis)
    labels = [int(text.get_text()) for text in ax.get_yticklabels()]
    assert labels == [512, 1024, 2048, 4096, 8192]
    band = ax.get_yticks()[1]
    centres = np.array([Analysis(np.sin(2 * np.pi * 1024 * np.arange(SR) / SR), sr=SR).log_mel])
    assert abs(centres.mean(axis=(0, 2)).argmax() - band) < 1


def test_a_fingerprint_spans_its_seconds_and_explains_its_colours():
    ax = plots.fingerprint(np.eye(32)[:20])
    assert ax.get_xlim() == pytest.approx((0, 20 * fingerprints.PERIOD))
    assert ax.get_images()[0].get_array().shape == (32, 20)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["0", "undecided", "1"]
    differs = plots.fingerprint(np.eye(32)[:20] > 0)
    assert [t.get_text() for t in differs.get_legend().get_texts()] == ["same", "different"]


def test_the_parts_of_the_stacked_array_are_named(rng):
    for of_log_mel, n_parts in ((True, 3), (False, 6)):
        ax = plots.stacked(rng.normal(size=(87, 380)), of_log_mel=of_log_mel)
        assert len(ax.get_yticks()) == n_parts


def test_a_waterfall_is_a_landscape(analysis):
    ax = plots.waterfall(analysis)
    assert ax.name == "3d" and ax.get_zlabel() == "level (dB)"
    assert plots.waterfall(analysis, ax=ax) is ax
    plt.gcf().canvas.draw()
