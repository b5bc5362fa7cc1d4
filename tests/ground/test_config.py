"""Settings are read when asked for, never on import."""

import os
from pathlib import Path

import pytest

from gtzan_helpers import config
from gtzan_helpers.errors import SettingError


def test_places_follow_the_environment_when_they_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("GTZAN_DATA", "~/songs")
    assert config.cache_dir() == tmp_path / "c"
    assert config.data_dir() == Path.home() / "songs"


def test_without_variables_the_platforms_folders_are_used(monkeypatch):
    monkeypatch.delenv("GTZAN_CACHE")
    monkeypatch.delenv("GTZAN_DATA")
    assert config.cache_dir().name == config.data_dir().name == "gtzan"
    assert config.cache_dir() != config.data_dir()


def test_compiled_loops_lie_below_the_cache_but_where_a_user_keeps_them(monkeypatch, tmp_path):
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    assert config.settle() and os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "numba")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    config.settle()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "mine")


def test_a_cache_that_cannot_be_made_is_no_place_for_compiled_loops(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GTZAN_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    assert not config.settle()


def test_an_empty_name_is_not_the_current_folder():
    with pytest.raises(SettingError, match="'' names no file"):
        config.expanded("")


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(
        SettingError, match=r"'fast' does not exist; choose from smoke, quick, full"
    ):
        config.profile("fast")


def test_a_run_lies_in_the_checkout_under_source_and_profile():
    assert config.run_dir("mini", "quick") == config.checkout() / "runs" / "mini-quick"


def test_runs_on_two_folders_of_one_name_lie_apart(tmp_path):
    one, two = (config.run_dir(str(tmp_path / name / "music"), "quick") for name in "ab")
    assert one != two and one.parent == two.parent
    assert one.name.startswith("music-") and one.name.endswith("-quick")


def test_a_profile_names_its_limits():
    assert config.PROFILES["smoke"].limits() == {
        "track_limit": 40, "seconds_limit": 6.0, "steps_limit": 1, "folds_limit": 1
    }  # fmt: skip
    assert config.PROFILES["full"].limits() == {"tuned": True}
