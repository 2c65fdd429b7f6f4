from __future__ import annotations

from pathlib import Path

import av
import pytest
import structlog
from structlog.testing import capture_logs

from streamer import hardware, sources
from streamer.hardware import CANDIDATES, Hardware, find, trouble
from streamer.reader import Context, Reader
from streamer.recorder import Recorder
from streamer.ring import PacketRing
from wire.settings import CameraSettings, Hwaccel, StreamerSettings

LOG = structlog.get_logger()
LACKING: list[Hwaccel] = [device for device in ("cuda", "vaapi") if trouble(device)]
lacking_one = pytest.mark.skipif(not LACKING, reason="this machine decodes on every kind of device")
lacking_cuda = pytest.mark.skipif("cuda" not in LACKING, reason="this machine has CUDA")


def shapes(path: Path, device: Hardware, count: int = 3, ring: PacketRing | None = None) -> list[tuple[int, ...]]:
    source = sources.parse(CameraSettings(url=str(path)))
    with Reader(source, Context(ring=ring, hardware=device)) as reader:
        frames = reader.frames()
        return [next(frames).bgr().shape for _ in range(count)]


def test_none_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "trouble", lambda device: pytest.fail("a device was tried"))
    with capture_logs() as lines:
        assert find("none", LOG).device is None
    assert lines == []


def test_auto_without_a_device_is_no_reason_to_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "trouble", lambda device: f"no {device}")
    with capture_logs() as lines:
        found = find("auto", LOG, "linux")
    assert (found.device, found.accel()) == (None, None)
    assert [(line["log_level"], line["cuda"], line["vaapi"]) for line in lines] == [("info", "no cuda", "no vaapi")]


def test_auto_takes_the_first_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "trouble", lambda device: "" if device == "vaapi" else "no driver")
    assert find("auto", LOG, "linux").device == "vaapi"
    assert find("auto", LOG, "plan9").device is None


def test_what_auto_tries_may_also_be_asked_for() -> None:
    for device in {device for devices in CANDIDATES.values() for device in devices}:
        assert StreamerSettings(hwaccel=device).hwaccel == device


@lacking_one
def test_a_device_that_is_asked_for_and_not_there_is_one_warning_and_the_camera_runs(face_clip: Path) -> None:
    for device in LACKING:
        with capture_logs() as lines:
            found = find(device, LOG)
            assert shapes(face_clip, found) == [(480, 640, 3)] * 3
        assert [(line["log_level"], line["hwaccel"]) for line in lines] == [("warning", device)]
        assert lines[0]["why"] == trouble(device) != ""


def test_a_device_ffmpeg_was_built_without_is_named_with_those_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["cuda", "drm"])
    assert trouble("d3d11va") == "this PyAV was built without d3d11va (it has cuda, drm)"


@lacking_cuda
def test_a_device_that_fails_when_a_camera_opens_is_given_up_for_all_and_told_once(face_clip: Path) -> None:
    device = Hardware("cuda", LOG)  # as if it had worked when the service started
    with capture_logs() as lines:
        assert shapes(face_clip, device) == shapes(face_clip, device) == [(480, 640, 3)] * 3
    assert device.device is None
    assert [(line["log_level"], line["hwaccel"]) for line in lines] == [("warning", "cuda")]


@lacking_cuda
def test_a_source_that_is_away_is_not_the_devices_fault(tmp_path: Path) -> None:
    device = Hardware("cuda", LOG)
    with capture_logs() as lines, pytest.raises(Exception, match=r"(?i)no such file"):
        shapes(tmp_path / "none.mp4", device)
    assert (device.device, lines) == ("cuda", [])


def test_blame_falls_only_on_a_device_that_decodes(face_clip: Path) -> None:
    device = Hardware("qsv", LOG)  # FFmpeg has no plain H.264 decoder for it, so PyAV decodes on the CPU
    source = sources.parse(CameraSettings(url=str(face_clip)))
    with capture_logs() as lines, Reader(source, Context(hardware=device)) as reader:
        reader.open()
        reader.blame_device(ValueError("odd"))
    assert lines == []
    assert device.device == "qsv"


def test_the_recorder_does_not_take_a_devices_format_for_the_streams(face_clip: Path) -> None:
    with av.open(str(face_clip)) as container:
        ring = PacketRing(1)
        Recorder(ring, None).open(container.streams.video[0])
        ring.add(b"", 0, 0, True)
        assert ring.since(0)[0].stretch.pix_fmt == "yuv420p"
