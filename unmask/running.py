"""The Redis of a system that runs, for commands that look into it."""

from __future__ import annotations

import redis

from unmask import embedded
from wire import bus
from wire.errors import RedisRefuses, RedisUnreachable, UsageError
from wire.settings import Settings

REMEDY = "start it with 'unmask run', or set REDIS_URL where the services have their own Redis"


def connect(settings: Settings) -> tuple[redis.Redis, str]:
    """A client, and the url without a password. Raises UsageError where nothing runs, RedisUnreachable."""
    url = settings.redis.url or embedded.address(settings.state)
    if url is None:
        raise UsageError(f"no unmask is running on {settings.state}", REMEDY)
    try:
        return bus.connect(url), bus.shown(url)
    except RedisUnreachable as error:
        if settings.redis.url or isinstance(error, RedisRefuses):
            raise
        raise UsageError(f"no unmask is running on {settings.state}", REMEDY) from None
