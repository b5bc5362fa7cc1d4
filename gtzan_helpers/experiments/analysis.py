"""What the last notebooks ask of a run: its best systems, embeddings, new songs, costs.

Where a source, or a run, does not give what is asked for, a notice says so, and what is returned
is empty, which every picture accepts. Taught in notebooks 06 and 08.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gtzan_helpers import config
from gtzan_helpers.datasets import Features
from gtzan_helpers.datasets.embedded import dataset as embedded
from gtzan_helpers.errors import GtzanError, NotPossibleError, SourceError
from gtzan_helpers.evaluation import Scores, confusion
from gtzan_helpers.experiments import results
from gtzan_helpers.experiments.measuring import model_path
from gtzan_helpers.experiments.questions import Evaluation, evaluate_model
from gtzan_helpers.experiments.run import Run, leave_out
from gtzan_helpers.models import Transfer, systems

KINDS = {
    "best network": ("ann", "cnn", "crnn"),
    "best pretrained network": ("transfer",),
    "best classical model": ("classical",),
}


def if_possible(make: Callable[..., Features], *args: Any, **settings: Any) -> Features:
    """Make features; where that is not possible, say why, and give those of no track.

    Parameters
    ----------
    make : callable
        Called with the other arguments.
    """
    try:
        return make(*args, **settings)
    except (GtzanError, OSError) as error:
        leave_out(error)
        names = ["track_id", "segment", "start_s", "genre", "repeated"]
        segments, none = pd.DataFrame(columns=names), pd.DataFrame()
        return Features(segments, np.zeros((0, 0)), (), none, none)


# Systems


def readable_rows(run: Run) -> pd.DataFrame:
    """Rows under the honest protocol whose predictions can be read.

    Returns
    -------
    DataFrame
        As `Rows.measured`, best first, with `valid`, the accuracy by track on the validation
        set. Ensembles are left out.

    Raises
    ------
    NotPossibleError
        If there are none.
    """
    rows = run.results().under(run.honest)
    own = (rows.source == run.source.name) & (rows.seed == run.seed)
    rows = rows[own & (rows.system_id != systems.ENSEMBLE)]
    accuracy = {}
    for system_id in rows.system_id:
        try:
            predictions = results.read_predictions(run.folder, run.stem(system_id))
        except SourceError as error:
            leave_out(error)
            continue
        if predictions is not None:
            y_true, y_pred = predictions.classes("valid")
            accuracy[system_id] = float((y_true == y_pred).mean())
    if not accuracy:
        raise NotPossibleError(f"{run.folder}: no predictions there yet; `gtzan run` makes them")
    rows = rows.assign(valid=rows.system_id.map(accuracy)).dropna(subset=["valid"])
    return rows.sort_values("valid", ascending=False, kind="stable")


def best_of_each_kind(rows: pd.DataFrame, by: str = "valid") -> pd.DataFrame:
    """The best network, pretrained network, classical model and system of the studies.

    Parameters
    ----------
    rows : DataFrame
        See `readable_rows`.
    by : str
        Column to choose by.

    Returns
    -------
    DataFrame
        One row for each kind that there is, with the kinds as its index.
    """
    family = rows.system_id.map(lambda name: systems.get(name).family)
    groups = {kind: rows[family.isin(names)] for kind, names in KINDS.items()}
    ours = rows.system_id.map(lambda name: systems.get(name).study) == "ours"
    groups["best of the studies"] = rows[~ours]
    best = {kind: group.loc[group[by].idxmax()] for kind, group in groups.items() if len(group)}
    return pd.DataFrame(best).T.infer_objects()


def test_embeddings(run: Run, system_id: str) -> Features:
    """Embeddings of the test songs' segments in a trained network; see `questions.embed`."""
    if not system_id:
        raise NotPossibleError("no network was trained")
    features, test = run.embed(system_id)
    rows = np.flatnonzero(features.segments.track_id.isin(test))
    segments = features.segments.iloc[rows].reset_index(drop=True)
    return replace(features, segments=segments, values=features.values[rows])


def song_map(features: Features, *, seed: int = 0) -> pd.DataFrame:
    """Songs as points in a plane: the means of their segments, all columns on one scale.

    Parameters
    ----------
    features : Features
    seed : int
        Of the t-SNE.

    Returns
    -------
    DataFrame, indexed by track
        `pc1`, `pc2` (principal components), `tsne1`, `tsne2`, `genre`, and `silhouette` among
        the genres, computed on the first 50 principal components.
    """
    names = ["pc1", "pc2", "tsne1", "tsne2"]
    if features.segments.empty:
        return pd.DataFrame(columns=[*names, "genre", "silhouette"], dtype=float)
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.metrics import silhouette_samples
    from sklearn.preprocessing import StandardScaler

    ids = features.segments.track_id.to_numpy(str)
    means = pd.DataFrame(features.values).groupby(ids).mean()
    genres = features.segments.genre.groupby(ids).first()
    X = PCA(min(50, len(means) - 1)).fit_transform(StandardScaler().fit_transform(means))
    tsne = TSNE(perplexity=min(30, len(X) // 4), random_state=seed, init="pca")
    points = np.column_stack([X[:, :2], tsne.fit_transform(X)])
    table = pd.DataFrame(points, columns=names, index=means.index)
    return table.assign(genre=genres, silhouette=silhouette_samples(X, genres))


def on_new_songs(run: Run, system_id: str) -> Evaluation:
    """Evaluate a network of the run on forty new songs of the embedded composer."""
    folder = config.cache_dir() / "synthetic" / f"new-v{embedded.VERSION}"
    embedded.make(folder, n_tracks=40, seconds=5.0, seed=99)
    try:
        return evaluate_model(model_path(run.folder, run.stem(system_id)), folder)
    except GtzanError as error:
        leave_out(error)
        none, nobody = pd.DataFrame(), np.zeros(0, int)
        scores = Scores(*[math.nan] * 5)
        return Evaluation(scores, confusion(nobody, nobody, run.labels), 0, none, none)


def costs(run: Run, system_ids: Iterable[str], *, quick: int | None = None) -> pd.DataFrame:
    """Size, time per song and accuracy of systems on pretrained networks.

    Parameters
    ----------
    run : Run
    system_ids : iterable of str
    quick : int or None
        How many of them are timed outside of `full`; None for all.

    Returns
    -------
    DataFrame
        `system_id`, `n_parameters`, `megabytes`, `ms a song` (on this computer, without reading
        the file), and `accuracy` under the honest protocol; where it was not `measured`, the
        published one. Systems that have neither are left out.
    """
    rows = run.results().table.dropna(subset=["track_accuracy"])
    rows = rows[(rows.protocol == run.honest) & (rows.seed == run.seed)]
    reached = rows.set_index("system_id").track_accuracy
    lines = []
    for system_id in list(system_ids)[: None if run.profile.tuned else quick]:
        try:
            model = _pretrained_network(system_id)
        except NotPossibleError as error:
            leave_out(error)
            continue
        size = model.count_params()
        n_segments = 1 + max(run.predictions(system_id).test_segment, default=0)
        seconds = _seconds(model, np.zeros((n_segments, *model.input_shape[1:]), np.float32))
        accuracy = reached.get(system_id, systems.get(system_id).published.test)
        measured = system_id in reached
        lines.append((system_id, size, 4e-6 * size, 1000 * seconds, accuracy, measured))
    names = ["system_id", "n_parameters", "megabytes", "ms a song", "accuracy", "measured"]
    table = pd.DataFrame(lines, columns=names).astype({"accuracy": float})
    return table.dropna(subset=["accuracy"])


def _pretrained_network(system_id: str) -> Any:
    from gtzan_helpers.models import musicnn, transfer

    learner = systems.get(system_id).learner
    if isinstance(learner, Transfer):  # as fast with any weights
        return transfer.build(replace(learner, weights="random"))
    return musicnn.build(musicnn.read_weights())


def _seconds(model: Any, values: np.ndarray) -> float:
    """The fastest of three passes; the first one, which compiles, does not count."""
    model.predict_on_batch(values)
    passes = []
    for _ in range(3):
        started = time.perf_counter()
        model.predict_on_batch(values)
        passes.append(time.perf_counter() - started)
    return min(passes)
