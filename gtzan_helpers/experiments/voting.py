"""Ensembles of a run's systems: their predictions joined, a vote scored and kept as a row."""

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.errors import NotPossibleError, SourceError
from gtzan_helpers.evaluation import ensembles, log_loss, score
from gtzan_helpers.evaluation.ensembles import Member
from gtzan_helpers.experiments import kept, results
from gtzan_helpers.experiments.run import Run, leave_out
from gtzan_helpers.models import systems

MEMBERS = ["system_id", "source", "votes", "loss", "loss_without"]


def ensemble(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose an ensemble, score it, and keep its row; see `evaluation.ensembles`.

    Members are the run's systems and, where its songs are GTZAN's, those of the published runs on
    other sources. Both tables are empty where there can be no ensemble.

    Parameters
    ----------
    run : Run

    Returns
    -------
    members : DataFrame
        `system_id`, `source`, `votes`, and the loss on the validation set of the whole vote,
        `loss`, and of the vote without this member, `loss_without`.
    scores : DataFrame
        Accuracy by track on the test set, with its interval, of the vote and of stacking.
    """
    folders, sources, root = [run.folder], {run.source.name}, config.checkout()
    if run.honest == "fault_filtered" and not run.source.synthetic and root:
        folders.append(root / "figures")
        sources |= {"features_30_sec", "gtzan_log_mel"}
    try:
        joined = ensembles.join(_members(folders, run.honest, sources))
    except NotPossibleError as error:
        leave_out(error)
        return pd.DataFrame(columns=MEMBERS), pd.DataFrame()
    votes, lines = ensembles.select(joined), []
    for name, n in votes.items():
        others = {other: votes[other] for other in votes if other != name}
        losses = (_loss(joined, votes), _loss(joined, others))
        lines.append((*name.split("__")[:2], n, *losses))
    stacked = score(joined[0].test_id, ensembles.stack(joined, votes), joined[0].test_true)
    scores = {"vote": _measure_vote(run, joined, votes), "stacking": stacked}
    table = pd.DataFrame([vars(s) for s in scores.values()], index=list(scores))
    accuracy = table[["track_accuracy", "track_ci_low", "track_ci_high"]]
    return pd.DataFrame(lines, columns=MEMBERS), accuracy


def _loss(joined: Sequence[Member], votes: Mapping[str, int]) -> float:
    return log_loss(ensembles.vote(joined, votes)[0], joined[0].valid_true) if votes else math.nan


def _members(folders: Iterable[Path], protocol: str, sources: set[str]) -> list[Member]:
    """Predictions of systems on these sources, sorted by name.

    Of two files of one name the first counts. Ensembles are no members, and damaged files are
    left out.
    """
    members: dict[str, Member] = {}
    for path in (p for f in folders for p in sorted(f.glob(f"predictions/*__{protocol}__*"))):
        system_id, source, *_ = path.stem.split("__")
        if system_id == systems.ENSEMBLE or source not in sources or path.stem in members:
            continue
        with contextlib.suppress(SourceError):
            if predictions := kept.read_predictions(path.parent.parent, path.stem):
                parts = (*predictions.tracks("valid"), *predictions.tracks("test"))
                labels = tuple(predictions.labels.tolist())
                members[path.stem] = Member(path.stem, labels, *parts)
    return [members[name] for name in sorted(members)]


def _measure_vote(run: Run, joined: Sequence[Member], votes: Mapping[str, int]) -> results.Row:
    """Score a vote on the test set, and keep its row and predictions as those of a system.

    The row's source joins the names of its members' sources.
    """
    first, (valid, test) = joined[0], ensembles.vote(joined, votes)
    numbers = (np.zeros(len(valid), int), np.zeros(len(test), int))
    predictions = kept.Predictions(
        np.array(first.labels),
        *(first.valid_id, numbers[0], first.valid_true, kept.rounded(valid)),
        *(first.test_id, numbers[1], first.test_true, kept.rounded(test)),
    )
    names = [(*name.split("__"), str(n)) for name, n in votes.items()]
    chosen = (f"{n} x {name} ({source}, seed {seed})" for name, source, _, seed, n in names)
    measurement = run.measurement(systems.ENSEMBLE)
    row = measurement.row(
        "measured",
        "chosen on valid: " + ", ".join(chosen),
        features="probabilities",
        segment_seconds=0.0,
        n_valid=len(valid),
        n_test=len(test),
        **predictions.figures(run.tracks.set_index("track_id").artist_group),
        versions=f"scikit-learn {version('scikit-learn')}",
    )
    row = replace(row, source="+".join(dict.fromkeys(source for _, source, *_ in names)))
    kept.write_predictions(run.folder, row.stem, predictions)
    measurement.write_row(row)
    return row
