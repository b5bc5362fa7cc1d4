"""The systems: the 28 of the five studies, and ours; what they published, how they are run."""

import csv
from dataclasses import dataclass
from functools import lru_cache

from gtzan_helpers import config
from gtzan_helpers.errors import SettingError

SEGMENT_SECONDS = 3.0


@dataclass(frozen=True)
class System:
    """One line of `facts/systems.csv` (the studies') or `facts/ours.csv`.

    Attributes
    ----------
    system_id : str
        Study and model, ``capstone_svm``; ours begin with ``ours_``.
    family : str
        classical, ann, cnn, transfer or crnn.
    description, input : str
        The model, and what it is fed.
    published_train, published_valid, published_test : float or None
        Accuracies as published, 0 to 1.
    protocol_stated : str
        Whether the document says how it split: "yes", "no", or in what words.
    run_protocol : str
        The protocol under which it is reproduced.
    test_size, valid_size : float
        Shares of all tracks (or segments) kept for test and for valid.
    unit : str
        What is split and scored: "track" or "segment".
    notebook : str
        Number of the notebook that runs it.
    section : str
        Heading under which that notebook does so.
    """

    system_id: str
    family: str
    description: str
    input: str
    published_train: float | None
    published_valid: float | None
    published_test: float | None
    protocol_stated: str
    run_protocol: str
    test_size: float
    valid_size: float
    unit: str
    notebook: str
    section: str
    note: str

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
        """Length of the segments that it hears, in seconds; 0 for whole tracks."""
        return SEGMENT_SECONDS if self.unit == "segment" else 0.0

    @property
    def array(self) -> str:
        """The array that it is fed (`extract.ARRAYS`); empty for a table of features."""
        for words, array in _ARRAYS.items():
            if words in self.input:
                return array
        return ""


_ARRAYS = {
    "MusiCNN patches": "patches",
    "stacked features": "stacked",
    "MFCC of": "mfcc",
    "log-mel": "log_mel",
    "mel-spectrogram image": "log_mel",
}
"""Words of the column `input`, and the array that they mean."""


def _number(text: str) -> float | None:
    """The first number of a cell: "0.90 to 0.92" counts as 0.90."""
    return float(text.split()[0]) if text else None


def _system(line: dict[str, str]) -> System:
    validated = line["system_id"] == "walkthrough_dense_validated"
    test_size = 0.1 if line["test_size"].startswith("0.1") else float(line["test_size"])
    return System(
        system_id=line["system_id"],
        family=line["family"],
        description=line["system"],
        input=line["input"],
        published_train=_number(line["published_train_accuracy"]),
        published_valid=_number(line["published_valid_accuracy"]),
        published_test=_number(line["published_test_accuracy"]),
        protocol_stated=line["protocol_stated"],
        run_protocol=line["run_protocol"],
        test_size=test_size,
        # That study keeps a third of its train part; the others get a tenth of everything.
        valid_size=(1 - test_size) / 3 if validated else 0.1,
        unit=line["unit"],
        notebook=line["notebook"],
        section=line["section"],
        note=line["note"],
    )


@lru_cache
def all_systems() -> dict[str, System]:
    """Every system by its id, the studies' first, in the order of the tables."""
    found = {}
    for table in ("systems.csv", "ours.csv"):
        with (config.facts_dir() / table).open(encoding="utf-8", newline="") as file:
            found.update({line["system_id"]: _system(line) for line in csv.DictReader(file)})
    return found


def get(system_id: str) -> System:
    """Return one system.

    Raises
    ------
    SettingError
        If there is none of that id.
    """
    systems = all_systems()
    if system_id not in systems:
        raise SettingError(
            f"system {system_id!r} does not exist; facts/systems.csv lists {len(systems)} of them"
        )
    return systems[system_id]
