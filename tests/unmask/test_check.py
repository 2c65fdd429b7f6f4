"""`unmask check` on good and bad cameras at once."""

from __future__ import annotations

from pathlib import Path

from tests.support.servers import free_port
from tests.unmask.test_cli import call
from unmask.demo import scene


def test_each_camera_is_probed_and_named(tmp_path: Path, redis_url: str) -> None:
    scene.render(tmp_path / "clip.mp4", manipulated=False, seconds=0.4)
    (tmp_path / "unmask.yaml").write_text(
        f"cameras:\n  good: {{url: clip.mp4}}\n  gone: {{url: nowhere.mp4}}\n"
        f"  shut: {{url: 'rtsp://alice:hunter2@127.0.0.1:{free_port()}/x'}}\n"
    )
    result = call("check", cwd=tmp_path, env={"REDIS_URL": redis_url, "COLUMNS": "200"})
    rows = {line.split("│")[1].strip(): line for line in result.stdout.splitlines() if line.startswith("│")}
    assert "ok" in rows["good"]
    assert "h264 854x480" in rows["good"]
    assert "failed" in rows["gone"]
    assert "not-found" in rows["gone"]
    assert "refused" in rows["shut"]
    assert "ok" in rows["redis"]
    assert "hunter2" not in result.stdout + result.stderr
    assert result.returncode == 1


def test_all_good(tmp_path: Path) -> None:
    scene.render(tmp_path / "clip.mp4", manipulated=False, seconds=0.4)
    (tmp_path / "unmask.yaml").write_text("cameras: {good: {url: clip.mp4}}")
    result = call("check", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
