"""What a fleet's figures are made of: costs out of three spans, and why a speed did not hold."""

from __future__ import annotations

from typing import Any

import pytest

from unmask.bench import costs
from unmask.bench.costs import Reading, Span


def span(seconds: float = 10.0, **counts: float) -> Span:
    return Span(seconds, {"made": 1000.0, "scored": 1000.0, **counts})


def test_a_cost_is_told_apart_by_what_was_sent() -> None:
    rest, empty = span(5.0, redis=0.5), span(5.0, redis=1.0)  # .1 core, and .2
    found = costs.cost("redis", rest, empty, span(10.0, redis=7.0, scored=1000.0), cameras=200, speed=0.5)
    assert found.known == pytest.approx(0.1 / 200)
    assert found.empty == pytest.approx(0.1 / 100), "200 cameras at half speed are 100 seconds of a camera, a second"
    assert found.window == pytest.approx(0.5 / 100)
    assert found.camera(1.5) == pytest.approx(0.0005 + 0.001 + 0.0075)


def test_noise_makes_no_cost_negative() -> None:
    found = costs.cost("redis", span(redis=3.0), span(redis=2.0), span(redis=1.0), cameras=10, speed=1.0)
    assert (found.known, found.empty, found.window) == (0.03, 0.0, 0.0)


def test_a_span_is_what_counters_grew_by() -> None:
    first, last = Reading(5.0, {"redis": 1.0, "made": 3}), Reading(7.0, {"redis": 2.0, "made": 9, "worker": 0.5})
    found = Span.between(first, last)
    assert (found.seconds, found.counts) == (2.0, {"redis": 1.0, "made": 6, "worker": 0.5})
    assert found.rate("made") == 3


def test_a_plan_leaves_room() -> None:
    assert costs.plan(1000, {"redis": 0.0015, "worker": 0.0007}) == {"redis": 3, "worker": 2}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),
        ({"counts": {"stale": 2, "unsent": 1}}, "3 windows lost: 2 stale, 1 unsent"),
        ({"missing": 1}, "1 alert events did not reach a subscriber"),
        ({"counts": {"made": 940}}, "the streamers made 94 of 100 windows a second"),
        ({"p95_ms": 501.0}, "p95 from capture to score above 500 ms"),
        ({"p95_ms": None}, "p95 from capture to score above 500 ms"),
        ({"alert_p99_ms": 1001.0}, "p99 from an alert to its subscribers above 1000 ms"),
        ({"alert_p99_ms": None}, ""),
    ],
)
def test_what_holds(changed: dict[str, Any], why: str) -> None:
    asked = {"planned": 100.0, "p95_ms": 500.0, "alert_p99_ms": 1000.0, "missing": 0, "counts": {}, **changed}
    counts = asked.pop("counts")
    assert costs.why_not(span=span(**counts), **asked) == why


@pytest.mark.parametrize(
    ("cores", "workers", "what"),
    [
        ({"redis": 0.95, "worker": 0.91}, 1, "Redis' one thread"),
        ({"redis": 0.5, "worker": 1.8}, 2, "a worker"),
        ({"redis": 0.5, "worker": 1.7, "machine": 1.9}, 2, "the machine's 2 cores"),
        ({"dashboard": 0.9}, 1, "the dashboard"),
        ({"redis": 0.5, "machine": 1.5}, 1, "nothing"),
    ],
)
def test_what_is_full(cores: dict[str, float], workers: int, what: str) -> None:
    used = {part: 10 * share for part, share in cores.items()}
    assert costs.full(span(10.0, **used), workers, processors=2) == what
