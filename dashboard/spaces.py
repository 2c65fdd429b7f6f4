"""The key spaces that a dashboard reads, over asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import redis.asyncio

from dashboard.config import DashboardConfig
from dashboard.streams import BUS_ERRORS
from dashboard.tasks import end
from wire import shards
from wire.bus import connect_async

Space = shards.Space[redis.asyncio.Redis]
Spaces = shards.Spaces[redis.asyncio.Redis]
T = TypeVar("T")
PATIENCE_S = 3.0  # with a server whose silence is to hold up nobody


def spaces_of(config: DashboardConfig, bus: redis.asyncio.Redis) -> Spaces:
    """`bus` is the home's client. Nothing is sent yet. Raises RedisUnreachable for what is no url."""
    return Spaces.of(Space(bus, config.keys), config.shards, connect_async)


async def in_time(ask: Callable[[], Awaitable[T]]) -> T | Exception:
    """What Redis answers, or its error: TimeoutError where it does not answer within PATIENCE_S.

    It is asked once this runs: whoever is cancelled before leaves nothing that nobody awaits.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await ask()
    except BUS_ERRORS as error:
        return error


async def each(spaces: Spaces, look: Callable[[Space], Awaitable[T]]) -> list[T | Exception]:
    """What each shard answers in time, or its error; all are asked at once."""
    return await asyncio.gather(*(in_time(partial(look, space)) for space in spaces.shards))


async def everywhere(spaces: Sequence[Space], do: Callable[[Space], Awaitable[None]]) -> None:
    """Do it in each of them, all at once. Raises redis errors where one does not answer in time, the others done."""
    for outcome in await asyncio.gather(*(in_time(partial(do, space)) for space in spaces)):
        if outcome is not None:
            raise outcome


async def first(spaces: Spaces, look: Callable[[Space], Awaitable[T | None]]) -> T | None:
    """What one of the shards has, all asked at once and the first answer taken; None where none has.

    Raises redis errors where one that might have it does not answer within PATIENCE_S.
    """
    asked = [asyncio.ensure_future(look(space)) for space in spaces.shards]
    failed: Exception | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            for answer in asyncio.as_completed(asked):
                try:
                    if (found := await answer) is not None:
                        return found
                except BUS_ERRORS as error:
                    failed = error
    finally:
        await end(asked)
    if failed is not None:
        raise failed
    return None
