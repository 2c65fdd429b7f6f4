"""Settings: environment (`UNMASK_*`, `REDIS_URL`) over the YAML file over the defaults; read once, at the edge.

A file for each section, in the order of the example file: camera, redis, window, streamer, worker, alerts, dashboard,
notify, telemetry. `whole` puts them together, `loading` reads them, `explaining` says what is wrong, `masking` names
the secrets.
"""

from wire.settings.alerts import AlertSettings
from wire.settings.camera import CameraSettings
from wire.settings.dashboard import DashboardSettings, UserSettings
from wire.settings.loading import DEFAULT_FILE, load, source
from wire.settings.notify import (
    AppriseSettings,
    ChannelSettings,
    MqttSettings,
    NotifierSettings,
    NotifySettings,
    WebhookSettings,
)
from wire.settings.redis import RedisSettings
from wire.settings.section import CameraName, Option, Section, plain
from wire.settings.streamer import Hwaccel, SourceSettings, StreamerSettings
from wire.settings.telemetry import TelemetrySettings, TracesSettings
from wire.settings.whole import Settings
from wire.settings.window import WindowSettings
from wire.settings.worker import DetectorSettings, QualitySettings, WorkerSettings

__all__ = [
    "DEFAULT_FILE",
    "AlertSettings",
    "AppriseSettings",
    "CameraName",
    "CameraSettings",
    "ChannelSettings",
    "DashboardSettings",
    "DetectorSettings",
    "Hwaccel",
    "MqttSettings",
    "NotifierSettings",
    "NotifySettings",
    "Option",
    "QualitySettings",
    "RedisSettings",
    "Section",
    "Settings",
    "SourceSettings",
    "StreamerSettings",
    "TelemetrySettings",
    "TracesSettings",
    "UserSettings",
    "WebhookSettings",
    "WindowSettings",
    "WorkerSettings",
    "load",
    "plain",
    "source",
]
