"""Pictures of sound: waveforms, spectrograms, and what is computed from them.

Taught in notebooks 00 to 02.
"""

from typing import Any

import librosa
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.ticker import AutoLocator, ScalarFormatter
from mpl_toolkits.mplot3d import Axes3D

from gtzan_helpers import config
from gtzan_helpers.audio.analysis import Analysis, MelAnalysis
from gtzan_helpers.datasets.fingerprints import PERIOD
from gtzan_helpers.plots import style


def _image(
    ax: Axes, values: np.ndarray, analysis: MelAnalysis, label: str, *, bar: str = "", **look: Any
) -> None:
    """Draw an array of shape (n_rows, n_frames), with a colour bar that has a name."""
    sr = getattr(analysis, "sr", config.SR)
    look = {"cmap": "magma", "x_axis": "time", "hop_length": sr / analysis.frame_rate} | look
    look["x_coords"] = np.arange(values.shape[1]) / analysis.frame_rate
    image = librosa.display.specshow(values, sr=sr, ax=ax, **look)
    # librosa's own formatter rounds 10.5 s to 10.
    ax.xaxis.set_major_locator(AutoLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.set(xlabel="time (s)", ylabel=label)
    if bar:
        ax.figure.colorbar(image, ax=ax, label=bar)


@style.picture()
def mel_spectrogram(ax: Axes, analysis: MelAnalysis) -> None:
    """Log-mel spectrogram, from its loudest point down, without a colour bar.

    Parameters
    ----------
    analysis : Analysis or MelAnalysis
    """
    level = analysis.log_mel - analysis.log_mel.max()
    _image(ax, level, analysis, "frequency (Hz, mel)", y_axis="mel")


def waterfall(analysis: MelAnalysis, *, ax: Axes3D | None = None) -> Axes3D:
    """The log-mel spectrogram as a landscape: time, frequency, and level as height.

    Parameters
    ----------
    analysis : Analysis or MelAnalysis
    """
    ax = ax or plt.figure(figsize=(9, 5.5), layout="none").add_subplot(projection="3d")
    level = analysis.log_mel - analysis.log_mel.max()
    n_bands, n_frames = level.shape
    grid = np.meshgrid(np.arange(n_frames) / analysis.frame_rate, np.arange(n_bands))
    ax.plot_surface(*grid, level, cmap="magma", rcount=64, ccount=120, rasterized=True)
    mels = librosa.mel_frequencies(n_bands + 2, fmax=getattr(analysis, "sr", config.SR) / 2)[1:-1]
    hz = [512, 1024, 2048, 4096, 8192]
    ax.set_yticks(np.interp(hz, mels, np.arange(mels.size)), hz)
    ax.set(xlabel="time (s)")
    ax.set_ylabel("frequency (Hz, mel)", labelpad=10)
    ax.set_zlabel("level (dB)", labelpad=8)
    ax.tick_params(labelsize=8)
    ax.view_init(elev=45, azim=-60)
    return ax


@style.picture()
def tempogram(ax: Axes, analysis: Analysis) -> None:
    """How well the music matches itself after one beat of each tempo, over time.

    The dashed line marks the estimated tempo.

    Parameters
    ----------
    analysis : Analysis
    """
    # Row k is a lag of k frames; no lag at all would be an infinite tempo.
    values, tempo = analysis.tempogram[1:], analysis.tempo
    _image(ax, values, analysis, "tempo (bpm)", bar="autocorrelation", y_axis="tempo")
    ax.axhline(tempo, color="white", linestyle="--", linewidth=1.5)
    ax.text(0.99, tempo * 1.1, f"{tempo:.0f} bpm", color="white", backgroundcolor="black",
            ha="right", transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set(ylim=(30, 320))


@style.picture("no fingerprint", height=1.8)
def fingerprint(ax: Axes, bits: np.ndarray) -> None:
    """A fingerprint, or where two of them differ.

    Parameters
    ----------
    bits : ndarray, shape (n_frames, 32)
        Of 1, -1 and 0 (undecided), see `fingerprints.from_log_mel`; or of bool, true where two
        differ.
    """
    meanings = {"0": style.BLUE, "undecided": style.LIGHT, "1": style.ORANGE}
    if bits.dtype == bool:
        meanings = {"same": style.LIGHT, "different": style.VERMILLION}
    extent = (0, len(bits) * PERIOD, 0, bits.shape[1])
    ax.imshow(
        bits.T, origin="lower", aspect="auto", interpolation="none", extent=extent,
        cmap=ListedColormap(list(meanings.values())), vmin=2 - len(meanings), vmax=1,
    )  # fmt: skip
    for name, colour in meanings.items():
        ax.plot([], [], "s", color=colour, label=name)
    ax.grid(False)
    ax.set(xlabel="time (s)", ylabel="bit")
    style.legend_beside(ax)


@style.picture("no stacked array", height=5)
def stacked(ax: Axes, rows: np.ndarray, *, of_log_mel: bool = False) -> None:
    """The stacked study's array, each row on its own scale, with its parts named.

    Parameters
    ----------
    rows : ndarray, shape (87, n_frames)
    of_log_mel : bool
        Whether a log-mel gave the rows, which are of three kinds then, and not of six.
    """
    mean, spread = rows.mean(axis=1, keepdims=True), rows.std(axis=1, keepdims=True)
    scaled = (rows - mean) / np.maximum(spread, 1e-9)
    image = ax.imshow(scaled, origin="lower", aspect="auto", cmap="coolwarm", vmin=-3, vmax=3)
    ax.grid(False)
    parts = {"MFCC": 20, "mel": 57, "tempogram": 10}
    if not of_log_mel:
        parts |= {"mel": 32, "chroma": 12, "contrast": 7, "tonnetz": 6}
    edges = np.cumsum([0, *parts.values()])
    for edge in edges[1:-1]:
        ax.axhline(edge - 0.5, color="black", linewidth=0.8)
    ax.set(xlabel="frame", yticks=(edges[:-1] + edges[1:]) / 2 - 0.5, yticklabels=list(parts))
    ax.figure.colorbar(image, ax=ax, label="standard deviations from its mean")
