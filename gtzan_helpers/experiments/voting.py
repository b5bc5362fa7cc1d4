"""Ensembles of a run's systems: their predictions joined, a vote scored and kept as a row."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.evaluation import ensembles, log_loss, score
from gtzan_helpers.evaluation.ensembles import Joined, Member
from gtzan_helpers.experiments import results
from gtzan_helpers.experiments.questions import ACCURACY
from gtzan_helpers.experiments.run import Run, leave_out
from gtzan_helpers.models import systems


def ensemble(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose an ensemble, score it, and keep its row; see `evaluation.ensembles`.

    Members are the run's systems and, where its songs are GTZAN's, those of the published runs on
    other sources. Both tables are empty where there can be no ensemble.

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
    columns = ["system_id", "source", "votes", "loss", "loss_without"]
    try:
        joined = ensembles.join(members(folders, run.honest, sources=sources))
    except NotPossibleError as error:
        leave_out(error)
        return pd.DataFrame(columns=columns), pd.DataFrame(columns=ACCURACY)
    votes, lines = ensembles.select(joined), []
    for name, n in votes.items():
        others = {other: votes[other] for other in votes if other != name}
        losses = (_loss(joined, votes), _loss(joined, others))
        lines.append((*name.split("__")[:2], n, *losses))
    stacked = ensembles.stack(joined, votes, seed=run.seed)
    scores = {
        "vote": measure_vote(run, joined, votes),
        "stacking": score(joined.test_id, stacked, joined.test_true),
    }
    table = pd.DataFrame([vars(s) for s in scores.values()], index=list(scores))
    return pd.DataFrame(lines, columns=columns), table[ACCURACY]


def _loss(joined: Joined, votes: Mapping[str, int]) -> float:
    return log_loss(ensembles.vote(joined, votes)[0], joined.valid_true) if votes else math.nan


def members(
    folders: Iterable[str | Path], protocol: str, *, sources: Iterable[str] | None = None
) -> list[Member]:
    """Read the predictions of systems for the tracks of a split.

    Parameters
    ----------
    folders : iterable of str or Path
        Runs, or `figures`; of two files of one name the first counts.
    protocol : str
    sources : iterable of str or None
        Names of sources; None takes all.

    Returns
    -------
    list of Member
        Sorted by name, `<system>__<source>__<protocol>__<seed>`; ensembles are no members, and
        damaged files are left out.
    """
    by_name: dict[str, Member] = {}
    wanted = None if sources is None else set(sources)
    for path in (p for f in folders for p in sorted(Path(f).glob(f"predictions/*__{protocol}__*"))):
        system_id, source, *_ = path.stem.split("__")
        skipped = system_id == systems.ENSEMBLE or (wanted is not None and source not in wanted)
        predictions = results.readable_predictions(path.parent.parent, path.stem)
        if predictions is not None and not skipped:
            parts = (*predictions.tracks("valid"), *predictions.tracks("test"))
            member = Member(path.stem, tuple(predictions.labels.tolist()), *parts)
            by_name.setdefault(path.stem, member)
    return [by_name[name] for name in sorted(by_name)]


def measure_vote(run: Run, joined: Joined, votes: Mapping[str, int]) -> results.Row:
    """Score a vote on the test set, and keep its row and predictions as those of a system.

    Parameters
    ----------
    run : Run
        Its honest protocol is the members' split.
    joined : Joined
    votes : mapping
        See `ensembles.select`.

    Returns
    -------
    Row
        Its source joins the names of its members' sources.
    """
    valid, test = ensembles.vote(joined, votes)
    parts = [
        (ids, np.zeros(len(ids), int), y_true, results.rounded(probs))
        for ids, y_true, probs in (
            (joined.valid_id, joined.valid_true, valid),
            (joined.test_id, joined.test_true, test),
        )
    ]
    predictions = results.Predictions(np.array(joined.labels), *parts[0], *parts[1])
    names = [(*name.split("__"), str(n)) for name, n in votes.items()]
    row = results.Row(
        system_id=systems.ENSEMBLE,
        source="+".join(dict.fromkeys(source for _, source, *_ in names)),
        features="probabilities",
        segment_seconds=0.0,
        protocol=run.honest,
        seed=run.seed,
        status="measured",
        note="chosen on valid: "
        + ", ".join(f"{n} x {name} ({source}, seed {seed})" for name, source, _, seed, n in names),
        n_valid=len(joined.valid_id),
        n_test=len(joined.test_id),
        valid_accuracy=float((valid.argmax(axis=1) == joined.valid_true).mean()),
        **asdict(score(joined.test_id, parts[1][3].astype(float), joined.test_true)),
        profile=run.profile.name,
        versions=f"scikit-learn {version('scikit-learn')}",
    )
    ensemble = systems.get(systems.ENSEMBLE)
    key = results.row_key(ensemble, run.profile, run.honest, run.seed, run.source.digest())
    results.write_predictions(run.folder, row.stem, predictions)
    results.write_row(run.folder / "results", row, key=key)
    return row
