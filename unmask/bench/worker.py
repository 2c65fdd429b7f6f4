"""`unmask bench worker`: a worker process, as deployed, against the raw forward limit of its own backend.

A real Valkey, a real worker, windows of real JPEG crops as streamers send them. By turns, so that a drift of the
machine shows: the raw limit; windows that share frames as live ones do; windows that share none; and the peers' way,
which is fp32 in PyTorch with every frame of every window encoded. Alerts are kept from opening: scoring is measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.progress import Progress

from unmask.bench import busy, crops, figures, processes
from unmask.bench.contenders import PATIENCE_S, Raw, Served, Starter, cpu_s, limit
from unmask.bench.feed import tracks
from wire.errors import ServiceError
from wire.settings import WindowSettings, WorkerSettings

ROUNDS = 3
RAW_S = 2.0  # of each look at the raw limit, at most
POOL = 256  # different crops
PER_CAMERA = 4  # faces
DEPTH = 5  # batches between the feeder and the worker's commits: two on their way, the others wait
SCARCE_DEPTH = 3  # where a batch takes a second or more
BASELINE_BATCH = 1  # windows; PyTorch takes about a second for each, and a window's crops are a full pass


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    seconds: float = 20.0
    device: str = "auto"
    checkpoint: Path | None = None
    faces: int = 16
    force: bool = False


def run(options: Options, as_json: bool) -> int:
    """Measure and print. Raises MachineBusy, ServiceError."""
    found = measure(options, Console(stderr=True))
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        figures.show(found)
    return 0


def measure(options: Options, console: Console) -> dict[str, Any]:
    """The figures of one run. Raises MachineBusy, and ServiceError where a process does not start."""
    busy.look().insist(options.force)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-bench-")))
        url, _ = stack.enter_context(processes.valkey(folder))
        progress = stack.enter_context(Progress(console=console, transient=True))
        task = progress.add_task("starting", total=5 * ROUNDS + 3)
        raw = stack.enter_context(limit(folder, options.checkpoint, options.device))
        window = WindowSettings(frames=raw.frames, stride=max(1, raw.frames // 4))
        pool = crops.pool(POOL, window)
        start = Starter(url, folder, options.checkpoint, window, stack)
        progress.advance(task)
        ours = start("ours", options.device, WorkerSettings().batch)
        progress.advance(task)
        theirs = start("baseline", "torch-cpu", BASELINE_BATCH)
        plan = _Plan(options, window, pool, lambda what: progress.update(task, advance=1, description=what))
        watch = busy.Watch()
        limits = plan.go(raw, ours, theirs)
        others = watch.others()
        others.insist(options.force)
        return {**_figures(options, window, limits, ours, theirs, raw.about, pool), **_costs(ours, others)}


class _Plan:
    """The order of the spans."""

    def __init__(self, options: Options, window: WindowSettings, pool: crops.Pool, told: Callable[[str], None]) -> None:
        self._options, self._window, self._pool, self._told = options, window, pool, told
        self._span = options.seconds / ROUNDS
        self._epoch = round(time.time() * 1000)

    def go(self, raw: Raw, ours: Served, theirs: Served) -> list[float]:
        """All rounds; the raw limits seen on the way, in images a second."""
        limits = []
        for _ in range(ROUNDS):
            limits.append(self._raw(raw))
            self._feed(ours, "shared", self._window.stride, DEPTH)
            limits.append(self._raw(raw))
            self._feed(ours, "new", self._window.frames, SCARCE_DEPTH)
            self._feed(theirs, "new", self._window.frames, SCARCE_DEPTH)
        return [*limits, self._raw(raw)]

    def _raw(self, raw: Raw) -> float:
        self._told("the raw limit")
        return raw.ask(min(RAW_S, self._span))

    def _feed(self, worker: Served, kind: str, stride: int, depth: int) -> None:
        """Warm up with new tracks, measure, and wait until nothing is left."""
        self._told(f"{worker.state.device}: {'shared frames' if kind == 'shared' else 'new frames only'}")
        self._epoch += 1
        faces = tracks(self._options.faces, PER_CAMERA, self._epoch, self._window.frames, stride, self._pool)
        feeder, shared = worker.feeder, kind == "shared"
        feeder.depth = depth * worker.batch
        feeder.run(faces, _after(0.0, len(faces) + worker.batch if shared else worker.batch))
        before, fed, began = cpu_s(worker.process), feeder.cpu_s, time.monotonic()
        read = feeder.run(faces, _after(self._span, 3 * worker.batch))
        if shared:
            worker.cpu_s += cpu_s(worker.process) - before
            worker.fed_s += feeder.cpu_s - fed
            worker.wall_s += time.monotonic() - began
        worker.spans.setdefault(kind, []).append(figures.rate(read))
        if not feeder.drain(PATIENCE_S):
            raise ServiceError("the worker does not settle its windows", "look at what it printed above")


def _after(seconds: float, windows: int) -> Callable[[float, int], bool]:
    """Says when both have passed. Raises ServiceError where the windows never come."""

    def over(now: float, scored: int) -> bool:
        if scored < windows and now > seconds + PATIENCE_S:
            raise ServiceError(f"the worker scored {scored} windows in {now:.0f} s", "look at what it printed above")
        return now >= seconds and scored >= windows

    return over


def _figures(
    options: Options, window: WindowSettings, limits: list[float], ours: Served, theirs: Served,
    about: Mapping[str, Any], pool: crops.Pool,
) -> dict[str, Any]:  # fmt: skip
    shared, new = median(ours.spans["shared"]), median(ours.spans["new"])
    baseline, raw = median(theirs.spans["new"]), mean(limits)
    return {
        "ratio": round(shared * window.stride / raw, 3),
        "overlap_gain": round(shared / new, 2),
        "baseline_gain": round(shared / baseline, 1),
        "crops_per_s": round(shared * window.stride, 1),
        "windows_per_s": round(shared, 2),
        "raw_crops_per_s": round(raw, 1),
        "raw_spans": [round(one, 1) for one in limits],
        "new_frames_crops_per_s": round(new * window.frames, 1),
        "baseline_crops_per_s": round(baseline * window.frames, 1),
        "shared_spans": [round(one, 2) for one in ours.spans["shared"]],
        "new_spans": [round(one, 2) for one in ours.spans["new"]],
        "baseline_spans": [round(one, 3) for one in theirs.spans["new"]],
        "device": ours.state.device,
        "baseline_device": theirs.state.device,
        "model": ours.state.model,
        "lanes": about["lanes"],
        "chunk": about["chunk"],
        "faces": options.faces,
        "seconds": options.seconds,
        "crop_kb": round(mean(map(len, pool.views)) / 1000, 1),
        "unscored": ours.feeder.unscored() + theirs.feeder.unscored(),
    }


def _costs(ours: Served, others: busy.Others) -> dict[str, Any]:
    """Processors used while frames were shared, and who else used the machine."""
    return {
        "worker_cpu": round(ours.cpu_s / ours.wall_s, 3),
        "feeder_cpu": round(ours.fed_s / ours.wall_s, 3),
        "busy": round(others.share, 4),
        "busy_by": list(others.names),
    }
