"""From an answer to a response: JSON, and pictures and clips that a browser may keep."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboard import archive

FOREVER = "private, max-age=86400, immutable"  # of what never changes; a day, since what is deleted here is to go there
ANEW = "no-cache"  # may be kept, but is to be asked for again with its tag
VARY = "authorization, cookie"  # what one user's browser keeps is not for the next one
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def json(request: Request, body: Any, status: int = 200) -> Response:
    """JSON that a client may ask for again with `If-None-Match`."""
    return tagged(request, msgspec.json.encode(body), "application/json", ANEW, status)


def tagged(request: Request, data: bytes, media_type: str, caching: str, status: int = 200, **headers: str) -> Response:
    """`data` with its tag; 304 without it where the client has it."""
    tag = f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'
    about = {
        "etag": tag,
        "cache-control": caching,
        "vary": VARY,
        **{key.replace("_", "-"): text for key, text in headers.items()},
    }
    if status == 200 and _has(request, tag):
        return Response(None, 304, about)
    return Response(data, status, about, media_type=media_type)


def ranged(request: Request, data: bytes, media_type: str, content_disposition: str) -> Response:
    """What never changes, whole or the one range that is asked for; 416 where there is no such range."""
    whole = tagged(request, data, media_type, FOREVER, accept_ranges="bytes", content_disposition=content_disposition)
    asked, tag = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", "")), whole.headers["etag"]
    if whole.status_code != 200 or asked is None or request.headers.get("if-range", tag) != tag:
        return whole
    place = span(asked[1], asked[2], len(data))
    if place is None:
        return whole
    kept = ("etag", "cache-control", "vary", "accept-ranges", "content-disposition")
    about = {name: whole.headers[name] for name in kept}
    first, last = place
    if first > last:
        return Response(None, 416, {**about, "cache-control": "no-store", "content-range": f"bytes */{len(data)}"})
    about["content-range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, about, media_type=media_type)


def span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """First and last byte of `bytes=first-last` (RFC 9110, 14.1.2); None for what is no range, first > last for one
    that lies outside."""
    if not first:
        return (max(0, size - int(last)), size - 1) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last), size - 1) if last else size - 1


def attachment(alert: str, name: str) -> str:
    """A Content-Disposition: what comes from a camera is saved, never opened as a page of this origin."""
    return f'attachment; filename="unmask-{archive.safe_name(alert)}{name}"'


def _has(request: Request, tag: str) -> bool:
    """Whether the client already holds what bears this tag."""
    held = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return tag in held or held == ["*"]
