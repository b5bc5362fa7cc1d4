"""Measure the models of songs that `gtzan predict` carries, and write their card.

Usage: ``python scripts/song_card.py PACK FOLDER``: a feature pack of GTZAN, and a folder of some
of its songs as audio, for what changes of a recording do. The card is `facts/genres.md`.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from train_song_model import (
    EXCERPTS,
    SEEDS,
    Examples,
    examples,
    fit,
    middles,
    scored,
    signals,
    trained,
)

from gtzan_helpers import config, files, predict
from gtzan_helpers.datasets import open_source, splits
from gtzan_helpers.evaluation import prediction_sets, report, score
from gtzan_helpers.models.songs import SongModel
from gtzan_helpers.models.songs.model import UNLIKE
from gtzan_helpers.models.songs.similarity import LENGTHS

TEXT = Path(__file__).with_name("song_card.md")
FOLDS = range(5)


def tested(name: str, every: Sequence[Examples], tracks: pd.DataFrame) -> tuple[list, pd.DataFrame]:
    """Accuracy by length under `fault_filtered`, and that of each label at 30 s.

    The test set is read here, and here only.
    """
    labels, y = np.unique(tracks.genre.to_numpy(str), return_inverse=True)
    (split,) = splits.make("fault_filtered", tracks[["track_id", "genre"]], tracks, seed=0)
    model = fit(name, every, tracks, split.train)
    model = model.calibrated(scored(model, every, split.valid), y[split.valid])
    ids, y_true = tracks.track_id.to_numpy()[split.test], y[split.test]
    artists = tracks.set_index("track_id").artist_group
    scores = scored(model, every, split.test)
    probs = [model.probabilities(each, length) for length, each in enumerate(scores)]
    by_length = [score(ids, each, y_true, artists) for each in probs]
    return by_length, report(y_true, probs[-1].argmax(axis=1), labels.tolist())


def covered(model: SongModel, known: tuple, y: np.ndarray) -> pd.DataFrame:
    """Prediction sets of each fold, with thresholds from the others.

    Returns
    -------
    DataFrame, one row per song and length
        `seconds`; `label`; `held`, whether the right genre is in the set; its `size`; `correct`,
        whether it is first.
    """
    rows, folds, scores = known
    tables = []
    for fold in FOLDS:
        others, here = folds != fold, folds == fold
        judged = model.calibrated([each[others] for each in scores], y[rows[others]])
        for length, seconds in enumerate(LENGTHS):
            probs, y_true = judged.probabilities(scores[length][here], length), y[rows[here]]
            named = prediction_sets(probs, judged.thresholds[length])
            named[np.arange(len(named)), probs.argmax(axis=1)] = True
            held = named[np.arange(len(named)), y_true]
            table = {"seconds": seconds, "label": y_true, "held": held, "size": named.sum(axis=1)}
            tables.append(pd.DataFrame(table | {"correct": probs.argmax(axis=1) == y_true}))
    return pd.concat(tables, ignore_index=True)


def told_apart(every: Sequence[Examples], tracks: pd.DataFrame) -> pd.DataFrame:
    """Shares of sounds, and of songs, that are called unlike any song, by length.

    In each of five folds the model has met neither these kinds of sounds nor these artists.
    """
    kinds = np.repeat(list(signals.NOT_MUSIC), len(SEEDS))
    parts = splits.make("artist_grouped", tracks[["track_id", "genre"]], tracks, seed=0)
    tables = []
    for fold, part in zip(FOLDS, parts, strict=True):
        held_out = np.isin(kinds, list(signals.NOT_MUSIC)[fold::5])
        seen = []
        for each, n in zip(every, EXCERPTS, strict=True):
            sounds = each.songs < 0
            kept = ~sounds
            kept[sounds] = ~np.repeat(held_out, n)
            seen.append(each.of(kept))
        model = fit("", seen, tracks, np.concatenate([part.train, part.valid]))
        for length, (seconds, each, n) in enumerate(zip(LENGTHS, every, EXCERPTS, strict=True)):
            sounds = each.values[each.songs < 0][np.repeat(held_out, n)]
            whose = {"song": middles(each, n, part.test)}
            theirs = np.repeat(kinds[held_out], n)
            whose |= {kind: sounds[theirs == kind] for kind in np.unique(theirs)}
            for kind, values in whose.items():
                alike = model.likenesses(model.songs.similarities(values, length), length)
                tables.append({"kind": kind, "seconds": seconds, "unlike": alike < UNLIKE})
    shares = pd.DataFrame(tables).explode("unlike").astype({"unlike": float})
    return shares.pivot_table("unlike", "kind", "seconds")


def changed(model: SongModel, paths: Sequence[Path], labels: Sequence[str]) -> pd.DataFrame:
    """What changes of recordings do to answers of a model that has not met the songs.

    Returns
    -------
    DataFrame, indexed by change
        `accuracy`, `same` (share of songs whose first answer is that for the song as it is),
        `kept` (the same, or with a notice that the song as it is has not).
    """
    as_is = [predict.song(path, model) for path in paths]
    lines = {"none": ((pd.Series([a.genre for a in as_is]) == labels).mean(), 1.0, 1.0)}
    with tempfile.TemporaryDirectory() as folder:
        for name, change in signals.RECORDINGS.items():
            answers = []
            for path in paths:
                y, sr = soundfile.read(path, dtype="float32")
                answers.append(predict.song(change(y, sr, Path(folder) / "song.wav"), model))
            same = [new.genre == old.genre for new, old in zip(answers, as_is, strict=True)]
            told = [set(n.notices) > set(o.notices) for n, o in zip(answers, as_is, strict=True)]
            right = [answer.genre == label for answer, label in zip(answers, labels, strict=True)]
            kept = np.mean(np.array(same) | np.array(told))
            lines[name] = (np.mean(right), np.mean(same), kept)
    return pd.DataFrame(lines, ["accuracy", "same", "kept"]).T


# The card


def table(rows: pd.DataFrame, first: str) -> str:
    """Rows as a table in Markdown."""
    lines = [[first, *rows.columns], ["-"] * (1 + rows.shape[1])]
    lines += [[name, *row] for name, *row in rows.itertuples()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def percent(share: float) -> str:
    """A share as percent."""
    return f"{100 * share:.0f} %"


def interval(middle: float, low: float, high: float) -> str:
    """A share and its interval as percent."""
    return f"{100 * middle:.1f} % ({100 * low:.0f} to {100 * high:.0f})"


def main() -> None:
    """Measure, and write the card."""
    parser = argparse.ArgumentParser(description="Write the card of the models of songs.")
    parser.add_argument("pack", help="a feature pack of GTZAN")
    parser.add_argument("folder", type=Path, help="some of its songs, in folders by genre")
    asked = parser.parse_args()
    tracks = open_source(asked.pack, profile="full").tracks.reset_index(drop=True)
    labels, y = np.unique(tracks.genre.to_numpy(str), return_inverse=True)
    every = examples(asked.pack)
    small = [each.small() for each in every]
    paths = sorted(asked.folder.glob("*/*.wav"))
    without = np.flatnonzero(~tracks.track_id.isin([path.stem for path in paths]))
    heard = [path.parent.name for path in paths]
    by_length, by_label, sets, of_labels, of_changes = {}, {}, {}, {}, {}
    for name, these in (("small", small), ("large", every)):
        scores, per_label = tested(name, these, tracks)
        by_length[name] = [
            interval(each.track_accuracy, each.track_ci_low, each.track_ci_high) for each in scores
        ]
        rates = per_label[["recall", "recall_low", "recall_high"]].iloc[:-1]
        by_label[name] = [interval(*rate) for rate in rates.to_numpy()]
        model, known = trained(name, these, tracks, np.arange(len(tracks)))
        judged = covered(model, known, y)
        of_length = judged.groupby("seconds").agg({"held": "mean", "size": "mean"})
        sets[f"{name}: right"] = of_length.held.map(percent)
        sets[f"{name}: mean size"] = of_length["size"].round(1)
        of_label = judged[judged.seconds == LENGTHS[-1]].groupby("label").held.mean()
        of_labels[name] = [percent(share) for share in of_label]
        model, _ = trained(name, these, tracks, without)
        of_changes[name] = changed(model, paths, heard).map(percent)
    lengths = [f"{seconds} s" for seconds in LENGTHS]
    apart = told_apart(small, tracks)
    told = apart.map(percent).set_axis(lengths, axis=1)
    text = TEXT.read_text(encoding="utf-8").format(
        by_length=table(pd.DataFrame(by_length, lengths), "length"),
        by_label=table(pd.DataFrame(by_label, labels), "genre"),
        sets=table(pd.DataFrame(sets).set_axis(lengths), "length"),
        of_labels=table(pd.DataFrame(of_labels, labels), "genre"),
        changes=table(pd.concat(of_changes, axis=1).pipe(_flat), "change"),
        unlike=table(told, "sound"),
        n_songs=len(tracks),
        n_heard=len(paths),
    )
    files.write_text(config.facts_dir() / "genres.md", text)


def _flat(columns: pd.DataFrame) -> pd.DataFrame:
    return columns.set_axis([f"{name}: {what}" for name, what in columns.columns], axis=1)


if __name__ == "__main__":
    main()
