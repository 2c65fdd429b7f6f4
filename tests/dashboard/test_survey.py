from __future__ import annotations

import asyncio
import time

import pytest
import redis
import redis.asyncio
import structlog
from structlog.testing import capture_logs

from dashboard import survey
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.spaces import Spaces
from dashboard.survey import count_ready
from tests.dashboard.feed import Feed
from tests.support.servers import free_port
from wire.bus import connect_async
from wire.keys import ALL_CAMERAS, Keys
from wire.messages import ServiceState, Snooze


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
    names = survey.all_names

    async def look() -> tuple[list[str], list[str]]:
        async with connect_async(redis_url) as asking:
            hub = Hub(DashboardConfig(redis_url=redis_url), asking, structlog.get_logger(), Metrics())
            hub.synced.set()

            async def before_it_came(spaces: Spaces) -> set[str]:
                found = await names(spaces)
                hub.cameras.hear(feed.camera("door"), time.time())
                return found

            monkeypatch.setattr(survey, "all_names", before_it_came)
            assert await hub.survey()
            during = hub.cameras.names()
            monkeypatch.setattr(survey, "all_names", names)
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
