"""The recipe against Home Assistant itself: `make home-assistant` installs one and runs this."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.dashboard.notify.conftest import Broker
from tests.dashboard.notify.test_mqtt import to
from tests.support import home_assistant
from tests.support.servers import wait_until
from tests.test_recipes import block

PYTHON = os.environ.get("UNMASK_HOME_ASSISTANT", "")
ALERT, SCORE, VERDICT = (
    "binary_sensor.unmask_front_door_deepfake_alert", "sensor.unmask_front_door_deepfake_score",
    "sensor.unmask_front_door_verdict",
)  # fmt: skip


@pytest.mark.timeout(560)
@pytest.mark.skipif(not PYTHON, reason="run: make home-assistant")
def test_it_finds_the_camera_and_runs_the_recipe(
    dashboard: Callable[..., Running], feed: Feed, broker: Broker, placed: Any, tmp_path: Path
) -> None:
    feed.service("worker")
    feed.camera("front-door")
    feed.score("front-door", 0.93)
    one = dashboard(notify=to(broker), stale_after_s=600.0)
    placed("mqtt")
    automations = block("home-assistant", "automations.yaml").replace('for: "00:01:00"', 'for: "00:00:01"')
    with home_assistant.running(PYTHON, tmp_path / "ha", broker.url, automations) as home:

        def shows(entity: str, state: str, timeout_s: float = 20) -> None:
            wait_until(lambda: home.states.get(entity) == state, timeout_s, f"{entity} is {state}: {home.states}")

        shows(ALERT, "off", 480)  # it may have to install first
        shows(SCORE, "0.930")
        shows(VERDICT, "fake")
        feed.alert("a1", "new", "front-door")
        shows(ALERT, "on")
        wait_until(lambda: "fake, score 0.930" in home.notes, 20, "the first automation")
        wait_until(lambda: "peak score 0.97" in home.notes, 20, "the second")
        feed.alert("a1", "end", "front-door")
        shows(ALERT, "off")
        feed.camera("front-door", "unauthorised", faces=0)
        shows(ALERT, "unavailable")
        shows(SCORE, "unavailable")
        shows(VERDICT, "offline")
        wait_until(lambda: "front-door: offline" in home.notes, 20, "the third")
        one.stop()
        shows(VERDICT, "unavailable")
