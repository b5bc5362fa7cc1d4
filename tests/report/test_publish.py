"""README, figures/ and the scoreboard say the same."""

import dataclasses
import re

import pytest

from gtzan_helpers import config, experiments
from gtzan_helpers.errors import SettingError, SourceError
from gtzan_helpers.experiments import kept, results
from gtzan_helpers.report import publish, series

ROOT = config.checkout()
BOARD = ROOT / "figures" / "scoreboard.csv"


def test_pages_hold_the_tables_that_the_scoreboard_gives():
    for name, tables in publish.pages(results.read_run(BOARD)).items():
        page = (ROOT / name).read_text(encoding="utf-8")
        for marker, table in tables.items():
            assert publish.replace_between(page, marker, table) == page, (name, marker)


def test_every_notebook_has_questions_with_answers_on_the_page_for_teachers():
    page = publish.pages(results.read_run(BOARD))["docs/questions.md"]["questions"]
    assert "<" not in page
    parts = re.split("^## ", page, flags=re.MULTILINE)[1:]
    assert [part[:2] for part in parts] == [one.number for one in series.notebooks()]
    for part in parts:
        answered = re.findall(r"^\*\*.+\?\*\*\n\n[\w`]", part, re.MULTILINE)
        assert len(answered) == len(re.findall(r"^\*\*", part, re.MULTILINE)) >= 3, part[:40]


def test_every_committed_figure_follows_from_its_predictions():
    faults, n_rows = publish.verify([])
    assert faults == [] and n_rows > 100


def test_an_altered_row_and_an_altered_prediction_are_named(tmp_path, monkeypatch):
    figures = tmp_path / "figures"
    monkeypatch.setattr(publish, "_figures", lambda: figures)
    rows = results.read_run(BOARD)
    rows = rows[rows.system_id == "capstone_knn"].copy()
    stems = [row.stem for row in results.from_table(rows)]
    for stem in stems:
        kept.write_predictions(figures, stem, kept.read_predictions(ROOT / "figures", stem))
    rows.loc[rows.index[0], "macro_f1"] += 0.01
    (figures / "scoreboard.csv").write_text(rows.to_csv(index=False))
    (fault,) = publish.verify([])[0]
    assert fault.startswith(f"{stems[0]}: macro_f1 is")
    other = kept.read_predictions(figures, stems[1])
    turned = dataclasses.replace(other, test_probs=other.test_probs[:, ::-1])
    kept.write_predictions(figures, stems[1], turned)
    (figures / "predictions" / f"{stems[-1]}.npz").unlink()
    faults = "\n".join(publish.verify([])[0])
    assert f"{stems[1]}: track_accuracy is" in faults
    assert f"{stems[-1]}: has no predictions; measure it again" in faults


def test_figures_hold_no_synthetic_result():
    assert not results.read_run(BOARD).source.str.startswith("synthetic").any()


def test_capstone_systems_have_real_rows_under_their_protocol_and_the_honest_one():
    board = results.read_run(BOARD)
    kaggle = board[(board.source == "features_30_sec") & (board.status == "measured")]
    names = ["logistic_regression", "knn", "random_forest", "svm", "gradient_boosting", "xgboost"]
    for name in names:
        protocols = set(kaggle[kaggle.system_id == f"capstone_{name}"].protocol)
        assert {"track_random", "fault_filtered"} <= protocols, name


@pytest.mark.parametrize("source", ["synthetic", "synthetic_class"])
def test_synthetic_rows_are_kept_out_of_figures(tmp_path, source):
    row = results.Row("capstone_svm", source, "kaggle", 0.0, "track_random", 0, "not_measured")
    results.write_row(tmp_path / "results", row, key="k")
    before = BOARD.read_bytes()
    with pytest.raises(SourceError, match="synthetic results are not for figures"):
        publish.write([tmp_path])
    assert BOARD.read_bytes() == before


def test_what_a_run_links_to_is_not_brought_into_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "_figures", lambda: tmp_path / "figures")
    row = results.Row("capstone_svm", "mine", "kaggle", 0.0, "track_random", 0, "not_measured")
    results.write_row(tmp_path / "run" / "results", row, key="k")
    (tmp_path / "secret").write_text("SECRET")
    (tmp_path / "run" / "figures").mkdir()
    (tmp_path / "run" / "figures" / "00_x.png").symlink_to(tmp_path / "secret")
    (tmp_path / "README.md").write_text("![a picture](figures/mine/00_x.png)")
    with pytest.raises(SettingError, match=r"00_x\.png: a link"):
        publish.write([tmp_path / "run"])
    assert not (tmp_path / "figures").exists()


def test_two_sources_of_one_name_are_not_mixed(tmp_path, monkeypatch, labelled_folder):
    monkeypatch.setattr(publish, "_figures", lambda: tmp_path / "figures")
    runs = [tmp_path / name for name in ("one", "two")]
    for run in runs:
        source = labelled_folder(name=f"{run.name}/music")
        experiments.start(source, profile="smoke", run_dir=run)
        row = results.Row("capstone_svm", "music", "kaggle", 0.0, "track_random", 0, "not_measured")
        results.write_row(run / "results", row, key="k")
    with pytest.raises(SourceError, match="are both called music"):
        publish.write(runs)
    assert not (tmp_path / "figures").exists()


def test_runs_on_one_source_are_shown_side_by_side(tmp_path):
    for name in ("before", "after"):
        row = results.Row("capstone_svm", "mine", "kaggle", 0.0, "track_random", 0, "not_measured")
        results.write_row(tmp_path / name / "results", row, key="k")
    runs = [str(tmp_path / name) for name in ("before", "after")]
    assert publish.gather(runs).source.tolist() == [f"mine ({run})" for run in runs]
    assert publish.gather(runs[:1]).source.tolist() == ["mine"]


def test_rows_of_two_profiles_are_shown_apart(tmp_path):
    for name, profile in (("capstone_svm", "quick"), ("capstone_knn", "full")):
        settings = ("kaggle", 0.0, "track_random", 0, "not_measured")
        row = results.Row(name, "mine", *settings, profile=profile)
        results.write_row(tmp_path / "results", row, key="k")
    assert set(publish.gather([tmp_path]).source) == {"mine (quick)", "mine (full)"}


def test_text_between_markers_is_replaced_and_nothing_else():
    text = "a\n<!-- m -->\nold | \\1\n<!-- /m -->\nb\n"
    once = publish.replace_between(text, "m", "new \\g<9>")
    assert once == "a\n<!-- m -->\nnew \\g<9>\n<!-- /m -->\nb\n"
    assert publish.replace_between(once, "m", "new \\g<9>") == once


def test_missing_markers_are_an_error():
    with pytest.raises(SourceError, match="put them back"):
        publish.replace_between("nothing here", "m", "new")


def test_every_picture_and_table_of_real_songs_is_shown_somewhere():
    root = config.checkout()
    paths = [path for path in root.glob("figures/*/*_*.*") if path.stem[:2].isdigit()]
    kept = {f"{path.parent.name}/{path.stem}" for path in paths}
    assert kept == publish.shown_figures(root)
