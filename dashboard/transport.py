"""uvicorn's WebSocket protocol, with an end to waiting for peers that take nothing."""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import BaseTransport
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

SEND_BUFFER = 128 * 1024  # in the kernel, per connection; Linux doubles it
FLUSH_S = 10.0  # what a closed peer has left to read its close code


class BoundedProtocol(WebSocketsSansIOProtocol):
    """Holds little for a slow peer, and cuts one that does not even take its close frame."""

    def connection_made(self, transport: BaseTransport) -> None:
        """A connection's start."""
        super().connection_made(transport)
        if raw := transport.get_extra_info("socket"):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    async def send(self, message: Any) -> None:
        """Send one ASGI event; a close may have to wait for room that never comes."""
        if message["type"] == "websocket.close":
            asyncio.get_running_loop().call_later(FLUSH_S, self._cut)
        await super().send(message)

    def _cut(self) -> None:
        if not self.disconnected:
            self.transport.abort()
