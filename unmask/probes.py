"""What a container's health check asks: does this host's service of a role give signs of life?"""

from __future__ import annotations

import socket
from typing import cast, get_args

import redis

from wire import bus
from wire.errors import UsageError
from wire.heartbeat import alive
from wire.keys import Keys
from wire.messages import Role
from wire.settings import Settings


def health(role: str, settings: Settings) -> int:
    """0 if one is alive on this host, else 1. Raises UsageError for no such role, RedisUnreachable."""
    if role not in get_args(Role):
        raise UsageError(f"no service is called {role!r}", f"choose one of {', '.join(get_args(Role))}")
    if not settings.redis.url:
        raise UsageError("no Redis is configured", "set REDIS_URL or redis.url")
    with bus.connect(settings.redis.url) as client:
        try:
            found = alive(client, Keys(settings.redis.prefix), cast(Role, role), f"{socket.gethostname()}*")
        except redis.RedisError:
            return 1
    return 0 if found else 1
