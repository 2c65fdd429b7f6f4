"""Turn after turn over one shard: windows are taken, scored and committed until the worker stops.

A worker has a loop for each shard, each in a thread of its own in front of the one scorer: a shard whose node is away,
or does not answer, holds up no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import redis

from wire import bus
from wire.messages import AlertEvent
from wire.telemetry import Log, Throttle
from worker.choice import Pressure
from worker.commit import Plan
from worker.encoding import Abandoned
from worker.line import Line

BACKOFF_S = (0.1, 0.2, 0.5, 1.0)
TURN_S = 60.0  # for a turn of the loop, all time-outs of Redis in it together


class Loop:
    """Runs a line until `stop` is set. `draining` is called when it takes no new windows."""

    def __init__(self, line: Line, stop: threading.Event, draining: Callable[[], None], log: Log) -> None:
        self._line, self._stop, self._draining, self._log = line, stop, draining, log
        self._throttle = Throttle(time.monotonic)
        self._turned = time.monotonic()

    def run(self) -> None:
        """Until `stop`, and then what is on its way. Raises ServiceError."""
        self._go_on()
        self._draining()
        self._drain()

    def hung(self) -> str:
        """Why there is no progress, "" where there is. What a turn waits for while a crowd is encoded is its slices'
        to answer for: many in a row that give way may take longer than a turn."""
        since = time.monotonic() - max(self._turned, self._line.looked)
        return f"no turn of the loop for {since:.0f} s" if since > TURN_S else ""

    def _go_on(self) -> None:
        """While Redis is away nothing is forgotten: the decisions at hand are committed after."""
        line, tries, opened = self._line, 0, False
        while not self._stop.is_set():
            self._turned = time.monotonic()
            try:
                if not opened:
                    line.open(returned=tries > 0)
                    opened, tries = True, 0
                self._tell(line.tick())
                made = line.turn()
                if made is not None:
                    self._report(made, line.pressure)
                line.explain(idle=made is None)
            except Abandoned:
                return
            except (redis.RedisError, OSError) as error:
                self._say("Redis is away" if isinstance(error, bus.REACH_ERRORS) else "Redis refuses", error)
                self._stop.wait(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
                opened, tries = False, tries + 1

    def _drain(self) -> None:
        """Commit what is on its way; what can't be committed in time is another worker's."""
        try:
            while (made := self._line.finish()) is not None:
                self._report(made)
        except Abandoned:
            return
        except (redis.RedisError, OSError) as error:
            self._say("Redis is away: a batch is left to other workers", error)

    def _tell(self, events: Sequence[AlertEvent]) -> None:
        for event in events:
            if event.event != "update":
                alert = event.alert
                self._log.info(
                    f"alert {event.event}", camera=alert.camera, track=alert.track, alert=alert.id, kind=alert.kind
                )

    def _report(self, made: Plan, pressure: Pressure | None = None) -> None:
        self._tell(made.events)
        for work in made.dead:
            self._log.warning("dead window", camera=work.window.camera, window=work.window.id, error=work.error)
        stale = made.outcomes["stale"]
        if pressure is not None:
            if self._throttle.admit("capacity") is not None:
                self._log.warning(f"out of capacity: {pressure}")
        elif stale and (held := self._throttle.admit("stale")) is not None:
            self._log.warning("windows too old to score", windows=stale, batches_not_logged=held)

    def _say(self, what: str, error: Exception) -> None:
        held = self._throttle.admit(what)
        if held is not None:
            self._log.warning(what, error=bus.reason(error), repeated=held)
