"""Connections to Redis or Valkey. The streamer and the worker are synchronous, the dashboard is not."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio

from wire.errors import RedisUnreachable
from wire.redact import redact

REACH_ERRORS = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError)
CONNECT_TIMEOUT_S = 3.0
SOCKET_TIMEOUT_S = 10.0  # longer than any blocking read of ours
_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
    "socket_timeout": SOCKET_TIMEOUT_S,
    "health_check_interval": 15,
}


def connect(url: str) -> redis.Redis:
    """A client whose replies are bytes, after one PING. Raises RedisUnreachable."""
    try:
        client = redis.Redis.from_url(url, **_OPTIONS)
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise RedisUnreachable(redact(url), reason(error)) from error
    return client


def connect_async(url: str) -> redis.asyncio.Redis:
    """An asyncio client whose replies are bytes; nothing is sent yet. Raises RedisUnreachable for what is no url."""
    try:
        return redis.asyncio.Redis.from_url(url, **_OPTIONS)
    except ValueError as error:
        raise RedisUnreachable(redact(url), reason(error)) from error


def reason(error: BaseException, limit: int = 160) -> str:
    """Why Redis failed, in one short line without credentials: a server's own explanation may be a page long."""
    words = redact(" ".join(str(error).split())) or type(error).__name__
    return words.rstrip(".") if len(words) <= limit else words[: limit - 1] + "…"
