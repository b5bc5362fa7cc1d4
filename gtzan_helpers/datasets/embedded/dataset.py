"""The embedded dataset on disk."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from gtzan_helpers import config, files
from gtzan_helpers.datasets import facts
from gtzan_helpers.datasets.embedded.artists import draw_song
from gtzan_helpers.datasets.embedded.plan import make_plan
from gtzan_helpers.datasets.embedded.playing import SR, play
from gtzan_helpers.datasets.kinds.folders import AudioFolder
from gtzan_helpers.errors import DAMAGED_FILE
from gtzan_helpers.workers import Workers

# To be raised with every change of the plan or the sound: another dataset, not a mixture.
VERSION = 2


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
        """Add the facts of the plan, as it is made, not as a file may say it is."""
        return facts.add_by_name(tracks)


def make(
    folder: str | Path, *, n_tracks: int, seconds: float, seed: int, jobs: int = 1
) -> pd.DataFrame:
    """Write a dataset as WAV files, as far as it is not there already, unharmed.

    Parameters
    ----------
    folder : str or Path
        Where to put ``<genre>/<track_id>.wav`` and the plan with each file's MD5, `plan.csv`.
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
    written = _written(folder)
    rows = [row for _, row in tracks.iterrows() if not _is_whole(folder, row, written)]
    if rows or not written:
        for _ in Workers(jobs).map(_write, [(folder, row, seconds, seed) for row in rows]):
            pass
        hashes = [files.file_hash(_path(folder, row)) for _, row in tracks.iterrows()]
        files.write_text(folder / "plan.csv", tracks.assign(md5=hashes).to_csv(index=False))
    return tracks


def _written(folder: Path) -> dict[str, str]:
    """MD5 of each file of a finished dataset, by its track; nothing if it is not finished."""
    try:
        return pd.read_csv(folder / "plan.csv").set_index("track_id").md5.to_dict()
    except DAMAGED_FILE:
        return {}


def _is_whole(folder: Path, track: pd.Series, written: dict[str, str]) -> bool:
    """Whether a track's file is there, and is the one that was written."""
    path = _path(folder, track)
    return path.is_file() and written.get(track.track_id) in (None, files.file_hash(path))


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
    with files.replacing(_path(folder, track), durable=False) as temporary:  # its hash is kept
        temporary.write_bytes(encoded.getvalue())
