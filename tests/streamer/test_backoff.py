from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from streamer.backoff import HEALTHY_S, HOPELESS_S, JITTER, Backoff

LADDER = (0.5, 1.0, 2.0, 5.0)


def near(wait: float, rung: float) -> bool:
    return rung * (1 - JITTER) <= wait <= rung * (1 + JITTER)


def test_it_climbs_and_stays_on_the_last_rung() -> None:
    backoff = Backoff(LADDER, random.Random(1))
    waits = [backoff.wait_s("refused") for _ in range(6)]
    assert all(near(wait, rung) for wait, rung in zip(waits, (*LADDER, 5.0, 5.0), strict=True)), waits


def test_a_healthy_stretch_forgives_and_a_short_one_does_not() -> None:
    backoff = Backoff(LADDER, random.Random(1))
    for _ in range(4):
        backoff.wait_s("refused")
    assert near(backoff.wait_s("disconnected", live_for_s=HEALTHY_S - 1), LADDER[-1])
    assert near(backoff.wait_s("disconnected", live_for_s=HEALTHY_S), LADDER[0])


def test_a_wrong_password_is_tried_slowly_from_the_first_time_on() -> None:
    assert near(Backoff(LADDER, random.Random(1)).wait_s("unauthorised"), HOPELESS_S)
    assert near(Backoff((0.1, 60.0), random.Random(1)).wait_s("unauthorised"), 60.0)


def test_it_is_seedable_and_it_does_jitter() -> None:
    def waits(seed: int) -> list[float]:
        backoff = Backoff(LADDER, random.Random(seed))
        return [backoff.wait_s("timeout") for _ in range(5)]

    assert waits(1) == waits(1) != waits(2)


@given(st.lists(st.sampled_from(["refused", "timeout", "unauthorised", "failed"]), min_size=1), st.integers())
def test_there_is_always_a_wait(kinds: list[str], seed: int) -> None:
    backoff = Backoff(LADDER, random.Random(seed))
    for kind in kinds:
        wait = backoff.wait_s(kind)  # type: ignore[arg-type]
        assert LADDER[0] * (1 - JITTER) <= wait <= HOPELESS_S * (1 + JITTER)
