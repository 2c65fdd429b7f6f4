"""The system view: latencies, the queue, losses, services, and whether the workers keep up."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api import answers
from dashboard.api.context import Context
from dashboard.api.types import (
    CapacityWords,
    EvidenceUse,
    Outcomes,
    Queue,
    Service,
    Stage,
    SystemView,
)
from dashboard.system import OUTCOMES, Load


async def system(context: Context, request: Request, _ask: None) -> Response:
    """Per-stage latency, queue age, drops by cause, services and capacity."""
    return answers.json(request, view(context, time.time()))


def view(context: Context, now: float) -> SystemView:
    """The answer at a time."""
    hub, facts = context.hub, context.hub.system
    load = facts.load or Load(now)
    limit = context.config.evidence_limit * len(hub.spaces.shards)
    capacity = facts.capacity(now, reached=hub.bus == "ok")
    return SystemView(
        at=now,
        bus=hub.bus,
        stages=[msgspec.convert(one, Stage, from_attributes=True) for one in facts.latencies.quantiles(now)],
        queue=Queue(windows=load.windows, oldest_s=load.oldest_s),
        outcomes=_outcomes(load.outcomes),
        per_minute=_outcomes(facts.minute.growth()),
        services=[msgspec.convert(one, Service, from_attributes=True) for one in facts.services],
        evidence=EvidenceUse(alerts=load.evidence, bytes=load.evidence_bytes, limit_bytes=limit),
        capacity=CapacityWords(state=capacity.state, words=capacity.words),
    )  # fmt: skip


def _outcomes(counts: Mapping[str, int]) -> Outcomes:
    return Outcomes(**{name: counts.get(name, 0) for name in OUTCOMES})
