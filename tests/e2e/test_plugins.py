"""The three example plugins in one line: one shows a picture, one scores it beside ours, one writes the alert."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import redis
import structlog

from streamer import config, models
from streamer.service import Streamer
from tests.dashboard.conftest import Running, dashboard  # noqa: F401 - a fixture
from tests.support.servers import wait_until
from tests.worker.conftest import tiny  # noqa: F401 - a fixture
from tests.worker.making import FRAMES
from wire import bus as wire_bus
from wire.keys import FIELD, Keys
from wire.messages import CameraState, Score
from wire.settings import Settings
from worker.service import Worker

FACE = Path(__file__).parents[2] / "unmask" / "demo" / "face.jpg"
HAAR = models.Choice("haar", None)


def test_an_alert_by_way_of_all_three(
    redis_url: str,
    bus: redis.Redis,
    keys: Keys,
    examples: Path,
    tiny: Path,  # noqa: F811
    dashboard: Callable[..., Running],  # noqa: F811
    tmp_path: Path,
) -> None:
    journal = tmp_path / "alerts.jsonl"
    settings = Settings(
        cameras={"poster": {"url": f"still:{FACE}", "analysis_fps": 10}},
        redis={"url": redis_url},
        window={"frames": FRAMES, "stride": 2},
        streamer={"sources": {"still": {}}, "detector": "haar", "name": "s"},
        worker={"checkpoint": tiny, "device": "torch-cpu", "threads": 1, "name": "w", "quality": {"min_sharpness": 0},
                "detector": {"plugin": "sharpness", "rule": "weighted", "weight": 0.1}},
        alerts={"dwell_s": 0},
        notify={"plugins": {"journal": {"plugin": "jsonl", "options": {"path": str(journal)}}}},
    )  # fmt: skip
    page = dashboard(notify=settings.notify)
    wait_until(lambda: bus.exists(keys.notified("plugin-journal")), 30, "the channel has its place")
    client = wire_bus.connect(redis_url)
    worker, streamer = Worker(settings), Streamer(config.take(settings), client, structlog.get_logger(), HAAR)
    threads = [threading.Thread(target=service.run) for service in (worker, streamer)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: journal.exists() and "\n" in journal.read_text(), 60, "the notifier has written")
    finally:
        worker.stop()
        streamer.stop()
        for thread in threads:
            thread.join(30)
        client.close()
    told = json.loads(journal.read_text().splitlines()[0])
    assert (told["type"], told["event"], told["alert"]["camera"]) == ("alert", "new", "poster")
    assert told["alert"]["model"].endswith("+sharpness-0.1.0:weighted")
    rows: Any = bus.xrange(keys.scores)
    scores = [Score.decode(fields[FIELD]) for _, fields in rows]
    assert all(one.opinion and one.opinion.outcome == "scored" for one in scores)
    state: Any = bus.get(keys.camera("poster"))
    assert CameraState.decode(state).frame_size == (512, 512)
    counted = f'unmask_detector_windows_total{{detector="sharpness",outcome="scored",version="0.1.0"}} {len(scores)}.0'
    assert counted in httpx.get(f"{page.http}/metrics").text
