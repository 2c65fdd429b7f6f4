from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.support.servers import wait_until
from wire.heartbeat import Heartbeat
from wire.keys import Keys
from wire.messages import ServiceState
from worker import pulse
from worker.pulse import Pulse


@pytest.fixture
def beating(bus: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pulse]:
    monkeypatch.setattr(pulse, "PERIOD_S", 0.02)
    made = Pulse(Heartbeat(bus, keys, "worker", "w0"), lambda: {"model": "tiny", "busy": 0.5})
    made.start()
    yield made
    made.stop()


def state(bus: redis.Redis, keys: Keys) -> ServiceState | None:
    raw: Any = bus.get(keys.service("worker", "w0"))
    return ServiceState.decode(raw) if raw else None


def test_beats_by_itself_and_goes_when_stopped(bus: redis.Redis, keys: Keys, beating: Pulse) -> None:
    first = wait_until(lambda: state(bus, keys), 20, "a beat")
    assert isinstance(first, ServiceState)
    assert (first.state, first.model, first.busy) == ("starting", "tiny", 0.5)
    beating.turn("ready")
    now = state(bus, keys)
    assert now is not None
    assert now.state == "ready"
    wait_until(lambda: (s := state(bus, keys)) and s.updated > now.updated, 20, "the next beat")
    beating.stop()
    assert state(bus, keys) is None
