"""The systems: the 28 of the five studies, and ours; what each is given and how it is evaluated.

What the studies published is looked up in `facts/systems.csv`.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gtzan_helpers import config
from gtzan_helpers.errors import SettingError
from gtzan_helpers.models.learners import (
    Classical,
    Learner,
    Network,
    OnMusicnn,
    Transfer,
    Vote,
    canonical,
)
from gtzan_helpers.models.studies import LEARNERS, TABLES

if TYPE_CHECKING:
    from gtzan_helpers.datasets.extraction import Features
    from gtzan_helpers.datasets.sources import Source

TEST_SIZE, VALID_SIZE = 0.2, 0.1
"""Default shares of all tracks, or segments, in the test and validation sets."""


@dataclass(frozen=True)
class Published:
    """What a study's document says about a system.

    Attributes
    ----------
    train, valid, test : float or None
        Accuracies, 0 to 1; of a range the lower end.
    stated : str
        Whether the document says how it split: "yes", "no", or in which words.
    """

    train: float | None = None
    valid: float | None = None
    test: float | None = None
    stated: str = "yes"


@dataclass(frozen=True)
class System:
    """What is fitted to what, and how it is evaluated.

    Attributes
    ----------
    system_id : str
        Study and model, ``capstone_svm``; ours begin with ``ours_``.
    name : str
        For people.
    family : str
        classical, ann, cnn, transfer, crnn or ensemble.
    features : tuple of str
        Feature sets in order of preference; the first that a source gives is used.
    learner : Learner
    run_protocol : str
        The protocol under which it is reproduced.
    unit : str
        What is split and scored: "track" or "segment".
    notebook, section : str
        Number of the notebook that runs it, and under which heading.
    test_size, valid_size : float
        Shares of all tracks (or segments) in the test and validation sets.
    description, input, note : str
        The model, what it is given, and what else there is to know.
    published : Published
    """

    system_id: str
    name: str
    family: str
    features: tuple[str, ...]
    learner: Learner
    run_protocol: str
    unit: str
    notebook: str
    section: str
    test_size: float = TEST_SIZE
    valid_size: float = VALID_SIZE
    description: str = ""
    input: str = ""
    note: str = ""
    published: Published = Published()

    @property
    def study(self) -> str:
        """Name of the study, ``ours`` for our own."""
        return self.system_id.split("_")[0]

    @property
    def anchor(self) -> str:
        """The section as it stands in an address, in JupyterLab and on pages: ``#Run-them``."""
        return f"#{self.section.replace(' ', '-')}"

    @property
    def segment_seconds(self) -> float:
        """Length of its segments in seconds; 0 for whole tracks."""
        return config.SEGMENT_SECONDS if self.unit == "segment" else 0.0

    def settings(self, *, tuned: bool = False) -> dict[str, Any]:
        """Everything that its results depend on but protocol, seed and data.

        Parameters
        ----------
        tuned : bool
            Whether hyperparameters are searched.

        Returns
        -------
        dict
            Names and numbers, which can be written as JSON; those equal to their defaults are
            left out.
        """
        from gtzan_helpers.audio.feature_sets import feature_set  # imports numba

        versions = {name: feature_set(name).version for name in self.features}
        chosen = {
            "features": [n if v == 1 else f"{n} v{v}" for n, v in versions.items()],
            "learner": self.learner.settings(tuned=tuned),
        }
        defaults = {"segment_seconds": 0.0, "test_size": TEST_SIZE, "valid_size": VALID_SIZE}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                chosen[name] = getattr(self, name)
        return canonical(chosen)

    def load_features(self, source: "Source", *, jobs: int | None = None) -> "Features":
        """Compute, or read from the cache, what the learner is given.

        Parameters
        ----------
        source : Source
        jobs : int or None
            Processes for extraction.

        Raises
        ------
        NotPossibleError
            If the source does not give it, or pretrained weights are missing.
        SettingError
            If the system has no features, but is made of other systems.
        """
        if not self.features:
            raise SettingError(f"{self.system_id} joins the predictions of other systems")
        given = (name for name in self.features if source.gives(name))
        name = next(given, self.features[-1])  # if none, the source says why
        features = source.features(name, segment_seconds=self.segment_seconds, jobs=jobs)
        return self.learner.prepare(features, fetch=source.profile.fetches)


# The studies


_COLUMNS = ("name", "family", "run_protocol", "unit", "notebook", "section", "input", "note")


def _share(text: str) -> float | None:
    """An accuracy; of a range, "0.90 to 0.92", the lower end."""
    return float(text.split()[0]) if text else None


def _of_studies() -> list[System]:
    """Join the learners of the studies' systems with what `facts/systems.csv` knows of them."""
    systems = []
    with (config.facts_dir() / "systems.csv").open(encoding="utf-8", newline="") as file:
        for facts in csv.DictReader(file):
            system_id = facts["system_id"]
            features, learner = LEARNERS[system_id]
            shares = {
                p: _share(facts[f"published_{p}_accuracy"]) for p in ("train", "valid", "test")
            }
            small_test = system_id.startswith(("images", "stacked"))
            validated = system_id == "walkthrough_dense_validated"
            system = System(
                system_id,
                features=features,
                learner=learner,
                test_size=0.1 if small_test else TEST_SIZE,
                # That study validates on a third of what it does not test on.
                valid_size=(1 - TEST_SIZE) / 3 if validated else VALID_SIZE,
                description=facts["system"],
                published=Published(**shares, stated=facts["protocol_stated"]),
                **{name: facts[name] for name in _COLUMNS},
            )
            systems.append(system)
    return systems


# Ours

_on_segments = partial(
    System, family="classical", features=TABLES, run_protocol="segment_random", unit="segment"
)
_on_musicnn = partial(
    System,
    family="transfer",
    features=("patches",),
    run_protocol="track_random",
    unit="segment",
    notebook="06",
    section="A teacher that knows music",
    test_size=0.1,
)

_OURS = [
    _on_segments(
        "ours_svm_segments",
        "SVM on 3 s segments (ours)",
        learner=Classical("SVC"),
        notebook="00",
        section="Measure the leak",
    ),
    System(
        "ours_texture",
        "Texture network (ours)",
        "ann",
        ("log_mel",),
        Network(
            "texture", epochs=60, learning_rate=2e-3, patience=None, changes=("noise", "equalizer")
        ),
        "fault_filtered",
        "track",
        "05",
        "A network of our own",
    ),
    _on_segments(
        "ours_svm_tuned",
        "SVM with C = 10 on 3 s segments (ours)",
        learner=Classical("SVC", {"C": 10}),
        notebook="05",
        section="What the split is worth",
    ),
    System(
        "ours_random_mobilenetv2",
        "MobileNetV2 with random weights (ours)",
        "transfer",
        ("pictures", "log_mel"),
        # Small pictures, because nothing is to be expected of it.
        Transfer("mobilenetv2", weights="random", size=96),
        "track_random",
        "track",
        "06",
        "Frozen, then fine-tuned",
        test_size=0.1,
    ),
    _on_musicnn(
        "ours_musicnn_svm",
        "SVM on MusiCNN embeddings (ours)",
        learner=OnMusicnn(Classical("SVC")),
    ),
    _on_musicnn(
        "ours_musicnn_logistic_regression",
        "Logistic regression on MusiCNN embeddings (ours)",
        learner=OnMusicnn(Classical("LogisticRegression", {"C": 0.01, "max_iter": 3000})),
    ),
    _on_musicnn(
        "ours_musicnn_dense",
        "Dense layer on MusiCNN embeddings (ours)",
        learner=OnMusicnn(
            Network(
                "dense", {"units": (64,), "dropout": 0.5}, epochs=20, weight_decay=0.01, patience=6
            )
        ),
    ),
    System(
        "ours_ensemble",
        "Ensemble of calibrated systems (ours)",
        "ensemble",
        (),
        Vote(),
        "fault_filtered",
        "track",
        "08",
        "Ensembles",
    ),
]

SYSTEMS: Mapping[str, System] = {s.system_id: s for s in (*_of_studies(), *_OURS)}
"""Every system by its id, the studies' first."""

YARDSTICK, ENSEMBLE = "ours_svm_segments", "ours_ensemble"


def get(system_id: str) -> System:
    """Return one system.

    Raises
    ------
    SettingError
        If there is none of that id.
    """
    if system_id not in SYSTEMS:
        raise SettingError(
            f"system {system_id!r} does not exist; `models.SYSTEMS` lists {len(SYSTEMS)} of them"
        )
    return SYSTEMS[system_id]


def of_notebook(number: str) -> list[System]:
    """The systems that a notebook runs, "03"."""
    return [system for system in SYSTEMS.values() if system.notebook == number]


def yardstick(source: "Source") -> System:
    """The system that shows what a split is worth: one of segments, where there are some."""
    return get("capstone_svm" if source.default_segment_seconds == 0 else YARDSTICK)
