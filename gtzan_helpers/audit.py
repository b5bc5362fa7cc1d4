"""What is wrong with a dataset: unreadable, odd, twice in it, missing."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from gtzan_helpers import (
    audio,
    config,
    dataset,
    features,
    fingerprints,
    packs,
    progress,
)
from gtzan_helpers.errors import AudioError, NotPossibleError
from gtzan_helpers.workers import Workers

FAULTS = ("unreadable", "odd", "duplicate", "near replica", "missing")

MINI_TRACKS = 100
CLIPPED_SHARE = 0.001
"""Share of samples at full scale above which a recording counts as clipped."""

DC_OFFSET = 0.02
SILENT_PEAK = 1e-4
SILENT_SECONDS = 2.0

REPLICA_ERROR_RATE = 0.25
"""Fingerprints in which fewer bits differ are of one recording. It lies between two populations:
copies of `mini` and of the embedded dataset, re-encoded, cut and levelled, stay below 0.20; no two
of the embedded dataset's 1000 songs, which share bands, beats and tempi, come below 0.26."""

PRINT_SECONDS = 300.0
"""How much of a recording its fingerprint is taken of, so that memory has a bound."""


@dataclass(frozen=True)
class Audit:
    """Findings about a source.

    Attributes
    ----------
    n_tracks : int
        Recordings looked at.
    findings : DataFrame
        `fault` (one of `FAULTS`), `track_id`, `what`.
    skipped : list of Path
        Files among the recordings that are no audio by their names; no fault.
    left_out : str
        What could not be looked at; empty for audio.
    prints : dict of {str: ndarray}
        Fingerprint of each track, by its id; without a frame where it cannot be read.
    """

    n_tracks: int
    findings: pd.DataFrame
    skipped: list[Path]
    left_out: str
    prints: dict[str, np.ndarray]


def check(source: str | Path | dataset.Source, *, jobs: int | None = None) -> Audit:
    """Look at every recording of an audio source, or at every spectrogram of a pack.

    Parameters
    ----------
    source : str, Path or Source
        See `dataset.resolve`.
    jobs : int or None
        Processes; None for as many as there are cores.

    Returns
    -------
    Audit

    Raises
    ------
    NotPossibleError
        If the source holds neither audio nor log-mel spectrograms.
    """
    found = source if isinstance(source, dataset.Source) else dataset.resolve(source)
    if found.kind not in ("audio", "pack"):
        raise NotPossibleError(f"{found.name} is a {found.kind}; only audio and packs are checked")
    tracks = dataset.load(found)
    left_out = ""
    if found.kind == "audio":
        heard = _hear(tracks, jobs)
    else:
        heard, tracks = _heard_in(packs.read(found.path), tracks)
        left_out = "clipping, silence, DC offset, rate, length: a pack holds no sound"
    findings = [
        (fault, track_id, what)
        for track_id, (faults, _) in zip(tracks.track_id, heard, strict=True)
        for fault, what in faults
    ]
    prints = {t: print_ for t, (_, print_) in zip(tracks.track_id, heard, strict=True)}
    findings += _duplicates(tracks) + _near_replicas(tracks, prints) + _missing(found, tracks)
    return Audit(
        len(tracks),
        pd.DataFrame(findings, columns=["fault", "track_id", "what"]),
        _skipped(found, tracks),
        left_out,
        prints,
    )


# One recording


_Heard = tuple[list[tuple[str, str]], np.ndarray]
"""Faults of one recording, each with its kind, and its fingerprint."""


def _hear(tracks: pd.DataFrame, jobs: int | None) -> list[_Heard]:
    tasks = [(path,) for path in tracks.path]
    heard = Workers(jobs or joblib.cpu_count()).map(_listen, tasks)
    return list(progress.bar(heard, total=len(tasks), description="check", unit="track"))


def _heard_in(pack: packs.Pack, tracks: pd.DataFrame) -> tuple[list[_Heard], pd.DataFrame]:
    """What a pack tells of its tracks, and the hash of each spectrogram as that of its file."""
    rows = pd.Index(pack.track_id).get_indexer(tracks.track_id)
    rate = 1 / pack.frame_period
    heard: list[_Heard] = [
        ([], fingerprints.take(pack.log_mel(row), frame_rate=rate)) for row in rows
    ]
    hashes = [hashlib.md5(pack.stored[row].tobytes()).hexdigest() for row in rows]
    return heard, tracks.assign(md5=hashes)


def _listen(path: str) -> _Heard:
    try:
        y, sr = audio.read(path)
    except AudioError as error:
        return [("unreadable", str(error).removeprefix(f"{path}: "))], fingerprints.EMPTY
    faults = []
    if sr != config.SR:
        faults.append(f"{sr} Hz, not {config.SR}; it will be resampled")
    if (channels := audio.header(path)[2]) > 1:
        faults.append(f"{channels} channels; their mean will be taken")
    if y.size < 3 * sr:
        faults.append(f"lasts {y.size / sr:.2f} s; a segment of 3 s repeats it")
    if np.mean(np.abs(y) >= 0.999) > CLIPPED_SHARE:
        faults.append(f"clipped: {np.mean(np.abs(y) >= 0.999):.2%} of the samples at full scale")
    if abs(float(y.mean())) > DC_OFFSET:
        faults.append(f"DC offset of {float(y.mean()):+.3f}")
    if (seconds := _silence(y, sr)) > SILENT_SECONDS:
        faults.append(f"silent for {seconds:.1f} s of {y.size / sr:.1f} s")
    return [("odd", what) for what in faults], fingerprint(y, sr)


def _silence(y: np.ndarray, sr: int) -> float:
    """Seconds in which nothing is to be heard, counted by tenths."""
    length = sr // 10
    peaks = np.abs(y[: y.size // length * length]).reshape(-1, length).max(axis=1)
    return np.count_nonzero(peaks < SILENT_PEAK) / 10


def fingerprint(y: np.ndarray, sr: int) -> np.ndarray:
    """Take the fingerprint of a recording; see `fingerprints.take`.

    Parameters
    ----------
    y : ndarray, shape (n_samples,)
        Of which `PRINT_SECONDS` are used.
    sr : int
        Its sampling rate in Hz.

    Returns
    -------
    ndarray, shape (n_frames, 32), int8
    """
    y = y[: round(PRINT_SECONDS * sr)]
    if sr != config.SR:
        y = audio.resample(y, sr=sr, target_sr=config.SR)
    log_mel = features.log_mel(y, sr=config.SR)
    return fingerprints.take(log_mel, frame_rate=config.SR / features.HOP_LENGTH)


# Recordings compared


def _duplicates(tracks: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Tracks of the same bytes as an earlier one."""
    genre = tracks.set_index("track_id").genre
    originals = _originals(tracks)
    return [
        ("duplicate", copy, f"the same music as {original}{_elsewhere(genre, copy, original)}")
        for copy, original in zip(tracks.track_id, originals, strict=True)
        if copy != original
    ]


def _originals(tracks: pd.DataFrame) -> pd.Series:
    """Of each track, the first one with the same bytes."""
    known = tracks.md5.fillna(tracks.track_id)  # a file that cannot be read is like no other
    return tracks.groupby(known).track_id.transform("first")


def _near_replicas(
    tracks: pd.DataFrame, prints: dict[str, np.ndarray]
) -> list[tuple[str, str, str]]:
    """Tracks that sound like an earlier one; of several, the likest is named."""
    firsts = tracks.track_id[_originals(tracks) == tracks.track_id].tolist()
    likest: dict[int, fingerprints.Match] = {}
    for match in fingerprints.search([prints[track_id] for track_id in firsts]):
        known = likest.get(match.other, match)
        if match.error_rate <= min(known.error_rate, REPLICA_ERROR_RATE):
            likest[match.other] = match
    genre = tracks.set_index("track_id").genre
    findings = []
    for place, match in sorted(likest.items()):
        copy, original = firsts[place], firsts[match.one]
        what = (
            f"sounds like {original} (bit error rate {match.error_rate:.2f}, shifted by "
            f"{match.shift:+.1f} s){_elsewhere(genre, copy, original)}"
        )
        findings.append(("near replica", copy, what))
    return findings


def _elsewhere(genre: pd.Series, copy: str, original: str) -> str:
    return "" if genre[copy] == genre[original] else ", under another label"


def _missing(source: dataset.Source, tracks: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Tracks that a named dataset should have; of other folders nobody knows."""
    if source.profile.track_limit:  # a sample
        return []
    if source.name == "gtzan":
        expected = dataset.gtzan_facts().track_id
        absent = sorted(set(expected) - set(tracks.track_id))
        return [("missing", track_id, "one of GTZAN's 1000 tracks") for track_id in absent]
    if source.name == "mini" and len(tracks) < MINI_TRACKS:
        return [("missing", "-", f"{MINI_TRACKS - len(tracks)} of mini's {MINI_TRACKS} tracks")]
    return []


def _skipped(source: dataset.Source, tracks: pd.DataFrame) -> list[Path]:
    if source.kind != "audio":
        return []
    seen = source.path.rglob("*")
    shown = (p for p in seen if not any(n[0] == "." for n in p.relative_to(source.path).parts))
    used = set(tracks.path)
    others = (path for path in shown if path.is_file() and str(path) not in used)
    return sorted(
        path
        for path in others
        # Beside the labels' folders there may be whatever there is, but music.
        if path.parent.parent == source.path or path.suffix.lower() in audio.SUFFIXES
    )
