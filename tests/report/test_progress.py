"""What a run forecasts, on the series as it went once, on machines of other speeds."""

import json

import numpy as np
import pytest

from gtzan_helpers import config
from gtzan_helpers.report import progress, series

CELLS = json.loads((config.facts_dir() / "cells.json").read_text(encoding="utf-8"))


def timeline(pace, at_once, *, seed=0):
    """The events of a run in seconds: cells take `pace` times what they took, more or less."""
    rng, events, start = np.random.default_rng(seed), [], 0.0
    for wave in progress.waves(series.notebooks()):
        free = [start] * at_once
        for one in wave:
            free.sort()
            events.append((now := free[0], "begin", one, ""))
            for name, seconds in {"": series.START_S, **CELLS[one.number]}.items():
                events.append((now, "cell", one, name))
                now += seconds * pace * rng.lognormal(0, 0.3)
            events.append((now, "end", one, ""))
            free[0] = now
        start = max(free)
    return sorted(events, key=lambda event: event[0])


@pytest.mark.parametrize("pace", [0.3, 0.6, 1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 2])
def test_a_forecast_is_within_a_third_after_a_minute_and_later(pace, at_once):
    events = timeline(pace, at_once)
    end = events[-1][0] + progress.BOOK_S
    forecast = progress.Forecast(series.notebooks(), at_once)
    forecasts, next_look = [], 60.0
    for now, event, notebook, name in events:
        while next_look <= now:
            forecasts.append((next_look, next_look + forecast.left(next_look)))
            next_look += 30
        if event == "cell" and name:
            forecast.cell(notebook, name, now)
        elif event != "cell":
            getattr(forecast, event)(notebook, now)
    assert len(forecasts) > 3
    assert {at: total / end for at, total in forecasts if abs(total / end - 1) > 1 / 3} == {}
    assert forecast.left(events[-1][0]) == progress.BOOK_S


def test_the_seconds_of_cells_are_of_cells_that_there_are():
    for one in series.notebooks():
        cells = json.loads(one.path.read_text(encoding="utf-8"))["cells"]
        assert set(CELLS[one.number]) <= {cell["id"] for cell in cells}
        assert one.seconds > series.START_S


@pytest.mark.parametrize(
    ("seconds", "words", "roughly"),
    [(0.4, "0 s", "0 s"), (59.4, "59 s", "59 s"), (75, "1 min 15 s", "1 min"),
     (3599, "59 min 59 s", "60 min"), (7_500, "2 h 05 min", "2 h 05 min")],
)  # fmt: skip
def test_durations_are_said_in_words(seconds, words, roughly):
    assert progress.minutes(seconds) == words
    assert progress.minutes(seconds, roughly=True) == roughly
