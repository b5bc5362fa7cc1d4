"""What `gtzan predict` costs beyond its libraries, in an environment where nothing was compiled."""

import os
import subprocess
import sys
import time

import pytest
import soundfile

from gtzan_helpers import config, synth


def seconds(command, places):
    started = time.perf_counter()
    subprocess.run(command, env={**os.environ, **places}, check=True, capture_output=True)
    return time.perf_counter() - started


@pytest.mark.benchmark
def test_the_first_song_takes_at_most_3_s_more_than_the_imports(tmp_path, record):
    path = tmp_path / "song.wav"
    tune = synth.song("jazz", 1, 1, seed=config.SYNTHETIC_SEED)
    soundfile.write(path, synth.play(tune, 30.0), config.SR)
    imports = [sys.executable, "-c", "import sklearn.svm, numba"]
    predict = [sys.executable, "-m", "gtzan_helpers.cli", "predict", str(path)]
    beyond = []
    for k in range(5):
        # Each time as if just installed: whatever would be compiled is compiled anew.
        places = {"NUMBA_CACHE_DIR": str(tmp_path / str(k))}
        beyond.append(-seconds(imports, places) + seconds(predict, places))
    record(seconds_beyond_imports=sorted(beyond)[2])
    assert sorted(beyond)[2] <= 3
