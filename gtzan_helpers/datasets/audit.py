"""What is wrong with a dataset: unreadable, odd, duplicate, missing and wrong tracks."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.audio import reading
from gtzan_helpers.datasets import Source, fingerprints, gtzan_facts, open_source
from gtzan_helpers.datasets.kinds.recordings import Look, Recordings, look_at
from gtzan_helpers.errors import AudioError, AudioWarning, NotPossibleError
from gtzan_helpers.workers import Workers, progress_bar

#: The kinds of faults.
FAULTS = ("unreadable", "odd", "duplicate", "near replica", "missing", "wrong")

#: The kinds of findings; that a track is GTZAN's under another name is no fault.
FINDINGS = (*FAULTS, "recognised")

# Ids of the tracks of the datasets that can be fetched. Mini has the first ten of each label, but
# for two of jazz.
FETCHED = {"gtzan": ".+", "mini": r"(?!jazz)\w+\.0000\d|jazz\.000(0[0-24-8]|1[12])"}

# Share of samples at full scale above which a recording counts as clipped.
CLIPPED_SHARE = 0.001

DC_OFFSET = 0.02
SILENT_PEAK = 1e-4
SILENT_SECONDS = 1.0

# The music begins, and ends, at this share of the peak.
QUIET_SHARE = 1e-3

# Fingerprints with a lower bit error rate are of the same recording. The value separates two
# populations: duplicates in `mini` and the embedded dataset, encoded again, cut and scaled, stay
# below 0.20; no two of the embedded dataset's 1000 songs, which share bands, beats and tempi, get
# below 0.26.
DUPLICATE_ERROR_RATE = 0.25

# A fault, the id of the track, and a description.
Finding = tuple[str, str, str]


@dataclass(frozen=True)
class Audit:
    """Findings about a source.

    Attributes
    ----------
    n_tracks : int
        Number of tracks examined.
    findings : DataFrame
        `fault` (one of `FINDINGS`), `track_id`, `what` (a description).
    skipped : list of Path
        Files among the recordings whose names are not those of audio; not a fault.
    left_out : str
        What could not be examined; empty for audio.
    fingerprints : dict of {str: ndarray}
        Fingerprint of each track by its id; empty arrays for unreadable tracks.
    """

    n_tracks: int
    findings: pd.DataFrame
    skipped: list[Path]
    left_out: str
    fingerprints: dict[str, np.ndarray]


def check(source: str | Path | Source, *, jobs: int | None = None) -> Audit:
    """Examine every recording of an audio source, or every spectrogram of a pack.

    Parameters
    ----------
    source : str, Path or Source
        See `sources.open_source`.
    jobs : int or None
        Number of processes; None for one per core.

    Returns
    -------
    Audit

    Raises
    ------
    NotPossibleError
        If the source holds neither audio nor log-mel spectrograms.
    """
    source = open_source(source)
    tracks = source.tracks
    left_out = ""
    findings: list[Finding] = []
    bits: dict[str, np.ndarray] = {}
    if isinstance(source, Recordings):
        results = Workers(jobs or -1).map(_examine, [(path,) for path in tracks.path])
        examined = progress_bar(results, total=len(tracks), description="check", unit="track")
        for track_id, (faults, look) in zip(tracks.track_id, examined, strict=True):
            bits[track_id] = look.bits
            findings += [(fault, track_id, text) for fault, text in faults]
            if look.originals and track_id not in look.originals:
                sounds = f"{' and '.join(look.originals)} of GTZAN from {look.start_s:.1f} s"
                findings.append(("recognised", track_id, sounds))
    elif source.gives("log_mel"):
        for track_id, log_mel, frame_rate in source.log_mels():
            bits[track_id] = fingerprints.from_log_mel(log_mel, frame_rate=frame_rate)
        left_out = "clipping, silence, DC offset, rate, length: a pack holds no sound"
    else:
        raise NotPossibleError(f"{source.name} ({source.kind}): only audio and packs are checked")
    findings += _duplicates(tracks) + _near_duplicates(tracks, bits) + _differences(source)
    skipped = source.skipped if isinstance(source, Recordings) else []
    table = pd.DataFrame(findings, columns=["fault", "track_id", "what"])
    return Audit(len(tracks), table, skipped, left_out, bits)


def similar(source: Source, prints: dict[str, np.ndarray]) -> pd.DataFrame:
    """Pairs of tracks whose fingerprints are of one recording.

    Parameters
    ----------
    source : Source
    prints : dict of {str: ndarray}
        Fingerprints of its tracks; see `Audit`.

    Returns
    -------
    DataFrame, the least alike first
        `one`, `other`, `shift` (s by which the music of `other` begins later), `bits` (share that
        differ), `known` (whether the source lists one as a duplicate of the other, or both of a
        third).
    """
    matches = _alike(list(prints.values()))
    ids, tracks = np.array([*prints]), source.tracks.set_index("track_id")
    original = tracks.duplicate_of.fillna(tracks.index.to_series())
    table = pd.DataFrame({
        "one": ids[[m.one for m in matches]],
        "other": ids[[m.other for m in matches]],
        "shift": [m.shift for m in matches],
        "bits": [m.error_rate for m in matches],
    })  # fmt: skip
    table["known"] = table.one.map(original).eq(table.other.map(original))
    return table


def _alike(prints: list[np.ndarray]) -> list[fingerprints.Match]:
    """Pairs of fingerprints that are of one recording, the least alike first."""
    matches = [m for m in fingerprints.search(prints) if m.error_rate <= DUPLICATE_ERROR_RATE]
    return sorted(matches, key=lambda match: match.error_rate, reverse=True)


# One recording


def _examine(path: str) -> tuple[list[tuple[str, str]], Look]:
    """The faults of a recording, each with a description, and a first look at it."""
    look = look_at(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AudioWarning)  # the look has noticed it
            y, sr = reading.read(path)
    except AudioError as error:
        return [("unreadable", str(error).removeprefix(f"{path}: "))], look
    channels, seconds, offset = reading.header(path)[2], y.size / sr, float(y.mean())
    clipped = np.mean(np.abs(y) >= 0.999)
    # Silence is counted in tenths of a second.
    peaks = np.abs(y[: y.size // (sr // 10) * (sr // 10)]).reshape(-1, sr // 10).max(axis=1)
    sounds = np.flatnonzero(peaks > QUIET_SHARE * peaks.max())
    start, end = sounds[0] / 10, (len(peaks) - 1 - sounds[-1]) / 10
    silent = max(np.count_nonzero(peaks < SILENT_PEAK) / 10, start + end)
    ends = f" ({start:.1f} s before the music, {end:.1f} s after it)"
    oddities = {
        f"{sr} Hz, not {config.SR}; it will be resampled": sr != config.SR,
        f"{channels} channels, of which one will be made": channels > 1,
        f"lasts {seconds:.2f} s; a segment of 3 s repeats it": seconds < config.SEGMENT_SECONDS,
        f"clipped: {clipped:.2%} of the samples at full scale": clipped > CLIPPED_SHARE,
        f"DC offset of {offset:+.3f}": abs(offset) > DC_OFFSET,
        f"silent for {silent:.1f} s of {seconds:.1f} s{ends}": silent > SILENT_SECONDS,
        look.remark.removeprefix(f"{path}: "): bool(look.remark),
    }
    return [("odd", text) for text, is_odd in oddities.items() if is_odd], look


# Recordings compared


def _originals(tracks: pd.DataFrame) -> pd.Series:
    """The first track with the same content, for each track."""
    content = tracks.md5.fillna(tracks.track_id)  # an unreadable file is a duplicate of no other
    return tracks.groupby(content).track_id.transform("first")


def _duplicates(tracks: pd.DataFrame) -> list[Finding]:
    return [
        ("duplicate", one, f"the same music as {other}{_other_label(tracks, one, other)}")
        for one, other in zip(tracks.track_id, _originals(tracks), strict=True)
        if one != other
    ]


def _near_duplicates(tracks: pd.DataFrame, bits: dict[str, np.ndarray]) -> list[Finding]:
    """Tracks that sound like an earlier one, each with the most similar of these."""
    ids = tracks.track_id[_originals(tracks) == tracks.track_id].tolist()
    # Of several matches the last one counts, which is the closest.
    nearest = {match.other: match for match in _alike([bits[track_id] for track_id in ids])}
    findings = []
    for place, match in sorted(nearest.items()):
        track, original = ids[place], ids[match.one]
        how = f"bit error rate {match.error_rate:.2f}, shifted by {match.shift:+.1f} s"
        label = _other_label(tracks, track, original)
        findings.append(("near replica", track, f"sounds like {original} ({how}){label}"))
    return findings


def _other_label(tracks: pd.DataFrame, *ids: str) -> str:
    labels = set(tracks.genre[tracks.track_id.isin(ids)])
    return ", under another label" if len(labels) > 1 else ""


def expected_tracks(name: str) -> pd.Series:
    """The tracks of a dataset that can be fetched.

    Parameters
    ----------
    name : {"mini", "gtzan"}

    Returns
    -------
    Series of str
        MD5 of each track's WAV file, by ``<label>/<id>``.
    """
    facts = gtzan_facts()[lambda facts: facts.track_id.str.fullmatch(FETCHED[name])]
    return facts.set_index(facts.genre + "/" + facts.track_id).md5


def _differences(source: Source) -> list[Finding]:
    """How a dataset that can be fetched differs from GTZAN; other folders may hold anything."""
    name, tracks = source.address, source.tracks
    if name not in FETCHED or source.profile.track_limit:
        return []
    expected = expected_tracks(name)
    places = tracks.genre + "/" + tracks.path.map(lambda path: Path(path).stem)
    is_wrong = tracks.md5.fillna("").to_numpy() != expected.reindex(places).to_numpy()
    if not tracks.md5.isin(expected).any():  # encoded again: only names can be compared
        is_wrong = ~places.isin(expected.index)
    absent = sorted(set(expected.index) - set(places))
    missing, wrong = f"one of {name}'s {len(expected)} tracks", f"not {name}'s track of that name"
    findings = [("missing", place.partition("/")[2], missing) for place in absent]
    return findings + [("wrong", track_id, wrong) for track_id in tracks.track_id[is_wrong]]
