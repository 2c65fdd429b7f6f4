"""What a container's health check finds out."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import redis

from tests.support.servers import free_port
from unmask import probes
from unmask.probes import health, live
from wire.errors import UsageError
from wire.heartbeat import Heartbeat
from wire.keys import Keys
from wire.settings import RedisSettings, Settings


def test_alive_means_this_host_and_this_role(bus: redis.Redis, redis_url: str, keys: Keys) -> None:
    settings = Settings(redis=RedisSettings(url=redis_url))
    assert health("worker", settings) == 1
    Heartbeat(bus, keys, "worker", "another-host-1").beat()
    assert health("worker", settings) == 1
    mine = Heartbeat(bus, keys, "worker", f"{socket.gethostname()}-1")
    mine.beat()
    assert health("worker", settings) == 0
    assert health("streamer", settings) == 1
    mine.stop()
    assert health("worker", settings) == 1


def test_a_role_that_is_none(redis_url: str) -> None:
    with pytest.raises(UsageError, match="'cook'"):
        health("cook", Settings(redis=RedisSettings(url=redis_url)))


@pytest.fixture
def config(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("REDIS_URL", raising=False)
    path = tmp_path / "unmask.yaml"
    path.write_text(f"redis: {{url: '{redis_url}'}}")
    return path


def test_a_restart_is_asked_for_where_redis_knows_of_none(bus: redis.Redis, config: Path, keys: Keys) -> None:
    assert live("worker", config) == 1
    Heartbeat(bus, keys, "worker", f"{socket.gethostname()}-1").beat()
    assert live("worker", config) == 0
    assert live("streamer", config) == 1
    with pytest.raises(UsageError, match="'cook'"):
        live("cook", config)


@pytest.mark.parametrize("text", ["redis: {url: 'redis://127.0.0.1:%d/0'}", "cameras: {lobby: {ulr: x}}", "{", None])
def test_no_restart_for_what_none_would_mend(config: Path, text: str | None) -> None:
    """Redis away; a ConfigMap with a slip of the pen, which running services refuse."""
    config.write_text(text % free_port() if text and "%d" in text else text) if text else config.unlink()
    assert live("worker", config) == 0


def test_a_redis_that_says_nothing_is_not_waited_for(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "LOOK_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config.write_text(f"redis: {{url: 'redis://127.0.0.1:{silent.getsockname()[1]}/0'}}")
        before = time.monotonic()
        assert live("worker", config) == 0
        assert time.monotonic() - before < 9, "its own patience of 10 s would be longer than a probe's"
