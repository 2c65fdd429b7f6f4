"""`unmask demo` on its own embedded server: an alert on the manipulated camera, none on the untouched one."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import end, free_port, unmask, wait_until

WATCH_S = 10.0


@pytest.mark.timeout(240)
def test_the_demo_alerts_on_the_right_camera(tmp_path: Path) -> None:
    port = free_port()
    log_path = tmp_path / "log"
    home = tmp_path / "home"
    home.mkdir()
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(home)}
    env.pop("CI", None)  # where libraries that report their use don't
    events: list[dict[str, Any]] = []
    with log_path.open("wb") as log:
        demo = subprocess.Popen(unmask("demo", "--port", str(port)), stdout=log, stderr=log, env=env, cwd=tmp_path)
    watch = None
    try:
        wait_until(lambda: "watching two virtual cameras" in log_path.read_text(), 120, "the services are up")
        url = f"ws://127.0.0.1:{port}/ws/v1"
        topics = ("--topic", "alerts", "--topic", "scores")
        watch = subprocess.Popen(
            unmask("watch", "--json", *topics, "--since", "0", url), stdout=subprocess.PIPE, text=True
        )
        lines = watch.stdout
        assert lines is not None
        threading.Thread(target=lambda: events.extend(json.loads(line) for line in lines), daemon=True).start()
        wait_until(lambda: _cameras(events, "alert"), 90, "an alert")
        # Beside it, the untouched camera is scored for a while.
        wait_until(lambda: _span(events, "lobby-untouched") > WATCH_S, WATCH_S + 30, "the untouched camera is scored")
        assert _cameras(events, "alert") == {"call-manipulated"}
    finally:
        if watch is not None:
            end(watch)
            assert watch.stdout is not None
            watch.stdout.close()
        end(demo, 15)
    assert "Traceback" not in log_path.read_text()
    assert not list(home.iterdir()), "nothing is left behind there, such as a library's number for its reports"


def _cameras(events: list[dict[str, Any]], kind: str) -> set[str]:
    return {event[kind]["camera"] for event in list(events) if event["type"] == kind}


def _span(events: list[dict[str, Any]], camera: str) -> float:
    """Seconds of video of a camera that have been scored."""
    scores = [event["score"] for event in list(events) if event["type"] == "score"]
    times = [score["captured"] for score in scores if score["camera"] == camera]
    return max(times) - min(times) if times else 0.0
