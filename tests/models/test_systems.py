"""The systems: all 28 of the studies, and ours; their settings and what they are given."""

import csv
import json
import re
import subprocess
import sys

import nbformat
import pytest

from gtzan_helpers import config
from gtzan_helpers.audio.feature_sets import FEATURE_SETS, TABLE_SETS
from gtzan_helpers.datasets import splits
from gtzan_helpers.datasets.sources import open_source
from gtzan_helpers.errors import MissingWeightsError, NotPossibleError, SettingError
from gtzan_helpers.models import systems
from gtzan_helpers.models.system import Published
from gtzan_helpers.models.systems import SYSTEMS


def test_all_28_systems_of_the_five_studies_are_there():
    names = [system.study for system in SYSTEMS.values() if system.study != "ours"]
    assert len(names) == 28
    assert set(names) == {"images", "capstone", "stacked", "walkthrough", "slices"}


def test_every_line_of_the_table_of_facts_is_a_system():
    with (config.facts_dir() / "systems.csv").open(encoding="utf-8", newline="") as file:
        lines = [line["system_id"] for line in csv.DictReader(file)]
    assert lines == list(SYSTEMS)[:28]


def test_every_system_is_well_declared():
    for system in SYSTEMS.values():
        published = system.published
        for share in (published.train, published.valid, published.test):
            assert share is None or 0 < share <= 1
        assert system.run_protocol in splits.PROTOCOLS
        assert system.test_size + system.valid_size < 0.5
        assert set(system.features) <= set(FEATURE_SETS)
        ours = system.study == "ours"
        assert system.name.endswith(" (ours)" if ours else f", {system.study} study")


def test_names_for_people_are_unique():
    assert len({system.name for system in SYSTEMS.values()}) == len(SYSTEMS)


def test_the_names_of_tables_are_those_of_the_feature_sets():
    assert systems.TABLES == TABLE_SETS


def test_what_a_study_published_is_known():
    published = systems.get("walkthrough_dense").published
    assert published == Published("yes", 0.8225, None, 0.595)
    assert systems.get("ours_blocks").published == Published()


def test_the_validated_walkthrough_validates_on_a_third_of_the_rest():
    system = systems.get("walkthrough_dense_validated")
    assert system.valid_size == pytest.approx((1 - 0.2) / 3)


def test_every_system_has_its_section_in_its_notebook():
    folder = config.checkout() / "notebooks"
    headings = {
        path.stem[:2]: re.findall(r"^## (.+)$", markdown(path), re.MULTILINE)
        for path in folder.glob("*.ipynb")
    }
    for system in SYSTEMS.values():
        if system.notebook:
            assert system.section in headings[system.notebook], system.system_id


def markdown(path):
    cells = nbformat.read(path, 4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_an_unknown_system_is_named():
    with pytest.raises(SettingError, match="'capstone_magic' does not exist"):
        systems.get("capstone_magic")


# Settings


def test_settings_are_plain_names_and_numbers():
    for system in SYSTEMS.values():
        settings = system.settings(tuned=True)
        assert json.loads(json.dumps(settings)) == settings
        assert " at 0x" not in json.dumps(settings)


def test_settings_leave_out_what_is_by_default():
    assert systems.get("images_cnn").settings() == {
        "features": ["log_mel"],
        "learner": {"learner": "Network", "body": "images_cnn", "batch_size": 16},
        "test_size": 0.1,
    }


def test_systems_that_differ_in_settings_alone_can_be_told_apart():
    written = [json.dumps(system.settings(tuned=True)) for system in SYSTEMS.values()]
    assert len(set(written)) == len(written)


def test_reading_the_systems_loads_no_heavy_library():
    code = (
        "import sys; from gtzan_helpers.models import systems; "
        "print({'keras', 'tensorflow', 'sklearn', 'librosa'} & set(sys.modules)); "
        "systems.get('capstone_crnn').settings(); "
        "print({'keras', 'tensorflow', 'sklearn'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["set()", "set()"]


# Features


def test_the_first_feature_set_that_a_source_gives_is_used(labelled_folder):
    source = open_source(labelled_folder(seconds=3.1, tracks=1), profile="smoke")
    assert systems.get("capstone_knn").load_features(source).feature_set == "capstone"
    features = systems.get("ours_svm_segments").load_features(source)
    assert features.feature_set == "kaggle" and features.values.shape == (2, 57)


def test_what_a_source_does_not_give_is_said_by_the_source(tmp_path):
    table = tmp_path / "t.csv"
    header = "filename,length," + ",".join(FEATURE_SETS["kaggle"].columns) + ",label"
    rows = [f"{g}.0000{i}.wav,0,{'0,' * 57}{g}" for g in ("blues", "rock") for i in range(2)]
    table.write_text("\n".join([header, *rows]))
    with pytest.raises(NotPossibleError, match="'log_mel' needs audio; the table t holds"):
        systems.get("images_cnn").load_features(open_source(table))


def test_missing_weights_are_named(labelled_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    source = open_source(labelled_folder(tracks=1), profile="smoke")
    with pytest.raises(MissingWeightsError, match=r"^vgg19_weights"):
        systems.get("images_vgg19").load_features(source)


def test_an_ensemble_has_no_features_of_its_own(labelled_folder):
    source = open_source(labelled_folder(tracks=1), profile="smoke")
    with pytest.raises(SettingError, match="joins the predictions of other systems"):
        systems.get("ours_ensemble").load_features(source)
