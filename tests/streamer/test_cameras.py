from __future__ import annotations

from streamer.cameras import Changes, compare
from streamer.config import CameraConfig, camera
from wire.settings import CameraSettings, StreamerSettings


def made(name: str, **changed: object) -> CameraConfig:
    return camera(name, CameraSettings(url=f"rtsp://h/{name}", **changed), StreamerSettings())  # type: ignore[arg-type]


def test_each_camera_is_added_removed_changed_or_left_alone() -> None:
    before = [made("a"), made("b"), made("c"), made("d")]
    after = [made("b", analysis_fps=3), made("c"), made("d", transport="udp"), made("e")]
    assert compare(before, after) == Changes(added=("e",), removed=("a",), changed=("b", "d"))


def test_the_same_cameras_in_another_order_are_no_change() -> None:
    assert not compare([made("a"), made("b")], [made("b"), made("a")])
