"""Tables of named features: statistics over time of the arrays of an analysis."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gtzan_helpers.audio.analysis import N_MFCC, TEMPO_BANDS, Analysis, MelAnalysis
from gtzan_helpers.audio.spectra import log_mel
from gtzan_helpers.errors import choose


@dataclass(frozen=True)
class Block:
    """Columns that describe one attribute of an analysis.

    Attributes
    ----------
    name : str
        Prefix of the columns' names.
    attribute : str
        Attribute of `Analysis` or `MelAnalysis`.
    stats : tuple of str
        Summaries over time: mean, var, std, skew; empty for a single number.
    n_rows : int
        Rows of the attribute, each summarised on its own; 0 pools all of them.
    """

    name: str
    attribute: str
    stats: tuple[str, ...]
    n_rows: int = 0

    def columns(self) -> list[str]:
        """Names of the columns, row by row."""
        if not self.stats:
            return [self.name]
        stems = [f"{self.name}{i + 1}" for i in range(self.n_rows)] or [self.name]
        return [f"{stem}_{stat}" for stem in stems for stat in self.stats]

    def values(self, analysis: MelAnalysis) -> np.ndarray:
        """Values of the columns, shape (n_columns,), float64."""
        value = getattr(analysis, self.attribute)
        if not self.stats:
            return np.array([value], dtype=np.float64)
        rows = np.asarray(value, dtype=np.float64)
        rows = rows[: self.n_rows] if self.n_rows else rows.reshape(1, -1)
        summaries = [_skew(rows) if s == "skew" else getattr(rows, s)(axis=1) for s in self.stats]
        return np.stack(summaries, axis=1).ravel()


def _skew(rows: np.ndarray) -> np.ndarray:
    """Skewness of each row, as `scipy.stats.skew`; 0 for a constant row."""
    # Written out because scipy.stats takes seconds to import.
    centred = rows - rows.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1))
    deviation[deviation <= 1e-7 * np.abs(rows).max(axis=1)] = np.inf
    return (centred**3).mean(axis=1) / deviation**3


_MV = ("mean", "var")
_MS = ("mean", "std")
_MSS = ("mean", "std", "skew")

_TEMPO = Block("tempo", "tempo", ())  # beats a minute

KAGGLE = (
    Block("chroma_stft", "chroma_stft", _MV),  # energy of all pitch classes: tonal or noisy
    Block("rms", "rms", _MV),  # loudness
    Block("spectral_centroid", "centroid", _MV),  # Hz; brightness: the spectrum's centre of mass
    Block("spectral_bandwidth", "bandwidth", _MV),  # Hz; spread around the centroid
    Block("rolloff", "rolloff", _MV),  # Hz; 85 % of the magnitude lies below
    Block("zero_crossing_rate", "zero_crossing_rate", _MV),  # sign changes: noisiness, attack
    Block("harmony", "harmonic", _MV),  # the waveform of the harmonic part
    Block("perceptr", "percussive", _MV),  # the waveform of the percussive part
    _TEMPO,
    Block("mfcc", "mfcc", _MV, N_MFCC),  # timbre: the spectrum's shape, coarse to fine
)

CAPSTONE = (
    _TEMPO,
    Block("chroma", "chroma_stft", _MSS, 12),  # energy of each pitch class, C to B
    Block("mfcc", "mfcc", _MSS, 13),  # timbre: the spectrum's shape, coarse to fine
    Block("s_centroid", "centroid", _MSS),  # Hz; brightness: the spectrum's centre of mass
    Block("s_contrast", "contrast", _MSS, 7),  # dB; peaks over valleys in each octave
    Block("s_rolloff", "rolloff", _MSS),  # Hz; 85 % of the magnitude lies below
    Block("z_cr", "zero_crossing_rate", _MSS),  # sign changes: noisiness, attack
)

MEL_STATISTICS = (
    Block("mfcc", "mfcc", _MS, N_MFCC),  # timbre: the spectrum's shape, coarse to fine
    Block("mfcc_delta", "mfcc_delta", _MS, N_MFCC),  # how fast the timbre changes
    Block("mel", "log_mel", _MS, 128),  # dB; energy of each mel band, low to high
)

_EXTRA = (
    Block("mfcc", "mfcc", ("skew",), N_MFCC),  # lean of each timbre coefficient
    Block("flatness", "flatness", _MSS),  # 0 a tone, 1 white noise
    Block("spectral_bandwidth", "bandwidth", ("std", "skew")),  # Hz; spread around the centroid
    Block("rms", "rms", ("std", "skew")),  # loudness
    Block("chroma_cqt", "chroma_cqt", _MSS, 12),  # pitch classes, sharper in the bass
    Block("chroma_cens", "chroma_cens", _MSS, 12),  # pitch classes over about a second
    Block("tonnetz", "tonnetz", _MSS, 6),  # harmony on circles of fifths and thirds
    Block("tempogram", "tempogram_bands", _MSS, TEMPO_BANDS),  # pulse from 30 to 300 a minute
    Block("harmonic_mfcc", "harmonic_mfcc", _MS, 13),  # timbre of the harmonic part
    Block("percussive_mfcc", "percussive_mfcc", _MS, 13),  # timbre of the percussive part
)

#: The blocks of each feature table; `columns` lists the columns.
#:
#: :meta hide-value:
TABLES: Mapping[str, tuple[Block, ...]] = {
    "kaggle": KAGGLE,
    "capstone": CAPSTONE,
    "logmel": MEL_STATISTICS,
    "full": (*KAGGLE, *CAPSTONE, *MEL_STATISTICS, *_EXTRA),
}


@lru_cache
def columns(table: str) -> tuple[str, ...]:
    """Names of the columns of a feature table, in order.

    Parameters
    ----------
    table : {"kaggle", "capstone", "logmel", "full"}
        `kaggle`: the 57 features of the widespread Kaggle release. `capstone`: those of the
        capstone study. `logmel`: statistics of a log-mel spectrogram. `full`: all of them and
        more.

    Returns
    -------
    tuple of str

    Raises
    ------
    SettingError
        If there is no such table.

    Examples
    --------
    >>> len(columns("kaggle")), columns("kaggle")[0]
    (57, 'chroma_stft_mean')
    """
    # Tables share columns, and `full` holds each of them once.
    blocks = choose(TABLES, table, "feature table")
    return tuple(dict.fromkeys(name for block in blocks for name in block.columns()))


def row(analysis: MelAnalysis, table: str, names: tuple[str, ...] = ()) -> np.ndarray:
    """Compute one row of a feature table.

    Parameters
    ----------
    analysis : Analysis, or MelAnalysis for the table `logmel`
    table : str
        See `columns`.
    names : tuple of str
        The columns to compute; empty for all.

    Returns
    -------
    ndarray, shape (n_columns,), float64
        In the order of `names`, or of ``columns(table)``.
    """
    names = names or columns(table)
    values: dict[str, float] = {}
    for block in TABLES[table]:
        if not set(names).isdisjoint(block.columns()):
            values.update(zip(block.columns(), block.values(analysis), strict=True))
    return np.array([values[name] for name in names])


def compile_kernels() -> None:
    """Compile the loops of this package and of librosa, and store them on disk.

    To be called before several processes start: numba's cache mixes up what they write at the
    same time, and whichever process reads that crashes.
    """
    noise = np.random.default_rng(0).standard_normal(5 * 22_050)
    row(Analysis(noise, sr=22_050), "full")
    log_mel(noise, sr=22_050)
