"""What a container's health check asks: does this host's service of a role give signs of life?"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import cast, get_args

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from wire import bus
from wire import settings as configuration
from wire.errors import ConfigError, RedisUnreachable, UsageError
from wire.heartbeat import alive
from wire.keys import Keys
from wire.messages import Role
from wire.settings import Settings

LOOK_S = 2.0  # for Redis to connect, and to answer: whoever asks has a time-out, too


def health(role: str, settings: Settings) -> int:
    """0 if one is alive on this host, else 1. Raises UsageError for no such role, RedisUnreachable."""
    with bus.connect(_url(role, settings)) as client:
        try:
            return 0 if _signs(client, role, settings) else 1
        except redis.RedisError:
            return 1


def live(role: str, config: Path | None) -> int:
    """1 if Redis answers and knows of none on this host, else 0: only that is mended by starting the service again.

    A running service bears Redis's absence, and goes on with the settings it has while those in `config` are not
    valid; started again it would do neither better. Raises UsageError for no such role, or no Redis.
    """
    try:
        settings = configuration.load(config)
        once = Retry(NoBackoff(), 0)
        options = {"socket_connect_timeout": LOOK_S, "socket_timeout": LOOK_S, "retry": once}
        with bus.open_client(_url(role, settings), **options) as client:
            return 0 if _signs(client, role, settings) else 1
    except (ConfigError, RedisUnreachable, redis.RedisError):
        return 0


def _url(role: str, settings: Settings) -> str:
    if role not in get_args(Role):
        raise UsageError(f"no service is called {role!r}", f"choose one of {', '.join(get_args(Role))}")
    if not settings.redis.url:
        raise UsageError("no Redis is configured", "set REDIS_URL or redis.url")
    return settings.redis.url


def _signs(client: redis.Redis, role: str, settings: Settings) -> bool:
    return bool(alive(client, Keys(settings.redis.prefix), cast(Role, role), f"{socket.gethostname()}*"))
