"""`python -m dashboard` as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from websockets.sync.client import connect

from dashboard.config import from_settings, is_loopback
from dashboard.service import GRACE_S, LEAVE_S
from tests.dashboard.feed import Feed
from tests.support.servers import end, free_port, valkey, wait_until
from wire.errors import ConfigError
from wire.keys import Keys
from wire.messages import ServiceState
from wire.settings import DashboardSettings, RedisSettings, Settings

URL = "redis://127.0.0.1:6379/0"
HELD_S = 9.0  # less than a deaf peer has to read its close code, or a ping to be answered


def command(**environment: str) -> dict[str, Any]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UNMASK_", "REDIS_"))}
    return {
        "args": [sys.executable, "-m", "dashboard"],
        "env": {**clean, **environment},
        "stderr": subprocess.PIPE,
        "text": True,
    }


@contextmanager
def running(redis_url: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its page's address, as it logs it."""
    process = subprocess.Popen(**command(REDIS_URL=redis_url, UNMASK_DASHBOARD__PORT="0", **environment))
    try:
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        assert line["event"] == "listening"
        yield process, line["url"].rstrip("/")
    finally:
        end(process)
        assert process.stderr is not None
        process.stderr.close()


def ends_soon(process: subprocess.Popen[str]) -> None:
    """By SIGTERM: it waits for nobody longer than it says, whatever the machine adds to that."""
    assert GRACE_S + LEAVE_S < 3
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert time.monotonic() - began < HELD_S


def test_sigterm_ends_it_cleanly_and_soon_with_100_subscribers(redis_url: str, bus: redis.Redis) -> None:
    with running(redis_url) as (process, url), ExitStack() as stack:
        wait_until(lambda: httpx.get(f"{url}/healthz").status_code == 200, 10, "it answers")
        sockets = [stack.enter_context(connect(f"ws{url[4:]}/ws/v1", close_timeout=0)) for _ in range(100)]
        for one in sockets:
            one.send('{"type":"hello","version":1}')
            one.recv(timeout=10)
        beat = f"{Keys().service('dashboard', '')}*"
        names = wait_until(lambda: bus.keys(beat), 15, "its heartbeat")
        assert isinstance(names, list)
        state = ServiceState.decode(bus.get(names[0]))  # type: ignore[arg-type]
        assert state.role == "dashboard"
        ends_soon(process)
        assert bus.keys(beat) == []
        assert sockets[0].close_code in (None, 1012)


def test_a_stalled_subscriber_does_not_keep_it_from_ending(redis_url: str, bus: redis.Redis) -> None:
    feed = Feed(bus)
    for number in range(1000):
        feed.alert("a", "update", windows=number, model="x" * 1000)
    with running(redis_url) as (process, url):
        slow = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with connect(f"ws{url[4:]}/ws/v1", sock=slow, close_timeout=0, max_queue=1) as one:
            one.send('{"type":"hello","version":1}')
            wait_until(lambda: '"welcome"' in one.recv(timeout=10), 10, "the welcome")
            one.send('{"type":"subscribe","id":"s","since":"0"}')
            wait_until(lambda: '"subscribed"' in one.recv(timeout=10), 10, "the subscription")
            ends_soon(process)


def test_a_port_in_use_is_one_line(redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(**command(REDIS_URL=redis_url, UNMASK_DASHBOARD__PORT=port), timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is in use" in done.stderr
    assert "dashboard.port" in done.stderr


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"UNMASK_DASHBOARD__HOST": "0.0.0.0", "REDIS_URL": URL}, "UNMASK_DASHBOARD__TOKEN"),
        ({}, "REDIS_URL"),
        ({"UNMASK_DASHBOARD__HOST": "0.0.0.0", "UNMASK_DASHBOARD__TOKEN": " ", "REDIS_URL": URL}, "token"),
    ],
)
def test_what_must_not_start_ends_with_usage(environment: dict[str, str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(**command(**environment, PYTHONPATH=os.getcwd()), cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr


def test_it_starts_without_redis_and_goes_on_when_it_appears(tmp_path: Path) -> None:
    port = free_port()
    with running(f"redis://:pa55@127.0.0.1:{port}/0") as (process, url):
        assert httpx.get(f"{url}/", timeout=20).status_code == 200
        assert httpx.get(f"{url}/readyz", timeout=20).status_code == 503
        assert process.stderr is not None
        assert "pa55" not in process.stderr.readline()
        process.terminate()
        assert process.wait(20) == 0
    with running(f"redis://127.0.0.1:{port}/0") as (_, url):

        def redis_part() -> bool:
            return bool(httpx.get(f"{url}/readyz", timeout=20).json()["parts"]["picture"]["ok"])

        assert not redis_part()
        with valkey(tmp_path, port=port):
            wait_until(redis_part, 30, "it has read Redis")


def settings(**section: Any) -> Settings:
    return Settings(redis=RedisSettings(url=URL), dashboard=DashboardSettings(**section))


def test_only_what_is_safe_is_served() -> None:
    assert from_settings(settings()).access.open
    assert from_settings(settings(host="0.0.0.0", token="x")).access.token == "x"
    assert from_settings(settings(host="0.0.0.0", allow_anonymous=True)).access.open
    with pytest.raises(ConfigError, match="no token"):
        from_settings(settings(host="192.168.1.5"))
    with pytest.raises(ConfigError, match="no token"):
        from_settings(settings(host="cctv.example"))


def test_the_token_is_not_in_what_is_logged_of_the_configuration() -> None:
    assert "s3cret" not in repr(from_settings(settings(token="s3cret")))
    assert "6379" not in repr(from_settings(settings()))


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LOCALHOST", True),
     ("a.localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.evil.com", False),
     ("", False)],
)  # fmt: skip
def test_loopback(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside
