"""uvicorn's WebSocket protocol with a direct way out for finished frames, and an end to waiting for deaf peers.

Every write of uvicorn's to the transport is one or more whole frames, and so is every write of ours: the two never mix.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import BaseTransport
from functools import lru_cache
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol

from dashboard.connection import last_words
from dashboard.headers import SECURITY_HEADERS
from dashboard.limits import BYTES, BYTES_S, FRAMES, FRAMES_S, Budget, Door
from dashboard.protocol import CLOSE_TOO_MUCH, for_subscription

SEND_BUFFER = 128 * 1024  # in the kernel, per connection; Linux doubles it
HIGH_WATER = 64 * 1024  # and here: nothing more is written to a connection that has this much waiting
FLUSH_S = 10.0  # what a closed peer has left to read its close code
LINGER_S = 1.0  # and one that floods
SLICE = 4096  # bytes that are parsed at once: some hundred frames at most
EXTENSION = "unmask.frames"  # where the ASGI scope holds the connection


def text_frame(text: str) -> bytes:
    """The bytes of one message (RFC 6455, 5.2). A server's frames carry no mask: they serve any number of clients."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@lru_cache(maxsize=256)
def event_frame(text: str, sub: str) -> bytes:
    """The frame of an event's text addressed to one subscription; made once for all who call theirs by that id."""
    return text_frame(for_subscription(text, sub))


class _Handshake(ServerProtocol):
    """The protocol without compression: what is small on the wire must not be large here."""

    def reject(self, status: int, text: str) -> Response:
        """An answer to a failed handshake, with the headers that all answers carry."""
        response = super().reject(status, text)
        for name, value in SECURITY_HEADERS.items():
            response.headers[name] = value
        return response


class BoundedProtocol(WebSocketsSansIOProtocol):
    """Holds little for a slow peer, cuts one that does not even take its close frame, and closes one that floods."""

    def __init__(self, *arguments: Any, door: Door, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._door, self.flooded = door, False
        self.conn = _Handshake(max_size=self.config.ws_max_size, logger=self.logger)
        now = self.loop.time()
        self._frames, self._bytes = Budget(FRAMES, FRAMES_S, now), Budget(BYTES, BYTES_S, now)

    def connection_made(self, transport: BaseTransport) -> None:
        """A connection's start."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        if raw := transport.get_extra_info("socket"):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection's end."""
        self._door.leave(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what a peer has sent, by the slice: a read may hold tens of thousands of frames."""
        for start in range(0, len(data), SLICE):
            if self.flooded:
                return
            part = data[start : start + SLICE]
            if self._bytes.take(len(part), self.loop.time()):
                super().data_received(part)
            else:
                self._close_flooded()
        if not self.handshake_initiated and not self.flooded:
            self._refuse()

    def _refuse(self) -> None:
        """End a connection whose head, which comes whole, is no handshake (RFC 6455, 4.2.1): uvicorn waits for ever."""
        told = b"".join(self.conn.data_to_send())
        self.transport.write(told or last_words(400, "this is no WebSocket handshake: has it a body?"))
        self.transport.close()

    def handle_events(self) -> None:
        """Follow what has arrived, unless there is too much of it."""
        counted = len(self.conn.events)
        if self._frames.take(counted, self.loop.time()):
            super().handle_events()
        else:
            self._close_flooded()

    def _close_flooded(self) -> None:
        self.flooded = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CLOSE_TOO_MUCH})
        if self.handshake_complete and not self.close_sent:
            self.close_sent = True
            self.conn.send_close(CLOSE_TOO_MUCH, "too many messages")
            self.transport.write(b"".join(self.conn.data_to_send()))
        if self.close_timer is None:  # closed at once, what is not yet read would reset the connection under the words
            self.close_timer = self.loop.call_later(LINGER_S, self._cut)

    async def run_asgi(self) -> None:
        """Serve the connection, which the application finds in its scope."""
        self.scope["extensions"][EXTENSION] = {"connection": self}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """Send one ASGI event; a close may have to wait for room that never comes."""
        if message["type"] == "websocket.close":
            asyncio.get_running_loop().call_later(FLUSH_S, self._cut)
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # by a refusal; else uvicorn logs it as a defect, for whoever knocks

    @property
    def has_room(self) -> bool:
        """Whether a frame may be written now."""
        return self.writable.is_set()

    def write_frame(self, frame: bytes) -> None:
        """Write whole frames without a task's help; to a connection that is closing, nothing."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frame)

    async def room(self) -> None:
        """Wait until a frame may be written, or the connection is lost."""
        await self.writable.wait()

    def _cut(self) -> None:
        if not self.disconnected:
            self.transport.abort()
