"""What the benchmarks run: a real Valkey, the services as they are deployed, and helpers as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
import yaml

from unmask.embedded import EmbeddedServer
from wire.errors import ServiceError

START_S = 60.0


@contextmanager
def valkey(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A Valkey as `unmask run` starts it, its files in `folder`: its url and its process. Raises ServiceError."""
    with EmbeddedServer(folder) as server, process(server.command(), stdout=subprocess.DEVNULL) as running:
        with redis.Redis.from_url(server.url) as bus:
            wait(bus.ping, "Valkey")
        yield server.url, running


@contextmanager
def dashboard(
    url: str, folder: Path, settings: Mapping[str, Any] | None = None
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A dashboard process, by these sections of settings, and its port. Raises ServiceError."""
    command = [
        sys.executable,
        "-m",
        "dashboard",
        "--config",
        str(write_config(folder / "dashboard.yaml", settings or {})),
    ]
    env = environment(REDIS_URL=url, UNMASK_DASHBOARD__PORT="0", UNMASK_TELEMETRY__LOG_FORMAT="json")
    env["UNMASK_DASHBOARD__MAX_CONNECTIONS_PER_ADDRESS"] = "100000"  # the whole crowd comes from this machine
    with process(command, env=env, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        line = running.stderr.readline()
        if '"listening"' not in line:
            raise ServiceError("the dashboard did not start", line.strip() or "look at what it printed above")
        port = urlsplit(json.loads(line)["url"]).port
        assert port is not None
        yield running, port


def environment(**added: str) -> dict[str, str]:
    """Ours without the user's settings, which must not change what is measured; where YuNet's file is stays known."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "REDIS_URL" and (not name.startswith("UNMASK_") or name == "UNMASK_MODELS")
    }
    return {**kept, **added}


def write_config(path: Path, content: Mapping[str, Any]) -> Path:
    """Settings as a YAML file: given to every service, so that an unmask.yaml of the user's is not read."""
    path.write_text(yaml.safe_dump(dict(content)), encoding="utf-8")
    return path


@contextmanager
def process(command: list[str], stop_s: float = 5.0, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A child process; at the end SIGTERM, and SIGKILL if it does not go within `stop_s`."""
    running = subprocess.Popen(command, text=True, **options)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(stop_s)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        for pipe in (running.stdin, running.stdout, running.stderr):
            if pipe is not None:
                pipe.close()


def wait(
    condition: Callable[[], object],
    what: str,
    timeout_s: float = START_S,
    running: subprocess.Popen[str] | None = None,
    remedy: str = "look at what it printed above",
) -> None:
    """Until `condition` holds. Raises ServiceError after `timeout_s`, or when the process `running` has ended."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, redis.RedisError):
            pass
        if running is not None and running.poll() is not None:
            raise ServiceError(f"{what} ended at once (exit code {running.returncode})", remedy)
        time.sleep(0.05)
    raise ServiceError(f"{what} did not start within {timeout_s:.0f} s", remedy)
