"""Charts: each draws onto the axes it is given what it was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.cluster import hierarchy

from gtzan_helpers import charts, evaluate


@pytest.fixture
def ax():
    yield plt.subplots()[1]
    plt.close("all")


def test_a_reliability_diagram_has_a_point_per_bin(ax, rng):
    bins = evaluate.reliability(rng.dirichlet(np.ones(3), 100), rng.integers(0, 3, 100))
    assert charts.reliability(bins, title="t", ax=ax) is ax
    assert len(ax.collections[0].get_offsets()) == len(bins) and ax.get_title() == "t"


def test_a_timeline_stacks_to_one_and_names_what_matters(ax):
    probs = np.array([[0.95, 0.05], [0.99, 0.01]])
    charts.timeline(probs, np.array([0.0, 3.0, 6.0]), ["jazz", "pop"], ax=ax)
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches[2:]]
    assert tops == pytest.approx([1, 1])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["jazz", "others"]


def test_robustness_has_a_bar_per_dose(ax):
    table = pd.DataFrame(
        [("none", 0.0, 0.6, 0.5, 0.7), ("noise", 10.0, 0.2, 0.1, 0.3)],
        columns=["kind", "dose", "track_accuracy", "track_ci_low", "track_ci_high"],
    )
    charts.robustness(table, ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["none", "noise 10 dB below"]


def test_a_dendrogram_names_its_leaves(ax, rng):
    tree = hierarchy.linkage(rng.normal(size=(4, 2)), "average")
    charts.dendrogram(tree, list("abcd"), title="t", ax=ax)
    assert sorted(text.get_text() for text in ax.get_yticklabels()) == list("abcd")


def test_prices_show_each_system_from_the_best_down_with_guessing_and_ceiling(ax):
    compared = pd.DataFrame(
        {
            "system_id": ["low", "high", "unpublished"],
            "published": [0.9, 0.8, np.nan],
            "reproduced": [0.85, 0.8, 0.7],
            "honest": [0.4, 0.6, 0.5],
            "low": [0.3, 0.5, 0.4],
            "high": [0.5, 0.7, 0.6],
            "price": [0.45, 0.2, np.nan],
        }
    )
    charts.prices(compared, ax=ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["high", "unpublished", "low"]
    assert {"guessing", "ceiling"} <= {text.get_text() for text in ax.texts}


def test_precisions_have_a_bar_for_each_name_and_choice_and_a_line_for_chance(ax):
    table = pd.DataFrame(
        [(name, among, 0.6, 0.5, 0.7, 0.1) for name in ("x", "y") for among in ("all", "others")],
        columns=["description", "among", "precision", "low", "high", "guess"],
    )
    table.loc[3, ["precision", "low", "high"]] = [0.3, 0.2, 0.5]
    charts.precisions(table, names="description", ax=ax)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.6, 0.6, 0.6, 0.3])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["x", "y"]
    legend = {text.get_text() for text in ax.get_legend().get_texts()}
    assert legend == {"drawn by lot", "among all", "among others"}
    ends = [s[:, 0] for c in ax.collections for s in c.get_segments()]
    assert any(np.allclose(end, [0.2, 0.5]) for end in ends)
    assert sum(np.allclose(end, [0.1, 0.1]) for end in ends) == 4


def test_hubs_are_counted_beside_what_lot_would_give(ax):
    counts = np.array([0, 1, 1, 2, 6])
    charts.hubs(counts, title="t", ax=ax)
    assert [bar.get_height() for bar in ax.patches] == [1, 2, 1, 0, 0, 0, 1]
    by_lot = ax.lines[0].get_ydata()
    # Of four others each names two of its four candidates.
    assert by_lot[:5] == pytest.approx(5 * np.array([1, 4, 6, 4, 1]) / 16)
    assert by_lot[5:] == pytest.approx([0, 0])
