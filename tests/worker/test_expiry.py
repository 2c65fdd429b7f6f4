from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from tests.worker.making import FRAMES, RULES
from tests.worker.test_commit import Bench, works
from wire.keys import Keys
from wire.messages import AlertEvent, CameraState
from wire.settings import Settings
from worker.expiry import Expiry
from worker.publish import due_member


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bench(bus: redis.Redis, keys: Keys, clock: Clock) -> Bench:
    """With one open alert."""
    made = Bench(bus, keys, clock=clock)
    for seq in range(6):
        made.put(seq)
    made.ledger.settle(works(made.entries()))
    assert bus.zcard(keys.due_tracks) == 1
    return made


def expiry(bench: Bench, clock: Clock) -> Expiry:
    return Expiry(bench.bus, bench.keys, Settings(), RULES, clock)


def camera(bench: Bench, state: Any, updated: float) -> None:
    told = CameraState(name="door", state=state, source="", since=0, updated=updated)
    bench.bus.set(bench.keys.camera("door"), told.encode())


def ends(bench: Bench) -> list[AlertEvent]:
    return [event for event in bench.events() if event.event == "end"]


def test_a_silent_track_s_alert_ends_once(bench: Bench, clock: Clock) -> None:
    one, two = expiry(bench, clock), expiry(bench, clock)
    clock.now += 6
    camera(bench, "live", clock.now)
    (event,) = one.tick()
    assert two.tick() == one.tick() == []
    assert ends(bench) == [event]
    _, trace = bench.evidence(event.alert.id)
    assert trace is not None
    assert len(trace.points) == 6, "the whole alert, though its last event before was the first"
    assert (event.alert.id, event.alert.end_reason) == ("door-1-0-3", "track-ended")
    assert bench.bus.zcard(bench.keys.due_tracks) == 0
    stored: Any = bench.bus.get(bench.keys.alert(event.alert.id))
    assert b"track-ended" in stored


@pytest.mark.parametrize(("state", "age"), [("disconnected", 0), ("frozen", 0), ("live", 60), (None, 0)])
def test_a_dead_camera_is_named_as_the_reason(bench: Bench, clock: Clock, state: Any, age: float) -> None:
    ticking = expiry(bench, clock)
    clock.now += 6
    if state:
        camera(bench, state, clock.now - age)
    (event,) = ticking.tick()
    assert event.alert.end_reason == "camera-lost"


def test_a_track_that_is_heard_keeps_its_alert(bench: Bench, clock: Clock) -> None:
    ticking = expiry(bench, clock)
    clock.now += 4
    assert ticking.tick() == []
    assert ends(bench) == []


def test_two_at_once_end_it_once(bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """B's whole tick falls between A's reading and A's EXEC."""
    one, two = expiry(bench, clock), expiry(bench, clock)
    clock.now += 6
    live, entered = one._is_live, []

    def meddle(raw: bytes | None, now: float) -> bool:
        entered.append(two.tick())
        return live(raw, now)

    monkeypatch.setattr(one, "_is_live", meddle)
    assert one.tick() == []
    assert [len(events) for events in entered] == [1]
    assert len(ends(bench)) == 1


def test_silence_is_counted_from_when_we_could_listen(bench: Bench, clock: Clock) -> None:
    clock.now += 60
    late = expiry(bench, clock)
    assert late.tick() == [], "the worker was away, not the face"
    clock.now += 6
    late.restart()
    assert late.tick() == []
    clock.now += 6
    assert len(late.tick()) == 1


def test_a_clock_that_stepped_back_neither_ends_nor_keeps_it_for_ever(bench: Bench, clock: Clock) -> None:
    ticking = expiry(bench, clock)
    clock.now -= 3600
    assert ticking.tick() == []
    clock.now += 4
    assert ticking.tick() == []
    clock.now += 2
    assert len(ticking.tick()) == 1


def test_a_leftover_in_the_set_of_due_tracks_is_removed(bench: Bench, clock: Clock) -> None:
    ticking = expiry(bench, clock)
    bench.bus.zadd(bench.keys.due_tracks, {due_member("gone", "1-9"): 1.0})
    clock.now += 4
    assert ticking.tick() == []
    clock.now += 2
    ticking.tick()
    assert bench.bus.zcard(bench.keys.due_tracks) == 0
    assert all(event.alert.camera == "door" for event in bench.events())


@pytest.fixture
def waiting(bus: redis.Redis, keys: Keys, clock: Clock) -> Bench:
    """Scores 0, 1, 2, 4 and 5 of a track that has ended; window 3 was lost."""
    made = Bench(bus, keys, clock=clock)
    for seq in (0, 1, 2, 4, 5):
        made.put(seq)
    made.ledger.settle(works(made.entries()))
    assert made.events() == []
    assert made.held() == [b"4", b"5"]
    return made


def test_scores_that_wait_are_not_lost_when_the_track_ends(waiting: Bench, clock: Clock) -> None:
    one, two = expiry(waiting, clock), expiry(waiting, clock)
    clock.now += 1.9
    assert one.tick() == []
    clock.now += 0.2
    (new,) = one.tick()
    assert two.tick() == one.tick() == []
    assert (new.event, new.alert.id) == ("new", "door-1-0-4")
    evidence, trace = waiting.evidence("door-1-0-4")
    assert evidence is not None
    assert trace is not None
    assert (evidence.window, len(evidence.frames), len(trace.points)) == ("door/1-0/4", FRAMES, 4)
    assert waiting.held() == []
    assert waiting.bus.get(waiting.keys.camera_opened("door")) == b"1004.0", "the cool-down counts from it"
    clock.now += 4
    (end,) = two.tick()
    assert [event.event for event in waiting.events()] == ["new", "end"]
    assert end.alert.id == new.alert.id
    assert waiting.bus.zcard(waiting.keys.due_tracks) == 0


def test_a_snooze_holds_what_a_tick_would_open(waiting: Bench, clock: Clock) -> None:
    ticking = expiry(waiting, clock)
    waiting.bus.set(waiting.keys.snooze("door"), b"", px=60_000)
    clock.now += 6
    assert ticking.tick() == []
    assert waiting.bus.zcard(waiting.keys.due_tracks) == 0


def test_waiting_is_counted_from_when_we_could_listen(waiting: Bench, clock: Clock) -> None:
    clock.now += 60
    late = expiry(waiting, clock)
    assert late.tick() == []
    clock.now += 2.1
    assert [event.event for event in late.tick()] == ["new"]


def test_scores_wait_through_a_clock_that_stepped_back(waiting: Bench, clock: Clock) -> None:
    ticking = expiry(waiting, clock)
    clock.now -= 3600
    assert ticking.tick() == []
    clock.now += 2.1
    assert [event.event for event in ticking.tick()] == ["new"]


def test_a_lost_picture_does_not_hold_the_alert_back(waiting: Bench, clock: Clock) -> None:
    ticking = expiry(waiting, clock)
    waiting.bus.delete(waiting.keys.held("door", "1-0"))
    clock.now += 2.1
    (new,) = ticking.tick()
    assert waiting.evidence(new.alert.id) == (None, None)


def test_a_score_after_the_end_does_not_bring_the_old_alert_back(bench: Bench, clock: Clock) -> None:
    ticking = expiry(bench, clock)
    clock.now += 6
    ticking.tick()
    bench.put(6)
    bench.ledger.settle(works(bench.entries()))
    assert [event.event for event in bench.events()][-1] == "end"
    assert bench.bus.xlen(bench.keys.windows) == 0
