"""What goes to one WebSocket client, and when: never more is held than the newest.

Alert events are pulled: each subscription keeps its place in the stream and reads on from there, from the hub's memory
or, further back, from Redis. So replay and live events are one sequence, in order, each event once, and a slow client
costs no memory. Scores and camera states are latest-wins.

To a client that keeps up, the hub's own call writes everything at once, with no task switch: with a thousand of them
that is what an event costs. The sender task is for what takes time: waiting for room, reading back in Redis.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import msgspec

from dashboard import cursors, protocol
from dashboard.access.principal import NOBODY
from dashboard.config import DashboardConfig
from dashboard.cursors import START
from dashboard.history import Entry
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.streams import BUS_ERRORS
from dashboard.subscription import Subscription
from dashboard.transport import BoundedProtocol, event_frame, text_frame
from wire.messages import Score

PAGE = 200
MAX_TRACKS = 1024  # scores held for a slow client; the oldest goes first
MAX_REPLIES = 64
MAX_SNAPSHOT_ALERTS = 500  # the newest; REST has the rest


class Closed(Exception):
    """The connection is to be closed with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Sender:
    """Writes to one connection what its subscriptions ask for; the hub's Subscriber."""

    def __init__(self, connection: BoundedProtocol, hub: Hub, config: DashboardConfig, metrics: Metrics) -> None:
        self._connection, self._hub, self._config = connection, hub, config
        self._sent = {kind: metrics.sent.labels(kind) for kind in ("alert", "score", "camera")}
        self.subscriptions: dict[str, Subscription] = {}
        self.welcomed = asyncio.Event()
        self._replies: deque[str] = deque()
        self._scores: dict[tuple[str, str], str] = {}
        self._cameras: dict[str, str] = {}
        self._awake = asyncio.Event()
        self._idle = False  # the task sleeps, so another may write in its place
        self._told: tuple[object, ...] = ()
        self._generation = hub.generation
        self._place = 0  # up to which the welcome's picture holds
        self.principal = NOBODY  # until it has said who it is

    async def run(self) -> None:
        """Send for ever. Raises Closed when the client takes too little."""
        beat_at = time.monotonic() + self._config.heartbeat_s
        while True:
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self._config.heartbeat_s
                self._beat()
            if self._flush() or not await self._catch_up():
                await self._sleep(beat_at)

    def wake(self) -> None:
        """Write what there is, or let the sender look where that takes time."""
        if not (self._idle and self._flush()):
            self._awake.set()

    def offer_score(self, score: Score, text: str) -> None:
        """Hold the newest score of a track until the hub wakes this sender."""
        if any(sub.takes("scores", score.camera) for sub in self.subscriptions.values()):
            if len(self._scores) >= MAX_TRACKS:
                del self._scores[next(iter(self._scores))]
            self._scores[score.camera, score.track] = text

    def offer_camera(self, name: str, text: str) -> None:
        """Hold the newest view of a camera until the hub wakes this sender."""
        if any(sub.takes("cameras", name) for sub in self.subscriptions.values()):
            self._cameras[name] = text

    def begin(self, sub: Subscription) -> None:
        """Serve a subscription; what befell its cameras since the welcome, when nothing here asked, comes first."""
        self.subscriptions[sub.ask.id] = sub
        for name, text in self._hub.subscribers.views_after(self._place):
            if sub.takes("cameras", name):
                self._cameras[name] = text

    def reply(self, message: protocol.FromServer) -> None:
        """Answer in its turn. Raises Closed when too many answers wait."""
        if len(self._replies) >= MAX_REPLIES:
            raise Closed(protocol.CLOSE_TOO_SLOW, "asks without listening")
        self._replies.append(protocol.encode(message))
        self.wake()

    def write(self, message: protocol.FromServer) -> None:
        """Write a message that goes to this client alone, at once."""
        self._connection.write_frame(text_frame(protocol.encode(message)))

    # What begins with _flush or _write returns at once.

    async def _sleep(self, until: float) -> None:
        self._idle = True
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._awake.wait()
        except TimeoutError:
            pass
        finally:
            self._idle = False
            self._awake.clear()

    def _flush(self) -> bool:
        """Write replies, alert events from memory and the newest of everything else, while the client takes them.

        False when there is more, and it takes time.
        """
        connection, hub = self._connection, self._hub
        if not connection.has_room:
            return False
        if not self.welcomed.is_set() and hub.synced.is_set():
            self._welcome()
        if self._told != self._condition():
            self._beat()
        while self._replies and connection.has_room:
            connection.write_frame(text_frame(self._replies.popleft()))
        level = self._flush_alerts()
        # One at a time, so that what waits is replaced by what is newer.
        while self._scores and connection.has_room:
            key = next(iter(self._scores))
            self._write_event("score", "scores", key[0], self._scores.pop(key))
        while self._cameras and connection.has_room:
            name = next(iter(self._cameras))
            self._write_event("camera", "cameras", name, self._cameras.pop(name))
        return level and connection.has_room

    def _flush_alerts(self) -> bool:
        """Bring each subscription forward by a page; whether all are level with the hub."""
        if self._generation != self._hub.generation:
            self._generation = self._hub.generation
            for sub in self.subscriptions.values():
                self._write_gap(sub, "reset")
                sub.restart()
        level = True
        for sub in self.subscriptions.values():
            level &= self._flush_subscription(sub)
        return level

    def _flush_subscription(self, sub: Subscription) -> bool:
        recent = self._hub.recent
        if "alerts" not in sub.ask.topics:
            sub.cursor = recent.newest
        if sub.cursor == recent.newest:
            return True
        if not recent.covers(sub.cursor):
            return False
        entries = recent.after(sub.cursor, PAGE)
        for entry in entries:
            if not self._connection.has_room:
                return False
            self._write_alert(sub, entry)
        if len(entries) == PAGE:
            return False
        sub.cursor = recent.newest
        return True

    async def _catch_up(self) -> bool:
        """Wait for room and read a page back in Redis for each subscription that needs it; whether it was possible."""
        await asyncio.sleep(0)  # others have pages to write, too
        await self._room()
        possible = True
        for sub in list(self.subscriptions.values()):
            if self._hub.recent.covers(sub.cursor):
                continue
            newest = self._hub.recent.newest
            try:
                page = await self._hub.events_after(sub.cursor, PAGE)
            except BUS_ERRORS:
                possible = False  # the hub wakes us when Redis is back
                continue
            if page.gap == "reset" and page.reached == START < newest and not sub.knows_of(time.time()):
                sub.cursor = newest
                continue
            if page.gap:
                self._write_gap(sub, page.gap)
            if page.gap == "reset":
                sub.restart()
            for entry in page.entries:
                await self._room()
                self._write_alert(sub, entry)
            sub.cursor = page.reached
        return possible

    async def _room(self) -> None:
        """Wait until the client takes more. Raises Closed when that takes too long."""
        if self._connection.has_room:
            return
        try:
            async with asyncio.timeout(self._config.slow_after_s):
                await self._connection.room()
        except TimeoutError:
            raise Closed(protocol.CLOSE_TOO_SLOW, "takes messages too slowly; resume with the cursor") from None

    def _write_alert(self, sub: Subscription, entry: Entry) -> None:
        """Write an event if it is wanted, and move on past it."""
        if sub.wants(entry):
            self._connection.write_frame(event_frame(entry.text, sub.ask.id))
            self._sent["alert"].inc()
            sub.sent(entry.cursor)
        sub.cursor = entry.cursor

    def _write_event(self, kind: str, topic: protocol.Topic, camera: str, text: str) -> None:
        for sub in self.subscriptions.values():
            if sub.takes(topic, camera):
                self._connection.write_frame(event_frame(text, sub.ask.id))
                self._sent[kind].inc()

    def _write_gap(self, sub: Subscription, reason: protocol.GapReason) -> None:
        self.write(protocol.Gap(sub=sub.ask.id, since=cursors.show(sub.told), reason=reason))

    def _condition(self) -> tuple[object, ...]:
        return self._hub.bus, self._services()

    def _services(self) -> protocol.Services:
        """How many of each are ready; what is wrong with the configuration may name any camera."""
        services = self._hub.services
        return msgspec.structs.replace(services, trouble="") if self.principal.scoped else services

    def _beat(self) -> None:
        self._told = self._condition()
        places = [sub.told for sub in self.subscriptions.values()]
        self.write(
            protocol.Heartbeat(
                at=time.time(),
                cursor=cursors.show(min(places)) if places else "",
                bus=self._hub.bus,
                services=self._services(),
            )
        )

    def _welcome(self) -> None:
        """The picture and the cursor it holds at."""
        hub, config, who = self._hub, self._config, self.principal
        open_ = [alert for alert in hub.alerts.open() if who.may_see(alert.camera)]
        snapshot = protocol.Snapshot(cameras=hub.snapshot(who), alerts=tuple(open_[:MAX_SNAPSHOT_ALERTS]))
        welcome = protocol.Welcome(
            version=protocol.VERSION, at=time.time(), cursor=cursors.show(hub.newest(who)),
            heartbeat_s=config.heartbeat_s, stale_after_s=config.stale_after_s,
            bus=hub.bus, services=self._services(), snapshot=snapshot, you=protocol.you(who),
        )  # fmt: skip
        self._told, self._generation = self._condition(), hub.generation
        self._place = hub.subscribers.place
        self.write(welcome)
        self.welcomed.set()
