from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from streamer.service import END_S
from tests.support.servers import MS, end, free_port, valkey, wait_until
from wire.keys import Keys
from wire.messages import CameraState

ROOT = Path(__file__).parents[2]
ENDS_S = 6  # under 3 s, and what a busy machine adds; a Redis that does not answer would be waited for longer


def command(folder: Path, text: str, redis_url: str) -> subprocess.Popen[str]:
    """`python -m streamer` with this configuration."""
    file = folder / "unmask.yaml"
    file.write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "streamer", "--config", str(file)],
        env={**os.environ, "REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it wrote, once it has ended."""
    try:
        return process.communicate(timeout=60)[1]
    finally:
        end(process)


def is_live(bus: redis.Redis) -> bool:
    data = bus.get(Keys().camera("cam"))
    return bool(data) and CameraState.decode(data).state == "live"  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(
    number: signal.Signals, tmp_path: Path, redis_url: str, bus: redis.Redis, plain_clip: Path
) -> None:
    text = f"cameras: {{cam: {{url: {plain_clip}, loop: true}}}}\nstreamer: {{detector: haar, name: me}}"
    process = command(tmp_path, text, redis_url)
    try:
        assert END_S < 3, "it leaves then whatever it waits for"
        wait_until(lambda: is_live(bus), 60, "the camera is live")
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(20) == 0
        assert time.monotonic() - began < ENDS_S * MS * 1000
    finally:
        errors = finish(process)
    assert "Traceback" not in errors
    assert bus.get(Keys().lease("cam")) is None


def test_a_frozen_redis_does_not_keep_it(tmp_path: Path, plain_clip: Path) -> None:
    with valkey(tmp_path) as (url, server), redis.Redis.from_url(url) as bus:
        text = f"cameras: {{cam: {{url: {plain_clip}, loop: true}}}}\nstreamer: {{detector: haar}}"
        process = command(tmp_path, text, url)
        try:
            wait_until(lambda: is_live(bus), 60, "the camera is live")
            server.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            process.terminate()
            assert process.wait(20) == 0
            assert time.monotonic() - began < ENDS_S * MS * 1000
        finally:
            server.send_signal(signal.SIGCONT)
            finish(process)


def test_it_waits_for_redis_and_ends_while_waiting(tmp_path: Path, plain_clip: Path) -> None:
    port = free_port()
    text = f"cameras: {{cam: {{url: {plain_clip}, loop: true}}}}\nstreamer: {{detector: haar}}"
    process = command(tmp_path, text, f"redis://:hush@127.0.0.1:{port}/0")
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "waiting for Redis" in line
        assert "hush" not in line
        process.terminate()
        assert process.wait(20) == 0
    finally:
        finish(process)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("cameras: {cam: {url: 'gopher://alice:s3cret@x'}}", 2, "unknown source"),
        ("camerass: {}", 2, "did you mean 'cameras'"),
        ("streamer: {detect_width: wide}", 2, "streamer.detect_width"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, redis_url: str, text: str, code: int, words: str) -> None:
    process = command(tmp_path, text, redis_url)
    errors = finish(process)
    assert process.returncode == code
    assert words in errors
    assert len(errors.strip().splitlines()) == 1
    assert "s3cret" not in errors


def test_yunet_without_its_file_is_one_line(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    process = command(tmp_path, "streamer: {detector: yunet}", redis_url)
    errors = finish(process)
    assert process.returncode == 1
    assert "UNMASK_MODELS" in errors
    assert len(errors.strip().splitlines()) == 1
