"""Pictures of sound: waveforms, spectrograms, and what is computed from them.

Taught in notebooks 00 to 02.
"""

from typing import Any

import librosa
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import AutoLocator, ScalarFormatter

from gtzan_helpers import config
from gtzan_helpers.audio.analysis import STACKED_FRAMES, Analysis, MelAnalysis
from gtzan_helpers.datasets.fingerprints import PERIOD
from gtzan_helpers.plots import style


@style.unless_empty("no audio")
def waveform(y: np.ndarray, sr: int, *, alpha: float = 1.0, ax: Axes | None = None) -> Axes:
    """Amplitude over time.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
    sr : int
        Sampling rate in Hz.
    alpha : float
        Opacity, for a waveform behind something else.
    """
    ax = style.new_axes(ax)
    librosa.display.waveshow(y, sr=sr, ax=ax, color=style.BLUE, alpha=alpha, rasterized=True)
    _in_seconds(ax)
    ax.set(ylabel="amplitude", xlim=(0, y.size / sr))
    return ax


def _in_seconds(ax: Axes) -> None:
    # librosa's own formatter rounds 10.5 s to 10.
    ax.xaxis.set_major_locator(AutoLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.set_xlabel("time (s)")


def _image(
    values: np.ndarray, analysis: MelAnalysis, ax: Axes | None, *, bar: str, **settings: Any
) -> Axes:
    """Draw an array of shape (n_rows, n_frames), with a colour bar that has a name."""
    ax = style.new_axes(ax)
    times = np.arange(values.shape[1]) / analysis.frame_rate
    sr = getattr(analysis, "sr", config.SR)
    hop_length = sr / analysis.frame_rate
    image = librosa.display.specshow(
        values, sr=sr, hop_length=hop_length, x_coords=times, x_axis="time", ax=ax, **settings
    )
    _in_seconds(ax)
    if bar:
        ax.figure.colorbar(image, ax=ax, label=bar)
    return ax


def spectrogram(analysis: Analysis, *, scale: str = "log", ax: Axes | None = None) -> Axes:
    """Magnitude spectrogram in dB below its loudest point.

    Parameters
    ----------
    analysis : Analysis
    scale : {"log", "linear"}
        Of the frequency axis.
    """
    level = librosa.amplitude_to_db(analysis.magnitude, ref=np.max)
    ax = _image(level, analysis, ax, bar="level (dB)", y_axis=scale, cmap="magma")
    ax.set(ylabel="frequency (Hz)")
    return ax


def mel_spectrogram(analysis: MelAnalysis, *, bar: bool = True, ax: Axes | None = None) -> Axes:
    """Log-mel spectrogram in dB below its loudest point.

    Parameters
    ----------
    analysis : MelAnalysis
    bar : bool
        Whether to draw a colour bar.
    """
    level = analysis.log_mel - analysis.log_mel.max()
    ax = _image(level, analysis, ax, bar="level (dB)" * bar, y_axis="mel", cmap="magma")
    ax.set(ylabel="frequency (Hz, mel)")
    return ax


def waterfall(analysis: MelAnalysis, *, ax: Axes | None = None) -> Axes:
    """The log-mel spectrogram as a landscape: time, frequency, and level as height."""
    if ax is None:
        ax = plt.figure(figsize=(9, 5.5)).add_subplot(projection="3d")
    level = analysis.log_mel - analysis.log_mel.max()
    step = max(1, level.shape[1] // 120)
    level = level[::2, ::step]
    times = np.arange(level.shape[1]) * step / analysis.frame_rate
    time_grid, band_grid = np.meshgrid(times, np.arange(level.shape[0]) * 2)
    ax.plot_surface(time_grid, band_grid, level, cmap="magma", linewidth=0, rcount=64, ccount=120,
                    rasterized=True)  # fmt: skip
    ticks_in_hz(ax, len(analysis.log_mel), getattr(analysis, "sr", config.SR))
    ax.set(xlabel="time (s)")
    ax.set_ylabel("frequency (Hz, mel)", labelpad=10)
    ax.set_zlabel("level (dB)", labelpad=8)
    ax.tick_params(labelsize=8)
    ax.view_init(elev=45, azim=-60)
    return ax


def ticks_in_hz(ax: Axes, n_bands: int, sr: int) -> None:
    """Label a y axis of mel bands by their centre frequencies."""
    centres = librosa.mel_frequencies(n_bands + 2, fmin=0, fmax=sr / 2)[1:-1]
    hz = 2 ** np.arange(9, np.log2(sr / 2)).astype(int)
    ax.set_yticks(np.interp(hz, centres, np.arange(n_bands)), hz)


def mfcc(analysis: MelAnalysis, *, n_mfcc: int = 13, ax: Axes | None = None) -> Axes:
    """MFCC over time, each on a scale of its own, because the first dwarfs the others."""
    rows = analysis.mfcc[:n_mfcc]
    ax = _image(
        _standardised(rows), analysis, ax, bar="standard deviations\nfrom its mean",
        cmap="coolwarm", vmin=-3, vmax=3, y_coords=np.arange(1, len(rows) + 1),
    )  # fmt: skip
    ax.set(ylabel="MFCC", yticks=range(1, len(rows) + 1, 2))
    return ax


def _standardised(rows: np.ndarray) -> np.ndarray:
    spread = np.maximum(rows.std(axis=1, keepdims=True), 1e-9)
    return (rows - rows.mean(axis=1, keepdims=True)) / spread


def chroma(analysis: Analysis, *, kind: str = "chroma_stft", ax: Axes | None = None) -> Axes:
    """Energy of the twelve pitch classes over time.

    Parameters
    ----------
    analysis : Analysis
    kind : {"chroma_stft", "chroma_cqt", "chroma_cens"}
    """
    values = getattr(analysis, kind)
    ax = _image(values, analysis, ax, bar="relative energy", y_axis="chroma", cmap="viridis")
    ax.set(ylabel="pitch class")
    return ax


def tempogram(analysis: Analysis, *, ax: Axes | None = None) -> Axes:
    """How well the music matches itself after one beat of each tempo, over time.

    The dashed line marks the estimated tempo.
    """
    # Row k is a lag of k frames; no lag at all would be an infinite tempo.
    values, tempo = analysis.tempogram[1:], analysis.tempo
    ax = _image(values, analysis, ax, bar="autocorrelation", y_axis="tempo", cmap="magma")
    ax.axhline(tempo, color="white", linestyle="--", linewidth=1.5)
    ax.text(0.99, tempo * 1.1, f"{tempo:.0f} bpm", color="white", backgroundcolor="black",
            ha="right", transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set(ylabel="tempo (bpm)", ylim=(30, 320))
    return ax


def over_waveform(
    values: np.ndarray, analysis: Analysis, *, label: str, top: float, ax: Axes | None = None
) -> Axes:
    """A feature over time, drawn over the waveform that it was computed from.

    Parameters
    ----------
    values : ndarray, shape (n_frames,)
    analysis : Analysis
    label : str
        Name of the feature, with its unit.
    top : float
        Upper end of its axis, so that several pictures can be compared.
    """
    ax = waveform(analysis.y, analysis.sr, alpha=0.3, ax=ax)
    right = ax.twinx()
    right.plot(np.arange(values.size) / analysis.frame_rate, values, color=style.VERMILLION)
    right.grid(False)
    right.set(ylim=(0, 1.05 * top))
    right.set_ylabel(label, color=style.VERMILLION)
    return ax


@style.unless_empty("no audio")
def zero_crossings(y: np.ndarray, sr: int, *, ax: Axes | None = None) -> Axes:
    """A short piece of audio with every change of sign marked, and counted in the title."""
    ax = style.new_axes(ax)
    times = 1000 * np.arange(y.size) / sr
    changes = np.flatnonzero(np.signbit(y[1:]) != np.signbit(y[:-1])) + 1
    ax.plot(times, y, color=style.BLUE)
    ax.plot(times[changes], np.zeros(changes.size), "o", color=style.VERMILLION, markersize=5)
    ax.set(xlabel="time (ms)", ylabel="amplitude", title=f"{changes.size} zero crossings")
    return ax


@style.unless_empty("no fingerprint")
def fingerprint(bits: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """A fingerprint, or where two of them differ.

    Parameters
    ----------
    bits : ndarray, shape (n_frames, 32)
        Of 1, -1 and 0 (undecided), see `fingerprints.take`; or of bool, true where two differ.
    """
    ax = style.new_axes(ax, height=1.8)
    meanings = {-1: ("0", style.BLUE), 0: ("undecided", style.LIGHT), 1: ("1", style.ORANGE)}
    if bits.dtype == bool:
        meanings = {0: ("same", style.LIGHT), 1: ("different", style.VERMILLION)}
    ax.imshow(
        bits.T, origin="lower", aspect="auto", interpolation="none", vmin=min(meanings), vmax=1,
        cmap=ListedColormap([colour for _, colour in meanings.values()]),
        extent=(0, len(bits) * PERIOD, 0, bits.shape[1]),
    )  # fmt: skip
    ax.grid(False)
    ax.set(xlabel="time (s)", ylabel="bit")
    handles = [Patch(facecolor=colour, label=label) for label, colour in meanings.values()]
    style.legend_beside(ax, handles=handles)
    return ax


@style.unless_empty("no stacked array")
def stacked(rows: np.ndarray, *, ax: Axes | None = None) -> Axes:
    """The stacked study's array, each row on its own scale, with its parts named.

    Parameters
    ----------
    rows : ndarray, shape (87, n_frames)
        From audio (87 rows of six kinds) or from a pack (of three).
    """
    ax = style.new_axes(ax, height=5)
    image = ax.imshow(_standardised(rows.astype(float)), origin="lower", aspect="auto",
                      cmap="coolwarm", vmin=-3, vmax=3)  # fmt: skip
    ax.grid(False)
    parts = {"MFCC": 20, "mel": 57, "tempogram": 10}
    if rows.shape[1] == STACKED_FRAMES:
        parts |= {"mel": 32, "chroma": 12, "contrast": 7, "tonnetz": 6}
    edges = np.cumsum([0, *parts.values()])
    for edge in edges[1:-1]:
        ax.axhline(edge - 0.5, color="black", linewidth=0.8)
    ax.set_yticks((edges[:-1] + edges[1:]) / 2 - 0.5, list(parts))
    ax.set(xlabel="frame")
    ax.figure.colorbar(image, ax=ax, label="standard deviations from its mean")
    return ax
