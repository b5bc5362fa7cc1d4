"""Pictures of scores and networks: each shows the numbers that it was given."""

import numpy as np
import pandas as pd
import pytest

from gtzan_helpers import evaluation, plots


def words(texts):
    return [text.get_text() for text in texts]


def rows(**columns):
    interval = {"track_accuracy": [0.5, 0.6], "track_ci_low": [0.4, 0.5]}
    return pd.DataFrame({**interval, "track_ci_high": [0.7, 0.65], **columns})


# Scores


def test_accuracies_have_intervals_names_and_the_chance_level(ax):
    table = rows(system_id=["ours_blocks", "new"], status=["measured", "control"])
    plots.accuracies(table, chance=0.25, ax=ax)
    ends = ax.collections[0].get_segments()[0]
    np.testing.assert_allclose(ends[:, 0], [0.4, 0.7])
    assert words(ax.get_yticklabels()) == [
        "Kernel ridge on blocks (ours)",
        "new\n(control)",
    ]
    assert words(ax.texts) == ["50", "60"] and ax.get_xlabel().startswith("accuracy by track (%)")
    assert ax.lines[-1].get_xdata() == [0.25, 0.25]
    assert words(ax.get_legend().get_texts()) == ["chance level"]


def test_protocols_have_their_own_colours(ax):
    plots.accuracies(rows(protocol=["segment_random", "fault_filtered"]), names="protocol", ax=ax)
    colours = [bar.get_facecolor() for bar in ax.patches]
    assert colours[0] != colours[1]


def test_the_ledger_shows_what_is_reported_what_it_is_worth_and_the_price(ax):
    ledger = pd.DataFrame(
        {"mistake": ["a $leak$"], "fair": 0.5, "reported": 0.8, "price": 0.3, "price_low": 0.2,
         "price_high": 0.41, "songs": 100}
    )  # fmt: skip
    plots.mistakes(ledger, ax=ax)
    assert words(ax.texts) == ["+30 (+20 to +41)"]
    shown = {points.get_label(): points.get_offsets()[0][0] for points in ax.collections[1:3]}
    assert shown == {"without the mistake": 0.5, "with it": 0.8}
    assert words(ax.get_yticklabels()) == ["a \\$leak\\$\n(100 songs)"]


def test_intervals_that_miss_the_truth_are_counted(ax):
    table = pd.DataFrame({"accuracy": [0.5, 0.7], "truth": 0.5})
    for name, low in (("song", 0.6), ("artist", 0.4)):
        table[f"{name}_low"], table[f"{name}_high"] = [0.4, low], 0.8
        table[f"{name}_holds"] = table[f"{name}_low"] <= 0.5
    plots.coverage(table, ax=ax)
    legend = words(ax.get_legend().get_texts())
    assert legend == ["over songs: 1 of 2", "over artists: 2 of 2", "truth", "misses the truth"]


def test_training_and_test_accuracy_stand_side_by_side(ax):
    table = rows(system_id=["capstone_svm", "ours_blocks"], train_accuracy=[1.0, 0.9])
    plots.train_and_test(table, ax=ax)
    assert sorted(bar.get_width() for bar in ax.patches) == [0.5, 0.6, 0.9, 1]
    assert words(ax.get_legend().get_texts()) == ["chance level", "training set", "test set"]


def test_a_confusion_matrix_is_written_in_per_cent(ax):
    matrix = pd.DataFrame([[0.75, 0.25], [0.0, 1.0]], index=["a", "b$"], columns=["a", "b$"])
    plots.confusion(matrix, ax=ax)
    assert words(ax.texts) == ["75", "25", "", "100"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted (%)", "true")


def test_a_reliability_diagram_has_a_point_per_bin_and_a_band(ax, rng):
    bins = evaluation.reliability(rng.dirichlet(np.ones(3), 100), rng.integers(0, 3, 100))
    assert plots.reliability(bins, title="t", ax=ax) is ax
    assert len(ax.lines[1].get_xdata()) == len(bins) and ax.get_title() == "t"
    legend = ["confidence = accuracy", "95 % of calibrated models", "this model"]
    assert words(ax.get_legend().get_texts()) == legend


def test_studies_show_figures_at_their_marks_under_the_name_of_each_study(ax):
    compared = pd.DataFrame(
        {"system_id": ["slices_ann", "slices_cnn", "ours_blocks"], "honest": [0.5, 0.6, 0.7],
         "published": [0.9, 0.55, np.nan], "low": 0.4, "high": 0.8}
    )  # fmt: skip
    plots.studies(compared, ax=ax)
    assert words(ax.get_yticklabels()) == ["Dense network", "CNN on MFCC", "Kernel ridge on blocks"]
    expected = ["published", "90", "55", "", "honest", "50", "60", "70", "slices study", "ours"]
    assert words(ax.texts) == expected
    (_, above), (_, first) = ax.texts[8].get_position(), ax.texts[1].get_position()
    assert above < first == ax.get_yticks()[0]


def test_prices_show_each_system_from_the_best_down_with_chance_and_ceiling(ax):
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
    plots.prices(compared, ax=ax)
    assert words(ax.get_yticklabels()) == ["high", "unpublished", "low"]
    chance, ceiling = ax.lines
    assert (chance.get_xdata()[0], ceiling.get_xdata()[0]) == (0.1, 0.945)
    assert {"chance level", "ceiling of GTZAN"} <= set(words(ax.get_legend().get_texts()))


def test_prices_name_no_marks_that_are_not_there(ax):
    scores = {"published": np.nan, "reproduced": 0.9, "honest": 0.5, "price": 0.4}
    table = pd.DataFrame([{"system_id": "x", "low": 0.4, "high": 0.6} | scores])
    plots.prices(table, ax=ax)
    legend = ["price of the leak", "reproduced", "honest", "chance level"]
    assert words(ax.get_legend().get_texts()) == legend


def test_curves_have_a_line_per_system_over_numbers_or_words(ax):
    plots.curves(rows(system_id=["x", "x"], seconds=[3, 30]), over="seconds", ax=ax)
    assert ax.lines[0].get_xydata().tolist() == [[3, 0.5], [30, 0.6]]
    assert words(ax.get_legend().get_texts()) == ["x", "chance level"]
    table = rows(severity=["none", "10"], system_id="slices_cnn")
    ax = plots.curves(table, over="severity", label="noise (dB)")
    assert words(ax.get_xticklabels()) == ["none", "10"]
    assert ax.get_xlabel() == "noise (dB)"


# Networks


def test_an_architecture_names_layers_shapes_and_weights():
    from keras import Sequential, layers

    body = [layers.Input((8, 6, 1)), layers.Conv2D(4, 3), layers.BatchNormalization()]
    head = [layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)]
    ax = plots.architecture(Sequential([*body, *head]), title="small")
    shown = words(ax.texts)
    assert {"Conv2D\n4\n3×3", "6×4×4", "batch norm", "Pool", "dropout 0.5", "Dense\n3"} <= set(
        shown
    )
    assert ax.get_title(loc="left") == "small: 123 trainable weights"


def test_a_network_that_branches_is_drawn_on_two_rows():
    from keras import Input, Model, layers

    inputs = Input((8,))
    first = layers.Dense(4)(inputs)
    joined = layers.Concatenate()([layers.Dense(2)(first), layers.Dense(3)(layers.Dense(5)(first))])
    ax = plots.architecture(Model(inputs, joined), title="t")
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places["Dense\n5"][1] != places["Dense\n2"][1]  # side by side in time, not in a chain
    assert places["Dense\n5"][0] == places["Dense\n2"][0] == 2
    assert len(ax.lines) == 6  # the arrows between them


@pytest.mark.parametrize(("measure", "best"), [("accuracy", 2), ("loss", 3)])
def test_learning_marks_the_best_epoch_on_validation_data(measure, best, ax):
    values = {measure: [0.2, 0.6, 0.9], f"val_{measure}": [0.2, 0.4, 0.1]}
    plots.learning(pd.DataFrame(values, [1, 2, 3]), measure, chance=0.1, ax=ax)
    legend = ["training", "validation", "best epoch", "chance level"]
    assert words(ax.get_legend().get_texts()) == legend
    assert ax.lines[2].get_xdata()[0] == best
    assert ax.get_ylabel() == {"accuracy": "accuracy (%)", "loss": "loss"}[measure]


def test_filters_are_drawn_on_one_scale(rng):
    figure = plots.filters(rng.normal(size=(5, 3, 1, 10)))
    images = [image for ax in figure.axes for image in ax.get_images()]
    assert len(images) == 10 and len({image.get_clim() for image in images}) == 1


def test_occlusions_share_one_colour_scale(rng):
    drops = rng.normal(0, 0.1, (128, 39))
    songs = {"blues": (rng.random((128, 39)), drops), "jazz": (rng.random((128, 39)), 2 * drops)}
    figure = plots.occlusions(songs, frame_period=0.0775)
    scales = [ax.collections[1].get_clim() for ax in figure.axes[:2]]
    assert scales[0] == scales[1] == pytest.approx((-2 * abs(drops).max(), 2 * abs(drops).max()))
    assert figure.axes[-1].get_ylabel() == "fall of the probability (points)"


# Similarity


def test_precisions_have_a_bar_for_each_name_and_choice_and_a_line_for_chance(ax):
    table = pd.DataFrame(
        [(name, among, 0.6, 0.5, 0.7, 0.1) for name in ("x", "y") for among in ("all", "others")],
        columns=["description", "among", "precision", "low", "high", "chance"],
    )
    table.loc[3, ["precision", "low", "high"]] = [0.3, 0.2, 0.5]
    plots.precisions(table, names="description", ax=ax)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.6, 0.6, 0.6, 0.3])
    assert words(ax.get_yticklabels()) == ["x", "y"]
    legend = set(words(ax.get_legend().get_texts()))
    assert legend == {"chance level", "among all", "among others"}
    ends = [s[:, 0] for c in ax.collections for s in c.get_segments()]
    assert any(np.allclose(end, [0.2, 0.5]) for end in ends)
    assert sum(np.allclose(end, [0.1, 0.1]) for end in ends) == 4


def test_hubs_are_counted_beside_random_neighbours(ax):
    counts = np.array([0, 1, 1, 2, 6])
    plots.hubs(counts, title="t", ax=ax)
    assert [bar.get_height() for bar in ax.patches] == [1, 2, 1, 0, 0, 0, 1]
    by_chance = ax.lines[0].get_ydata()
    # Of four others each retrieves two of its four candidates.
    assert by_chance[:5] == pytest.approx(5 * np.array([1, 4, 6, 4, 1]) / 16)
    assert by_chance[5:] == pytest.approx([0, 0])
