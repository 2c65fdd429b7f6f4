"""Cameras for a benchmark: the RTSP server beside this file, under the Python that Debian's GStreamer belongs to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unmask.bench import processes
from wire.errors import ServiceError

SYSTEM_PYTHON = "/usr/bin/python3"
COMMAND = (SYSTEM_PYTHON, str(Path(__file__).with_name("rtsp_server.py")))
PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-rtsp"


def available() -> bool:
    """Whether GStreamer's RTSP server is here."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0'); gi.require_version('GstApp', '1.0')"
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def serving(clip: Path, paths: int, fps: int) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The server's process, and the urls of its `paths` cameras, each of which plays `clip`. Raises ServiceError."""
    if not available():
        raise ServiceError("there is no GStreamer to serve the cameras", f"sudo apt-get install {PACKAGES}")
    command = [*COMMAND, "0", "--file", str(clip), "--paths", str(paths), "--fps", str(fps)]
    with processes.process(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        word, _, port = running.stdout.readline().partition(" ")
        if word != "ready":
            raise ServiceError("the RTSP server did not start", "look at what it printed above")
        yield running, [f"rtsp://127.0.0.1:{int(port)}/cam{number}" for number in range(paths)]
