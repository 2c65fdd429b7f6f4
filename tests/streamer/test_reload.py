"""Cameras that come, go and change in the file while a streamer runs: a real process and a real RTSP server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from streamer.service import TICK_S
from tests.streamer.test_main import command, finish
from tests.support.servers import RtspServer, wait_until
from wire.heartbeat import alive
from wire.keys import Keys
from wire.messages import CameraState
from wire.reload import LOOK_S


def state(bus: redis.Redis, keys: Keys, name: str) -> CameraState | None:
    data: Any = bus.get(keys.camera(name))
    return CameraState.decode(data) if data else None


def trouble(bus: redis.Redis, keys: Keys) -> str:
    found = alive(bus, keys, "streamer")
    return found[0].trouble if found else ""


@pytest.mark.timeout(180)
def test_cameras_come_go_and_change_without_a_restart(
    tmp_path: Path,
    redis_url: str,
    bus: redis.Redis,
    keys: Keys,
    plain_clip: Path,
    rtsp_server: Callable[..., RtspServer],
) -> None:
    server = rtsp_server(plain_clip, paths=2)
    cameras: dict[str, dict[str, Any]] = {
        "steady": {"url": server.url("cam0")},
        "gone": {"url": str(plain_clip), "loop": True},
        "other": {"url": str(plain_clip), "loop": True},
    }
    file = tmp_path / "unmask.yaml"

    def text(**changed: Any) -> str:
        return yaml.safe_dump({"cameras": cameras, "streamer": {"detector": "haar", "name": "me"}, **changed})

    def live(name: str) -> CameraState | None:
        found = state(bus, keys, name)
        return found if found and found.state == "live" else None

    def takes_effect(condition: Callable[[], object], what: str) -> None:
        """Within 2 s, and what a busy machine adds: two looks that see the same, each in a turn of its loop."""
        assert 2 * (LOOK_S + TICK_S) < 1
        wait_until(condition, 6, what)

    process = command(tmp_path, text(), redis_url)
    try:
        wait_until(lambda: all(live(name) for name in cameras), 60, "all are live")
        steady = live("steady")
        assert steady is not None
        before = live("other")
        assert before is not None
        del cameras["gone"]
        cameras["new"] = {"url": str(plain_clip), "loop": True}
        cameras["other"] = {"url": server.url("cam1"), "analysis_fps": 3.0}
        new = file.with_suffix(".new")
        new.write_text(text(worker={"batch": 4}))
        os.replace(new, file)
        takes_effect(lambda: state(bus, keys, "gone") is None, "the camera that was taken out is gone")
        takes_effect(lambda: state(bus, keys, "new"), "the new one is there")
        takes_effect(
            lambda: (s := state(bus, keys, "other")) and s.source != before.source, "the changed one is read anew"
        )
        wait_until(lambda: live("new") and live("other"), 20, "both are live")
        assert bus.smembers(keys.camera_names) == {b"steady", b"new", b"other"}
        assert bus.get(keys.lease("gone")) is None
        now = live("steady")
        assert now is not None
        assert (now.since, now.reconnects) == (steady.since, steady.reconnects), "it was not touched"
        good = file.read_text()
        file.write_text("cameras: {new: {url: 'gopher://alice:s3cret@h/'}}")
        takes_effect(lambda: "unknown source" in trouble(bus, keys), "the scheme is refused")
        file.write_text(good.replace("analysis_fps: 3.0", "analysis_fps: fast"))
        takes_effect(lambda: "analysis_fps" in trouble(bus, keys), "the value is refused")
        file.unlink()
        takes_effect(lambda: "no such file" in trouble(bus, keys), "a file that is gone is refused")
        assert all(live(name) for name in cameras)
        file.write_text(good)
        takes_effect(lambda: not trouble(bus, keys), "a good file is taken again")
        last = live("steady")
        assert last is not None
        assert (last.since, last.reconnects) == (steady.since, steady.reconnects)
    finally:
        process.terminate()
        errors = finish(process)
    assert "s3cret" not in errors
    assert errors.count("configuration refused") == 3
    assert '"settings": ["worker.batch"]' in errors
    assert errors.count("take effect after a restart only") == 1


def test_a_redis_that_lost_its_data_learns_the_names_again(
    tmp_path: Path, redis_url: str, bus: redis.Redis, keys: Keys, plain_clip: Path
) -> None:
    process = command(
        tmp_path, f"cameras: {{cam: {{url: {plain_clip}, loop: true}}}}\nstreamer: {{detector: haar}}", redis_url
    )
    try:
        wait_until(lambda: bus.smembers(keys.camera_names), 40, "it is known")
        bus.delete(keys.camera_names)
        wait_until(lambda: bus.smembers(keys.camera_names) == {b"cam"}, 10, "and again")
    finally:
        process.terminate()
        finish(process)
