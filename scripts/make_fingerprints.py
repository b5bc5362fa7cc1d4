"""Make the fingerprints of GTZAN's tracks that the package carries.

Usage: ``python scripts/make_fingerprints.py PACK features_30_sec.csv``: a feature pack of GTZAN,
and the table of the Kaggle release.

The same number of frames was taken from each track, however long it was (29.9 to 30.6 s), so that
their distance depends on its length, which the table has. Without it, the ends of some tracks
would be 0.6 s off.
"""

import argparse

import numpy as np
import pandas as pd

from gtzan_helpers import config, files
from gtzan_helpers.datasets import Pack, fingerprints, read_pack


def make(pack: Pack, n_samples: pd.Series) -> dict[str, np.ndarray]:
    """Make the arrays of ``fingerprints.npz``.

    Parameters
    ----------
    pack : Pack
    n_samples : Series of int
        Length of each track at `config.SR`, by its id.

    Returns
    -------
    dict of {str: ndarray}
        `track_id`; `n_frames` of each track; and `bits`, shape (sum of n_frames, 4), uint8: one
        bit for each of a frame's 32, 1 for 1, 0 for -1 and 0.
    """
    n_columns, seconds = pack.stored.shape[2], n_samples[pack.track_id].to_numpy() / config.SR
    prints = [
        fingerprints.from_log_mel(pack.log_mel(row), frame_rate=n_columns / seconds[row])
        for row in range(len(pack.track_id))
    ]
    return {
        "track_id": pack.track_id.astype("S"),
        "n_frames": np.array([len(each) for each in prints], np.int16),
        "bits": np.packbits(np.concatenate(prints) > 0, axis=1),
    }


def main() -> None:
    """Write the fingerprints into the package."""
    parser = argparse.ArgumentParser(description="Make the fingerprints that the package carries.")
    parser.add_argument("pack", help="a feature pack of GTZAN")
    parser.add_argument("table", help="features_30_sec.csv of the Kaggle release")
    arguments = parser.parse_args()
    table = pd.read_csv(arguments.table)
    # Whatever the format was: blues.00000.au or blues.00000.wav.
    table.index = table.filename.str.rpartition(".")[0]
    with files.replacing(config.facts_dir() / "fingerprints.npz") as temporary:
        np.savez(temporary, **make(read_pack(arguments.pack), table.length))


if __name__ == "__main__":
    main()
