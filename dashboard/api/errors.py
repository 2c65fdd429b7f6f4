"""Every refusal is {"error": "one line"}."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import redis
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dashboard.api.types import Failure
from wire.bus import REACH_ERRORS, reason

UNSCOPED = "this concerns all cameras, and you may see some of them only"


class Refused(Exception):
    """The request can't be followed; becomes the answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


def failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that says what is wrong."""
    body = msgspec.json.encode(Failure(error=" ".join(message.split())))
    return Response(body, status, headers, media_type="application/json")


async def on_refused(_request: Request, error: Exception) -> Response:
    """For Refused."""
    assert isinstance(error, Refused)
    return failure(error.status, error.message, error.headers)


async def on_http(_request: Request, error: Exception) -> Response:
    """For what the framework refuses: no such route, another method."""
    assert isinstance(error, HTTPException)
    return failure(error.status_code, error.detail, error.headers)


async def on_bus(_request: Request, error: Exception) -> Response:
    """For a Redis that is away, or that answers with an error of its own."""
    if isinstance(error, redis.RedisError) and not isinstance(error, REACH_ERRORS):
        return failure(503, f"Redis answers with an error: {reason(error)}")
    return failure(503, "Redis can't be reached at the moment")


async def on_defect(_request: Request, _error: Exception) -> Response:
    """For what nobody foresaw: the log has it, and whoever asked learns nothing of the inside."""
    return failure(500, "the dashboard failed at this; its log says how")
