"""Real pushes by two makes of client, FFmpeg's and librtmp, which is OBS's; from programs of their own."""

from __future__ import annotations

import selectors
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from streamer import config
from streamer.camera import CameraRuntime
from streamer.probe import probe
from streamer.push import Place, Push, _Peer
from streamer.rtmp import FLV_HEAD, Session
from tests.streamer.conftest import FixedDetector, KeepingSink
from tests.streamer.test_rtmp import BEGUN, message
from tests.support import publisher
from tests.support.servers import end, free_port, missing, rtsp_available, wait_until
from wire.errors import SourceError
from wire.settings import CameraSettings, StreamerSettings, WindowSettings
from wire.telemetry import Log

KEY = "s3cret-stream-key"
Pushing = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def lines() -> list[str]:
    """What is logged."""
    return []


@pytest.fixture
def camera(port: int, sink: KeepingSink, lines: list[str]) -> Iterator[CameraRuntime]:
    settings = StreamerSettings(backoff_s=(0.05, 0.1), read_timeout_s=10)
    one = CameraSettings(url=f"rtmp://127.0.0.1:{port}/live/{KEY}", listen="loopback")

    def keep(_: object, method: str, event: MutableMapping[str, Any]) -> str:
        lines.append(f"{method} {event}")
        raise structlog.DropEvent

    log: Log = structlog.wrap_logger(None, processors=[keep])
    window = WindowSettings(frames=4, stride=2)
    runtime = CameraRuntime(config.camera("call", one, settings), settings, window, FixedDetector, sink, "me", log)
    runtime.start()
    yield runtime
    assert runtime.stop()


@pytest.fixture
def pushing(port: int, face_clip: Path) -> Iterator[Pushing]:
    made: list[subprocess.Popen[str]] = []

    def start(key: str, library: str = "ffmpeg") -> subprocess.Popen[str]:
        made.append(publisher.start(face_clip, f"rtmp://127.0.0.1:{port}/live/{key}", library))
        return made[-1]

    yield start
    for process in made:
        end(process)
        assert process.stderr is not None
        process.stderr.close()


def test_a_publisher_comes_goes_and_comes_again(
    camera: CameraRuntime, pushing: Pushing, sink: KeepingSink, port: int, lines: list[str]
) -> None:
    def is_in(state: str, windows: int = 0) -> None:
        wait_until(
            lambda: camera.state().state == state and len(sink.windows) >= windows, 30, f"{state}: {camera.state()}"
        )

    is_in("waiting")
    assert camera.state().error == ""
    with socket.create_connection(("127.0.0.1", port)) as idle:  # a peer that says nothing keeps nobody out
        wrong = pushing("another-stream-key")
        wait_until(lambda: "stream key is wrong" in camera.state().error, 30, "the wrong key is refused")
        assert camera.state().state == "waiting"
        assert wrong.wait(30) != 0
        first = pushing(KEY)
        is_in("live", windows=1)
        assert idle.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):  # one at a time
        socket.create_connection(("127.0.0.1", port))
    first.kill()
    is_in("waiting")
    made = len(sink.windows)
    pushing(KEY)
    is_in("live", windows=made + 1)
    assert camera.state().reconnects == 1
    assert {window.frame_size for window in sink.windows} == {(640, 480)}
    assert len({window.epoch for window in sink.windows}) == 2
    said = repr(lines) + repr(sink.states) + repr(camera.state())
    assert "publisher refused" in said
    assert "rtmp://127.0.0.1" in said
    assert "stream-key" not in said


def test_picture_and_sound_by_the_library_that_obs_has(
    camera: CameraRuntime, pushing: Pushing, sink: KeepingSink
) -> None:
    if not rtsp_available():
        missing("no GStreamer: run scripts/install-system.sh test")
    wait_until(lambda: camera.state().state == "waiting", 30, "it listens")
    refused = pushing("another-stream-key", "librtmp")
    assert refused.wait(30) != 0
    assert "stream key is wrong" in camera.state().error
    pushed = pushing(KEY, "librtmp")
    wait_until(lambda: bool(sink.windows), 30, f"its picture is looked at: {camera.state()}")
    assert {window.frame_size for window in sink.windows} == {(640, 480)}
    pushed.kill()
    wait_until(lambda: camera.state().state == "waiting", 30, f"it is gone: {camera.state()}")


def heard(silence_s: float, *said: bytes) -> tuple[Push, list[socket.socket]]:
    """What waits for a publisher, and those who connected as soon as it listened and said this."""
    peers: list[socket.socket] = []
    port = free_port()

    def come(_why: str) -> None:
        for words in said:
            peers.append(socket.create_connection(("127.0.0.1", port)))
            peers[-1].sendall(words)

    push = Push(Place("127.0.0.1", port, "live", "s3cret-key"), "door", silence_s, threading.Event(), come)
    push.wait()
    return push, peers


def test_sound_alone_is_silence() -> None:
    push, (peer,) = heard(0.3, BEGUN)
    assert push.read(100) == FLV_HEAD
    over = threading.Event()

    def talk() -> None:
        while not over.wait(0.02):
            peer.sendall(message(8, b"sound"))

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        with pytest.raises(SourceError, match="sends no picture"):
            push.read(100)
    finally:
        over.set()
        talking.join()
        push.close()
        peer.close()


def test_of_a_publisher_who_was_gone_at_once_nothing_is_left() -> None:
    push = Push(Place("127.0.0.1", 0, "live", "s3cret-key"), "door", 1, threading.Event(), print)
    for gone in (True, False):
        ours, theirs = socket.socketpair()
        with ours, theirs, selectors.DefaultSelector() as selector:
            theirs.sendall(BEGUN)
            if gone:
                theirs.close()
            selector.register(ours, selectors.EVENT_READ)
            assert push._hear(selector, ours, _Peer(Session("live", "s3cret-key"), "", 0)) is not gone
            if not gone:
                assert push.read(100) == FLV_HEAD


def test_a_check_says_that_nobody_pushes(port: int) -> None:
    found = probe(CameraSettings(url=f"rtmp://127.0.0.1:{port}/live/{KEY}", listen="loopback"), 0.3)
    assert (found.ok, found.kind) == (False, "timeout")
    assert "nobody has pushed" in found.message


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = probe(CameraSettings(url=f"rtmp://127.0.0.1:{port}/live/{KEY}", listen="loopback"), 5)
    assert (found.ok, found.kind) == (False, "refused")
    assert f"can't listen on port {port}" in found.message
