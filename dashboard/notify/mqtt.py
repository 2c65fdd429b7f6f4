"""Keeps an MQTT broker in step with the dashboard's picture, and publishes alert events there."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import redis.asyncio

from dashboard.access.principal import ITSELF
from dashboard.history import Entry
from dashboard.hub import Hub
from dashboard.notify import mqtt_topics
from dashboard.notify.channel import TryLater, passes
from dashboard.notify.courier import Courier
from dashboard.notify.mqtt_topics import OFFLINE, ONLINE, Retained
from dashboard.notify.place import LEASE_S
from dashboard.tasks import end, until_first
from wire.errors import ConfigError
from wire.keys import Keys
from wire.messages import AlertEvent
from wire.settings import MqttSettings
from wire.telemetry import Log, Throttle

PERIOD_S = 1.0
BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)
CONNECT_S = 10.0
LOG_S = 60.0
_quiet = logging.getLogger("unmask.mqtt")
_quiet.setLevel(logging.CRITICAL)  # the library's own lines name users


class Mqtt:
    """One broker. Also the channel of its alert events. Raises ConfigError for a url that is none."""

    name = kind = "mqtt"

    def __init__(self, settings: MqttSettings, public_url: str | None = None, keepalive_s: int = 10) -> None:
        assert settings.url is not None
        self.give_up_s = settings.give_up_s
        self._settings, self._public_url = settings, public_url
        self._options = options(settings.url.get_secret_value(), settings.topic, keepalive_s)
        self._client: aiomqtt.Client | None = None

    def wants(self, event: AlertEvent) -> bool:
        """See Channel."""
        return passes(self._settings, self._settings.events, event)

    async def deliver(self, entry: Entry) -> None:
        """See Channel."""
        if self._client is None:
            raise TryLater("not connected to the broker", 1.0)
        await self._publish(f"{self._settings.topic}/alerts", entry.text, retain=False)

    async def test(self) -> None:
        """See Channel: connect, publish one message, leave."""
        try:
            async with aiomqtt.Client(**{**self._options, "will": None, "identifier": None}) as client:
                await client.publish(f"{self._settings.topic}/test", "a test message of Unmask", qos=1)
        except (aiomqtt.MqttError, OSError) as error:
            raise TryLater(reason(error)) from None

    async def serve(self, hub: Hub, bus: redis.asyncio.Redis, keys: Keys, log: Log) -> None:
        """Connect and keep the retained topics in step, for ever; the channel's lease must be held."""
        throttle, failures = Throttle(time.monotonic, LOG_S), 0
        while True:
            try:
                async with aiomqtt.Client(**self._options) as client:
                    log.info("connected to the MQTT broker")
                    failures, self._client = 0, client
                    await self._keep(client, hub, bus, keys)
            except (aiomqtt.MqttError, OSError, TryLater) as error:
                if throttle.admit("mqtt") is not None:
                    log.warning("MQTT broker lost", reason=reason(error))
            finally:
                self._client = None
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    async def _keep(self, client: aiomqtt.Client, hub: Hub, bus: redis.asyncio.Redis, keys: Keys) -> None:
        """Publish what changed, every PERIOD_S; `offline` when told to end. Raises aiomqtt.MqttError, redis errors."""
        await hub.synced.wait()  # before, no camera is known: all would be taken for removed
        left: Any = await bus.smembers(keys.mqtt_topics)
        held: Retained = {name.decode(): "?" for name in left}  # whatever the broker holds of them is old
        listening = asyncio.create_task(_listen(client))  # notices a lost broker without a publication
        try:
            while not listening.done():
                wanted = self._wanted(hub)
                for topic in held.keys() - wanted.keys():
                    await self._publish(topic, "", retain=True)
                    await bus.srem(keys.mqtt_topics, topic)
                if new := [topic for topic in wanted if topic not in held]:
                    await bus.sadd(keys.mqtt_topics, *new)  # known before it is there: nothing is left behind
                for topic, payload in wanted.items():
                    if held.get(topic) != payload:
                        await self._publish(topic, payload, retain=True)
                held = wanted
                await asyncio.wait([listening], timeout=PERIOD_S)
            listening.result()
        except asyncio.CancelledError:
            await self._farewell(client)
            raise
        finally:
            await end([listening])

    def _wanted(self, hub: Hub) -> Retained:
        """All retained topics as they should be; the status last: what an earlier life left is never current."""
        topic, views = self._settings.topic, hub.snapshot(ITSELF)
        wanted = mqtt_topics.states(topic, views, hub.alerts.open())
        if self._settings.discovery:
            wanted |= mqtt_topics.discovery(self._settings.discovery, topic, views, self._public_url)
        return wanted | {mqtt_topics.status(topic): ONLINE}

    async def _publish(self, topic: str, payload: str, *, retain: bool) -> None:
        if self._client is None:
            raise TryLater("not connected to the broker", 1.0)
        try:
            await self._client.publish(topic, payload, qos=1, retain=retain)
        except (aiomqtt.MqttError, OSError) as error:
            raise TryLater(reason(error)) from None

    async def _farewell(self, client: aiomqtt.Client) -> None:
        """A clean end sends no last will, so it is said here."""
        try:
            async with asyncio.timeout(0.5):
                await client.publish(mqtt_topics.status(self._settings.topic), OFFLINE, qos=1, retain=True)
        except (aiomqtt.MqttError, OSError, TimeoutError):
            return


class MqttCourier(Courier):
    """The courier of the broker's alert events, which keeps the retained topics in step under the same lease."""

    def __init__(
        self,
        mqtt: Mqtt,
        hub: Hub,
        bus: redis.asyncio.Redis,
        keys: Keys,
        log: Log,
        clock: Callable[[], float] = time.time,
        lease_s: float = LEASE_S,
    ) -> None:
        super().__init__(mqtt, bus, keys, log, hub.metrics, clock, lease_s=lease_s)
        self._mqtt, self._hub, self._keys = mqtt, hub, keys

    async def follow(self) -> None:
        """See Courier."""
        await until_first(super().follow(), self._mqtt.serve(self._hub, self._bus, self._keys, self._log))


def options(url: str, topic: str, keepalive_s: int) -> dict[str, Any]:
    """What aiomqtt.Client gets for an mqtt(s):// url. Raises ConfigError, without the url's user and password."""
    where, remedy = "notify.mqtt.url", "give mqtt://HOST:PORT, with USER:PASSWORD@ before it, or mqtts:// for TLS"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("configuration", where, "is no url", remedy) from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ConfigError("configuration", where, "is no mqtt:// or mqtts:// url", remedy)
    secure = parts.scheme == "mqtts"
    return {
        "hostname": parts.hostname,
        "port": port or (8883 if secure else 1883),
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        # The same for every dashboard of the installation: when one takes over from one that hangs, the broker ends the
        # old connection and sends its will at once, not later over the new one's `online`.
        "identifier": "unmask" + hashlib.sha256(topic.encode()).hexdigest()[:12],
        "tls_context": ssl.create_default_context() if secure else None,
        "will": aiomqtt.Will(mqtt_topics.status(topic), OFFLINE, qos=1, retain=True),
        "keepalive": keepalive_s,
        "timeout": CONNECT_S,
        "logger": _quiet,
    }


def reason(error: BaseException) -> str:
    """Why, in one line; aiomqtt's texts hold no url."""
    if isinstance(error, TryLater):
        return error.reason
    return " ".join(str(error).split())[:160] or type(error).__name__


async def _listen(client: aiomqtt.Client) -> None:
    """Ends, by an error, when the connection does."""
    async for _ in client.messages:
        pass
