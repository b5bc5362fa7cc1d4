"""The embedded dataset: ten musical recipes, played by artists, with known faults.

GTZAN may not be shipped, so the series brings music of its own. Ten *recipes* carry GTZAN's
genre names and differ as genres do: tempo, metre, drum pattern, swing, harmony, instruments,
distortion, room. *Artists* draw their sound from a recipe once and keep it: instruments,
drum kit, effects, recording. *Tracks* are what an artist plays: key, tempo, chords, melody,
arrangement. Recipes overlap, and some artists borrow from a neighbouring genre.

Its faults are GTZAN's, only that here they are known: replicas (exact, or cut and levelled
otherwise), wrong labels, and few artists. `plan` tells the truth about every track.

Taught in notebook 00.
"""

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config, files

SR = config.SR
"""Sampling rate of the embedded dataset, in Hz."""

TRACKS_PER_ARTIST = 4
ARTISTS = (4, 8)
"""Artists a genre has at least (one to choose with, one to test), and at most: few, as in GTZAN."""

REPLICA_SHARE = 0.05
WRONG_LABEL_SHARE = 0.04
PARTITION_SHARES = {"train": 0.45, "valid": 0.25, "test": 0.30}

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


@dataclass(frozen=True)
class Recipe:
    """What makes a genre; ranges are what artists draw from.

    Attributes
    ----------
    tempo : (low, high), beats a minute
    scale : key of `SCALES`
    progressions : tuples of (semitones above the tonic, key of `CHORDS`), one chord a bar
    drums : {drum: pattern}, sixteen steps a bar; x loud, o soft
    bass : pattern of sixteen steps; r root, f fifth, o octave, w a walking step
    comp : how chords are played: pattern of sixteen steps, x struck short, p held
    comp_timbre, lead_timbre : keys of `TIMBRES`
    lead : notes of melody a bar
    swing : (low, high), where the second eighth falls in its beat; 0.5 is straight
    drive : (low, high), gain before the distortion
    room : (low, high), reverberation in seconds
    cutoff : (low, high), Hz above which the recording loses its treble
    levels : loudness of drums, bass, comp, lead
    beats : beats a bar
    """

    tempo: tuple[float, float]
    scale: str
    progressions: tuple[tuple[tuple[int, str], ...], ...]
    drums: dict[str, str]
    bass: str
    comp: str
    comp_timbre: str
    lead_timbre: str
    lead: float
    swing: tuple[float, float]
    drive: tuple[float, float]
    room: tuple[float, float]
    cutoff: tuple[float, float]
    levels: tuple[float, float, float, float]
    beats: int = 4


@dataclass(frozen=True)
class Timbre:
    """An instrument: how fast harmonics fall, how a note swells and dies."""

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

RECIPES: dict[str, Recipe] = {
    "blues": Recipe(
        (72, 118), "blues",
        (((0, "dom"), (5, "dom"), (0, "dom"), (0, "dom"), (5, "dom"), (5, "dom"),
          (0, "dom"), (0, "dom"), (7, "dom"), (5, "dom"), (0, "dom"), (7, "dom")),),
        {"kick": "x.......x.......", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.o."},
        "r...f...w...f...", "x.....x.x.....x.", "guitar", "guitar", 5,
        (0.60, 0.67), (1.5, 4.0), (0.2, 0.6), (3200, 7000), (0.8, 0.9, 0.7, 0.8),
    ),
    "classical": Recipe(
        (66, 126), "major",
        (((0, "maj"), (5, "maj"), (7, "maj"), (0, "maj")),
         ((0, "maj"), (9, "min"), (2, "min"), (7, "maj"))),
        {}, "r.......f.......", "p.......p.......", "strings", "strings", 6,
        (0.5, 0.5), (0.2, 0.5), (1.0, 2.2), (3000, 7000), (0.0, 0.5, 0.8, 1.0), 3,
    ),
    "country": Recipe(
        (92, 140), "major",
        (((0, "maj"), (5, "maj"), (0, "maj"), (7, "maj")),
         ((0, "maj"), (0, "maj"), (5, "maj"), (7, "maj"))),
        {"kick": "x.......x.......", "snare": "o.o.x.o.o.o.x.oo", "hat": "..o...o...o...o."},
        "r.......f.......", "....x.o.....x.o.", "steel", "steel", 6,
        (0.5, 0.56), (0.4, 1.5), (0.2, 0.6), (5000, 9500), (0.6, 0.9, 0.9, 0.8),
    ),
    "disco": Recipe(
        (110, 130), "minor",
        (((0, "min7"), (5, "min7"), (10, "maj"), (3, "maj7")),
         ((0, "min"), (8, "maj"), (10, "maj"), (0, "min"))),
        {"kick": "x...x...x...x...", "clap": "....x.......x...", "open": "..x...x...x...x.",
         "hat": "o.o.o.o.o.o.o.o."},
        "r.o.r.o.r.o.r.o.", "p.....x...x.....", "strings", "voice", 4,
        (0.5, 0.52), (0.4, 1.2), (0.2, 0.6), (5000, 9500), (1.0, 0.9, 0.7, 0.7),
    ),
    "hiphop": Recipe(
        (80, 106), "minor",
        (((0, "min7"), (0, "min7"), (8, "maj7"), (7, "min")),
         ((0, "min"), (3, "maj"), (0, "min"), (10, "maj"))),
        {"kick": "x......x..x.....", "snare": "....x.......x...", "hat": "o.o.o.ooo.o.o.o."},
        "r......r..r.....", "x...........o...", "piano", "voice", 9,
        (0.5, 0.60), (0.6, 2.5), (0.1, 0.4), (4000, 9500), (1.1, 1.3, 0.4, 0.8),
    ),
    "jazz": Recipe(
        (104, 184), "major",
        (((2, "min7"), (7, "dom"), (0, "maj7"), (0, "maj7")),
         ((0, "maj7"), (9, "dom"), (2, "min7"), (7, "dom"))),
        {"ride": "x...x.o.x...x.o.", "hat": "....o.......o...", "kick": "o..............."},
        "r...w...w...w...", "...x......x.....", "piano", "reed", 7,
        (0.60, 0.67), (0.3, 1.0), (0.4, 1.0), (3500, 8000), (0.5, 0.9, 0.5, 0.9),
    ),
    "metal": Recipe(
        (104, 178), "phrygian",
        (((0, "five"), (0, "five"), (1, "five"), (0, "five")),
         ((0, "five"), (8, "five"), (10, "five"), (1, "five"))),
        {"kick": "x.xxx.xxx.xxx.xx", "snare": "....x.......x...", "open": "x...x...x...x..."},
        "r.rrr.rrr.rrr.rr", "x.xxx.xxp...x.xx", "guitar", "guitar", 5,
        (0.5, 0.5), (10, 30), (0.1, 0.4), (7000, 10500), (0.9, 0.7, 1.2, 0.5),
    ),
    "pop": Recipe(
        (94, 130), "major",
        (((0, "maj"), (7, "maj"), (9, "min"), (5, "maj")),
         ((9, "min"), (5, "maj"), (0, "maj"), (7, "maj"))),
        {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "o.o.o.o.o.o.o.o."},
        "r...r...r...r...", "p.......x...x...", "synth", "voice", 6,
        (0.5, 0.53), (0.5, 2.0), (0.2, 0.6), (6000, 10500), (1.1, 0.6, 0.8, 0.9),
    ),
    "reggae": Recipe(
        (68, 92), "minor",
        (((0, "min"), (10, "maj"), (0, "min"), (10, "maj")),
         ((0, "min"), (5, "min"), (0, "min"), (7, "min"))),
        {"kick": "........x.......", "rim": "........x.......", "hat": "o.o.o.o.o.o.o.o."},
        "r..r..f.....r.f.", "....x.......x...", "organ", "voice", 5,
        (0.5, 0.60), (0.4, 1.5), (0.3, 0.9), (3000, 7500), (0.8, 1.3, 0.9, 0.7),
    ),
    "rock": Recipe(
        (100, 152), "major",
        (((0, "five"), (10, "five"), (5, "five"), (0, "five")),
         ((0, "maj"), (7, "maj"), (5, "maj"), (5, "maj"))),
        {"kick": "x.....x.x.x.....", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.o."},
        "r.r.r.r.r.r.r.r.", "x.x.x.x.x.x.x.x.", "guitar", "guitar", 5,
        (0.5, 0.52), (4, 14), (0.2, 0.6), (5500, 10000), (1.0, 0.6, 1.1, 0.7),
    ),
}  # fmt: skip

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

BORROWING_SHARE = 0.7

SONG_SPREAD = 0.4
"""How far the mix of one song is from that of the next by the same artist."""


# The plan


def plan(n_tracks: int, *, seed: int) -> pd.DataFrame:
    """Decide what every track is, before any is played.

    Parameters
    ----------
    n_tracks : int
        In all; at least four a genre.
    seed : int
        Random seed.

    Returns
    -------
    DataFrame, one row per track
        `track_id` (``blues.s0000``: never to be taken for one of GTZAN's), `genre` (the label,
        right or wrong), `true_genre`, `artist_group`, `song` (tracks of one song are replicas),
        `duplicate_of`, `replica` ("none", "exact", "near"),
        `sturm_removed` and `fault_filtered` as in every table of tracks.
    """
    rng = np.random.default_rng([seed, 0])
    genres = np.repeat(config.GENRES, -(-n_tracks // len(config.GENRES)))
    tracks = pd.DataFrame({"genre": np.sort(genres)[:n_tracks]})
    if n_tracks < 4 * len(config.GENRES):
        raise ValueError(f"n_tracks={n_tracks} is too few: four a genre are needed")
    number = tracks.groupby("genre").cumcount()
    tracks.insert(
        0, "track_id", [f"{g}.s{i:04d}" for g, i in zip(tracks.genre, number, strict=True)]
    )
    n_artists = tracks.genre.map(
        tracks.genre.value_counts().floordiv(TRACKS_PER_ARTIST).clip(*ARTISTS)
    )
    tracks["true_genre"] = tracks.genre
    tracks["artist"] = number % n_artists
    tracks["song"] = np.arange(n_tracks)
    tracks["duplicate_of"] = pd.Series(pd.NA, index=tracks.index, dtype="string")
    tracks["replica"] = "none"
    _plant_faults(tracks, rng)
    artists = tracks.true_genre + "/" + tracks.artist.astype(str)
    tracks["artist_group"] = pd.factorize(artists)[0]
    tracks["sturm_removed"] = tracks.duplicate_of.notna()
    tracks["fault_filtered"] = _partition(tracks, rng)
    return tracks


def _plant_faults(tracks: pd.DataFrame, rng: np.random.Generator) -> None:
    per_genre = tracks.groupby("genre").size()
    # Faults stay away from the first tracks of a genre, so that every artist keeps a sound one.
    spare = tracks.index[tracks.groupby("genre").cumcount() >= max(3, per_genre.min() // 2)]
    n_replicas = max(2, round(REPLICA_SHARE * len(tracks)))
    n_wrong = max(1, round(WRONG_LABEL_SHARE * len(tracks)))
    chosen = rng.permutation(spare)[: n_replicas + n_wrong]
    for k, index in enumerate(chosen[:n_replicas]):
        same = tracks.index[(tracks.genre == tracks.genre[index]) & ~tracks.index.isin(chosen)]
        original = rng.choice(same)
        tracks.loc[index, ["artist", "song"]] = tracks.loc[original, ["artist", "song"]].to_numpy()
        tracks.loc[index, "duplicate_of"] = tracks.track_id[original]
        tracks.loc[index, "replica"] = "exact" if k % 2 == 0 else "near"
    for index in chosen[n_replicas:]:
        tracks.loc[index, "true_genre"] = rng.choice(NEIGHBOURS[tracks.genre[index]])


def _partition(tracks: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Share artists out, genre by genre; faulty tracks are excluded."""
    part = pd.Series("excluded", index=tracks.index, dtype="string")
    sound = tracks[tracks.duplicate_of.isna() & (tracks.genre == tracks.true_genre)]
    for _, group in sound.groupby("genre"):
        artists = rng.permutation(group.artist_group.unique())
        n_valid = max(1, round(PARTITION_SHARES["valid"] * len(artists)))
        n_test = max(1, round(PARTITION_SHARES["test"] * len(artists)))
        names = np.repeat(
            ["test", "valid", "train"], [n_test, n_valid, len(artists) - n_test - n_valid]
        )
        owner = dict(zip(artists, names, strict=True))
        part[group.index] = group.artist_group.map(owner)
    return part


# Artists and songs


@dataclass(frozen=True)
class Artist:
    """A sound that stays: what an artist drew from a recipe once."""

    recipe: Recipe
    tempo: float
    swing: float
    drive: float
    room: float
    cutoff: float
    tilt: float
    hiss: float
    levels: np.ndarray
    comp_timbre: Timbre
    lead_timbre: Timbre
    bass_timbre: Timbre
    drum_tuning: float
    drum_decay: float
    drums: dict[str, str]
    comp: str
    lead_octave: int


def artist(genre: str, number: int, *, seed: int) -> Artist:
    """Draw the artist of that number in a genre; the same numbers give the same artist."""
    rng = np.random.default_rng([seed, 1, config.GENRES.index(genre), number])
    recipe = RECIPES[genre]
    other = recipe
    if rng.random() < BORROWING_SHARE:
        other = RECIPES[str(rng.choice(NEIGHBOURS[genre]))]
    borrowed = rng.random(3) < 0.5

    def between(name: str) -> float:
        low, high = np.log(getattr(recipe, name))
        far_low, far_high = np.log(getattr(other, name))
        return float(np.exp(0.5 * rng.uniform(low, high) + 0.5 * rng.uniform(far_low, far_high)))

    return Artist(
        recipe=recipe,
        tempo=float(rng.uniform(*recipe.tempo)),
        swing=float(rng.uniform(*recipe.swing)),
        drive=between("drive"),
        room=between("room"),
        cutoff=between("cutoff"),
        tilt=float(rng.normal(0, 2.0)),
        hiss=float(10 ** rng.uniform(-3.6, -2.4)),
        levels=np.array(recipe.levels) * np.exp(rng.normal(0, 0.35, 4)),
        comp_timbre=_vary((other if borrowed[0] else recipe).comp_timbre, rng),
        lead_timbre=_vary((other if borrowed[1] else recipe).lead_timbre, rng),
        bass_timbre=_vary("bass", rng),
        drum_tuning=float(np.exp(rng.normal(0, 0.2))),
        drum_decay=float(np.exp(rng.normal(0, 0.3))),
        drums=recipe.drums,
        comp=other.comp if borrowed[2] and other.beats == recipe.beats else recipe.comp,
        lead_octave=int(rng.integers(0, 2)),
    )


def _vary(name: str, rng: np.random.Generator) -> Timbre:
    base = TIMBRES[name]
    return Timbre(
        rolloff=base.rolloff * float(np.exp(rng.normal(0, 0.15))),
        even=base.even * float(rng.uniform(0.6, 1.0)),
        attack=base.attack * float(np.exp(rng.normal(0, 0.3))),
        decay=base.decay * float(np.exp(rng.normal(0, 0.3))),
        formants=tuple(f * float(np.exp(rng.normal(0, 0.1))) for f in base.formants),
    )


@dataclass(frozen=True)
class Song:
    """What one song is made of; `tonic` is a pitch class, 0 for C. Every song is mixed anew."""

    artist: Artist
    tonic: int
    tempo: float
    progression: tuple[tuple[int, str], ...]
    rng: np.random.Generator
    levels: np.ndarray
    tilt: float
    cutoff: float


def song(genre: str, artist_number: int, song_number: int, *, seed: int) -> Song:
    """Draw a song of an artist: key, tempo, chords."""
    rng = np.random.default_rng([seed, 2, song_number])
    player = artist(genre, artist_number, seed=seed)
    low, high = player.recipe.tempo
    return Song(
        artist=player,
        tonic=int(rng.integers(12)),
        tempo=float(np.clip(player.tempo * np.exp(rng.normal(0, 0.06)), low, high)),
        progression=player.recipe.progressions[rng.integers(len(player.recipe.progressions))],
        rng=rng,
        levels=player.levels * np.exp(rng.normal(0, SONG_SPREAD, 4)),
        tilt=player.tilt + float(rng.normal(0, 5 * SONG_SPREAD)),
        cutoff=player.cutoff * float(np.exp(rng.normal(0, 0.5 * SONG_SPREAD))),
    )


# Playing


def play(piece: Song, seconds: float) -> np.ndarray:
    """Play a song.

    Parameters
    ----------
    piece : Song
    seconds : float
        How long.

    Returns
    -------
    ndarray, shape (round(seconds * SR),), float32
        Audio at `SR` Hz, peaking below 1.
    """
    player, rng = piece.artist, piece.rng
    n_samples = round(seconds * SR)
    beat = 60 / piece.tempo * SR
    n_steps = 4 * player.recipe.beats
    n_bars = int(n_samples / (beat * player.recipe.beats)) + 1
    buses = np.zeros((4, n_samples), dtype=np.float32)
    kit = _drum_kit(player)
    bank = _Bank()
    lead_degree = 0
    for bar in range(n_bars):
        if bar % 4 == 0:  # a new section: somebody may rest
            resting = rng.random(4) < (0.10, 0.05, 0.12, 0.25)
        root, quality = piece.progression[bar % len(piece.progression)]
        start = bar * beat * player.recipe.beats
        times = [start + _swung(step, player.swing) * beat for step in range(n_steps)]
        if not resting[0]:
            _play_drums(buses[0], player, kit, times, rng)
        if not resting[1]:
            _play_bass(buses[1], piece, bank, root, times, beat)
        if not resting[2]:
            _play_chords(buses[2], piece, bank, root, CHORDS[quality], times, beat)
        if not resting[3]:
            lead_degree = _play_lead(buses[3], piece, bank, start, beat, lead_degree)
    return _produce(buses, piece)


def _swung(step: int, swing: float) -> float:
    """Time of a sixteenth in beats; swing moves the second half of each beat."""
    beat, part = divmod(step, 4)
    return beat + (part / 2 * swing if part <= 2 else swing + (part - 2) / 2 * (1 - swing))


def _add(bus: np.ndarray, sound: np.ndarray, at: float, gain: float) -> None:
    first = max(0, int(at))
    if first < bus.size:
        piece = sound[: max(0, bus.size - first)]
        bus[first : first + piece.size] += np.float32(gain) * piece


class _Bank:
    """Notes that were played before, so that each is computed once a song."""

    def __init__(self):
        self.notes: dict[tuple, np.ndarray] = {}

    def note(self, timbre: Timbre, pitch: int, length: int) -> np.ndarray:
        key = (id(timbre), pitch, length)
        if key not in self.notes:
            self.notes[key] = _note(timbre, 440 * 2 ** ((pitch - 69) / 12), length)
        return self.notes[key]


TABLE_SIZE = 2048


@lru_cache(maxsize=512)
def _wave(timbre: Timbre, n_harmonics: int, formant_step: int) -> np.ndarray:
    """One period of an instrument; formants need to know roughly how high it plays."""
    harmonics = np.arange(1, n_harmonics + 1)
    weights = harmonics**-timbre.rolloff
    weights[1::2] *= timbre.even
    if timbre.formants:
        frequencies = harmonics * 55 * 2 ** (formant_step / 4)
        peaks = [np.exp(-((np.log2(frequencies / f)) ** 2) / 0.1) for f in timbre.formants]
        weights = weights * (0.15 + np.sum(peaks, axis=0))
    spectrum = np.zeros(TABLE_SIZE // 2 + 1, dtype=complex)
    spectrum[1 : n_harmonics + 1] = -1j * weights
    wave = np.fft.irfft(spectrum)
    return (wave / np.abs(wave).max()).astype(np.float32)


def _note(timbre: Timbre, frequency: float, length: int) -> np.ndarray:
    n_harmonics = int(np.clip(0.45 * SR / frequency, 1, 40))
    wave = _wave(timbre, n_harmonics, round(4 * np.log2(frequency / 55)))
    n = np.arange(length, dtype=np.float32)
    phase = (np.arange(length) * (frequency * TABLE_SIZE / SR)).astype(np.int64) % TABLE_SIZE
    envelope = np.exp(n * np.float32(-1 / (timbre.decay * SR)))
    rise = min(length, max(1, int(timbre.attack * SR)))
    envelope[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    fall = min(length, 400)
    envelope[-fall:] *= np.linspace(1, 0, fall, dtype=np.float32)
    return wave[phase] * envelope


def _play_bass(bus, piece: Song, bank: _Bank, root: int, times, beat: float) -> None:
    pattern = piece.artist.recipe.bass
    scale = SCALES[piece.artist.recipe.scale]
    struck = [step for step in range(len(times)) if pattern[step] != "."]
    for step, until in zip(struck, [*struck[1:], len(times)], strict=True):
        up = {"r": 0, "f": 7, "o": 12}.get(pattern[step])
        if up is None:
            up = scale[piece.rng.integers(1, len(scale))] - root
        pitch = 28 + (piece.tonic + root + up - 28) % 12 + (12 if pattern[step] == "o" else 0)
        length = int(min(until - step, 6) * beat / 4 * 0.95)
        _add(bus, bank.note(piece.artist.bass_timbre, pitch, length), times[step], 0.5)


def _play_chords(bus, piece: Song, bank: _Bank, root: int, chord, times, beat: float) -> None:
    pitches = [48 + (piece.tonic + root) % 12 + interval for interval in chord]
    pattern = piece.artist.comp
    for step in range(len(times)):
        if pattern[step] == ".":
            continue
        length = int(beat * (2.0 if pattern[step] == "p" else 0.45))
        gain = (0.12 if pattern[step] == "o" else 0.2) * piece.rng.uniform(0.8, 1.2)
        strum = 0.012 * SR * (piece.artist.comp_timbre.attack < 0.005)
        for k, pitch in enumerate(pitches):
            sound = bank.note(piece.artist.comp_timbre, pitch, length)
            _add(bus, sound, times[step] + k * strum, gain)


def _play_lead(bus, piece: Song, bank: _Bank, start, beat: float, degree: int) -> int:
    """Walk up and down the scale; returns where the walk has got to."""
    recipe, rng = piece.artist.recipe, piece.rng
    scale = SCALES[recipe.scale]
    n_notes = max(1, rng.poisson(recipe.lead))
    steps = np.sort(rng.permutation(4 * recipe.beats)[:n_notes])
    for step, until in zip(steps, [*steps[1:], 4 * recipe.beats], strict=True):
        degree = int(np.clip(degree + rng.integers(-2, 3), -3, 9))
        octave, index = divmod(degree, len(scale))
        # Around middle C, whatever the key.
        pitch = 54 + (piece.tonic + 6) % 12 + scale[index]
        pitch += 12 * (octave + piece.artist.lead_octave)
        pitch -= 12 * (pitch > 84)
        length = int(min(until - step, 6) * beat / 4)
        sound = bank.note(piece.artist.lead_timbre, pitch, length)
        at = start + _swung(int(step), piece.artist.swing) * beat
        _add(bus, sound, at, 0.35 * rng.uniform(0.7, 1.2))
    return degree


def _play_drums(bus, player: Artist, kit, times, rng: np.random.Generator) -> None:
    for drum, pattern in player.drums.items():
        for step in range(len(times)):
            if pattern[step] != ".":
                gain = (0.45 if pattern[step] == "o" else 0.9) * rng.uniform(0.8, 1.1)
                _add(bus, kit[drum], times[step] + rng.normal(0, 0.003) * SR + 200, gain)


def _drum_kit(player: Artist) -> dict[str, np.ndarray]:
    """Synthesise the drums an artist owns."""
    rng = np.random.default_rng(int(1e6 * player.drum_tuning))
    t = np.arange(int(0.5 * SR)) / SR
    noise = rng.standard_normal(t.size)
    bright = np.diff(noise, prepend=0.0) / 1.4
    tuning, decay = player.drum_tuning, player.drum_decay

    def fade(seconds: float) -> np.ndarray:
        return np.exp(-t / (seconds * decay))

    def tone(frequency: float) -> np.ndarray:
        return np.sin(2 * np.pi * frequency * tuning * t)

    sweep = np.sin(2 * np.pi * tuning * (50 * t + 7 * (1 - np.exp(-t / 0.03))))
    kit = {
        "kick": 1.2 * sweep * fade(0.09) + 0.3 * bright * fade(0.003),
        "snare": 0.5 * tone(185) * fade(0.05) + 0.45 * noise * fade(0.07),
        "clap": 0.5 * bright * fade(0.06),
        "rim": 0.6 * tone(820) * fade(0.012) + 0.2 * noise * fade(0.01),
        "hat": 0.3 * bright * fade(0.018),
        "open": 0.3 * bright * fade(0.11),
        "ride": 0.14 * bright * fade(0.16) + 0.03 * tone(3150) * fade(0.2),
    }
    return {name: sound.astype(np.float32) for name, sound in kit.items()}


def _produce(buses: np.ndarray, piece: Song) -> np.ndarray:
    """Mix, distort, put into a room, and record: one transform there and back for all of it."""
    player, rng = piece.artist, piece.rng
    drums, bass, comp, lead = (
        bus * np.float32(level) for bus, level in zip(buses, piece.levels, strict=True)
    )
    guitars = np.tanh(np.float32(player.drive) * (comp + 0.5 * lead))
    guitars *= np.float32(0.5 / np.tanh(max(player.drive, 0.5)))
    mix = 0.7 * drums + 0.8 * bass + guitars + 0.5 * lead
    mix += np.float32(player.hiss) * rng.standard_normal(mix.size, dtype=np.float32)
    echo_length = int(0.7 * player.room * SR)
    size = _fast_length(mix.size + echo_length)
    # A stream of its own: the room is the same however long the track.
    echo = rng.spawn(1)[0].standard_normal(echo_length) * np.exp(
        -5 * np.arange(echo_length) / echo_length
    )
    echo[0] = 0
    echo *= 0.35 * np.sqrt(player.room) / np.linalg.norm(echo)
    echo[0] = 1
    response = np.fft.rfft(echo, size) * _recording(size, piece)
    import scipy.fft

    y = scipy.fft.irfft(scipy.fft.rfft(mix, size) * response.astype(np.complex64), size)
    y = y[: mix.size]
    return (y * (0.8 / max(1e-9, np.abs(y).max()))).astype(np.float32)


def _fast_length(n: int) -> int:
    import scipy.fft

    return scipy.fft.next_fast_len(n, real=True)


def _recording(size: int, piece: Song) -> np.ndarray:
    """Frequency response of the recording: a tilt in dB an octave's worth, and lost treble."""
    frequency = np.fft.rfftfreq(size, 1 / SR)
    octaves = np.log2(np.maximum(frequency, 20) / 1000)
    tilt = 10 ** (piece.tilt * octaves / 60)
    low_cut = frequency / np.hypot(frequency, 40)
    return tilt * low_cut / np.sqrt(1 + (frequency / piece.cutoff) ** 6)


# The dataset on disk


def render(track: pd.Series, seconds: float, *, seed: int) -> np.ndarray:
    """Play one track of a plan.

    Parameters
    ----------
    track : Series
        A row of `plan`.
    seconds : float
        How long.
    seed : int
        The seed of the plan.

    Returns
    -------
    ndarray, shape (round(seconds * SR),), float32
    """
    piece = song(track.true_genre, int(track.artist), int(track.song), seed=seed)
    if track.replica != "near":
        return play(piece, seconds)
    # The same recording, cut half a second later, softer, and through a coarser converter.
    y = play(piece, seconds + 0.5)[round(0.5 * SR) :]
    return (np.round(0.6 * y * 2**11) / 2**11).astype(np.float32)


def make(
    folder: str | Path, *, n_tracks: int, seconds: float, seed: int, jobs: int = 1
) -> pd.DataFrame:
    """Write the embedded dataset as WAV files, unless it is there already.

    Parameters
    ----------
    folder : str or Path
        Where ``<genre>/<track_id>.wav`` and the plan, `plan.csv`, go.
    n_tracks, seconds, seed
        Size and random seed; the bytes written depend on nothing else.
    jobs : int
        Processes to use.

    Returns
    -------
    DataFrame
        The plan.
    """
    from joblib import Parallel, delayed

    folder = Path(folder)
    tracks = plan(n_tracks, seed=seed)
    if not (folder / "plan.csv").exists():
        missing = [row for _, row in tracks.iterrows() if not _path(folder, row).exists()]
        Parallel(n_jobs=jobs)(delayed(_write)(folder, row, seconds, seed) for row in missing)
        files.write_text(folder / "plan.csv", tracks.to_csv(index=False))
    return tracks


def _path(folder: Path, track: pd.Series) -> Path:
    return folder / track.genre / f"{track.track_id}.wav"


def _write(folder: Path, track: pd.Series, seconds: float, seed: int) -> None:
    import soundfile

    # Encoded in memory, because libsndfile does not say when a disk is full.
    coded = io.BytesIO()
    soundfile.write(coded, render(track, seconds, seed=seed), SR, subtype="PCM_16", format="WAV")
    with files.replacing(_path(folder, track)) as temporary:
        temporary.write_bytes(coded.getvalue())
