from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

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
    now = wait_until(lambda: (s := state(bus, keys)) and s.state == "ready" and s, 20, "it says so")
    assert isinstance(now, ServiceState)
    wait_until(lambda: (s := state(bus, keys)) and s.updated > now.updated, 20, "the next beat")
    beating.stop()
    assert state(bus, keys) is None


def test_a_turn_is_told_at_once_and_waits_for_nobody() -> None:
    """A Redis that does not answer keeps the pulse, and not whoever has windows to settle."""
    told: list[str] = []
    may = threading.Event()

    class Silent:
        def beat(self, state: str, facts: object) -> None:
            told.append(state)
            assert may.wait(20)

        def stop(self) -> None:
            told.append("farewell")

    made = Pulse(cast(Heartbeat, Silent()), lambda: {})
    made.start()
    wait_until(lambda: told, 20, "the first beat waits")
    made.turn("ready")
    made.turn("draining")
    may.set()
    wait_until(lambda: len(told) == 2, pulse.PERIOD_S / 2, "the last turn is told before the next beat is due")
    made.stop()
    assert told == ["starting", "draining", "farewell"]
