from __future__ import annotations

import asyncio
import time

import redis
import redis.asyncio

from dashboard import survey
from dashboard.survey import count_ready
from tests.dashboard.feed import Feed
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
