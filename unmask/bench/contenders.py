"""What `unmask bench worker` compares, each in a process of its own: a worker, and its backend alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis

from unmask.bench import processes
from unmask.bench.feed import Feeder
from wire.errors import ServiceError
from wire.heartbeat import alive
from wire.keys import Keys
from wire.messages import ServiceState
from wire.settings import WindowSettings

PATIENCE_S = 120.0
# The queue is kept full, which is overload to a worker: nothing may be shed, or it would not be measured.
PATIENT: dict[str, Any] = {"max_age_s": 120.0, "target_age_s": 120.0}


@dataclass
class Served:
    """A worker under test: who it is, its own keys, what it made in each span."""

    state: ServiceState
    process: psutil.Process
    feeder: Feeder
    batch: int
    cpu_s: float = 0.0
    fed_s: float = 0.0
    wall_s: float = 0.0
    spans: dict[str, list[float]] = field(default_factory=dict)  # windows a second, by kind of feed


@dataclass
class Raw:
    """The process that measures the raw limit."""

    process: subprocess.Popen[str]
    about: dict[str, Any]

    @property
    def frames(self) -> int:
        """T of the checkpoint."""
        return int(self.about["frames"])

    def ask(self, seconds: float) -> float:
        """Measure for so long; images a second."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return float(_line(self.process)["rate"])


@contextmanager
def limit(folder: Path, checkpoint: Path | None, device: str) -> Iterator[Raw]:
    """The process, its backend open and warm. Raises ServiceError."""
    config = processes.write_config(folder / "limit.yaml", {"worker": _worker(checkpoint, device)})
    command = [sys.executable, "-m", "unmask.bench.limit", "--config", str(config)]
    with processes.process(
        command, env=processes.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        yield Raw(running, _line(running))


def _line(running: subprocess.Popen[str]) -> dict[str, Any]:
    assert running.stdout is not None
    line = running.stdout.readline()
    if not line:
        raise ServiceError("the backend could not be measured", "look at what it printed above")
    found: dict[str, Any] = json.loads(line)
    return found


def _worker(path: Path | None, device: str) -> dict[str, Any]:
    named = {"checkpoint": str(path.resolve())} if path else {}
    return {"device": device, **PATIENT, **named}


class Starter:
    """Starts workers, each with keys of its own, and waits until they are ready."""

    def __init__(
        self, url: str, folder: Path, checkpoint: Path | None, window: WindowSettings, stack: ExitStack
    ) -> None:
        self._url, self._folder, self._checkpoint, self._window, self._stack = url, folder, checkpoint, window, stack
        self._bus = stack.enter_context(redis.Redis.from_url(url))

    def __call__(self, name: str, device: str, batch: int) -> Served:
        """A worker on `device` that scores `batch` windows at once, ready. Raises ServiceError."""
        keys = Keys(f"{name}:")
        config = {
            "worker": {**_worker(self._checkpoint, device), "batch": batch},
            "window": {"frames": self._window.frames, "stride": self._window.stride},
            "alerts": {"enter": 0.99999},
            "redis": {"prefix": keys.prefix},
            "telemetry": {"log_level": "warning"},
        }
        path = processes.write_config(self._folder / f"{name}.yaml", config)
        command = [sys.executable, "-m", "worker", "--config", str(path)]
        running = self._stack.enter_context(processes.process(command, env=processes.environment(REDIS_URL=self._url)))
        processes.wait(lambda: self._ready(keys), "the worker", PATIENCE_S, running)
        state = self._ready(keys)
        assert state is not None
        return Served(state, psutil.Process(running.pid), Feeder(self._bus, keys, batch), batch)

    def _ready(self, keys: Keys) -> ServiceState | None:
        return next((one for one in alive(self._bus, keys, "worker") if one.state == "ready"), None)


def cpu_s(process: psutil.Process) -> float:
    """Processor seconds it has used."""
    times = process.cpu_times()
    return float(times.user + times.system)
