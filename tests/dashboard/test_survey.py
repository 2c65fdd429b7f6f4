from __future__ import annotations

import asyncio
import time
from itertools import count
from urllib.parse import urlsplit

import pytest
import redis
import redis.asyncio
import structlog
from structlog.testing import capture_logs

from dashboard import spaces, survey
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.probes import readiness
from dashboard.survey import count_ready
from tests.dashboard.feed import Feed
from tests.support.proxy import Proxy, proxied
from tests.support.servers import free_port
from wire.bus import connect_async
from wire.keys import ALL_CAMERAS, Keys
from wire.messages import ServiceState, Snooze
from wire.shards import Shard, prefixes, shard_of


def test_what_a_service_wants_put_right_is_told() -> None:
    found = count_ready([ServiceState(role="streamer", id="s", state="ready", since=0.0, updated=0.0, trouble="no!")])
    assert found.trouble == "no!"


def test_only_what_is_ready_counts_and_one_caveat_is_told() -> None:
    states = [
        ServiceState(role=role, id=str(n), state=state, since=0.0, updated=0.0, caveat=caveat)  # type: ignore[arg-type]
        for n, (role, state, caveat) in enumerate(
            [("streamer", "ready", ""), ("worker", "starting", "no"), ("worker", "ready", "a baseline")]
        )
    ]
    found = count_ready(states)
    assert (found.streamer, found.worker, found.dashboard, found.caveat) == (1, 1, 0, "a baseline")


def test_a_prefix_is_no_pattern_and_what_is_no_message_is_passed_over(bus: redis.Redis, redis_url: str) -> None:
    keys = Keys("a[b]*:")
    mine, neighbour = Feed(bus, keys), Feed(bus, Keys("ab-:"))
    mine.service("worker")
    mine.service("streamer")
    neighbour.service("dashboard")
    mine.camera("door")
    bus.set(keys.service("worker", "broken"), b"no message")
    until = time.time() + 60
    bus.set(keys.snooze("door"), Snooze(camera="door", until=until, at=0.0).encode())
    bus.set(keys.snooze(ALL_CAMERAS), b"no message")

    async def look() -> tuple[list[str], set[str], dict[str, float]]:
        async with redis.asyncio.Redis.from_url(redis_url) as asking:
            states = await survey.service_states(asking, keys)
            names = await survey.camera_names(asking, keys)
            return [state.id for state in states], names, await survey.snoozes(asking, keys, names)

    assert asyncio.run(look()) == (["streamer-1", "worker-1"], {"door"}, {"door": until})


def test_a_camera_that_comes_during_a_look_is_not_taken_for_removed(
    feed: Feed, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = survey.camera_names

    async def look() -> tuple[list[str], list[str]]:
        async with connect_async(redis_url) as asking:
            hub = Hub(DashboardConfig(redis_url=redis_url), asking, structlog.get_logger(), Metrics())
            hub.synced.set()

            async def before_it_came(bus: redis.asyncio.Redis, keys: Keys) -> set[str]:
                found = await names(bus, keys)
                hub.cameras.hear(feed.camera("door"), time.time())
                return found

            monkeypatch.setattr(survey, "camera_names", before_it_came)
            assert await hub.survey()
            during = hub.cameras.names()
            monkeypatch.setattr(survey, "camera_names", names)
            feed.bus.srem(feed.keys.camera_names, "door")
            feed.bus.delete(feed.keys.camera("door"))
            assert await hub.survey()
            return during, hub.cameras.names()

    assert asyncio.run(look()) == (["door"], [])


def after_a_survey(url: str) -> tuple[bool, str]:
    """Whether it could look, and how Redis is then said to be, in a hub that reads nothing else."""

    async def look() -> tuple[bool, str]:
        async with connect_async(url) as asking:
            hub = Hub(DashboardConfig(redis_url=url), asking, structlog.get_logger(), Metrics())
            return await hub.survey(), hub.bus

    return asyncio.run(look())


def test_a_survey_that_does_not_reach_redis_says_that_it_is_lost(redis_url: str, feed: Feed) -> None:
    assert after_a_survey(f"redis://127.0.0.1:{free_port()}/0") == (False, "lost")
    assert after_a_survey(redis_url) == (True, "ok")
    feed.bus.set(feed.keys.camera_names, "no set")
    with capture_logs() as lines:
        looked, status = after_a_survey(redis_url)
    assert not looked
    assert status != "lost", "it answers"
    assert ["refuses" in line["event"] for line in lines] == [True]


def test_a_shard_that_does_not_answer_keeps_none_from_being_seen(
    redis_url: str, bus: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in it stays as it was; its pictures are refused at once; and all is seen again when it answers."""
    monkeypatch.setattr(spaces, "PATIENCE_S", 1.0)
    home, keys = Keys("{u}:"), [Keys(prefix) for prefix in prefixes("{u}:", 2)]
    feeds = [Feed(bus, one) for one in keys]
    cameras = [next(name for n in count() if shard_of(name := f"cam{n}", 2) == shard) for shard in range(2)]
    for feed, name in zip(feeds, cameras, strict=True):
        feed.camera(name)
    until = time.time() + 60
    bus.set(keys[1].snooze(cameras[1]), Snooze(camera=cameras[1], until=until, at=0.0).encode())

    async def look(proxy: Proxy) -> None:
        behind = f"redis://127.0.0.1:{proxy.port}/0"
        config = DashboardConfig(redis_url, home, (Shard(redis_url, keys[0]), Shard(behind, keys[1])))
        async with connect_async(redis_url) as asking:
            hub = Hub(config, asking, structlog.get_logger(), Metrics())
            hub.synced.set()
            assert await hub.survey()
            assert hub.cameras.names() == sorted(cameras)
            proxy.stall()
            Feed(bus, home).service("worker")
            bus.set(keys[0].snooze(cameras[0]), Snooze(camera=cameras[0], until=until, at=0.0).encode())
            bus.sadd(keys[0].camera_names, "new")
            assert not await hub.survey()
            assert hub.silent == {keys[1].prefix}
            assert hub.services.worker == 1
            assert hub.cameras.snoozes == dict.fromkeys(cameras, until)
            assert hub.cameras.names() == sorted([*cameras, "new"])
            parts = await readiness(hub)
            assert "1 of 2 shards" in parts["redis"].detail
            assert parts["worker"].ok
            proxy.flow()
            bus.delete(keys[1].snooze(cameras[1]))
            assert await hub.survey()
            assert (hub.silent, hub.cameras.snoozes) == (frozenset(), {cameras[0]: until})
            for space in hub.spaces.others:
                await space.bus.aclose()

    with proxied(urlsplit(redis_url).port or 0) as proxy:
        asyncio.run(look(proxy))
