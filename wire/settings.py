"""Settings: environment (`UNMASK_*`, `REDIS_URL`) over the YAML file over the defaults; read once, at the edge."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from wire import environment, sentinels, slots
from wire.errors import ConfigError
from wire.messages import AlertEventName, AlertKind, EnsembleRule, Severity, UserRole
from wire.redact import remember, remember_url

DEFAULT_FILE = Path("unmask.yaml")
UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")]
CameraName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
SecretUrl = Annotated[SecretStr, AfterValidator(lambda secret: SecretStr(_from_environment(secret.get_secret_value())))]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 365)]
PluginName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Scheme = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9+.-]+$")]
# Of a plugin; what comes from the environment is a secret.
Option = Annotated[bool | int | float | str | SecretStr, BeforeValidator(lambda given: _option(given))]


Hwaccel = Literal["auto", "none", "cuda", "vaapi", "qsv", "vdpau", "videotoolbox", "d3d11va"]


class Section(BaseModel):
    """A part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _from_environment(text: str) -> str:
    """`text` with each ${NAME} replaced. Raises ValueError for a name that is not set."""
    return environment.filled_in(text, os.environ)


def _option(given: Any) -> Any:
    if not isinstance(given, bool | int | float | str | SecretStr):
        raise ValueError("is no text, number, true or false")
    return SecretStr(_from_environment(given)) if isinstance(given, str) and "${" in given else given


def plain(options: Mapping[str, Option]) -> dict[str, Any]:
    """A plugin's options as it is given them."""
    return {name: one.get_secret_value() if isinstance(one, SecretStr) else one for name, one in options.items()}


_TLS_QUERY = {"ca": "ssl_ca_certs", "certificate": "ssl_certfile", "key": "ssl_keyfile"}  # redis-py's names


class CameraSettings(Section):
    """One camera."""

    url: str = Field(repr=False, min_length=1, description="Source; ${NAME} is taken from the environment")
    analysis_fps: float = Field(6.0, gt=0, le=30, description="Frames a second that are searched for faces")
    transport: Literal["tcp", "udp"] = Field("tcp", description="RTSP transport")
    loop: bool = Field(False, description="Play a file again and again, in real time, as if it were a camera")
    listen: Literal["loopback", "network"] | None = Field(
        None, description="rtmp://: wait at the url for a program that pushes, as OBS; network: also beyond loopback"
    )
    hosts: tuple[str, ...] = Field((), description="Other hosts that an http(s) source's playlist or redirect may name")
    ca: Path | None = Field(None, description="rtsps://, https://: authority, or the camera's own certificate, PEM")
    certificate_name: str | None = Field(None, description="Name in its certificate, where it is not the url's host")
    verify: bool = Field(True, description="false: take any certificate, also an impostor's")

    _fill_in = field_validator("url")(_from_environment)


class RedisSettings(Section):
    """Where the services meet."""

    url: str | None = Field(None, repr=False, description="redis://, rediss:// or unix://; unset: the embedded server")
    prefix: str = Field("unmask:", description="Start of every key")
    ca: Path | None = Field(None, description="rediss://: the authority of its certificate, PEM; unset: the system's")
    certificate: Path | None = Field(None, description="rediss://: the certificate that we show, PEM")
    key: Path | None = Field(None, description="And its key, where that is another file")
    sentinels: tuple[str, ...] = Field((), description="HOST:PORT of each; the url's host is the primary's name")
    sentinel_password: SecretUrl | None = Field(None, description="Theirs; ${NAME} is taken from the environment")

    cluster: tuple[str, ...] = Field((), description="HOST:PORT of more nodes of url's Cluster; prefix: '{unmask}:'")

    @model_validator(mode="before")
    @classmethod
    def _in_url(cls, data: Any) -> Any:
        """Files, Sentinels, nodes become parts of the url: all that a client needs, in this process and in others."""
        return _with_cluster(_with_sentinels(_with_files(data))) if isinstance(data, dict) else data


def _with_files(data: dict[str, Any]) -> dict[str, Any]:
    if not (named := {key: data[key] for key in _TLS_QUERY if data.get(key)}):
        return data
    if not str(data.get("url") or "").lower().startswith("rediss://"):
        raise ValueError(f"redis.{next(iter(named))} wants a rediss:// url")
    if "key" in named and "certificate" not in named:
        raise ValueError("redis.key wants redis.certificate")
    parts = urlsplit(data["url"])
    query = dict(parse_qsl(parts.query)) | {_TLS_QUERY[key]: str(value) for key, value in named.items()}
    return data | {"url": urlunsplit(parts._replace(query=urlencode(query)))}


def _with_sentinels(data: dict[str, Any]) -> dict[str, Any]:
    listed, password = data.get("sentinels"), data.get("sentinel_password")
    if not listed:
        if password:
            raise ValueError("redis.sentinel_password wants redis.sentinels")
        return data
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        return data  # refused by its type
    plain = password.get_secret_value() if isinstance(password, SecretStr) else str(password or "")
    return data | {"url": sentinels.join(str(data.get("url") or ""), listed, _from_environment(plain))}


def _with_cluster(data: dict[str, Any]) -> dict[str, Any]:
    listed, prefix = data.get("cluster"), data.get("prefix") or ""
    if not listed or not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in (*listed, prefix)):
        return data  # none, or refused by its type
    if data.get("sentinels"):
        raise ValueError("redis.cluster and redis.sentinels exclude each other")
    return data | {"url": slots.join(str(data.get("url") or ""), listed, prefix)}


class WindowSettings(Section):
    """Windows of face crops; the checkpoint must have been made for `frames`."""

    frames: int = Field(16, ge=2, le=64, description="Crops in a window (T)")
    stride: int = Field(4, ge=1, le=64, description="New crops between two windows of a track (S)")
    crop_margin: float = Field(1.4, ge=1.0, le=3.0, description="Crop side over the face box's longer side")
    crop_size: int = Field(224, ge=64, le=512, description="Crop side, pixels")
    view_margin: float = Field(
        0.8, ge=0.1, le=3.0, description="The middle of a crop that workers are sent, over the face box's longer side"
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="JPEG quality of the crops")

    @property
    def seen_margin(self) -> float:
        """Side of what a window's frames show, over the face box's longer side."""
        return min(self.view_margin, self.crop_margin)

    @property
    def whole(self) -> WindowSettings:
        """The same with frames that show their crops whole: for files that are measured or trained on."""
        return self.model_copy(update={"view_margin": self.crop_margin})


class SourceSettings(Section):
    """A source of your own, by its scheme; docs/plugins.md explains it."""

    options: dict[str, Option] = Field({}, description="Options of the plugin; ${NAME} is taken from the environment")


class StreamerSettings(Section):
    """Cameras in, windows out."""

    name: str = Field("", description="Identity for leases; empty: host name and process id")
    detector: Literal["auto", "yunet", "haar"] = Field("auto", description="auto: YuNet, else the Haar cascade")
    detect_width: int = Field(640, ge=160, le=1920, description="Width of the picture that is searched for faces")
    min_face_px: float = Field(32.0, ge=8, description="Smaller faces are not tracked")
    hwaccel: Hwaccel = Field("auto", description="Device that decodes; auto: one that works, else the CPU")
    max_pixels: int = Field(9_000_000, ge=1, le=2**31 - 1, description="Larger pictures are refused: 4K passes, 8K not")
    max_fps: float = Field(120.0, gt=0, description="A camera that sends more frames a second is refused")
    memory_mb: int | None = Field(
        None, ge=0, description="Most memory of the process, MB; unset: by the number of cameras; 0: no limit"
    )
    max_faces: int = Field(8, ge=1, le=64, description="Faces followed at once per camera, the largest first")
    connect_timeout_s: Seconds = Field(5.0, description="Until a camera that does not answer counts as timed out")
    read_timeout_s: Seconds = Field(2.5, description="Socket silence; a stream is reopened after twice this")
    frozen_after_s: Seconds = Field(3.0, description="Age of the newest frame at which the camera counts as frozen")
    backoff_s: tuple[Seconds, ...] = Field((0.5, 1, 2, 5, 10), min_length=1, description="Waits between reconnects")
    queue_max_age_s: Seconds = Field(30.0, description="Older windows are dropped from the queue, and counted")
    queue_max_mb: int = Field(256, ge=1, description="So are the oldest beyond this, of those no worker has taken yet")
    preview_fps: float = Field(1.0, ge=0, le=10, description="Preview pictures a second; 0: none")
    lease_s: Seconds = Field(10.0, description="A streamer that is silent for this long loses its cameras")
    sources: dict[Scheme, SourceSettings] = Field({}, description="Schemes that installed plugins open, as `ndi: {}`")


class QualitySettings(Section):
    """Below these a verdict would be a guess; it is `unsure` instead."""

    min_face_px: float = Field(48.0, ge=0, description="Longer side of the face box in the camera's frame")
    min_sharpness: float = Field(15.0, ge=0, description="Variance of the Laplacian of the grey crop at 112 px")
    min_brightness: float = Field(30.0, ge=0, le=255, description="Mean grey value of the crop")
    max_brightness: float = Field(235.0, ge=0, le=255, description="Mean grey value of the crop")
    max_yaw: float = Field(0.6, gt=0, description="Nose offset over eye distance; 0 faces the camera")


class DetectorSettings(Section):
    """A detector of your own, beside ours or instead; docs/plugins.md explains it."""

    plugin: PluginName | None = Field(None, description="Name of the installed plugin; unset: none")
    rule: EnsembleRule = Field(
        "mean", description="How its log-odds and ours become one score; instead: ours is not asked"
    )
    weight: float = Field(0.5, gt=0, lt=1, description="Its share, where the rule is `weighted`")
    temperature: float = Field(1.0, gt=0, description="What its log-odds are divided by before")
    suspect: float | None = Field(None, gt=0, lt=1, description="Score of a suspect face; unset: the checkpoint's")
    fake: float | None = Field(None, gt=0, lt=1, description="And of a fake one")
    timeout_s: float = Field(2.0, gt=0, le=10, description="For one batch; a detector that takes longer is restarted")
    options: dict[str, Option] = Field({}, description="Options of the plugin; ${NAME} is taken from the environment")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.suspect is not None and self.fake is not None and self.suspect > self.fake:
            raise ValueError("suspect is above fake")
        return self


class WorkerSettings(Section):
    """Windows in, scores and alerts out."""

    name: str = Field("", description="Consumer name; empty: host name and slot or process id")
    checkpoint: Path | None = Field(None, description="Model file; unset: the one that comes with Unmask")
    device: Literal["auto", "cpu", "cuda", "torch-cpu"] = Field(
        "auto", description="auto: CUDA where there is one, else cpu, which is OpenVINO; torch-cpu: plain fp32"
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0: one per core")
    batch: int = Field(16, ge=1, le=256, description="Windows scored together at most")
    deadline_ms: float = Field(40.0, ge=0, le=5000, description="Longest wait for a batch to fill behind another")
    max_age_s: Seconds = Field(10.0, description="Older windows are acknowledged as stale, unscored")
    target_age_s: Seconds = Field(1.0, description="Under overload, older windows of a camera beyond its share are too")
    reclaim_idle_s: Seconds = Field(5.0, description="Windows of a silent worker are taken over after this")
    max_deliveries: int = Field(3, ge=1, description="Then a window that can't be scored goes to `dead`")
    feature_ttl_s: Seconds = Field(30.0, description="How long a frame's features are kept for overlapping windows")
    quality: QualitySettings = QualitySettings()
    detector: DetectorSettings = DetectorSettings()


class AlertSettings(Section):
    """When scores become an alert."""

    median_of: int = Field(5, ge=1, le=64, description="Window scores whose median drives the alert (K)")
    min_windows: int = Field(3, ge=1, le=64, description="Scores needed before an alert can open")
    enter: float | None = Field(None, gt=0, lt=1, description="Median that opens; unset: the checkpoint's `fake`")
    exit: float | None = Field(None, gt=0, lt=1, description="Median that closes; unset: the checkpoint's `suspect`")
    dwell_s: float = Field(1.0, ge=0, description="How long the median must stay above `enter`, or below `exit`")
    spike: float | None = Field(None, gt=0, lt=1, description="A lone window above this opens a spike; unset: never")
    cooldown_s: float = Field(10.0, ge=0, description="Least time between the opening of two alerts of a camera")
    cooldown_overall_s: float = Field(0.0, ge=0, description="The same over all cameras; 0: none")
    hold_s: float = Field(2.0, ge=0, le=60, description="How long a score waits for an earlier one still on its way")
    update_s: Seconds = Field(2.0, description="Least time between two updates of an open alert")
    end_after_s: Seconds = Field(5.0, description="An open alert ends when its track has had no score for this long")
    offline_after_s: Seconds | None = Field(30.0, description="A camera away for this long is an alert; null: never")
    frozen_after_s: Seconds | None = Field(15.0, description="So is a picture that stands still for this long")
    no_face_after_min: Seconds | None = Field(None, description="So are so many minutes without a face; unset: never")
    keep_days: float = Field(7.0, gt=0, description="How long alerts and their reviews are kept")
    evidence_days: float = Field(7.0, gt=0, description="How long their evidence is kept")
    evidence_mb: int = Field(256, ge=1, description="All evidence together, MB; the oldest gives way")
    evidence_clip: bool = Field(False, description="Keep a few seconds of video around each alert")
    clip_before_s: float = Field(4.0, ge=0, le=30, description="Video before the alert opened")
    clip_after_s: float = Field(4.0, ge=0, le=30, description="And after")


class UserSettings(Section):
    """Who may come in, and to what. 'unmask token NAME' makes these lines."""

    role: UserRole = Field(description="viewer: sees; operator: judges and snoozes, too; admin: everything")
    hash: SecretStr | None = Field(None, description="Argon2id hash of the token or password, by 'unmask token'")
    hash_file: Path | None = Field(None, description="Or the file that holds the hash")
    cameras: tuple[str, ...] = Field((), description="Names or patterns, as lobby-*; empty: all")

    @model_validator(mode="after")
    def _one_hash(self) -> Self:
        if (self.hash is None) == (self.hash_file is None):
            raise ValueError("give either hash or hash_file, made by 'unmask token'")
        return self


class DashboardSettings(Section):
    """The page, the subscriptions, the health checks: one port."""

    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback wants a token or users")
    port: int = Field(8008, ge=0, le=65535, description="Port; 0: any free one, which is printed")
    token: SecretStr | None = Field(None, description="Who presents this may do everything")
    users: dict[UserName, UserSettings] = Field({}, description="Who may do what; docs/access.md explains it")
    allow_anonymous: bool = Field(False, description="Listen beyond loopback without a token or users")
    login_hours: float = Field(12.0, gt=0, le=24 * 366, description="A browser must sign in again after this")
    login_idle_min: float = Field(30.0, ge=1, le=60 * 24 * 366, description="And when its page was closed this long")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks whose X-Forwarded-For and -Proto are believed"
    )
    stale_after_s: Seconds = Field(5.0, description="A camera not heard of for this long is shown as stale")
    allowed_origins: tuple[str, ...] = Field(
        (), description="Other sites whose pages may subscribe, as https://portal.example"
    )
    public_url: str | None = Field(None, description="Where people open the page; notifications link to it")
    max_connections: int = Field(4096, ge=1, description="Open connections at most, pages and subscribers together")
    max_connections_per_address: int = Field(
        256, ge=1, description="The same for one address; a proxy in front is one address"
    )
    tls_certificate: Path | None = Field(None, description="Serve https and wss with this certificate (chain), PEM")
    tls_key: Path | None = Field(None, description="And its key, where that is another file")

    @field_validator("token")
    @classmethod
    def _blank_is_none(cls, token: SecretStr | None) -> SecretStr | None:
        return token if token and token.get_secret_value().strip() else None

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            ipaddress.ip_network(one)  # says in its ValueError what is wrong
        return given


class ChannelSettings(Section):
    """Which alert events go to a receiver; empty lists let everything through."""

    cameras: tuple[str, ...] = Field((), description="Names or patterns, as lobby-*; empty: all")
    kinds: tuple[AlertKind, ...] = Field((), description="sustained, spike, offline, frozen, no-face; empty: all")
    severities: tuple[Severity, ...] = Field((), description="warning, critical; empty: both")


class AppriseSettings(ChannelSettings):
    """A mail, chat or push service, by its Apprise url."""

    url: SecretUrl = Field(description="Apprise url, as mailto:// or ntfy://; ${NAME} is taken from the environment")
    events: tuple[AlertEventName, ...] = Field(("new",), description="new, update, end, review")
    sheet: bool = Field(True, description="Attach the contact sheet of the faces")
    give_up_s: Seconds = Field(900.0, description="Older events are not sent any more")


class WebhookSettings(ChannelSettings):
    """An HTTP receiver of alert events."""

    url: SecretUrl = Field(description="http(s)://; ${NAME} is taken from the environment")
    secret: SecretUrl | None = Field(None, description="Key of the signature; ${NAME} as above; unset: unsigned")
    events: tuple[AlertEventName, ...] = Field(("new", "end"), description="new, update, end, review; empty: all")
    timeout_s: Seconds = Field(10.0, description="For one attempt")
    give_up_s: Seconds = Field(3600.0, description="Until then a failed delivery is tried again")


class MqttSettings(ChannelSettings):
    """An MQTT broker: states of all cameras, alert events, Home Assistant discovery."""

    url: SecretUrl | None = Field(None, description="mqtt(s)://USER:PASSWORD@HOST:PORT; ${NAME} as above; unset: none")
    topic: str = Field("unmask", min_length=1, pattern=r"^[^+#/$][^+#$]*$", description="Start of every topic")
    discovery: str | None = Field("homeassistant", description="Home Assistant's discovery prefix; null: no discovery")
    events: tuple[AlertEventName, ...] = Field((), description="new, update, end, review; empty: all")
    give_up_s: Seconds = Field(900.0, description="Older events are not published any more")


class NotifierSettings(ChannelSettings):
    """A notifier of your own; docs/plugins.md explains it."""

    plugin: PluginName = Field(description="Name of the installed plugin")
    options: dict[str, Option] = Field({}, description="Options of the plugin; ${NAME} is taken from the environment")
    events: tuple[AlertEventName, ...] = Field(("new", "end"), description="new, update, end, review; empty: all")
    every_s: float = Field(0.0, ge=0, le=3600, description="Least time between two events handed to it")
    timeout_s: Seconds = Field(10.0, description="For one attempt; a notifier that takes longer is restarted")
    give_up_s: Seconds = Field(3600.0, description="Until then a failed delivery is tried again")


class NotifySettings(Section):
    """Who is told of alerts besides the page and the subscribers; docs/notifications.md explains it."""

    apprise: dict[CameraName, AppriseSettings] = Field({}, description="Mail, chat, push: name and Apprise url of each")
    webhooks: dict[CameraName, WebhookSettings] = Field({}, description="HTTP receivers: name and url of each")
    mqtt: MqttSettings = MqttSettings()
    plugins: dict[CameraName, NotifierSettings] = Field(
        {}, description="Notifiers of your own: name and plugin of each"
    )


class TracesSettings(Section):
    """Windows and their alerts as OpenTelemetry traces, sent by the dashboard."""

    endpoint: str | None = Field(
        None, pattern=r"^https?://\S+$", description="OTLP over HTTP, as http://127.0.0.1:4318/v1/traces; unset: none"
    )
    sample: float = Field(0.01, ge=0, le=1, description="Share of windows; those that raise an alert are all traced")


class TelemetrySettings(Section):
    """Logs and traces."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")
    log_format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal")
    traces: TracesSettings = TracesSettings()


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


def source(path: Path | None = None) -> Path | None:
    """The file that `load` reads."""
    return path or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)


def load(path: Path | None = None) -> Settings:
    """Settings from `path`, or from ./unmask.yaml if there is one. Raises ConfigError, one line, secrets left out."""
    path = source(path)
    data = _read(path) if path else {}
    try:
        if url := environment.value("REDIS_URL", os.environ):
            section = data.setdefault("redis", {})
            if isinstance(section, dict):
                section["url"] = url
        settings = Settings(**data)
        _remember(settings)
        return settings
    except ValidationError as error:
        raise _explain(str(path) if path else "environment", error) from None
    except (ValueError, TypeError) as error:  # a file that can't be read; not JSON where pydantic-settings needs it
        raise ConfigError(
            "environment", "", str(error).splitlines()[0], "correct the UNMASK_ variable, or its file"
        ) from None


def _remember(settings: Settings) -> None:
    """Have everything in these settings that is a secret masked wherever it appears from now on."""
    for camera in settings.cameras.values():
        remember_url(camera.url)
        if camera.listen:
            remember(camera.url.rpartition("/")[2])
    remember_url(settings.redis.url or "")
    remember_url(settings.telemetry.traces.endpoint or "")
    if settings.dashboard.token:
        remember(settings.dashboard.token.get_secret_value())
    for webhook in settings.notify.webhooks.values():
        remember_url(webhook.url.get_secret_value())
        if webhook.secret:
            remember(webhook.secret.get_secret_value())
    for push in settings.notify.apprise.values():
        remember_url(push.url.get_secret_value(), whole=True)
    if settings.notify.mqtt.url:
        remember_url(settings.notify.mqtt.url.get_secret_value())
    for options in _options(settings):
        for option in options.values():
            if isinstance(option, SecretStr):
                remember(option.get_secret_value())


def _options(settings: Settings) -> Iterator[Mapping[str, Option]]:
    """The options of all plugins."""
    yield settings.worker.detector.options
    yield from (one.options for one in settings.streamer.sources.values())
    yield from (one.options for one in settings.notify.plugins.values())


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(str(path), "", "no such file", "copy unmask.example.yaml there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", str(error), "give a readable UTF-8 text file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        # What stands in quotes may be a value: an alias, a tag, an anchor are what a password's first letter makes it.
        problem = re.sub(r"""'[^']{2,}'|"[^"]{2,}\"""", "***", getattr(error, "problem", None) or "not YAML")
        raise ConfigError(str(path), where, problem, "correct the YAML; unmask.example.yaml shows every key") from None
    except (ValueError, RecursionError) as error:  # a date there is none of; brackets without end
        problem = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
        raise ConfigError(str(path), "", problem, "correct the YAML; unmask.example.yaml shows every key") from None
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(str(path), "", "not a mapping of sections", "see unmask.example.yaml")
    return data


def _explain(source: str, error: ValidationError) -> ConfigError:
    """The first problem, with the nearest known key where the key is unknown; the offending value is never shown."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        remedy = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return ConfigError(source, where, "unknown key", remedy)
    problem = first["msg"].removeprefix("Value error, ")
    return ConfigError(source, where, problem, "correct it; unmask.example.yaml shows every key with its default")


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for part in loc:
        model = get_args(model)[1] if get_origin(model) is dict else model.model_fields[str(part)].annotation
    return ["<name>"] if get_origin(model) is dict else sorted(model.model_fields)
