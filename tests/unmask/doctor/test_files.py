from __future__ import annotations

from pathlib import Path

import pytest

from unmask.doctor import files
from wire.settings import RedisSettings, Settings


@pytest.mark.parametrize(
    ("url", "mode", "state"),
    [
        ("rtsp://alice:hunter22@cam/x", 0o644, "warning"),
        ("rtsp://alice:hunter22@cam/x", 0o640, "ok"),
        ("rtsp://${USER}:${PASSWORD}@cam/x", 0o644, "ok"),
        ("clip.mp4", 0o644, "ok"),
    ],
)
def test_credentials_that_everybody_may_read(url: str, mode: int, state: str, tmp_path: Path) -> None:
    path = tmp_path / "unmask.yaml"
    path.write_text(f"cameras: {{a: {{url: '{url}'}}}}")
    path.chmod(mode)
    found = files.configuration(path)
    assert found.state == state
    assert "hunter22" not in str(found)
    assert ("chmod o-r" in found.remedy) == (state == "warning")


def test_the_state_folder(tmp_path: Path) -> None:
    assert files.state(Settings(state=tmp_path / "a" / "b")).facts["exists"] is False
    (tmp_path / "file").touch()
    assert files.state(Settings(state=tmp_path / "file" / "x")).state == "failed"
    assert files.state(Settings(state=tmp_path / "file", redis=RedisSettings(url="redis://a"))).state == "ok"


def test_a_detector_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_MODELS", raising=False)  # it would win
    monkeypatch.setattr(files, "user_cache_dir", lambda _: str(tmp_path / "cache"))
    found = files.detector(Settings(models=tmp_path))
    assert (found.state, "Haar" in found.details) == ("warning", True)
