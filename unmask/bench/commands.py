"""`unmask bench ...`: the commands. What one needs is imported when it runs: --help answers at once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class WorkerDevice(StrEnum):
    """Where a network is served, see worker.device."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TORCH_CPU = "torch-cpu"


bench = typer.Typer(
    help="Measure parts of Unmask on this machine.", epilog="Example: unmask bench cameras", no_args_is_help=True
)
Force = Annotated[bool, typer.Option("--force", help="Print figures of a busy machine, too.")]


@bench.command("dashboard", epilog="Example: unmask bench dashboard --subscribers 100 --seconds 30")
def bench_dashboard(
    subscribers: Annotated[int, typer.Option(min=1, help="How many connections.")] = 1000,
    rate: Annotated[float, typer.Option(min=0.1, help="Alert events a second.")] = 10.0,
    size: Annotated[int, typer.Option(min=400, max=60_000, help="Bytes of a message.")] = 1024,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 60.0,
    stalled: Annotated[int, typer.Option(min=0, help="Of the subscribers, so many take nothing.")] = 1,
    users: Annotated[int, typer.Option(min=0, max=1000, help="Who share the connections; 0: no login.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Time alert events on their way to many subscribers, and what they cost the dashboard."""
    from unmask.bench import dashboard as measuring

    raise typer.Exit(measuring.run(subscribers, rate, size, seconds, stalled, users, as_json))


@bench.command("worker", epilog="Example: unmask bench worker --device cpu")
def bench_worker(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each way of feeding is measured.")] = 20.0,
    device: Annotated[WorkerDevice, typer.Option(help="As worker.device.")] = WorkerDevice.AUTO,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Else the default one.")] = None,
    faces: Annotated[int, typer.Option(min=1, max=4096, help="Tracks that send windows, four to a camera.")] = 16,
    force: Force = False,
) -> None:
    """Time a worker on real crops against the raw forward limit, against no cache, and against plain fp32."""
    from unmask.bench import worker as measuring

    options = measuring.Options(seconds=seconds, device=device.value, checkpoint=checkpoint, faces=faces, force=force)
    raise typer.Exit(measuring.run(options, as_json))


@bench.command("cameras", epilog="Example: unmask bench cameras --steps 1,2,4")
def bench_cameras(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    seconds: Annotated[float, typer.Option(min=1, help="How long each number of cameras is measured.")] = 60.0,
    start: Annotated[int, typer.Option(min=1, max=256, help="The first number of cameras.")] = 1,
    largest: Annotated[int, typer.Option("--max", min=1, max=256, help="The last.")] = 16,
    steps: Annotated[str, typer.Option(metavar="N,N,...", help="Just these; else doubled up to 8, then 4 more.")] = "",
    limit_ms: Annotated[float, typer.Option(min=1, help="Longest p95 from capture to score.")] = 500.0,
    force: Force = False,
) -> None:
    """Add real RTSP cameras until the machine does not keep up: latency, dropped windows, and what each part costs."""
    from unmask.bench import cameras as measuring

    options = measuring.Options(
        seconds=seconds, steps=_numbers(steps), first=start, largest=max(start, largest), limit_ms=limit_ms, force=force
    )
    raise typer.Exit(measuring.run(options, as_json))


@bench.command("overload", epilog="Example: unmask bench overload --factor 4")
def bench_overload(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    factor: Annotated[float, typer.Option(min=0.1, help="How many times as much as can be scored.")] = 4.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 120.0,
    force: Force = False,
) -> None:
    """Send a worker more than it can score, then a crowd to one camera: how fresh scores stay, and what Redis holds."""
    from unmask.bench import overload as measuring

    raise typer.Exit(measuring.run(measuring.Options(factor, seconds, force), as_json))


@bench.command("fleet", epilog="Example: unmask bench fleet --cameras 1000")
def bench_fleet(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    cameras: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, a face before each.")] = 5000,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=100, help="Of the cameras' time, 1: real time; else it rises until it is too much."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.2, help="How long each speed is measured.")] = 20.0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes, their network made up.")] = 1,
    subscribers: Annotated[int, typer.Option(min=0, max=10_000, help="Of alerts.")] = 100,
    pages: Annotated[int, typer.Option(min=0, max=1000, help="Subscribers of everything, as a browser's page is.")] = 1,
    files: Annotated[bool, typer.Option(help="Whether Redis keeps its append-only file.")] = True,
    force: Force = False,
) -> None:
    """Send thousands of cameras' windows through Redis without a network: what the plumbing costs, and what is full."""
    from unmask.bench import fleet as measuring
    from unmask.bench.fleet_step import Options

    options = Options(cameras, speed, seconds, workers, subscribers, pages, files, force)
    raise typer.Exit(measuring.run(options, as_json))


@bench.command("soak", epilog="Example: unmask bench soak --minutes 30 --out soak")
def bench_soak(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of the plan by which cameras fail.")] = 0,
    every: Annotated[float, typer.Option(min=1, metavar="S", help="Seconds between two faults, about.")] = 45.0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="For the report, samples, log and plot.")] = None,
) -> None:
    """Run everything on four cameras that fail at random: does memory, do descriptors, threads or the log grow."""
    from unmask.bench.soak import course

    options = course.Options(minutes=minutes, seed=seed, every_s=every, out=out)
    raise typer.Exit(course.run(options, as_json))


def _numbers(text: str) -> tuple[int, ...]:
    """Raises UsageError for what is no list of numbers above 0."""
    from wire.errors import UsageError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and 0 < int(part) <= 256 for part in parts):
        raise UsageError(f"--steps {text!r} is no list of numbers of cameras", "write it as 1,2,4,8")
    return tuple(int(part) for part in parts)
