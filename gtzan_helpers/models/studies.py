"""The learners of the 28 systems of the five studies, and which features they are given.

What the studies published, and how they evaluated it, is in `facts/systems.csv`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from gtzan_helpers.models.learners import Classical, Learner, Network, OnConvolutions, Transfer

TABLES = ("kaggle", "logmel", "capstone", "full")
"""`audio.feature_sets.TABLE_SETS`, named here because that module imports librosa."""

_dense = partial(Network, "dense")
_crnn = partial(Network, "crnn", batch_size=64, learning_rate=3e-3)
_capstone_cnn = partial(Network, "capstone_cnn", batch_size=64)
_slices_cnn = partial(Network, "slices_cnn", learning_rate=2e-3)
_linear_svm = partial(Classical, "SVC", {"kernel": "linear"}, components=True)
_mixtures = Classical("ClassMixtures", components=True)


def _grid(name: str, *values: Any) -> tuple[dict[str, Any], ...]:
    return tuple({name: value} for value in values)


_BY_FEATURES: Mapping[tuple[str, ...], Mapping[str, Learner]] = {
    TABLES: {
        "images_ann": _dense({"dropout": 0.3}, epochs=100, patience=30),
        # No early stopping, as published: every epoch is run.
        "walkthrough_dense": _dense(epochs=50, patience=None),
        "walkthrough_dense_validated": _dense({"dropout": 0.3}, epochs=100, patience=15),
        "slices_ann": _dense({"units": (512, 256, 128), "dropout": 0.2}, epochs=60),
    },
    ("capstone", "kaggle", "logmel", "full"): {
        "capstone_logistic_regression": Classical(
            "LogisticRegression", {"max_iter": 3000}, _grid("C", 0.01, 0.1, 1.0)
        ),
        # Weighted by distance, so that the training set is memorised, as the study found.
        "capstone_knn": Classical(
            "KNeighborsClassifier",
            {"n_neighbors": 5, "weights": "distance"},
            _grid("n_neighbors", 1, 3, 5, 9, 15),
        ),
        "capstone_random_forest": Classical(
            "RandomForestClassifier", {"n_estimators": 200}, _grid("max_features", "sqrt", 0.3)
        ),
        "capstone_svm": Classical(
            "SVC",
            {"C": 10},
            tuple({"C": c, "gamma": g} for c in (1, 3, 10, 30) for g in ("scale", 0.003)),
        ),
        "capstone_gradient_boosting": Classical(
            "GradientBoostingClassifier",
            {"subsample": 0.8, "max_features": "sqrt"},
            _grid("learning_rate", 0.05, 0.1, 0.2),
        ),
        # With a few hundred tracks more threads only wait for one another.
        "capstone_xgboost": Classical(
            "XGBClassifier",
            {"n_estimators": 200, "max_depth": 4, "subsample": 0.8, "n_jobs": 1},
            _grid("max_depth", 2, 4, 6),
        ),
    },
    ("log_mel",): {
        "images_cnn": Network("images_cnn", epochs=40, batch_size=16),
        "capstone_cnn": _capstone_cnn(epochs=16, patience=6),
        "capstone_cnn_regularized": _capstone_cnn(
            {"norm": True, "dropout": 0.3},
            epochs=18,
            learning_rate=3e-3,
            weight_decay=0.01,
            patience=8,
        ),
        "capstone_crnn": _crnn(epochs=16, patience=8),
        "capstone_crnn_dropout": _crnn({"dropout": 0.3}, epochs=36, weight_decay=0.01, patience=12),
    },
    ("pictures", "log_mel"): {
        "images_vgg19": Transfer("vgg19"),
        "images_efficientnetb0": Transfer("efficientnetb0"),
        "images_inceptionv3": Transfer("inceptionv3"),
        "images_mobilenetv2": Transfer("mobilenetv2"),
    },
    ("stacked",): {
        "stacked_gmm": _mixtures,
        "stacked_svm": _linear_svm(_grid("C", 0.001, 0.01, 1.0)),
        "stacked_nn": Network("stacked_nn", components=True, epochs=60, patience=20),
        "stacked_cnn": Network("stacked_cnn", epochs=40, batch_size=16),
        "stacked_cnn_svm": OnConvolutions(_linear_svm()),
        "stacked_cnn_gmm": OnConvolutions(_mixtures),
        "stacked_cnn3d": Network("stacked_cnn3d", epochs=40, batch_size=16),
    },
    ("mfcc",): {
        "slices_cnn": _slices_cnn(epochs=20, batch_size=64, patience=8),
        "slices_cnn_augmented": _slices_cnn(
            epochs=12, batch_size=128, patience=6, copies=("pitch", "gain", "noise")
        ),
    },
}

LEARNERS: Mapping[str, tuple[tuple[str, ...], Learner]] = {
    system_id: (features, learner)
    for features, learners in _BY_FEATURES.items()
    for system_id, learner in learners.items()
}
"""Feature sets in order of preference, and learner, by the system's id."""
