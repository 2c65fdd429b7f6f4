"""A sign of life that ends by itself."""

from __future__ import annotations

import os
import socket

import pytest
import redis

from wire.heartbeat import TTL_S, Heartbeat, alive, identity
from wire.keys import Keys
from wire.messages import ServiceState


def test_beat_and_stop(bus: redis.Redis, keys: Keys) -> None:
    heart = Heartbeat(bus, keys, "worker", "host-0", clock=lambda: 42.0)
    heart.beat("ready", "baseline on cpu")
    key = keys.service("worker", "host-0")
    state = ServiceState.decode(bus.get(key))  # type: ignore[arg-type]
    assert (state.state, state.since, state.detail) == ("ready", 42.0, "baseline on cpu")
    assert 0 < bus.ttl(key) <= TTL_S  # type: ignore[operator]
    heart.stop()
    assert bus.get(key) is None


def test_identity_is_stable_where_a_slot_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert identity("mine") == "mine"
    monkeypatch.setenv("UNMASK_SLOT", "3")
    assert identity("") == f"{socket.gethostname()}-3"
    monkeypatch.delenv("UNMASK_SLOT")
    assert identity("") == f"{socket.gethostname()}-{os.getpid()}"


def test_alive_finds_one_roles_services(bus: redis.Redis, keys: Keys) -> None:
    for role, id in (("worker", "a-1"), ("worker", "b-1"), ("streamer", "a-1")):
        Heartbeat(bus, keys, role, id).beat()  # type: ignore[arg-type]
    assert {service.id for service in alive(bus, keys, "worker")} == {"a-1", "b-1"}
    assert {service.id for service in alive(bus, keys, "worker", "a*")} == {"a-1"}
    assert alive(bus, keys, "dashboard") == []


def test_a_sign_of_life_of_another_version_is_passed_over(bus: redis.Redis) -> None:
    keys = Keys("a?b:")
    Heartbeat(bus, keys, "worker", "mine").beat()
    bus.set(keys.service("worker", "newer"), b"\x81\xa1v\x63")
    bus.set(Keys("axb:").service("worker", "mine"), bus.get(keys.service("worker", "mine")))  # type: ignore[arg-type]
    assert [service.id for service in alive(bus, keys, "worker")] == ["mine"]
