"""Which settings are secrets: these are masked wherever they appear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from wire.redact import remember, remember_url
from wire.settings.section import Option
from wire.settings.whole import Settings


def mask(settings: Settings) -> None:
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
