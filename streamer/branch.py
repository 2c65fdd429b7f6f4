"""What a streamer has in one shard: its publisher, its evidence maker, and the names of the cameras there.

Each second from a thread of its own, so that a shard whose node is away holds up neither another nor the leases.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable

import redis

from streamer.config import StreamerConfig
from streamer.evidence import EvidenceMaker
from streamer.publish import Ownership, Publisher
from streamer.ring import PacketRing
from wire.keys import Keys
from wire.messages import CameraState
from wire.telemetry import Log

PERIOD_S = 1.0


class Branch:
    """Everything of one shard."""

    def __init__(
        self,
        bus: redis.Redis,
        keys: Keys,
        config: StreamerConfig,
        ring_of: Callable[[str], PacketRing | None],
        ownership: Ownership,
        away: Callable[[redis.RedisError], None],
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self._bus, self._keys, self._owner, self._away, self._log = bus, keys, config.name, away, log
        self.publisher = Publisher(bus, keys, config.streamer, log, clock, ownership)
        self.evidence = EvidenceMaker(bus, keys, config.alerts, ring_of, log, clock)
        self._names: frozenset[str] = frozenset()
        self._known: frozenset[str] | None = None  # those that were configured when the others were forgotten
        self._due, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="branch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.publisher.start()
        self.evidence.start()
        self._thread.start()

    def tell(self, names: Iterable[str]) -> None:
        """The cameras that are configured in this shard, from now on."""
        self._names = frozenset(names)
        self._due.set()

    def ask_to_stop(self) -> None:
        """Return at once."""
        self._stopping = True
        self._due.set()
        self.evidence.ask_to_stop()

    def stop(self, timeout_s: float) -> None:
        """Send what waits, then end; what is left when the time is over is lost."""
        self.ask_to_stop()
        self.publisher.stop(timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            self._due.clear()
            try:
                self._second()
            except redis.RedisError as error:
                self._away(error)
            except Exception:  # no memory, or a bug: the next second may do better
                self._log.exception("a second's work on a shard failed")
            self._due.wait(PERIOD_S)

    def _second(self) -> None:
        if trimmed := self.publisher.trim():  # first: a Redis whose memory is full takes nothing else
            self._log.warning("stale windows dropped from the queue: the workers do not keep up", dropped=trimmed)
        names = self._names
        if names:  # again, where Redis lost its data
            self._bus.sadd(self._keys.camera_names, *names)
        for gone in names - self._names:  # was taken out meanwhile, and came back by this
            self.publisher.remove(gone)
        if names != self._known:
            self._forget(names)
            self._known = names

    def _forget(self, names: Collection[str]) -> None:
        """Those that this streamer had before."""
        known: set[bytes] = self._bus.smembers(self._keys.camera_names)  # type: ignore[assignment]
        for name in {member.decode() for member in known} - set(names):
            state = CameraState.read(self._bus.get(self._keys.camera(name)))
            if state is not None and state.owner == self._owner:
                self.publisher.remove(name)
