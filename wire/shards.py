"""Shards: the key space once more for every part of the cameras, each in a slot, and so on a node, of its own.

All keys of a camera lie in its shard, so whatever is one transaction, script or blocking read in one key space is one
in a shard. What belongs to no camera lies in the home key space, under `redis.prefix` itself: signs of life, leases,
logins, notifications' places, and the alert events of all shards in one stream (`dashboard.gather`). One shard is the
home itself. docs/decisions/0013-one-slot-of-a-cluster.md has the reasons.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

import redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from wire import slots
from wire.errors import ServiceError
from wire.keys import Keys

Client = TypeVar("Client")


@dataclass(frozen=True, slots=True)
class Shard:
    """A key space, and how its server is reached. `url` may hold a password."""

    url: str = field(repr=False)
    keys: Keys


@dataclass(frozen=True)
class Space(Generic[Client]):
    """A key space, and a client of the server that holds it."""

    bus: Client
    keys: Keys


@dataclass(frozen=True)
class Spaces(Generic[Client]):
    """The home, and the shards with all that belongs to a camera; one shard is the home itself."""

    home: Space[Client]
    shards: tuple[Space[Client], ...]

    @classmethod
    def of(cls, home: Space[Client], shards: Sequence[Shard], connect: Callable[[str], Client]) -> Spaces[Client]:
        """A client from `connect` for each shard that is not the home. Raises what `connect` does."""
        each = (home if one.keys == home.keys else Space(connect(one.url), one.keys) for one in shards)
        return cls(home, tuple(each) or (home,))

    @property
    def others(self) -> tuple[Space[Client], ...]:
        """The shards that are not the home; their clients are to be closed."""
        return tuple(space for space in self.shards if space is not self.home)

    def camera(self, name: str) -> Space[Client]:
        """Where a camera's keys lie."""
        return self.shards[shard_of(name, len(self.shards))]

    def divided(self, cameras: Iterable[str]) -> list[tuple[Space[Client], set[str]]]:
        """Each shard with those of the cameras that lie in it."""
        found: list[tuple[Space[Client], set[str]]] = [(space, set()) for space in self.shards]
        for name in cameras:
            found[shard_of(name, len(found))][1].add(name)
        return found


def shard_of(camera: str, shards: int) -> int:
    """The number, from 0, of the shard in which a camera's keys lie; the same in every process and build."""
    return zlib.crc32(camera.encode()) % shards


def prefixes(prefix: str, shards: int) -> tuple[str, ...]:
    """The prefix of each shard's key space; of one shard, `prefix` itself. Raises ValueError if it has no hash tag.

    Shard n gets `{tag.n}`, or the first of `{tag.n.1}`, `{tag.n.2}` and so on whose slot is in the n-th of `shards`
    equal parts of the slots. A Cluster gives its nodes such parts, so that shards fall on different ones without any
    process having to ask, or to remember, where they lay when they were chosen.
    """
    if shards == 1:
        return (prefix,)
    if not (name := slots.tag(prefix)):
        raise ValueError("redis.shards wants a hash tag in redis.prefix, as '{unmask}:', to keep each in one slot")
    return tuple(prefix.replace(f"{{{name}}}", f"{{{_tag(name, n, shards)}}}", 1) for n in range(shards))


def _tag(name: str, n: int, shards: int) -> str:
    tags = (f"{name}.{n}" + (f".{more}" if more else "") for more in count())
    return next(one for one in tags if key_slot(one.encode()) * shards // REDIS_CLUSTER_HASH_SLOTS == n)


def located(url: str, prefix: str, shards: int, cluster: Sequence[str]) -> tuple[Shard, ...]:
    """The shards of the Redis at `url`: in a Cluster each has a url with a slot of its own."""
    each = prefixes(prefix, shards)
    return tuple(Shard(slots.join(url, cluster, one) if cluster else url, Keys(one)) for one in each)


def agree(client: redis.Redis, home: Keys, shards: int) -> None:
    """Note the number of shards where none is noted. Raises ServiceError for another, and redis.RedisError.

    With another number cameras would be looked for where they are not.
    """
    if client.get(home.shards) is None:
        client.set(home.shards, shards, nx=True)
    same(client.get(home.shards), shards)


def same(noted: object, shards: int) -> None:
    """Raises ServiceError where another number of shards is `noted`; nobody may have noted any."""
    if isinstance(noted, bytes) and noted != b"%d" % shards:
        raise ServiceError(
            f"redis.shards is {shards}, this Redis holds {noted.decode(errors='replace')} shards",
            "give all services the same number; docs/cluster.md says how it is changed",
        )
