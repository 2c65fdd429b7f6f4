from typing import Any

import pytest
import redis
from msgspec.structs import replace

from tests.support.servers import wait_until
from tests.worker.making import window
from wire.errors import DecodeError
from wire.keys import FIELD, GROUP, Keys
from worker.queue import WindowQueue, read_window


def put(bus: redis.Redis, keys: Keys, data: bytes = b"x") -> bytes:
    """One entry; its id."""
    id: Any = bus.xadd(keys.windows, {FIELD: data})
    return bytes(id)


def idle(bus: redis.Redis, keys: Keys, consumer: str, *ids: bytes) -> None:
    """A minute goes by in which nobody touches these, which stay the consumer's."""
    bus.xclaim(keys.windows, GROUP, consumer, 0, list(ids), idle=60_000, justid=True)  # type: ignore[arg-type]


def pending(bus: redis.Redis, keys: Keys) -> dict[bytes, tuple[bytes, int]]:
    """Entry id -> consumer and delivery count."""
    rows: Any = bus.xpending_range(keys.windows, GROUP, "-", "+", 100)
    return {row["message_id"]: (row["consumer"], row["times_delivered"]) for row in rows}


@pytest.fixture
def queue(bus: redis.Redis, keys: Keys) -> WindowQueue:
    made = WindowQueue(bus, keys, "a")
    made.open()
    return made


def test_open_makes_the_stream_and_group_and_may_be_repeated(bus: redis.Redis, keys: Keys) -> None:
    put(bus, keys)
    queue = WindowQueue(bus, keys, "a")
    assert queue.open() == []
    assert queue.open() == []
    assert len(queue.read(10, 0, lambda: 1.0)) == 1, "what was queued before the first worker came is not lost"


def test_open_forgets_workers_that_are_gone_and_were_left_nothing(
    bus: redis.Redis, keys: Keys, queue: WindowQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known() -> set[bytes]:
        rows: Any = bus.xinfo_consumers(keys.windows, GROUP)
        return {row["name"] for row in rows}

    put(bus, keys)
    WindowQueue(bus, keys, "busy").read(1, 0, lambda: 0.0)
    bus.xgroup_createconsumer(keys.windows, GROUP, "gone")
    queue.open()
    assert known() >= {b"busy", b"gone"}, "it may come back"
    monkeypatch.setattr("worker.queue.GONE_S", 0.0)
    wait_until(lambda: queue.open() == [] and b"gone" not in known(), 20, "it is forgotten")
    assert b"busy" in known(), "it has a window"
    put(bus, keys)
    assert WindowQueue(bus, keys, "gone").read(1, 0, lambda: 0.0), "and is given windows again once it asks"


def test_read_gives_each_entry_to_one_consumer_only(bus: redis.Redis, keys: Keys, queue: WindowQueue) -> None:
    ids = [put(bus, keys, bytes([n])) for n in range(3)]
    other = WindowQueue(bus, keys, "b")
    first, second = queue.read(2, 0, lambda: 7.0), other.read(2, 0, lambda: 8.0)
    assert [(entry.id, entry.data, entry.deliveries, entry.dequeued) for entry in first] == [
        (ids[0], b"\0", 1, 7.0),
        (ids[1], b"\1", 1, 7.0),
    ]
    assert [entry.id for entry in second] == ids[2:]
    assert queue.read(2, 0.01, lambda: 9.0) == []


def test_open_finds_what_an_earlier_life_was_given_without_counting_it(
    bus: redis.Redis, keys: Keys, queue: WindowQueue
) -> None:
    ids = [put(bus, keys) for _ in range(3)]
    queue.read(3, 0, lambda: 1.0)
    assert WindowQueue(bus, keys, "a").open() == ids
    assert WindowQueue(bus, keys, "b").open() == []
    assert set(pending(bus, keys).values()) == {(b"a", 1)}


def test_claim_counts_only_the_entry_that_is_tried(bus: redis.Redis, keys: Keys, queue: WindowQueue) -> None:
    ids = [put(bus, keys, bytes([n])) for n in range(2)]
    queue.read(2, 0, lambda: 1.0)
    entry = queue.claim(ids[0], now=2.0)
    assert entry is not None
    assert (entry.data, entry.deliveries, entry.dequeued) == (b"\0", 2, 2.0)
    assert pending(bus, keys) == {ids[0]: (b"a", 2), ids[1]: (b"a", 1)}


def test_claim_of_a_settled_or_trimmed_entry_is_none(bus: redis.Redis, keys: Keys, queue: WindowQueue) -> None:
    settled, trimmed = put(bus, keys), put(bus, keys)
    queue.read(2, 0, lambda: 1.0)
    bus.xack(keys.windows, GROUP, settled)
    bus.xdel(keys.windows, settled, trimmed)
    assert queue.claim(settled, now=2.0) is None
    assert queue.claim(trimmed, now=2.0) is None
    assert pending(bus, keys) == {}


def test_sweep_takes_over_from_the_silent_only(bus: redis.Redis, keys: Keys, queue: WindowQueue) -> None:
    ids = [put(bus, keys) for _ in range(2)]
    dead = WindowQueue(bus, keys, "dead")
    dead.read(1, 0, lambda: 1.0)
    assert queue.sweep(idle_s=30, held=()) == []
    idle(bus, keys, "dead", ids[0])
    assert queue.sweep(idle_s=30, held=()) == ids[:1]
    assert pending(bus, keys) == {ids[0]: (b"a", 1)}, "ours now, not yet tried"


def test_sweep_leaves_out_what_is_held_and_clears_what_was_trimmed(
    bus: redis.Redis, keys: Keys, queue: WindowQueue
) -> None:
    held, lost, trimmed = (put(bus, keys) for _ in range(3))
    queue.read(3, 0, lambda: 1.0)
    idle(bus, keys, "a", held, lost, trimmed)
    bus.xdel(keys.windows, trimmed)
    assert queue.sweep(idle_s=30, held={held}) == [lost], "its own lost reply is found"
    assert set(pending(bus, keys)) == {held, lost}


def test_touch_keeps_an_entry_from_being_swept(bus: redis.Redis, keys: Keys, queue: WindowQueue) -> None:
    ids = [put(bus, keys) for _ in range(2)]
    queue.read(2, 0, lambda: 1.0)
    idle(bus, keys, "a", *ids)
    queue.touch(ids[:1])
    assert WindowQueue(bus, keys, "b").sweep(idle_s=30, held=()) == ids[1:]
    assert pending(bus, keys)[ids[0]] == (b"a", 1), "touching is no delivery"
    queue.touch([])


def test_a_server_without_its_data_gets_the_group_again(bus: redis.Redis, keys: Keys, queue: WindowQueue) -> None:
    bus.flushall()
    assert queue.read(1, 0, lambda: 1.0) == []
    put(bus, keys)
    assert len(queue.read(1, 0, lambda: 1.0)) == 1


def test_an_entry_without_our_field_reads_as_empty(bus: redis.Redis, keys: Keys, queue: WindowQueue) -> None:
    bus.xadd(keys.windows, {"other": "field"})
    assert [entry.data for entry in queue.read(1, 0, lambda: 1.0)] == [b""]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        window(frames=()).encode(),
        replace(window(), seq=-1).encode(),
        window(captured=float("nan")).encode(),
    ],
    ids=["empty", "junk", "no-frames", "negative", "nan"],
)
def test_what_can_not_be_placed_is_no_window(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        read_window(data)
    assert caught.value.data == data


def test_a_window_is_read() -> None:
    made = window(3)
    assert read_window(made.encode()) == made
