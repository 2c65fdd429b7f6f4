from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import redis

from tests.dashboard.feed import Feed
from unmask.doctor import files
from wire.keys import Keys
from wire.settings import (
    AlertSettings,
    CameraSettings,
    RedisSettings,
    Settings,
    StreamerSettings,
    WorkerSettings,
)
from worker.commit import SCORES_MAXLEN
from worker.features import RedisCache


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
        (256, 1.8, 0, "ok", "1.8 GB more may be needed"),
        (256, 1.7, 0, "warning", "lower alerts.evidence_mb"),
        (256, 0.8, 1.0, "ok", "0.8 GB more"),  # the file is there already
        (700, 2.5, 0, "warning", "3.1 GB more"),  # 2 GB were enough for whatever was set
        (700, 3.2, 0, "ok", ""),
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


def test_room_is_reckoned_for_all_that_the_settings_bound(tmp_path: Path) -> None:
    def needed(**changed: Any) -> int:
        cameras = {"a": CameraSettings(url="rtsp://a", **changed.pop("camera", {}))}
        found = files.state(Settings(state=tmp_path, alerts=AlertSettings(evidence_mb=512), cameras=cameras, **changed))
        needed = found.facts["needed"]
        assert isinstance(needed, int)
        return needed

    each = 3  # in memory, in the file, and in the one that takes its place
    usual = needed()
    assert usual > each * (512 + 256) * files.MB + each * SCORES_MAXLEN * 300, "scores are kept, however few cameras"
    face = round(6 * 30 * files.FEATURE_BYTES)  # analysed 6 times a second, kept for 30 s
    assert needed(streamer=StreamerSettings(max_faces=18)) - usual == each * 10 * face
    assert needed(worker=WorkerSettings(feature_ttl_s=60)) - usual == each * 8 * face
    assert needed(camera={"analysis_fps": 12}) - usual == each * 8 * face


@pytest.mark.skipif("UNMASK_TEST_REDIS" in os.environ, reason="reckoned for the embedded server, which is Valkey")
def test_what_is_reckoned_is_what_a_server_takes(bus: redis.Redis, keys: Keys) -> None:
    track = "1795419664941-17"
    names = [("front-door", track, index) for index in range(300, 400)]
    with bus.pipeline() as pipe:
        cache = RedisCache(bus, keys, "unmask-rx26-0011223344", 256, ttl_s=30)
        cache.store(pipe, {name: np.zeros(256, np.float16) for name in names})
        pipe.execute()
    feature = sum(int(bus.memory_usage(key) or 0) for key in bus.keys(f"{keys.prefix}feature:*")) / len(names)  # type: ignore[union-attr, arg-type]
    assert feature < files.FEATURE_BYTES < 1.2 * feature
    feed = Feed(bus, keys)
    for seq in range(500):
        feed.score("front-door", track=track, seq=seq, window=f"front-door/{track}/{seq}")
    score = int(bus.memory_usage(keys.scores, samples=0) or 0) / 500  # type: ignore[arg-type]
    assert score < files.SCORE_BYTES < 2 * score, "and it spreads: see unmask/bench/soak/past.py"


def test_a_detector_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_MODELS", raising=False)  # it would win
    monkeypatch.setattr(files, "user_cache_dir", lambda _: str(tmp_path / "cache"))
    found = files.detector(Settings(models=tmp_path))
    assert found.state == "warning"
    assert found.details.startswith("no YuNet: not here yet; the streamer downloads it when it starts; without it")
