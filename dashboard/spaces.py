"""The key spaces that a dashboard reads, over asyncio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis.asyncio

from dashboard.config import DashboardConfig
from wire import shards
from wire.bus import connect_async

Space = shards.Space[redis.asyncio.Redis]
Spaces = shards.Spaces[redis.asyncio.Redis]
T = TypeVar("T")


def spaces_of(config: DashboardConfig, bus: redis.asyncio.Redis) -> Spaces:
    """`bus` is the home's client. Nothing is sent yet. Raises RedisUnreachable for what is no url."""
    return Spaces.of(Space(bus, config.keys), config.shards, connect_async)


async def first(spaces: Spaces, look: Callable[[Space], Awaitable[T | None]]) -> T | None:
    """What the first shard that has it has; None where none has. Raises what `look` raises."""
    for space in spaces.shards:
        if (found := await look(space)) is not None:
            return found
    return None
