"""Sources of the operator's own in the streamer: frames or a url, under the limits of any camera."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer import config, foreign
from streamer.camera import CameraRuntime
from streamer.probe import probe
from streamer.reader import Reader
from streamer.ring import PacketRing
from streamer.sources import Source
from tests.streamer.conftest import FixedDetector, KeepingSink
from tests.support.plugins import install
from tests.support.servers import wait_until
from wire.errors import ConfigError, SourceError, UnknownScheme
from wire.messages import Window
from wire.settings import CameraSettings, SourceSettings, StreamerSettings, WindowSettings
from wire.telemetry import Log
from wire.watchdog import Calls

FACE = Path(__file__).parents[2] / "unmask" / "demo" / "face.jpg"
STILL = StreamerSettings(sources={"still": SourceSettings(options={"fps": 25})}, backoff_s=(0.2,))
HOSTILE = """
import time
import numpy as np
from unmask.plugins import Picture

BLACK = np.zeros((48, 64, 3), np.uint8)

class Plugin:
    closed = 0

    def __new__(cls, url, **options):
        rest = url.partition(":")[2]
        return rest.removeprefix("url=") if rest.startswith("url=") else super().__new__(cls)

    def __init__(self, url):
        self._what = url.partition(":")[2]
        if self._what == "login":
            raise PermissionError("secret-of-the-camera")

    def frames(self):
        if self._what == "back":
            yield from (Picture(BLACK, time) for time in (100.0, 100.1, 99.0, 99.1))
        if self._what == "silent":
            raise TimeoutError("nothing came")
        if self._what == "float":
            yield Picture(BLACK.astype(float))
        if self._what == "fast":
            while True:
                yield Picture(BLACK)
        yield Picture(BLACK)

    def close(self):
        Plugin.closed += 1
"""


def one(url: str, streamer: StreamerSettings = STILL) -> Source:
    return config.camera("cam", CameraSettings(url=url), streamer).source


def test_windows_of_the_example_and_its_pictures_for_the_evidence(examples: Path, sink: KeepingSink, log: Log) -> None:
    ring = PacketRing(10)
    camera = config.camera("cam", CameraSettings(url=f"still:{FACE}"), STILL)
    window = WindowSettings(frames=4, stride=2)
    runtime = CameraRuntime(camera, STILL, window, FixedDetector, sink, "me", log, ring=ring)

    def even(window: Window) -> bool:
        times = [frame.captured for frame in window.frames]
        return [b - a for a, b in itertools.pairwise(times)] == pytest.approx([1 / 6] * 3, abs=0.05)

    runtime.start()
    try:
        wait_until(lambda: len(sink.windows) >= 2, 20, "two windows")
        wait_until(lambda: any(map(even, sink.windows)), 20, "six pictures a second, where the machine is not too busy")
        state = runtime.state()
    finally:
        assert runtime.stop(10)
    assert (state.state, state.frame_size, state.source) == ("live", (512, 512), f"still:{FACE}")
    assert ring.wants_pictures


def test_a_probe_tells_the_plugin_and_its_version(examples: Path) -> None:
    found = probe(CameraSettings(url=f"still:{FACE}"), 20, STILL.sources)
    assert (found.ok, found.codec, found.size) == (True, "still 0.1.0", (512, 512))
    assert probe(CameraSettings(url="still:/none.jpg"), 5, STILL.sources).kind == "not-found"


def test_a_scheme_is_opened_only_where_the_configuration_names_it(examples: Path) -> None:
    with pytest.raises(UnknownScheme):
        one("ndi://studio", StreamerSettings())
    with pytest.raises(ConfigError, match=r"streamer\.sources\.ndi: no installed package has a source 'ndi'"):
        one("ndi:studio", StreamerSettings(sources={"ndi": SourceSettings()}))


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What reads odd:WHAT, under limits given by name."""
    install(tmp_path / "site", "source", "odd", HOSTILE)
    monkeypatch.syspath_prepend(tmp_path / "site")

    def read(what: str, **limits: Any) -> Reader:
        source = one(f"odd:{what}", StreamerSettings(sources={"odd": SourceSettings()}))
        return foreign.reader(dataclasses.replace(source, **limits))

    yield read
    monkeypatch.delitem(sys.modules, "hostile_source", raising=False)


def everything(hostile: Any, what: str, **limits: Any) -> None:
    with hostile(what, **limits) as reader:
        reader.open()
        for _ in reader.frames():
            pass


@pytest.mark.parametrize(
    ("what", "limits", "kind"),
    [
        ("login", {}, "unauthorised"),
        ("silent", {}, "timeout"),
        ("float", {}, "failed"),
        ("end", {}, "disconnected"),
        ("end", {"max_pixels": 3000}, "over-limit"),
        ("fast", {"max_fps": 0.5}, "over-limit"),
        ("url=odd:again", {}, "not-found"),  # a file's name: a plugin's url goes to no plugin
        ("url=gopher://x", {}, "failed"),
        ("url=rtsp://u:pass-of-the-camera@127.0.0.1:9/x", {}, "refused"),
    ],
)
def test_what_it_does_is_a_state_of_the_camera(hostile: Any, what: str, limits: dict[str, Any], kind: str) -> None:
    with pytest.raises(SourceError) as caught:
        everything(hostile, what, **limits)
    assert caught.value.kind == kind
    assert "pass-of-the-camera" not in str(caught.value)
    assert str(caught.value).startswith("odd:")


def test_a_url_that_it_returns_is_read_as_any_camera(hostile: Any, face_clip: Path) -> None:
    with hostile(f"url=file:{face_clip}") as reader:
        assert reader.open().codec == "h264"
        assert next(reader.frames()).size == (640, 480)


def test_capture_times_never_run_back(hostile: Any) -> None:
    with hostile("back") as reader:
        reader.open()
        frames = reader.frames()
        times = [next(frames).captured for _ in range(5)]
    assert times == sorted(times)


def test_a_call_that_does_not_return_is_the_cameras(hostile: Any) -> None:
    """The watchdog then ends the process in the camera's name, as for a decoder: tests/streamer/test_blame.py."""
    calls = Calls()
    reader = hostile("end")
    reader._calls = calls
    entered, leave = threading.Event(), threading.Event()

    class Waits:
        def frames(self) -> Any:
            entered.set()
            leave.wait(60)
            yield from ()

        def close(self) -> None:
            pass

    reader._plugin = Waits()

    def read() -> None:
        with pytest.raises(SourceError):
            list(reader.frames())

    thread = threading.Thread(target=read)
    thread.start()
    assert entered.wait(20)
    assert calls.hung(0.0).startswith("reading odd:end has not returned")
    leave.set()
    thread.join(20)
