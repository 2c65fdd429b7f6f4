"""What goes into the configuration, by the product's own loader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from unmask.discover.camera import Camera, Stream, as_object, as_yaml, stream_url
from wire.redact import remember
from wire.settings import load

HOST = "192.0.2.7"


def stream(url: str, source: str = "eye", name: str = "main") -> Stream:
    return Stream(name, source, url, "H264", 1920, 1080, 25)


def camera(name: str = "Front door", **fields: object) -> Camera:
    known = {"address": HOST, "name": name, "streams": (stream(f"rtsp://{HOST}/a?b=1&c=2"),), "login": True}
    return Camera(**(known | fields))  # type: ignore[arg-type]


def loaded(text: str, folder: Path) -> dict[str, str]:
    path = folder / "unmask.yaml"
    path.write_text(text)
    return {name: one.url for name, one in load(path).cameras.items()}


def test_the_entries_are_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_USER", "viewer")
    monkeypatch.setenv("CAMERA_PASSWORD", "hunter22")
    two = (stream("rtsp://192.0.2.8:8554/1", "left"), stream("rtsp://192.0.2.8:8554/2", "right"))
    found = [
        camera(), camera("Front  Door", login=False), camera("", streams=two, model="NVR 8", address="192.0.2.8"),
        camera("", model=""), camera("é\n: #", address="192.0.2.9"), camera("x" * 300),
        camera("gone", streams=(), problem="refused the login\n  evil: {url: x}"),
    ]  # fmt: skip
    assert loaded(as_yaml(found), tmp_path) == {
        "front-door": "rtsp://viewer:hunter22@192.0.2.7/a?b=1&c=2",
        "front-door-2": "rtsp://192.0.2.7/a?b=1&c=2",
        "nvr-8": "rtsp://viewer:hunter22@192.0.2.8:8554/1",
        "nvr-8-2": "rtsp://viewer:hunter22@192.0.2.8:8554/2",
        "camera-192.0.2.7": "rtsp://viewer:hunter22@192.0.2.7/a?b=1&c=2",
        "camera-192.0.2.9": "rtsp://viewer:hunter22@192.0.2.7/a?b=1&c=2",
        "x" * 48: "rtsp://viewer:hunter22@192.0.2.7/a?b=1&c=2",
    }


def test_nothing_found_is_a_configuration_too(tmp_path: Path) -> None:
    assert loaded(as_yaml([]), tmp_path) == {}
    assert loaded(as_yaml([camera(streams=(), problem="silent")]), tmp_path) == {}


def test_other_streams_of_the_same_picture_stand_beside() -> None:
    text = as_yaml([camera(streams=(stream(f"rtsp://{HOST}/main"), stream(f"rtsp://{HOST}/sub")))])
    assert len(yaml.safe_load(text)["cameras"]) == 1
    assert f"also H264 1920x1080 25 fps: rtsp://${{CAMERA_USER}}:${{CAMERA_PASSWORD}}@{HOST}/sub" in text


@pytest.mark.parametrize(
    ("named", "taken"),
    [(f"rtsp://{HOST}:554/a", f"rtsp://{HOST}:554/a"), (f"RTSPS://{HOST}/a?b#c", f"RTSPS://{HOST}/a?b#c"),
     (f"rtsp://{HOST}", f"rtsp://{HOST}"), (f"rtsp://user:pass@{HOST}/a", f"rtsp://{HOST}/a"),
     (f"rtsp://192.0.2.66@{HOST}/a", f"rtsp://{HOST}/a"), (f"rtsp://{HOST}@192.0.2.66/a", ""),
     (f"rtsp://{HOST}.example/a", ""), (f"rtsp://{HOST}:x@192.0.2.66/", ""), (f"rtsp://{HOST}\\@192.0.2.66/", ""),
     ("file:///etc/passwd", ""), ("screen:", ""), ("webcam:0", ""), (f"http://{HOST}/a", ""), ("", ""), ("a b", "")],
)  # fmt: skip
def test_which_urls_are_taken(named: str, taken: str) -> None:
    assert stream_url(named, HOST) == taken


def test_a_camera_does_not_get_at_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEP_SECRET", "hunter22")
    url = stream_url(f"rtsp://{HOST}/${{DEEP_SECRET}}", HOST)
    [made] = loaded(as_yaml([camera(login=False, streams=(stream(url),))]), tmp_path).values()
    assert "hunter22" not in made
    assert made.startswith(f"rtsp://{HOST}/%24")


def test_a_password_in_the_path_is_not_shown() -> None:
    remember("hunter-22")
    one = camera(streams=(stream(f"rtsp://{HOST}/u=a_p=hunter-22"), stream(f"rtsp://{HOST}/b?password=other-33")))
    told = json.dumps(as_object([one])) + as_yaml([one])
    assert "hunter-22" not in told
    assert "other-33" not in told
    assert "complete it" in told
