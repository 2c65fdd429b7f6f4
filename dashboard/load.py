"""One look at what Redis says of the line: the queue, what became of windows, and the evidence kept."""

from __future__ import annotations

from typing import Any

import redis.asyncio

from dashboard import cursors
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


def _counts(found: dict[bytes, bytes]) -> dict[str, int]:
    return {name.decode(errors="replace"): int(count) for name, count in found.items()}


async def memory(bus: redis.asyncio.Redis) -> tuple[int, int]:
    """Bytes Redis uses, and its maxmemory, 0 where there is none. Raises redis errors."""
    told: Any = await bus.info("memory")
    return int(told.get("used_memory", 0)), int(told.get("maxmemory", 0))
