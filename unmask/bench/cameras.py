"""`unmask bench cameras`: how many real RTSP cameras this machine carries, everything on it, and at what latency.

A real RTSP server, cameras of 1280x720 at 25 frames a second with one moving face, and `unmask run` as a user runs it.
The number of cameras rises until it does not hold: p95 from capture to score above the limit, a window dropped, or a
camera analysed at less than its rate.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from unmask.bench import busy, clip, figures, product, rtsp, stages
from unmask.bench.product import Product, Use
from wire.errors import ServiceError
from wire.messages import CameraState, Score
from wire.settings import CameraSettings

ANALYSED = CameraSettings.model_fields["analysis_fps"].default
ENOUGH = 0.95  # of the analysed frames
LIVE_S = 60.0  # until all cameras are live and have scores
SETTLE_S = 5.0  # and then, until it is measured
LOOK_S = 2.0
PROFILE_S = 8.0  # after a step was measured, so that it costs the step nothing
LOST = ("stale", "trimmed", "dead", "unsent")


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    seconds: float = 60.0
    steps: tuple[int, ...] = ()
    first: int = 1
    largest: int = 16
    limit_ms: float = 500.0
    force: bool = False

    @property
    def numbers(self) -> list[int]:
        """The numbers of cameras to try, in order."""
        return sorted(set(self.steps)) or figures.ramp(self.first, self.largest)


def run(options: Options, as_json: bool) -> int:
    """Measure and print; 1 where not even the first number of cameras held. Raises MachineBusy, ServiceError."""
    found = measure(options, Console(stderr=True))
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _show(found)
    return int(found["max_cameras"] == 0)


def measure(options: Options, console: Console) -> dict[str, Any]:
    """The figures of all steps. Raises MachineBusy, and ServiceError where something does not start."""
    busy.look().insist(options.force)
    steps: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-bench-")))
        progress = stack.enter_context(Progress(console=console, transient=True))
        task = progress.add_task("rendering the cameras' clip", total=1.0)
        film = clip.render(folder / "clip.mp4", lambda share: progress.update(task, completed=share))
        server, urls = stack.enter_context(rtsp.serving(film, max(options.numbers), clip.FPS))
        for number in options.numbers:
            progress.update(task, total=options.seconds, completed=0, description=f"{number} cameras")
            cameras = {f"camera-{at + 1}": url for at, url in enumerate(urls[:number])}
            with product.running(folder / str(number), cameras) as running:
                step = _Step(running, list(cameras), psutil.Process(server.pid), options)
                steps.append(step.run(lambda done: progress.update(task, completed=done), folder))
            if not steps[-1]["held"]:
                break
    return summary(steps, options)


def summary(steps: Sequence[dict[str, Any]], options: Options) -> dict[str, Any]:
    """The whole result; latencies are those of the largest number of cameras that held."""
    held = [step for step in steps if step["held"]]
    best: dict[str, Any] = held[-1] if held else {}
    return {
        "max_cameras": best.get("cameras", 0),
        "p50_ms": best.get("p50_ms"),
        "p95_ms": best.get("p95_ms"),
        "limit_ms": options.limit_ms,
        "seconds": options.seconds,
        "busy": max((step["busy"] for step in steps), default=0.0),
        "steps": list(steps),
    }


def verdict(step: dict[str, Any], limit_ms: float) -> str:
    """Why a step did not hold; empty where it did."""
    if step["dropped"]:
        return f"{step['dropped']} windows dropped"
    if step["p95_ms"] is None or step["p95_ms"] > limit_ms:
        return f"p95 above {limit_ms:g} ms"
    if step["analysed_fps"] < ENOUGH * ANALYSED:
        return f"a camera was analysed at {step['analysed_fps']:g} frames a second"
    return ""


class _Step:
    """One number of cameras."""

    def __init__(self, running: Product, names: list[str], server: psutil.Process, options: Options) -> None:
        self._running, self._names, self._server, self._options = running, names, server, options

    def run(self, told: Callable[[float], None], folder: Path) -> dict[str, Any]:
        """Warm up, measure, then look where the streamer's time goes. Raises MachineBusy, ServiceError."""
        if why := self._warm_up():
            return self._failed(why)
        besides = {"cameras": self._server}
        watch, before, counted = busy.Watch(), self._running.use(besides), self._running.outcomes()
        since, began = self._running.now(), time.monotonic()
        analysed = self._wait(began, told)
        took, after = time.monotonic() - began, self._running.use(besides)
        others = watch.others()
        others.insist(self._options.force)
        scores = self._running.scores(since, self._running.now())
        outcomes = self._running.outcomes() - counted
        cpu = {name: round((after.cpu_s[name] - before.cpu_s.get(name, 0.0)) / took, 3) for name in after.cpu_s}
        step = {
            **_latencies(scores),
            "cameras": len(self._names),
            "windows": len(scores),
            "made": outcomes["made"],
            "dropped": sum(outcomes[name] for name in LOST),
            "lost": {name: outcomes[name] for name in LOST},
            "analysed_fps": min(analysed.values(), default=0.0),
            "cpu": cpu,
            "rss_mb": {name: round(value / 1e6, 1) for name, value in after.rss.items()},
            "seconds": round(took, 1),
            "busy": round(others.share, 4),
            "busy_by": list(others.names),
        }
        why = verdict(step, self._options.limit_ms)
        return {**step, "stages": self._stages(cpu, folder), "held": not why, "why": why}

    def _warm_up(self) -> str:
        """Until every camera is live, analysed at its rate, and has scores; why not, where they are not in time."""
        end = time.monotonic() + LIVE_S
        while time.monotonic() < end:
            if self._running.process.poll() is not None:
                raise ServiceError("unmask run ended", self._running.said())
            states = self._running.cameras(self._names)
            scored = {score.camera for score in self._running.scores("-")}
            if scored >= set(self._names) and all(_well(state) for state in states):
                time.sleep(min(SETTLE_S, self._options.seconds))
                return ""
            time.sleep(0.5)
        lacking = [state.name for state in states if not _well(state) or state.name not in scored]
        return f"{len(lacking) or len(self._names)} cameras were not live with scores within {LIVE_S:.0f} s"

    def _wait(self, began: float, told: Callable[[float], None]) -> dict[str, float]:
        """Let the time pass; each camera's analysed frames a second, the mean of what it said."""
        seen: dict[str, list[float]] = {name: [] for name in self._names}
        while (done := time.monotonic() - began) < self._options.seconds:
            time.sleep(min(LOOK_S, self._options.seconds - done))
            told(done)
            for state in self._running.cameras(self._names):
                seen[state.name].append(state.analysed_fps if state.state == "live" else 0.0)
        return {name: round(sum(values) / max(1, len(values)), 2) for name, values in seen.items()}

    def _stages(self, cpu: dict[str, float], folder: Path) -> dict[str, float]:
        """The streamer's processors by stage; empty without py-spy."""
        pids = [one.pid for one in self._running.roles().get("streamer", [])]
        if not pids:
            return {}
        samples = stages.sample(pids[0], min(PROFILE_S, self._options.seconds), folder)
        return stages.shares(samples, cpu["streamer"])

    def _failed(self, why: str) -> dict[str, Any]:
        """A step that never began."""
        use: Use = self._running.use({"cameras": self._server})
        return {
            **_latencies([]), "cameras": len(self._names), "windows": 0, "made": 0, "dropped": 0, "lost": {},
            "analysed_fps": 0.0, "cpu": {}, "rss_mb": {name: round(value / 1e6, 1) for name, value in use.rss.items()},
            "seconds": 0.0, "busy": 0.0, "busy_by": [], "stages": {}, "held": False, "why": why,
        }  # fmt: skip


def _well(state: CameraState) -> bool:
    return state.state == "live" and state.analysed_fps >= ENOUGH * ANALYSED


def _latencies(scores: Sequence[Score]) -> dict[str, Any]:
    """From the capture of a window's newest frame to its score, and how long of that until it was queued."""
    late = [1000 * (score.scored - score.captured) for score in scores]
    queued = [1000 * (score.enqueued - score.captured) for score in scores]
    named = {"p50_ms": (late, 50), "p95_ms": (late, 95), "max_ms": (late, 100), "streamer_p95_ms": (queued, 95)}
    found = {name: figures.percentile(values, q) for name, (values, q) in named.items()}
    return {name: None if math.isnan(value) else round(value, 1) for name, value in found.items()}


def _show(found: dict[str, Any]) -> None:
    """A line for each number of cameras, and what the streamer did in the last that held."""
    console, made = Console(), Table(title=f"{found['max_cameras']} cameras held")
    roles = list(dict.fromkeys(name for step in found["steps"] for name in step["cpu"]))
    for name in ("cameras", "p50 ms", "p95 ms", "windows", "dropped", "fps", *(f"{one} cpu" for one in roles), "held"):
        made.add_column(name, justify="right")
    for step in found["steps"]:
        used = [f"{step['cpu'].get(name, 0.0):.2f}" for name in roles]
        cells = (
            step["cameras"],
            step["p50_ms"],
            step["p95_ms"],
            step["windows"],
            step["dropped"],
            step["analysed_fps"],
        )
        made.add_row(*map(str, cells), *used, step["why"] or "yes")
    console.print(made)
    if found["steps"] and found["steps"][-1]["stages"]:
        console.print(figures.table(found["steps"][-1]["stages"], "the streamer's processors, by stage"))
