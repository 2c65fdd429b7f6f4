"""Logins in a real Valkey, with a clock that is passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from dashboard.access.logins import Logins, digest
from dashboard.access.users import Access
from tests.dashboard.people import person
from wire.bus import connect_async
from wire.keys import Keys

ANNA = person("anna")
ACCESS = Access("s3cret", {"anna": ANNA})


def run(url: str, work: Callable[[redis.asyncio.Redis], Awaitable[None]]) -> None:
    async def main() -> None:
        bus = connect_async(url)
        try:
            await work(bus)
        finally:
            await bus.aclose()

    asyncio.run(main())


def test_a_login_is_found_by_its_cookie_alone_at_every_dashboard(redis_url: str, bus: redis.Redis, keys: Keys) -> None:
    async def work(client: redis.asyncio.Redis) -> None:
        here, there = (Logins(client, keys, ACCESS, 60, 600) for _ in range(2))
        cookie = await here.begin("anna")
        found = await there.find(cookie)
        assert found
        assert found.user == "anna"
        assert len(cookie) == 43
        for strange in ("", "x", cookie[:-1], cookie + "x", "x" * 100_000, digest(cookie), "\ud800"):
            assert await there.find(strange) is None
        await there.end(cookie)
        assert await here.find(cookie) is None

    run(redis_url, work)


def test_redis_holds_nothing_to_come_in_with(redis_url: str, bus: redis.Redis, keys: Keys) -> None:
    async def work(client: redis.asyncio.Redis) -> None:
        logins = Logins(client, keys, ACCESS, 60, 600)
        for user in ("anna", "token"):
            cookie = await logins.begin(user)
            kept: Any = bus.keys("*")
            everything = b"".join([*kept, *(bus.get(key) or b"" for key in kept)])  # type: ignore[misc]
            for secret in (cookie, ANNA.hash, "s3cret"):
                assert secret.encode() not in everything

    run(redis_url, work)


def test_another_password_and_a_removed_user_end_it(redis_url: str, keys: Keys) -> None:
    async def work(client: redis.asyncio.Redis) -> None:
        cookie = await Logins(client, keys, ACCESS, 60, 600).begin("anna")
        for access in (Access("s3cret"), Access("s3cret", {"anna": person("anna")})):  # the latter has another salt
            assert await Logins(client, keys, access, 60, 600).find(cookie) is None
        mine = await Logins(client, keys, ACCESS, 60, 600).begin("token")
        assert await Logins(client, keys, Access("other"), 60, 600).find(mine) is None
        assert await Logins(client, keys, Access("s3cret"), 60, 600).find(mine)

    run(redis_url, work)


def test_it_ends_when_it_is_not_used_and_after_the_longest_time(redis_url: str, bus: redis.Redis, keys: Keys) -> None:
    now = 1000.0

    async def work(client: redis.asyncio.Redis) -> None:
        nonlocal now
        logins = Logins(client, keys, ACCESS, 60, 600, lambda: now)
        cookie = await logins.begin("anna")
        key = keys.login(digest(cookie))
        assert 50_000 < bus.pttl(key) <= 60_000  # type: ignore[operator]
        bus.pexpire(key, 5000)  # 55 s pass
        assert await logins.find(cookie)
        assert 50_000 < bus.pttl(key) <= 60_000  # type: ignore[operator]
        bus.pexpire(key, 5000)
        assert await logins.living([digest(cookie), digest("other")]) == {digest(cookie)}  # its page is open
        assert bus.pttl(key) > 50_000  # type: ignore[operator]
        now += 580
        bus.pexpire(key, 5000)
        assert await logins.find(cookie)
        assert 10_000 < bus.pttl(key) <= 20_000  # type: ignore[operator]
        now -= 3600  # a clock that is set back grants no more than the longest time
        assert await logins.find(cookie)
        assert bus.pttl(key) <= 60_000  # type: ignore[operator]
        now += 3600 + 21
        await logins.find(cookie)
        assert not bus.exists(key)
        assert await logins.living([]) == set()
        bus.set(key, b"no login")
        assert await logins.find(cookie) is None

    run(redis_url, work)
