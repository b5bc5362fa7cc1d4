"""Features are librosa's, and known signals give the answers that theory gives."""

import warnings

import librosa
import numpy as np
import pytest

from gtzan_helpers.audio.analysis import Analysis, MelAnalysis

SR = 22_050
NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]


def tone(frequency, seconds=3.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * SR)) / SR)


# librosa's functions, each given only the audio

LIBROSAS = {
    "stft": lambda y: librosa.stft(y),
    "magnitude": lambda y: np.abs(librosa.stft(y)),
    "power": lambda y: np.abs(librosa.stft(y)) ** 2,
    "mfcc": lambda y: librosa.feature.mfcc(y=y, sr=SR, n_mfcc=20),
    "mfcc_delta": lambda y: librosa.feature.delta(librosa.feature.mfcc(y=y, sr=SR, n_mfcc=20)),
    "centroid": lambda y: librosa.feature.spectral_centroid(y=y, sr=SR)[0],
    "bandwidth": lambda y: librosa.feature.spectral_bandwidth(y=y, sr=SR)[0],
    "zero_crossing_rate": lambda y: librosa.feature.zero_crossing_rate(y)[0],
    "rms": lambda y: librosa.feature.rms(y=y)[0],
    "chroma_stft": lambda y: librosa.feature.chroma_stft(y=y, sr=SR),
    "chroma_cqt": lambda y: librosa.feature.chroma_cqt(y=y, sr=SR),
    "chroma_cens": lambda y: librosa.feature.chroma_cens(y=y, sr=SR),
    "tonnetz": lambda y: librosa.feature.tonnetz(chroma=librosa.feature.chroma_cqt(y=y, sr=SR)),
    "onset_envelope": lambda y: librosa.onset.onset_strength(y=y, sr=SR),
    "tempogram": lambda y: librosa.feature.tempogram(y=y, sr=SR),
    "tempo": lambda y: librosa.feature.tempo(y=y, sr=SR)[0],
    "harmonic": lambda y: librosa.effects.harmonic(y),
    "percussive": lambda y: librosa.effects.percussive(y),
}


@pytest.mark.parametrize("name", LIBROSAS)
def test_the_same_as_librosa(analysis, name):
    expected = LIBROSAS[name](analysis.y)
    values = getattr(analysis, name)
    assert np.shape(values) == np.shape(expected)
    # Single precision, over the range of the whole array.
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=2e-6 * np.abs(expected).max())


def test_log_mel_is_librosas_in_db(analysis):
    mel = librosa.feature.melspectrogram(y=analysis.y, sr=SR)
    np.testing.assert_allclose(analysis.log_mel, librosa.power_to_db(mel), atol=1e-3)


def test_contrast_is_librosas_in_db(analysis):
    expected = librosa.feature.spectral_contrast(y=analysis.y, sr=SR)
    np.testing.assert_allclose(analysis.contrast, expected, atol=1e-2)


def test_rolloff_and_flatness_are_librosas_on_the_same_spectrum(analysis):
    # The last digit of a transform may move the roll-off by a whole bin, and flatness takes the
    # logarithm of bins that hold rounding errors only.
    rolloff = librosa.feature.spectral_rolloff(S=analysis.magnitude, sr=SR)[0]
    flatness = librosa.feature.spectral_flatness(S=analysis.magnitude)[0]
    np.testing.assert_array_equal(analysis.rolloff, rolloff)
    np.testing.assert_array_equal(analysis.flatness, flatness)


def test_tuning_is_librosas_on_the_power_spectrum(analysis):
    # As librosa's chroma_stft calls it.
    power = np.abs(librosa.stft(analysis.y)) ** 2
    assert analysis.tuning == librosa.estimate_tuning(S=power, sr=SR)


@pytest.mark.parametrize("part", ["harmonic", "percussive"])
def test_mfcc_of_each_part_are_librosas_on_its_spectrum(analysis, part):
    both = librosa.decompose.hpss(np.abs(librosa.stft(analysis.y)))
    mel = librosa.feature.melspectrogram(S=both[part == "percussive"] ** 2, sr=SR)
    expected = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=20)
    values = getattr(analysis, f"{part}_mfcc")
    np.testing.assert_allclose(values, expected, atol=2e-6 * np.abs(expected).max())


def test_harmonic_and_percussive_add_up_to_the_audio(analysis):
    np.testing.assert_allclose(analysis.harmonic + analysis.percussive, analysis.y, atol=1e-6)


def test_a_log_mel_spectrogram_alone_gives_the_same_mfcc_and_deltas(analysis):
    alone = MelAnalysis(analysis.log_mel, frame_rate=analysis.frame_rate)
    np.testing.assert_array_equal(alone.mfcc, analysis.mfcc)
    np.testing.assert_array_equal(alone.mfcc_delta, analysis.mfcc_delta)


# Known answers


def inside(frames):
    """Leave out the frames at the edges, which hold padding."""
    return frames[..., 4:-4]


def test_the_centroid_of_a_tone_is_its_frequency():
    assert inside(Analysis(tone(440), sr=SR).centroid) == pytest.approx(440, abs=1)


def test_the_centroid_of_white_noise_is_half_way_up(noise):
    assert Analysis(noise, sr=SR).centroid.mean() == pytest.approx(SR / 4, rel=0.01)


def test_the_centroid_of_a_chirp_rises_with_it():
    chirp = librosa.chirp(fmin=500, fmax=5000, sr=SR, duration=3, linear=True)
    seconds = np.arange(inside(Analysis(chirp, sr=SR).centroid).size) * 512 / SR + 4 * 512 / SR
    expected = 500 + 1500 * seconds
    np.testing.assert_allclose(inside(Analysis(chirp, sr=SR).centroid), expected, rtol=0.02)


def test_a_tone_is_narrower_than_noise(noise):
    assert inside(Analysis(tone(440), sr=SR).bandwidth).max() < 50
    assert Analysis(noise, sr=SR).bandwidth.min() > 1000


def test_the_rolloff_of_white_noise_is_at_85_percent(noise):
    assert Analysis(noise, sr=SR).rolloff.mean() == pytest.approx(0.85 * SR / 2, rel=0.01)


def test_a_tone_is_not_flat_and_noise_is(noise):
    assert inside(Analysis(tone(440), sr=SR).flatness).max() < 1e-3
    assert Analysis(noise, sr=SR).flatness.mean() > 0.5


def test_a_tone_crosses_zero_twice_a_period():
    rate = inside(Analysis(tone(441), sr=SR).zero_crossing_rate)
    assert rate.mean() == pytest.approx(2 * 441 / SR, rel=0.01)


def test_the_rms_of_a_tone_is_its_amplitude_over_the_root_of_two():
    assert inside(Analysis(0.3 * tone(440), sr=SR).rms) == pytest.approx(0.3 / 2**0.5, rel=0.01)


@pytest.mark.parametrize("name", ["chroma_stft", "chroma_cqt", "chroma_cens"])
@pytest.mark.parametrize(("frequency", "note"), [(440.0, "A"), (261.63, "C"), (370.0, "F#")])
def test_the_loudest_pitch_class_of_a_tone_is_its_note(name, frequency, note):
    chroma = getattr(Analysis(tone(frequency), sr=SR), name)
    assert NAMES[chroma.mean(axis=1).argmax()] == note


@pytest.mark.parametrize("cents", [-40, -20, 0, 30])
def test_the_tuning_of_a_tone_is_how_far_it_is_from_its_note(cents):
    y = tone(1760 * 2 ** (cents / 1200))
    assert Analysis(y, sr=SR).tuning == pytest.approx(cents / 100, abs=0.02)


@pytest.mark.parametrize("bpm", [90, 120, 150])
def test_the_tempo_of_a_click_train_is_the_nearest_that_its_frames_can_tell(bpm):
    clicks = librosa.clicks(times=np.arange(0, 12, 60 / bpm), sr=SR, length=12 * SR)
    lag = 60 * SR / 512 / Analysis(clicks, sr=SR).tempo
    assert lag == pytest.approx(60 * SR / 512 / bpm, abs=0.6)


def test_a_click_train_has_no_harmony_and_a_tone_no_drums():
    clicks = librosa.clicks(times=np.arange(0, 3, 0.5), sr=SR, length=3 * SR, click_duration=0.002)
    for y, part in ((clicks, "harmonic"), (tone(440), "percussive")):
        piece = Analysis(y, sr=SR)
        left = inside(np.abs(getattr(piece, part))[: 512 * (y.size // 512)].reshape(-1, 512).T)
        assert np.square(left).sum() < 0.02 * np.square(piece.y).sum()


def test_the_delta_of_an_even_fade_is_its_slope():
    fading = MelAnalysis(np.tile(np.linspace(0, -39, 40), (128, 1)), frame_rate=43)
    np.testing.assert_allclose(fading.mfcc_delta[0], -np.sqrt(128), rtol=1e-5)
    np.testing.assert_allclose(fading.mfcc_delta[1:], 0, atol=1e-4)


def test_the_tempogram_bands_of_a_pulse_are_strongest_at_its_tempo():
    # 10 bands from 30 to 300: the seventh reaches from 119 to 150.
    envelope = np.zeros((128, 600), dtype=np.float32)
    envelope[:, ::20] = 40
    pulse = MelAnalysis(envelope, frame_rate=20 * 130 / 60)
    assert pulse.tempogram_bands.mean(axis=1)[4:].argmax() + 4 == 6


# The stacked array


@pytest.mark.parametrize(("seconds", "n_frames"), [(30.4, 1400), (5.8, 280), (0.3, 47)])
def test_the_stacked_array_has_frames_in_proportion_to_whole_seconds(rng, seconds, n_frames):
    y = rng.normal(size=round(seconds * SR))
    assert Analysis(y, sr=SR).stacked().shape == (87, n_frames)


def test_the_stacked_array_repeats_its_last_frame(analysis):
    stacked = analysis.stacked()
    n_frames = analysis.mfcc.shape[1]
    np.testing.assert_array_equal(stacked[:20, :n_frames], analysis.mfcc)
    assert (stacked[:, n_frames:] == stacked[:, n_frames - 1 : n_frames]).all()


def test_the_stacked_array_takes_the_first_frames_of_longer_music(noise):
    analysis = Analysis(np.tile(noise, 12), sr=SR)
    stacked = analysis.stacked()
    assert stacked.shape == (87, 1400) and analysis.mfcc.shape[1] > 1400
    np.testing.assert_array_equal(stacked[:20], analysis.mfcc[:, :1400])


def test_the_stacked_array_holds_its_blocks_in_order(analysis):
    stacked = analysis.stacked()[:, : analysis.mfcc.shape[1]]
    mel = librosa.feature.melspectrogram(y=analysis.y, sr=SR, n_mels=32)
    np.testing.assert_allclose(stacked[20:52], librosa.power_to_db(mel), atol=1e-3)
    np.testing.assert_allclose(stacked[52:62], analysis.tempogram_bands, rtol=1e-6)
    np.testing.assert_array_equal(stacked[62:74], analysis.chroma_stft)
    np.testing.assert_allclose(stacked[74:81], analysis.contrast, rtol=1e-6)
    tonnetz = librosa.feature.tonnetz(chroma=analysis.chroma_stft)
    np.testing.assert_allclose(stacked[81:], tonnetz, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("n_frames", [300, 1700])
def test_a_log_mel_spectrogram_gives_as_many_rows_by_its_own_frames(rng, n_frames):
    alone = MelAnalysis(rng.uniform(-80, 0, (128, n_frames)), frame_rate=12.5)
    assert alone.stacked().shape == (87, n_frames)
    np.testing.assert_array_equal(alone.stacked()[:20], alone.mfcc)


def test_a_short_or_silent_piece_raises_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for y in (tone(440, seconds=0.5), np.zeros(SR)):
            assert np.isfinite(Analysis(y, sr=SR).chroma_cqt).all()
