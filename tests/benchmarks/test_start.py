"""What `gtzan predict` costs beyond its libraries."""

import subprocess
import sys
import time

import pytest
import soundfile

from gtzan_helpers import config
from gtzan_helpers.datasets import embedded


def seconds(command):
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


@pytest.mark.benchmark
def test_a_song_takes_at_most_3_s_more_than_the_imports(tmp_path, record, monkeypatch):
    path = tmp_path / "song.wav"
    song = embedded.draw_song("jazz", 1, 1, seed=config.SYNTHETIC_SEED)
    soundfile.write(path, embedded.play(song, 30.0), config.SR)
    imports = [sys.executable, "-c", "import sklearn.svm, numba"]
    predict = [sys.executable, "-m", "gtzan_helpers.cli", "predict", "--model", "small", str(path)]
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    beyond = []
    for number in range(5):
        monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / str(number)))  # no answer is kept there
        beyond.append(seconds(predict) - seconds(imports))
    beyond.sort()
    record(seconds_beyond_imports=beyond[2])
    assert beyond[2] <= 3
