"""`unmask doctor` as a shell sees it, with a good camera, a silent one and a wrong one."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from rich.console import Console

from tests.unmask.test_cli import refused
from unmask.demo import scene
from unmask.doctor import page
from unmask.finding import Finding
from wire.settings import Settings, StreamerSettings


def test_one_object_for_programs(tmp_path: Path, redis_url: str) -> None:
    scene.render(tmp_path / "clip.mp4", manipulated=False, seconds=0.4)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        (tmp_path / "unmask.yaml").write_text(
            "dashboard: {port: 0}\n"
            f"cameras:\n  good: {{url: clip.mp4}}\n  mute: {{url: 'rtsp://alice:hunter22@127.0.0.1:{port}/x'}}\n"
            "  odd: {url: 'gopher://x'}\n"
        )
        result = refused("doctor", "--json", "--timeout", "2", cwd=tmp_path, env={"REDIS_URL": redis_url})
    assert "hunter22" not in result.stdout + result.stderr
    told = json.loads(result.stdout)
    found = {finding["part"]: finding for finding in told["findings"]}
    assert (result.returncode, told["ok"]) == (1, False)
    assert told["verdict"].startswith("2 failed")
    assert found["good"]["facts"]["codec"] == "h264"
    assert found["mute"]["facts"]["kind"] == "timeout"
    assert {part for part, finding in found.items() if finding["state"] == "failed"} == {"mute", "odd"}
    assert all(finding["remedy"] for finding in found.values() if finding["state"] != "ok")
    assert {"versions", "cpu", "cuda", "decoding", "capacity", "redis", "clocks", "checkpoint", "port"} <= found.keys()
    assert found["checkpoint"]["facts"]["id"].startswith("unmask-")


def test_no_camera_is_something_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.parts.checkpoint", lambda _: Finding("checkpoint", "ok", ""))
    found = page.look(
        Settings(dashboard={"port": 0}, state=tmp_path, streamer=StreamerSettings(detector="haar")), None, 1.0
    )
    assert (found[-1].part, found[-1].state) == ("cameras", "warning")
    assert "under 'cameras'" in found[-1].remedy
    assert not page.failed(found)


def test_a_page_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Finding("cpu", "ok", "[fast]"), Finding("cuda", "warning", "none", "buy [one]")]
    page.show(Console(width=80), found)
    shown = capsys.readouterr().out
    assert "[fast]" in shown  # brackets are no markup of ours
    assert "1 to look at" in shown
    assert "warning cuda: buy [one]" in shown
    assert page.verdict(found[:1]) == "all is well"
    assert not page.failed(found)
