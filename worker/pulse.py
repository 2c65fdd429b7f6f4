"""The worker's sign of life in Redis, from a thread of its own: a long batch is no silence, and none waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import redis

from wire.heartbeat import Facts, Heartbeat
from wire.messages import ServiceStatus

PERIOD_S = 1.0


class Pulse:
    """Beats every second until `stop`."""

    def __init__(self, heartbeat: Heartbeat, facts: Callable[[], Facts]) -> None:
        self._heartbeat, self._facts = heartbeat, facts
        self._state: ServiceStatus = "starting"
        self._due, self._ended = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat, as `starting`."""
        self._thread.start()

    def turn(self, state: ServiceStatus) -> None:
        """Say so at once, by the other thread: whoever turns has windows to settle, and waits for no Redis."""
        self._state = state
        self._due.set()

    def stop(self) -> None:
        """Take the sign of life away; silent where Redis is away."""
        self._ended = True
        self._due.set()
        self._thread.join()
        try:
            self._heartbeat.stop()
        except redis.RedisError:
            return  # the TTL does it

    def _run(self) -> None:
        while not self._ended:
            self._beat()
            self._due.wait(PERIOD_S)
            self._due.clear()

    def _beat(self) -> None:
        try:
            self._heartbeat.beat(self._state, facts=self._facts())
        except redis.RedisError:
            return  # the loop says that Redis is away
