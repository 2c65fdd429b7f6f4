"""MQTT against Debian's mosquitto."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
import pytest
import redis
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import SecretStr

from dashboard.notify.mqtt import options
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.dashboard.notify.conftest import Broker
from tests.support.servers import end, wait_until
from wire.errors import ConfigError
from wire.keys import Keys
from wire.settings import MqttSettings, NotifySettings

Start = Callable[..., Running]
CONFIG = "homeassistant/binary_sensor/unmask_door/alert/config"


class Watcher:
    """An MQTT client of another make than ours: the newest payload of every topic, and all alert events."""

    def __init__(self, broker: Broker) -> None:
        self.newest: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set("unmask", broker.password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = self._take
        self._lock = threading.Lock()
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._lock:
            if message.topic == "unmask/alerts":
                self.events.append(json.loads(message.payload))
            else:
                self.newest[message.topic] = message.payload.decode()

    def shows(self, topic: str, payload: str, timeout_s: float = 15) -> None:
        wait_until(
            lambda: self.newest.get(topic) == payload, timeout_s, f"{topic} = {payload}, is {self.newest.get(topic)}"
        )

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
    wait_until(lambda: len(watcher.events) == 2, 10, "both events")
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
    first = dashboard(notify=to(broker))
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
    dashboard(notify=to(broker))
    placed("mqtt")
    watcher.shows("unmask/status", "online")
    broker.stop()
    feed.alert("a1")  # while the broker is away
    watcher.newest.clear()
    broker.start()  # it keeps nothing on disk
    watcher.shows("unmask/status", "online", 30)
    watcher.shows("unmask/door/alert", "ON")
    wait_until(lambda: watcher.events, 20, "the event of the time without a broker")


def test_of_two_dashboards_one_publishes(
    dashboard: Start, feed: Feed, broker: Broker, watcher: Watcher, placed: Any
) -> None:
    feed.camera("door")
    first = dashboard(notify=to(broker))
    placed("mqtt")
    dashboard(notify=to(broker))
    for number in range(20):
        feed.alert(f"a{number}")
    wait_until(lambda: len(watcher.events) >= 20, 15, "all events")
    assert [event["alert"]["id"] for event in watcher.events] == [f"a{number}" for number in range(20)]
    first.stop()
    feed.alert("after")
    wait_until(lambda: len(watcher.events) >= 21, 15, "the other took over")
    watcher.shows("unmask/status", "online")


@contextmanager
def process(redis_url: str, broker: Broker) -> Iterator[subprocess.Popen[bytes]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UNMASK_", "REDIS_"))}
    settings = {"REDIS_URL": redis_url, "UNMASK_DASHBOARD__PORT": "0", "UNMASK_NOTIFY__MQTT__URL": broker.url}
    one = subprocess.Popen([sys.executable, "-m", "dashboard"], env={**clean, **settings}, stderr=subprocess.DEVNULL)
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
