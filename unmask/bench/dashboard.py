"""`unmask bench dashboard`: how fast alert events reach many subscribers, and what that costs the server.

A real Valkey, a real dashboard process, the subscribers in a process of their own. Every message is an alert event
written to Redis as a worker would; its latency runs from just before that to its arrival in the subscriber.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis
from rich.console import Console
from rich.progress import Progress

from dashboard.access import hashing
from dashboard.history import MAX_EVENTS, Entry
from dashboard.service import raise_file_limit
from unmask.bench import figures, processes
from unmask.bench.subscribers import TOKENS
from wire.errors import ServiceError
from wire.keys import FIELD, Keys
from wire.messages import Alert, AlertEvent

DRAIN_S = 20.0
CAMERA = "bench"
SETTLE = 0.2  # of the run; memory growth is counted from there


def run(subscribers: int, rate: float, size: int, seconds: float, stalled: int, users: int, as_json: bool) -> int:
    """Measure and print; 1 if an event was lost or doubled."""
    console = Console(stderr=True)
    found = measure(subscribers, rate, size, seconds, stalled, users, console)
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        figures.show(found)
    return int(found["dropped_alerts"] > 0 or found["doubled_alerts"] > 0)


def measure(
    subscribers: int, rate: float, size: int, seconds: float, stalled: int, users: int, console: Console
) -> dict[str, Any]:
    """The figures of one run; `users` share the subscriptions, each allowed the one camera, and 0 let anybody in.

    Raises ServiceError where a process does not start.
    """
    raise_file_limit()
    events = max(1, round(rate * seconds))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-bench-")))
        url, _ = stack.enter_context(processes.valkey(folder))
        bus = stack.enter_context(redis.Redis.from_url(url))
        _fill(bus, size)
        secrets = {f"user-{number}": hashing.new_secret() for number in range(users)}
        process, port = stack.enter_context(processes.dashboard(url, folder, _only(secrets)))
        server = psutil.Process(process.pid)
        console.print(f"connecting {subscribers} subscribers")
        tokens = [f"{name}{hashing.SEPARATOR}{secret}" for name, secret in secrets.items()]
        listening = stack.enter_context(crowd(port, subscribers, stalled, events, tokens=tokens))
        before, began = server.cpu_times(), time.monotonic()
        growth = _publish(bus, rate, size, events, server, console)
        took, after = time.monotonic() - began, server.cpu_times()
        rss = server.memory_info().rss
        seen = result(listening)
    return {
        "p50_ms": round(seen["p50_ms"], 2),
        "p99_ms": round(seen["p99_ms"], 2),
        "cpu": round((after.user + after.system - before.user - before.system) / took, 4),
        "rss_mb": round(rss / 1e6, 1),
        "dropped_alerts": seen["missing"],
        "doubled_alerts": seen["doubled"],
        "closed": seen["closed"],
        "closed_stalled": seen["closed_stalled"],
        "rss_growth_mb": round(growth / 1e6, 2),
        "subscribers": subscribers,
        "stalled": stalled,
        "users": users,
        "rate": rate,
        "size": size,
        "seconds": round(took, 2),
    }


def _only(secrets: Mapping[str, str]) -> dict[str, Any]:
    """The settings that let these users in, and no others."""
    return {
        "dashboard": {
            "users": {
                name: {"role": "viewer", "hash": hashing.made(secret), "cameras": [CAMERA]}
                for name, secret in secrets.items()
            }
        }
    }


def _publish(bus: redis.Redis, rate: float, size: int, events: int, server: psutil.Process, console: Console) -> int:
    """Write the events at their times; by how many bytes the server grew after the run had settled."""
    keys, settled, baseline = Keys(), round(SETTLE * events), 0
    padding = _padding(size)
    began = time.monotonic()
    with Progress(console=console, transient=True) as progress:
        for number in progress.track(range(events), description="publishing"):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            if number == settled:
                baseline = server.memory_info().rss
            bus.xadd(keys.alerts, {FIELD: _event(number, padding).encode()}, maxlen=10_000, approximate=True)
    return int(server.memory_info().rss) - baseline


def _fill(bus: redis.Redis, size: int) -> None:
    """A past as long as the dashboard remembers, so that memory that only fills up is not taken for growth."""
    keys, padding = Keys(), _padding(size)
    with bus.pipeline(transaction=False) as pipe:
        for number in range(MAX_EVENTS):
            pipe.xadd(keys.alerts, {FIELD: _event(number, padding).encode()})
        pipe.execute()


def _padding(size: int) -> str:
    return "x" * max(0, size - len(_message(0, "")))


def _event(number: int, padding: str) -> AlertEvent:
    now = time.time()
    alert = Alert(
        id="bench", camera=CAMERA, track="1-1", kind="sustained", severity="warning", started=now, updated=now,
        score=0.9, peak=0.9, mean=0.9, windows=number, threshold=0.8, model="bench", detail=padding,
    )  # fmt: skip
    return AlertEvent(event="update" if number else "new", at=now, alert=alert)


def _message(number: int, padding: str) -> str:
    return Entry.of((int(time.time() * 1000), 0), _event(number, padding)).text


@contextmanager
def crowd(
    port: int,
    subscribers: int,
    stalled: int,
    events: int,
    topics: Sequence[str] = (),
    tokens: Sequence[str] = (),
) -> Iterator[subprocess.Popen[str]]:
    """The subscribers, all connected: see `unmask.bench.subscribers`. Raises ServiceError."""
    numbers = map(str, (port, subscribers, stalled, events))
    command = [sys.executable, "-m", "unmask.bench.subscribers", *numbers, *topics]
    env = processes.environment(**{TOKENS: " ".join(tokens)})
    with processes.process(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise ServiceError("the subscribers could not connect", "raise the limit of open files (ulimit -n)")
        yield process


def result(crowd: subprocess.Popen[str], drain_s: float = DRAIN_S) -> dict[str, Any]:
    """What the subscribers saw; those that still wait are told to stop after `drain_s`."""
    try:
        crowd.wait(drain_s)
        out = crowd.stdout.read() if crowd.stdout else ""
    except subprocess.TimeoutExpired:
        out, _ = crowd.communicate()
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found
