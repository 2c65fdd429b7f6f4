"""Cameras: how they stand, their pictures, their score lines, and snoozing them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from dashboard import operator
from dashboard.api import answers
from dashboard.api.context import Context
from dashboard.api.errors import UNSCOPED, Refused
from dashboard.api.types import Cameras, SnoozeBody, Snoozed, Timeline
from dashboard.spaces import Space, everywhere
from wire.keys import ALL_CAMERAS
from wire.messages import Snooze

UNKNOWN = "no camera of that name"
PREVIEW_S = 2.0  # the next picture is due by then


async def cameras(context: Context, request: Request, _ask: None) -> Response:
    """All cameras, of those one may see, with their verdicts."""
    return answers.json(request, Cameras(bus=context.hub.bus, cameras=context.hub.snapshot(context.who)))


async def timeline(context: Context, request: Request, _ask: None) -> Response:
    """One camera's rolling score lines."""
    if not context.who.may_see(request.path_params["name"]):
        raise Refused(404, UNKNOWN)
    try:
        tracks = context.hub.cameras.timeline(request.path_params["name"])
    except KeyError:
        raise Refused(404, UNKNOWN) from None
    return answers.json(request, Timeline(tracks=tracks))


async def preview(context: Context, request: Request, _ask: None) -> Response:
    """One camera's newest picture, boxes drawn."""
    name: str = request.path_params["name"]
    space, data = context.spaces.camera(name), None
    if context.who.may_see(name):
        if space.keys.prefix in context.hub.silent:  # a page asks every second, and has few connections for all cameras
            raise Refused(503, "the part of Redis that has that camera does not answer")
        async with asyncio.timeout(PREVIEW_S):
            data = await space.bus.get(space.keys.preview(name))
    if data is None:
        raise Refused(404, "no picture of that camera in the last seconds")
    return Response(cast(bytes, data), media_type="image/jpeg", headers={"cache-control": "no-store"})


async def snooze(context: Context, request: Request, ask: SnoozeBody) -> Response:
    """Let no alert open on a camera for some minutes; open ones go on and end as usual."""
    return await _snooze(context, request, _camera(context, request), ask)


async def wake(context: Context, request: Request, _ask: None) -> Response:
    """Take a snooze away; a camera's own one does not end that of all cameras."""
    return await _wake(context, request, _camera(context, request))


async def snooze_all(context: Context, request: Request, ask: SnoozeBody) -> Response:
    """Let no alert open on any camera for some minutes."""
    return await _snooze(context, request, ALL_CAMERAS, ask)


async def wake_all(context: Context, request: Request, _ask: None) -> Response:
    """Take the snooze of all cameras away; those of single cameras stay."""
    return await _wake(context, request, ALL_CAMERAS)


async def _snooze(context: Context, request: Request, camera: str, ask: SnoozeBody) -> Response:
    now = time.time()
    until = now + ask.minutes * 60
    wanted = Snooze(camera=camera, until=until, at=now, by=context.who.name)
    await everywhere(_of(context, camera), lambda space: operator.snooze(space.bus, space.keys, wanted))
    return await _told(context, request, Snoozed(camera=camera, until=until))


async def _wake(context: Context, request: Request, camera: str) -> Response:
    await everywhere(_of(context, camera), lambda space: operator.wake(space.bus, space.keys, camera))
    return await _told(context, request, Snoozed(camera=camera, until=None))


def _of(context: Context, camera: str) -> Sequence[Space]:
    """The shards that have to know of a camera, or of all."""
    return context.spaces.shards if camera == ALL_CAMERAS else [context.spaces.camera(camera)]


def _camera(context: Context, request: Request) -> str:
    """The camera the address names, which may be all. Raises Refused."""
    name: str = request.path_params["name"]
    if name == ALL_CAMERAS and context.who.scoped:
        raise Refused(403, UNSCOPED)
    if name != ALL_CAMERAS and not (name in context.hub.cameras and context.who.may_see(name)):
        if not context.hub.synced.is_set():
            raise Refused(503, "the cameras have not yet been read from Redis")
        raise Refused(404, UNKNOWN)
    return name


async def _told(context: Context, request: Request, answer: Snoozed) -> Response:
    """The answer, once every view shows it."""
    await context.hub.read_snoozes(answer.camera)
    return answers.json(request, answer)
