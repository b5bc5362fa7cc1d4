"""How songs are played: notes, drums, mix, room, recording."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import compress

import librosa
import numpy as np
import pandas as pd
import scipy.fft

from gtzan_helpers import config
from gtzan_helpers.datasets.embedded.artists import Song
from gtzan_helpers.datasets.embedded.recipes import CHORDS, SCALES, Timbre

# Sampling rate of the embedded dataset in Hz.
SR = config.SR

# Samples of one period of an instrument.
TABLE_SIZE = 2048

# Samples, when they begin (in samples), and their gain.
Sound = tuple[np.ndarray, float, float]


def play(song: Song, seconds: float) -> np.ndarray:
    """Play a song. Its random generator advances, so that each song is played once.

    Parameters
    ----------
    song : Song
        See `draw_song`.
    seconds : float
        Duration.

    Returns
    -------
    ndarray, shape (round(seconds * SR),), float32
        Audio at `SR` Hz, with a peak below 1.
    """
    n_samples, beats = round(seconds * SR), song.recipe.beats
    buses = np.zeros((4, n_samples), dtype=np.float32)
    kit = _drum_kit(song)
    steps = np.arange(4 * beats)
    # Sixteenths in beats; swing moves the second half of each beat.
    swung = steps // 4 + np.interp(steps % 4, [0, 2, 4], [0, song.swing, 1])
    degrees = [0]
    for bar in range(int(n_samples / (song.beat * beats)) + 1):
        if bar % 4 == 0:  # a new section, in which some may rest
            resting = song.rng.random(4) < (0.10, 0.05, 0.12, 0.25)
        root, quality = song.progression[bar % len(song.progression)].split(":")
        times = bar * song.beat * beats + swung * song.beat
        parts = [
            _drums(song, kit, times),
            _bass(song, int(root), times),
            _chords(song, int(root), CHORDS[quality], times),
            _lead(song, times, degrees),
        ]
        for bus, part in compress(zip(buses, parts, strict=True), ~resting):
            for sound, time, gain in part:
                first = max(0, int(time))
                audible = sound[: max(0, n_samples - first)]
                bus[first : first + audible.size] += np.float32(gain) * audible
    return _produce(buses, song)


def chords(song: Song, seconds: float) -> pd.DataFrame:
    """The chords that `play` plays, one per bar.

    Parameters
    ----------
    song : Song
    seconds : float
        Duration.

    Returns
    -------
    DataFrame
        `start_s`, `chord` (its name: ``A min7``), `notes` (MIDI numbers around middle C).
    """
    bar_s = song.beat * song.recipe.beats / SR
    lines = []
    for bar in range(int(seconds / bar_s) + 1):
        root, quality = song.progression[bar % len(song.progression)].split(":")
        lowest = 48 + (song.tonic + int(root)) % 12
        name = librosa.midi_to_note(lowest, octave=False)
        notes = [lowest + interval for interval in CHORDS[quality]]
        lines.append((bar * bar_s, f"{name} {quality}", notes))
    return pd.DataFrame(lines, columns=["start_s", "chord", "notes"])


@lru_cache(maxsize=512)
def _wave(timbre: Timbre, n_harmonics: int, formant_step: int) -> np.ndarray:
    """One period of an instrument; the pitch matters, roughly, for its formants."""
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


@lru_cache(maxsize=128)
def _note(timbre: Timbre, pitch: int, length: int) -> np.ndarray:
    frequency = 440 * 2 ** ((pitch - 69) / 12)
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


def _drums(song: Song, kit: dict[str, np.ndarray], times: np.ndarray) -> Iterator[Sound]:
    for drum, pattern in song.recipe.drums.items():
        for time, sign in zip(times, pattern, strict=False):
            if sign != ".":
                gain = (0.45 if sign == "o" else 0.9) * song.rng.uniform(0.8, 1.1)
                yield kit[drum], time + song.rng.normal(0, 0.003) * SR + 200, gain


def _bass(song: Song, root: int, times: np.ndarray) -> Iterator[Sound]:
    pattern, scale = song.recipe.bass, SCALES[song.recipe.scale]
    steps = [step for step in range(len(times)) if pattern[step] != "."]
    for step, until in zip(steps, [*steps[1:], len(times)], strict=True):
        up = {"r": 0, "f": 7, "o": 12}.get(pattern[step])
        if up is None:
            up = scale[song.rng.integers(1, len(scale))] - root
        pitch = 28 + (song.tonic + root + up - 28) % 12 + (12 if pattern[step] == "o" else 0)
        length = int(min(until - step, 6) * song.beat / 4 * 0.95)
        yield _note(song.bass_timbre, pitch, length), times[step], 0.5


def _chords(song: Song, root: int, chord: list[int], times: np.ndarray) -> Iterator[Sound]:
    strum = 0.012 * SR * (song.comp_timbre.attack < 0.005)
    for time, sign in zip(times, song.comp, strict=False):
        if sign == ".":
            continue
        length = int(song.beat * (2.0 if sign == "p" else 0.45))
        gain = (0.12 if sign == "o" else 0.2) * song.rng.uniform(0.8, 1.2)
        for k, interval in enumerate(chord):
            pitch = 48 + (song.tonic + root) % 12 + interval
            yield _note(song.comp_timbre, pitch, length), time + k * strum, gain


def _lead(song: Song, times: np.ndarray, degrees: list[int]) -> Iterator[Sound]:
    """Walk up and down the scale from the last of the melody's `degrees`, and add to them."""
    rng, scale = song.rng, SCALES[song.recipe.scale]
    n_notes = max(1, rng.poisson(song.recipe.lead))
    steps = np.sort(rng.permutation(len(times))[:n_notes])
    for step, until in zip(steps, [*steps[1:], len(times)], strict=True):
        degrees.append(int(np.clip(degrees[-1] + rng.integers(-2, 3), -3, 9)))
        octave, index = divmod(degrees[-1], len(scale))
        # Around middle C, whatever the key.
        pitch = 54 + (song.tonic + 6) % 12 + scale[index] + 12 * (octave + song.lead_octave)
        pitch -= 12 * (pitch > 84)
        length = int(min(until - step, 6) * song.beat / 4)
        yield _note(song.lead_timbre, pitch, length), times[step], 0.35 * rng.uniform(0.7, 1.2)


def _drum_kit(song: Song) -> dict[str, np.ndarray]:
    """Synthesise the drums."""
    tuning, decay = song.drum_tuning, song.drum_decay
    rng = np.random.default_rng(int(1e6 * tuning))
    t = np.arange(int(0.5 * SR)) / SR
    noise = rng.standard_normal(t.size)
    bright = np.diff(noise, prepend=0.0) / 1.4

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


def _produce(buses: np.ndarray, song: Song) -> np.ndarray:
    """Mix, distort, add a room, and record; room and recording are one filter."""
    drums, bass, comp, lead = buses * song.levels.astype(np.float32)[:, None]
    guitars = np.tanh(np.float32(song.drive) * (comp + 0.5 * lead))
    guitars *= np.float32(0.5 / np.tanh(max(song.drive, 0.5)))
    mix = 0.7 * drums + 0.8 * bass + guitars + 0.5 * lead
    mix += np.float32(song.hiss) * song.rng.standard_normal(mix.size, dtype=np.float32)
    echo_length = int(0.7 * song.room * SR)
    size = scipy.fft.next_fast_len(mix.size + echo_length, real=True)
    # A generator of its own, so that the room does not depend on the track's duration.
    echo = song.rng.spawn(1)[0].standard_normal(echo_length)
    echo *= np.exp(-5 * np.arange(echo_length) / echo_length)
    echo[0] = 0
    echo *= 0.35 * np.sqrt(song.room) / np.linalg.norm(echo)
    echo[0] = 1
    response = (np.fft.rfft(echo, size) * _recording(size, song)).astype(np.complex64)
    y = scipy.fft.irfft(scipy.fft.rfft(mix, size) * response, size)[: mix.size]
    return (y * (0.8 / max(1e-9, np.abs(y).max()))).astype(np.float32)


def _recording(size: int, song: Song) -> np.ndarray:
    """Frequency response of the recording: tilted, and without the lowest bass and the treble."""
    frequency = np.fft.rfftfreq(size, 1 / SR)
    tilt = 10 ** (song.tilt * np.log2(np.maximum(frequency, 20) / 1000) / 60)
    low_cut = frequency / np.hypot(frequency, 40)
    return tilt * low_cut / np.sqrt(1 + (frequency / song.cutoff) ** 6)
