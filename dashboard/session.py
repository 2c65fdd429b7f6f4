"""One WebSocket connection: greeting, subscriptions, and a sender that never holds more than the newest.

Alert events are pulled: each subscription keeps its place in the stream and reads on from there, from the hub's memory
or, further back, from Redis. So replay and live events are one sequence, in order, each event once, and a slow client
costs no memory. Scores and camera states are latest-wins.

To a client that keeps up, the hub's own call writes everything at once, with no task switch: with a thousand of them
that is what an event costs. The sender task is for what takes time: waiting for room, reading back in Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard import cursors, protocol
from dashboard.auth import token_matches
from dashboard.config import DashboardConfig
from dashboard.cursors import START
from dashboard.history import Entry
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.protocol import BadMessage, ClientMessage, Hello, Ping, Subscribe, Unsubscribe
from dashboard.streams import BUS_ERRORS
from dashboard.subscription import Subscription
from dashboard.tasks import end
from dashboard.transport import EXTENSION, BoundedProtocol, event_frame, text_frame
from wire.messages import Score

PAGE = 200
MAX_TRACKS = 1024  # scores held for a slow client; the oldest goes first
MAX_REPLIES = 64
MAX_SNAPSHOT_ALERTS = 500  # the newest; REST has the rest
_REFUSALS: dict[str, int] = {
    "unsupported-version": protocol.CLOSE_VERSION,
    "unauthorised": protocol.CLOSE_UNAUTHORISED,
}


class Closed(Exception):
    """The connection is to be closed with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Session:
    """Serves one accepted WebSocket until it ends."""

    def __init__(self, socket: WebSocket, hub: Hub, config: DashboardConfig, metrics: Metrics) -> None:
        self._socket, self._hub, self._config, self._metrics = socket, hub, config, metrics
        self._connection: BoundedProtocol = socket.scope["extensions"][EXTENSION]["connection"]
        self._sent = {kind: metrics.sent.labels(kind) for kind in ("alert", "score", "camera")}
        self._subscriptions: dict[str, Subscription] = {}
        self._replies: deque[str] = deque()
        self._scores: dict[tuple[str, str], str] = {}
        self._cameras: dict[str, str] = {}
        self._awake = asyncio.Event()
        self._idle = False  # the sender sleeps, so another may write in its place
        self._welcomed = asyncio.Event()
        self._errors = 0
        self._told: tuple[object, ...] = ()
        self._generation = hub.generation

    async def run(self) -> None:
        """Greet, then send and receive until either ends; always closes the socket."""
        try:
            await self._greet()
            await self._talk()
        except Closed as closed:
            await self._close(closed)
        except WebSocketDisconnect:
            pass

    def wake(self) -> None:
        """Write what there is, or let the sender look where that takes time."""
        if not (self._idle and self._flush()):
            self._awake.set()

    def offer_score(self, score: Score, text: str) -> None:
        """Hold the newest score of a track until the hub wakes this session."""
        if any(sub.takes("scores", score.camera) for sub in self._subscriptions.values()):
            if len(self._scores) >= MAX_TRACKS:
                del self._scores[next(iter(self._scores))]
            self._scores[score.camera, score.track] = text

    def offer_camera(self, name: str, text: str) -> None:
        """Hold the newest view of a camera until the hub wakes this session."""
        if any(sub.takes("cameras", name) for sub in self._subscriptions.values()):
            self._cameras[name] = text

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(self._config.hello_s):
                text = await self._receive()
        except TimeoutError:
            raise Closed(protocol.CLOSE_HELLO_TIMEOUT, "no hello in time") from None
        try:
            self._check(protocol.decode_client(text))
        except BadMessage as error:
            self._write(protocol.Error(code=error.code, message=error.message))
            raise Closed(_REFUSALS.get(error.code, protocol.CLOSE_BAD_HELLO), error.code) from None

    def _check(self, hello: ClientMessage) -> None:
        if not isinstance(hello, Hello):
            raise BadMessage("expected-hello", "the first message must be hello")
        if hello.version != protocol.VERSION:
            raise BadMessage("unsupported-version", f"this server speaks version {protocol.VERSION}")
        if not token_matches(self._config.token, hello.token):
            raise BadMessage("unauthorised", "the token is missing or wrong")

    async def _talk(self) -> None:
        self._hub.subscribers.add(self)
        tasks = {asyncio.create_task(self._send_all()), asyncio.create_task(self._receive_all())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.subscribers.discard(self)
            await end(tasks)
        for task in done:
            task.result()

    async def _close(self, closed: Closed) -> None:
        if closed.code == protocol.CLOSE_TOO_SLOW:
            self._metrics.too_slow.inc()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may have gone by itself
            await self._socket.close(closed.code, closed.reason)

    # Receiving

    async def _receive(self) -> str | bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        return text if text is not None else bytes(message.get("bytes") or b"")

    async def _receive_all(self) -> None:
        while True:
            text = await self._receive()
            try:
                await self._follow(protocol.decode_client(text))
            except BadMessage as error:
                self._errors += 1
                self._reply(protocol.Error(code=error.code, message=error.message))
                if self._errors >= protocol.MAX_ERRORS:
                    raise Closed(protocol.CLOSE_TOO_MANY_ERRORS, "too many errors") from None

    async def _follow(self, message: ClientMessage) -> None:
        match message:
            case Hello():
                raise BadMessage("unexpected-hello", "hello was said already")
            case Ping():
                self._reply(protocol.Pong(id=message.id, at=time.time()))
            case Unsubscribe():
                if self._subscriptions.pop(message.id, None) is None:
                    raise BadMessage("unknown-subscription", f"there is no subscription {message.id!r}")
                self._reply(protocol.Unsubscribed(id=message.id))
            case Subscribe():
                await self._welcomed.wait()
                self._subscribe(message)

    def _subscribe(self, ask: Subscribe) -> None:
        if ask.id not in self._subscriptions and len(self._subscriptions) >= protocol.MAX_SUBSCRIPTIONS:
            raise BadMessage("too-many-subscriptions", f"{protocol.MAX_SUBSCRIPTIONS} is the limit")
        try:
            cursor = self._hub.recent.newest if ask.since is None else cursors.parse(ask.since)
        except ValueError as error:
            raise BadMessage("bad-cursor", str(error)) from None
        self._subscriptions[ask.id] = Subscription(ask, cursor)
        self._reply(protocol.Subscribed(id=ask.id, cursor=cursors.show(cursor)))

    def _reply(self, message: protocol.FromServer) -> None:
        if len(self._replies) >= MAX_REPLIES:
            raise Closed(protocol.CLOSE_TOO_SLOW, "asks without listening")
        self._replies.append(protocol.encode(message))
        self.wake()

    # Sending. What begins with _flush or _write returns at once.

    async def _send_all(self) -> None:
        beat_at = time.monotonic() + self._config.heartbeat_s
        while True:
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self._config.heartbeat_s
                self._beat()
            if self._flush() or not await self._catch_up():
                await self._sleep(beat_at)

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
        if not self._welcomed.is_set() and hub.synced.is_set():
            self._welcome()
        if self._told != self._condition():
            self._beat()
        while self._replies and connection.has_room:
            connection.write_frame(text_frame(self._replies.popleft()))
        level = self._flush_alerts()
        while (
            self._scores and connection.has_room
        ):  # taken one at a time, so that what waits is replaced by what is newer
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
            for sub in self._subscriptions.values():
                self._write_gap(sub, "reset")
                sub.cursor = START
        level = True
        for sub in self._subscriptions.values():
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
        for sub in list(self._subscriptions.values()):
            if self._hub.recent.covers(sub.cursor):
                continue
            try:
                page = await self._hub.events_after(sub.cursor, PAGE)
            except BUS_ERRORS:
                possible = False  # the hub wakes us when Redis is back
                continue
            if page.gap:
                self._write_gap(sub, page.gap)
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
        sub.cursor = entry.cursor

    def _write_event(self, kind: str, topic: protocol.Topic, camera: str, text: str) -> None:
        for sub in self._subscriptions.values():
            if sub.takes(topic, camera):
                self._connection.write_frame(event_frame(text, sub.ask.id))
                self._sent[kind].inc()

    def _write_gap(self, sub: Subscription, reason: protocol.GapReason) -> None:
        self._write(protocol.Gap(sub=sub.ask.id, since=cursors.show(sub.cursor), reason=reason))

    def _condition(self) -> tuple[object, ...]:
        return self._hub.bus, self._hub.services

    def _beat(self) -> None:
        self._told = self._condition()
        places = [sub.cursor for sub in self._subscriptions.values()]
        self._write(
            protocol.Heartbeat(
                at=time.time(),
                cursor=cursors.show(min(places)) if places else "",
                bus=self._hub.bus,
                services=self._hub.services,
            )
        )

    def _welcome(self) -> None:
        """The picture and the cursor it holds at."""
        hub, config = self._hub, self._config
        snapshot = protocol.Snapshot(cameras=hub.snapshot(), alerts=hub.alerts.open()[:MAX_SNAPSHOT_ALERTS])
        welcome = protocol.Welcome(
            version=protocol.VERSION, at=time.time(), cursor=cursors.show(hub.recent.newest),
            heartbeat_s=config.heartbeat_s, stale_after_s=config.stale_after_s,
            bus=hub.bus, services=hub.services, snapshot=snapshot,
        )  # fmt: skip
        self._told, self._generation = self._condition(), hub.generation
        self._write(welcome)
        self._welcomed.set()

    def _write(self, message: protocol.FromServer) -> None:
        """Write a message that goes to this client alone."""
        self._connection.write_frame(text_frame(protocol.encode(message)))
