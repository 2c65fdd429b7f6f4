"""What stands in Redis beside the streams: the configured cameras, snoozes, and the services' signs of life."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis.asyncio

from dashboard.protocol import Services
from dashboard.spaces import Space, Spaces, each
from wire.keys import ALL_CAMERAS, Keys, literal
from wire.messages import ServiceState, Snooze


async def camera_names(bus: redis.asyncio.Redis, keys: Keys) -> set[str]:
    """The configured cameras. Raises redis errors."""
    names: set[Any] = await bus.smembers(keys.camera_names)
    return {name.decode("utf-8", "replace") for name in names}


async def kept_states(bus: redis.asyncio.Redis, keys: Keys, names: Iterable[str]) -> set[str]:
    """Those of `names` of which a state is kept: a camera that was taken out has none. Raises redis errors."""
    asked = sorted(names)
    kept: list[Any] = await bus.mget([keys.camera(name) for name in asked]) if asked else []
    return {name for name, data in zip(asked, kept, strict=True) if data is not None}


async def snoozes(bus: redis.asyncio.Redis, keys: Keys, names: set[str]) -> dict[str, float]:
    """Until when each of the cameras, or all of them, is snoozed, Unix seconds. Raises redis errors."""
    places = [*sorted(names), ALL_CAMERAS]
    kept: list[Any] = await bus.mget([keys.snooze(name) for name in places])
    found = {name: Snooze.read(data) for name, data in zip(places, kept, strict=True)}
    return {name: snooze.until for name, snooze in found.items() if snooze is not None}


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands in a shard."""

    names: set[str]  # the configured cameras
    left: set[str]  # others whose state is still kept
    snoozes: dict[str, float]


async def see(space: Space, known: set[str]) -> Seen:
    """A shard, of which these cameras are known. Raises redis errors."""
    names = await camera_names(space.bus, space.keys)
    left = await kept_states(space.bus, space.keys, known - names)
    return Seen(names, left, await snoozes(space.bus, space.keys, names))


async def see_all(spaces: Spaces, known: Iterable[str]) -> list[Seen | Exception]:
    """Each shard, or why it does not answer; `known` are the cameras of all of them."""
    own = {space.keys: names for space, names in spaces.divided(known)}
    return await each(spaces, lambda space: see(space, own[space.keys]))


async def all_snoozes(spaces: Spaces, names: Iterable[str]) -> list[dict[str, float] | Exception]:
    """`snoozes` of each shard, or why it does not answer."""
    own = {space.keys: names for space, names in spaces.divided(names)}
    return await each(spaces, lambda space: snoozes(space.bus, space.keys, own[space.keys]))


async def see_home(home: Space) -> tuple[tuple[ServiceState, ...], Any]:
    """The services that live, and how often something was forgotten. Raises redis errors."""
    return await service_states(home.bus, home.keys), await home.bus.get(home.keys.forgotten)


async def service_states(bus: redis.asyncio.Redis, keys: Keys) -> tuple[ServiceState, ...]:
    """The services that live, by role and id. Raises redis errors."""
    pattern = literal(keys.prefix) + keys.service("*", "*").removeprefix(keys.prefix)
    names = [name async for name in bus.scan_iter(match=pattern, count=1000)]
    found: list[Any] = await bus.mget(names) if names else []
    states = [state for data in found if (state := ServiceState.read(data))]
    return tuple(sorted(states, key=lambda state: (state.role, state.id)))


def count_ready(states: Iterable[ServiceState]) -> Services:
    """The services that are ready by role, and what one of them says must be known of its model."""
    ready, caveat, trouble = {"streamer": 0, "worker": 0, "dashboard": 0}, "", ""
    for state in states:
        trouble = trouble or state.trouble
        if state.state == "ready":
            ready[state.role] += 1
            caveat = caveat or state.caveat
    return Services(**ready, caveat=caveat, trouble=trouble)
