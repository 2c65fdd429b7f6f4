"""What was forgotten in Redis is no longer on the dashboard, and nobody is told an event twice for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import redis

from dashboard.client import Client
from dashboard.protocol import AlertMessage
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.servers import wait_until
from wire.keys import Keys


def test_an_alert_that_was_forgotten(
    dashboard: Callable[..., Running], feed: Feed, bus: redis.Redis, keys: Keys
) -> None:
    ids = {name: feed.alert(name, "end") for name in ("stays", "goes")}
    one = dashboard().synced()
    wait_until(lambda: one.hub.alerts.get("goes"), 15, "it is known")
    got: list[str] = []

    async def listen() -> None:
        async with aclosing(aiter(Client(one.ws, since="0"))) as events:
            async for event in events:
                if isinstance(event, AlertMessage):
                    got.append(event.alert.id)
                if "after" in got:
                    return
                if "goes" in got and len(got) == 2:
                    await asyncio.to_thread(forget)

    def forget() -> None:
        bus.xdel(keys.alerts, ids["goes"])
        bus.delete(keys.alert("goes"))
        bus.incr(keys.forgotten)
        wait_until(lambda: one.hub.alerts.get("goes") is None and one.hub.alerts.get("stays"), 30, "it is gone")
        feed.alert("after")

    asyncio.run(asyncio.wait_for(listen(), 60))
    assert got == ["stays", "goes", "after"]
