"""Which cameras are this streamer's: its leases, the cameras that are kept out, and its sign of life.

All of that lies in the home, and is asked for every second from a thread of its own: a home that is away, or does not
answer, holds up no camera, and nothing that another shard is told.

Cameras are read on while nobody answers: a home that is away for all is to stop none. But a lease that was not renewed
for its time may be another streamer's by now, and whoever has it tells the camera's state in the camera's key space:
once another's is found there (`keeps`), the camera is not ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import redis

from streamer.lease import Leases
from streamer.quarantine import Crashes, Quarantine
from wire.heartbeat import Facts, Heartbeat
from wire.messages import CameraState
from wire.telemetry import Log

PERIOD_S = 1.0
PAUSE_S = 0.2  # after a failure: to be in doubt costs two round trips more for whatever is sent


def elapsed() -> float:
    """Seconds that pass while the machine sleeps, too, where there is such a clock: leases end meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True, slots=True)
class Claim:
    """The cameras that are ours, those of them that are left alone, and until when our leases last by `elapsed`."""

    mine: frozenset[str] = frozenset()
    held: Mapping[str, Crashes] = field(default_factory=dict)
    until: float = float("-inf")


@dataclass(frozen=True, slots=True)
class _Told:
    names: list[str]
    detail: str
    facts: Facts


class Claims:
    """Asks again and again; `now` is what was found last, and stays so while the home is away.

    `crashed` is the camera that is known to have made the process before this one crash, if any.
    """

    def __init__(
        self,
        leases: Leases,
        quarantine: Quarantine,
        heartbeat: Heartbeat,
        crashed: str,
        away: Callable[[redis.RedisError], None],
        log: Log,
        clock: Callable[[], float],
        trust_s: float,
    ) -> None:
        """`trust_s`: for how long after it was renewed a lease is taken to be ours."""
        self.now = Claim()
        self.failure: Exception | None = None  # a bug: whoever runs the cameras is to end by it
        self._leases, self._quarantine, self._heartbeat = leases, quarantine, heartbeat
        self._crashed, self._away, self._log, self._clock = crashed, away, log, clock
        self._trust_s = trust_s
        self._writing = threading.Lock()  # of `now`
        self._told: _Told | None = None
        self._configured: set[str] = set()
        self._gone: set[str] = set()  # no longer configured, whose leases are to be given back
        self._due, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="claims", daemon=True)

    def start(self) -> None:
        """Begin, once it is told of cameras."""
        self._thread.start()

    def tell(self, names: list[str], detail: str, facts: Facts, *, at_once: bool = False) -> None:
        """The cameras that are configured, and what the sign of life says, from now on."""
        first, self._told = self._told is None, _Told(names, detail, facts)
        if first or at_once:
            self._due.set()

    def ours(self, camera: str) -> bool | None:
        """See Ownership."""
        now = self.now
        return False if camera not in now.mine else elapsed() < now.until or None

    def keeps(self, camera: str, state: CameraState | None) -> bool:
        """See Ownership."""
        if state is None or state.owner in ("", self._leases.owner):
            return True
        with self._writing:
            self.now = replace(self.now, mine=self.now.mine - {camera})  # until the leases say otherwise
        return False

    def ask_to_stop(self) -> None:
        """Return at once."""
        self._stopping = True
        self._due.set()

    def stop(self, timeout_s: float) -> bool:
        """Stop asking; False when it still waits for Redis. Afterwards no lease is taken any more."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def farewell(self) -> None:
        """Give our leases back, and take the sign of life away. Raises redis.RedisError."""
        for name in self.now.mine:
            self._leases.release(name)
        self._heartbeat.stop()

    def _run(self) -> None:
        wait_s = PERIOD_S
        while not self._stopping:
            self._due.wait(wait_s)
            self._due.clear()
            wait_s = PERIOD_S
            if self._stopping or (told := self._told) is None:
                continue
            try:
                self._second(told)
            except redis.RedisError as error:
                self._away(error)
                wait_s = PAUSE_S
            except Exception as error:
                self.failure = error
                return

    def _second(self, told: _Told) -> None:
        names = set(told.names)
        self._gone, self._configured = (self._gone | self._configured) - names, names
        for name in list(self._gone):
            self._leases.release(name)
            self._gone.discard(name)
        now = self._clock()
        self._convict(told.names, now)
        began = elapsed()
        mine = self._leases.step(told.names, now)
        found = Claim(frozenset(mine), self._quarantine.held(mine, now), began + self._trust_s)
        with self._writing:
            self.now = found
        self._heartbeat.beat("ready", told.detail, told.facts)

    def _convict(self, names: list[str], now: float) -> None:
        """Count the crash of the process before this one, if a camera is known to have made it. Before it is opened."""
        camera = self._crashed
        if camera in names:
            crashes = self._quarantine.convict(camera, now)
            retry_s = round(crashes.until() - now)
            self._log.error(
                "a camera has brought the streamer down", camera=camera, times=crashes.count, retry_s=retry_s
            )
        self._crashed = ""
