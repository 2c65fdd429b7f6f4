"""A whole worker in a thread, on a real server."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from msgspec.structs import replace

from tests.support.servers import free_port, valkey, wait_until
from tests.worker.making import settings, window
from wire.errors import CheckpointError, ConfigError
from wire.keys import FIELD, GROUP, Keys
from wire.messages import AlertEvent, DeadLetter, Frame, Score, ServiceState
from worker.service import Worker

Start = Callable[..., Worker]


@pytest.fixture
def log() -> io.StringIO:
    """What the workers log. Pytest's own capture ends with the test, and a worker goes on until it is stopped."""
    return io.StringIO()


@pytest.fixture
def start(tiny: Path, log: io.StringIO) -> Iterator[Start]:
    """Starts workers; they are stopped at the end."""
    running: list[tuple[Worker, threading.Thread]] = []

    def begin(url: str, alerts: dict[str, Any] | None = None, **changed: Any) -> Worker:
        with contextlib.redirect_stderr(log):
            made = Worker(settings(tiny, url, {"name": f"w{len(running)}", **changed}, alerts=alerts or {}))
        thread = threading.Thread(target=made.run, daemon=True)
        thread.start()
        running.append((made, thread))
        return made

    yield begin
    for made, _ in running:
        made.stop()
    for _, thread in running:
        thread.join(30)
        assert not thread.is_alive(), "a worker does not stop"


class Seen:
    """What a test looks at."""

    def __init__(self, bus: redis.Redis, keys: Keys) -> None:
        self.bus, self.keys = bus, keys

    def put(self, *seqs: int, **changed: Any) -> None:
        for seq in seqs:
            self.bus.xadd(self.keys.windows, {FIELD: window(seq, **changed).encode()})

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

    def settled(self, count: int) -> Callable[[], bool]:
        return lambda: sum(self.outcomes().values()) >= count

    def state(self, name: str = "w0") -> ServiceState | None:
        raw: Any = self.bus.get(self.keys.service("worker", name))
        return ServiceState.decode(raw) if raw else None


@pytest.fixture
def seen(bus: redis.Redis, keys: Keys) -> Seen:
    return Seen(bus, keys)


def test_windows_become_scores_and_the_queue_is_empty(redis_url: str, seen: Seen, start: Start) -> None:
    seen.put(*range(30))
    start(redis_url)
    wait_until(seen.settled(30), 20, "30 scores")
    assert sorted(seen.scored()) == sorted(f"door/1-0/{seq}" for seq in range(30))
    assert seen.bus.xlen(seen.keys.windows) == 0
    assert seen.bus.xpending(seen.keys.windows, GROUP)["pending"] == 0  # type: ignore[index]
    assert seen.outcomes() == {"scored": 30}
    features = list(seen.bus.scan_iter(match=f"{seen.keys.prefix}feature:*", count=1000))
    assert len(features) == 62, "every frame once, though the windows overlap"


def test_a_fake_face_raises_one_alert_that_ends_with_its_track(redis_url: str, seen: Seen, start: Start) -> None:
    now = time.time()
    for seq in range(8):
        seen.put(seq, captured=now - 4 + seq / 2)
    start(redis_url, alerts={"end_after_s": 1.5})
    wait_until(lambda: [e for e in seen.events() if e.event == "end"], 20, "the end")
    told = seen.events()
    assert [event.event for event in told if event.event != "update"] == ["new", "end"]
    assert {event.alert.id for event in told} == {told[0].alert.id}
    assert told[-1].alert.end_reason == "camera-lost", "no streamer says that the camera lives"
    key = seen.keys.evidence(told[0].alert.id)
    wait_until(lambda: seen.bus.hexists(key, "explanation"), 20, "its explanation")
    parts: Any = seen.bus.hgetall(key)
    assert parts.keys() >= {b"window", b"trace"}


def test_a_camera_that_is_away_is_an_alert_until_it_is_removed(redis_url: str, seen: Seen, start: Start) -> None:
    seen.bus.sadd(seen.keys.camera_names, "attic")
    start(redis_url, alerts={"offline_after_s": 1})
    start(redis_url, alerts={"offline_after_s": 1})
    wait_until(seen.events, 20, "the alert")
    seen.bus.srem(seen.keys.camera_names, "attic")
    wait_until(lambda: len(seen.events()) > 1, 20, "its end")
    new, end = seen.events()
    assert (new.event, new.alert.kind, end.event, end.alert.end_reason) == ("new", "offline", "end", "camera-removed")
    assert new.alert.id == end.alert.id


def test_the_heartbeat_says_ready_with_model_and_device(redis_url: str, seen: Seen, start: Start) -> None:
    worker = start(redis_url)
    state = wait_until(lambda: (s := seen.state()) and s.state == "ready" and s, 20, "ready")
    assert isinstance(state, ServiceState)
    assert state.model.startswith("tiny-")
    assert state.device == "PyTorch on the CPU, fp32, 1 threads"
    assert state.caveat.startswith("a baseline, ")
    assert state.busy is not None
    assert 0 <= state.busy <= 1
    worker.stop()
    wait_until(lambda: seen.state() is None, 20, "the sign of life is taken away")


def test_junk_and_poison_go_to_dead_alone(redis_url: str, seen: Seen, start: Start, log: io.StringIO) -> None:
    first, *others = window(50).frames
    poison = replace(window(50), frames=(Frame(first.index, first.captured, first.box, b"no jpeg"), *others))
    seen.put(0, 1, 2)
    seen.bus.xadd(seen.keys.windows, {FIELD: poison.encode()})
    seen.bus.xadd(seen.keys.windows, {FIELD: b"junk"})
    seen.put(10, 11)
    start(redis_url)
    wait_until(seen.settled(7), 20, "all settled")
    assert sorted(seen.scored()) == sorted(f"door/1-0/{seq}" for seq in (0, 1, 2, 10, 11))
    letters = [DeadLetter.decode(data) for data in seen.stream(seen.keys.dead)]
    assert {letter.data for letter in letters} == {poison.encode(), b"junk"}
    assert all(letter.error for letter in letters)
    assert seen.outcomes() == {"scored": 5, "dead": 2}
    assert seen.bus.xlen(seen.keys.windows) == 0
    wait_until(lambda: "dead window" in log.getvalue(), 20, "the log tells")
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    [dead] = [line for line in told if line["event"] == "dead window"]
    assert (dead["service"], dead["camera"], dead["window"]) == ("worker", "door", "door/1-0/50")


def test_a_window_that_outlived_too_many_workers_goes_to_dead(redis_url: str, seen: Seen, start: Start) -> None:
    seen.put(0)
    seen.bus.xgroup_create(seen.keys.windows, GROUP, "0")
    rows: Any = seen.bus.xreadgroup(GROUP, "w0", {seen.keys.windows: ">"})
    id = rows[0][1][0][0]
    seen.bus.xclaim(seen.keys.windows, GROUP, "w0", 0, [id], retrycount=3)  # type: ignore[arg-type]
    start(redis_url, max_deliveries=3)
    wait_until(seen.settled(1), 20, "dead")
    (letter,) = (DeadLetter.decode(data) for data in seen.stream(seen.keys.dead))
    assert letter.deliveries == 4
    assert seen.outcomes() == {"dead": 1}


def test_stale_windows_are_counted_not_scored(redis_url: str, seen: Seen, start: Start) -> None:
    seen.put(*range(5), captured=time.time() - 60)
    seen.put(5)
    start(redis_url, max_age_s=30)
    wait_until(seen.settled(6), 20, "all settled")
    assert seen.outcomes() == {"stale": 5, "scored": 1}
    assert seen.scored() == ["door/1-0/5"]
    assert seen.bus.xlen(seen.keys.windows) == 0


def test_two_workers_with_short_patience_score_everything_once(redis_url: str, seen: Seen, start: Start) -> None:
    """They take windows from each other all the time: the idle time is shorter than a batch."""
    seen.put(*range(60))
    seen.put(*range(60), track="1-1", camera="hall")
    for _ in range(2):
        start(redis_url, reclaim_idle_s=0.005, max_deliveries=1000)
    wait_until(seen.settled(120), 60, "120 scores")
    assert len(seen.scored()) == len(set(seen.scored())) == 120
    assert seen.outcomes() == {"scored": 120}


def heard(log: io.StringIO, words: str) -> Callable[[], bool]:
    """Asks whether the log has said so."""
    return lambda: words in log.getvalue()


def test_started_before_redis_it_waits_and_says_so(tmp_path: Path, log: io.StringIO, start: Start) -> None:
    port = free_port()
    start(f"redis://127.0.0.1:{port}/0")
    wait_until(heard(log, "waiting for Redis"), 20, "it says so")
    with valkey(tmp_path, port=port) as (url, _), redis.Redis.from_url(url) as bus:
        seen = Seen(bus, Keys())
        seen.put(0)
        wait_until(seen.settled(1), 20, "goes on by itself")


def test_redis_killed_and_back_nothing_is_lost_or_doubled(tmp_path: Path, log: io.StringIO, start: Start) -> None:
    port = free_port()
    with valkey(tmp_path, port=port, aof=True) as (url, server), redis.Redis.from_url(url) as bus:
        bus.config_set("appendfsync", "always")
        seen = Seen(bus, Keys())
        start(url, batch=2)
        seen.put(*range(40))
        wait_until(seen.settled(4), 20, "under way")
        server.kill()
        server.wait()
        wait_until(heard(log, "Redis is away"), 20, "it says so")
    with valkey(tmp_path, port=port, aof=True) as (url, _), redis.Redis.from_url(url) as bus:
        wait_until(heard(log, "Redis is back"), 20, "it says so")
        seen = Seen(bus, Keys())
        wait_until(seen.settled(40), 20, "all scored")
        assert sorted(seen.scored()) == sorted(f"door/1-0/{seq}" for seq in range(40))
        assert seen.outcomes() == {"scored": 40}
        seen.put(40)
        wait_until(seen.settled(41), 20, "and on")


def test_without_a_checkpoint_nothing_is_touched(redis_url: str, seen: Seen, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not found"):
        Worker(settings(tmp_path / "none", redis_url))
    assert seen.bus.keys("*") == []


def test_without_redis_configured_it_says_what_to_do(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url: not set") as caught:
        Worker(settings(tiny))
    assert caught.value.exit_code == 2
