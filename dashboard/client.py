"""The subscriber: an async iterator of events that reconnects and resumes by itself.

    async for event in Client("ws://127.0.0.1:8008/ws/v1", token="..."):
        if isinstance(event, AlertMessage):
            print(event.event, event.alert.camera, event.alert.peak)

`client.cursor` is the place after the newest alert event that was handed out: keep it, give it back as `since`, and
nothing is missed or seen twice. Needs only `websockets` and `msgspec`.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from dashboard import cursors, protocol
from dashboard.protocol import (
    AlertMessage,
    CameraMessage,
    Error,
    Gap,
    Heartbeat,
    Hello,
    ScoreMessage,
    ServerMessage,
    Subscribe,
    Subscribed,
    Topic,
    Welcome,
)
from wire.errors import UnmaskError, UsageError
from wire.messages import AlertEventName, AlertKind, Severity
from wire.redact import redact

Event = AlertMessage | ScoreMessage | CameraMessage | Gap
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
SILENCE_S = 25.0  # heartbeats come every 10 s: after this the connection is dead, whatever TCP believes
OPEN_S = 10.0
_SUBSCRIPTION = "1"


class SubscribeError(UnmaskError):
    """The server can't be subscribed to, now or later."""


class AddressError(UsageError, SubscribeError):
    """The address is none of a WebSocket."""


class Client:
    """Events of one dashboard. A refused or lost connection is tried again for ever; `on_status` is told in words.

    `ca` is a PEM file with the authority of a wss:// dashboard, or its own certificate. Raises AddressError for none.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        topics: Sequence[Topic] = ("alerts",),
        cameras: Sequence[str] = (),
        kinds: Sequence[AlertKind] = (),
        severities: Sequence[Severity] = (),
        events: Sequence[AlertEventName] = (),
        since: str | None = None,
        on_status: Callable[[str], None] | None = None,
        backoff_s: Sequence[float] = BACKOFF_S,
        ca: Path | None = None,
    ) -> None:
        self.url, self.cursor = url, since
        self._tls = _trust(ca) if url.lower().startswith("wss://") else None
        self.welcome: Welcome | None = None
        self._token, self._backoff_s = token, backoff_s
        self._on_status = on_status or (lambda _line: None)
        self._ask = Subscribe(
            id=_SUBSCRIPTION, topics=tuple(topics), cameras=tuple(cameras), kinds=tuple(kinds),
            severities=tuple(severities), events=tuple(events),
        )  # fmt: skip

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        """Events for ever. Raises SubscribeError when trying again can't help."""
        failures = 0
        told = ""
        while True:
            try:
                async with connect(
                    self.url, ssl=self._tls, open_timeout=OPEN_S, max_size=None, compression=None, close_timeout=1
                ) as socket:
                    await self._greet(socket)
                    if told or failures:
                        self._on_status(f"connected to {self._shown}")
                    failures, told = 0, ""
                    async with aclosing(self._events(socket)) as events:
                        async for event in events:
                            yield event
            except (ConnectionClosed, OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
                reason = self._explain(error)
                if reason != told:
                    self._on_status(f"{self._shown}: {reason}; trying again until it answers")
                    told = reason
            await asyncio.sleep(self._backoff_s[min(failures, len(self._backoff_s) - 1)] * random.uniform(0.8, 1.2))
            failures += 1

    async def _greet(self, socket: ClientConnection) -> None:
        await socket.send(protocol.encode(Hello(version=protocol.VERSION, token=self._token)))
        while not isinstance(message := await self._next(socket), Welcome):
            self._check(message)
        self.welcome = message
        if self.cursor is None:
            self.cursor = message.cursor  # joins the snapshot without a gap
        await socket.send(protocol.encode(msgspec.structs.replace(self._ask, since=self.cursor)))
        while not isinstance(message := await self._next(socket), Subscribed):
            self._check(message)

    async def _events(self, socket: ClientConnection) -> AsyncGenerator[Event, None]:
        while True:
            message = await self._next(socket)
            self._check(message)
            if isinstance(message, AlertMessage):
                self.cursor = message.cursor
            elif isinstance(message, Heartbeat) and message.cursor:
                self._advance(message.cursor)
            elif isinstance(message, Gap) and message.reason == "reset":
                self.cursor = cursors.show(cursors.START)
            if isinstance(message, AlertMessage | ScoreMessage | CameraMessage | Gap):
                yield message

    def _advance(self, cursor: str) -> None:
        """Take over the place of a heartbeat: events up to it were sent, or were not asked for."""
        if self.cursor is None or cursors.parse(cursor) > cursors.parse(self.cursor):
            self.cursor = cursor

    async def _next(self, socket: ClientConnection) -> ServerMessage | None:
        async with asyncio.timeout(SILENCE_S):
            text = await socket.recv()
        try:
            return protocol.decode_server(text)
        except msgspec.DecodeError as error:
            raise SubscribeError(
                f"{self._shown} does not speak this protocol ({error})", "give the address of a dashboard's /ws/v1"
            ) from None

    def _check(self, message: ServerMessage | None) -> None:
        if isinstance(message, Error) and message.code not in ("unauthorised", "unsupported-version", "expected-hello"):
            remedy = "leave 'since' out to start from now" if message.code == "bad-cursor" else "correct the filters"
            raise SubscribeError(f"{self._shown} refuses the subscription ({message.message})", remedy)

    @property
    def _shown(self) -> str:
        return redact(self.url)

    def _explain(self, error: Exception) -> str:
        """Why the connection failed, in words, when trying again may help. Raises SubscribeError when it can't."""
        if final := self._final(error):
            raise final from None
        if isinstance(error, ConnectionClosed):
            code = error.rcvd.code if error.rcvd else 1006
            words = {
                1011: "pings were not answered",
                1012: "the dashboard is stopping",
                protocol.CLOSE_TOO_SLOW: "reading was too slow",
            }
            return words.get(code, f"connection lost ({code})")
        if isinstance(error, ConnectionRefusedError):
            return "connection refused"
        if isinstance(error, TimeoutError):
            return "no answer"
        if isinstance(error, InvalidStatus):
            return f"answered with status {error.response.status_code}"
        return str(error).splitlines()[0] if str(error) else type(error).__name__

    def _final(self, error: Exception) -> SubscribeError | None:
        """The error to end with, where trying again can't help."""
        address = "give the address of a dashboard, e.g. ws://127.0.0.1:8008/ws/v1"
        if isinstance(error, InvalidURI):
            return AddressError(f"{self._shown} is no WebSocket address", address)
        if isinstance(error, ConnectionClosed) and error.rcvd:
            if error.rcvd.code == protocol.CLOSE_UNAUTHORISED:
                return SubscribeError(f"{self._shown} refuses the token", "set --token or UNMASK_DASHBOARD__TOKEN")
            if error.rcvd.code in (protocol.CLOSE_VERSION, protocol.CLOSE_BAD_HELLO):
                return SubscribeError(f"{self._shown} speaks another version ({error.rcvd.reason})", "update unmask")
        if isinstance(error, InvalidStatus) and error.response.status_code < 500:
            return SubscribeError(f"{self._shown} answered with status {error.response.status_code}", address)
        if isinstance(error, ssl.SSLError):
            reason = getattr(error, "verify_message", "") or error.reason
            return SubscribeError(f"{self._shown}: TLS failed ({reason})", "give its authority with --ca")
        if (
            isinstance(error, InvalidHandshake)
            and not isinstance(error, InvalidStatus)
            and not isinstance(error.__cause__, EOFError)  # a server that goes down hangs up half-way
        ):
            return SubscribeError(f"{self._shown} is no WebSocket server", address)
        return None


def _trust(ca: Path | None) -> ssl.SSLContext:
    """The system's authorities, or `ca` alone, which may also be the server's own certificate."""
    if ca is None:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate in PEM"
        raise AddressError(f"{ca}: {reason}", "give a PEM file with the dashboard's authority or certificate") from None
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context
