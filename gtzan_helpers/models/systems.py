"""The systems: the 28 of the five studies, and ours; what each is given and how it is evaluated.

What the studies published is looked up in `facts/systems.csv`.
"""

import csv
from collections.abc import Mapping
from functools import partial
from typing import Any

from gtzan_helpers import config
from gtzan_helpers.audio.blocks import WEIGHTS
from gtzan_helpers.errors import choose
from gtzan_helpers.models import learners
from gtzan_helpers.models.learners import (
    Calibrated,
    Classical,
    Network,
    OnConvolutions,
    OnLite0,
    OnMusicnn,
    Transfer,
)
from gtzan_helpers.models.system import TEST_SIZE, Published, System

# `audio.feature_sets.TABLE_SETS`, named here because that module imports numba.
TABLES = ("kaggle", "logmel", "capstone", "full")

# The studies

with (config.facts_dir() / "systems.csv").open(encoding="utf-8", newline="") as _file:
    _FACTS = {line["system_id"]: line for line in csv.DictReader(_file)}

_WORDS = ("name", "notebook", "section", "family", "run_protocol", "unit", "description", "input")


def _of_study(
    features: tuple[str, ...], system_id: str, learner: learners.Learner, **shares: float
) -> System:
    """A system of a study; what the study wrote and published is looked up."""
    facts = _FACTS[system_id]
    accuracies = [facts[f"published_{part}_accuracy"] for part in ("train", "valid", "test")]
    published = Published(facts["protocol_stated"], *[float(a) if a else None for a in accuracies])
    more: dict[str, Any] = {name: facts[name] for name in _WORDS} | shares
    return System(system_id, learner=learner, features=features, published=published, **more)


_table = partial(_of_study, TABLES)
_capstone = partial(_of_study, ("capstone", "kaggle", "logmel", "full"))
_log_mel = partial(_of_study, ("log_mel",))
_picture = partial(_of_study, ("pictures", "log_mel"), test_size=0.1)
_stacked = partial(_of_study, ("stacked",), test_size=0.1)
_mfcc = partial(_of_study, ("mfcc",))

_dense = partial(Network, "dense")
_crnn = partial(Network, "crnn", batch_size=64, learning_rate=3e-3, version=2)
_capstone_cnn = partial(Network, "capstone_cnn", batch_size=64)
_slices_cnn = partial(Network, "slices_cnn", learning_rate=2e-3, version=2)
_logistic = partial(Classical, "LogisticRegression")
# Weighted by distance, so that the training set is memorised, as the study found.
_neighbours = partial(Classical, "KNeighborsClassifier", {"weights": "distance"})
_forest = partial(Classical, "RandomForestClassifier", {"n_estimators": 200})
_boosting = partial(
    Classical, "GradientBoostingClassifier", {"subsample": 0.8, "max_features": "sqrt"}
)
# With a few hundred tracks more threads only wait for one another.
_trees = {"n_estimators": 200, "max_depth": 4, "subsample": 0.8, "n_jobs": 1}
_svm = partial(Classical, "SVC")
_linear = {"kernel": "linear"}
_regularised: dict[str, Any] = {"learning_rate": 3e-3, "weight_decay": 0.01, "version": 2}

_OF_STUDIES = [
    _table("images_ann", _dense({"dropout": 0.3}, epochs=100, patience=30), test_size=0.1),
    _log_mel("images_cnn", Network("images_cnn", batch_size=16), test_size=0.1),
    _picture("images_vgg19", Transfer("vgg19")),
    _picture("images_efficientnetb0", Transfer("efficientnetb0")),
    _picture("images_inceptionv3", Transfer("inceptionv3")),
    _picture("images_mobilenetv2", Transfer("mobilenetv2")),
    _capstone("capstone_logistic_regression", _logistic({"max_iter": 3000}, {"C": (0.01, 0.1, 1)})),
    _capstone("capstone_knn", _neighbours({"n_neighbors": (1, 3, 5, 9, 15)})),
    _capstone("capstone_random_forest", _forest({"max_features": ("sqrt", 0.3)})),
    _capstone("capstone_svm", _svm({"C": 10}, {"C": (1, 3, 10, 30), "gamma": ("scale", 0.003)})),
    _capstone("capstone_gradient_boosting", _boosting({"learning_rate": (0.05, 0.1, 0.2)})),
    _capstone("capstone_xgboost", Classical("XGBClassifier", _trees, {"max_depth": (2, 4, 6)})),
    _log_mel("capstone_cnn", _capstone_cnn(epochs=16, patience=6)),
    _log_mel(
        "capstone_cnn_regularized",
        _capstone_cnn({"norm": True, "dropout": 0.3}, epochs=18, patience=8, **_regularised),
    ),
    _log_mel("capstone_crnn", _crnn(epochs=16, patience=8)),
    _log_mel("capstone_crnn_dropout", _crnn({"dropout": 0.3}, epochs=36, weight_decay=0.01)),
    _stacked("stacked_gmm", Classical("ClassMixtures", components=True)),
    _stacked("stacked_svm", _svm(_linear, {"C": (0.001, 0.01, 1)}, components=True)),
    _stacked(
        "stacked_nn", Network("stacked_nn", components=True, epochs=60, patience=20, version=2)
    ),
    _stacked("stacked_cnn", Network("stacked_cnn", batch_size=16, version=2)),
    _stacked("stacked_cnn_svm", OnConvolutions("SVC", _linear, components=True)),
    _stacked("stacked_cnn_gmm", OnConvolutions("ClassMixtures", components=True)),
    _stacked("stacked_cnn3d", Network("stacked_cnn3d", batch_size=16, version=2)),
    # No early stopping, as published: every epoch is run.
    _table("walkthrough_dense", _dense(epochs=50, patience=None)),
    # That study validates on a third of what it does not test on.
    _table(
        "walkthrough_dense_validated",
        _dense({"dropout": 0.3}, epochs=100, patience=15),
        valid_size=(1 - TEST_SIZE) / 3,
    ),
    _table("slices_ann", _dense({"units": (512, 256, 128), "dropout": 0.2}, epochs=60)),
    _mfcc("slices_cnn", _slices_cnn(epochs=20, batch_size=64, patience=8)),
    _mfcc(
        "slices_cnn_augmented",
        _slices_cnn(epochs=12, batch_size=128, patience=6, copies=("pitch", "gain", "noise")),
    ),
]

# Ours

_segments = partial(
    System, features=TABLES, family="classical", run_protocol="segment_random", unit="segment"
)
_transfer = partial(
    System, notebook="06", family="transfer", run_protocol="track_random", test_size=0.1
)
_musicnn = partial(
    _transfer, section="The layers of MusiCNN", features=("patches",), unit="segment"
)
_honest = partial(
    System,
    notebook="08",
    section="When averaging helps",
    family="classical",
    run_protocol="fault_filtered",
)
_small_head = _dense({"units": (64,), "dropout": 0.5}, epochs=20, weight_decay=0.01, patience=6)
_music = {"mean_pool": 0.5, "max_pool": 0.5}
_photos = {f"{name}{block}": 0.125 for block in (5, 8) for name in ("mean", "deviation")}
_THREE = ("ours_blocks", "ours_musicnn_pool", "ours_efficientnet_lite0")
_lda = Calibrated({"shrinkage": 0.6})
# Every epoch is run, so that all three take the same number of steps.
_reader: Any = partial(Network, "crnn", epochs=20, batch_size=64, patience=None, **_regularised)

_OURS = [
    _segments("ours_svm_segments", "SVM on 3 s segments (ours)", _svm(), "00", "The leak alone"),
    _honest(
        "ours_blocks",
        "Kernel ridge on blocks (ours)",
        Calibrated({}, weights=WEIGHTS),
        notebook="07",
        section="Order without recurrence",
        features=("blocks",),
    ),
    _honest(
        "ours_blocks_lda",
        "Shrinkage LDA on blocks (ours)",
        Calibrated({"shrinkage": 0.3}, copies=tuple(f"recording {n}" for n in (1, 2, 3))),
        notebook="07",
        section="Order without recurrence",
        features=("blocks_fast",),
    ),
    _segments(
        "ours_svm_tuned",
        name="SVM with C = 10 on 3 s segments (ours)",
        learner=_svm({"C": 10}),
        notebook="05",
        section="Nine systems of four studies",
    ),
    *(
        _segments(
            f"ours_crnn_{reads}",
            name=f"Convolutions, then {words} (ours)",
            learner=_reader({"dropout": 0.3} | over_time),
            notebook="07",
            section="Order, or only a vote?",
            features=("log_mel",),
            family="crnn",
        )
        for reads, words, over_time in (
            ("gru", "a GRU", {}),
            ("mean", "the mean over time", {"over_time": "mean"}),
            ("shuffled", "a GRU on shuffled time", {"over_time": "shuffled"}),
        )
    ),
    _musicnn("ours_musicnn_svm", "SVM on MusiCNN embeddings (ours)", OnMusicnn(_svm())),
    _musicnn(
        "ours_musicnn_logistic_regression",
        "Logistic regression on MusiCNN embeddings (ours)",
        OnMusicnn(_logistic({"C": 0.01, "max_iter": 3000})),
    ),
    _musicnn(
        "ours_musicnn_dense", "Dense layer on MusiCNN embeddings (ours)", OnMusicnn(_small_head)
    ),
    _honest(
        "ours_musicnn_pool",
        "LDA on MusiCNN's pooled layers (ours)",
        OnMusicnn(_lda, pooled=("mean_pool", "max_pool")),
        notebook="06",
        section="The layers of MusiCNN",
        features=("patches",),
        family="transfer",
    ),
    _honest(
        "ours_efficientnet_lite0",
        "LDA on EfficientNet-Lite0 (ours)",
        OnLite0(_lda),
        notebook="06",
        section="The layers of a network for photographs",
        features=("log_mel",),
        family="transfer",
    ),
    _honest(
        "ours_random_efficientnet_lite0",
        "LDA on EfficientNet-Lite0 with random weights (ours)",
        OnLite0(_lda, weights="random"),
        notebook="06",
        section="The layers of a network for photographs",
        features=("log_mel",),
        family="transfer",
    ),
    _honest(
        "ours_kernels",
        "Kernel ridge on blocks, MusiCNN and EfficientNet-Lite0 (ours)",
        Calibrated({}, weights={**WEIGHTS, **_music, **_photos}),
        features=(),
        family="transfer",
        joins=_THREE,
    ),
    _honest(
        "ours_kernels_music",
        "Kernel ridge on blocks and MusiCNN (ours)",
        Calibrated({}, weights={**WEIGHTS, **_music}),
        features=(),
        family="transfer",
        joins=_THREE[:2],
    ),
    _honest(
        "ours_ensemble",
        name="Average of three systems (ours)",
        learner=learners.Average(),
        features=(),
        family="ensemble",
        joins=_THREE,
    ),
]

#: Every system by its id, the studies' first.
#:
#: :meta hide-value:
SYSTEMS: Mapping[str, System] = {s.system_id: s for s in (*_OF_STUDIES, *_OURS)}

YARDSTICK = "ours_svm_segments"


def get(system_id: str) -> System:
    """Return one system.

    Parameters
    ----------
    system_id : str
        A key of `SYSTEMS`.

    Raises
    ------
    SettingError
        If there is none of that id.

    Examples
    --------
    >>> get("slices_cnn_augmented").published.valid
    0.9419
    """
    return choose(SYSTEMS, system_id, "system")


def of_notebook(number: str) -> list[System]:
    """The systems that a notebook runs, "03".

    Parameters
    ----------
    number : str
    """
    return [system for system in SYSTEMS.values() if system.notebook == number]
