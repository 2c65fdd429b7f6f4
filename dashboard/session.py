"""One WebSocket connection: greeting, what the client asks for, its end. The other direction: dashboard/sender.py."""

from __future__ import annotations

import asyncio
import contextlib
import time

from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard import auth, cursors, protocol
from dashboard.access.gate import Denied, Gate, Wait
from dashboard.access.principal import Principal
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.protocol import BadMessage, ClientMessage, Hello, Ping, Subscribe, Unsubscribe
from dashboard.sender import Closed, Sender
from dashboard.streams import BUS_ERRORS
from dashboard.subscription import Subscription
from dashboard.tasks import end
from dashboard.transport import EXTENSION

_REFUSALS: dict[str, int] = {
    "unsupported-version": protocol.CLOSE_VERSION,
    "unauthorised": protocol.CLOSE_UNAUTHORISED,
    "too-many-attempts": protocol.CLOSE_TOO_MANY_ATTEMPTS,
}


class Session:
    """Serves one accepted WebSocket until it ends."""

    def __init__(self, socket: WebSocket, hub: Hub, config: DashboardConfig, metrics: Metrics, gate: Gate) -> None:
        self._socket, self._hub, self._config, self._metrics, self._gate = socket, hub, config, metrics, gate
        self._sender = Sender(socket.scope["extensions"][EXTENSION]["connection"], hub, config, metrics)
        self._errors = 0
        self._cookie: str | None = None  # where that is what let it in

    async def run(self) -> None:
        """Greet, then send and receive until either ends; always closes the socket."""
        try:
            await self._greet()
            if self._cookie is None:
                await self._talk()
            else:
                await self._talk_until_signed_out(self._cookie)
        except Closed as closed:
            await self._close(closed)
        except WebSocketDisconnect:
            pass

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(self._config.hello_s):
                text = await self._receive()
        except TimeoutError:
            raise Closed(protocol.CLOSE_HELLO_TIMEOUT, "no hello in time") from None
        try:
            self._sender.principal = await self._check(protocol.decode_client(text))
        except BadMessage as error:
            self._sender.write(protocol.Error(code=error.code, message=error.message))
            raise Closed(_REFUSALS.get(error.code, protocol.CLOSE_BAD_HELLO), error.code) from None

    async def _check(self, hello: ClientMessage) -> Principal:
        if not isinstance(hello, Hello):
            raise BadMessage("expected-hello", "the first message must be hello")
        if hello.version != protocol.VERSION:
            raise BadMessage("unsupported-version", f"this server speaks version {protocol.VERSION}")
        try:
            return await self._who(hello)
        except Denied:
            raise BadMessage("unauthorised", "the token is missing or wrong") from None
        except Wait as wait:
            raise BadMessage("too-many-attempts", str(wait)) from None
        except BUS_ERRORS:
            raise Closed(protocol.CLOSE_TRY_LATER, "Redis can't be asked for the login") from None

    async def _who(self, hello: Hello) -> Principal:
        """By the token, or by the cookie that this dashboard's own page sends. Raises Denied, Wait and redis errors."""
        cookie = auth.cookie_of(self._socket)
        if hello.token is None and cookie is not None and not self._gate.access.open:
            who = await self._gate.by_cookie(cookie)
            self._cookie = cookie
            return who
        return await self._gate.by_token(hello.token, auth.address_of(self._socket))

    async def _talk_until_signed_out(self, cookie: str) -> None:
        over = asyncio.Event()

        async def wait() -> None:
            await over.wait()
            raise Closed(protocol.CLOSE_UNAUTHORISED, "signed out")

        with self._gate.watching(cookie, over.set):
            await self._talk(asyncio.create_task(wait()))

    async def _talk(self, *others: asyncio.Task[None]) -> None:
        self._hub.subscribers.add(self._sender)
        tasks = {asyncio.create_task(self._sender.run()), asyncio.create_task(self._receive_all()), *others}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.subscribers.discard(self._sender)
            await end(tasks)
        for task in done:
            task.result()

    async def _close(self, closed: Closed) -> None:
        if closed.code == protocol.CLOSE_TOO_SLOW:
            self._metrics.too_slow.inc()
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may have gone by itself
            await self._socket.close(closed.code, closed.reason)

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
                self._sender.reply(protocol.Error(code=error.code, message=error.message, id=protocol.id_of(text)))
                if self._errors >= protocol.MAX_ERRORS:
                    raise Closed(protocol.CLOSE_TOO_MANY_ERRORS, "too many errors") from None

    async def _follow(self, message: ClientMessage) -> None:
        match message:
            case Hello():
                raise BadMessage("unexpected-hello", "hello was said already")
            case Ping():
                self._sender.reply(protocol.Pong(id=message.id, at=time.time()))
            case Unsubscribe():
                if self._sender.subscriptions.pop(message.id, None) is None:
                    raise BadMessage("unknown-subscription", f"there is no subscription {message.id!r}")
                self._sender.reply(protocol.Unsubscribed(id=message.id))
            case Subscribe():
                await self._sender.welcomed.wait()
                await self._subscribe(message)

    async def _subscribe(self, ask: Subscribe) -> None:
        if ask.id not in self._sender.subscriptions and len(self._sender.subscriptions) >= protocol.MAX_SUBSCRIPTIONS:
            raise BadMessage("too-many-subscriptions", f"{protocol.MAX_SUBSCRIPTIONS} is the limit: end one first")
        made = Subscription(ask, cursors.START, self._sender.principal)
        for name in self._hub.cameras.names() if ask.cameras else ():
            made.wants_camera(name)  # known from now on: many patterns take a while, in which others are to be served
            await asyncio.sleep(0)
        try:
            made.cursor = self._hub.recent.newest if ask.since is None else cursors.parse(ask.since)
            made.sent(self._hub.newest(self._sender.principal) if ask.since is None else made.cursor)
        except ValueError as error:
            raise BadMessage("bad-cursor", f'{error}: send one that came with an event, or "0"') from None
        self._sender.begin(made)
        self._sender.reply(protocol.Subscribed(id=ask.id, cursor=cursors.show(made.told)))
