"""uvicorn's HTTP protocol with a limit of connections, and of the time a peer may take to ask and to listen."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from dashboard.headers import SECURITY_HEADERS
from dashboard.limits import Door, Patience, Phase

TICK_S = 1.0
_REASONS = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


def last_words(status: int, error: str) -> bytes:
    """A whole answer for a connection that is closed after it, outside of any application."""
    body = msgspec.json.encode({"error": error})
    headers = {
        "content-type": "application/json", "content-length": str(len(body)), "connection": "close",
        "cache-control": "no-store", **SECURITY_HEADERS,
    }  # fmt: skip
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class BoundedHttp(H11Protocol):
    """Turns a connection away where there are too many, and ends one that trickles or does not listen.

    uvicorn has a time limit for silence between two requests only: a head that arrives by a byte a minute, a body that
    never ends and an answer that nobody reads would each hold a connection for ever.
    """

    def __init__(self, *arguments: Any, door: Door, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._door = door
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection's start."""
        super().connection_made(transport)
        self._patience = Patience(self.loop.time())
        self._timer = self.loop.call_later(TICK_S, self._tick)
        if not self._door.enter(transport, self.client[0] if self.client else None):
            self._end(503, "too many connections: close some, or raise dashboard.max_connections(_per_address)")

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection's end."""
        self._door.leave(self.transport)
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what a peer has sent, but for one that was told to go."""
        if not self.transport.is_closing():
            super().data_received(data)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over to the WebSocket protocol, which has limits of its own."""
        self._stop_watching()
        super().handle_websocket_upgrade(event)

    def resume_writing(self) -> None:
        """The peer has taken most of what waited."""
        self._patience.progress(self.transport.get_write_buffer_size(), self.loop.time())
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._end(400, "this is no HTTP request, or its head is too large")

    def _tick(self) -> None:
        now = self.loop.time()
        if self._patience.stalled(self.transport.get_write_buffer_size(), now):
            self.transport.abort()
            return
        if not self.transport.is_closing() and self._patience.late(self._phase(), self.cycle, now):
            self._end(408, "the request did not arrive in time")
        self._timer = self.loop.call_later(TICK_S, self._tick)

    def _phase(self) -> Phase:
        theirs = self.conn.their_state
        return "head" if theirs is h11.IDLE else "body" if theirs is h11.SEND_BODY else "answer"

    def _end(self, status: int, error: str) -> None:
        """Say why, if nothing has been said yet, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(last_words(status, error))
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True  # the application learns that nobody listens
            self.cycle.message_event.set()
        self.transport.close()

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
