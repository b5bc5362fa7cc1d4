"""What a run forecasts, on the series as it went once, on machines of other speeds."""

import json

import numpy as np
import pytest

from gtzan_helpers.report import progress, series

# Notebooks that know what their cells take: on the embedded dataset, and on all of GTZAN.
SIZES = {
    "smoke": series.timed(series.notebooks(), "smoke", 240.0),
    "quick": series.timed(series.notebooks(), "quick", 2_760.0),
    "gtzan": series.timed(series.notebooks(), "quick", 30_000.0),
}
SIZES["full"] = [one.stretched(8.0) for one in SIZES["gtzan"]]


def timeline(notebooks, pace, at_once, *, seed):
    """The events of a run in seconds: cells take `pace` times what they took, more or less."""
    rng, events, start = np.random.default_rng(seed), [], 0.0
    for wave in progress.waves(notebooks):
        free = [start] * at_once
        for one in wave:
            free.sort()
            events.append((now := free[0], "begin", one, ""))
            for name, seconds in {"": series.START_S, **one.cell_seconds}.items():
                events.append((now, "cell", one, name))
                now += seconds * pace * rng.lognormal(0, 0.3)
            events.append((now, "end", one, ""))
            free[0] = now
        start = max(free)
    return sorted(events, key=lambda event: event[0])


def forecasts(events, forecast):
    """What the whole was to take by each look, relative to the truth: after a minute and later."""
    end, look = events[-1][0] + progress.BOOK_S, 60.0
    for now, event, notebook, name in events:
        while look <= now:
            yield (look + forecast.left(look)) / end
            look += 30
        if event == "cell" and name:
            forecast.cell(notebook, name, now)
        elif event != "cell":
            getattr(forecast, event)(notebook, now)
    assert forecast.left(events[-1][0]) == progress.BOOK_S


@pytest.mark.parametrize("pace", [0.3, 0.6, 1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 2])
def test_a_forecast_is_within_a_third_after_a_minute_and_later(pace, at_once):
    events = timeline(SIZES["quick"], pace, at_once, seed=0)
    told = list(forecasts(events, progress.Forecast(list(SIZES["quick"]), at_once)))
    assert len(told) > 3
    assert [share for share in told if abs(share - 1) > 1 / 3] == []


@pytest.mark.parametrize("pace", [0.3, 0.6, 1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("notebooks", SIZES.values(), ids=SIZES)
def test_nine_forecasts_of_ten_are_within_a_third_from_a_minute_on(pace, at_once, notebooks):
    told = [
        share
        for seed in range(10)
        for share in forecasts(
            timeline(notebooks, pace, at_once, seed=seed),
            progress.Forecast(list(notebooks), at_once),
        )
    ]
    assert np.mean(np.abs(np.array(told) - 1) <= 1 / 3) >= 0.9


@pytest.mark.parametrize("notebooks", SIZES.values(), ids=SIZES)
def test_the_seconds_of_cells_are_of_cells_that_there_are(notebooks):
    for one in notebooks:
        cells = json.loads(one.path.read_text(encoding="utf-8"))["cells"]
        assert set(one.cell_seconds) <= {cell["id"] for cell in cells}
        assert one.seconds > series.START_S


def test_features_of_more_sound_take_longer_and_training_for_few_epochs_does_not():
    few, many, more = (
        {one.number: one for one in series.timed(series.notebooks(), "quick", sound)}
        for sound in (0.0, 30_000.0, 60_000.0)
    )
    assert few["02"].seconds < many["02"].seconds / 3 < more["02"].seconds / 5
    assert more["04"].seconds < 1.5 * few["04"].seconds
    assert min(seconds for one in few.values() for seconds in one.cell_seconds.values()) >= 0


@pytest.mark.parametrize(
    ("seconds", "words", "roughly"),
    [(0.4, "0 s", "0 s"), (59.4, "59 s", "59 s"), (75, "1 min 15 s", "1 min"),
     (3599, "59 min 59 s", "60 min"), (7_500, "2 h 05 min", "2 h 05 min")],
)  # fmt: skip
def test_durations_are_said_in_words(seconds, words, roughly):
    assert progress.minutes(seconds) == words
    assert progress.minutes(seconds, roughly=True) == roughly
