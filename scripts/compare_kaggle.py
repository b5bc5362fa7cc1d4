"""Compare our `kaggle` table of GTZAN's audio with the release's own, for notebook 02.

Usage: ``python scripts/compare_kaggle.py mini features_30_sec.csv``; writes `02_kaggle.csv` into
`figures/<source>/`: for each column the median over tracks of the relative difference.
"""

import sys

from gtzan_helpers import config, files
from gtzan_helpers.datasets import open_source

if __name__ == "__main__":
    source, table = (open_source(name, profile="full") for name in sys.argv[1:])
    ours, theirs = (
        each.features("kaggle", segment_seconds=0).frame().set_index("track_id")
        for each in (source, table)
    )
    columns, common = list(ours.columns[4:]), ours.index.intersection(theirs.index)
    difference = (ours.loc[common, columns] / theirs.loc[common, columns] - 1).abs().median()
    rows = difference.sort_values(ascending=False).rename("median difference").rename_axis("column")
    text = rows.reset_index().to_csv(index=False, float_format="%.3g", lineterminator="\n")
    files.write_text(config.checkout() / "figures" / source.name / "02_kaggle.csv", text)
