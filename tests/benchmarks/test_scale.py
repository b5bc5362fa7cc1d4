"""What many tracks cost: time, memory and disk, on one process, on two, and by the thousand."""

import itertools
import json
import shutil
import subprocess
import sys
import time
from functools import partial

import joblib
import numpy as np
import psutil
import pytest
import soundfile
from memory import PEAK_MB

from gtzan_helpers import config
from gtzan_helpers.audio.feature_sets import feature_set
from gtzan_helpers.datasets import embedded, extraction
from gtzan_helpers.datasets.kinds import folders

SR = config.SR

SCRIPT = """
import json, sys, time
from pathlib import Path
import numpy as np
from gtzan_helpers.audio.feature_sets import feature_set
from gtzan_helpers.datasets.kinds import tables
from gtzan_helpers.datasets.sources import open_source

folder, table = sys.argv[1:]
noise = np.random.default_rng(0).random(5 * 22_050).astype(np.float32)
feature_set("logmel").from_audio(noise, sr=22_050, segment_seconds=0)  # and all is imported
started = time.perf_counter()
features = open_source(folder).features("logmel", segment_seconds=0, jobs=1)
seconds = time.perf_counter() - started
tables.write_csv(table, features, segment_seconds=0)
written = [line.split() for line in Path("/proc/self/io").read_text().splitlines()]
print(json.dumps({
    "tracks": len(features.tracks),
    "seconds": seconds,
    "peak_mb": peak_mb(),
    "written_mb": int(dict(written)["wchar:"]) / 2**20,
}))
"""


def write_songs(folder, n_songs):
    """Songs of 5 s, no two files alike: few tunes, each in many gains."""
    tunes = [
        embedded.play(embedded.draw_song(genre, k, k, seed=config.SYNTHETIC_SEED), 5.0)
        for genre, k in itertools.product(config.GENRES, range(2))
    ]
    for k in range(n_songs):
        genre = config.GENRES[k % len(tunes) // 2]
        path = folder / genre / f"{genre}.{k:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, (0.5 + 0.4 * k / n_songs) * tunes[k % len(tunes)], SR)


@pytest.mark.benchmark
def test_time_is_linear_memory_flat_and_the_disk_is_written_once(tmp_path, monkeypatch, record):
    measured = {}
    for n_songs in (100, 1000, 5000):
        folder = tmp_path / str(n_songs)
        write_songs(folder, n_songs)
        monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / f"cache {n_songs}"))
        command = [sys.executable, "-c", PEAK_MB + SCRIPT, folder, tmp_path / "table.csv"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        measured[n_songs] = json.loads(printed)
        kept = (
            sum(path.stat().st_size for path in (tmp_path / f"cache {n_songs}").rglob("*.npz"))
            + (tmp_path / "table.csv").stat().st_size
        )
        measured[n_songs]["kept_mb"] = kept / 2**20
        record(**{f"{name}_{n_songs}": value for name, value in measured[n_songs].items()})
    thousand, five = measured[1000], measured[5000]
    day = 24 * 3600
    record(days_for_100_000_tracks_of_30_s=five["seconds"] / 5000 * 6 * 100_000 / day)
    assert five["seconds"] <= 5 * 1.3 * thousand["seconds"]
    assert five["peak_mb"] <= thousand["peak_mb"] + 4000 * 0.02  # the table, a few times
    assert five["written_mb"] <= 1.2 * five["kept_mb"] + 1


def seconds_for(paths, jobs, folder):
    """What the work of an extraction takes in so many running processes, each file a new entry."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = {"segment_seconds": 3.0, "change": "", "sr": SR, "seconds_limit": None}
    describe = partial(folders._describe_file, feature_set=feature_set("kaggle"), **settings)
    tasks = [(folder / f"{path.stem}.npz", describe, str(path)) for path in paths]
    compute = joblib.delayed(extraction._compute)
    started = time.perf_counter()
    reasons = joblib.Parallel(n_jobs=jobs)(compute(*task) for task in tasks)
    taken = time.perf_counter() - started
    assert set(reasons) == {""}
    return taken


@pytest.mark.benchmark
@pytest.mark.skipif(psutil.cpu_count(logical=False) == 1, reason="there is one core")
def test_two_processes_are_nearly_twice_as_fast_as_one(tmp_path, record):
    write_songs(tmp_path / "songs", 200)
    paths = sorted((tmp_path / "songs").rglob("*.wav"))
    seconds_for(paths[:8], 2, tmp_path / "entries")  # processes are there, and compiled
    seconds_for(paths[:8], 1, tmp_path / "entries")
    taken = {1: [], 2: []}
    for _, jobs in itertools.product(range(5), (1, 2)):
        taken[jobs].append(seconds_for(paths, jobs, tmp_path / "entries"))
    ratio = np.median(taken[1]) / np.median(taken[2])
    record(ratio=ratio)
    assert ratio >= 1.8
