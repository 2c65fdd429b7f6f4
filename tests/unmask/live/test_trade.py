"""The account of delays and false alerts, on schedules made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.worker.making import RULES
from unmask.live.schedule import Camera, Show, Visit
from unmask.live.trade import balance, clear_spans, coverage, point, reached, shifted, thresholds


def camera(name: str, *visits: tuple[bool, float, float]) -> Camera:
    shown = [Visit(Show(Path(f"{name}{start}.mp4"), fake, "s"), start, end) for fake, start, end in visits]
    return Camera(name, visits[-1][2] + 2, tuple(shown))


MIXED = camera("mixed", (False, 2, 12), (True, 14, 24), (False, 26, 40), (True, 42, 52))
REAL = camera("real", (False, 2, 20))
CAMERAS = [MIXED, REAL]


@pytest.mark.parametrize(
    ("at", "delays", "false"),
    [
        (8.0, [math.inf, math.inf], 1),  # before a real face
        (13.0, [math.inf, math.inf], 1),  # in the pause after it
        (14.0, [0.0, math.inf], 0),
        (20.5, [6.5, math.inf], 0),
        (24.0, [10.0, math.inf], 0),
        (25.0, [math.inf, math.inf], 0),  # too late for the fake, too early to be held against the real face
        (29.0, [math.inf, math.inf], 0),
        (29.5, [math.inf, math.inf], 1),
        (50.0, [math.inf, 8.0], 0),
    ],
)
def test_whose_alert_it_is(at: float, delays: list[float], false: int) -> None:
    made = balance(CAMERAS, {"mixed": [at]}, grace=5)
    assert [fake.delay for fake in made.fakes] == delays
    assert made.false_alerts == false


def test_the_hours_that_count() -> None:
    assert clear_spans(MIXED, 5) == [(2, 12), (29, 40)]
    made = balance(CAMERAS, {"mixed": [20.0, 23.0], "real": [9.0, 19.0]}, grace=5)
    assert made.real_s == 10 + 11 + 18
    assert made.fakes[0].delay == 6  # the first of two
    assert made.false_alerts == 2
    assert made.false_per_hour.value == pytest.approx(2 * 3600 / 39)
    assert made.false_per_hour.lo < made.false_per_hour.value < made.false_per_hour.hi
    assert made.detected.value == 0.5
    assert (made.delay(0.5), made.delay(0.95)) == (6, None)
    shown = point(made, RULES)
    assert (shown.detected, shown.false_alerts, shown.median_s, shown.p95_s) == (0.5, 2, 6, None)


def test_nothing_raised() -> None:
    made = balance(CAMERAS, {})
    assert (made.detected.value, made.detected.lo, made.false_per_hour.value) == (0, 0, 0)
    assert made.detected.hi > 0.5  # two clips say little
    assert made.false_per_hour.hi == pytest.approx(3.689 * 3600 / made.real_s, rel=1e-3)  # -ln(0.025) events


DELAYS = st.lists(st.one_of(st.floats(0, 60), st.just(math.inf)), min_size=1, max_size=40)


@given(DELAYS, st.sampled_from([0.5, 0.95]))
def test_a_quantile_counts_those_that_never_came(delays: list[float], share: float) -> None:
    value = reached(delays, share)
    if value is None:
        assert sum(map(math.isfinite, delays)) < share * len(delays)
    else:
        assert value in delays
        assert sum(delay <= value for delay in delays) >= share * len(delays) - 1e-6
        assert sum(delay < value for delay in delays) < share * len(delays)


def test_no_fakes_have_no_quantile() -> None:
    assert reached([], 0.5) is None


@given(st.floats(0.001, 0.999))
def test_thresholds_move_together(enter: float) -> None:
    made = shifted(replace(RULES, enter=0.8, exit=0.5, spike=0.9), enter)
    assert made.enter == enter
    assert made.spike is not None
    assert made.exit < made.enter < made.spike
    assert made.exit / (1 - made.exit) * 4 == pytest.approx(enter / (1 - enter))


def test_the_thresholds_in_force_stay_exactly() -> None:
    assert shifted(RULES, RULES.enter).enter == RULES.enter
    assert shifted(RULES, RULES.enter).exit == pytest.approx(RULES.exit)


@given(st.lists(st.floats(0, 1), max_size=50), st.floats(0.01, 0.99))
def test_what_is_tried(scores: list[float], shipped: float) -> None:
    tried = thresholds(scores, shipped)
    assert shipped in tried
    assert tried == sorted(set(tried))
    assert all(0 < value < 1 for value in tried)


def test_coverage() -> None:
    verdicts = {
        "mixed": [(5.0, True), (5.5, False), (6.0, True), (11.5, True)],  # 0.5 s, none, 1 s held, 0.5 s to the end
        "real": [(10.0, True), (10.0, False)],  # one sure face is enough
    }
    assert coverage(CAMERAS, verdicts, hold=1.0) == pytest.approx((0.5 + 1 + 0.5 + 1) / (10 + 10 + 14 + 10 + 18))
    assert coverage(CAMERAS, {"mixed": []}, hold=1.0) == 0
