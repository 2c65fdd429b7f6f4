"""The services as they are deployed, each a real process, around a Valkey with its append-only file, and a subscriber.

Workers, the dashboard and the load reach Valkey through a proxy that a test can cut; the test itself looks past it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, aclosing, suppress
from pathlib import Path
from typing import Any

import redis

from dashboard.client import Client, Event
from dashboard.protocol import AlertMessage, CameraMessage, CameraView, Gap, ScoreMessage
from tests.faults.load import Load
from tests.support.proxy import proxied
from tests.support.servers import end, free_port, kill_redis, valkey, wait_until
from tests.worker.making import FRAMES
from tests.worker.zygote import alive
from unmask.bench.processes import environment
from wire import bus as wire_bus
from wire.keys import GROUP, Keys
from wire.messages import AlertEvent, Score
from wire.settings import RedisSettings
from wire.shards import Space, Spaces

ROOT = Path(__file__).parents[2]
HOURS = Path(tempfile.gettempdir()) / f"test-hours-back-{os.getpid()}"  # see clock/sitecustomize.py
CLOCK = {"PYTHONPATH": f"{Path(__file__).parent / 'clock'}:{ROOT}", "TEST_HOURS_BACK": str(HOURS)}
MOST_MB = {"dashboard": 150.0, "worker": 700.0, "valkey": 100.0}  # whatever breaks; they take 70, 450 and 7
READY_S = 60.0
END_AFTER_S = 3.0
ALERTS = {
    "hold_s": 5, "end_after_s": END_AFTER_S, "cooldown_s": 0, "dwell_s": 0.5, "enter": 0.02, "exit": 0.01,
    "offline_after_s": None, "frozen_after_s": None,
}  # fmt: skip


class Subscriber:
    """A program that subscribes to everything and resumes by its cursor; what it got, and when."""

    def __init__(self, url: str) -> None:
        self.events: list[tuple[float, Event]] = []
        self._client = Client(url, topics=("alerts", "scores", "cameras"), since="0", backoff_s=(0.05, 0.1, 0.2))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def alerts(self) -> list[AlertMessage]:
        return [event for _, event in list(self.events) if isinstance(event, AlertMessage)]

    def gaps(self) -> list[Gap]:
        return [event for _, event in list(self.events) if isinstance(event, Gap)]

    def views_since(self, at: float, camera: str) -> list[CameraView]:
        """All that it was told of a camera since then: what holds for a moment only is among it."""
        told = [event.camera for came, event in list(self.events) if came > at and isinstance(event, CameraMessage)]
        return [view for view in told if view.name == camera]

    def scored_since(self, at: float) -> float | None:
        """When the first score of a window enqueued after `at` came."""
        for came, event in list(self.events):
            if isinstance(event, ScoreMessage) and event.score.enqueued > at:
                return came
        return None

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)

    def _run(self) -> None:
        async def read() -> None:
            async with aclosing(aiter(self._client)) as events:
                async for event in events:
                    self.events.append((time.time(), event))

        self._task = self._loop.create_task(read())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()


class Rig:
    """Everything that runs. `disk` is the folder of Valkey's files."""

    def __init__(self, stack: ExitStack, folder: Path, disk: Path, tiny: Path, zygote: subprocess.Popen[str]) -> None:
        self.folder, self.disk, self.keys = folder, disk, Keys()
        self._stack, self._zygote, self._tiny = stack, zygote, tiny
        self.start_redis()
        each = self.settings.spaces(self.through)
        self.spaces = Spaces.of(Space(self.bus, self.keys), each, self.connect)
        self.dashboard_port = free_port()
        self.config = self._configure()
        self.workers: dict[str, int] = {}
        self.start_dashboard()
        self.start_worker("0")
        self.subscriber = Subscriber(self.ws)
        self._epoch = round(time.time() * 1000)

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.dashboard_port}/ws/v1"

    @property
    def through(self) -> str:
        """Valkey's address as the services have it."""
        return f"redis://127.0.0.1:{self.proxy.port}/0"

    def _configure(self) -> Path:
        worker = {"checkpoint": str(self._tiny), "device": "torch-cpu", "threads": 1, "batch": 4, "max_age_s": 600}
        worker |= {"target_age_s": 600, "reclaim_idle_s": 0.5}
        data = {"redis": self.section(), "worker": worker, "window": {"frames": FRAMES, "stride": 2}}
        data |= {"alerts": ALERTS, "telemetry": {"log_level": "warning"}}
        data |= {"dashboard": {"port": self.dashboard_port, "stale_after_s": 2}}  # type: ignore[dict-item]
        file = self.folder / "unmask.yaml"
        file.write_text(json.dumps(data))
        return file

    def start_redis(self) -> None:
        """Valkey, a client that looks past the proxy, and the proxy."""
        self.port = free_port()
        self.start_valkey()
        self.bus = self._stack.enter_context(redis.Redis.from_url(f"redis://127.0.0.1:{self.port}/0"))
        self.proxy = self._stack.enter_context(proxied(self.port))

    def section(self) -> dict[str, Any]:
        """The configuration's `redis`."""
        return {"url": self.through}

    @property
    def settings(self) -> RedisSettings:
        """The same as the services understand it."""
        return RedisSettings(**self.section())

    def connect(self, url: str) -> redis.Redis:
        """A client that is closed at the end."""
        return self._stack.enter_context(wire_bus.connect(url))

    def start_valkey(self) -> None:
        _, self.valkey = self._stack.enter_context(valkey(self.disk, port=self.port, aof=True))

    def kill_valkey(self) -> None:
        """kill -9."""
        kill_redis(self.valkey, self.bus)

    def start_dashboard(self) -> None:
        """Start it and wait until it has the whole picture."""
        self.dashboard = self.start("dashboard", self.config)
        wait_until(lambda: self.parts().get("picture"), READY_S, "the dashboard has read Redis")

    def start(self, service: str, config: Path, **env: str) -> subprocess.Popen[bytes]:
        """A service in a process of its own, its log beside the configuration."""
        command = [sys.executable, "-m", service, "--config", str(config)]
        with (self.folder / f"{service}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment(**CLOCK, **env), stdout=log, stderr=log)
        self._stack.callback(end, process)
        return process

    def start_worker(self, slot: str) -> int:
        """Fork a worker under this name, not waiting until it is ready; its pid."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        print(slot, self.config, file=self._zygote.stdin, flush=True)
        self.workers[slot] = int(self._zygote.stdout.readline())
        return self.workers[slot]

    def kill_worker(self, slot: str) -> None:
        """kill -9, and see it dead."""
        pid = self.workers.pop(slot)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), 20, "the worker is dead")

    def consumer(self, slot: str) -> str:
        """The name of that worker in the group."""
        return f"{socket.gethostname()}-{slot}"

    def load(self) -> Load:
        """Windows of new tracks, as a streamer sends them; for use in a `with`."""
        self._epoch += 1
        return Load(self.settings, self._epoch)

    def parts(self) -> dict[str, bool]:
        """What /readyz says of each part; nothing when the dashboard does not answer."""
        return {name: part["ok"] for name, part in (self._get("readyz") or {"parts": {}})["parts"].items()}

    def api(self, path: str) -> Any:
        return self._get(f"api/v1/{path}")

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics by name and labels, as they stand there."""
        text = self._read("metrics") or b""
        lines = [line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def _get(self, path: str) -> Any:
        data = self._read(path)
        return None if data is None else json.loads(data)

    def _read(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.dashboard_port}/{path}", timeout=8) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.read()
        except OSError:
            return None

    def pending(self, consumer: str | None = None) -> int:
        """Entries that workers, or one of them, were given and have not settled."""
        return sum(_pending(space, consumer) for space in self.spaces.shards)

    def scores(self) -> list[Score]:
        rows: list[Any] = [row for space in self.spaces.shards for row in space.bus.xrange(space.keys.scores)]  # type: ignore[union-attr]
        return [Score.decode(fields[b"m"]) for _, fields in rows]

    def made(self) -> int:
        """Windows that were ever made."""
        each: list[Any] = [space.bus.hget(space.keys.outcomes, "made") for space in self.spaces.shards]
        return sum(int(count or 0) for count in each)

    def told(self) -> dict[str, AlertEvent]:
        """The alert events as they stand in Redis, by cursor."""
        rows: Any = self.bus.xrange(self.keys.alerts)
        return {id.decode(): AlertEvent.decode(fields[b"m"]) for id, fields in rows}

    def peak_mb(self) -> dict[str, float]:
        """The most memory that each held since it was started, MB; of workers, the one that held most."""
        workers = [_peak_mb(pid) for pid in self.workers.values() if alive(pid)]
        valkey: Any = self.bus.info("memory")
        return {
            "dashboard": _peak_mb(self.dashboard.pid), "worker": max(workers, default=0.0),
            "valkey": valkey["used_memory_peak"] / 1e6,
        }  # fmt: skip

    def set_back(self, hours: int) -> None:
        """Set the wall clock of every service back, but not that of Valkey, whose own only dates what it writes."""
        HOURS.write_bytes(bytes(hours))

    def recovered(self, since: float, timeout_s: float = 60.0) -> float:
        """Seconds from `since` until a window made after it was scored and its score arrived at the subscriber."""
        came = wait_until(lambda: self.subscriber.scored_since(since), timeout_s, "scores arrive again")
        assert isinstance(came, float)
        return came - since

    def mend(self) -> None:
        """Whatever a test has left broken."""
        HOURS.unlink(missing_ok=True)
        self.proxy.delay_s = 0.0
        self.proxy.up()
        self.proxy.flow()
        for process in (self.valkey, self.dashboard):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        if self.valkey.poll() is not None:
            self.start_valkey()
        if self.dashboard.poll() is not None:
            self.start_dashboard()
        for slot in [slot for slot, pid in self.workers.items() if slot != "0" or not alive(pid)]:
            self.kill_worker(slot)
        if "0" not in self.workers:
            self.start_worker("0")

    def close(self) -> None:
        self.subscriber.close()
        for slot in list(self.workers):
            self.kill_worker(slot)


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000


def _pending(space: Space[redis.Redis], consumer: str | None) -> int:
    try:
        rows: Any = space.bus.xpending_range(space.keys.windows, GROUP, "-", "+", 1000, consumer)
    except redis.ResponseError:
        return 0
    return len(rows)


def until(condition: Callable[[], object], what: str, timeout_s: float = 40.0) -> object:
    """`wait_until` where Redis may be away meanwhile."""

    def holds() -> object:
        try:
            return condition()
        except redis.RedisError:
            return False

    return wait_until(holds, timeout_s, what)
