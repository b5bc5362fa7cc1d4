"""The recipes of the ten genres, and the instruments that play them."""

import json
from dataclasses import dataclass
from functools import cache

from gtzan_helpers import config

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "blues": (0, 3, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}

CHORDS = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dom": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "five": (0, 7, 12),
}

NEIGHBOURS = {
    "blues": ("rock", "jazz", "country"),
    "classical": ("jazz",),
    "country": ("rock", "blues", "pop"),
    "disco": ("pop", "hiphop"),
    "hiphop": ("reggae", "pop", "disco"),
    "jazz": ("blues", "classical"),
    "metal": ("rock",),
    "pop": ("disco", "rock", "hiphop"),
    "reggae": ("hiphop", "pop"),
    "rock": ("metal", "country", "blues", "pop"),
}
"""Genres that an artist may borrow from."""

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


@cache
def load_recipe(genre: str) -> Recipe:
    """Load the recipe of a genre from `facts/recipes.json`."""
    text = (config.facts_dir() / "recipes.json").read_text(encoding="utf-8")
    return Recipe(**json.loads(text)[genre])


@dataclass(frozen=True)
class Timbre:
    """An instrument: how its harmonics fall off, how a note swells and decays."""

    rolloff: float
    even: float
    attack: float
    decay: float
    formants: tuple[float, ...] = ()


TIMBRES = {
    "guitar": Timbre(1.3, 0.9, 0.004, 0.7),
    "steel": Timbre(0.9, 1.0, 0.003, 0.5),
    "piano": Timbre(1.7, 1.0, 0.006, 0.9),
    "strings": Timbre(1.2, 1.0, 0.09, 6.0),
    "organ": Timbre(1.5, 0.4, 0.01, 9.0),
    "synth": Timbre(1.0, 1.0, 0.01, 1.2),
    "reed": Timbre(1.1, 0.35, 0.03, 2.5, (1100.0,)),
    "voice": Timbre(1.2, 1.0, 0.05, 1.5, (700.0, 1200.0, 2700.0)),
    "bass": Timbre(1.8, 1.0, 0.006, 0.6),
}
