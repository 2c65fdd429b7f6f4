"""What /readyz and /metrics look up when they are asked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import redis

from dashboard.access.principal import ITSELF
from dashboard.hub import Hub
from dashboard.load import look_at_all, memory
from dashboard.metrics import Metrics
from dashboard.streams import BUS_ERRORS
from dashboard.system import OUTCOMES
from wire.messages import CameraStatus, CameraVerdict, Role, ServiceState

LOOK_S = 3.0
_STATES: tuple[str, ...] = (*CameraStatus.__args__, "unknown")  # type: ignore[attr-defined]
_VERDICTS: tuple[str, ...] = CameraVerdict.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Part:
    """Whether one part of the whole is ready, and in words what is not."""

    ok: bool
    detail: str


async def readiness(hub: Hub) -> dict[str, Part]:
    """Redis, and the services by their heartbeats."""
    reached = await hub.asked.answer()
    parts = {
        "redis": _redis(hub, reached),
        "picture": Part(hub.synced.is_set(), "complete" if hub.synced.is_set() else "not yet read from Redis"),
    }
    roles: tuple[Role, ...] = ("streamer", "worker")
    for role in roles:
        count = getattr(hub.services, role) if hub.spaces.home.keys.prefix not in hub.silent else 0
        parts[role] = Part(count > 0, f"{count} ready" if count else _none(hub, role))
    return parts


def _redis(hub: Hub, reached: bool) -> Part:
    """Whether it answers all that is asked, and takes what is written."""
    if not reached:
        return Part(False, _unreached(hub))
    if hub.refused:
        why = next(iter(hub.refused.values()))
        return Part(False, f"takes no writes{_of_shards(hub, hub.refused)}: {why}")
    return Part(True, "answers")


def refused(error: redis.ResponseError) -> str:
    """Why Redis takes no writes, for anybody: its own words may name its user, and are in the log."""
    if isinstance(error, redis.exceptions.OutOfMemoryError):
        return "it has no memory left, raise its maxmemory"
    if str(error).startswith("MISCONF"):
        return "it can't write its file, free its disk"
    return "the dashboard's log says why"


def _none(hub: Hub, role: Role) -> str:
    """Why no service of a role is known to be ready."""
    home = hub.spaces.home.keys.prefix
    if home in hub.silent:
        return "not known: Redis does not answer"
    if home in hub.refused:
        return "not known: Redis takes no sign of life"
    starting = sum(one.role == role and one.state == "starting" for one in hub.system.services)
    return f"none is ready: {starting} starting" if starting else "none is ready: is one running?"


def _unreached(hub: Hub) -> str:
    """What to do about a Redis that does not answer, or not for all."""
    if some := _of_shards(hub, hub.silent):
        return f"does not answer{some}, whose cameras are stale: start what has them"
    return "can't be reached: start it or correct REDIS_URL"


def _of_shards(hub: Hub, prefixes: Collection[str]) -> str:
    """For how many shards something of these key spaces holds, where it does not hold for all."""
    each = [space.keys.prefix in prefixes for space in hub.spaces.shards]
    return f" for {sum(each)} of {len(each)} shards" if any(each) and not all(each) else ""


async def measure(metrics: Metrics, hub: Hub) -> None:
    """Set the gauges; those that Redis tells keep their last value when it does not answer."""
    views = hub.snapshot(ITSELF)
    for gauge, names, found in (
        (metrics.cameras, _STATES, Counter(view.state for view in views)),
        (metrics.verdicts, _VERDICTS, Counter(str(view.verdict) for view in views)),
    ):
        for name in names:
            gauge.labels(name).set(found[name])
    metrics.alerts_open.set(len(hub.alerts.open()))
    metrics.subscribers.set(len(hub.subscribers))
    for role in ("streamer", "worker", "dashboard"):
        metrics.services.labels(role).set(getattr(hub.services, role))
    for verdict, count in hub.alerts.reviewed().items():
        metrics.reviews.labels(verdict).set(count)
    metrics.snoozed.set(sum(view.snoozed_until is not None for view in views))
    _set_workers(metrics, hub.system.services)
    try:
        async with asyncio.timeout(LOOK_S):
            load = await look_at_all(hub.spaces, time.time())
            used, limit = await memory(hub.spaces.home.bus)
    except (*BUS_ERRORS, TimeoutError):
        metrics.redis_up.set(0)
        return
    metrics.redis_up.set(1)
    metrics.outcomes.counts = {**dict.fromkeys(OUTCOMES, 0), **load.outcomes}  # a rate needs the 0 before the first 1
    metrics.opinions.counts = load.detectors
    metrics.redis_memory.set(used)
    metrics.redis_limit.set(limit)
    metrics.queue.set(load.windows)
    metrics.queue_age.set(load.oldest_s)
    metrics.evidence.set(load.evidence)
    metrics.evidence_bytes.set(load.evidence_bytes)


def _set_workers(metrics: Metrics, services: Iterable[ServiceState]) -> None:
    """What the workers say of themselves; one that is gone leaves no series behind."""
    metrics.batch_fill.clear()
    metrics.busy.clear()
    for worker in (service for service in services if service.role == "worker"):
        for gauge, value in ((metrics.batch_fill, worker.batch_fill), (metrics.busy, worker.busy)):
            if value is not None:
                gauge.labels(worker.id).set(value)
