"""Alerts: the list, one with its evidence, the operator's verdict, and all of it as one file."""

from __future__ import annotations

import asyncio
import time
from functools import cache

from starlette.requests import Request
from starlette.responses import Response

from dashboard import archive, operator
from dashboard.api import answers, evidence
from dashboard.api.context import GONE, Context
from dashboard.api.errors import Refused
from dashboard.api.types import Alerts, AlertsQuery, OneAlert, Reviewed, VerdictBody
from dashboard.history import Place, place_of
from dashboard.spaces import PATIENCE_S
from wire.messages import Alert, Review


async def alerts(context: Context, request: Request, ask: AlertsQuery) -> Response:
    """Alerts, newest first, filtered and paged: all that are kept, or the newest 20,000 where there are more."""

    @cache  # there are many alerts, of few cameras
    def of(camera: str) -> bool:
        return context.who.may_see(camera) and ask.wants_camera(camera)

    def wanted(alert: Alert) -> bool:
        return of(alert.camera) and ask.wants(alert)

    found = context.hub.alerts.select(wanted, ask.limit + 1, await _place(context, ask), ask.since, ask.end)
    page = found[: ask.limit]
    more = page[-1].id if len(found) > ask.limit else None
    return answers.json(request, Alerts(bus=context.hub.bus, alerts=page, next=more))


async def _place(context: Context, ask: AlertsQuery) -> Place | None:
    """Where the page begins. Raises Refused."""
    if ask.before is None:
        return None
    known = await context.find(ask.before)
    if known is None:
        raise Refused(400, "before: the id of an alert that is no longer kept")
    return place_of(known)


async def alert(context: Context, request: Request, _ask: None) -> Response:
    """One alert and what its evidence holds."""
    found = await context.alert(request)
    shown = evidence.facts(await evidence.parts(context, found.id))
    return answers.json(request, OneAlert(alert=found, evidence=shown))


async def verdict(context: Context, request: Request, ask: VerdictBody) -> Response:
    """Say what an alert was; kept beside its scores, told to all subscribers."""
    alert = await context.alert(request)
    said = Review(
        alert=alert.id, verdict=ask.verdict, note=ask.note, at=time.time(),
        by=context.who.name,
    )  # fmt: skip
    space = context.spaces.camera(alert.camera)
    async with asyncio.timeout(PATIENCE_S):
        event = await operator.review(space.bus, space.keys, said, context.config.keep_s)
    if event is None:
        raise Refused(404, GONE)
    context.hub.alerts.take(event)  # so that whoever asks next sees it; the stream brings it again
    assert isinstance(event.alert.review, Review)
    return answers.json(request, Reviewed(review=event.alert.review))


async def export(context: Context, request: Request, _ask: None) -> Response:
    """One alert with all its evidence, a manifest and SHA-256 sums, as a ZIP."""
    found = await context.alert(request)
    kept = await evidence.parts(context, found.id)
    data = await asyncio.to_thread(lambda: archive.build(found, evidence.facts(kept), kept))
    name = answers.attachment(found.id, ".zip")
    return answers.tagged(request, data, "application/zip", answers.ANEW, content_disposition=name)
