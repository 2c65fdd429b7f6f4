"""The alert events of shards in one stream: each once, in its shard's order, whoever brings it and whatever is lost."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from dashboard import streams
from dashboard.cursors import START, Cursor
from dashboard.gather import PAGE, Gatherer
from dashboard.spaces import Space
from tests.dashboard.feed import alert_event
from unmask.forget import Eraser
from wire import shards as wire_shards
from wire.bus import connect_async
from wire.keys import FIELD, Keys
from wire.messages import AlertEvent

HOME, SHARDS, KEEP_S = Keys("{u}:"), (Keys("{u.0}:"), Keys("{u.1}:")), 86_400.0
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["write", "write", "gather", "race", "lose"]), st.integers(0, 1)),
        st.sampled_from([("read", 0), ("keep", 0), ("lose-home", 0)]),
    ),
    max_size=25,
)


class World:
    """Two shards and a home on one server, two dashboards, and a subscriber that resumes by its cursor."""

    def __init__(self, bus: redis.Redis, clients: list[redis.asyncio.Redis]) -> None:
        bus.flushall()
        self._bus, self._number, self._cursor = bus, 0, START
        self.seen: list[str] = []
        self.again = False  # the home has forgotten what the subscriber was told
        self._dashboards = [
            [Gatherer(Space(client, HOME), Space(client, keys), n, KEEP_S) for n, keys in enumerate(SHARDS)]
            for client in clients
        ]
        self._reader = clients[0]
        self._kept: dict[str, Any] = {}

    async def do(self, step: str, shard: int) -> None:
        one, other = (each[shard] for each in self._dashboards)
        if step == "write":
            self._number += 1
            event = alert_event(f"{shard}-{self._number}")
            self._bus.xadd(SHARDS[shard].alerts, {FIELD: event.encode()}, id=f"{self._number}-0")
        elif step == "gather":
            await one.catch_up()
        elif step == "race":
            await asyncio.gather(one.catch_up(), other.catch_up())
        elif step == "read":
            await self._read()
        elif step == "keep":  # what a replica has
            keys = [keys.alerts for keys in (HOME, *SHARDS)] + [HOME.gathered(0), HOME.gathered(1)]
            self._kept = {key: self._bus.dump(key) for key in keys}
        elif self._kept and step == "lose":  # and what is left once its primary has died
            self._fail_over(SHARDS[shard].alerts)
        elif self._kept:
            self._fail_over(HOME.alerts, HOME.gathered(0), HOME.gathered(1))
            self.again = True

    def _fail_over(self, *keys: str) -> None:
        for key in keys:
            self._bus.delete(key)
            if self._kept[key] is not None:
                self._bus.restore(key, 0, self._kept[key])

    async def _read(self) -> None:
        page = await streams.read_page(self._reader, HOME.alerts, self._cursor)
        self._cursor: Cursor = page.reached
        self.seen += [entry.event.alert.id for entry in page.entries]

    def ids(self, keys: Keys) -> list[str]:
        rows: Any = self._bus.xrange(keys.alerts)
        return [AlertEvent.decode(fields[FIELD]).alert.id for _, fields in rows]


@hypothesis(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_each_once_and_in_order(steps: list[tuple[str, int]], bus: redis.Redis, redis_url: str) -> None:
    async def live() -> World:
        clients = [connect_async(redis_url), connect_async(redis_url)]
        world = World(bus, clients)
        for step in (*steps, ("race", 0), ("race", 1), ("read", 0)):
            await world.do(*step)
        for client in clients:
            await client.aclose()
        return world

    world = asyncio.run(live())
    home = world.ids(HOME)
    for shard, keys in enumerate(SHARDS):
        numbers = [int(id.split("-")[1]) for id in home if id.startswith(f"{shard}-")]
        assert numbers == sorted(set(numbers)), "in the shard's order, none twice"
        assert set(world.ids(keys)) <= set(home), "none is lost"
    if not world.again:
        assert world.seen == home, "a cursor goes on where it was"


def test_more_than_a_page(bus: redis.Redis, redis_url: str) -> None:
    async def gather() -> World:
        async with connect_async(redis_url) as client:
            world = World(bus, [client, client])
            with bus.pipeline() as pipe:
                for number in range(PAGE + 3):
                    pipe.xadd(SHARDS[0].alerts, {FIELD: alert_event(f"0-{number}").encode()})
                pipe.execute()
            await world.do("gather", 0)
            return world

    world = asyncio.run(gather())
    assert world.ids(HOME) == world.ids(SHARDS[0])


def test_what_is_forgotten_in_the_middle_is_not_brought_over(bus: redis.Redis, redis_url: str) -> None:
    """A dashboard has read the shard, and is about to write, when `unmask forget` deletes."""
    home, shard = wire_shards.Space(bus, HOME), wire_shards.Space(bus, SHARDS[0])
    eraser = Eraser(wire_shards.Spaces(home, (shard,)), shard, 30)

    class Slow(Gatherer):
        async def _page(self, after: Cursor) -> tuple[Cursor, list[Any]]:
            found = await super()._page(after)
            if not eraser.gone:
                erasing = threading.Thread(target=eraser.camera, args=("cellar",))
                erasing.start()
                await asyncio.to_thread(erasing.join)
            return found

    async def gather() -> World:
        async with connect_async(redis_url) as client:
            world = World(bus, [client, client])
            for id, camera in (("a", "cellar"), ("b", "attic")):
                bus.xadd(SHARDS[0].alerts, {FIELD: alert_event(id, camera=camera).encode()})
            await Slow(Space(client, HOME), Space(client, SHARDS[0]), 0, KEEP_S).catch_up()
            return world

    world = asyncio.run(gather())
    assert eraser.gone["alert events"] == 1
    assert world.ids(HOME) == world.ids(SHARDS[0]) == ["b"]
