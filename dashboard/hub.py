"""The one reader of the streams, what it knows, and the fan-out to subscribers.

Alert events are read from the home's stream, into which those of several shards are brought (`dashboard.gather`);
scores and states from each shard's own (`dashboard.tail`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from dashboard import cursors, streams, survey
from dashboard.access.principal import Principal
from dashboard.config import DashboardConfig
from dashboard.cursors import START, Cursor
from dashboard.gather import Gatherer
from dashboard.history import AlertBook, Entry, RecentEvents
from dashboard.load import look_at_all
from dashboard.look import SharedLook
from dashboard.metrics import Metrics
from dashboard.protocol import BusStatus, CameraView, Services
from dashboard.readers import SILENT_S, Readers
from dashboard.spaces import PATIENCE_S, in_time, spaces_of
from dashboard.state import CameraBook
from dashboard.streams import BUS_ERRORS, Page, Row
from dashboard.subscribers import Subscribers
from dashboard.system import STAGES, System, stages
from dashboard.tail import BLOCK_MS, READ_COUNT, Tail
from dashboard.tasks import until_first
from wire.bus import REACH_ERRORS, reason
from wire.errors import DecodeError
from wire.keys import ALL_CAMERAS
from wire.messages import CameraState, Score, ServiceState
from wire.shards import same, shard_of
from wire.telemetry import Log, Throttle

if TYPE_CHECKING:
    from dashboard.traces import Traces

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
SURVEY_S = 2.0  # between two looks at camera names and heartbeats
ALERTS, SURVEY = "alerts", "survey"  # of what `_readers` calls them


class Hub:
    """Reads alerts, scores and cameras; keeps the picture; tells subscribers."""

    def __init__(
        self,
        config: DashboardConfig,
        bus: redis.asyncio.Redis,
        log: Log,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        traces: Traces | None = None,
    ) -> None:
        self.traces = traces
        self._config, self._bus, self._log, self._metrics, self._clock = config, bus, log, metrics, clock
        self._throttle = Throttle(time.monotonic)
        self.alerts = AlertBook()
        self.recent = RecentEvents()
        self.synced = asyncio.Event()
        self.bus: BusStatus = "loading"
        self.services = Services()
        self.system = System()
        self.generation = 0  # counts how often Redis lost its data under us
        self.subscribers = Subscribers()
        self.asked = SharedLook(self.survey)
        self.spaces = spaces_of(config, bus)
        self.cameras = CameraBook(config.stale_after_s, len(self.spaces.shards))
        self.tails = [Tail(space, self) for space in self.spaces.shards]
        self._tails = {f"shard {n}": n for n in range(len(self.tails))}
        self._readers = Readers(time.monotonic())
        self._shown: dict[str, tuple[str, str, float | None]] = {}
        self._forgotten: Any = None  # how often something was forgotten, at the last survey
        self._again = False  # the alerts are to be read again, since some were taken away
        self.silent: frozenset[str] = frozenset()  # prefixes of the key spaces that did not answer the last survey
        self.refused: dict[str, str] = {}  # by prefix: why that key space's Redis takes no writes, if it does not

    @property
    def metrics(self) -> Metrics:
        """What this dashboard counts."""
        return self._metrics

    async def run(self) -> None:
        """Read for ever; a lost Redis is tried again with a backoff, and reading goes on where it stopped."""
        readers = [self._for_ever(ALERTS, self._catch_up, self._follow)]
        for name, n in self._tails.items():
            readers.append(self._for_ever(name, self.tails[n].catch_up, self.tails[n].follow))
        for n, shard in enumerate(self.spaces.others):
            one = Gatherer(self.spaces.home, shard, n, self._config.keep_s)
            readers.append(self._for_ever(f"alerts of shard {n}", one.catch_up, one.follow))
        await until_first(*readers)

    def _for_ever(
        self, name: str, catch_up: Callable[[], Awaitable[None]], follow: Callable[[], Awaitable[None]]
    ) -> Coroutine[Any, Any, None]:
        """One reader, known by its name."""
        self._readers.begin(name)

        async def run() -> None:
            failures = 0
            while True:
                try:
                    await catch_up()
                    failures = 0
                    while True:
                        self._readers.answered(name, time.monotonic())
                        self._turn(name, "ok")
                        await follow()
                        self.subscribers.deliver()
                except BUS_ERRORS as error:
                    wait = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                    self._lose(name, reason(error), retry_s=wait)
                    await asyncio.sleep(wait)
                    failures += 1

        return run()

    async def tick(self) -> None:
        """Judge readers and cameras again and again, so that silence is noticed without a message."""
        while True:
            for name in self._readers.silent(time.monotonic()):
                self._lose(name, f"no answer for {SILENT_S:g} s")
            now = self._clock()
            self.cameras.forget(now)
            for name in self.cameras.names():
                self._show(name, now)
            self.subscribers.deliver()
            await asyncio.sleep(self._config.tick_s)

    async def look(self) -> None:
        """Survey again and again; beside `tick`, which is not to wait for a Redis that does not answer. And forget, as
        Redis does, the alerts that are no longer to be kept."""
        while True:
            await self.survey()
            kept = self._clock() - self._config.keep_s
            self.alerts.forget(kept)
            self.recent.forget(kept)
            await asyncio.sleep(SURVEY_S)

    async def survey(self) -> bool:
        """Look at the configured cameras and the services' heartbeats; False when Redis does not answer, or not all of
        it. What lies in a part that does not stays as it was known."""
        spaces, known, began = self.spaces, set(self.cameras.names()), time.monotonic()
        seen, home, load = await asyncio.gather(
            survey.see_all(spaces, known),
            in_time(partial(survey.see_home, spaces.home)),
            in_time(partial(look_at_all, spaces, self._clock())),
        )
        whole = self._take_failures([one for one in (*seen, home, load) if isinstance(one, Exception)], began)
        silent = {one.keys.prefix for one, told in zip(spaces.shards, seen, strict=True) if isinstance(told, Exception)}
        self.silent = frozenset({*silent, spaces.home.keys.prefix} if isinstance(home, Exception) else silent)
        if not isinstance(home, Exception):
            self._take_home(*home)
        if not isinstance(load, Exception):
            self.system.look(load)
        self._take_snoozes([one if isinstance(one, Exception) else one.snoozes for one in seen])
        if self.synced.is_set():
            came = set(self.cameras.names()) - known  # while we looked: the next look is the first to know of them
            names, left = came, set[str]()
            for one, (_, own) in zip(seen, spaces.divided(known), strict=True):
                names |= own if isinstance(one, Exception) else one.names
                left |= set() if isinstance(one, Exception) else one.left
            self._configure(names, left)
        return whole

    def _take_failures(self, errors: Sequence[Exception], began: float) -> bool:
        """What it says of Redis that not all could be looked at; whether all could."""
        if any(isinstance(one, TimeoutError) for one in errors):
            for name in self._readers.stuck(began):  # of whoever follows, `tick` knows: with answers, Redis is slow
                self._lose(name, f"no answer for {PATIENCE_S:g} s")
        others = [one for one in errors if not isinstance(one, TimeoutError)]
        if away := [one for one in others if isinstance(one, (*REACH_ERRORS, OSError))]:
            self._lose(SURVEY, reason(away[0]))
        elif others and self._throttle.admit(SURVEY) is not None:
            self._log.warning("redis refuses to tell of cameras and services", reason=reason(others[0]))
        if not errors:
            self._turn(SURVEY, "ok")
        return not errors

    def _take_home(self, services: tuple[ServiceState, ...], forgotten: Any) -> None:
        self.system.services = services
        if self.synced.is_set():
            self._again = self._again or forgotten != self._forgotten
        self._forgotten = forgotten
        ready = survey.count_ready(services)
        if ready != self.services:
            self.services = ready
            self.subscribers.wake()

    async def read_snoozes(self, camera: str) -> None:
        """Learn whether a camera, or ALL_CAMERAS, is snoozed, and tell subscribers. Raises redis errors."""
        if camera == ALL_CAMERAS:
            self._take_snoozes(await survey.all_snoozes(self.spaces, self.cameras.names()))
        else:
            space = self.spaces.camera(camera)
            found = await survey.snoozes(space.bus, space.keys, {camera})
            others = {name: until for name, until in self.cameras.snoozes.items() if name != camera}
            self._show_snoozes(others | found)

    def _take_snoozes(self, found: Sequence[Mapping[str, float] | Exception]) -> None:
        """What each shard says; of one that does not answer, what is known stays."""
        told = [one for one in found if not isinstance(one, Exception)]
        if not told:
            return
        kept = {
            name: until
            for name, until in self.cameras.snoozes.items()
            if name != ALL_CAMERAS and isinstance(found[shard_of(name, len(found))], Exception)
        }
        self._show_snoozes({name: until for one in (kept, *told) for name, until in one.items()})

    def _show_snoozes(self, found: dict[str, float]) -> None:
        if found != self.cameras.snoozes:
            self.cameras.snoozes = found
            for name in self.cameras.names():
                self._show(name, self._clock())
            self.subscribers.deliver()

    async def events_after(self, cursor: Cursor, limit: int) -> Page:
        """The alert events that follow `cursor`, from memory where they are. Raises redis errors."""
        if self.recent.covers(cursor):
            entries = self.recent.after(cursor, limit)
            return Page(entries, entries[-1].cursor if len(entries) == limit else self.recent.newest)
        return await streams.read_page(self._bus, self._config.keys.alerts, cursor, limit)

    def snapshot(self, who: Principal) -> tuple[CameraView, ...]:
        """All cameras that exist for somebody, judged now."""
        now = self._clock()
        return tuple(self.cameras.view(name, now) for name in self.cameras.names() if who.may_see(name))

    def newest(self, who: Principal) -> Cursor:
        """The place after the newest alert event: for whoever may not see all cameras, after the newest it may see."""
        if not who.scoped:
            return self.recent.newest
        return self.recent.last(lambda entry: who.may_see(entry.event.alert.camera))

    async def _catch_up(self) -> None:
        """Read the alert events that were missed, or at the start all that are kept. Raises ServiceError where this
        Redis has another number of shards."""
        same(await self._bus.get(self._config.keys.shards), len(self.spaces.shards))
        while await self._read_alerts():
            self.subscribers.deliver()
            await asyncio.sleep(0)

    async def _read_alerts(self) -> bool:
        page = await streams.read_page(self._bus, self._config.keys.alerts, self.recent.newest)
        self._readers.answered(ALERTS, time.monotonic())
        if page.gap and self.recent.newest > START:
            self._log.warning("alert events lost", reason=page.gap, after=cursors.show(self.recent.newest))
            self.recent.clear()
            self.alerts.clear()
            self.generation += 1
            self.subscribers.wake()
            return True
        self._take_alerts(page.entries, page.reached, page.undecodable)
        return bool(page.entries) or page.undecodable > 0

    async def _follow(self) -> None:
        """Wait for alert events, a while at most. Some were taken away where all are to be read again."""
        if self._again:
            self._again = False
            self.recent.clear()  # subscriptions keep their places: nothing comes twice
            self.alerts.clear()
            await self._catch_up()
        stream = self._config.keys.alerts
        answer: Any = await self._bus.xread(
            {stream: cursors.show(self.recent.newest)}, count=READ_COUNT, block=BLOCK_MS
        )
        for _, rows in answer or []:
            self._take_alerts(*streams.decode_events(rows, self.recent.newest))

    def take_states(self, names: Collection[str], states: Sequence[bytes | None]) -> None:
        """See Listener. Whatever else is known stays: the survey knows all shards' cameras."""
        for data in states:
            try:
                if data is not None:
                    self.cameras.hear(CameraState.decode(data), self._clock())
            except DecodeError:
                self._undecodable("cameras")
        known = set(self.cameras.names())
        self._configure(known | set(names), set())

    def _take_alerts(self, entries: list[Entry], reached: Cursor, undecodable: int) -> None:
        for _ in range(undecodable):
            self._undecodable("alerts")
        for entry in entries:
            self.alerts.take(entry.event)
            self.recent.add(entry)
            if self.traces and self._clock() - entry.event.at < self._config.stale_after_s:
                self.traces.alert(entry.event, entry.cursor[0] / 1000, self._clock())
        self.recent.skip(reached)
        if entries:
            self.subscribers.expect()

    def take_scores(self, rows: Sequence[Row]) -> None:
        """See Listener."""
        now = self._clock()
        touched: set[str] = set()
        for place, fields in rows:
            score = streams.decode(Score, fields)
            if score is None:
                self._undecodable("scores")
                continue
            self.cameras.score(score)
            touched.add(score.camera)
            if now - score.scored < self._config.stale_after_s:  # not the past read at the start
                self._metrics.latency.observe(max(0.0, score.scored - score.captured))
                self._time(score, now)
                if self.traces:
                    self.traces.score(score, cursors.parse(place)[0] / 1000, now)
            self.subscribers.offer_score(score)
        for name in touched:
            self._show(name, now)

    def _time(self, score: Score, now: float) -> None:
        times = stages(score, now)
        self.system.latencies.add(now, times)
        for name, seconds in zip(STAGES, times, strict=True):
            self._metrics.stages.labels(name).observe(seconds)

    def take_cameras(self, rows: Sequence[Row]) -> None:
        """See Listener."""
        now = self._clock()
        heard: set[str] = set()
        for _, fields in rows:
            state = streams.decode(CameraState, fields)
            if state is None:
                self._undecodable("cameras")
            elif self.cameras.hear(state, now):
                heard.add(state.name)
        for name in heard:
            self._show(name, now, always=True)

    def _configure(self, names: set[str], left: set[str]) -> None:
        """Take the configured cameras; `left`: others whose state is still kept."""
        known = set(self.cameras.names())
        for name in self.cameras.configure(names, self._clock(), left):
            self._shown.pop(name, None)
            gone = CameraView(name=name, verdict="offline", why="never-reported", state="unknown")
            self.subscribers.offer_camera(gone, removed=True)
        for name in names - known:
            self._show(name, self._clock())

    def _show(self, name: str, now: float, always: bool = False) -> None:
        """Tell subscribers of a camera when its verdict changed, or `always`."""
        if name not in self.cameras:
            return
        view = self.cameras.view(name, now)
        shown = (view.verdict, view.why, view.snoozed_until)
        if always or self._shown.get(name) != shown:
            self._shown[name] = shown
            self.subscribers.offer_camera(view)

    def _lose(self, name: str, why: str, **more: object) -> None:
        """A reader has no Redis."""
        self._turn(name, "lost")
        if self._throttle.admit("redis") is not None:
            self._log.warning("redis lost", reason=why, **more)

    def _turn(self, name: str, state: BusStatus) -> None:
        """Take a reader's state, and tell where the whole has another with it."""
        was = self._readers.turn(name, state)
        if name in self._tails and was != state and "lost" in (was, state):
            until = float("inf") if state == "lost" else self._clock() + self._config.stale_after_s
            self.cameras.unread_until[self._tails[name]] = until
        status = self._readers.status
        if status == "ok" and name != SURVEY:  # which reads no stream
            self.synced.set()
        if status == self.bus:
            return
        self._log.info("bus", was=self.bus, now=status)
        self.bus = status
        self.subscribers.wake()

    def _undecodable(self, stream: str) -> None:
        self._metrics.undecodable.labels(stream).inc()
        held = self._throttle.admit(f"undecodable {stream}")
        if held is not None:
            self._log.warning("skipped what is no message of ours", stream=stream, held_back=held)
