"""Waits after failures: a function of failures and time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.access import backoff
from dashboard.access.backoff import ADDRESS_MOST_S, FORGET_S, FREE, NAME_MOST_S, Attempts, Backoff


def test_the_first_failures_cost_nothing_and_then_the_wait_doubles_up_to_the_most() -> None:
    one, now, waits = Backoff(300.0), 1000.0, []
    for _ in range(FREE):
        assert one.wait("a", now) == 0
        one.failed("a", now)
    for _ in range(12):
        waits.append(one.wait("a", now))
        now += waits[-1]
        assert one.wait("a", now) == 0
        one.failed("a", now)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert one.wait("b", now) == 0
    one.failed("a", now + FORGET_S)
    assert one.wait("a", now + FORGET_S) == 0


def test_a_name_is_hindered_everywhere_but_where_its_owner_came_in() -> None:
    one = Attempts()
    one.succeeded("10.0.0.1", "anna")
    for number in range(FREE + 20):
        one.failed(f"192.0.2.{number}", "anna", 5.0)
    assert one.wait("198.51.100.1", "anna", 5.0) == NAME_MOST_S
    assert one.wait("10.0.0.1", "anna", 5.0) == 0
    assert one.wait("198.51.100.1", "otto", 5.0) == 0
    one.succeeded("10.0.0.1", "anna")
    assert one.wait("198.51.100.1", "anna", 5.0) == 0


def test_an_address_is_hindered_whatever_it_tries_and_a_success_forgives_it_nothing() -> None:
    one = Attempts()
    for number in range(FREE + 20):
        one.failed("2001:db8::1", f"name-{number}", 5.0)
    one.succeeded("2001:db8::1", "mine")
    assert one.wait("2001:db8::ffff:1", "otto", 5.0) == ADDRESS_MOST_S
    assert one.wait("2001:db8:0:1::1", "otto", 5.0) == 0


def test_who_has_to_wait_is_judged_one_attempt_at_a_time() -> None:
    one, now = Backoff(300.0), 1000.0
    for _ in range(FREE):
        with one.judging("a"):
            assert one.wait("a", now) == 0  # what is free is free for many at once
        one.failed("a", now)
    now += 1
    assert one.wait("a", now) == 0
    with one.judging("a"):
        assert one.wait("a", now) > 0
        assert one.wait("b", now) == 0
    assert one.wait("a", now) == 0  # it was right, or was given up: it has cost nothing
    one.failed("a", now)
    assert one.wait("a", now) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5000)), max_size=80))
def test_a_wait_is_never_negative_nor_beyond_the_most(failures: list[tuple[str, float]]) -> None:
    one, now = Backoff(60.0), 0.0
    for key, step in failures:
        now += step
        one.failed(key, now)
        assert 0 <= one.wait(key, now) <= 60


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "KEPT", 100)
    one = Attempts()
    for number in range(1000):
        one.failed(f"10.0.{number // 250}.{number % 250}", f"n{number}", 1.0)
        one.succeeded(f"10.0.{number // 250}.{number % 250}", f"n{number}")
    assert len(one._addresses._failures) <= 100
    assert len(one._at_home) <= 100
