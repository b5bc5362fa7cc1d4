"""Audio files that were damaged on purpose, the same ones at every call."""

import io

import numpy as np
import soundfile

from gtzan_helpers import synth

SR = synth.SR

KINDS = {
    "pcm16.wav": {"format": "WAV", "subtype": "PCM_16"},
    "pcm24.wav": {"format": "WAV", "subtype": "PCM_24"},
    "float.wav": {"format": "WAV", "subtype": "FLOAT"},
    "pcm16.au": {"format": "AU", "subtype": "PCM_16"},
    "pcm16.flac": {"format": "FLAC", "subtype": "PCM_16"},
    "vorbis.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "layer3.mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}

HEADER = 128
"""Bytes at the beginning that count as the header."""

ABSURD = (0, 1, 2, 255, 2**15, 2**16 - 1, 768_001, 2**31 - 1, 2**31, 2**32 - 1)
"""What lengths, rates and numbers of channels are set to."""


def sound(seconds=2.5):
    """Every kind of file, of the same music: {name: bytes}."""
    y = synth.play(synth.song("rock", 0, 0, seed=1), seconds)
    made = {}
    for name, settings in KINDS.items():
        file = io.BytesIO()
        soundfile.write(file, np.stack([y, y[::-1]], axis=1), SR, **settings)
        made[name] = file.getvalue()
    return made


def mutated(content, rng):
    """Damage a file in one to four ways."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        content = MUTATIONS[rng.integers(len(MUTATIONS))](content, rng)
    return bytes(content)


def _place(content, rng, *, before=None):
    return int(rng.integers(0, max(1, min(len(content), before or len(content)))))


def _turn(content, rng, *, before, most):
    for _ in range(rng.integers(1, most)):
        if content:
            content[_place(content, rng, before=before)] = rng.integers(256)
    return content


def _turn_header(content, rng):
    return _turn(content, rng, before=HEADER, most=8)


def _turn_body(content, rng):
    return _turn(content, rng, before=None, most=200)


def _cut(content, rng):
    return content[: _place(content, rng)]


def _insert(content, rng):
    at = _place(content, rng)
    return content[:at] + rng.bytes(rng.integers(1, 5000)) + content[at:]


def _delete(content, rng):
    at = _place(content, rng)
    return content[:at] + content[at + int(rng.integers(1, 5000)) :]


def _repeat(content, rng):
    at = _place(content, rng)
    return content[:at] + content[max(0, at - int(rng.integers(1, 5000))) :]


def _lie(content, rng):
    """A number of the header, such as a length, rate or count of channels, becomes absurd."""
    width = int(rng.choice([2, 4]))
    at = _place(content, rng, before=HEADER) // 2 * 2
    value = int(rng.choice(ABSURD)) % 256**width
    content[at : at + width] = value.to_bytes(width, str(rng.choice(["little", "big"])))
    return content


def _empty_chunks(content, rng):
    """Chunks of no length, or of a length that lies, behind the first twelve bytes."""
    names = [b"LIST", b"data", b"fmt ", b"fact", b"junk"]
    chunk = names[rng.integers(len(names))] + int(rng.choice(ABSURD)).to_bytes(4, "little")
    return content[:12] + chunk * int(rng.integers(1, 20)) + content[12:]


def _zeros(content, rng):
    at = _place(content, rng)
    length = int(rng.integers(1, 5000))
    content[at : at + length] = bytes(min(length, len(content) - at))
    return content


MUTATIONS = (
    _turn_header,
    _turn_body,
    _cut,
    _insert,
    _delete,
    _repeat,
    _lie,
    _lie,
    _empty_chunks,
    _zeros,
)
