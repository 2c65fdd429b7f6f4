"""MQTT against Debian's mosquitto."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
import redis
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import SecretStr

from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.notify.channel import TryLater
from dashboard.notify.mqtt import Mqtt, options
from dashboard.tasks import end as end_tasks
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.dashboard.notify.conftest import Broker
from tests.support.certificates import self_signed
from tests.support.proxy import proxied
from tests.support.servers import end, unmask, wait_until
from wire.bus import connect_async
from wire.errors import ConfigError
from wire.keys import Keys
from wire.settings import MqttSettings, NotifySettings

Start = Callable[..., Running]
CONFIG = "homeassistant/binary_sensor/unmask_door/alert/config"


class Watcher:
    """An MQTT client of another make than ours: the newest payload of every topic, and all alert events."""

    def __init__(self, broker: Broker) -> None:
        self.newest: dict[str, str] = {}
        self.history: list[tuple[str, str]] = []
        self.events: list[dict[str, Any]] = []
        self.subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set("unmask", broker.password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = self._take
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._lock = threading.Lock()
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self.hears()

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._lock:
            if message.topic == "unmask/alerts":
                self.events.append(json.loads(message.payload))
            else:
                self.newest[message.topic] = message.payload.decode()
                self.history.append((message.topic, message.payload.decode()))

    def hears(self) -> None:
        """Wait until it is subscribed: what is not retained and was published before, it never gets."""
        wait_until(self.subscribed.is_set, 20, "the broker has taken the subscription")

    def shows(self, topic: str, payload: str, timeout_s: float = 30) -> None:
        wait_until(
            lambda: self.newest.get(topic) == payload, timeout_s, f"{topic} = {payload}, is {self.newest.get(topic)}"
        )

    def of(self, topic: str) -> list[str]:
        """Everything that was published there, in order."""
        with self._lock:
            return [payload for name, payload in self.history if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Watcher]:
    one = Watcher(broker)
    yield one
    one.close()


def to(broker: Broker) -> NotifySettings:
    return NotifySettings(mqtt=MqttSettings(url=SecretStr(broker.url)))


def test_states_events_and_discovery(
    dashboard: Start, feed: Feed, broker: Broker, watcher: Watcher, placed: Any
) -> None:
    feed.service("worker")
    feed.camera("door")
    feed.score("door", 0.93)
    one = dashboard(notify=to(broker), stale_after_s=60.0)
    placed("mqtt")
    watcher.shows("unmask/status", "online")
    watcher.shows("unmask/door/available", "online")
    watcher.shows("unmask/door/score", "0.930")
    watcher.shows("unmask/door/verdict", "fake")
    watcher.shows("unmask/door/alert", "OFF")
    config = json.loads(watcher.newest[CONFIG])
    assert config["state_topic"] == "unmask/door/alert"
    feed.alert("a1", "new", "door")
    watcher.shows("unmask/door/alert", "ON")
    feed.alert("a1", "end", "door")
    watcher.shows("unmask/door/alert", "OFF")
    wait_until(lambda: len(watcher.events) == 2, 20, "both events")
    assert [event["event"] for event in watcher.events] == ["new", "end"]
    feed.camera("door", "unauthorised", faces=0)
    watcher.shows("unmask/door/available", "offline")
    late = Watcher(broker)  # what is retained, a newcomer gets
    try:
        late.shows(CONFIG, watcher.newest[CONFIG])
        late.shows("unmask/status", "online")
    finally:
        late.close()
    one.stop()
    watcher.shows("unmask/status", "offline")


def test_a_camera_that_was_removed_leaves_nothing_behind(
    dashboard: Start, feed: Feed, broker: Broker, watcher: Watcher, bus: redis.Redis, keys: Keys
) -> None:
    feed.camera("door")
    first = dashboard(notify=to(broker), stale_after_s=60.0)
    watcher.shows("unmask/door/verdict", "unsure")
    first.stop()
    bus.srem(keys.camera_names, "door")  # while nobody was there to see it
    bus.delete(keys.camera("door"))
    bus.xtrim(keys.cameras, maxlen=0)
    dashboard(notify=to(broker))
    watcher.shows(CONFIG, "")
    watcher.shows("unmask/door/verdict", "")
    watcher.shows("unmask/status", "online")


def test_a_broker_that_restarts_is_filled_again(
    dashboard: Start, feed: Feed, broker: Broker, watcher: Watcher, placed: Any
) -> None:
    feed.camera("door")
    with proxied(broker.port) as proxy:
        through = broker.url.replace(str(broker.port), str(proxy.port))
        one = dashboard(notify=NotifySettings(mqtt=MqttSettings(url=SecretStr(through))))
        placed("mqtt")
        watcher.shows("unmask/status", "online")
        proxy.down()
        broker.stop()
        wait_until(lambda: not watcher.subscribed.is_set(), 20, "the watcher has lost it, too")
        feed.alert("a1")  # while the broker is away
        broker.start()  # it keeps nothing on disk
        watcher.hears()
        watcher.newest.clear()
        proxy.up()
        watcher.shows("unmask/status", "online")
        watcher.shows("unmask/door/alert", "ON")
        wait_until(lambda: watcher.events, 20, "the event of the time without a broker")
        one.stop()


def test_of_two_dashboards_one_publishes(
    dashboard: Start, feed: Feed, broker: Broker, watcher: Watcher, placed: Any
) -> None:
    feed.camera("door")
    first = dashboard(notify=to(broker))
    placed("mqtt")
    dashboard(notify=to(broker))
    for number in range(20):
        feed.alert(f"a{number}")
    wait_until(lambda: len(watcher.events) >= 20, 30, "all events")
    assert [event["alert"]["id"] for event in watcher.events] == [f"a{number}" for number in range(20)]
    first.stop()
    feed.alert("after")
    wait_until(lambda: len(watcher.events) >= 21, 30, "the other took over")
    watcher.shows("unmask/status", "online")


def environment() -> dict[str, str]:
    """Ours without settings; a command finds the code that is tested from any folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UNMASK_", "REDIS_"))}
    return {**kept, "PYTHONPATH": os.getcwd()}


@contextmanager
def process(redis_url: str, broker: Broker) -> Iterator[subprocess.Popen[bytes]]:
    settings = {"REDIS_URL": redis_url, "UNMASK_DASHBOARD__PORT": "0", "UNMASK_NOTIFY__MQTT__URL": broker.url}
    one = subprocess.Popen(
        [sys.executable, "-m", "dashboard"], env={**environment(), **settings}, stderr=subprocess.DEVNULL
    )
    try:
        yield one
    finally:
        end(one)


def test_the_last_will_of_a_dashboard_that_was_killed(
    redis_url: str, feed: Feed, broker: Broker, watcher: Watcher
) -> None:
    feed.camera("door")
    with process(redis_url, broker) as one:
        watcher.shows("unmask/status", "online")
        one.send_signal(signal.SIGKILL)
        watcher.shows("unmask/status", "offline")


def test_a_dashboard_that_hangs_leaves_no_late_will_behind(
    redis_url: str, dashboard: Start, feed: Feed, broker: Broker, watcher: Watcher
) -> None:
    feed.camera("door")
    with process(redis_url, broker) as hung:
        watcher.shows("unmask/status", "online")
        hung.send_signal(signal.SIGSTOP)  # its connection stays open; the broker would miss it after 15 s only
        other = dashboard(notify=to(broker))
        wait_until(lambda: watcher.of("unmask/status")[-2:] == ["offline", "online"], 40, "the other took over")
        assert watcher.of("unmask/status") == ["online", "offline", "online"]
        hung.send_signal(signal.SIGCONT)  # it finds its lease and its connection gone, and says nothing
        feed.alert("a1")
        watcher.shows("unmask/door/alert", "ON")
        assert watcher.of("unmask/status")[-1] == "online"
        other.stop()
        wait_until(lambda: watcher.of("unmask/status")[-2:] == ["offline", "online"], 40, "the first one took it back")


def test_nothing_is_taken_for_removed_before_redis_was_read(
    redis_url: str, feed: Feed, broker: Broker, watcher: Watcher, keys: Keys
) -> None:
    feed.camera("door")
    feed.bus.sadd(keys.mqtt_topics, CONFIG)  # of an earlier life

    async def main() -> None:
        bus, log, mqtt = connect_async(redis_url), structlog.get_logger(), Mqtt(to(broker).mqtt)
        hub = Hub(DashboardConfig(redis_url=redis_url), bus, log, Metrics())
        serving = asyncio.create_task(mqtt.serve(hub, bus, keys, log))
        async with asyncio.timeout(30):
            while mqtt._client is None:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            assert not watcher.history, "it is connected, and waits"
            reading = asyncio.create_task(hub.run())
            while watcher.of("unmask/status") != ["online"]:
                await asyncio.sleep(0.01)
        await end_tasks([serving, reading])
        await bus.aclose()

    asyncio.run(main())
    assert json.loads(watcher.of(CONFIG)[0])["state_topic"] == "unmask/door/alert"
    assert "" not in watcher.of(CONFIG)
    first = [topic for topic, _ in watcher.history]
    assert first.index("unmask/status") > first.index("unmask/door/available"), "nothing old is current for a moment"


def test_a_wrong_password_is_said_without_it(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    mqtt = Mqtt(MqttSettings(url=SecretStr(f"mqtt://unmask:hidden@127.0.0.1:{broker.port}")))
    with caplog.at_level(logging.DEBUG), pytest.raises(TryLater) as caught:
        asyncio.run(mqtt.test())
    assert "authori" in str(caught.value)
    assert "hidden" not in caplog.text + str(caught.value)


def test_tls_and_the_brokers_certificate(make_broker: Callable[..., Broker], tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    broker = make_broker(tls=(certificate, key))

    def trial(**trusted: str) -> str:  # a process of its own: paho leaves the socket of a failed handshake open
        settings = {"UNMASK_NOTIFY__MQTT__URL": broker.url.replace("mqtt://", "mqtts://"), **trusted}
        done = subprocess.run(
            unmask("notify-test"), env={**environment(), **settings}, cwd=tmp_path, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    assert "✗ mqtt: [SSL: CERTIFICATE_VERIFY_FAILED]" in trial()
    assert "✓ mqtt" in trial(SSL_CERT_FILE=str(certificate))


@pytest.mark.parametrize("url", ["http://host", "mqtt://", "nothing", "mqtt://user:hidden@host:port"])
def test_an_url_that_is_none_is_said_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(url, "unmask", 10)
    assert "notify.mqtt.url" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_tls_and_the_ports() -> None:
    assert options("mqtts://h", "unmask", 10)["port"] == 8883
    assert options("mqtts://h", "unmask", 10)["tls_context"] is not None
    plain = options("mqtt://u:p%40@h", "unmask", 10)
    assert (plain["port"], plain["password"], plain["tls_context"]) == (1883, "p@", None)
