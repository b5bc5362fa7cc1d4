"""Extraction against librosa called feature by feature, and against its own transform."""

import time

import librosa
import numpy as np
import pytest
import scipy.fft
import threadpoolctl

from gtzan_helpers import config, extract, features, synth

SR = config.SR
SEGMENT = 3 * SR
LEAST_RATIO = 8


def with_librosa(y):
    """The 57 columns as any script computes them: each function given only y and sr."""
    harmony, perceptr = librosa.effects.hpss(y)
    arrays = [
        librosa.feature.chroma_stft(y=y, sr=SR),
        librosa.feature.rms(y=y),
        librosa.feature.spectral_centroid(y=y, sr=SR),
        librosa.feature.spectral_bandwidth(y=y, sr=SR),
        librosa.feature.spectral_rolloff(y=y, sr=SR),
        librosa.feature.zero_crossing_rate(y),
        harmony,
        perceptr,
    ]
    values = [stat(array.astype(float)) for array in arrays for stat in (np.mean, np.var)]
    values.append(librosa.feature.tempo(y=y, sr=SR)[0])
    for coefficient in librosa.feature.mfcc(y=y, sr=SR, n_mfcc=20).astype(float):
        values += [coefficient.mean(), coefficient.var()]
    return np.array(values)


def with_ours(y):
    return extract.describe(y, SR, "kaggle", segment_seconds=3)[1][0]


def timed(work, y):
    start = time.perf_counter()
    values = work(y)
    return time.perf_counter() - start, values


@pytest.fixture(scope="module")
def measured():
    """Seconds and values of both, segment by segment in turn, so that both meet the same load."""
    genres = [*config.GENRES, "rock", "jazz"]
    tracks = [
        synth.play(synth.song(genre, k % 4, k, seed=config.SYNTHETIC_SEED), 6.0)
        for k, genre in enumerate(genres)
    ]
    segments = [y[SR : SR + SEGMENT] for y in tracks]
    seconds, values = {"librosa": [], "ours": []}, {"librosa": [], "ours": []}
    with threadpoolctl.threadpool_limits(1):
        with_librosa(segments[0]), with_ours(segments[0])
        for y in segments:
            for name, work in (("librosa", with_librosa), ("ours", with_ours)):
                taken, row = timed(work, y)
                seconds[name].append(taken)
                values[name].append(row)
    return seconds, {name: np.stack(rows) for name, rows in values.items()}


def test_the_kaggle_table_is_at_least_eight_times_faster(measured, record):
    seconds, _ = measured
    librosas, ours = (np.median(seconds[name]) for name in ("librosa", "ours"))
    record(librosa_ms=1000 * librosas, ours_ms=1000 * ours, ratio=librosas / ours)
    assert librosas / ours >= LEAST_RATIO


def test_the_values_are_librosas(measured):
    _, values = measured
    others = np.array(features.columns("kaggle")) != "tempo"
    difference = np.abs(values["ours"] - values["librosa"])[:, others]
    assert (difference <= 1e-4 * values["librosa"][:, others].std(axis=0)).all()


def test_the_tempo_is_librosas(measured):
    _, values = measured
    tempo = features.columns("kaggle").index("tempo")
    same = values["ours"][:, tempo] == values["librosa"][:, tempo]
    assert same.mean() >= 0.99


def transformed(y, window):
    """Framing, window and Fourier transform: what no spectrogram can do without."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(y, 1024), 2048)[::512]
    return scipy.fft.rfft(frames * window, axis=1)


def test_a_log_mel_costs_little_more_than_its_transform(record):
    y = synth.play(synth.song("rock", 1, 1, seed=config.SYNTHETIC_SEED), 30.0).astype(np.float32)
    window = np.hanning(2049)[:-1].astype(np.float32)
    found = {"transform": [], "log-mel": []}
    with threadpoolctl.threadpool_limits(1):
        for _ in range(30):
            found["transform"].append(timed(lambda y: transformed(y, window), y)[0])
            found["log-mel"].append(timed(lambda y: features.log_mel(y, sr=SR), y)[0])
    transform, log_mel = (np.array(found[name]) for name in ("transform", "log-mel"))
    # Of neighbours, which met the same load.
    ratio = np.median(log_mel / transform)
    record(
        transform_ms=1000 * np.median(transform), log_mel_ms=1000 * np.median(log_mel), ratio=ratio
    )
    assert ratio <= 1.5
