"""Against a real Valkey, and heartbeats of services whose clocks are off."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis

from tests.support.servers import free_port
from unmask.doctor import store
from wire.heartbeat import Heartbeat
from wire.keys import Keys
from wire.settings import RedisSettings, Settings

GOOD = {
    "valkey_version": "9.1.0", "used_memory": 10_000_000, "maxmemory": 100_000_000, "maxmemory_policy": "noeviction",
    "aof_enabled": 1,
}  # fmt: skip


def settings(url: str | None, folder: Path) -> Settings:
    return Settings(redis=RedisSettings(url=url), state=folder)


@pytest.mark.parametrize(
    ("changed", "state", "remedy"),
    [
        ({}, "ok", ""),
        ({"redis_version": "7.2.4"}, "ok", ""),
        ({"redis_version": "6.2.14"}, "failed", "newer"),
        ({"maxmemory_policy": "allkeys-lru"}, "failed", "noeviction"),
        ({"aof_last_write_status": "err"}, "failed", "disk"),
        ({"used_memory": 100_000_001}, "failed", "maxmemory"),
        ({"used_memory": 80_000_001}, "warning", "maxmemory"),
        ({"maxmemory": 0}, "warning", "maxmemory"),
        ({"aof_enabled": 0}, "warning", "appendonly"),
    ],
)
def test_the_first_trouble_and_its_remedy(changed: dict[str, object], state: str, remedy: str) -> None:
    found = store.server(GOOD | changed)
    assert found.state == state
    assert remedy in found.remedy


def test_a_real_server(redis_url: str, bus: redis.Redis, tmp_path: Path) -> None:
    bus.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found, clocks = store.look(settings(redis_url, tmp_path))
    finally:
        bus.config_set("maxmemory-policy", "noeviction")
    assert (found.state, found.facts["policy"]) == ("failed", "allkeys-lru")
    assert clocks.state == "ok"


def test_clocks_that_are_off_are_named(bus: redis.Redis, keys: Keys) -> None:
    Heartbeat(bus, keys, "worker", "late", clock=lambda: time.time() - 60).beat()
    Heartbeat(bus, keys, "streamer", "right").beat()
    bus.set(keys.service("worker", "noise"), b"nothing of ours", ex=5)
    found = store.skews(bus, keys, lambda: time.time() + 20)
    assert found.keys() == {"this machine", "worker late", "streamer right"}
    assert found["this machine"] == pytest.approx(20, abs=5)
    assert found["worker late"] == pytest.approx(-60, abs=5)
    assert found["streamer right"] == pytest.approx(0, abs=5)
    told = store.clocks(found)
    assert (told.state, "worker late" in told.details) == ("failed", True)
    assert store.clocks({"this machine": 0.4}).state == "warning"
    assert store.clocks({"this machine": -0.1}).state == "ok"


def test_no_server(tmp_path: Path) -> None:
    [found] = store.look(settings(f"redis://alice:hunter22@127.0.0.1:{free_port()}", tmp_path))
    assert found.state == "failed"
    assert "hunter22" not in str(found)
    assert store.look(settings(None, tmp_path))[0].state == "ok"
