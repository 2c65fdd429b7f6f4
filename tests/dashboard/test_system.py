from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.system import STAGES, Load, Minute, Rolling, System, judge, stages
from tests.dashboard.feed import BASELINE, QUALITY
from wire.messages import Score, ServiceState

NOW = 1_700_000_000.0


def service(role: str, **facts: Any) -> ServiceState:
    return ServiceState(**{"role": role, "id": role, "state": "ready", "since": NOW - 600, "updated": NOW, **facts})


def counted(minute: Minute, seconds: int, **rates: int) -> Minute:
    for second in range(seconds + 1):
        minute.add(NOW + second, {name: 1000 + rate * second for name, rate in rates.items()})
    return minute


BOTH = (service("streamer"), service("worker"))
BUSY = {"made": 10, "scored": 10}


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_quantiles_are_the_nearest_rank(values: list[float]) -> None:
    rolling = Rolling(["x"])
    for number, value in enumerate(values):
        rolling.add(NOW + number / 100, (value,))
    [found] = rolling.quantiles(NOW + 10)
    assert found.count == len(values)
    for share, got in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        assert got in values
        assert sum(value <= got for value in values) >= share * len(values)
        assert sum(value < got for value in values) < share * len(values)
    assert found.p50 == statistics.median_low(values)


def test_samples_leave_after_their_time_and_are_bounded() -> None:
    rolling = Rolling(["a", "b"], span_s=60, limit=50)
    assert [(one.name, one.p50, one.count) for one in rolling.quantiles(NOW)] == [("a", None, 0), ("b", None, 0)]
    for number in range(1000):
        rolling.add(NOW + number, (float(number), 1.0))
    assert rolling.quantiles(NOW + 999)[0].count == 50
    assert rolling.quantiles(NOW + 999 + 40)[0].count == 21
    assert rolling.quantiles(NOW + 5000)[0].count == 0
    rolling.add(NOW + 6000, (5.0, 5.0))
    rolling.add(NOW, (7.0, 7.0))  # the clock was set back: what lies ahead of it would never leave
    assert rolling.quantiles(NOW)[0] == rolling.quantiles(NOW)[0].__class__("a", 7.0, 7.0, 7.0, 1)


def test_samples_leave_after_their_time_though_nobody_asks_for_them() -> None:
    rolling = Rolling(["a"], span_s=60)
    for number in range(1000):
        rolling.add(NOW + number, (1.0,))
    assert len(rolling._samples) == 61


def test_the_stages_of_a_score_add_up() -> None:
    score = Score(
        window="door/1-1/0", camera="door", track="1-1", epoch=1, seq=0, logit=0.0, p_fake=0.1, verdict="clean",
        quality=QUALITY, model=BASELINE, box=(1.0, 2.0, 3.0, 4.0), frame_size=(4, 3), started=NOW - 3,
        captured=NOW, enqueued=NOW + 0.25, dequeued=NOW + 0.75, scored=NOW + 1.75,
    )  # fmt: skip
    found = dict(zip(STAGES, stages(score, NOW + 2), strict=True))
    assert found == {"ingest": 0.25, "queue": 0.5, "score": 1.0, "deliver": 0.25, "total": 2.0}
    assert min(stages(score, NOW - 5)) == 0.0


def test_a_minute_is_a_minute() -> None:
    minute = Minute()
    assert minute.growth() == {}
    counted(minute, 200, scored=3)
    assert minute.growth() == {"scored": 180}
    assert minute.counted_s == 60
    often = Minute()
    for number in range(20_000):  # somebody polls /readyz
        often.add(NOW + number / 100, {"scored": number})
    assert 5950 <= often.growth()["scored"] <= 6100
    assert 59.5 <= often.counted_s <= 61
    minute.add(NOW + 201, {"scored": 2})  # Redis lost its data
    assert minute.growth() == {"scored": 0}
    minute.add(NOW + 211, {"scored": 5, "stale": 1})
    assert minute.growth() == {"scored": 3, "stale": 1}


@pytest.mark.parametrize(
    ("services", "load", "rates", "seconds", "state", "words"),
    [
        (BOTH, Load(NOW, 3, 0.2), BUSY, 60, "ok", "Keeps up: windows wait 0.2 s, none was dropped in the last minute."),
        (BOTH, Load(NOW), {"made": 0, "scored": 0}, 60, "ok", "Idle: no window was made in the last minute."),
        (BOTH, Load(NOW), BUSY, 5, "unknown", "Counted for 5 s only: too short to tell."),
        (
            BOTH, Load(NOW, 80, 8.2), {"made": 10, "scored": 69, "stale": 20, "trimmed": 11}, 60, "out",
            "Out of capacity: windows wait 8 s, 31 % were dropped in the last minute; "
            "add a worker or lower analysis_fps.",
        ),
        (
            BOTH, Load(NOW, 80, 0.1), {"scored": 998, "trimmed": 2}, 60, "near",
            "Near its limit: windows wait 0.1 s, 0.2 % were dropped in the last minute; "
            "add a worker before adding cameras.",
        ),
        (BOTH, Load(NOW, 9, 6.0), BUSY, 60, "out", "Out of capacity: windows wait 6 s, none was dropped in the last "
            "minute; add a worker or lower analysis_fps."),
        (
            (service("streamer"), service("worker", busy=0.9, batch_fill=0.5)), Load(NOW), BUSY, 60, "near",
            "Near its limit: windows wait 0.0 s, none was dropped in the last minute, 1 worker 90 % busy, "
            "batches 50 % full; add a worker before adding cameras.",
        ),
        (
            (*BOTH, service("worker", id="b", busy=0.5)), Load(NOW), BUSY, 60, "ok",
            "Keeps up: windows wait 0.0 s, none was dropped in the last minute, 2 workers 50 % busy.",
        ),
        ((service("streamer"),), Load(NOW, 7), BUSY, 60, "out", "No worker is ready: 7 windows wait; start one."),
        ((service("streamer"),), Load(NOW), BUSY, 60, "unknown", "No worker is ready: nothing is scored; start one."),
        (
            (service("streamer"), service("worker", state="starting")), Load(NOW, 1), BUSY, 60, "out",
            "No worker is ready: 1 window wait; start one.",
        ),
        (
            (service("streamer"), service("worker", since=NOW - 38)), Load(NOW), {"scored": 98, "stale": 2}, 60,
            "unknown", "Too soon to tell, the worker has been there for 38 s only: windows wait 0.0 s, "
            "2 % were dropped in the last minute.",
        ),
        (
            (service("streamer"), service("worker", since=NOW - 2)), Load(NOW, 9, 2.6), BUSY, 60, "unknown",
            "Too soon to tell, the worker has been there for 2 s only: windows wait 2.6 s, "
            "none was dropped in the last minute.",
        ),
        (
            (*BOTH, service("worker", id="b", since=NOW - 38)), Load(NOW), {"scored": 98, "stale": 2}, 60, "out",
            "Out of capacity: windows wait 0.0 s, 2 % were dropped in the last minute; "
            "add a worker or lower analysis_fps.",
        ),
        ((service("worker"),), Load(NOW), BUSY, 60, "unknown", "No streamer is ready, so no window is made; "
            "start one."),
    ],
)  # fmt: skip
def test_capacity_in_words(
    services: tuple[ServiceState, ...], load: Load, rates: dict[str, int], seconds: int, state: str, words: str
) -> None:
    found = judge(load, counted(Minute(), seconds, **rates), services)
    assert (found.state, found.words) == (state, words)


def test_what_is_not_known_is_never_ok() -> None:
    system = System()
    assert system.capacity(NOW, reached=True).state == "unknown"
    system.services = BOTH
    for second in range(61):
        system.look(Load(NOW + second, outcomes={"made": second, "scored": second}))
    assert system.capacity(NOW + 61, reached=True).state == "ok"
    assert system.capacity(NOW + 61, reached=False).state == "unknown"
    assert system.capacity(NOW + 80, reached=True).state == "unknown"
