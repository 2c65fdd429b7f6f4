"""What is shed, by a clock of our own: the whole policy around a server that takes a fixed time a window."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.overload import TARGET_S, Arrival, choosing, simulate, steady
from worker.choice import Pressure
from worker.shedding import INTERVAL_S, Division, Pace, Shares, Switch, level


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0, 6), st.sampled_from("abc"), st.sampled_from("12")), max_size=400),
    st.floats(1, 60),
    st.integers(1, 16),
)
def test_every_window_is_scored_or_shed_once(arrivals: list[Arrival], capacity: float, batch: int) -> None:
    run = simulate(arrivals, capacity, batch)
    assert Counter(arrival for arrival, _ in run.scored) + Counter(run.shed) == Counter(arrivals)
    assert run.left == 0


@settings(deadline=None, max_examples=20)
@given(st.floats(1.5, 8), st.floats(5, 100), st.integers(1, 40))
def test_under_overload_what_is_served_is_fresh(factor: float, capacity: float, cameras: int) -> None:
    rate = factor * capacity / cameras
    arrivals = [a for number in range(cameras) for a in steady(f"c{number}", rate, 12, number / rate / cameras)]
    run = simulate(arrivals, capacity, until=12)
    begins = TARGET_S * factor / (factor - 1) + INTERVAL_S  # the queue stands at the target, and then for an interval
    late = run.ages(after=begins + 1.5)
    assert max(late, default=0) <= TARGET_S + 0.5
    served = [end for _, end in run.scored if end >= begins + 1.5]
    assert len(served) >= 0.9 * capacity * (12 - begins - 1.5) - 16, "no capacity is lost by it"


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.floats(2, 10), st.floats(20, 100))
def test_a_camera_below_its_share_loses_nothing_and_waits_little(small: int, crowd: float, capacity: float) -> None:
    """However much one camera asks for; each of the others asks for three fifths of an equal share."""
    rate = 0.6 * capacity / (small + 1)
    arrivals = [a for number in range(small) for a in steady(f"door{number}", rate, 15, number * 0.01)]
    run = simulate(arrivals + steady("crowd", crowd * capacity, 15), capacity, until=15)
    assert {camera for _, camera, _ in run.shed} == {"crowd"}
    late = sorted(run.ages(after=8, cameras="door"))
    assert late[int(0.95 * len(late))] <= 0.1 + 3 / capacity * (small + 1)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 200), st.floats(0.1, 0.4), st.floats(0, 5))
def test_a_burst_that_drains_in_time_is_not_shed(burst: int, load: float, old: float) -> None:
    """Windows that waited in the stream while nobody read, `old` when they are read at last."""
    capacity = burst / (INTERVAL_S * (1 - load)) * 1.2 + 1
    waited = [(-old, f"c{number % 5}", "0") for number in range(burst)]
    run = simulate(waited + steady("c0", load * capacity, 10), capacity)
    assert run.shed == []


def test_a_camera_whose_clock_is_behind_is_not_shed_while_there_is_room() -> None:
    arrivals = steady("late", 10, 10)
    choice = choosing(deadline_ms=0)
    for arrival in arrivals:
        now = arrival[0] + 5
        choice.divide()
        choice.read(False)
        choice.add("late", arrival, now, now)
        assert choice.take(now) == ([arrival], [], False)
        choice.took(0.05, 1)


def test_max_min_fair_shares() -> None:
    assert level([1, 2, 3], 10) == math.inf
    assert level([1, 8, 8], 11) == 5
    assert level([8, 8], 4) == 2
    assert level([], 4) == math.inf


@given(st.lists(st.floats(0.01, 100), min_size=1), st.floats(0.01, 100))
def test_shares_fill_the_capacity(demands: list[float], capacity: float) -> None:
    share = level(demands, capacity)
    assert sum(min(demand, share) for demand in demands) == pytest.approx(min(sum(demands), capacity))


def test_who_asks_for_too_much() -> None:
    rates = {"crowd": 30.0, "door": 2.0}
    division = Division(rates, 20, standing=False)
    assert division.surplus == {"crowd"}
    assert division.behind == {"crowd"}
    assert not Division(rates, 40, standing=False).surplus
    assert Division(rates, 40, standing=True).surplus == {"crowd"}, "the queue stands, so it is too much"
    assert not Division({"a": 30, "b": 30}, 20, standing=False).behind


def test_who_asks_for_far_more_than_others_stands_behind_them_though_all_can_be_served() -> None:
    def behind(**rates: float) -> frozenset[str]:
        return Division(rates, 1000, standing=False).behind

    assert behind(crowd=30, door=1.5, hall=1.5) == {"crowd"}
    assert behind(crowd=30, fair=20, door=1.5) == {"crowd", "fair"}
    assert not behind(door=1.5, hall=4.5), "a few faces are no crowd"
    assert not behind(hall=30, door=30), "nor is there one where all are alike"
    assert not behind(hall=6, door=6, gone=0.4), "a camera whose face has left asks for nothing"
    assert not behind()


def test_rates_follow_the_stream() -> None:
    shares = Shares()
    for number in range(200):
        shares.note("a", number / 20)
        if number % 10 == 0:
            shares.note("b", number / 20)
    rates = shares.rates()
    assert rates["a"] == pytest.approx(20, rel=0.1)
    assert rates["b"] == pytest.approx(2, rel=0.3)
    shares.note("b", 60.0)
    assert "a" not in shares.rates(), "a camera that has ended asks for nothing"
    shares.note("b", 1.0)
    assert shares.rates().keys() == {"b"}, "the stream began anew"


def test_the_switch_waits_for_an_interval_and_lasts_as_long() -> None:
    switch = Switch(TARGET_S)
    assert [switch.look(1.5, at) for at in (0.0, 1.0, 1.9)] == [False] * 3
    assert switch.look(0.5, 2.0) is False, "it drained"
    assert [switch.look(1.5, at) for at in (3.0, 4.9, 5.1)] == [False, False, True]
    assert [switch.look(None, at) for at in (6.0, 7.0, 7.2)] == [True, True, False]
    assert [switch.look(1.5, at) for at in (8.0, 0.0, 1.0)] == [False] * 3, "the clock stepped back"


def test_the_pace_forgets_a_pause() -> None:
    pace = Pace()
    assert pace.fitting(1.0, 16) == 16
    assert pace.capacity == math.inf
    for _ in range(30):
        pace.note(0.4, 16)
    assert pace.capacity == pytest.approx(40)
    assert pace.fitting(0.125, 16) == 5
    assert pace.fitting(0.001, 16) == 1
    pace.note(30, 16)
    assert pace.capacity > 25


@pytest.mark.parametrize(
    ("arriving", "served", "words"),
    [
        (40.2, 30.1, "40 windows/s in, 30 served"),
        (3.4, 2.6, "3.4 windows/s in, 2.6 served"),
        (0.31, 0.28, "0.31 windows/s in, 0.28 served"),
        (2.0, 2.0, "2 windows/s in, 2 served"),
    ],
)
def test_what_comes_in_can_be_told_from_what_is_served(arriving: float, served: float, words: str) -> None:
    assert str(Pressure(arriving, served)) == words


def test_while_windows_are_shed_less_is_served_than_comes_in_whatever_the_pace_says() -> None:
    choice, now = choosing(batch=1, deadline_ms=0), 100.0
    choice.took(1.0, 10)  # ten a second
    for number in range(40):  # eight a second, that waited for long
        choice.add("a", (now - 10 + number / 8, "a", "1"), now, number / 8)
    for step in (0.0, INTERVAL_S, 2 * INTERVAL_S):
        choice.divide()
        choice.take(now + step)
    assert choice.pressure is not None
    assert 0 < choice.pressure.served < choice.pressure.arriving
