"""Tables of features: their columns, and what these hold."""

import numpy as np
import pytest

from gtzan_helpers.audio import tables
from gtzan_helpers.audio.analysis import Analysis, MelAnalysis
from gtzan_helpers.errors import SettingError

SR = 22_050
SIZES = {"kaggle": 57, "capstone": 106, "logmel": 336, "full": 638}


@pytest.mark.parametrize(("table", "size"), SIZES.items())
def test_a_table_has_its_number_of_columns_all_different(table, size):
    assert len(tables.columns(table)) == size
    assert len(set(tables.columns(table))) == size
    assert "length" not in tables.columns(table)


def test_the_kaggle_columns_are_those_of_the_release_in_its_order():
    names = ["chroma_stft", "rms", "spectral_centroid", "spectral_bandwidth", "rolloff"]
    names += ["zero_crossing_rate", "harmony", "perceptr"]
    expected = [f"{name}_{stat}" for name in names for stat in ("mean", "var")]
    expected += ["tempo", *(f"mfcc{k}_{stat}" for k in range(1, 21) for stat in ("mean", "var"))]
    assert list(tables.columns("kaggle")) == expected


@pytest.mark.parametrize("table", ["kaggle", "capstone", "logmel"])
def test_full_holds_every_other_table(analysis, table):
    full = dict(zip(tables.columns("full"), tables.row(analysis, "full"), strict=True))
    row = tables.row(analysis, table)
    np.testing.assert_array_equal([full[name] for name in tables.columns(table)], row)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("mfcc3_mean", lambda a: a.mfcc[2].mean(dtype=float)),
        ("mfcc20_var", lambda a: a.mfcc[19].var(dtype=float)),
        ("chroma_stft_var", lambda a: a.chroma_stft.var(dtype=float)),
        ("spectral_centroid_mean", lambda a: a.centroid.mean()),
        ("perceptr_var", lambda a: a.percussive.var(dtype=float)),
        ("tempo", lambda a: a.tempo),
    ],
)
def test_a_column_holds_what_its_name_says(analysis, column, expected):
    row = dict(zip(tables.columns("kaggle"), tables.row(analysis, "kaggle"), strict=True))
    assert row[column] == pytest.approx(expected(analysis), rel=1e-6)


def test_the_skew_of_a_constant_is_zero():
    assert tables._skew(np.full((1, 50), 0.1)).tolist() == [0]


def click():
    y = np.zeros(3 * SR)
    y[SR] = 1
    return y


@pytest.mark.parametrize(
    "y",
    [click(), np.full(3 * SR, 0.5), np.zeros(3 * SR), np.sin(np.arange(SR))],
    ids=["silence with a click", "constant", "silence", "one second"],
)
def test_a_row_is_finite(y):
    row = tables.row(Analysis(y, sr=SR), "full")
    assert row.shape == (SIZES["full"],)
    assert np.isfinite(row).all()


def test_a_log_mel_spectrogram_gives_the_table_logmel(analysis):
    alone = MelAnalysis(analysis.log_mel, frame_rate=analysis.frame_rate)
    expected = tables.row(analysis, "logmel")
    np.testing.assert_array_equal(tables.row(alone, "logmel"), expected)


@pytest.mark.parametrize("n_frames", [1, 2, 8])
def test_few_frames_give_a_finite_row(rng, n_frames):
    few = MelAnalysis(rng.uniform(-80, 0, (128, n_frames)), frame_rate=12.5)
    assert np.isfinite(tables.row(few, "logmel")).all()


def test_an_unknown_table_is_refused_with_the_choice():
    with pytest.raises(SettingError, match="'magic' does not exist; choose from kaggle, capstone"):
        tables.columns("magic")


def test_a_row_of_chosen_columns_is_that_part_of_the_whole_in_their_order(analysis):
    names = ("mfcc3_var", "rms_mean", "mfcc1_mean")
    whole = dict(zip(tables.columns("kaggle"), tables.row(analysis, "kaggle"), strict=True))
    assert tables.row(analysis, "kaggle", names).tolist() == [whole[name] for name in names]


def test_chosen_columns_leave_the_others_uncomputed(noise):
    fresh = Analysis(noise, sr=SR)
    tables.row(fresh, "kaggle", ("rms_mean", "rms_var"))
    assert "stft" not in vars(fresh) and "rms" in vars(fresh)
