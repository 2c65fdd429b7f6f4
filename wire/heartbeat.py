"""A service's sign of life in Redis: written every second under a short TTL, so that silence is noticed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import TypedDict

import redis

from wire.keys import Keys, literal
from wire.messages import Role, ServiceState, ServiceStatus

TTL_S = 5
RESTARTS = "UNMASK_RESTARTS"  # how often the supervisor has started this service anew


class Facts(TypedDict, total=False):
    """What a service tells besides, see ServiceState."""

    model: str
    device: str
    caveat: str
    batch_fill: float | None
    busy: float | None
    queue_age: float | None
    shed: int | None
    trouble: str


NO_FACTS: Facts = {}


def identity(configured: str) -> str:
    """The configured name, or one made of host and slot: stable over a restart where the supervisor gives a slot."""
    return configured or f"{socket.gethostname()}-{os.environ.get('UNMASK_SLOT') or os.getpid()}"


def alive(bus: redis.Redis, keys: Keys, role: Role, id_pattern: str = "*") -> list[ServiceState]:
    """The services of a role whose sign of life stands now; `id_pattern` is a glob. Raises redis.RedisError.

    One that this build can't read, of another version's service, is passed over.
    """
    pattern = literal(keys.prefix) + keys.service(role, id_pattern).removeprefix(keys.prefix)
    found = (ServiceState.read(bus.get(key)) for key in bus.scan_iter(match=pattern, count=1000))
    return [state for state in found if state is not None]


def restarts() -> int:
    """How often the supervisor has started this service anew; 0 where nobody counts."""
    told = os.environ.get(RESTARTS, "")
    return int(told) if told.isdecimal() else 0


class Heartbeat:
    """Publishes one service's state."""

    def __init__(
        self, bus: redis.Redis, keys: Keys, role: Role, id: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._bus, self._keys, self._role, self._id, self._clock = bus, keys, role, id, clock
        self._since, self._restarts = clock(), restarts()

    def beat(self, state: ServiceStatus = "ready", detail: str = "", facts: Facts = NO_FACTS) -> None:
        """Write the state; raises redis.RedisError."""
        message = ServiceState(
            role=self._role,
            id=self._id,
            state=state,
            since=self._since,
            updated=self._clock(),
            detail=detail,
            restarts=self._restarts,
            **facts,
        )
        self._bus.set(self._keys.service(self._role, self._id), message.encode(), ex=TTL_S)

    def stop(self) -> None:
        """Take the sign of life away at once; a clean stop needs no TTL."""
        self._bus.delete(self._keys.service(self._role, self._id))
