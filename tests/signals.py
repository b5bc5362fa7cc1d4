"""Sounds that are not music, and what happens to recordings: for tests of whoever names genres.

Everything is drawn at random and repeats by its seed; numbers without a reason of their own are
the ranges in which such sounds occur.
"""

import zlib

import numpy as np
import soundfile
import soxr
from scipy import ndimage, signal

# Formants of vowels in Hz, of men (Peterson and Barney, 1952).
VOWELS = np.array(
    [
        *([270, 2290, 3010], [390, 1990, 2550], [530, 1840, 2480], [660, 1720, 2410]),
        *([730, 1090, 2440], [570, 840, 2410], [440, 1020, 2240], [300, 870, 2240]),
        *([640, 1190, 2390], [490, 1350, 1690]),
    ]
)
# Consonants as pieces: share of the syllable, voice, hiss, range of the hiss in Hz.
CONSONANTS = (
    [(0.4, 0, 0.5, (3500, 8000))],  # as s
    [(0.35, 0, 0.3, (1500, 4000))],  # as sh, h
    [(0.3, 0, 0, (1500, 4000)), (0.06, 0, 1, (800, 5000))],  # as p, t, k: closed, then a burst
    [(0.3, 0.25, 0, (1500, 4000))],  # as m, l
    [(0.3, 0.2, 0.15, (3000, 8000))],  # as z
    [],
)
# Seconds between the settings of a speaker's mouth.
STEP = 0.005


# Noise


def _coloured(slope):
    """Noise whose level falls by that many dB per octave."""

    def noise(t, sr, rng):
        spectrum = np.fft.rfft(rng.standard_normal(t.size))
        spectrum[1:] /= np.arange(1, spectrum.size) ** (slope / 6.02)
        return np.fft.irfft(spectrum * (np.fft.rfftfreq(t.size, 1 / sr) > 15), t.size)

    return noise


def _white(t, sr, rng):
    return rng.standard_normal(t.size)


def _pulsing(t, sr, rng):
    wave = np.sin(2 * np.pi * np.exp(rng.uniform(-1, 2.5)) * t)
    wave = np.sign(wave) if rng.random() < 0.3 else wave
    return (1 + rng.uniform(0.3, 1) * wave) * _coloured(rng.uniform(0, 6))(t, sr, rng)


def _wander(t, rng, seconds):
    """A curve with a new normal value every so many seconds."""
    knots = np.arange(0, t[-1] + 2 * seconds, seconds)
    return np.interp(t, knots, rng.standard_normal(knots.size))


def _wind(t, sr, rng):
    gusts = np.exp(0.7 * _wander(t, rng, rng.uniform(0.5, 2)))
    low = _coloured(rng.uniform(5, 9))(t, sr, rng)
    whistle = 400 * np.exp(0.4 * _wander(t[:: _step(sr)], rng, 1.5))
    return gusts * (low / low.std() + rng.uniform(0, 1) * gusts * _band(low, whistle, 80, sr))


def _rain(t, sr, rng):
    drops = rng.exponential(size=t.size) * (rng.random(t.size) < rng.uniform(50, 1000) / sr)
    return _struck(drops, sr, rng) + rng.uniform(0.05, 0.3) * _coloured(-2)(t, sr, rng)


# Tones and clicks


def _tones(low, high):
    """Steady tones, at least `low` and fewer than `high` at a time."""

    def tones(t, sr, rng):
        n_tones = rng.integers(low, high)
        frequencies = np.exp(rng.uniform(np.log(80), np.log(4000), (n_tones, 1)))
        gains = rng.uniform(0.2, 1, (n_tones, 1))
        return (gains * np.sin(2 * np.pi * (frequencies * t + rng.random((n_tones, 1))))).sum(0)

    return tones


def _sweep(t, sr, rng):
    period, ends = rng.uniform(2, 31), rng.permutation([rng.uniform(50, 300), 0.4 * sr])
    return signal.chirp(t % period, ends[0], period, ends[1], method=rng.choice(["log", "linear"]))


def _siren(t, sr, rng):
    wave = np.sin(2 * np.pi * rng.uniform(0.15, 4) * t)
    wave = np.sign(wave) if rng.random() < 0.4 else wave  # high and low, or wailing
    phase = np.cumsum(rng.uniform(600, 1200) * rng.uniform(1.1, 1.5) ** wave) / sr
    street = rng.uniform(0, 0.05) * _coloured(4)(t, sr, rng)
    return sum(np.sin(2 * np.pi * k * phase) / k**2 for k in range(1, 5)) + street


def _hum(noise):
    """Mains hum with that share of noise at most."""

    def hum(t, sr, rng):
        mains = rng.choice([50, 60]) * rng.uniform(0.999, 1.001)
        y = noise * rng.uniform(0.1, 1) * rng.standard_normal(t.size)
        for k in range(1, rng.integers(5, 20)):
            gain = rng.uniform(0.3, 1) / k if k % 2 else rng.uniform(0.05, 0.5) / k
            y += gain * np.sin(2 * np.pi * (k * mains * t + rng.random()))
        return y

    return hum


def _struck(hits, sr, rng):
    """Let each sample of `hits` sound for some milliseconds."""
    t = np.arange(round(0.05 * sr)) / sr
    knock = np.exp(-t / rng.uniform(0.0003, 0.004)) * np.cos(rng.uniform(2e3, 3e4) * t)
    return signal.fftconvolve(hits, knock)[: hits.size]


def _regular_clicks(t, sr, rng):
    return _struck(np.diff(np.floor(rng.uniform(0.5, 8) * t), prepend=-1), sr, rng)


def _irregular_clicks(t, sr, rng):
    hits = rng.uniform(0.2, 1, t.size) * (rng.random(t.size) < rng.uniform(1, 20) / sr)
    hits[rng.integers(sr)] = 1  # at least one in the first second
    return _struck(hits, sr, rng)


# Nothing to hear


def _constant(noise):
    def constant(t, sr, rng):
        offset = rng.choice([-1, 1]) * rng.uniform(0.01, 0.9)
        return offset + noise * 10 ** rng.uniform(-6, -3) * rng.standard_normal(t.size)

    return constant


def _faint(level):
    return lambda t, sr, rng: level * rng.standard_normal(t.size)


def _dithered(t, sr, rng):
    """Silence in 16 bits with triangular dither."""
    return np.round(rng.random(t.size) - rng.random(t.size)) / 2**15


# Speech


def _step(sr):
    return round(STEP * sr)


def _talk(t, sr, rng):
    """What a speaker does: pitch, voice, hiss by sample; hiss in Hz, formants every `STEP`."""
    pitch, rate = rng.uniform(80, 260), rng.uniform(3, 6)
    vowels = VOWELS * (pitch / 120) ** 0.2  # high voices come from short throats
    pieces = [(rng.uniform(0, 0.5), pitch, 0, 0, 2000, *vowels[-1])]
    while sum(piece[0] for piece in pieces) < t.size / sr + STEP:
        n_syllables, ending = rng.integers(3, 13), rng.choice([-0.35, -0.35, 0.2])
        for place in range(n_syllables):
            tone = pitch * (1.15 + ending * place / n_syllables) * rng.normal(1, 0.07)
            length, stress = rng.uniform(0.7, 1.3) / rate, rng.uniform(0.4, 1)
            vowel, glide = vowels[rng.integers(len(vowels), size=2)]
            rest = 1.0
            for share, voice, hiss, hertz in CONSONANTS[rng.integers(len(CONSONANTS))]:
                mouth = (250, *rng.uniform(900, 2600, 1), 2500)
                pieces.append((share * length, tone, voice, hiss, rng.uniform(*hertz), *mouth))
                rest -= share
            pieces.append((0.7 * rest * length, tone, stress, 0.02, 2000, *vowel))
            target = (vowel + glide) / 2  # on the way to another vowel
            pieces.append((0.3 * rest * length, 0.97 * tone, 0.6 * stress, 0.02, 2000, *target))
        pieces.append((rng.uniform(0.15, 0.9), pitch, 0, 0, 2000, *vowels[-1]))
    lengths, *tracks = np.array(pieces).T
    counts = np.diff(np.round(np.cumsum(lengths) * sr / _step(sr)), prepend=0).astype(int)
    n_steps = -(-t.size // _step(sr))
    tracks = [np.repeat(track, counts)[:n_steps] for track in tracks]
    # Gains change within 10 ms, the tongue and the pitch within 30.
    tracks = [ndimage.gaussian_filter1d(x, 1.5 if k in (1, 2) else 5) for k, x in enumerate(tracks)]
    tracks[0] *= 1 + 0.01 * rng.standard_normal(n_steps)
    at = np.arange(t.size) / _step(sr)
    by_sample = [np.interp(at, np.arange(n_steps), track) for track in tracks[:3]]
    return *by_sample, tracks[3], np.array(tracks[4:])


def _filtered(y, coefficients, sr):
    """Filter with other coefficients, numerator and denominator, every `STEP`."""
    step, state, parts = _step(sr), 0.0, []
    for k, (b, a) in enumerate(coefficients):
        state = state if k else np.zeros(max(len(a), len(b)) - 1)
        part, state = signal.lfilter(b, a, y[k * step : (k + 1) * step], zi=state)
        parts.append(part)
    return np.concatenate(parts)


def _band(y, centres, width, sr):
    """A resonance that moves: its centre every `STEP`, its width in Hz."""
    r = np.exp(-np.pi * width / sr)
    angles = 2 * np.pi * np.minimum(centres / sr, 0.45)
    zeros = (1 - r) * np.array([1, 0, -1])
    return _filtered(y, [(zeros, (1, -2 * r * np.cos(angle), r * r)) for angle in angles], sr)


def _pulses(pitch, sr):
    """A pulse a period, with a mean of zero."""
    return np.diff(np.floor(np.cumsum(pitch) / sr), prepend=0) - pitch / sr


def _formant_speech(t, sr, rng):
    """Pulses and breath through formants side by side, as in Klatt's synthesizer."""
    pitch, voice, hiss, hertz, formants = _talk(t, sr, rng)
    noise = rng.standard_normal(t.size)
    source = voice * signal.lfilter([1], [1, -0.96], _pulses(pitch, sr) + 0.02 * noise)
    formants = [*formants, np.full(hertz.size, rng.uniform(3300, 3900))]
    gains, widths = (1, -0.6, 0.35, -0.2), (80, 100, 140, 220)
    y = sum(
        gain * _band(source, track, width, sr)
        for gain, track, width in zip(gains, formants, widths, strict=True)
    )
    y = y / y.std() + 4 * _band(hiss * noise, hertz, 1500, sr)
    return y + 10 ** rng.uniform(-3.5, -2) * rng.standard_normal(t.size)  # the room


def _lpc_speech(t, sr, rng):
    """Pulses or noise through random all-pole filters, as a vocoder's, a new one every syllable."""
    pitch, voice, hiss, hertz, _ = _talk(t, sr, rng)
    n_sounds = int(t.size / sr * rng.uniform(8, 14)) + 2
    spread = rng.uniform(-0.5, 0.5, (16, n_sounds)) / np.linspace(1, 2, 16)[:, None]
    at = np.linspace(0, n_sounds - 1, hertz.size)
    tracks = np.array([np.interp(at, np.arange(n_sounds), row) for row in spread])
    # Voiced sounds are strongest below, hisses above.
    voiced = ndimage.gaussian_filter1d((voice > hiss)[:: _step(sr)].astype(float), 2)
    tracks[0] = 0.2 * tracks[0] + 0.4 - 1.25 * voiced
    tracks[1] += 0.4 * voiced
    filters = [(np.sqrt(np.prod(1 - k**2, keepdims=True)), _all_pole(k)) for k in tracks.T]
    noise = rng.standard_normal(t.size)
    return _filtered(voice * _pulses(pitch, sr) * 8 + 0.5 * hiss * noise, filters, sr)


def _all_pole(reflections):
    """Denominator of the stable filter with these reflection coefficients."""
    a = np.ones(1)
    for k in reflections:
        a = np.append(a, 0) + k * np.append(0, a[::-1])
    return a


def _harmonic_speech(t, sr, rng):
    """Harmonics of the pitch as loud as the formants near them, and hisses."""
    pitch, voice, hiss, _, formants = _talk(t, sr, rng)
    at = np.arange(t.size) / _step(sr)
    formants = [np.interp(at, np.arange(len(track)), track) for track in formants]
    phase = 2 * np.pi * np.cumsum(pitch) / sr
    y = np.zeros(t.size)
    for k in range(1, int(min(4500, 0.45 * sr) / pitch.max())):
        envelope = sum(
            gain / (1 + ((k * pitch - track) / 120) ** 2)
            for gain, track in zip((1, 0.5, 0.25), formants, strict=True)
        )
        y += (envelope + 0.01) * np.sin(k * phase + rng.uniform(0, 2 * np.pi))
    return voice * y + 0.3 * hiss * np.diff(rng.standard_normal(t.size), prepend=0)


def _babble(t, sr, rng):
    speakers = [_formant_speech(t, sr, rng) for _ in range(rng.integers(4, 9))]
    return sum(rng.uniform(0.3, 1) * speech for speech in speakers)


def _noisy_speech(t, sr, rng):
    speech, noise = _formant_speech(t, sr, rng), _coloured(rng.choice([0, 3]))(t, sr, rng)
    return _with_noise(speech, noise, rng.uniform(0, 20))


def _telephone_speech(t, sr, rng):
    return _telephone(_formant_speech(t, sr, rng), sr)


def _telephone(y, sr):
    """The band of a telephone, 300 to 3400 Hz."""
    band = signal.ellip(4, 1, 50, (300, 3400), "bandpass", fs=sr, output="sos")
    return signal.sosfilt(band, y)


def _with_noise(y, noise, snr):
    """Add noise, that many dB below."""
    return y + noise * np.sqrt(np.mean(y**2) / np.mean(noise**2)) * 10 ** (-snr / 20)


_SOUNDS = {
    "white_noise": _white,
    "pink_noise": _coloured(3.01),
    "brown_noise": _coloured(6.02),
    "pulsing_noise": _pulsing,
    "wind": _wind,
    "rain": _rain,
    "sine": _tones(1, 2),
    "steady_tones": _tones(3, 8),
    "sweep": _sweep,
    "siren": _siren,
    "hum": _hum(0),
    "hum_with_noise": _hum(0.3),
    "regular_clicks": _regular_clicks,
    "irregular_clicks": _irregular_clicks,
    "formant_speech": _formant_speech,
    "lpc_speech": _lpc_speech,
    "harmonic_speech": _harmonic_speech,
    "babble": _babble,
    "noisy_speech": _noisy_speech,
    "telephone_speech": _telephone_speech,
}
_NOTHING = {
    "constant": _constant(0),
    "constant_with_noise": _constant(1),
    "near_silence_80": _faint(1e-4),
    "near_silence_100": _faint(1e-5),
    "dithered_silence": _dithered,
}


def _seeded(name, make):
    """Its peak at some level from -30 to -1 dB, but for what is nearly nothing."""

    def sound(seconds, sr, seed):
        rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
        y = make(np.arange(round(seconds * sr)) / sr, sr, rng)
        if name not in _NOTHING:
            y = y / np.abs(y).max() * 10 ** (rng.uniform(-30, -1) / 20)
        return y.astype(np.float32)

    return sound


#: Sounds that have no genre: name -> function(seconds, sr, seed) -> y, shape (seconds * sr,),
#: float32.
NOT_MUSIC = {name: _seeded(name, make) for name, make in (_SOUNDS | _NOTHING).items()}


# Recordings


def _write(path, y, sr, ending=".wav", subtype="FLOAT", **settings):
    path = path.with_suffix(ending)
    soundfile.write(path, y, sr, subtype=subtype, **settings)
    return path


def _stereo(y, sr):
    """Two channels that differ, and have `y` as their mean."""
    delay = round(0.01 * sr)
    side = 0.4 * np.concatenate([np.zeros(delay, np.float32), y[:-delay]])
    return np.column_stack([y + side, y - side])


def _rate(target):
    """Stored at another rate."""
    return lambda y, sr, path: _write(path, soxr.resample(y, sr, target), target)


def _by_way_of(target):
    """Stored at its own rate, after it was at another."""

    def write(y, sr, path):
        return _write(path, soxr.resample(soxr.resample(y, sr, target), target, sr), sr)

    return write


def _channels(left, right):
    return lambda y, sr, path: _write(path, np.outer(y, [left, right]).astype(np.float32), sr)


def _turned_down(decibels, subtype):
    gain = 10 ** (-decibels / 20)
    return lambda y, sr, path: _write(path, gain * y, sr, subtype=subtype)


def _silence(before, after):
    return lambda y, sr, path: _write(path, np.pad(y, (before * sr, after * sr)), sr)


def _noise(snr):
    def write(y, sr, path):
        rng = np.random.default_rng(zlib.crc32(y.tobytes()))
        return _write(path, _with_noise(y, rng.standard_normal(y.size), snr), sr)

    return write


def _faint_and_noisy(y, sr, path):
    return _noise(20)(y * np.float32(10 ** (-30 / 20)), sr, path)


def _mp3(kilobits):
    """Stereo at 44.1 kHz and that many kbit/s."""
    # libsndfile takes a share of the way from 320 down to 32, and refuses 1.
    settings = {"bitrate_mode": "CONSTANT", "compression_level": (319.9 - kilobits) / 288}

    def write(y, sr, path):
        stereo = 0.7 * _stereo(soxr.resample(y, sr, 44_100), 44_100)
        return _write(path, stereo, 44_100, ".mp3", "MPEG_LAYER_III", **settings)

    return write


def _by_telephone(y, sr, path):
    """In mu-law at 8 kHz."""
    return _write(path, 0.9 * _telephone(soxr.resample(y, sr, 8000), 8000), 8000, subtype="ULAW")


def _clipped(y, sr, path):
    """The loudest twentieth of the samples cut off."""
    top = np.quantile(np.abs(y), 0.95)
    return _write(path, np.clip(y / top, -1, 1), sr)


#: What may happen to a recording: name -> function(y, sr, path), which writes a changed copy, and
#: returns its path: the one given, with the ending of what was written.
RECORDINGS = {
    "rate_32000": _rate(32_000),
    "rate_44100": _rate(44_100),
    "rate_48000": _rate(48_000),
    "rate_96000": _rate(96_000),
    "rate_16000": _rate(16_000),
    "rate_8000": _rate(8000),
    "by_way_of_16000": _by_way_of(16_000),
    "by_way_of_8000": _by_way_of(8000),
    "stereo": lambda y, sr, path: _write(path, _stereo(y, sr), sr),
    "channel_silent": _channels(1, 0),
    "channel_inverted": _channels(1, -1),
    "minus_6": _turned_down(6, "FLOAT"),
    "minus_30": _turned_down(30, "FLOAT"),
    "minus_30_16_bit": _turned_down(30, "PCM_16"),
    "silence_before": _silence(10, 0),
    "silence_after": _silence(0, 10),
    "noise_20": _noise(20),
    "noise_10": _noise(10),
    "offset": lambda y, sr, path: _write(path, y + np.float32(0.1), sr),
    "clipped": _clipped,
    "mp3_64": _mp3(64),
    "mp3_32": _mp3(32),
    "telephone": _by_telephone,
    "minus_30_noise_20": _faint_and_noisy,
}
