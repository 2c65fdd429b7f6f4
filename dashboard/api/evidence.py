"""The evidence of an alert: what is kept of it, as facts, pictures and video."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import redis
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api import answers
from dashboard.api.context import Context
from dashboard.api.errors import Refused
from dashboard.api.types import ClipFacts, Crop, EvidenceFacts, PictureFacts
from dashboard.spaces import Space, first
from wire.evidence import PARTS, Part, read
from wire.messages import Clip, Evidence, Explanation, Picture, Trace

LATER = "it comes some seconds after the alert opens, and is kept for alerts.evidence_days"
_NUMBER = re.compile(r"\d{1,4}", re.ASCII)
Parts = dict[bytes, bytes]


async def parts(context: Context, id: str, *names: Part) -> Parts:
    """The named parts of an alert's evidence, all without a name. Raises redis errors."""
    return await first(context.spaces, lambda space: _parts_in(space, id, names or tuple(PARTS))) or {}


async def _parts_in(space: Space, id: str, wanted: Sequence[Part]) -> Parts | None:
    """None where there is none of them; a key of another kind holds no evidence."""
    try:
        kept: list[Any] = await space.bus.hmget(space.keys.evidence(id), list(wanted))
    except redis.ResponseError as error:
        if "WRONGTYPE" in str(error):
            return None
        raise
    return {name.encode(): data for name, data in zip(wanted, kept, strict=True) if data is not None} or None


def facts(kept: Mapping[bytes, bytes]) -> EvidenceFacts | None:
    """What the parts say, without their pictures; None where the window that raised the alert is not among them."""
    found = dict(kept)
    window = read(found, Evidence)
    if window is None:
        return None
    trace, shown = read(found, Trace), read(found, Explanation)
    picture, clip = read(found, Picture), read(found, Clip)
    scores: list[float | None] = list(shown.frame_scores) if shown else []
    scores += [None] * (len(window.frames) - len(scores))
    return EvidenceFacts(
        window=window.window,
        model=window.model,
        threshold=window.threshold,
        p_fake=window.p_fake,
        quality=window.quality,
        frame_size=window.frame_size,
        crops=[
            Crop(captured=frame.captured, box=frame.box, p_fake=score)
            for frame, score in zip(window.frames, scores, strict=False)
        ],
        trace=list(trace.points) if trace else [],
        peak=shown.peak if shown else None,
        grid=[list(row) for row in shown.grid] if shown else None,
        camera=shown.camera if shown else None,
        picture=_picture_facts(picture) if picture else None,
        clip=_clip_facts(clip) if clip else None,
        heat=bool(shown and shown.heat),
        sheet=bool(shown and shown.sheet),
    )  # fmt: skip


def _picture_facts(picture: Picture) -> PictureFacts:
    return PictureFacts(captured=picture.captured, box=picture.box, frame_size=picture.frame_size)


def _clip_facts(clip: Clip) -> ClipFacts:
    return ClipFacts(
        started=clip.started, ended=clip.ended, codec=clip.codec, as_received=clip.as_received, bytes=len(clip.mp4)
    )


async def crop(context: Context, request: Request, _ask: None) -> Response:
    """One face crop of the window that raised an alert."""
    number: str = request.path_params["n"]
    window = read(await _parts(context, request, "window"), Evidence)
    if window is None or not _NUMBER.fullmatch(number) or int(number) >= len(window.frames):
        raise Refused(404, "no such crop, or it is no longer kept")
    return _picture(request, window.frames[int(number)].jpeg, f"-{int(number)}.jpg")


async def sheet(context: Context, request: Request, _ask: None) -> Response:
    """All crops on one sheet, each with its score."""
    shown = read(await _parts(context, request, "explanation"), Explanation)
    if shown is None or not shown.sheet:
        raise Refused(404, f"no contact sheet: {LATER}")
    return _picture(request, shown.sheet, "-sheet.jpg")


async def heat(context: Context, request: Request, _ask: None) -> Response:
    """The frame with the highest score, and which part of it made the score."""
    shown = read(await _parts(context, request, "explanation"), Explanation)
    if shown is None or not shown.heat:
        raise Refused(404, f"no heat map: {LATER}")
    return _picture(request, shown.heat, "-heat.jpg")


async def picture(context: Context, request: Request, _ask: None) -> Response:
    """The camera's whole frame, the face boxed."""
    kept = read(await _parts(context, request, "picture"), Picture)
    if kept is None:
        raise Refused(404, f"no picture: {LATER}")
    return _picture(request, kept.jpeg, "-picture.jpg")


async def clip(context: Context, request: Request, _ask: None) -> Response:
    """The video around the opening of the alert; ranges may be asked for."""
    kept = read(await _parts(context, request, "clip"), Clip)
    if kept is None:
        raise Refused(404, f"no video: it needs alerts.evidence_clip; {LATER}")
    about = answers.attachment(request.path_params["id"], ".mp4")
    return answers.ranged(request, kept.mp4, "video/mp4", content_disposition=about)


async def _parts(context: Context, request: Request, name: Part) -> Parts:
    if context.who.scoped:
        await context.alert(request)  # evidence bears no camera's name, its alert does
    return await parts(context, request.path_params["id"], name)


def _picture(request: Request, jpeg: bytes, name: str) -> Response:
    about = answers.attachment(request.path_params["id"], name)
    return answers.tagged(request, jpeg, "image/jpeg", answers.FOREVER, content_disposition=about)
