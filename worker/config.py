"""What the worker takes from the settings besides its own section: where Redis is, and who it is there."""

from __future__ import annotations

from dataclasses import dataclass

from wire.errors import ConfigError
from wire.heartbeat import identity
from wire.keys import Keys
from wire.settings import Settings
from wire.shards import Shard


@dataclass(frozen=True, slots=True)
class Place:
    """Redis, the keys under its prefix, the shards, and this worker's name in their groups."""

    url: str
    keys: Keys
    shards: tuple[Shard, ...]
    name: str

    @classmethod
    def of(cls, settings: Settings) -> Place:
        """Raises ConfigError where no Redis is configured: only `unmask run` starts its own."""
        if not settings.redis.url:
            raise ConfigError("worker", "redis.url", "not set", "set it or REDIS_URL, or use 'unmask run'")
        redis = settings.redis
        return cls(
            settings.redis.url, Keys(redis.prefix), redis.spaces(settings.redis.url), identity(settings.worker.name)
        )
