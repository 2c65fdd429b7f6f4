"""A channel's place in the alert stream, and the lease under which one dashboard moves it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

import redis.asyncio

from dashboard import cursors, streams
from dashboard.cursors import Cursor
from dashboard.tasks import until_first
from wire.keys import Keys

LEASE_S = 6.0
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_MOVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[2], ARGV[2]) return 1 end return 0"


class LeaseLost(Exception):
    """Another dashboard has the channel now."""


class Place:
    """One channel's lease and cursor in Redis. Every method raises redis errors."""

    def __init__(self, bus: redis.asyncio.Redis, keys: Keys, channel: str, lease_s: float = LEASE_S) -> None:
        self._bus, self._stream, self._lease_ms = bus, keys.alerts, round(lease_s * 1000)
        self._lease, self._cursor = keys.notify_lease(channel), keys.notified(channel)
        self._token = uuid.uuid4().hex

    async def take(self) -> bool:
        """Whether the channel is ours from now on."""
        return bool(await self._bus.set(self._lease, self._token, nx=True, px=self._lease_ms))

    async def hold(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` under the lease, which is given back at the end. Raises LeaseLost, and what `work` does."""
        try:
            await until_first(work, self._renew())
        finally:
            await self._bus.eval(_RELEASE, 1, self._lease, self._token)

    async def read(self) -> Cursor:
        """Where delivery goes on; a new channel begins now, so that it does not begin with a flood."""
        newest = cursors.show(await streams.last_id(self._bus, self._stream))
        await self._bus.set(self._cursor, newest, nx=True)
        found: Any = await self._bus.get(self._cursor)
        return cursors.parse(found)

    async def move(self, cursor: Cursor) -> None:
        """Everything up to `cursor` is dealt with. Raises LeaseLost."""
        moved: Any = await self._bus.eval(_MOVE, 2, self._lease, self._cursor, self._token, cursors.show(cursor))
        if not moved:
            raise LeaseLost

    async def wait(self, cursor: Cursor, block_s: float) -> None:
        """Until there is something after `cursor`, `block_s` at most."""
        await self._bus.xread({self._stream: cursors.show(cursor)}, count=1, block=round(block_s * 1000))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            renewed: Any = await self._bus.eval(_RENEW, 1, self._lease, self._token, str(self._lease_ms))
            if not renewed:
                raise LeaseLost
