"""A system: what is fitted to what, and how it is evaluated."""

from dataclasses import dataclass
from typing import Any

from gtzan_helpers import config, datasets, models
from gtzan_helpers.errors import SettingError
from gtzan_helpers.models.learners import Average, Learner, canonical

# Default shares of all tracks, or segments, in the test and validation sets.
TEST_SIZE, VALID_SIZE = 0.2, 0.1


@dataclass(frozen=True)
class Published:
    """What a study's document says about a system.

    Attributes
    ----------
    stated : str
        Whether the document says how it split: "yes", "no", or in which words.
    train, valid, test : float or None
        Accuracies, 0 to 1.
    """

    stated: str = "yes"
    train: float | None = None
    valid: float | None = None
    test: float | None = None

    @property
    def accuracy(self) -> float | None:
        """Of test, or of valid where it gives no other."""
        return self.valid if self.test is None else self.test


@dataclass(frozen=True)
class System:
    """What is fitted to what, and how it is evaluated.

    Attributes
    ----------
    system_id : str
        Study and model, ``capstone_svm``; ours begin with ``ours_``.
    name : str
        For people.
    learner : Learner
    notebook, section : str
        Number of the notebook that runs it, and under which heading; empty if none does yet.
    features : tuple of str
        Feature sets in order of preference; the first that a source gives is used.
    family : str
        classical, ann, cnn, transfer, crnn or ensemble.
    run_protocol : str
        The protocol under which it is reproduced.
    unit : str
        What is split and scored: "track" or "segment".
    test_size, valid_size : float
        Shares of all tracks (or segments) in the test and validation sets.
    description, input : str
        The model and what it is given, in words.
    published : Published
    joins : tuple of str
        Systems whose examples it is given side by side, instead of features of its own; or whose
        predictions are averaged.
    """

    system_id: str
    name: str
    learner: Learner
    notebook: str
    section: str
    features: tuple[str, ...]
    family: str
    run_protocol: str
    unit: str = "track"
    test_size: float = TEST_SIZE
    valid_size: float = VALID_SIZE
    description: str = ""
    input: str = ""
    published: Published = Published()
    joins: tuple[str, ...] = ()

    @property
    def study(self) -> str:
        """Name of the study, ``ours`` for our own."""
        return self.system_id.split("_")[0]

    @property
    def anchor(self) -> str:
        """The section as it stands in an address, in JupyterLab and on pages: ``#Run-them``."""
        return f"#{self.section.replace(' ', '-')}"

    @property
    def averages(self) -> bool:
        """Whether its predictions are the mean of those of the systems that it joins."""
        return isinstance(self.learner, Average)

    @property
    def pretrained(self) -> str:
        """Which pretrained weights it starts from; empty for none."""
        parts = [self.learner.pretrained, *(models.get(name).pretrained for name in self.joins)]
        return ", ".join(filter(None, parts))

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

        defaults = {"segment_seconds": 0.0, "test_size": TEST_SIZE, "valid_size": VALID_SIZE}
        own = {name: getattr(self, name) for name in defaults}
        chosen = {name: value for name, value in own.items() if value != defaults[name]}
        versions = {name: feature_set(name).version for name in self.features}
        chosen["features"] = [n if v == 1 else f"{n} v{v}" for n, v in versions.items()]
        chosen["learner"] = self.learner.settings(tuned=tuned)
        if self.joins:
            chosen["joins"] = [models.get(name).settings() for name in self.joins]
        return canonical(chosen)

    def load_features(self, source: "datasets.Source") -> "datasets.Features":
        """Compute, or read from the cache, what the learner is given.

        Parameters
        ----------
        source : Source

        Raises
        ------
        NotPossibleError
            If the source does not give it, or pretrained weights are missing.
        SettingError
            If the system has no features, but is made of other systems.
        """
        if self.joins and not self.averages:
            return datasets.side_by_side(
                [models.get(name).load_features(source) for name in self.joins]
            )
        from gtzan_helpers.audio.feature_sets import feature_set  # imports numba

        if not self.features:
            raise SettingError(f"{self.system_id} joins the predictions of other systems")
        given = (name for name in self.features if source.gives(name))
        name = next(given, self.features[-1])  # if none, the source says why
        only = feature_set(name).only_segment_seconds
        seconds = self.segment_seconds if only is None else only
        features = source.features(name, segment_seconds=seconds)
        return self.learner.prepare(features, fetch=source.profile.fetches)
