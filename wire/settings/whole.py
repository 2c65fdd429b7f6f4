"""The whole configuration, and that the environment wins over the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from wire import environment
from wire.settings.alerts import AlertSettings
from wire.settings.camera import CameraSettings
from wire.settings.dashboard import DashboardSettings
from wire.settings.notify import NotifySettings
from wire.settings.redis import RedisSettings
from wire.settings.section import CameraName
from wire.settings.streamer import StreamerSettings
from wire.settings.telemetry import TelemetrySettings
from wire.settings.window import WindowSettings
from wire.settings.worker import WorkerSettings


class Settings(BaseSettings):
    """Everything that can be set, in the order of the example file."""

    model_config = SettingsConfigDict(
        env_prefix="UNMASK_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    cameras: dict[CameraName, CameraSettings] = Field({}, description="Name and source of each camera")
    redis: RedisSettings = RedisSettings()
    window: WindowSettings = WindowSettings()
    streamer: StreamerSettings = StreamerSettings()
    worker: WorkerSettings = WorkerSettings()
    alerts: AlertSettings = AlertSettings()
    dashboard: DashboardSettings = DashboardSettings()
    notify: NotifySettings = NotifySettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    state: Path = Field(Path("~/.local/state/unmask"), description="Folder of the embedded server's data")
    models: Path | None = Field(None, description="Folder that is searched for YuNet's file first")

    @model_validator(mode="after")
    def _no_transaction_over_shards(self) -> Self:
        if self.redis.shards > 1 and self.alerts.cooldown_overall_s:
            raise ValueError("redis.shards above 1 and alerts.cooldown_overall_s exclude each other")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what `load` read from the file; a variable may stand in a file of its own."""
        assert isinstance(env_settings, EnvSettingsSource)
        prefix = str(cls.model_config["env_prefix"])
        found = environment.variables(prefix, os.environ)
        env_settings.env_vars = {name.lower(): text for name, text in found.items()}
        return env_settings, init_settings
