"""What Python prints by itself when a process of ours fails holds no secret, and there is no core file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SECRET = "hunter2-of-the-door"
START = f"""
import asyncio, logging, os, resource, threading, warnings
from wire import crash, redact, telemetry
from wire.settings import TelemetrySettings
log = telemetry.setup(TelemetrySettings(log_format="FORMAT"), "streamer")
redact.remember({SECRET!r})
url = "rtsp://alice:{SECRET}@h/x"
"""
WAYS = {
    "main": "raise ValueError(url)",
    "bare": f"raise KeyError({SECRET!r})",
    "chained": "try:\n    raise ValueError(url)\nexcept ValueError as error:\n"
    "    raise RuntimeError('second') from error",
    "thread": "one = threading.Thread(target=lambda: int(url))\none.start(); one.join(); raise SystemExit(1)",
    "task": "async def main():\n    task = asyncio.ensure_future(fail())\n    await asyncio.sleep(0)\n    del task\n"
    "async def fail():\n    raise ValueError(url)\nasyncio.run(main()); raise SystemExit(1)",
    "library": "logging.getLogger('uvicorn.error').error('no %s', url); raise SystemExit(1)",
    "library's trace": "try:\n    raise ValueError(url)\nexcept ValueError:\n"
    "    logging.getLogger('redis').exception('lost')\nraise SystemExit(1)",
    "log": "log.warning('lost', nested={'a': [url, {url: 1}], 'b': ValueError(url)}); raise SystemExit(1)",
    "log's trace": "try:\n    raise ValueError(url)\nexcept ValueError:\n    log.exception('lost')\n"
    "raise SystemExit(1)",
    "abort": "log.warning('about to end'); os.abort()",
}


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_to_end_tells_the_secret(way: str, style: str, tmp_path: Path) -> None:
    code = START.replace("FORMAT", style) + WAYS[way]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr
    if way != "abort":
        assert "***" in done.stderr
    source = [line for line in done.stderr.splitlines() if "remember(" not in line]
    assert SECRET not in "\n".join(source) + done.stdout
    assert not list(tmp_path.iterdir()), "a core file"


def test_the_kernel_keeps_no_memory_of_it() -> None:
    code = "import resource; from wire import crash; crash.guard(); print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) in (0, 1)  # 1: not even where a program collects core files
