from __future__ import annotations

import threading
import time
from typing import cast
from urllib.parse import urlsplit

import pytest
import redis
from msgspec.structs import replace

from streamer.claims import Claims
from streamer.lease import Leases
from streamer.quarantine import Quarantine
from tests.support.proxy import proxied
from tests.support.servers import wait_until
from wire import bus as wire_bus
from wire.heartbeat import NO_FACTS, Heartbeat
from wire.keys import Keys
from wire.messages import CameraState, ServiceState
from wire.telemetry import Log


class Watched(Leases):
    """Tells when Redis is asked for them."""

    def __init__(self, bus: redis.Redis, keys: Keys) -> None:
        super().__init__(bus, keys, "me", 10.0)
        self.asked = threading.Event()

    def step(self, cameras: list[str], now: float) -> set[str]:
        self.asked.set()
        return super().step(cameras, now)


def claims_of(
    bus: redis.Redis,
    keys: Keys,
    log: Log,
    quarantine: Quarantine | None = None,
    leases: Leases | None = None,
    trust_s: float = 10.0,
) -> Claims:
    leases, heartbeat = leases or Watched(bus, keys), Heartbeat(bus, keys, "streamer", "me")
    return Claims(leases, quarantine or Quarantine(bus, keys), heartbeat, "", lambda _: None, log, time.time, trust_s)


def test_what_is_told_is_claimed_and_what_is_taken_out_given_back(bus: redis.Redis, keys: Keys, log: Log) -> None:
    claims = claims_of(bus, keys, log)
    claims.start()
    claims.tell(["a", "b"], "two cameras", NO_FACTS)
    wait_until(lambda: claims.now.mine == {"a", "b"}, 20, "both are ours")
    wait_until(lambda: bus.exists(keys.service("streamer", "me")), 20, "a sign of life")
    assert ServiceState.decode(bus.get(keys.service("streamer", "me"))).detail == "two cameras"  # type: ignore[arg-type]
    claims.tell(["a"], "one camera", NO_FACTS, at_once=True)
    wait_until(lambda: bus.get(keys.lease("b")) is None, 20, "its lease is given back")
    assert bus.get(keys.lease("a")) == b"me"
    assert claims.stop(20)
    claims.farewell()
    assert not bus.exists(keys.lease("a"), keys.service("streamer", "me"))


def test_a_home_that_does_not_answer_changes_nothing_and_is_not_waited_for(
    redis_url: str, bus: redis.Redis, keys: Keys, log: Log
) -> None:
    with (
        proxied(urlsplit(redis_url).port or 0) as proxy,
        wire_bus.connect(f"redis://127.0.0.1:{proxy.port}/0") as home,
    ):
        leases = Watched(home, keys)
        claims = claims_of(home, keys, log, leases=leases)
        claims.start()
        claims.tell(["a"], "", NO_FACTS)
        wait_until(lambda: claims.now.mine == {"a"}, 20, "it is ours")
        proxy.stall()
        leases.asked.clear()
        claims.tell(["a", "b"], "", NO_FACTS, at_once=True)
        assert leases.asked.wait(20)
        assert not claims.stop(0.3)
        assert claims.now.mine == {"a"}
        proxy.flow()
        assert claims.stop(20)


def test_a_camera_is_ours_for_as_long_as_its_lease_is_known_to_last(
    redis_url: str, bus: redis.Redis, keys: Keys, log: Log
) -> None:
    with (
        proxied(urlsplit(redis_url).port or 0) as proxy,
        wire_bus.connect(f"redis://127.0.0.1:{proxy.port}/0") as home,
    ):
        claims = claims_of(home, keys, log, leases=Watched(home, keys), trust_s=2.0)
        claims.start()
        claims.tell(["a"], "", NO_FACTS)
        wait_until(lambda: claims.ours("a"), 20, "it is ours")
        assert claims.ours("b") is False
        proxy.stall()
        wait_until(lambda: claims.ours("a") is None, 20, "nobody knows")
        assert claims.now.mine == {"a"}, "it is read on"
        mine = CameraState(name="a", state="live", source="x", since=0.0, updated=1.0, owner="me")
        assert all(claims.keeps("a", told) for told in (None, mine, replace(mine, owner="")))
        assert claims.ours("a") is None
        assert not claims.keeps("a", replace(mine, owner="another"))
        assert claims.ours("a") is False, "until the leases say otherwise"
        proxy.flow()
        wait_until(lambda: claims.ours("a"), 20, "they do")
        bus.set(keys.lease("a"), "another")
        wait_until(lambda: claims.ours("a") is False, 20, "it is another's")
        assert claims.stop(20)


def test_a_machine_that_slept_trusts_no_lease(
    bus: redis.Redis, keys: Keys, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = claims_of(bus, keys, log, trust_s=600.0)
    claims.start()
    claims.tell(["a"], "", NO_FACTS)
    wait_until(lambda: claims.ours("a"), 20, "it is ours")
    assert claims.stop(20)
    assert claims.ours("a")
    now = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: now(clock) + 3600 * (clock == time.CLOCK_BOOTTIME))
    assert claims.ours("a") is None


def test_a_bug_is_told_to_whoever_runs_the_cameras(bus: redis.Redis, keys: Keys, log: Log) -> None:
    class Broken:
        def held(self, cameras: object, now: float) -> object:
            raise LookupError("a bug")

    claims = claims_of(bus, keys, log, cast(Quarantine, Broken()))
    claims.start()
    claims.tell(["a"], "", NO_FACTS)
    assert isinstance(wait_until(lambda: claims.failure, 20, "it is told"), LookupError)
