"""What the streamer takes from the settings, with every camera's url understood before anything is started."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from streamer import sources
from streamer.sources import Source
from wire.errors import ServiceError
from wire.heartbeat import identity
from wire.keys import Keys
from wire.settings import AlertSettings, CameraSettings, Settings, StreamerSettings, TelemetrySettings, WindowSettings
from wire.shards import Shard


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """One camera."""

    name: str
    source: Source
    analysis_fps: float


@dataclass(frozen=True, slots=True)
class StreamerConfig:
    """The streamer's part of the settings. `redis_url` may hold a password."""

    name: str
    redis_url: str
    keys: Keys
    shards: tuple[Shard, ...]
    cameras: tuple[CameraConfig, ...]
    streamer: StreamerSettings
    window: WindowSettings
    alerts: AlertSettings
    telemetry: TelemetrySettings
    models: Path | None

    def __repr__(self) -> str:
        return f"StreamerConfig(name={self.name!r}, cameras={[camera.name for camera in self.cameras]})"


def take(settings: Settings) -> StreamerConfig:
    """The streamer's part. Raises UnknownScheme for a camera's url, ServiceError when no Redis is configured."""
    if not settings.redis.url:
        raise ServiceError("no Redis is configured", "set REDIS_URL or redis.url, or use 'unmask run'")
    return StreamerConfig(
        name=identity(settings.streamer.name),
        redis_url=settings.redis.url,
        keys=Keys(settings.redis.prefix),
        shards=settings.redis.spaces(settings.redis.url),
        cameras=tuple(camera(name, one, settings.streamer) for name, one in settings.cameras.items()),
        streamer=settings.streamer,
        window=settings.window,
        alerts=settings.alerts,
        telemetry=settings.telemetry,
        models=settings.models,
    )


def camera(name: str, one: CameraSettings, streamer: StreamerSettings) -> CameraConfig:
    """One camera's part. Raises UnknownScheme."""
    source = sources.parse(one, streamer.connect_timeout_s, streamer.read_timeout_s, plugins=streamer.sources)
    source = dataclasses.replace(source, max_pixels=streamer.max_pixels, max_fps=streamer.max_fps)
    return CameraConfig(name, source, one.analysis_fps)
