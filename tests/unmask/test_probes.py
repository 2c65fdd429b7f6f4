"""What a container's health check finds out."""

from __future__ import annotations

import socket

import pytest
import redis

from unmask.probes import health
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
