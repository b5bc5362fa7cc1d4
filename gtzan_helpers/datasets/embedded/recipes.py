"""The recipes of the ten genres, and the instruments that play them."""

import json
from dataclasses import dataclass

from gtzan_helpers import config

_FACTS = json.loads((config.facts_dir() / "recipes.json").read_text(encoding="utf-8"))

SCALES: dict[str, list[int]] = _FACTS["scales"]
CHORDS: dict[str, list[int]] = _FACTS["chords"]
# Genres that an artist may borrow from.
NEIGHBOURS: dict[str, list[str]] = _FACTS["neighbours"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Recipe:
    """What defines a genre; artists draw from the ranges (low, high).

    Attributes
    ----------
    tempo : beats per minute
    scale : key of `SCALES`
    progressions : of chords, one per bar: ``"0:maj 9:min"``, semitones above the tonic and a key of
        `CHORDS`
    drums : {drum: pattern}, sixteen steps per bar; x loud, o soft
    bass : pattern of sixteen steps; r root, f fifth, o octave, w a walking step
    comp : how chords are played: pattern of sixteen steps; x short, o short and soft, p held
    comp_timbre, lead_timbre : keys of `TIMBRES`
    lead : notes of the melody per bar
    swing : where the second eighth note falls in its beat; 0.5 is straight
    drive : gain before the distortion
    room : reverberation in seconds
    cutoff : frequency in Hz above which the recording loses its treble
    levels : loudness of drums, bass, comp, lead
    beats : beats per bar
    """

    tempo: Range
    scale: str
    progressions: tuple[str, ...]
    drums: dict[str, str]
    bass: str
    comp: str
    comp_timbre: str
    lead_timbre: str
    lead: float
    swing: Range
    drive: Range
    room: Range
    cutoff: Range
    levels: tuple[float, float, float, float]
    beats: int


@dataclass(frozen=True)
class Timbre:
    """An instrument: how its harmonics fall off, how a note swells and decays."""

    rolloff: float
    even: float
    attack: float
    decay: float
    formants: tuple[float, ...] = ()


TIMBRES = {name: Timbre(**timbre) for name, timbre in _FACTS["timbres"].items()}
RECIPES = {genre: Recipe(**recipe) for genre, recipe in _FACTS["recipes"].items()}
