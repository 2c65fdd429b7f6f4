"""The commit against a real server, interleavings of two workers included."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import redis
from msgspec.structs import replace
from redis.client import Pipeline

from tests.support.servers import wait_until
from tests.worker.making import RULES, score, window
from wire.evidence import read
from wire.keys import ALL_CAMERAS, FIELD, GROUP, Keys
from wire.messages import Alert, AlertEvent, DeadLetter, Evidence, Score, Snooze, Trace
from wire.settings import Settings
from worker.commit import Ledger, Work
from worker.features import Feature, FrameId, RedisCache
from worker.publish import due_member
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

    def __init__(
        self, bus: redis.Redis, keys: Keys, consumer: str = "a", clock: Callable[[], float] = time.time, **rules: Any
    ) -> None:
        self.bus, self.keys = bus, keys
        self.cache = Meddling(bus, keys, MODEL, dim=2, ttl_s=30)
        settings = Settings(alerts=rules)
        self.ledger = Ledger(bus, keys, settings, replace(RULES, **rules), self.cache, clock, consumer)
        self.queue = WindowQueue(bus, keys, consumer)
        self.queue.open()

    def put(self, seq: int, track: str = "1-0", camera: str = "door") -> None:
        made = window(seq, camera=camera, track=track, captured=1000.0 + seq)
        self.bus.xadd(self.keys.windows, {FIELD: made.encode()})

    def entries(self, count: int = 100) -> list[Entry]:
        return self.queue.read(count, 0, lambda: 1.0)

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

    def evidence(self, alert: str) -> tuple[Evidence | None, Trace | None]:
        """The worker's parts of an alert's evidence."""
        parts: Any = self.bus.hgetall(self.keys.evidence(alert))
        return read(parts, Evidence), read(parts, Trace)

    def held(self, track: str = "1-0") -> list[bytes]:
        """Numbers of the windows that are held."""
        found: Any = self.bus.hkeys(self.keys.held("door", track))
        return sorted(found)

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
    for seq in range(5):
        bench.put(seq)
    name = ("door", "1-0", 0)
    made = bench.ledger.settle(works(bench.entries()), {name: np.array([1, 2], np.float16)})
    assert [event.event for event in made.events] == ["new"]
    assert bench.scored() == [f"door/1-0/{seq}" for seq in range(5)]
    assert bench.left() == (0, 0)
    assert bench.outcomes() == {"scored": 5}
    assert bench.cache.fetch([name])[name].tolist() == [1, 2]
    new = bench.events()[0]
    assert (new.event, new.alert.id) == ("new", "door-1-0-3")
    stored: Any = bench.bus.get(bench.keys.alert(new.alert.id))
    assert Alert.decode(stored) == bench.events()[-1].alert
    evidence, trace = bench.evidence(new.alert.id)
    assert evidence is not None
    assert trace is not None
    assert evidence.frames == window(3, captured=1003.0).frames, "of the window that opened it"
    assert (evidence.window, evidence.p_fake, evidence.threshold) == ("door/1-0/3", 0.95, 0.8)
    assert trace.points == tuple((1000.0 + seq, 0.95, "fake") for seq in range(4)), "up to the event"
    due = bench.bus.zscore(bench.keys.due_tracks, due_member("door", "1-0"))
    assert due == pytest.approx(time.time() + RULES.end_after_s, abs=5)
    assert bench.bus.exists(bench.keys.held("door", "1-0")) == 0
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
    assert bench.bus.zcard(bench.keys.due_tracks) == 0
    _, trace = bench.evidence(bench.events()[-1].alert.id)
    assert trace is not None
    assert [p for _, p, _ in trace.points] == [0.95] * 6 + [0.1] * 4, "to the window that closed it, no further"
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
    assert not made.scores
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
    assert not made.scores
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


def test_the_overall_cool_down_spans_cameras_and_commits(bus: redis.Redis, keys: Keys) -> None:
    bench = Bench(bus, keys, cooldown_overall_s=100.0)
    for camera in ("door", "hall"):
        for seq in range(6):
            bench.put(seq, camera=camera)
        bench.ledger.settle(works(bench.entries()))
    assert [event.alert.camera for event in bench.events() if event.event == "new"] == ["door"]
    assert 100 < float(bus.ttl(keys.last_opened)) <= 160  # type: ignore[arg-type]


@pytest.mark.parametrize("camera", ["door", ALL_CAMERAS])
def test_a_snooze_that_expires_lets_the_next_score_open(bench: Bench, camera: str) -> None:
    snooze = Snooze(camera=camera, until=time.time() + 60, at=time.time())
    bench.bus.set(bench.keys.snooze(camera), snooze.encode(), px=60_000)
    for seq in range(6):
        bench.put(seq)
    bench.ledger.settle(works(bench.entries()))
    assert bench.events() == []
    bench.bus.pexpire(bench.keys.snooze(camera), 1)
    wait_until(lambda: not bench.bus.exists(bench.keys.snooze(camera)), 20, "it expires")
    bench.put(6)
    bench.ledger.settle(works(bench.entries()))
    (event,) = bench.events()
    assert (event.event, event.alert.id, event.alert.started) == ("new", "door-1-0-6", 1002.0)


def test_another_camera_s_snooze_is_no_matter(bench: Bench) -> None:
    bench.bus.set(bench.keys.snooze("hall"), b"", px=60_000)
    for seq in range(5):
        bench.put(seq)
    bench.ledger.settle(works(bench.entries()))
    assert [event.event for event in bench.events()] == ["new"]


def test_an_alert_that_opens_late_has_the_pictures_of_its_own_window(bench: Bench, bus: redis.Redis) -> None:
    """Window 2 is with another worker while 3 and 4 are committed: they wait for it, and so do their pictures."""
    for seq in range(5):
        bench.put(seq)
    decided = works(bench.entries())
    late = decided.pop(2)
    bench.ledger.settle(decided)
    assert bench.events() == []
    assert bench.held() == [b"3", b"4"]
    assert bench.scored() == [f"door/1-0/{seq}" for seq in (0, 1, 3, 4)], "no score waits to be shown"
    other = Bench(redis.Redis(connection_pool=bus.connection_pool), bench.keys, "b")
    made = other.ledger.settle([late])
    (new,) = made.events
    assert new.alert.id == "door-1-0-3"
    assert bench.held() == []
    evidence, trace = bench.evidence(new.alert.id)
    assert evidence is not None
    assert trace is not None
    assert (evidence.window, evidence.frames) == ("door/1-0/3", window(3, captured=1003.0).frames)
    assert [captured for captured, _, _ in trace.points] == [1000.0, 1001.0, 1002.0, 1003.0]


@pytest.mark.parametrize("outcome", ["stale", "dead"])
def test_a_window_given_up_fills_the_gap_that_others_wait_for(bench: Bench, outcome: Any) -> None:
    for seq in range(6):
        bench.put(seq)
    decided = works(bench.entries())
    lost = decided.pop(1)
    bench.ledger.settle(decided)
    assert bench.events() == []
    bench.ledger.settle([Work(lost.entry, lost.window, outcome=outcome, error="why")])
    assert [event.alert.id for event in bench.events()] == ["door-1-0-4"]


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


def test_what_was_trimmed_is_not_counted_again_by_a_worker_whose_clock_is_behind(bench: Bench, keys: Keys) -> None:
    """By its clock the entry is younger than what is trimmed."""
    ahead = int((time.time() + 40) * 1000)
    bench.bus.xadd(keys.windows, {FIELD: window(captured=1000.0).encode()}, id=f"{ahead}-1")
    entries = bench.entries()
    bench.bus.xdel(keys.windows, entries[0].id)
    assert not bench.ledger.settle(works(entries)).scores
    assert bench.outcomes() == {}
    assert bench.left() == (0, 0)


def test_a_window_whose_delivery_a_failover_lost_is_counted(bench: Bench) -> None:
    """The new primary has the entry, and does not know that a worker was given it."""
    bench.put(0)
    entries = bench.entries()
    bench.bus.xgroup_destroy(bench.keys.windows, GROUP)
    bench.bus.xgroup_create(bench.keys.windows, GROUP, "0")
    bench.ledger.settle(works(entries))
    assert bench.outcomes() == {"scored": 1}
    assert bench.left() == (0, 0)


def test_windows_that_went_with_all_that_redis_lost_are_not_counted(bench: Bench, keys: Keys) -> None:
    """Their making was counted in what is lost, so that counting their scores would never add up."""
    for seq in range(2):
        bench.put(seq)
    entries = bench.entries()
    bench.bus.flushall()
    bench.bus.xgroup_create(keys.windows, GROUP, "0", mkstream=True)
    bench.put(2)
    made = bench.ledger.settle(works([*entries, *bench.entries()]))
    assert [one.window for one in made.scores] == ["door/1-0/2"]
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
