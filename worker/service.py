"""The worker: take windows, score them, commit. Killed at any instruction it loses and doubles nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NoReturn

import redis

from wire import bus, garbage, telemetry
from wire.ending import leave, leave_within
from wire.errors import RedisUnreachable
from wire.heartbeat import Facts, Heartbeat
from wire.settings import Settings
from wire.shards import Space, Spaces, agree
from wire.telemetry import Log, Throttle
from wire.watchdog import HUNG_S, Watchdog
from worker.config import Place
from worker.line import Line
from worker.load import Load
from worker.loop import BACKOFF_S, TURN_S, Loop
from worker.pulse import Pulse
from worker.scorer import Scorer
from worker.second import Second

STOP_BATCH_S = 1.0  # a batch that takes longer after SIGTERM is left to be redelivered
STOP_S = 2.0
START_S = 300.0  # to make a network ready; a GPU's may have to be compiled
BATCHES_OUT = 2  # in the lanes at once: a batch waits for one other at most


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
    garbage.set_apart()
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
        self._loops: Sequence[Loop] = ()

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
            with ExitStack() as clients:
                self._loops = [
                    Loop(line, self._stop, lambda: pulse.turn("draining"), self._log)
                    for line in self._lines(client, clients)
                ]
                pulse.turn("ready")
                self._log.info("ready", worker=self._place.name, model=self._model, device=self._scorer.device)
                self._run_all(self._loops)
        finally:
            pulse.stop()
            client.close()
            if self._second is not None:
                self._second.close()

    def _lines(self, client: redis.Redis, clients: ExitStack) -> Iterator[Line]:
        """A line for each shard; all of them have as many batches in the lanes as one."""
        budget = threading.Semaphore(BATCHES_OUT)
        home = Space(client, self._place.keys)
        spaces = Spaces.of(home, self._place.shards, lambda url: clients.enter_context(bus.open_client(url)))
        for space in spaces.shards:
            yield Line(
                self._settings, space, self._place.name, self._scorer, self._clock, self._abandon, budget, self._load,
                self._log, self._second,
            )  # fmt: skip

    def _run_all(self, loops: Sequence[Loop]) -> None:
        """The first here, each other in a thread; when one ends, so do all. Raises ServiceError."""
        first, *others = loops
        with ThreadPoolExecutor(max(1, len(others)), "shard") as pool:
            running = [pool.submit(loop.run) for loop in others]
            for one in running:
                one.add_done_callback(lambda _: self._stop.set())
            try:
                first.run()
            finally:
                self._stop.set()
        for one in running:
            one.result()

    def _facts(self) -> Facts:
        """What the heartbeat tells besides."""
        scorer, now = self._scorer, time.monotonic()
        caveat = self._second.caveat if self._second else scorer.caveat
        return Facts(
            model=self._model, device=scorer.device, caveat=caveat, busy=self._load.busy(now),
            batch_fill=self._load.batch_fill(now), queue_age=self._load.queue_age(now), shed=self._load.shed(now),
        )  # fmt: skip

    def _connect(self) -> redis.Redis | None:
        """A connection, however long it takes; None when `stop` comes first. Raises ServiceError, see `agree`."""
        tries = 0
        while not self._stop.is_set():
            self._turn()
            try:
                client = bus.connect(self._place.url)
                agree(client, self._place.keys, len(self._place.shards))
            except (RedisUnreachable, redis.RedisError) as error:
                self._say("waiting for Redis", error)
                self._stop.wait(BACKOFF_S[min(tries, len(BACKOFF_S) - 1)])
                tries += 1
                continue
            if tries:
                self._log.info("Redis is there")
            return client
        return None

    def _say(self, what: str, error: Exception) -> None:
        held = self._throttle.admit(what)
        if held is not None:
            self._log.warning(what, error=bus.reason(error), repeated=held)

    def _turn(self, patience_s: float = TURN_S) -> None:
        """There is progress before the first turn of a loop; the next step takes `patience_s` at most."""
        self._turned, self._patience_s = time.monotonic(), patience_s

    def _hung(self) -> str:
        """Why there is no progress, "" where there is."""
        since = time.monotonic() - self._turned
        starting = f"no start for {since:.0f} s" if not self._loops and since > self._patience_s else ""
        each = (self._scorer.calls.hung(HUNG_S), starting, *(loop.hung() for loop in self._loops))
        return next(filter(None, each), "")

    def _abandon(self) -> bool:
        return self._stop.is_set() and time.monotonic() > self._stop_by
