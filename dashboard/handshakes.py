"""Connections that are still in their TLS handshake: how many there may be, and for how long.

asyncio tells a server's protocol of a connection once the handshake is over, and waits a minute for that: so long a
peer that says nothing would hold a socket and a buffer, 256 KB of it, that no limit of connections counts.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Any, cast

from dashboard import limits
from dashboard.limits import Door


class BoundedTls(SSLProtocol):
    """TLS around the protocol of one connection, which hears of it after the handshake; until then `door` counts it."""

    max_size = 16 * 1024  # of what is read at once, a record of TLS: each connection holds a buffer of this size

    def __init__(self, inner: asyncio.Protocol, context: ssl.SSLContext, door: Door) -> None:
        loop = asyncio.get_running_loop()
        self._door = door
        over: asyncio.Future[None] = loop.create_future()
        over.add_done_callback(self._is_over)
        super().__init__(
            loop, inner, context, over, server_side=True,
            ssl_handshake_timeout=limits.HANDSHAKE_S, ssl_shutdown_timeout=limits.FAREWELL_S,
        )  # fmt: skip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection's start. One too many is cut: nothing can be said to it before the handshake."""
        peer = transport.get_extra_info("peername")
        if self._door.enter(self, peer[0] if peer else None):
            super().connection_made(transport)
        else:
            cast("asyncio.Transport", transport).abort()

    def _is_over(self, over: asyncio.Future[None]) -> None:
        self._door.leave(self)
        if not over.cancelled():
            over.exception()  # one that failed is the peer's concern alone


def secured(inner: Callable[..., asyncio.Protocol], context: ssl.SSLContext, door: Door) -> Callable[..., BoundedTls]:
    """Makes what `inner` makes, behind TLS."""

    def make(**options: Any) -> BoundedTls:
        return BoundedTls(inner(**options), context, door)

    return make
