"""Artists, drawn from the recipes, and their songs."""

from dataclasses import dataclass

import numpy as np

from gtzan_helpers import config
from gtzan_helpers.datasets.embedded.recipes import NEIGHBOURS, RECIPES, TIMBRES, Recipe, Timbre

# Share of the artists who borrow from a neighbouring genre.
BORROWING_SHARE = 0.7

# How much the mix varies between songs of the same artist: so much that a segment tells more about
# the other segments of its song than about the artist's other songs, as on GTZAN (notebook 00).
SONG_SPREAD = 0.6


@dataclass(frozen=True)
class Artist:
    """A sound that stays the same: what an artist drew from a recipe once."""

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
    comp: str
    lead_octave: int


@dataclass(frozen=True)
class Song(Artist):
    """An artist's sound in one song: its own tempo and mix, and its chords.

    `tonic` is a pitch class, 0 for C.
    """

    tonic: int
    progression: list[str]
    rng: np.random.Generator

    @property
    def beat(self) -> float:
        """Length of a beat in samples."""
        return 60 / self.tempo * config.SR


def draw_artist(genre: str, number: int, *, seed: int) -> Artist:
    """Draw an artist of a genre; the same arguments give the same artist.

    Parameters
    ----------
    genre : str
        One of `config.GENRES`.
    number : int
        The artist's number within the genre.
    seed : int
        Random seed of the dataset.
    """
    rng = np.random.default_rng([seed, 1, config.GENRES.index(genre), number])
    own = other = RECIPES[genre]
    if rng.random() < BORROWING_SHARE:
        other = RECIPES[str(rng.choice(NEIGHBOURS[genre]))]
    borrowed = rng.random(3) < 0.5

    def between(name: str) -> float:
        ranges = [np.log(getattr(recipe, name)) for recipe in (own, other)]
        return float(np.exp(sum(rng.uniform(low, high) / 2 for low, high in ranges)))

    return Artist(
        recipe=own,
        tempo=rng.uniform(*own.tempo),
        swing=rng.uniform(*own.swing),
        drive=between("drive"),
        room=between("room"),
        cutoff=between("cutoff"),
        tilt=rng.normal(0, 2.0),
        hiss=10 ** rng.uniform(-3.6, -2.4),
        levels=np.array(own.levels) * np.exp(rng.normal(0, 0.35, 4)),
        comp_timbre=_vary((other if borrowed[0] else own).comp_timbre, rng),
        lead_timbre=_vary((other if borrowed[1] else own).lead_timbre, rng),
        bass_timbre=_vary("bass", rng),
        drum_tuning=_spread(0.2, rng),
        drum_decay=_spread(0.3, rng),
        comp=other.comp if borrowed[2] and other.beats == own.beats else own.comp,
        lead_octave=int(rng.integers(0, 2)),
    )


def _vary(name: str, rng: np.random.Generator) -> Timbre:
    timbre = TIMBRES[name]
    return Timbre(
        rolloff=timbre.rolloff * _spread(0.15, rng),
        even=timbre.even * rng.uniform(0.6, 1.0),
        attack=timbre.attack * _spread(0.3, rng),
        decay=timbre.decay * _spread(0.3, rng),
        formants=tuple(frequency * _spread(0.1, rng) for frequency in timbre.formants),
    )


def _spread(scale: float, rng: np.random.Generator) -> float:
    """A random factor around 1."""
    return float(np.exp(rng.normal(0, scale)))


def draw_song(genre: str, artist_number: int, song_number: int, *, seed: int) -> Song:
    """Draw a song of an artist: key, tempo, chords.

    Parameters
    ----------
    genre : str
        One of `config.GENRES`.
    artist_number, song_number : int
        The artist's number within the genre, and the song's within the dataset.
    seed : int
        Random seed.
    """
    rng = np.random.default_rng([seed, 2, song_number])
    artist = draw_artist(genre, artist_number, seed=seed)
    progressions = artist.recipe.progressions
    drawn = {
        "tonic": int(rng.integers(12)),
        "tempo": float(np.clip(artist.tempo * _spread(0.06, rng), *artist.recipe.tempo)),
        "progression": progressions[rng.integers(len(progressions))].split(),
        "levels": artist.levels * np.exp(rng.normal(0, SONG_SPREAD, 4)),
        "tilt": artist.tilt + rng.normal(0, 5 * SONG_SPREAD),
        "cutoff": artist.cutoff * _spread(0.5 * SONG_SPREAD, rng),
    }
    return Song(**vars(artist) | drawn, rng=rng)
