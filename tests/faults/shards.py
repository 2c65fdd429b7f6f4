"""Shards: the key space once more for every part of the cameras, each in a slot, and so on a node, of its own.

All keys of a camera lie in one shard, so whatever is one transaction, script or blocking read in one key space is one
in a shard. The services know none yet: what is missing stands in docs/decisions/0013-one-slot-of-a-cluster.md.
"""

from __future__ import annotations

import zlib
from itertools import count

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from wire.slots import tag


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
    if not (name := tag(prefix)):
        raise ValueError("redis.shards wants a hash tag in redis.prefix, as '{unmask}:', to keep each in one slot")
    return tuple(prefix.replace(f"{{{name}}}", f"{{{_tag(name, n, shards)}}}", 1) for n in range(shards))


def _tag(name: str, n: int, shards: int) -> str:
    tags = (f"{name}.{n}" + (f".{more}" if more else "") for more in count())
    return next(one for one in tags if key_slot(one.encode()) * shards // REDIS_CLUSTER_HASH_SLOTS == n)
