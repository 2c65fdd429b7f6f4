"""Settings of notifications: which events go where."""

from __future__ import annotations

from pydantic import Field

from wire.messages import AlertEventName, AlertKind, Severity
from wire.settings.section import CameraName, Option, PluginName, Seconds, SecretUrl, Section


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
