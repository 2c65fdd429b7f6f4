"""The one reader of the streams, what it knows, and the fan-out to subscribers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from dashboard import cursors, streams, survey
from dashboard.access.principal import Principal
from dashboard.config import DashboardConfig
from dashboard.cursors import START, Cursor
from dashboard.history import AlertBook, Entry, RecentEvents
from dashboard.load import look
from dashboard.metrics import Metrics
from dashboard.protocol import BusStatus, CameraView, Services
from dashboard.state import TIMELINE_S, CameraBook
from dashboard.streams import BUS_ERRORS, Page, Row
from dashboard.subscribers import Subscribers
from dashboard.system import STAGES, System, stages
from wire.bus import reason
from wire.errors import DecodeError
from wire.messages import CameraState, Score
from wire.telemetry import Log, Throttle

if TYPE_CHECKING:
    from dashboard.traces import Traces

BLOCK_MS = 2000
READ_COUNT = 1000
BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
SURVEY_S = 2.0  # between two looks at camera names and heartbeats


class Hub:
    """Tails `alerts`, `scores` and `cameras`; keeps the picture; tells subscribers."""

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
        self.cameras = CameraBook(config.stale_after_s)
        self.alerts = AlertBook()
        self.recent = RecentEvents()
        self.synced = asyncio.Event()
        self.bus: BusStatus = "loading"
        self.services = Services()
        self.system = System()
        self.generation = 0  # counts how often Redis lost its data under us
        self.subscribers = Subscribers()
        self._scores_at: Cursor | None = None
        self._cameras_at: Cursor | None = None
        self._shown: dict[str, tuple[str, str, float | None]] = {}
        self._forgotten: Any = None  # how often something was forgotten, at the last survey
        self._again = False  # the alerts are to be read again, since some were taken away

    @property
    def metrics(self) -> Metrics:
        """What this dashboard counts."""
        return self._metrics

    async def run(self) -> None:
        """Read for ever; a lost Redis is tried again with a backoff, and reading goes on where it stopped."""
        failures = 0
        while True:
            try:
                await self._catch_up()
                failures = 0
                while not self._again:
                    await self._read()
                self._again = False
                self.recent.clear()  # subscriptions keep their places: nothing comes twice
                self.alerts.clear()
            except BUS_ERRORS as error:
                self._set_bus("lost")
                wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
                if self._throttle.admit("redis") is not None:
                    self._log.warning("redis lost", reason=reason(error), retry_s=wait_s)
                await asyncio.sleep(wait_s)
                failures += 1

    async def tick(self) -> None:
        """Judge the cameras again and again, so that silence is noticed without a message."""
        surveyed = float("-inf")
        while True:
            if time.monotonic() - surveyed >= SURVEY_S:
                await self.survey()
                surveyed = time.monotonic()
            now = self._clock()
            self.cameras.forget(now)
            for name in self.cameras.names():
                self._show(name, now)
            self.subscribers.deliver()
            await asyncio.sleep(self._config.tick_s)

    async def survey(self) -> bool:
        """Look at the configured cameras and the services' heartbeats; False when Redis does not answer."""
        try:
            async with asyncio.timeout(3):
                names = await survey.camera_names(self._bus, self._config.keys)
                left = await survey.kept_states(self._bus, self._config.keys, set(self.cameras.names()) - names)
                self.system.services = await survey.service_states(self._bus, self._config.keys)
                forgotten = await self._bus.get(self._config.keys.forgotten)
                await self.read_snoozes(names)
                self.system.look(await look(self._bus, self._config.keys, self._clock()))
        except (*BUS_ERRORS, TimeoutError):
            return False
        if self.synced.is_set():
            self._again = self._again or forgotten != self._forgotten
            self._configure(names, left)
        self._forgotten = forgotten
        services = survey.count_ready(self.system.services)
        if services != self.services:
            self.services = services
            self.subscribers.wake()
        return True

    async def read_snoozes(self, names: set[str]) -> None:
        """Learn which of the cameras are snoozed, and tell subscribers. Raises redis errors."""
        found = await survey.snoozes(self._bus, self._config.keys, names)
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
        """Read what was missed, or at the start everything that is kept; afterwards the picture is whole."""
        while await self._read_alerts():
            self.subscribers.deliver()
            await asyncio.sleep(0)
        keys = self._config.keys
        if self._scores_at is None:
            seconds, _ = await self._bus.time()
            self._scores_at = cursors.at_time(seconds - TIMELINE_S)
        else:  # another Redis, or one that forgot, may count from an earlier time
            self._scores_at = min(self._scores_at, await streams.last_id(self._bus, keys.scores))
        await self._read_cameras()
        self.synced.set()
        self._set_bus("ok")

    async def _read_alerts(self) -> bool:
        page = await streams.read_page(self._bus, self._config.keys.alerts, self.recent.newest)
        if page.gap and self.recent.newest > START:
            self._log.warning("alert events lost", reason=page.gap, after=cursors.show(self.recent.newest))
            self.recent.clear()
            self.alerts.clear()
            self._scores_at = self._cameras_at = None
            self.generation += 1
            self.subscribers.wake()
            return True
        self._take_alerts(page.entries, page.reached, page.undecodable)
        return bool(page.entries) or page.undecodable > 0

    async def _read_cameras(self) -> None:
        """Every camera's newest state; the stream is read on from a point before that, so nothing falls between."""
        keys = self._config.keys
        position = await streams.last_id(self._bus, keys.cameras)
        names = await survey.camera_names(self._bus, keys)
        states: list[Any] = await self._bus.mget([keys.camera(name) for name in names]) if names else []
        for data in states:
            try:
                if data is not None:
                    self.cameras.hear(CameraState.decode(data), self._clock())
            except DecodeError:
                self._undecodable("cameras")
        self._configure(names, set(self.cameras.names()) - names)
        self._cameras_at = position

    async def _read(self) -> None:
        keys = self._config.keys
        assert self._scores_at is not None
        assert self._cameras_at is not None
        places = {keys.alerts: self.recent.newest, keys.scores: self._scores_at, keys.cameras: self._cameras_at}
        answer: Any = await self._bus.xread(
            {key: cursors.show(cursor) for key, cursor in places.items()}, count=READ_COUNT, block=BLOCK_MS
        )
        found: dict[bytes, Sequence[Row]] = dict(answer or [])
        if rows := found.get(keys.alerts.encode()):
            self._take_alerts(*streams.decode_events(rows, self.recent.newest))
        if rows := found.get(keys.scores.encode()):
            self._scores_at = self._take_scores(rows)
        if rows := found.get(keys.cameras.encode()):
            self._cameras_at = self._take_cameras(rows)
        self.subscribers.deliver()

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

    def _take_scores(self, rows: Sequence[Row]) -> Cursor:
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
        return cursors.parse(rows[-1][0])

    def _time(self, score: Score, now: float) -> None:
        times = stages(score, now)
        self.system.latencies.add(now, times)
        for name, seconds in zip(STAGES, times, strict=True):
            self._metrics.stages.labels(name).observe(seconds)

    def _take_cameras(self, rows: Sequence[Row]) -> Cursor:
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
        return cursors.parse(rows[-1][0])

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

    def _set_bus(self, status: BusStatus) -> None:
        if status != self.bus:
            self._log.info("bus", was=self.bus, now=status)
            self.bus = status
            self.subscribers.wake()

    def _undecodable(self, stream: str) -> None:
        self._metrics.undecodable.labels(stream).inc()
        held = self._throttle.admit(f"undecodable {stream}")
        if held is not None:
            self._log.warning("skipped what is no message of ours", stream=stream, held_back=held)
