from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.probe import probe
from tests.support.servers import RtspServer, free_port
from wire.errors import UnknownScheme
from wire.settings import CameraSettings


def test_a_file(face_clip: Path) -> None:
    found = probe(CameraSettings(url=str(face_clip)), 20)
    assert (found.ok, found.kind, found.codec, found.size, found.fps) == (True, "", "h264", (640, 480), 25)
    assert "640x480" in found.message


def test_a_camera_and_its_wrong_password(face_clip: Path, rtsp_server: Callable[..., RtspServer]) -> None:
    server = rtsp_server(face_clip, auth="digest")
    assert probe(CameraSettings(url=server.url(login="alice:s3cret")), 20).ok
    found = probe(CameraSettings(url=server.url(login="alice:wr0ng")), 20)
    assert (found.ok, found.kind) == (False, "unauthorised")
    assert "wr0ng" not in found.message
    assert "password" in found.remedy


def test_what_can_be_wrong_with_a_file(audio_clip: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("no video")
    assert probe(CameraSettings(url=str(audio_clip)), 20).kind == "no-video"
    assert probe(CameraSettings(url=str(tmp_path / "none.mp4")), 20).kind == "not-found"
    assert probe(CameraSettings(url=str(notes)), 20).kind == "failed"


def test_refused() -> None:
    assert probe(CameraSettings(url=f"rtsp://127.0.0.1:{free_port()}/x"), 20).kind == "refused"


def test_a_mute_peer_is_a_timeout_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        found = probe(CameraSettings(url=f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x"), 1.0)
        assert time.monotonic() - began < 4
    assert found.kind == "timeout"


def test_an_unknown_scheme_is_a_usage_error() -> None:
    with pytest.raises(UnknownScheme):
        probe(CameraSettings(url="gopher://x"), 1)
