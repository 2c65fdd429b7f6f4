from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from unmask.doctor import files
from wire.settings import AlertSettings, RedisSettings, Settings


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


@pytest.mark.parametrize(
    ("evidence_mb", "free_gb", "taken_gb", "state", "says"),
    [
        (256, 1.6, 0, "ok", "1.6 GB more may be needed"),
        (256, 1.5, 0, "warning", "lower alerts.evidence_mb"),
        (256, 0.7, 1.0, "ok", "0.6 GB more"),  # the file is there already
        (700, 2.5, 0, "warning", "2.9 GB more"),  # 2 GB were enough for whatever was set
        (700, 3.0, 0, "ok", ""),
        (5000, 3.3, 0, "warning", "the settings allow 5.3 GB, the embedded server's memory holds 1.1"),
    ],
)  # fmt: skip
def test_the_state_folder_has_room_for_what_the_settings_allow(
    evidence_mb: int, free_gb: float, taken_gb: float, state: str, says: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=round(free_gb * 1e9)))
    (tmp_path / "valkey").mkdir()
    with (tmp_path / "valkey" / "appendonly.aof").open("wb") as file:
        file.truncate(round(taken_gb * 1e9))  # a file of holes
    found = files.state(Settings(state=tmp_path, alerts=AlertSettings(evidence_mb=evidence_mb)))
    assert (found.state, says in f"{found.details}: {found.remedy}") == (state, True), found


def test_a_detector_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_MODELS", raising=False)  # it would win
    monkeypatch.setattr(files, "user_cache_dir", lambda _: str(tmp_path / "cache"))
    found = files.detector(Settings(models=tmp_path))
    assert found.state == "warning"
    assert found.details.startswith("no YuNet: not here yet; the streamer downloads it when it starts; without it")
