"""From settings to running couriers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import redis.asyncio

from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.notify.channel import Channel
from dashboard.notify.courier import Courier
from dashboard.spaces import Spaces
from wire.settings import NotifySettings
from wire.telemetry import Log

AGAIN_S = 5.0


def channels(
    settings: NotifySettings,
    spaces: Spaces | None = None,
    caveat: Callable[[], str] = lambda: "",
    public_url: str | None = None,
) -> list[Channel]:
    """All configured channels; a library is loaded only if one needs it. Raises ConfigError."""
    made: list[Channel] = []
    if settings.apprise:
        from dashboard.notify.push import Push

        made += [Push(f"apprise-{name}", one, spaces, caveat, public_url) for name, one in settings.apprise.items()]
    if settings.webhooks:
        from dashboard.notify.webhook import Webhook

        made += [Webhook(f"webhook-{name}", one) for name, one in settings.webhooks.items()]
    if settings.mqtt.url:
        from dashboard.notify.mqtt import Mqtt

        made.append(Mqtt(settings.mqtt, public_url))
    if settings.plugins:
        from dashboard.notify.plugin import PluginChannel

        made += [PluginChannel(f"plugin-{name}", one) for name, one in settings.plugins.items()]
    return made


def couriers(config: DashboardConfig, hub: Hub, bus: redis.asyncio.Redis, log: Log) -> list[Coroutine[Any, Any, None]]:
    """A never-ending run for each configured channel. Raises ConfigError."""
    made = channels(config.notify, hub.spaces, lambda: hub.services.caveat, config.public_url)
    return [_for_ever(_courier(channel, config, hub, bus, log), log, channel.name) for channel in made]


def _courier(channel: Channel, config: DashboardConfig, hub: Hub, bus: redis.asyncio.Redis, log: Log) -> Courier:
    if channel.kind == "mqtt":
        from dashboard.notify.mqtt import Mqtt, MqttCourier

        assert isinstance(channel, Mqtt)
        return MqttCourier(channel, hub, bus, config.keys, log)
    if channel.kind == "plugin":
        from dashboard.notify.plugin import PluginCourier

        return PluginCourier(channel, bus, config.keys, log, hub.metrics)
    return Courier(channel, bus, config.keys, log, hub.metrics)


async def _for_ever(courier: Courier, log: Log, name: str) -> None:
    """Nothing that happens in a channel reaches the page: the unforeseen is logged, and the channel begins anew."""
    while True:
        try:
            await courier.run()
        except Exception as error:
            log.error("notification channel failed", channel=name, error=type(error).__name__)
        await asyncio.sleep(AGAIN_S)
