"""The embedded dataset on disk."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from joblib import Parallel, delayed

from gtzan_helpers import config, files
from gtzan_helpers.datasets.embedded.artists import draw_song
from gtzan_helpers.datasets.embedded.plan import FACTS, make_plan
from gtzan_helpers.datasets.embedded.playing import SR, play
from gtzan_helpers.datasets.kinds.folders import AudioFolder

# To be raised with every change of the plan or the sound: another dataset, not a mixture.
VERSION = 1


class EmbeddedDataset(AudioFolder):
    """The embedded dataset as a source: audio whose faults are known."""

    synthetic = True

    @classmethod
    def make(cls, profile: config.Profile, jobs: int = 1) -> Path:
        """Make the dataset in the profile's size, unless it is in the cache; return its folder."""
        n_tracks, seconds = profile.synthetic_tracks, profile.synthetic_seconds
        folder = config.cache_dir() / "synthetic" / f"{n_tracks}x{seconds:g}s-v{VERSION}"
        make(folder, n_tracks=n_tracks, seconds=seconds, seed=config.SYNTHETIC_SEED, jobs=jobs)
        return folder

    def add_facts(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """Add the facts that are in the plan."""
        plan = pd.read_csv(self.path / "plan.csv", dtype=FACTS)
        return tracks.merge(plan[["track_id", *FACTS]], on="track_id", validate="1:1")


def make(
    folder: str | Path, *, n_tracks: int, seconds: float, seed: int, jobs: int = 1
) -> pd.DataFrame:
    """Write a dataset as WAV files, unless it is already there.

    Parameters
    ----------
    folder : str or Path
        Where to put ``<genre>/<track_id>.wav`` and the plan, `plan.csv`.
    n_tracks, seconds, seed
        Number of tracks, their duration in s, and the random seed; the bytes written depend on
        nothing else.
    jobs : int
        Number of processes.

    Returns
    -------
    DataFrame
        The plan; see `make_plan`.
    """
    folder = Path(folder)
    tracks = make_plan(n_tracks, seed=seed)
    if not (folder / "plan.csv").exists():
        missing = [row for _, row in tracks.iterrows() if not _path(folder, row).exists()]
        Parallel(n_jobs=jobs)(delayed(_write)(folder, row, seconds, seed) for row in missing)
        files.write_text(folder / "plan.csv", tracks.to_csv(index=False))
    return tracks


def render(track: pd.Series, seconds: float, *, seed: int) -> np.ndarray:
    """Play one track of a plan.

    Parameters
    ----------
    track : Series
        A row of `make_plan`.
    seconds : float
        Duration.
    seed : int
        The seed of the plan.

    Returns
    -------
    ndarray, shape (round(seconds * SR),), float32
    """
    song = draw_song(track.true_genre, int(track.artist), int(track.song), seed=seed)
    if track.replica != "near":
        return play(song, seconds)
    # The same recording, cut by half a second, softer, and quantised to 12 bits.
    y = play(song, seconds + 0.5)[round(0.5 * SR) :]
    return (np.round(0.6 * y * 2**11) / 2**11).astype(np.float32)


def _path(folder: Path, track: pd.Series) -> Path:
    return folder / track.genre / f"{track.track_id}.wav"


def _write(folder: Path, track: pd.Series, seconds: float, seed: int) -> None:
    # Encoded in memory, because libsndfile does not report a full disk.
    encoded = io.BytesIO()
    soundfile.write(encoded, render(track, seconds, seed=seed), SR, subtype="PCM_16", format="WAV")
    with files.replacing(_path(folder, track)) as temporary:
        temporary.write_bytes(encoded.getvalue())
