"""`unmask bench fleet`: thousands of cameras through a real Redis, without a network: what the plumbing costs.

A real Valkey, the streamers' publishers and leases, windows of real size, worker processes whose network is made up, a
real dashboard and its subscribers. Cameras' time runs at `speed`, and so do the times for which Redis and the services
keep what is theirs: at 1 a camera sends 1.5 windows a second. Without a speed it rises until something does not hold.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import redis
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from unmask.bench import busy, costs, figures, processes
from unmask.bench.fleet_step import PARTS, TRAFFIC, Options, Steps
from wire.errors import UsageError

CAMERA_BYTES = 200_000  # in Redis, generously
MEMORY_SHARE = 0.6  # of the machine's, for Redis
PLANNED = 100_000  # cameras of docs/scaling.md


def run(options: Options, as_json: bool) -> int:
    """Measure and print; 1 where no speed held, or a window is unaccounted for.

    Raises MachineBusy, ServiceError, UsageError.
    """
    found = measure(options, Console(stderr=True))
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _show(found)
    return int(found["held_speed"] is None or any(step["unaccounted"] for step in found["steps"]))


def measure(options: Options, console: Console) -> dict[str, Any]:
    """The figures of all steps. Raises MachineBusy, UsageError, and ServiceError where something does not start."""
    most = round(MEMORY_SHARE * psutil.virtual_memory().total)
    if options.cameras * CAMERA_BYTES > most:
        raise UsageError(f"{options.cameras} cameras want more memory than this machine has", "take fewer")
    if not options.force:
        busy.look().insist(force=False)
    watch = busy.Watch()
    steps: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-bench-")))
        url, server = stack.enter_context(processes.valkey(folder))
        bus = stack.enter_context(redis.Redis.from_url(url))
        bus.config_set("maxmemory", most)
        bus.config_set("appendonly", "yes" if options.files else "no")
        # Not refreshed by a thread of its own, whose time would count as the streamers'.
        progress = stack.enter_context(Progress(console=console, transient=True, auto_refresh=False))
        bench = Steps(options, url, bus, psutil.Process(server.pid), folder, progress)
        for speed in options.speeds:
            steps.append(bench.go(speed))
            if steps[-1]["why"]:
                break
        memory = bench.memory
    others = watch.others()
    others.insist(options.force)
    return {**summary(steps, options), "memory": memory, "busy": round(others.share, 4), "busy_by": list(others.names)}


def summary(steps: list[dict[str, Any]], options: Options) -> dict[str, Any]:
    """What held, what did not and why, and the costs in the fastest step that held, or in the first."""
    held = [step for step in steps if not step["why"]]
    best, last = (held or steps)[-1 if held else 0], steps[-1]
    met = [f"{last['why']} ({last['full']} full)"] if last["why"] else []
    if best["shown"] < options.cameras:
        met.append(f"the dashboard shows {best['shown']} of {options.cameras} cameras")
    return {
        "cameras": options.cameras,
        "held_speed": held[-1]["speed"] if held else None,
        "held_windows_per_s": held[-1]["windows_per_s"] if held else None,
        "limits": met,
        "first": first_full(best["costs"]),
        "plan": costs.plan(PLANNED, {part: best["costs"][part]["camera"] for part in costs.ONE_CORE}),
        "costs": best["costs"],
        "shown": best["shown"],
        "workers": options.workers, "subscribers": options.subscribers, "pages": options.pages, "files": options.files,
        "seconds": options.seconds,
        "steps": steps,
    }  # fmt: skip


def first_full(found: dict[str, dict[str, float]]) -> dict[str, int]:
    """Cameras with a face, in real time, that fill a core of each part that has one; the first to be full first."""
    filled = {part: round(1 / max(1e-9, found[part]["camera"])) for part in costs.ONE_CORE}
    return dict(sorted(filled.items(), key=lambda pair: pair[1]))


def _show(found: dict[str, Any]) -> None:
    """A line for each speed, then what each part costs."""
    console, limits = Console(), "; ".join(found["limits"]) or "no limit met"
    made = Table(title=f"{found['cameras']} cameras: {limits}")
    for name in ("speed", "windows/s", "p50 ms", "p95 ms", "lost", "machine", "full", "why it did not hold"):
        made.add_column(name, justify="right")
    for step in found["steps"]:
        numbers = (step[name] for name in ("speed", "windows_per_s", "p50_ms", "p95_ms", "lost"))
        made.add_row(*map(str, numbers), f"{step['machine']:.0%}", step["full"], step["why"])
    console.print(made)
    each = Table(title="ms of a core, and what goes through Redis")
    for name in ("of one", "window", "camera without a face, a second", "camera known, a second"):
        each.add_column(name, justify="right")
    for name in (*PARTS, *TRAFFIC):
        cost, scale = found["costs"][name], 1000 if name in PARTS else 1
        each.add_row(name, *(f"{scale * cost[of]:.4g}" for of in ("window", "empty", "known")))
    console.print(each)
    console.print(figures.table({
        **{f"bytes of a camera in Redis: {name}": size for name, size in found["memory"].items()},
        **{f"cameras with a face that fill a core of: {part}": count for part, count in found["first"].items()},
        **{f"for {PLANNED} cameras with a face: {part}": count for part, count in found["plan"].items()},
        **found,
    }))  # fmt: skip
