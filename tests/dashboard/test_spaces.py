"""Several shards are asked at once, and one that does not answer keeps nothing of the others back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import pytest
import redis

from dashboard import spaces
from dashboard.spaces import Space, Spaces, each, everywhere, first
from tests.support.proxy import proxied
from wire.bus import connect_async
from wire.keys import Keys

PATIENCE_S = 1.0


@pytest.fixture
def silent(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The url of a server that takes connections and commands, and says nothing."""
    monkeypatch.setattr(spaces, "PATIENCE_S", PATIENCE_S)
    with proxied(urlsplit(redis_url).port or 0) as proxy:
        proxy.stall()
        yield f"redis://127.0.0.1:{proxy.port}/0"


def asked(silent: str, redis_url: str, ask: Callable[[Spaces], Awaitable[None]]) -> float:
    """Ask two shards, of which the first is silent; seconds."""

    async def run() -> float:
        async with connect_async(silent) as mute, connect_async(redis_url) as there:
            both = Space(mute, Keys("a:")), Space(there, Keys("b:"))
            began = time.monotonic()
            await ask(Spaces(both[1], both))
            return time.monotonic() - began

    return asyncio.run(run())


def test_what_another_has_is_found_without_waiting(silent: str, redis_url: str, bus: redis.Redis) -> None:
    bus.set("b:x", "found")

    async def ask(both: Spaces) -> None:
        assert await first(both, lambda one: one.bus.get(one.keys.prefix + "x")) == b"found"

    assert asked(silent, redis_url, ask) < PATIENCE_S


def test_nobody_knows_what_one_that_is_silent_may_have(silent: str, redis_url: str) -> None:
    async def ask(both: Spaces) -> None:
        with pytest.raises(TimeoutError):
            await first(both, lambda one: one.bus.get(one.keys.prefix + "x"))

    assert PATIENCE_S <= asked(silent, redis_url, ask) < 5


def test_each_says_what_it_has_and_does_what_it_is_told(silent: str, redis_url: str, bus: redis.Redis) -> None:
    async def write(one: Space) -> None:
        await one.bus.set(one.keys.prefix + "x", "written")

    async def ask(both: Spaces) -> None:
        mute, there = await each(both, lambda one: one.bus.exists(one.keys.prefix + "x"))
        assert isinstance(mute, TimeoutError)
        assert there == 0
        with pytest.raises(TimeoutError):
            await everywhere(both.shards, write)

    asked(silent, redis_url, ask)
    assert bus.get("b:x") == b"written"


def test_whoever_is_cancelled_before_it_begins_has_asked_nothing(redis_url: str) -> None:
    """What was asked and is awaited by nobody would be complained of when it is collected."""
    looked: list[Space] = []

    async def run() -> None:
        async with connect_async(redis_url) as bus:
            both = Space(bus, Keys("a:")), Space(bus, Keys("b:"))

            def look(one: Space) -> Awaitable[int]:
                looked.append(one)
                return one.bus.exists("x")

            asking = asyncio.ensure_future(each(Spaces(both[1], both), look))
            await asyncio.sleep(0)  # it has begun, and those that it asks have not
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(run())
    assert not looked
