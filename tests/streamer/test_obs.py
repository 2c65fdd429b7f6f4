"""OBS itself: `make obs` runs this where Debian's obs-studio is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.camera import CameraRuntime
from tests.streamer.conftest import KeepingSink
from tests.streamer.test_push import KEY, camera, lines, port  # noqa: F401 - fixtures
from tests.support import obs
from tests.support.servers import end, missing, wait_until
from unmask.demo import scene

PROGRAM = os.environ.get("UNMASK_OBS", "")


@pytest.fixture
def display() -> Iterator[str]:
    if not shutil.which("Xvfb"):
        missing("no Xvfb: run scripts/install-system.sh test")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x720x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    yield f":{server.stdout.readline().strip()}"
    end(server)
    server.stdout.close()


@pytest.mark.timeout(300)
@pytest.mark.skipif(not PROGRAM, reason="run: make obs")
def test_it_is_let_in_by_its_key_and_its_picture_is_looked_at(
    camera: CameraRuntime,  # noqa: F811
    port: int,  # noqa: F811
    sink: KeepingSink,
    display: str,
    tmp_path: Path,
) -> None:
    obs.configure(tmp_path, scene.PICTURE, f"rtmp://127.0.0.1:{port}/live", KEY)
    wait_until(lambda: camera.state().state == "waiting", 30, "it listens")
    with obs.pushing(PROGRAM, tmp_path, display) as program:
        wait_until(
            lambda: len(sink.windows) > 2 or program.poll() is not None, 200, f"windows are made: {camera.state()}"
        )
        log = (tmp_path / "obs.log").read_text(errors="replace")
        assert camera.state().state == "live", log[-3000:]
        assert "Streaming Start" in log
        assert {window.frame_size for window in sink.windows} == {obs.SIZE}
    wait_until(lambda: camera.state().state == "waiting", 60, f"it is gone: {camera.state()}")
    assert KEY not in repr(camera.state())
