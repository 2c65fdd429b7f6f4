from __future__ import annotations

import pytest

from streamer import config
from wire.errors import ServiceError, UnknownScheme
from wire.settings import Settings

REDIS = {"url": "redis://:hush@127.0.0.1:1/0", "prefix": "u:"}


def test_what_is_taken() -> None:
    settings = Settings(
        cameras={"a": {"url": "rtsp://u:s3cret@h/x", "analysis_fps": 3}},  # type: ignore[dict-item]
        redis=REDIS,  # type: ignore[arg-type]
        streamer={"name": "me", "read_timeout_s": 1.5, "connect_timeout_s": 4},  # type: ignore[arg-type]
    )
    taken = config.take(settings)
    assert (taken.name, taken.keys.prefix, taken.redis_url) == ("me", "u:", REDIS["url"])
    (camera,) = taken.cameras
    assert (camera.name, camera.analysis_fps) == ("a", 3)
    assert camera.source.options["timeout"] == "1500000"
    assert camera.source.open_timeout_s == 4
    assert "s3cret" not in repr(taken) + repr(camera)
    assert "hush" not in repr(taken)


def test_an_unknown_scheme_is_found_before_anything_starts() -> None:
    with pytest.raises(UnknownScheme):
        config.take(Settings(cameras={"a": {"url": "gopher://x"}}, redis=REDIS))  # type: ignore[arg-type,dict-item]


def test_without_redis_there_is_a_remedy() -> None:
    with pytest.raises(ServiceError, match="REDIS_URL"):
        config.take(Settings())
