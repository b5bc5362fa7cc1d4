"""Ensembles of a run's systems: their predictions joined, a vote scored and kept as a row."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.errors import NotPossibleError
from gtzan_helpers.evaluation import ensembles, log_loss, score
from gtzan_helpers.evaluation.ensembles import Joined, Member
from gtzan_helpers.experiments import predictions as stored
from gtzan_helpers.experiments.predictions import Predictions
from gtzan_helpers.experiments.questions import ACCURACY
from gtzan_helpers.experiments.rows import Row, row_key, write_row
from gtzan_helpers.experiments.run import Run, leave_out
from gtzan_helpers.models import systems


@dataclass(frozen=True)
class Ensemble:
    """A vote of a run's systems, chosen on the validation set.

    Attributes
    ----------
    members : DataFrame
        `system_id`, `source`, `votes`, and `loss_without`, the loss of the vote on the
        validation set without this member; empty where there can be no ensemble.
    loss : float
        Loss of the whole vote on the validation set.
    scores : DataFrame
        Accuracy by track on the test set, with its interval, of the vote and of stacking.
    """

    members: pd.DataFrame
    loss: float
    scores: pd.DataFrame


def ensemble(run: Run) -> Ensemble:
    """Choose an ensemble, score it, and keep its row; see `evaluation.ensembles`.

    Members are the run's systems and, where its songs are GTZAN's, those of the published runs on
    other sources.
    """
    folders, sources, root = [run.folder], {run.source.name}, config.checkout()
    if run.honest == "fault_filtered" and not run.source.synthetic and root:
        folders.append(root / "figures")
        sources |= {"features_30_sec", "gtzan_log_mel"}
    columns = ["system_id", "source", "votes", "loss_without"]
    try:
        joined = ensembles.join(members(folders, run.honest, sources=sources))
    except NotPossibleError as error:
        leave_out(error)
        none = pd.DataFrame(columns=columns)
        return Ensemble(none, float("nan"), pd.DataFrame(columns=ACCURACY))
    votes = ensembles.select(joined)

    lines = [
        (*name.split("__")[:2], n, _loss(joined, {k: votes[k] for k in votes if k != name}))
        for name, n in votes.items()
    ]
    stacked = ensembles.stack(joined, votes, seed=run.seed)
    scores = {
        "vote": measure_vote(run, joined, votes),
        "stacking": score(joined.test_id, stacked, joined.test_true),
    }
    table = {name: [getattr(s, column) for column in ACCURACY] for name, s in scores.items()}
    return Ensemble(
        pd.DataFrame(lines, columns=columns),
        _loss(joined, votes),
        pd.DataFrame.from_dict(table, orient="index", columns=ACCURACY),
    )


def _loss(joined: ensembles.Joined, votes: Mapping[str, int]) -> float:
    if not votes:
        return float("nan")
    return log_loss(ensembles.vote(joined, votes)[0], joined.valid_true)


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
    for folder in folders:
        for path in sorted((Path(folder) / "predictions").glob(f"*__{protocol}__*.npz")):
            system_id, source, *_ = path.stem.split("__")
            skipped = system_id == systems.ENSEMBLE or (wanted is not None and source not in wanted)
            if skipped or path.stem in by_name:
                continue
            predictions = stored.readable_predictions(Path(folder), path.stem)
            if predictions is None:
                continue
            by_name[path.stem] = Member(
                path.stem,
                tuple(predictions.labels.tolist()),
                *predictions.tracks("valid"),
                *predictions.tracks("test"),
            )
    return [by_name[name] for name in sorted(by_name)]


def measure_vote(run: Run, joined: Joined, votes: Mapping[str, int]) -> Row:
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
    predictions = Predictions(
        np.array(joined.labels),
        joined.valid_id,
        np.zeros(len(joined.valid_id), int),
        joined.valid_true,
        stored.rounded(valid),
        joined.test_id,
        np.zeros(len(joined.test_id), int),
        joined.test_true,
        stored.rounded(test),
    )
    scores = score(joined.test_id, predictions.test_probs.astype(float), joined.test_true)
    parts = {name: name.split("__") for name in votes}
    named = ", ".join(
        f"{n} x {parts[name][0]} ({parts[name][1]}, seed {parts[name][3]})"
        for name, n in votes.items()
    )
    row = Row(
        system_id=systems.ENSEMBLE,
        source="+".join(dict.fromkeys(source for _, source, *_ in parts.values())),
        features="probabilities",
        segment_seconds=0.0,
        protocol=run.honest,
        seed=run.seed,
        status="measured",
        note=f"chosen on valid: {named}",
        n_valid=len(joined.valid_id),
        n_test=len(joined.test_id),
        valid_accuracy=float((valid.argmax(axis=1) == joined.valid_true).mean()),
        **asdict(scores),
        profile=run.profile.name,
        versions=f"scikit-learn {version('scikit-learn')}",
    )
    ensemble = systems.get(systems.ENSEMBLE)
    key = row_key(ensemble, run.profile, run.honest, run.seed, run.source.digest())
    stored.write_predictions(run.folder, row.stem, predictions)
    write_row(run.folder / "results", row, key=key)
    return row
