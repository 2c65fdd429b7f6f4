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

from dashboard.protocol import for_subscription

SEND_BUFFER = 128 * 1024  # in the kernel, per connection; Linux doubles it
HIGH_WATER = 64 * 1024  # and here: nothing more is written to a connection that has this much waiting
FLUSH_S = 10.0  # what a closed peer has left to read its close code
EXTENSION = "unmask.frames"  # where the ASGI scope holds the connection


def text_frame(text: str) -> bytes:
    """The bytes of one message (RFC 6455, 5.2). A server's frames carry no mask: they serve any number of clients."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@lru_cache(maxsize=256)
def event_frame(text: str, sub: str) -> bytes:
    """The frame of an event's text addressed to one subscription; made once for all who call theirs by that id."""
    return text_frame(for_subscription(text, sub))


class BoundedProtocol(WebSocketsSansIOProtocol):
    """Holds little for a slow peer, and cuts one that does not even take its close frame."""

    def connection_made(self, transport: BaseTransport) -> None:
        """A connection's start."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)
        if raw := transport.get_extra_info("socket"):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    async def run_asgi(self) -> None:
        """Serve the connection, which the application finds in its scope."""
        self.scope["extensions"][EXTENSION] = {"connection": self}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        """Send one ASGI event; a close may have to wait for room that never comes."""
        if message["type"] == "websocket.close":
            asyncio.get_running_loop().call_later(FLUSH_S, self._cut)
        await super().send(message)

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
