"""The worker's loop: take windows, score them, commit. Killed at any instruction it loses and doubles nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import redis

from wire import bus, telemetry
from wire.ending import leave, leave_within
from wire.errors import RedisUnreachable
from wire.heartbeat import Facts, Heartbeat
from wire.messages import AlertEvent
from wire.settings import Settings
from wire.telemetry import Log, Throttle
from wire.watchdog import HUNG_S, Watchdog
from worker.choice import Pressure
from worker.commit import Plan
from worker.config import Place
from worker.encoding import Abandoned
from worker.line import Line
from worker.load import Load
from worker.pulse import Pulse
from worker.scorer import Scorer
from worker.second import Second

BACKOFF_S = (0.1, 0.2, 0.5, 1.0)
STOP_BATCH_S = 1.0  # a batch that takes longer after SIGTERM is left to be redelivered
STOP_S = 2.0
START_S = 300.0  # to make a network ready; a GPU's may have to be compiled
TURN_S = 60.0  # for a turn of the loop, all time-outs of Redis in it together


def run(settings: Settings, scorer: Scorer | None = None) -> NoReturn:
    """Run one worker until a signal, then end the process; `scorer` instead of the checkpoint that is configured.

    Raises UnmaskError where it can't start or go on.
    """
    worker = Worker(settings, scorer=scorer)

    def end(_number: int, _frame: object) -> None:
        worker.stop()
        leave_within(STOP_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    worker.run()
    leave()


class Worker:
    """Windows in, scores and alerts out. Raises CheckpointError, ConfigError, ServiceError; Redis is untouched then."""

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = time.time, scorer: Scorer | None = None
    ) -> None:
        self._settings, self._clock = settings, clock
        self._log: Log = telemetry.setup(settings.telemetry, "worker")
        self._throttle = Throttle(time.monotonic)
        self._place = Place.of(settings)
        self._scorer = scorer or Scorer(settings, clock)
        detector = settings.worker.detector
        self._second = Second(detector, self._scorer, self._log) if detector.plugin else None
        self._model = self._second.ensemble.model if self._second else self._scorer.model
        self._stop = threading.Event()
        self._stop_by = float("inf")
        self._turned, self._patience_s = time.monotonic(), TURN_S
        self._load = Load(settings.worker.batch, time.monotonic())

    def stop(self) -> None:
        """Make `run` return after the batch at hand; may be called from a signal handler or another thread."""
        self._stop_by = time.monotonic() + STOP_BATCH_S
        self._stop.set()

    def run(self) -> None:
        """Until `stop`. Waits for Redis at the start and whenever it goes away. Raises ServiceError."""
        watchdog = Watchdog(self._hung, self._log)
        watchdog.start()
        try:
            if (client := self._connect()) is not None:
                self._serve(client)
        finally:
            watchdog.stop()

    def _serve(self, client: redis.Redis) -> None:
        heartbeat = Heartbeat(client, self._place.keys, "worker", self._place.name, self._clock)
        pulse = Pulse(heartbeat, self._facts)
        pulse.start()
        try:
            pulse.turn("starting")
            self._turn(START_S)
            self._scorer.warm_up()
            if self._second is not None:
                self._second.warm_up()
            pulse.turn("ready")
            self._log.info("ready", worker=self._place.name, model=self._model, device=self._scorer.device)
            line = Line(
                self._settings, self._place, self._scorer, client, self._clock, self._abandon, self._load, self._log,
                self._second,
            )  # fmt: skip
            self._loop(line)
            pulse.turn("draining")
            self._drain(line)
        finally:
            pulse.stop()
            client.close()
            if self._second is not None:
                self._second.close()

    def _facts(self) -> Facts:
        """What the heartbeat tells besides."""
        scorer, now = self._scorer, time.monotonic()
        caveat = self._second.caveat if self._second else scorer.caveat
        return Facts(
            model=self._model, device=scorer.device, caveat=caveat, busy=self._load.busy(now),
            batch_fill=self._load.batch_fill(now), queue_age=self._load.queue_age(now), shed=self._load.shed(now),
        )  # fmt: skip

    def _connect(self) -> redis.Redis | None:
        """A connection, however long it takes; None when `stop` comes first."""
        tries = 0
        while not self._stop.is_set():
            self._turn()
            try:
                client = bus.connect(self._place.url)
            except RedisUnreachable as error:
                self._say("waiting for Redis", error)
                self._stop.wait(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
                tries += 1
                continue
            if tries:
                self._log.info("Redis is there")
            return client
        return None

    def _loop(self, line: Line) -> None:
        """Turn after turn. While Redis is away nothing is forgotten: the decisions at hand are committed after."""
        tries, opened = 0, False
        while not self._stop.is_set():
            self._turn()
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

    def _drain(self, line: Line) -> None:
        """Commit what is on its way; what can't be committed in time is another worker's."""
        try:
            while (made := line.finish()) is not None:
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
                self._log.warning(
                    f"out of capacity: {pressure.arriving:.0f} windows/s in, {pressure.served:.0f} served"
                )
        elif stale and (held := self._throttle.admit("stale")) is not None:
            self._log.warning("windows too old to score", windows=stale, batches_not_logged=held)

    def _say(self, what: str, error: Exception) -> None:
        held = self._throttle.admit(what)
        if held is not None:
            self._log.warning(what, error=bus.reason(error), repeated=held)

    def _turn(self, patience_s: float = TURN_S) -> None:
        """The loop has come round; the next turn takes `patience_s` at most."""
        self._turned, self._patience_s = time.monotonic(), patience_s

    def _hung(self) -> str:
        """Why there is no progress, "" where there is."""
        since = time.monotonic() - self._turned
        return self._scorer.calls.hung(HUNG_S) or (
            f"no turn of the loop for {since:.0f} s" if since > self._patience_s else ""
        )

    def _abandon(self) -> bool:
        return self._stop.is_set() and time.monotonic() > self._stop_by
