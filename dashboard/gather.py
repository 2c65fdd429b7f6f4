"""Brings the alert events of a shard into the home's stream, so that all of them have one order and one cursor.

The shard's stream is written in the transaction that decides; from there each event goes over once, in its order: the
place that was reached stands beside the home's stream and moves in the transaction that writes it. Any number of
dashboards may do it at once: what the first one does counts. While home or shard is away the events wait in the shard.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import redis

from dashboard import cursors
from dashboard.cursors import START, Cursor
from dashboard.spaces import Space

PAGE = 500
BLOCK_MS = 2000
PLACE = b"place"


class Gatherer:
    """Of one shard. Every method raises redis errors, and may be called again then."""

    def __init__(self, home: Space, shard: Space, number: int, keep_s: float) -> None:
        self._home, self._shard, self._keep_ms = home, shard, keep_s * 1000
        self._key = home.keys.gathered(number)
        self._place = START

    async def catch_up(self) -> None:
        """Bring over all that is there."""
        while await self._step():
            pass

    async def follow(self) -> None:
        """Wait for more, a while at most, and bring it over."""
        place: dict[Any, Any] = {self._shard.keys.alerts: cursors.show(self._place)}
        if await self._shard.bus.xread(place, count=1, block=BLOCK_MS):
            await self.catch_up()

    async def _step(self) -> bool:
        """Bring a page over; whether there may be more. What is read is read under the watch: see `unmask.forget`."""
        async with self._home.bus.pipeline(transaction=True) as pipe:
            await pipe.watch(self._key)
            found: Any = await pipe.hget(self._key, PLACE)
            before = cursors.parse(found) if found else START
            self._place, rows = await self._page(before)
            if self._place == before:
                return False
            oldest = max(0, round(time.time() * 1000 - self._keep_ms))
            pipe.multi()  # type: ignore[no-untyped-call]
            for _, fields in rows:
                pipe.xadd(self._home.keys.alerts, fields, minid=oldest, approximate=True)
            pipe.hset(self._key, PLACE.decode(), cursors.show(self._place))
            with suppress(redis.WatchError):  # another dashboard was first; the next step sees
                await pipe.execute()
            return True

    async def _page(self, after: Cursor) -> tuple[Cursor, list[Any]]:
        """What follows, and the place after it. A shard that has lost its end counts on from there: what was brought
        over of it stays, and is not brought over again."""
        stream = self._shard.keys.alerts
        pipe = self._shard.bus.pipeline(transaction=True)
        pipe.xinfo_stream(stream)
        pipe.xrange(stream, min="(" + cursors.show(after), count=PAGE)
        info, rows = await pipe.execute(raise_on_error=False)
        if isinstance(info, redis.ResponseError):
            return START, []  # no such stream
        for answer in (info, rows):
            if isinstance(answer, Exception):
                raise answer
        return (cursors.parse(rows[-1][0]) if rows else min(after, cursors.parse(info["last-generated-id"]))), rows
