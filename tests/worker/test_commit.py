"""The commit against a real server, interleavings of two workers included."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import redis
from redis.client import Pipeline

from tests.worker.making import RULES, score, window
from wire.keys import FIELD, GROUP, Keys
from wire.messages import Alert, AlertEvent, DeadLetter, Evidence, Score
from wire.settings import Settings
from worker.commit import Ledger, Work
from worker.features import Feature, FrameId, RedisCache
from worker.publish import open_member
from worker.queue import Entry, WindowQueue

MODEL = "tiny"


class Meddling(RedisCache):
    """A cache that lets something happen between a transaction's reads and its EXEC."""

    meddle: Callable[[], None] | None = None

    def store(self, pipe: Pipeline, features: Mapping[FrameId, Feature]) -> None:
        if self.meddle is not None:
            meddle, self.meddle = self.meddle, None
            meddle()
        super().store(pipe, features)


class Bench:
    """A ledger on a real server, and what it left there."""

    def __init__(self, bus: redis.Redis, keys: Keys, consumer: str = "a") -> None:
        self.bus, self.keys = bus, keys
        self.cache = Meddling(bus, keys, MODEL, dim=2, ttl_s=30)
        self.ledger = Ledger(bus, keys, Settings(), RULES, self.cache, time.time)
        self.queue = WindowQueue(bus, keys, consumer)
        self.queue.open()

    def put(self, seq: int, track: str = "1-0", camera: str = "door") -> None:
        made = window(seq, camera=camera, track=track, captured=1000.0 + seq)
        self.bus.xadd(self.keys.windows, {FIELD: made.encode()})

    def entries(self, count: int = 100) -> list[Entry]:
        return self.queue.read(count, 0, now=1.0)

    def stream(self, key: str) -> list[bytes]:
        rows: Any = self.bus.xrange(key)
        return [fields[FIELD] for _, fields in rows]

    def scored(self) -> list[str]:
        return [Score.decode(data).window for data in self.stream(self.keys.scores)]

    def events(self) -> list[AlertEvent]:
        return [AlertEvent.decode(data) for data in self.stream(self.keys.alerts)]

    def outcomes(self) -> dict[str, int]:
        found: Any = self.bus.hgetall(self.keys.outcomes)
        return {name.decode(): int(count) for name, count in found.items()}

    def left(self) -> tuple[int, int]:
        """Entries in the stream, entries pending."""
        waiting: Any = self.bus.xpending(self.keys.windows, GROUP)
        return int(self.bus.xlen(self.keys.windows)), int(waiting["pending"])  # type: ignore[arg-type]


def works(entries: list[Entry], p_fake: float = 0.95) -> list[Work]:
    """Each entry's window with a score of `p_fake`."""
    made = []
    for entry in entries:
        one = window().decode(entry.data)
        made.append(Work(entry, one, score(one.seq, p_fake, one.captured, camera=one.camera, track=one.track)))
    return made


@pytest.fixture
def bench(bus: redis.Redis, keys: Keys) -> Bench:
    return Bench(bus, keys)


def test_a_batch_becomes_visible_whole(bench: Bench) -> None:
    for seq in range(6):
        bench.put(seq)
    name = ("door", "1-0", 0)
    made = bench.ledger.settle(works(bench.entries()), {name: np.array([1, 2], np.float16)})
    assert [event.event for event in made.events] == ["new"]
    assert bench.scored() == [f"door/1-0/{seq}" for seq in range(6)]
    assert bench.left() == (0, 0)
    assert bench.outcomes() == {"scored": 6}
    assert bench.cache.fetch([name])[name].tolist() == [1, 2]
    new = bench.events()[0]
    assert (new.event, new.alert.id) == ("new", "door-1-0-3")
    stored: Any = bench.bus.get(bench.keys.alert(new.alert.id))
    assert Alert.decode(stored) == bench.events()[-1].alert
    raw: Any = bench.bus.get(bench.keys.evidence(new.alert.id))
    evidence = Evidence.decode(raw)
    assert evidence.frames == window(3, captured=1003.0).frames, "of the window that opened it"
    assert evidence.trace == ((1000.0, 0.95), (1001.0, 0.95), (1002.0, 0.95), (1003.0, 0.95))
    assert bench.bus.zscore(bench.keys.open_alerts, open_member("door", "1-0")) == pytest.approx(time.time(), abs=5)
    for key in (bench.keys.track("door", "1-0"), bench.keys.alert(new.alert.id), bench.keys.evidence(new.alert.id)):
        assert 6.9 * 86400 < float(bench.bus.ttl(key)) <= 7 * 86400  # type: ignore[arg-type]


def test_a_closed_alert_leaves_the_open_set_and_the_state_its_short_ttl(bench: Bench) -> None:
    for seq in range(6):
        bench.put(seq)
    bench.ledger.settle(works(bench.entries()))
    for seq in range(6, 14):
        bench.put(seq)
    bench.ledger.settle(works(bench.entries(), p_fake=0.1))
    assert [event.event for event in bench.events()][-1] == "end"
    assert bench.bus.zcard(bench.keys.open_alerts) == 0
    assert 0 < float(bench.bus.ttl(bench.keys.track("door", "1-0"))) <= 120  # type: ignore[arg-type]


def test_windows_of_a_track_are_applied_in_time_order(bench: Bench, keys: Keys) -> None:
    for seq in (4, 1, 0, 3, 2):
        bench.put(seq)
    bench.ledger.settle(works(bench.entries()))
    assert bench.scored() == [f"door/1-0/{seq}" for seq in range(5)]
    assert bench.events()[0].alert.id == "door-1-0-3"


def test_a_window_delivered_twice_is_scored_once(bench: Bench) -> None:
    bench.put(0)
    (entry,) = bench.entries()
    bench.ledger.settle(works([entry]))
    made = bench.ledger.settle(works([entry]))
    assert (made.scores, len(made.again)) == ([], 1)
    assert bench.outcomes() == {"scored": 1}, "one entry, one outcome"
    assert len(bench.scored()) == 1


def test_a_window_queued_twice_is_scored_once_and_both_entries_go(bench: Bench) -> None:
    bench.put(0)
    bench.put(0)
    bench.ledger.settle(works(bench.entries()))
    assert bench.scored() == ["door/1-0/0"]
    assert bench.outcomes() == {"scored": 1, "duplicate": 1}, "two entries, two outcomes"
    assert bench.left() == (0, 0)


def test_another_worker_commits_between_our_reading_and_our_exec(bench: Bench, bus: redis.Redis, keys: Keys) -> None:
    """A read and scored, stalls inside its commit; B took the windows over and commits them; A goes on."""
    for seq in range(6):
        bench.put(seq)
    entries = bench.entries()
    other = Bench(redis.Redis(connection_pool=bus.connection_pool), keys, "b")
    bench.cache.meddle = lambda: other.ledger.settle(works(entries)) and None
    made = bench.ledger.settle(works(entries))
    assert (made.scores, len(made.again)) == ([], 6)
    assert bench.outcomes() == {"scored": 6}
    assert len(bench.scored()) == 6
    assert [event.event for event in bench.events()].count("new") == 1


def test_the_cool_down_is_watched_too(bench: Bench, bus: redis.Redis, keys: Keys) -> None:
    """Two workers, two faces of one camera that turn fake together: one alert, the other cools down."""
    for seq in range(6):
        bench.put(seq, track="1-0")
        bench.put(seq, track="1-1")
    entries = bench.entries()
    mine = [work for work in works(entries) if work.window.track == "1-0"]
    theirs = [work for work in works(entries) if work.window.track == "1-1"]
    other = Bench(redis.Redis(connection_pool=bus.connection_pool), keys, "b")
    bench.cache.meddle = lambda: other.ledger.settle(theirs) and None
    bench.ledger.settle(mine)
    assert [event.alert.track for event in bench.events() if event.event == "new"] == ["1-1"]
    assert len(bench.scored()) == 12


@pytest.mark.parametrize("outcome", ["stale", "dead"])
def test_a_window_given_up_by_one_worker_is_not_scored_by_another(bench: Bench, outcome: Any) -> None:
    bench.put(0)
    (work,) = works(bench.entries())
    bench.ledger.settle([Work(work.entry, work.window, outcome=outcome, error="why")])
    bench.ledger.settle([work])
    assert bench.outcomes() == {outcome: 1}
    assert bench.scored() == []
    assert bench.left() == (0, 0)


def test_a_dead_letter_keeps_the_window_and_no_password(bench: Bench) -> None:
    bench.put(0)
    (work,) = works(bench.entries())
    bench.ledger.settle([Work(work.entry, work.window, outcome="dead", error="rtsp://me:hush@cam/1 broke")])
    (letter,) = (DeadLetter.decode(data) for data in bench.stream(bench.keys.dead))
    assert (letter.data, letter.deliveries, letter.error) == (work.entry.data, 1, "rtsp://***@cam/1 broke")


def test_what_the_streamer_trimmed_and_counted_is_not_counted_again(bench: Bench, keys: Keys) -> None:
    """We stall for so long with windows in hand that the streamer trims them."""
    old = int((time.time() - 40) * 1000)
    for seq in range(2):
        bench.bus.xadd(keys.windows, {FIELD: window(seq, captured=1000.0).encode()}, id=f"{old}-{seq + 1}")
    entries = bench.entries()
    bench.bus.xdel(keys.windows, entries[0].id)
    made = bench.ledger.settle(works(entries))
    assert [one.window for one in made.scores] == ["door/1-0/1"]
    assert bench.outcomes() == {"scored": 1}
    assert bench.left() == (0, 0)


def test_bytes_that_are_no_window_are_buried_once(bench: Bench, bus: redis.Redis, keys: Keys) -> None:
    bus.xadd(keys.windows, {FIELD: b"junk"})
    (entry,) = bench.entries()
    assert bench.ledger.bury(entry, "not a window")
    assert not bench.ledger.bury(entry, "not a window"), "another worker that holds it as well"
    assert bench.outcomes() == {"dead": 1}
    assert bench.left() == (0, 0)
    assert DeadLetter.decode(bench.stream(keys.dead)[0]).data == b"junk"


def test_a_state_of_another_version_is_started_anew(bench: Bench, keys: Keys) -> None:
    bench.bus.set(keys.track("door", "1-0"), b"\x81\xa1v\x63")
    bench.put(0)
    bench.ledger.settle(works(bench.entries()))
    assert bench.outcomes() == {"scored": 1}


@pytest.mark.parametrize("seed", range(5))
def test_any_split_and_order_among_workers_accounts_for_every_window_once(bench: Bench, seed: int) -> None:
    """Windows of three tracks, split into batches at random, some committed twice, in any order."""
    chance = random.Random(seed)
    for seq in range(20):
        for track in ("1-0", "1-1", "1-2"):
            bench.put(seq, track=track, camera=f"cam{track[-1]}")
    all_works = works(bench.entries())
    pool = all_works + chance.choices(all_works, k=30)
    chance.shuffle(pool)
    while pool:
        size = chance.randint(1, 8)
        bench.ledger.settle(pool[:size])
        pool = pool[size:]
    assert sorted(bench.scored()) == sorted(work.window.id for work in all_works)
    assert bench.outcomes() == {"scored": 60}
    for camera in ("cam0", "cam1", "cam2"):
        told = [event.event for event in bench.events() if event.alert.camera == camera]
        assert told[0] == "new"
        assert told.count("new") - told.count("end") == 1
