"""What is wrong with a dataset's files: unreadable, odd, duplicate, missing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import audio, config, dataset
from gtzan_helpers.errors import AudioError, NotPossibleError

MINI_TRACKS = 100
CLIPPED_SHARE = 0.001
"""Share of samples at full scale above which a recording counts as clipped."""

DC_OFFSET = 0.02


@dataclass(frozen=True)
class Audit:
    """Findings about a source.

    Attributes
    ----------
    n_tracks : int
        Recordings looked at.
    findings : DataFrame
        `fault` (unreadable, odd, duplicate, missing), `track_id`, `what`.
    skipped : list of Path
        Files among the recordings that are no audio by their names; no fault.
    """

    n_tracks: int
    findings: pd.DataFrame
    skipped: list[Path]


def check(source: str | Path, *, jobs: int | None = None) -> Audit:
    """Look at every recording of an audio source.

    Parameters
    ----------
    source : str or Path
        See `dataset.resolve`.
    jobs : int or None
        Processes; None for as many as there are cores.

    Returns
    -------
    Audit

    Raises
    ------
    NotPossibleError
        If the source holds no audio.
    """
    import joblib

    found = dataset.resolve(source)
    if found.kind != "audio":
        raise NotPossibleError(f"{found.name} is a {found.kind}; only audio can be checked")
    tracks = dataset.load(found)
    heard = joblib.Parallel(n_jobs=jobs or joblib.cpu_count())(
        joblib.delayed(_listen)(path) for path in tracks.path
    )
    findings = [
        (fault, track_id, what)
        for track_id, faults in zip(tracks.track_id, heard, strict=True)
        for fault, what in faults
    ]
    findings += _duplicates(tracks) + _missing(found, tracks)
    return Audit(
        len(tracks), pd.DataFrame(findings, columns=["fault", "track_id", "what"]), _skipped(found)
    )


def _listen(path: str) -> list[tuple[str, str]]:
    import soundfile

    try:
        y, sr = audio.read(path)
    except AudioError as error:
        return [("unreadable", str(error).removeprefix(f"{path}: "))]
    info = soundfile.info(path)
    faults = []
    if sr != config.SR:
        faults.append(f"{sr} Hz, not {config.SR}; it will be resampled")
    if info.channels > 1:
        faults.append(f"{info.channels} channels; their mean will be taken")
    if y.size < 3 * sr:
        faults.append(f"lasts {y.size / sr:.2f} s; a segment of 3 s repeats it")
    if np.mean(np.abs(y) >= 0.999) > CLIPPED_SHARE:
        faults.append(f"clipped: {np.mean(np.abs(y) >= 0.999):.2%} of the samples at full scale")
    if abs(float(y.mean())) > DC_OFFSET:
        faults.append(f"DC offset of {float(y.mean()):+.3f}")
    return [("odd", what) for what in faults]


def _duplicates(tracks: pd.DataFrame) -> list[tuple[str, str, str]]:
    copies = tracks[tracks.duplicate_of.notna()]
    genre = tracks.set_index("track_id").genre
    return [
        (
            "duplicate",
            copy.track_id,
            f"the same music as {copy.duplicate_of}"
            + ("" if genre[copy.duplicate_of] == copy.genre else ", under another label"),
        )
        for copy in copies.itertuples()
    ]


def _missing(source: dataset.Source, tracks: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Tracks that a named dataset should have; of other folders nobody knows."""
    if source.name == "gtzan":
        expected = dataset.gtzan_facts().track_id
        absent = sorted(set(expected) - set(tracks.track_id))
        return [("missing", track_id, "one of GTZAN's 1000 tracks") for track_id in absent]
    if source.name == "mini" and len(tracks) < MINI_TRACKS:
        return [("missing", "-", f"{MINI_TRACKS - len(tracks)} of mini's {MINI_TRACKS} tracks")]
    return []


def _skipped(source: dataset.Source) -> list[Path]:
    folders = sorted(entry for entry in source.path.iterdir() if entry.is_dir())
    return [
        other
        for folder in folders
        if not folder.name.startswith(".")
        for other in dataset.scan(folder)[1]
    ]
