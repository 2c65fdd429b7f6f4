"""SIGTERM under load: a worker ends in time with its batch committed or handed back, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

from tests.support.servers import MS, end, wait_until
from tests.worker.making import FRAMES, window
from tests.worker.test_service import Seen
from wire.keys import FIELD, Keys
from wire.messages import Window
from worker.service import STOP_S

ENDS_S = 5  # under 3 s, and what a busy machine adds
SLOW = """
import sys, time, worker.torch_cpu as backend
before = backend.TorchCpu.encode
def encode(self, images):
    if images.any():  # no warming up
        time.sleep({slow})
    return before(self, images)
backend.TorchCpu.encode = encode
from worker.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


class Load:
    """New windows of two cameras all the time."""

    def __init__(self, bus: redis.Redis, keys: Keys) -> None:
        self._bus, self._keys, self.made = bus, keys, 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.01):
            for camera in ("a", "b"):
                self._bus.xadd(self._keys.windows, {FIELD: window(self.made // 2, camera=camera).encode()})
                self.made += 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("slow", [0.0, 8.0])  # the second: a call that does not return in time is left, its batch too
def test_sigterm_under_load(
    slow: float, tiny: Path, redis_url: str, bus: redis.Redis, keys: Keys, tmp_path: Path
) -> None:
    assert STOP_S < 3, "it leaves then whatever it waits for"
    seen = Seen(bus, keys)
    worker = {"checkpoint": str(tiny), "device": "torch-cpu", "threads": 1, "batch": 8, "max_age_s": 600, "name": "w"}
    file = tmp_path / "unmask.yaml"
    file.write_text(json.dumps({"redis": {"url": redis_url}, "worker": worker, "window": {"frames": FRAMES}}))

    def begin(seconds: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SLOW.replace("{slow}", str(seconds)), "--config", str(file)]
        return subprocess.Popen(command, env={**os.environ, "UNMASK_SLOT": "0"})

    process = begin(slow)
    try:
        with Load(bus, keys) as load:
            under_way = (lambda: len(seen.scored()) > 20) if not slow else (lambda: _pending(bus, keys))
            wait_until(under_way, 60, "a batch is under way")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            took = time.monotonic() - began
            print(f"ended {took:.2f} s after SIGTERM")
        assert took < ENDS_S * MS * 1000
    finally:
        end(process)
    left = {Window.decode(data).id for data in seen.stream(keys.windows)}
    assert len(left) + len(seen.scored()) == load.made, "each window is scored, or still there for another worker"
    assert not left & set(seen.scored())
    if slow:
        return
    assert seen.state("w") is None, "it has said farewell"


def _pending(bus: redis.Redis, keys: Keys) -> bool:
    try:
        return bool(bus.xpending(keys.windows, "workers")["pending"])  # type: ignore[index]
    except redis.ResponseError:
        return False
