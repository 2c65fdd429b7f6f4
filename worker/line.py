"""The line between Redis and Redis: read, encode, decide, commit. While one batch is encoded, the one before it is
committed and the one after it is read; two are out at most, those of other lines in the same lanes included, so that a
batch never waits for more than one other. The batch of a crowd is passed by what comes meanwhile of other cameras.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Semaphore

import redis

from wire.messages import AlertEvent
from wire.settings import Settings
from wire.shards import Space
from wire.telemetry import Log
from worker.choice import Pressure
from worker.commit import Ledger, Plan, Work
from worker.encoding import ASK_S, Encoding
from worker.enrolled import Enrolled
from worker.expiry import PERIOD_S, Expiry
from worker.explain import Explainer
from worker.features import Feature, FrameId, RedisCache, unique_ids
from worker.intake import Batch, Intake
from worker.level import Rules
from worker.load import Load
from worker.patrol import Patrol
from worker.queue import Item, WindowQueue
from worker.scorer import Scorer
from worker.second import Asking, Second, standby
from worker.trial import Decided, Infer, Trial

LOOK_S = 0.005  # between two looks for what may pass a crowd by


@dataclass
class Flight:
    """A batch on its way: what was decided without a score, and what is being encoded for the others."""

    batch: Batch
    worth: list[Item]
    works: list[Work]
    known: dict[FrameId, Feature]
    encoding: Encoding | None  # None: ours is not asked
    asking: Asking | None  # a detector of the operator's own
    began: float
    decided: Decided | None = None


class Line:
    """The parts, wired together. Whatever raises redis.RedisError goes on at the same place when called again."""

    def __init__(
        self,
        settings: Settings,
        space: Space[redis.Redis],
        name: str,
        scorer: Scorer,
        clock: Callable[[], float],
        abandon: Callable[[], bool],
        budget: Semaphore,
        load: Load,
        log: Log,
        second: Second | None = None,
    ) -> None:
        self._scorer, self._abandon, self._load, self._log, self._second = scorer, abandon, load, log, second
        worker, client, keys = settings.worker, space.bus, space.keys
        self._budget = budget
        judge = second.ensemble if second else scorer
        rules = Rules.of(settings.alerts, judge.suspect, judge.fake)
        self._ours = not (second and second.ensemble.instead)
        self._enrolled = Enrolled(client, keys, judge.model, scorer.shift_limit, log)
        self._cache = RedisCache(client, keys, scorer.model, scorer.config.feature_dim, worker.feature_ttl_s)
        self._ledger = Ledger(client, keys, settings, rules, self._cache, clock, name)
        self._intake = Intake(
            WindowQueue(client, keys, name), self._ledger, worker, clock, rules.hold_s, scorer.window_s
        )
        infer: Infer = scorer.infer if self._ours else standby
        self._trial = Trial(infer, scorer.judge, worker.max_age_s, worker.max_deliveries, clock, self._enrolled.shift)
        self._expiry = Expiry(client, keys, settings, rules, clock)
        self._patrol = Patrol(client, keys, settings, clock)
        self._explainer = Explainer(client, keys, settings.alerts, scorer, self._enrolled.shift, clock, log)
        self._read: Batch | None = None  # read, and not on its way yet
        self._found: dict[FrameId, Feature] | None = None  # what Redis has of it
        self._flight: Flight | None = None
        self._next: Flight | None = None
        self._ticked = time.monotonic()
        self._clock, self._ticked_at = clock, clock()
        self.looked = self._ticked  # what may pass a crowd by, monotonic: to wait for a crowd is no standstill
        self._deaf_s = max(2 * PERIOD_S, rules.end_after_s / 2)

    def open(self, returned: bool) -> None:
        """At the start, and after Redis was away."""
        left = self._intake.open()
        self._listen_anew()
        if returned:
            self._log.info("Redis is back")
        if left:
            self._log.info("taking up windows left behind", windows=left)

    def tick(self) -> list[AlertEvent]:
        """Every PERIOD_S what is due by the clock alone; the alert events it made."""
        now, at = time.monotonic(), self._clock()
        if now - self._ticked < PERIOD_S:
            return []
        if max(now - self._ticked, at - self._ticked_at) > self._deaf_s:
            self._listen_anew()  # Redis, we or the machine stood still; what was said meanwhile is yet to be read
        self._ticked, self._ticked_at = now, at
        events = [*self._expiry.tick(), *self._patrol.tick()]
        self._remember(events)
        return events

    def _listen_anew(self) -> None:
        """Count silence from now on."""
        self._expiry.restart()
        self._patrol.restart()

    @property
    def pressure(self) -> Pressure | None:
        """See Intake."""
        return self._intake.pressure

    def explain(self, idle: bool) -> None:
        """Do a piece of an explanation if there is time, or if one has waited long enough."""
        began = time.monotonic()
        idle = idle and self._read is None
        if (idle or self._explainer.overdue) and self._explainer.step():
            self._load.add(began, time.monotonic(), 0)

    def turn(self) -> Plan | None:
        """Send the next batch on its way and commit the one before. None if there were none. Raises Abandoned."""
        if self._flight is None:
            self._flight = self._begin(self._intake.next, ASK_S)
        if self._flight is not None and self._next is None:
            if self._flight.batch.behind and self._flight.encoding is not None:
                self._let_pass(self._flight, self._flight.encoding)
            else:
                self._next = self._begin(lambda: self._intake.next(block=False))
        return self.finish()

    def _let_pass(self, crowd: Flight, encoding: Encoding) -> None:
        """While the batch of a crowd is encoded, look for windows that need not wait for it, and put them first."""
        while not encoding.encoded(LOOK_S):
            self.looked = time.monotonic()
            if self._abandon():
                return
            if passing := self._begin(self._intake.pass_by):
                self._flight, self._next = passing, crowd
                return
        self._next = self._begin(lambda: self._intake.next(block=False, idle=True))

    def finish(self) -> Plan | None:
        """Commit the batch that is furthest, and take no new one. None if there is none. Raises Abandoned."""
        flight = self._flight
        if flight is None:
            return None
        flight.decided = decided = flight.decided or self._decide(flight)
        made = self._ledger.settle(decided.works, decided.fresh) if decided.works else None
        self._intake.done([*flight.batch.items, *flight.batch.shed], decided.again)
        self._flight, self._next = self._next, None
        self._load.add(flight.began, time.monotonic(), len(flight.worth))
        if made is not None:
            self._remember(made.events)
        return made

    def _remember(self, events: list[AlertEvent]) -> None:
        """Explain these alerts later, where our network has made them."""
        if self._ours:
            self._explainer.take(events)

    def _begin(self, read: Callable[[], Batch | None], patience_s: float = 0.0) -> Flight | None:
        """Read a batch, and hand its new frames to the lanes, once they have room for it.

        Redis is asked for all before: the room is every line's, and a node that does not answer must not keep it.
        """
        batch = self._read = self._read or read()
        if batch is None:
            return None
        found = self._found = self._found if self._found is not None else self._look_up(batch)
        if not self._budget.acquire(timeout=patience_s):
            return None
        encoding: Encoding | None = None
        try:
            flight = self._take_off(batch, found)
            encoding = flight.encoding
            return flight
        finally:
            if encoding is None:
                self._budget.release()
            else:
                encoding.then(self._budget.release)

    def _look_up(self, batch: Batch) -> dict[FrameId, Feature]:
        """What Redis knows of a batch's cameras and frames, where this process does not. Raises redis.RedisError."""
        worth, _ = self._trial.overdue(batch.items)
        self._enrolled.read(item.window.camera for item in worth)
        if not self._ours:
            return {}
        names = unique_ids(item.window for item in worth)
        known = self._scorer.recall(names)
        return self._cache.fetch([name for name in names if name not in known])

    def _take_off(self, batch: Batch, found: dict[FrameId, Feature]) -> Flight:
        began = time.monotonic()
        worth, works = self._trial.overdue(batch.items)
        works += [Work(item.entry, item.window, outcome="stale") for item in batch.shed]
        windows = [item.window for item in worth]
        known = {**found, **self._scorer.recall(unique_ids(windows))} if self._ours else {}
        self._read = self._found = None
        self._load.read(time.monotonic(), [one.entry.dequeued - one.window.captured for one in worth], len(batch.shed))
        asking = self._second.ask(windows) if self._second and windows else None
        encoding = self._scorer.start(windows, known, batch.behind) if self._ours else None
        return Flight(batch, worth, works, known, encoding, asking, began)

    def _decide(self, flight: Flight) -> Decided:
        if not flight.worth:
            return Decided(flight.works, {}, [])
        decided = self._trial.run(flight.worth, flight.known, self._abandon, flight.encoding)
        if self._second is not None and flight.asking is not None:
            windows = [item.window for item in flight.worth]
            decided = self._second.judge(decided, windows, flight.asking, self._abandon)
        return Decided([*flight.works, *decided.works], decided.fresh, decided.again)
