"""One speed of `unmask bench fleet`: what runs meanwhile, and what is read of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import psutil
import redis
from rich.progress import Progress

from unmask.bench import busy, costs, fakes, figures, processes, streamers
from unmask.bench.costs import Cost, Reading, Span
from unmask.bench.dashboard import crowd, result
from unmask.bench.past import Past
from unmask.bench.streamers import Cameras, Fleet
from wire import settings
from wire.errors import ServiceError
from wire.keys import FIELD, Keys
from wire.messages import Score, ServiceState

PARTS = ("redis", "files", "streamers", "leases", "worker", "dashboard", "subscribers", "cameras")
TRAFFIC = ("bytes_in", "bytes_out", "commands")
FIRST_RATE, STEP = 150.0, 1.5  # windows a second to begin with; so much more each time
STEPS = 12
QUIET_SHARE = 0.5  # of the time, each, without anything and without faces
SETTLE_SHARE = 0.15
LOOK_S, LOOKED_AT = 1.0, 64  # how often, and at how many of the newest scores
DRAIN_S = 20.0
HEARD_S = 5.0  # the dashboard looks for cameras every other second
PAGE = ("alerts", "scores", "cameras")  # what a browser's page subscribes to


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    cameras: int = 5000
    speed: float | None = None
    seconds: float = 20.0
    workers: int = 1
    subscribers: int = 100
    pages: int = 1
    files: bool = True
    force: bool = False

    @property
    def speeds(self) -> list[float]:
        """The speeds to try, rising."""
        if self.speed:
            return [self.speed]
        first = FIRST_RATE / streamers.rate(self.cameras, 1.0)
        return [float(f"{first * STEP**number:.2g}") for number in range(STEPS)]


@dataclass(frozen=True)
class _Services:
    """What runs during a step, by part."""

    processes: dict[str, list[psutil.Process]]
    port: int  # of the dashboard
    crowds: list[subprocess.Popen[str]]
    alerts: int  # events before the subscribers came


class Steps:
    """One Redis, its cameras, and one step after the other."""

    def __init__(
        self, options: Options, url: str, bus: redis.Redis, server: psutil.Process, folder: Path, progress: Progress
    ) -> None:
        self._options, self._url, self._bus, self._server, self._folder = options, url, bus, server, folder
        self._keys, self._progress, self._task = Keys(), progress, progress.add_task("making crops", total=1.0)
        progress.refresh()
        self._cameras = Cameras(options.cameras)
        self._number = 0
        self.memory: dict[str, int] = {}  # bytes of a camera in Redis, by what they are for, and all

    def go(self, speed: float) -> dict[str, Any]:
        """Measure at one speed. Raises ServiceError."""
        self._number += 1
        options, rate = self._options, streamers.rate(self._options.cameras, speed)
        told = f"speed {speed:g}, {rate:.0f} windows/s: "
        with self._services(speed) as services:
            fleet = Fleet(self._url, self._keys, self._cameras, speed)
            self._span(services, fleet, told + "settling", SETTLE_SHARE)
            rest, _ = self._span(services, fleet, told + "nothing sent", QUIET_SHARE)
            fleet.begin()
            try:
                self._span(services, fleet, told + "settling", SETTLE_SHARE)
                empty, _ = self._span(services, fleet, told + "no faces", QUIET_SHARE)
                fleet.show_faces()
                self._span(services, fleet, told + "settling", SETTLE_SHARE)
                full, ages = self._span(services, fleet, told + "a face each", 1.0)
            finally:
                fleet.end()
            unaccounted = self._unaccounted(fleet)
            shown, alerts = _shown(services.port, options.cameras), self._alerts(services)
        late = {f"p{q}_ms": _rounded(figures.percentile(ages, q)) for q in (50, 95)}
        window_s = streamers.rate(1, 1.0)
        spans = {"rest": rest, "empty": empty, "full": full}
        return {
            "speed": speed, "planned_per_s": round(rate, 1), "windows_per_s": round(full.rate("scored"), 1), **late,
            "lost": sum(round(full.counts[name]) for name in costs.LOST), "rewrites": round(full.counts["rewrites"]),
            "unaccounted": unaccounted, "alerts": alerts, "shown": shown,
            "cores": {name: {part: round(span.rate(part), 4) for part in PARTS} for name, span in spans.items()},
            "machine": round(full.rate("machine") / (psutil.cpu_count() or 1), 3),
            "costs": {
                name: _cost(costs.cost(name, rest, empty, full, options.cameras, speed), window_s)
                for name in (*PARTS, *TRAFFIC)
            },
            "why": costs.why_not(rate, full, late["p95_ms"], alerts["p99_ms"], alerts["missing"]),
            "full": costs.full(full, options.workers, psutil.cpu_count() or 1),
        }  # fmt: skip

    @contextmanager
    def _services(self, speed: float) -> Iterator[_Services]:
        """Workers, a dashboard and subscribers for cameras of this speed; the first time Redis gets its past.

        Raises ServiceError.
        """
        self._tell("starting services", 0.0)
        config = {name: dict(section) for name, section in streamers.dilated(speed).items()}
        config["alerts"] |= fakes.RULES
        path = processes.write_config(
            self._folder / f"{self._number}.yaml", {**config, "telemetry": {"log_level": "error"}}
        )
        command = [sys.executable, "-m", "unmask.bench.synthetic", "--config", str(path)]
        names = [f"bench-{self._number}-{number}" for number in range(self._options.workers)]
        with ExitStack() as stack:
            workers = []
            for name in names:
                env = processes.environment(REDIS_URL=self._url, UNMASK_WORKER__NAME=name)
                running = processes.process(command, env=env, stdout=subprocess.PIPE)
                workers.append(stack.enter_context(running))
            page, port = stack.enter_context(processes.dashboard(self._url, self._folder, config))
            about = [_line(one) for one in workers]
            for name, one in zip(names, workers, strict=True):
                processes.wait(lambda name=name: self._ready(name), "a worker", running=one)  # type: ignore[misc]
            if not self.memory:
                self._fill(Past(self._keys, self._cameras, **about[0], settings=settings.load(path), speed=speed))
            crowds = [
                stack.enter_context(crowd(port, count, 0, 0, topics))
                for count, topics in ((self._options.subscribers, ("alerts",)), (self._options.pages, PAGE))
                if count
            ]
            parts = {"worker": workers, "dashboard": [page], "subscribers": crowds}
            found = {part: [psutil.Process(one.pid) for one in members] for part, members in parts.items()}
            yield _Services(found, port, crowds, int(self._bus.xlen(self._keys.alerts)))

    def _ready(self, worker: str) -> bool:
        data = cast("bytes | None", self._bus.get(self._keys.service("worker", worker)))
        return data is not None and ServiceState.decode(data).state == "ready"

    def _fill(self, past: Past) -> None:
        """Write what is there once cameras have been running, and note what it takes."""
        before = self._used()
        for done in past.write(self._bus):
            self._tell("writing what is there already", done / self._options.cameras)
        self.memory = {**past.sizes(self._bus), "camera": round((self._used() - before) / self._options.cameras)}

    def _used(self) -> int:
        return int(self._bus.info("memory")["used_memory"])

    def _span(self, services: _Services, fleet: Fleet, told: str, share: float) -> tuple[Span, list[float]]:
        """Let time pass; what was used, and some ages at the score, ms."""
        first, ages, last = self._read(services, fleet), list[float](), self._newest()
        seconds = share * self._options.seconds
        while (done := time.monotonic() - first.at) < seconds:
            self._tell(told, done / seconds)
            time.sleep(min(LOOK_S, seconds - done))
            rows = cast("list[Any]", self._bus.xrevrange(self._keys.scores, "+", b"(" + last, count=LOOKED_AT))
            scores = [Score.decode(fields[FIELD]) for _, fields in rows]
            ages += [1000 * (one.scored - one.captured) for one in scores]
            last = rows[0][0] if rows else last
        return Span.between(first, self._read(services, fleet)), ages

    def _newest(self) -> bytes:
        rows = cast("list[Any]", self._bus.xrevrange(self._keys.scores, count=1))
        return cast(bytes, rows[0][0]) if rows else b"0-0"

    def _tell(self, what: str, share: float) -> None:
        self._progress.update(self._task, description=what, completed=share)
        self._progress.refresh()

    def _read(self, services: _Services, fleet: Fleet) -> Reading:
        with self._bus.pipeline(transaction=False) as pipe:
            for section in ("cpu", "stats", "persistence"):
                pipe.info(section)
            pipe.hgetall(self._keys.outcomes)
            cpu, stats, disk, outcomes = pipe.execute()
        main = cpu["used_cpu_sys_main_thread"] + cpu["used_cpu_user_main_thread"]
        own = time.process_time() - time.thread_time() - fleet.cameras_cpu_s - fleet.leases_cpu_s
        counts = {
            "redis": main, "files": _cpu_s([self._server]) - main, "streamers": own, "leases": fleet.leases_cpu_s,
            "cameras": fleet.cameras_cpu_s,
            **{part: _cpu_s(members) for part, members in services.processes.items()},
            "made": fleet.made, "scored": int(outcomes.get(b"scored", 0)),
            **{name: int(outcomes.get(name.encode(), 0)) for name in costs.LOST}, "unsent": fleet.dropped,
            "bytes_in": stats["total_net_input_bytes"], "bytes_out": stats["total_net_output_bytes"],
            "commands": stats["total_commands_processed"], "rewrites": disk["aof_rewrites"], "machine": _machine_s(),
        }  # fmt: skip
        return Reading(time.monotonic(), counts)

    def _unaccounted(self, fleet: Fleet) -> int:
        """Windows of which nobody knows what became of them, once nothing waits. All steps so far count."""
        end = time.monotonic() + DRAIN_S
        while self._bus.xlen(self._keys.windows) and time.monotonic() < end:
            time.sleep(0.02)
        found = cast("dict[bytes, bytes]", self._bus.hgetall(self._keys.outcomes))
        outcomes = {name.decode(): int(count) for name, count in found.items()}
        made = outcomes.pop("made", 0)
        return made - sum(outcomes.values()) - int(self._bus.xlen(self._keys.windows))

    def _alerts(self, services: _Services) -> dict[str, Any]:
        """The alert events of a step: how many, how many came too few at the subscribers, how late they were, ms."""
        events = int(self._bus.xlen(self._keys.alerts)) - services.alerts
        time.sleep(0.1)  # on their way
        seen = [result(one, 0.0) for one in services.crowds]
        received = sum(one["received"] for one in seen)
        listeners = self._options.subscribers + self._options.pages
        late = {name: max((one[name] for one in seen), default=math.nan) for name in ("p50_ms", "p99_ms")}
        return {
            "events": events, "missing": max(0, events * listeners - received),
            **{name: _rounded(value) for name, value in late.items()},
        }  # fmt: skip


def _line(worker: subprocess.Popen[str]) -> dict[str, Any]:
    """What a worker says of its checkpoint. Raises ServiceError."""
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise ServiceError("a worker did not start", "look at what it printed above")
    found: dict[str, Any] = json.loads(line)
    return found


def _shown(port: int, all_: int) -> int:
    """How many cameras the dashboard knows, once it had time to hear of all."""
    end = time.monotonic() + HEARD_S
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/cameras", timeout=DRAIN_S) as answer:
            known = len(json.load(answer)["cameras"])
        if known >= all_ or time.monotonic() > end:
            return known
        time.sleep(0.1)


def _cpu_s(members: list[psutil.Process]) -> float:
    """Processor seconds of processes, and of their children, be they over or not. Raises ServiceError."""
    used = 0.0
    for one in members:
        try:
            times, children = one.cpu_times(), one.children(recursive=True)
        except psutil.Error:
            raise ServiceError("a process of the benchmark has ended", "look at what it printed above") from None
        used += (
            times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        )
        for child in children:
            try:
                used += sum(child.cpu_times()[:2])
            except psutil.Error:
                continue
    return float(used)


def _machine_s() -> float:
    """Processor seconds of the whole machine that were not idle."""
    times = psutil.cpu_times()._asdict()
    return float(sum(value for name, value in times.items() if name not in ("idle", "iowait", *busy.TWICE)))


def _cost(found: Cost, windows_per_s: float) -> dict[str, float]:
    """A cost by itself, and what it makes a second of a camera with a face in real time."""
    return {**asdict(found), "camera": found.camera(windows_per_s)}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 1)
