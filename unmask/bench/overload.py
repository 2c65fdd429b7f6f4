"""`unmask bench overload`: more windows than a worker can score, and a crowd before one camera of several.

A real Valkey, a real worker, and the streamer's own publisher, which bounds the queue. Windows come at their times
whether or not anything keeps up, as from cameras.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import redis
import structlog
from rich.console import Console
from rich.table import Table

from streamer.publish import Publisher
from unmask.bench import processes
from unmask.bench.busy import Watch, look
from unmask.bench.crops import pool
from unmask.bench.feed import Feeder, Track, tracks
from wire.errors import ServiceError
from wire.heartbeat import alive
from wire.keys import FIELD, Keys
from wire.messages import Score
from wire.settings import Settings

CROPS = 300
FPS = 6.0  # analysed, as cameras have it by default
FACES = 4  # to a camera
WARM_S = 5.0
CAPACITY_S = 6.0
CROWD = 20
DRAIN_S = 20.0
QUIET = {"worker": {"name": "bench"}, "alerts": {"enter": 0.99999}, "telemetry": {"log_level": "error"}}


class Options(NamedTuple):
    """What to measure: how much too much, for how long, and whether on a busy machine, too."""

    factor: float
    seconds: float
    force: bool


class Line:
    """A Valkey and a worker with settings as they come, and what the streamer does for both."""

    def __init__(self, url: str, bus: redis.Redis) -> None:
        self.bus, self.keys, self._settings = bus, Keys(), Settings()
        self._crops = pool(CROPS, self._settings.window)
        self._url, self._epoch = url, 0

    @property
    def period_s(self) -> float:
        """Between two windows of a face."""
        return self._settings.window.stride / FPS

    def faces(self, count: int, per_camera: int, prefix: str = "") -> list[Track]:
        """New tracks; `prefix` in front of their cameras' names."""
        self._epoch += 1
        window = self._settings.window
        return tracks(count, per_camera, self._epoch, window.frames, window.stride, self._crops, f"{prefix}bench")

    def capacity(self) -> float:
        """Windows a second that the worker scores while it is fed just enough."""
        feeder = Feeder(self.bus, self.keys, 2 * self._settings.worker.batch)
        feeder.run(self.faces(16, FACES), lambda at, _: at >= WARM_S)
        read = feeder.run(self.faces(16, FACES), lambda at, _: at >= WARM_S + CAPACITY_S)
        (began, first), (ended, last) = next(one for one in read if one[0] >= WARM_S), read[-1]
        feeder.drain(DRAIN_S)
        self.bus.delete(self.keys.outcomes)
        return (last - first) / (ended - began)

    @contextmanager
    def playing(self, faces: Sequence[Track]) -> Iterator[None]:
        """Send the windows of `faces` as cameras would: each a stride of samples after its last, at their own times."""
        bus = redis.Redis.from_url(self._url)
        publisher = Publisher(bus, self.keys, self._settings.streamer, structlog.get_logger(), time.time)
        stop = threading.Event()

        def play() -> None:
            began, turn = time.monotonic(), 0
            while not stop.wait(max(0.0, began + turn * self.period_s / len(faces) - time.monotonic())):
                publisher.offer_window(faces[turn % len(faces)].next(time.time()))
                turn += 1

        thread = threading.Thread(target=play, name="cameras")
        publisher.start()
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            publisher.stop(2.0)
            bus.close()

    def watch(self, seconds: float) -> tuple[list[Score], int]:
        """The scores of the next seconds, and the most memory that Redis used meanwhile, bytes."""
        end, last, scores, peak = time.monotonic() + seconds, self._newest(), list[Score](), 0
        while time.monotonic() < end:
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))
            rows = cast("list[Any]", self.bus.xrange(self.keys.scores, b"(" + last))
            scores += [Score.decode(fields[FIELD]) for _, fields in rows]
            last = rows[-1][0] if rows else last
            peak = max(peak, int(self.bus.info("memory")["used_memory"]))
        return scores, peak

    def outcomes(self) -> dict[str, int]:
        """What became of the windows once nothing waits."""
        Feeder(self.bus, self.keys, 0).drain(DRAIN_S)
        found = cast("dict[bytes, bytes]", self.bus.hgetall(self.keys.outcomes))
        return {name.decode(): int(count) for name, count in found.items()} | {
            "queued": int(self.bus.xlen(self.keys.windows))
        }

    def _newest(self) -> bytes:
        rows = cast("list[Any]", self.bus.xrevrange(self.keys.scores, count=1))
        return cast(bytes, rows[0][0]) if rows else b"0-0"


def run(options: Options, as_json: bool) -> int:
    """Measure and print; 1 where windows are unaccounted for. Raises MachineBusy, ServiceError."""
    console = Console(stderr=True)
    look().insist(options.force)
    found = measure(options, console)
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        table = Table(show_header=False)
        for name, value in found.items():
            table.add_row(name, str(value))
        Console().print(table)
    return int(found["unaccounted"] != 0)


def measure(options: Options, console: Console) -> dict[str, Any]:
    """The figures of one run."""
    with ExitStack() as stack:
        line = stack.enter_context(_line())
        busy = Watch()
        console.print("measuring what the worker can score")
        capacity = line.capacity()
        console.print(f"{capacity:.0f} windows a second; now {options.factor:g} times as many")
        found = {"capacity_windows_per_s": round(capacity, 1), **_flood(line, capacity, options)}
        console.print("now a crowd before one camera of four")
        found |= _crowd(line, min(options.seconds, 40.0))
        others = busy.others()
        others.insist(options.force)
    return {**found, "factor": options.factor, "seconds": options.seconds, "busy": round(others.share, 4)}


def _flood(line: Line, capacity: float, options: Options) -> dict[str, Any]:
    count = max(1, round(options.factor * capacity * line.period_s))
    with line.playing(line.faces(count, FACES)):
        line.watch(WARM_S)
        scores, peak = line.watch(options.seconds)
    outcomes = line.outcomes()
    made = outcomes.get("made", 0)
    settled = sum(value for name, value in outcomes.items() if name != "made")
    return {
        "faces": count, **_ages(scores), "scored_per_s": round(len(scores) / options.seconds, 1),
        "tracks_scored": len({(score.camera, score.track) for score in scores}),
        "redis_peak_mb": round(peak / 1e6, 1), "outcomes": outcomes, "unaccounted": made - settled,
    }  # fmt: skip


def _crowd(line: Line, seconds: float) -> dict[str, Any]:
    """p95 of three cameras of one face alone, and beside one of CROWD faces; None where none was scored."""
    p95: list[float | None] = []
    for crowd in (0, CROWD):
        quiet = line.faces(3, 1, "quiet-")
        with ExitStack() as stack:
            stack.enter_context(line.playing(quiet))
            if crowd:
                stack.enter_context(line.playing(line.faces(crowd, crowd, "crowd-")))
            line.watch(WARM_S)
            scores, _ = line.watch(seconds)
        ages = [score.scored - score.captured for score in scores if score.camera.startswith("quiet")]
        p95.append(round(1000 * float(np.quantile(ages, 0.95)), 1) if ages else None)
    alone, beside = p95
    return {
        "others_p95_ms": alone, "others_p95_beside_crowd_ms": beside,
        "crowd_ratio": round(beside / alone, 2) if alone and beside else None, "crowd_faces": CROWD,
    }  # fmt: skip


def _ages(scores: Sequence[Score]) -> dict[str, float]:
    """Seconds from capture to score."""
    if not scores:
        raise ServiceError("the worker scored nothing", "look at what it printed above")
    ages = [score.scored - score.captured for score in scores]
    p50, p95 = np.quantile(ages, [0.5, 0.95])
    return {"age_p50_s": round(float(p50), 3), "age_p95_s": round(float(p95), 3), "age_max_s": round(max(ages), 3)}


@contextmanager
def _line() -> Iterator[Line]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-bench-")))
        url, _ = stack.enter_context(processes.valkey(folder))
        bus = stack.enter_context(redis.Redis.from_url(url))
        path = processes.write_config(folder / "worker.yaml", QUIET)
        command = [sys.executable, "-m", "worker", "--config", str(path)]
        running = stack.enter_context(processes.process(command, env=processes.environment(REDIS_URL=url)))
        ready = lambda: any(one.state == "ready" for one in alive(bus, Keys(), "worker"))  # noqa: E731
        processes.wait(ready, "the worker", running=running)
        yield Line(url, bus)
