from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.support.servers import wait_until
from tests.worker.making import PATIENT, window
from tests.worker.test_expiry import Clock
from wire.keys import FIELD, GROUP, Keys
from wire.settings import WorkerSettings
from worker.choice import AHEAD
from worker.intake import Batch, Intake
from worker.queue import Entry, WindowQueue


class Graves:
    """Remembers what was buried, and settles it."""

    def __init__(self, bus: redis.Redis, keys: Keys) -> None:
        self.bus, self.keys, self.buried = bus, keys, list[bytes]()

    def bury(self, entry: Entry, error: str) -> bool:
        self.buried.append(entry.data)
        self.bus.xack(self.keys.windows, GROUP, entry.id)
        return bool(self.bus.xdel(self.keys.windows, entry.id))


@pytest.fixture
def graves(bus: redis.Redis, keys: Keys) -> Graves:
    return Graves(bus, keys)


@pytest.fixture
def make(bus: redis.Redis, keys: Keys, graves: Graves) -> Callable[..., Intake]:
    def made(consumer: str = "a", clock: Callable[[], float] = time.time, **changed: float) -> Intake:
        limits = WorkerSettings(**{"batch": 4, "deadline_ms": 0, "reclaim_idle_s": 60, **PATIENT, **changed})  # type: ignore[arg-type]
        intake = Intake(WindowQueue(bus, keys, consumer), graves, limits, clock)
        intake.open()
        return intake

    return made


def put(bus: redis.Redis, keys: Keys, *seqs: int, camera: str = "door") -> None:
    for seq in seqs:
        bus.xadd(keys.windows, {FIELD: window(seq, camera=camera).encode()})


def seqs(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [item.window.seq for item in batch.items]


def due(intake: Intake) -> Batch:
    """The next batch, however long it takes."""
    found = wait_until(intake.next, 20, "a batch")
    assert isinstance(found, Batch)
    return found


def test_batches_go_round_the_cameras(bus: redis.Redis, keys: Keys, make: Callable[..., Intake]) -> None:
    put(bus, keys, *range(10), camera="crowd")
    put(bus, keys, 100, camera="door")
    intake = make()
    assert seqs(intake.next()) == [0, 100, 1, 2]
    assert seqs(intake.next()) == [3, 4, 5, 6], "another each time"
    assert seqs(intake.next()) == [7, 8, 9]
    assert intake.next(block=False) is None


def test_no_more_is_held_than_a_few_batches(bus: redis.Redis, keys: Keys, make: Callable[..., Intake]) -> None:
    put(bus, keys, *range(40))
    make().next()
    waiting = bus.xpending(keys.windows, GROUP)
    assert waiting["pending"] == AHEAD * 4  # type: ignore[index]


def test_a_batch_that_is_not_full_waits_for_its_deadline_behind_another(
    bus: redis.Redis, keys: Keys, make: Callable[..., Intake]
) -> None:
    clock = Clock()
    intake = make(clock=clock, deadline_ms=300)
    put(bus, keys, 0)
    assert seqs(due(intake)) == [0]
    put(bus, keys, 1)
    clock.now += 0.01
    assert intake.next(block=False) is None, "something is on its way, and more may come"
    clock.now += 0.25
    assert intake.next(block=False) is None
    clock.now += 0.05
    assert seqs(intake.next(block=False)) == [1]


def test_an_idle_device_waits_for_nothing_more(bus: redis.Redis, keys: Keys, make: Callable[..., Intake]) -> None:
    intake = make(deadline_ms=5000)
    for number in range(3):
        put(bus, keys, number)
        began = time.monotonic()
        assert seqs(intake.next()) == [number]
        assert time.monotonic() - began < 4


def test_junk_is_buried_and_the_others_go_on(
    bus: redis.Redis, keys: Keys, make: Callable[..., Intake], graves: Graves
) -> None:
    put(bus, keys, 0)
    bus.xadd(keys.windows, {FIELD: b"junk"})
    put(bus, keys, 1)
    assert seqs(make().next()) == [0, 1]
    assert graves.buried == [b"junk"]


def test_what_an_earlier_life_left_is_tried_one_by_one(
    bus: redis.Redis, keys: Keys, make: Callable[..., Intake], graves: Graves
) -> None:
    put(bus, keys, 0, 1)
    bus.xadd(keys.windows, {FIELD: b"junk"})
    assert seqs(make().next()) == [0, 1]
    put(bus, keys, 2)
    reborn = make()
    found = []
    for _ in range(3):
        items = due(reborn).items
        found.append([(item.window.seq, item.entry.deliveries) for item in items])
        reborn.done(items)
    assert found == [[(0, 2)], [(1, 2)], [(2, 1)]]
    assert graves.buried == [b"junk"]


def test_of_what_is_tried_alone_one_is_out_at_a_time(bus: redis.Redis, keys: Keys, make: Callable[..., Intake]) -> None:
    put(bus, keys, 0, 1)
    make().next()
    reborn = make()
    first = due(reborn)
    assert seqs(first) == [0]
    assert reborn.next(block=False) is None, "else the next death would count against the other too"
    reborn.done(first.items)
    again = due(reborn).items
    assert [(item.window.seq, item.entry.deliveries) for item in again] == [(1, 2)]


def test_what_is_to_be_tried_again_comes_alone_with_its_count(
    bus: redis.Redis, keys: Keys, make: Callable[..., Intake]
) -> None:
    put(bus, keys, 0, 1)
    intake = make()
    items = due(intake).items
    intake.done(items, again=[items[1].entry.id])
    assert [(item.window.seq, item.entry.deliveries) for item in due(intake).items] == [(1, 2)]


def test_windows_of_a_silent_worker_are_taken_over(bus: redis.Redis, keys: Keys, make: Callable[..., Intake]) -> None:
    put(bus, keys, 0)
    assert seqs(make("silent").next()) == [0]
    other = make("b", reclaim_idle_s=0.1)
    assert seqs(due(other)) == [0]


def test_windows_that_wait_for_their_turn_are_not_taken_over(
    bus: redis.Redis, keys: Keys, make: Callable[..., Intake]
) -> None:
    put(bus, keys, *range(8))
    mine, other = make("a"), WindowQueue(bus, keys, "b")
    mine.next()
    rows: Any = bus.xpending_range(keys.windows, GROUP, "-", "+", 100)
    given = [row["message_id"] for row in rows]
    assert len(given) == 8
    bus.xclaim(keys.windows, GROUP, "a", 0, given, idle=60_000, justid=True)  # as if they had waited for so long
    mine._swept = 0.0  # due to keep up
    mine._keep_up()
    assert other.sweep(idle_s=30, held=()) == []


def test_a_lost_reply_is_found_again(bus: redis.Redis, keys: Keys, make: Callable[..., Intake]) -> None:
    """The server gave us an entry, the connection broke, we never saw it."""
    put(bus, keys, 0)
    intake = make(reclaim_idle_s=0.1)
    WindowQueue(bus, keys, "a").read(1, 0, lambda: 0.0)
    assert seqs(due(intake)) == [0]
