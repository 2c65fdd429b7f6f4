"""What a broker should hold, without a broker."""

from __future__ import annotations

import json
import re

from dashboard.notify import mqtt_topics
from dashboard.protocol import CameraView
from tests.dashboard.feed import alert_event


def view(name: str = "door", verdict: str = "clean", **changes: object) -> CameraView:
    fields = {"name": name, "verdict": verdict, "why": "", "state": "live", **changes}
    return CameraView(**fields)  # type: ignore[arg-type]


def test_a_camera_with_an_alert() -> None:
    alert = alert_event("a1").alert
    topics = mqtt_topics.states("unmask", [view(p_fake=0.98765), view("yard")], [alert])
    assert topics["unmask/door/alert"] == "ON"
    assert topics["unmask/door/score"] == "0.988"
    assert topics["unmask/door/available"] == "online"
    assert json.loads(topics["unmask/door/attributes"])["alert"] == "a1"
    assert topics["unmask/yard/alert"] == "OFF"
    assert topics["unmask/yard/score"] == "None", "Home Assistant's word for unknown"


def test_what_is_old_is_never_fine() -> None:
    for verdict in ("stale", "offline"):
        topics = mqtt_topics.states("unmask", [view(verdict=verdict, p_fake=0.1)], [])
        assert topics["unmask/door/available"] == "offline"
        assert topics["unmask/door/score"] == "None"


def test_a_score_that_makes_no_verdict_is_unknown() -> None:
    for verdict in ("unsure", "no-face"):
        topics = mqtt_topics.states("unmask", [view(verdict=verdict, p_fake=0.1)], [])
        assert topics["unmask/door/score"] == "None"
        assert topics["unmask/door/available"] == "online"


def test_the_verdict_can_be_read_while_the_camera_is_gone() -> None:
    found = mqtt_topics.discovery("homeassistant", "unmask", [view()], None)
    config = json.loads(found["homeassistant/sensor/unmask_door/verdict/config"])
    assert config["availability"] == [{"topic": "unmask/status"}]
    assert {"stale", "offline", "clean"} <= set(config["options"])
    for other in ("binary_sensor/unmask_door/alert", "sensor/unmask_door/score"):
        config = json.loads(found[f"homeassistant/{other}/config"])
        assert {"topic": "unmask/door/available"} in config["availability"]


def test_a_camera_alert_is_no_deepfake_alert() -> None:
    alert = alert_event("a1", kind="frozen", severity="warning").alert
    assert mqtt_topics.states("unmask", [view()], [alert])["unmask/door/alert"] == "OFF"


def test_discovery_names_each_entity_once_and_validly() -> None:
    views = [view(name) for name in ("front.door", "front_door", "front-door", "Front_2e_door")]
    found = mqtt_topics.discovery("homeassistant", "unmask", views, "https://unmask.example")
    assert len(found) == 3 * len(views), "names that look alike do not collide"
    configs = [json.loads(payload) for payload in found.values()]
    assert len({config["unique_id"] for config in configs}) == len(configs)
    for topic, config in zip(found, configs, strict=True):
        assert re.fullmatch(r"homeassistant/(binary_sensor|sensor)/[A-Za-z0-9_-]+/[a-z]+/config", topic)
        assert config["availability_mode"] == "all"
        assert {"topic": "unmask/status"} in config["availability"]
        assert config["device"]["configuration_url"] == "https://unmask.example"
        assert config["state_topic"].startswith("unmask/")
