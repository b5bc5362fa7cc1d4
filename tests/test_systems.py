"""The table of systems: all 28 of the studies, and ours."""

import re

import nbformat
import pytest

from gtzan_helpers import classical, config, splits, systems
from gtzan_helpers.errors import SettingError


def test_all_28_systems_of_the_five_studies_are_there():
    studies = [s.study for s in systems.all_systems().values() if s.study != "ours"]
    assert len(studies) == 28
    assert set(studies) == {"images", "capstone", "stacked", "walkthrough", "slices"}


def test_published_accuracies_are_shares_or_unknown():
    for system in systems.all_systems().values():
        for share in (system.published_train, system.published_valid, system.published_test):
            assert share is None or 0 < share <= 1


def test_a_published_range_counts_as_its_lower_end():
    assert systems.get("slices_ann").published_valid == 0.90


def test_every_system_runs_under_a_known_protocol_and_leaves_songs_to_train_with():
    for system in systems.all_systems().values():
        assert system.run_protocol in splits.PROTOCOLS
        assert system.test_size + system.valid_size < 0.5


def test_the_validated_walkthrough_keeps_a_third_of_train_for_valid():
    system = systems.get("walkthrough_dense_validated")
    assert system.valid_size == pytest.approx((1 - 0.2) / 3)


def test_every_classical_system_of_the_table_can_be_built():
    listed = {s.system_id for s in systems.all_systems().values() if s.family == "classical"}
    on_networks = {"stacked_cnn_svm", "stacked_cnn_gmm"}  # on what a network's layers give
    on_networks |= {"ours_musicnn_svm", "ours_musicnn_logistic_regression"}
    assert listed | on_networks == set(classical.names())


def test_every_system_has_its_section_in_its_notebook():
    folder = config.checkout() / "notebooks"
    headings = {
        path.stem[:2]: re.findall(r"^## (.+)$", markdown(path), re.MULTILINE)
        for path in folder.glob("*.ipynb")
    }
    for system in systems.all_systems().values():
        assert system.section in headings[system.notebook], system.system_id


def markdown(path):
    cells = nbformat.read(path, 4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_an_unknown_system_is_named():
    with pytest.raises(SettingError, match="'capstone_magic' does not exist"):
        systems.get("capstone_magic")
