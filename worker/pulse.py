"""The worker's sign of life in Redis, from a thread of its own: a long batch is no silence."""

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
        self._beating = threading.Lock()  # else a beat that has begun might write the old state over the new
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat, as `starting`."""
        self._thread.start()

    def turn(self, state: ServiceStatus) -> None:
        """Say so at once."""
        self._state = state
        self._beat()

    def stop(self) -> None:
        """Take the sign of life away; silent where Redis is away."""
        self._end.set()
        self._thread.join()
        try:
            self._heartbeat.stop()
        except redis.RedisError:
            return  # the TTL does it

    def _run(self) -> None:
        while not self._end.wait(PERIOD_S):
            self._beat()

    def _beat(self) -> None:
        with self._beating:
            try:
                self._heartbeat.beat(self._state, facts=self._facts())
            except redis.RedisError:
                return  # the loop says that Redis is away
