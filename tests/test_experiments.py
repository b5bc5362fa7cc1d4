"""Systems run under protocols: rows, seeds, refusals, what is chosen on valid."""

import dataclasses

import numpy as np
import pytest

from gtzan_helpers import (
    classical,
    dataset,
    experiments,
    extract,
    networks,
    results,
    splits,
)
from gtzan_helpers.errors import SettingError


def run(folder, system_id="capstone_svm", protocol="track_random", **changes):
    settings = {"source": "synthetic", "profile": "smoke", "run_dir": folder, "jobs": 1}
    return experiments.run_system(system_id, protocol=protocol, **{**settings, **changes})


def source():
    return dataset.resolve("synthetic", profile="smoke")


def test_a_row_is_complete_and_adds_up(tmp_path):
    row, predictions = run(tmp_path)
    assert (row.status, row.features, row.segment_seconds) == ("measured", "capstone", 0.0)
    assert row.note == "4-fold, pooled"
    assert row.n_test == 40
    assert row.n_train + row.n_valid == 30
    assert row.segment_accuracy == row.track_accuracy  # whole tracks
    assert row.track_ci_low <= row.track_accuracy <= row.track_ci_high
    assert predictions.test_probs.dtype == np.float16
    assert sorted(predictions.test_id) == sorted(set(predictions.test_id))


def test_the_same_seed_gives_the_same_result_and_another_one_another_split(tmp_path):
    one, _ = run(tmp_path / "a", "capstone_random_forest")
    two, _ = run(tmp_path / "b", "capstone_random_forest")
    other, predictions = run(tmp_path / "c", "capstone_random_forest", seed=1)
    assert one.track_accuracy == two.track_accuracy
    assert other.stem.endswith("__1")
    assert not np.array_equal(predictions.test_id, run(tmp_path / "a")[1].test_id)


def test_auto_means_the_systems_own_protocol_and_the_honest_one(tmp_path):
    rows = experiments.run_systems(
        ["ours_svm_segments"], source="synthetic", profile="smoke", run_dir=tmp_path
    )
    assert rows.protocol.tolist() == ["segment_random", "fault_filtered"]


def test_what_a_source_cannot_give_is_a_row_with_its_reason(tmp_path, rng):
    table = tmp_path / "table.csv"
    lines = extract.extract("synthetic", segment_seconds=0, profile="smoke")
    extract.write_csv(table, lines, segment_seconds=0)
    known = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(known[:-1]), encoding="utf-8")  # no longer the embedded dataset
    rows = experiments.run_systems(
        ["stacked_svm", "capstone_svm"],
        source=table,
        profile="smoke",
        protocols="fault_filtered",
        run_dir=tmp_path,
    )
    assert rows.status.tolist() == ["not_measured", "not_measured"]
    assert "'stacked' needs audio" in rows.note[0]
    assert "not in the published partition" in rows.note[1]


def test_an_ablation_looks_at_valid_only():
    data = extract.extract("synthetic", segment_seconds=0, profile="smoke")
    sets = {"few": list(data.columns[:5]), "all": list(data.columns)}
    found = experiments.ablate(data, sets, system_id="capstone_svm", protocol="fault_filtered")
    part = splits.make("fault_filtered", data.segments, data.tracks, seed=0)[0]
    _, y = np.unique(data.segments.genre.to_numpy(str), return_inverse=True)
    model = classical.build("capstone_svm", n_train=len(part.train), seed=0)
    model.fit(data.values[part.train], y[part.train])
    assert found.n_columns.tolist() == [5, 57]
    assert found.track_accuracy[1] == model.score(data.values[part.valid], y[part.valid])


def test_unknown_words_are_named(tmp_path):
    with pytest.raises(SettingError, match="'fair' does not exist"):
        experiments.run_systems(
            ["capstone_svm"], source="synthetic", profile="smoke", protocols="fair"
        )


def test_rows_of_a_run_are_read_back_together(tmp_path):
    run(tmp_path)
    run(tmp_path, "capstone_knn")
    assert set(results.read(tmp_path).system_id) == {"capstone_svm", "capstone_knn"}


def test_variants_are_compared_on_valid_and_read_back(tmp_path):
    ann = networks.get("images_ann")
    variants = {"plain": ann, "wide": dataclasses.replace(ann, options={"units": (64,)})}
    arguments = {"system_id": "images_ann", "source": source(), "protocol": "fault_filtered"}
    first = experiments.compare_networks(variants, **arguments, run_dir=tmp_path)
    assert list(first.variant) == ["plain", "wide"] and first.valid_accuracy.between(0, 1).all()
    paths = {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").iterdir()}
    again = experiments.compare_networks(variants, **arguments, run_dir=tmp_path)
    assert first.equals(again)
    assert paths == {path: path.stat().st_mtime_ns for path in (tmp_path / "trials").iterdir()}
    assert not (tmp_path / "results").exists()  # test was not touched
