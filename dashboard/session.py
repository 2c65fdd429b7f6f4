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
        self._subscriptions: dict[str, Subscription] = {}
        self._replies: deque[str] = deque()
        self._scores: dict[tuple[str, str], str] = {}
        self._cameras: dict[str, str] = {}
        self._awake = asyncio.Event()
        self._welcomed = asyncio.Event()
        self._errors = 0
        self._told: tuple[object, ...] = ()
        self._generation = hub.generation
        self._connection: BoundedProtocol = socket.scope["extensions"][EXTENSION]["connection"]
        self._idle = False  # the sender waits for something to do
        self._sent = {kind: metrics.sent.labels(kind) for kind in ("alert", "score", "camera")}

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
        """Write the new alert events at once where the client keeps up with them; else let the sender look."""
        if not (self._keeps_up and self._told == self._condition() and self._write_alerts()):
            self._awake.set()

    def offer_score(self, score: Score, text: str) -> None:
        """Write it at once, or hold the newest score of a track until the sender comes to it."""
        subs = [sub for sub in self._subscriptions.values() if sub.takes("scores", score.camera)]
        if not subs:
            return
        if self._keeps_up:
            self._write("score", [event_frame(text, sub.ask.id) for sub in subs])
            return
        if len(self._scores) >= MAX_TRACKS:
            del self._scores[next(iter(self._scores))]
        self._scores[score.camera, score.track] = text
        self._awake.set()

    def offer_camera(self, name: str, text: str) -> None:
        """Write it at once, or hold the newest view of a camera until the sender comes to it."""
        subs = [sub for sub in self._subscriptions.values() if sub.takes("cameras", name)]
        if not subs:
            return
        if self._keeps_up:
            self._write("camera", [event_frame(text, sub.ask.id) for sub in subs])
            return
        self._cameras[name] = text
        self._awake.set()

    @property
    def _keeps_up(self) -> bool:
        """Whether nothing waits for this client: neither for its turn nor for room."""
        return self._idle and not self._awake.is_set() and self._connection.has_room

    def _write_alerts(self) -> bool:
        """Write what follows each subscription's place, if memory holds it all; False where the sender must go on."""
        recent, subs = self._hub.recent, self._subscriptions.values()
        if self._generation != self._hub.generation or not all(recent.covers(sub.cursor) for sub in subs):
            return False
        for sub in subs:
            entries = recent.after(sub.cursor, PAGE + 1) if "alerts" in sub.ask.topics else []
            if len(entries) > PAGE:
                return False
            self._write("alert", [event_frame(entry.text, sub.ask.id) for entry in entries if sub.wants(entry)])
            sub.cursor = recent.newest
        return True

    def _write(self, kind: str, frames: list[bytes]) -> None:
        if frames:
            self._connection.write_frame(b"".join(frames))
            self._sent[kind].inc(len(frames))

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(self._config.hello_s):
                text = await self._receive()
        except TimeoutError:
            raise Closed(protocol.CLOSE_HELLO_TIMEOUT, "no hello in time") from None
        try:
            self._check(protocol.decode_client(text))
        except BadMessage as error:
            await self._send(protocol.encode(protocol.Error(code=error.code, message=error.message)))
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
        self._awake.set()

    # Sending

    async def _send_all(self) -> None:
        beat_at = time.monotonic() + self._config.heartbeat_s
        while True:
            if time.monotonic() >= beat_at or self._told != self._condition():
                beat_at = time.monotonic() + self._config.heartbeat_s
                await self._beat()
            if self._hub.synced.is_set() and not self._welcomed.is_set():
                await self._welcome()
            if not await self._drain():
                await self._sleep(beat_at)

    async def _sleep(self, until: float) -> None:
        self._idle = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._awake.wait()
        self._idle = False
        self._awake.clear()

    async def _drain(self) -> bool:
        """Send replies, a page of alert events, and the newest of everything else; whether there may be more."""
        while self._replies:
            await self._send(self._replies.popleft())
        more = await self._send_alerts()
        while self._scores:  # taken one at a time, so that what waits is replaced by what is newer
            key = next(iter(self._scores))
            await self._send_event("score", "scores", key[0], self._scores.pop(key))
        while self._cameras:
            name = next(iter(self._cameras))
            await self._send_event("camera", "cameras", name, self._cameras.pop(name))
        return more or bool(self._replies)

    async def _send_alerts(self) -> bool:
        """Send a page of each subscription; whether there may be more."""
        if self._generation != self._hub.generation:
            self._generation = self._hub.generation
            for sub in self._subscriptions.values():
                await self._gap(sub, "reset")
                sub.cursor = START
        more = False
        for sub in list(self._subscriptions.values()):
            if "alerts" not in sub.ask.topics:
                sub.cursor = self._hub.recent.newest
                continue
            try:
                page = await self._hub.events_after(sub.cursor, PAGE)
            except BUS_ERRORS:
                continue  # the hub wakes us when Redis is back
            if page.gap:
                await self._gap(sub, page.gap)
            for entry in page.entries:
                if sub.wants(entry):
                    await self._send_frame(event_frame(entry.text, sub.ask.id))
                    self._sent["alert"].inc()
            sub.cursor = page.reached
            more = more or bool(page.entries or page.gap)
        return more

    async def _send_event(self, kind: str, topic: protocol.Topic, camera: str, text: str) -> None:
        for sub in list(self._subscriptions.values()):
            if sub.takes(topic, camera):
                await self._send_frame(event_frame(text, sub.ask.id))
                self._sent[kind].inc()

    async def _gap(self, sub: Subscription, reason: protocol.GapReason) -> None:
        await self._send(protocol.encode(protocol.Gap(sub=sub.ask.id, since=cursors.show(sub.cursor), reason=reason)))

    def _condition(self) -> tuple[object, ...]:
        return self._hub.bus, self._hub.services

    async def _beat(self) -> None:
        self._told = self._condition()
        places = [sub.cursor for sub in self._subscriptions.values()] or [self._hub.recent.newest]
        await self._send(
            protocol.encode(
                protocol.Heartbeat(
                    at=time.time(),
                    cursor=cursors.show(min(places)) if self._welcomed.is_set() else "",
                    bus=self._hub.bus,
                    services=self._hub.services,
                )
            )
        )

    async def _welcome(self) -> None:
        """The picture and the cursor it holds at; built without a pause in between."""
        hub, config = self._hub, self._config
        snapshot = protocol.Snapshot(cameras=hub.snapshot(), alerts=hub.alerts.open()[:MAX_SNAPSHOT_ALERTS])
        welcome = protocol.Welcome(
            version=protocol.VERSION, at=time.time(), cursor=cursors.show(hub.recent.newest),
            heartbeat_s=config.heartbeat_s, stale_after_s=config.stale_after_s,
            bus=hub.bus, services=hub.services, snapshot=snapshot,
        )  # fmt: skip
        self._told, self._generation = self._condition(), hub.generation
        await self._send(protocol.encode(welcome))
        self._welcomed.set()

    async def _send(self, text: str) -> None:
        await self._send_frame(text_frame(text))

    async def _send_frame(self, frame: bytes) -> None:
        try:
            async with asyncio.timeout(self._config.slow_after_s):
                await self._connection.room()
        except TimeoutError:
            raise Closed(protocol.CLOSE_TOO_SLOW, "takes messages too slowly; resume with the cursor") from None
        self._connection.write_frame(frame)
