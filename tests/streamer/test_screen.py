"""`screen:` on a real X display: a browser window with a face in it, as a call window would be."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer import sources
from streamer.faces import Haar
from streamer.probe import probe
from streamer.reader import Reader
from tests.conftest import CHROMIUM
from tests.support.servers import end, missing
from unmask.demo import scene
from wire.settings import CameraSettings

WIDTH, HEIGHT = 800, 600


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """An X server on a display it chooses, with the portrait filling a browser window."""
    if not shutil.which("Xvfb") or not Path(CHROMIUM).exists():
        missing("no Xvfb or no Chromium: run scripts/install-system.sh test")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    name = f":{server.stdout.readline().strip()}"
    page = tmp_path / "call.html"
    page.write_text(f"<body style='margin:0'><img src='file://{scene.PICTURE}' style='width:100vw'>")
    flags = ["no-sandbox", "kiosk", "disable-gpu", "no-first-run", "disable-background-networking", "disable-sync",
             "disable-component-update", f"user-data-dir={tmp_path}", f"window-size={WIDTH},{HEIGHT}"]  # fmt: skip
    browser = subprocess.Popen(
        [CHROMIUM, *(f"--{flag}" for flag in flags), str(page)],
        env={"DISPLAY": name, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield name
    end(browser)
    end(server)
    server.stdout.close()


def test_a_face_in_a_window_is_seen(display: str) -> None:
    camera = CameraSettings(url=f"screen:{WIDTH}x{HEIGHT}+0+0@{display}")
    assert probe(camera, 10).size == (WIDTH, HEIGHT)
    detector = Haar(640, 48.0)
    with Reader(sources.parse(camera), threading.Event()) as reader:
        reader.open()
        for number, frame in enumerate(reader.frames()):
            if faces := detector.detect(frame.bgr()):
                break
            assert number < 300, "no face within 20 s of 15 frames each"
    assert faces[0].box[2] > 100


def test_a_region_of_the_screen(display: str) -> None:
    camera = CameraSettings(url=f"screen:320x240+100+50@{display}")
    assert probe(camera, 10).size == (320, 240)


def test_no_such_display() -> None:
    found = probe(CameraSettings(url="screen:@:4242"), 10)
    assert not found.ok
    assert ":4242" in found.message or "screen" in found.message
