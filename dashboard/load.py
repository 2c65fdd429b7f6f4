"""What Redis says of the line: the queue, what became of windows, and the evidence kept."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import redis.asyncio

from dashboard import cursors
from dashboard.spaces import Spaces
from dashboard.system import Load
from wire.keys import Keys


async def look(bus: redis.asyncio.Redis, keys: Keys, at: float) -> Load:
    """The load now; `at` is noted in it. Raises redis errors."""
    pipe = bus.pipeline(transaction=False)
    pipe.hgetall(keys.outcomes)
    pipe.xlen(keys.windows)
    pipe.xrange(keys.windows, count=1)
    pipe.time()
    pipe.zcard(keys.evidence_index)
    pipe.hget(keys.evidence_bytes, "")
    pipe.hgetall(keys.detectors)
    answers: list[Any] = await pipe.execute()
    outcomes, windows, oldest, (seconds, micros), evidence, size, detectors = answers
    # Both times are the Redis server's, so no other clock can make the queue look young.
    written = cursors.parse(oldest[0][0])[0] / 1000 if oldest else None
    return Load(
        at=at,
        windows=windows,
        oldest_s=0.0 if written is None else max(0.0, seconds + micros / 1e6 - written),
        outcomes=_counts(outcomes),
        detectors=_counts(detectors),
        evidence=evidence,
        evidence_bytes=int(size or 0),
    )


async def look_at_all(spaces: Spaces, at: float) -> Load:
    """The load of all shards together. Raises redis errors."""
    each = await asyncio.gather(*(look(one.bus, one.keys, at) for one in spaces.shards))
    return Load(
        at=at,
        windows=sum(one.windows for one in each),
        oldest_s=max(one.oldest_s for one in each),
        outcomes=_sum(one.outcomes for one in each),
        detectors=_sum(one.detectors for one in each),
        evidence=sum(one.evidence for one in each),
        evidence_bytes=sum(one.evidence_bytes for one in each),
    )


def _sum(each: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in each:
        total.update(one)
    return dict(total)


def _counts(found: dict[bytes, bytes]) -> dict[str, int]:
    return {name.decode(errors="replace"): int(count) for name, count in found.items()}


async def memory(bus: redis.asyncio.Redis) -> tuple[int, int]:
    """Bytes Redis uses, and its maxmemory, 0 where there is none. Raises redis errors."""
    told: Any = await bus.info("memory")
    return int(told.get("used_memory", 0)), int(told.get("maxmemory", 0))
