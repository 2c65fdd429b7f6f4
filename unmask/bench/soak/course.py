"""The course of a soak: four cameras, one at a time failing, `unmask run`, one subscriber; samples on the way."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from unmask.bench import busy, figures, processes, product, rtsp
from unmask.bench.soak import past, plot, trend
from unmask.bench.soak.failing import Camera, Fault, plan
from unmask.bench.soak.lines import Log
from unmask.bench.soak.report import Facts, report
from unmask.bench.soak.sampling import Series, sample
from unmask.bench.soak.seen import Seen, quietly, received
from unmask.demo import scene
from wire.errors import ServiceError

CAMERAS = {"untouched-1": False, "manipulated-1": True, "untouched-2": False, "manipulated-2": True}
FPS, ANALYSED_FPS, CLIP_S = 8, 4.0, 4.0
LOOK_S, SAMPLE_S = 1.0, 5.0
WARM_UP_SHARE, WARM_UP_S = 1 / 3, 1800.0
DRAIN_S = 30.0
# What is kept for days is bounded by settings, here so tightly that the bounds are reached in the warm-up; what is
# bounded by number is filled from the start, see `past`.
SETTINGS = {
    "alerts": {"keep_days": 0.005, "evidence_days": 0.005, "evidence_mb": 4},
    "telemetry": {"log_format": "json"},
}
EXIT = {"holds": 0, "fails": 1, "undecided": 3}


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    minutes: float = 30.0
    seed: int = 0
    every_s: float = 45.0  # between two faults, about
    out: Path | None = None
    least_s: float = trend.LEAST_S

    @property
    def warm_up_s(self) -> float:
        """A third of it, half an hour at most."""
        return min(WARM_UP_S, self.minutes * 60 * WARM_UP_SHARE)


def run(options: Options, as_json: bool) -> int:
    """Soak and print; 0: all holds, 1: something fails, 3: too short or too noisy to tell. Raises ServiceError."""
    found = measure(options, Console(stderr=True))
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        _show(found)
    return EXIT[found["verdict"]]


def measure(options: Options, console: Console) -> dict[str, Any]:
    """The whole report. SIGINT or SIGTERM ends the soak early, and what was measured until then is reported."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="unmask-soak-")))
        progress = stack.enter_context(
            Progress(*Progress.get_default_columns()[:-1], TimeRemainingColumn(), console=console)
        )
        task = progress.add_task("rendering the cameras' clips", total=options.minutes * 60)
        cameras = [stack.enter_context(one) for one in _cameras(folder)]
        about = {one.name: {"url": one.url, "analysis_fps": ANALYSED_FPS} for one in cameras}
        progress.update(task, description="starting")
        stop = stack.enter_context(_until_told())
        running = stack.enter_context(product.running(folder / "run", {}, {**SETTINGS, "cameras": about}))
        since, scored = past.fill(running.bus, running.keys), running.now()
        watcher = stack.enter_context(_subscriber(running, since, folder / "received"))
        course = _Course(running, watcher, cameras, options, Seen(running, scored, since))
        course.run(stop, lambda done, what: progress.update(task, completed=done, description=what))
        facts = course.facts(folder / "received")
        found = report(facts)
        if options.out:
            _keep(options.out, found, course, running.log)
    return found


def _cameras(folder: Path) -> list[Camera]:
    """Two clips, four cameras."""
    if not rtsp.available():
        raise ServiceError("there is no GStreamer to serve the cameras", f"sudo apt-get install {rtsp.PACKAGES}")
    clips = {
        manipulated: scene.render(
            folder / f"{manipulated}.mp4", manipulated=manipulated, mirror=manipulated, seconds=CLIP_S
        )
        for manipulated in (False, True)
    }
    return [Camera(name, clips[manipulated], FPS) for name, manipulated in CAMERAS.items()]


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """An event that SIGINT or SIGTERM sets."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _subscriber(running: product.Product, since: str, output: Path) -> Iterator[psutil.Process]:
    """`unmask watch --json` as a process that writes to `output`; it asks for what follows `since`."""
    url: list[str] = []

    def listening() -> bool:
        entries = (line for line in running.log.read_text(errors="replace").splitlines() if '"listening"' in line)
        url.extend(str(json.loads(line)["url"]) for line in entries)
        return bool(url)

    processes.wait(listening, "the dashboard", running=running.process)
    address = url[0].replace("http", "ws", 1).rstrip("/") + "/ws/v1"
    command = [sys.executable, "-m", "unmask", "watch", "--json", "--since", since, address]
    with (
        output.open("w") as out,
        processes.process(command, env=processes.environment(), stdout=out, stderr=out) as process,
    ):
        yield psutil.Process(process.pid)


class _Course:
    """The loop, and what it gathers."""

    def __init__(
        self, running: product.Product, watcher: psutil.Process, cameras: list[Camera], options: Options, seen: Seen
    ) -> None:
        self._running, self._watcher, self._cameras, self._options = running, watcher, cameras, options
        self.series: dict[str, Series] = {}
        self.faults: list[Fault] = []
        self.seen, self._log = seen, Log(running.log)
        self._watch = busy.Watch()
        self._seconds = 0.0

    def run(self, stop: threading.Event, told: Callable[[float, str], None]) -> None:
        """Until the time is over or `stop` is set; then cameras are ended and the queue is waited for."""
        began = time.monotonic()
        plans = plan(self._options.seed, len(self._cameras), self._options.every_s)
        fault, failing, sampled = next(plans), False, 0.0
        end = self._options.minutes * 60
        while (now := time.monotonic() - began) < end and not stop.is_set():
            camera = self._cameras[fault.camera]
            if not failing and now >= fault.at:
                camera.fail(fault.kind)
                failing = True
            elif failing and now >= fault.until:
                camera.heal(fault.kind)
                self.faults.append(fault)
                fault, failing = next(plans), False
            if now >= sampled:
                self._sample(now)
                sampled = now + min(SAMPLE_S, end / 60)
            told(now, f"{camera.name} {fault.kind}" if failing else f"{len(self.faults)} faults")
            stop.wait(LOOK_S)
        self._seconds = time.monotonic() - began
        told(self._seconds, "draining")
        self._drain()

    def _sample(self, now: float) -> None:
        if self._running.process.poll() is not None:
            raise ServiceError("unmask run ended", self._running.said())
        sample(self.series, now, {**self._running.roles(), "subscriber": [self._watcher]})
        self._log.look(time.time())
        quietly(self.seen)

    def _drain(self) -> None:
        """Until every window that was made has met its end, and the subscriber has what Redis has."""
        for camera in self._cameras:
            camera.kill()
        last, end = -1, time.monotonic() + DRAIN_S
        while time.monotonic() < end:
            time.sleep(LOOK_S)
            made = self._running.outcomes()["made"]
            if self.seen.waiting() == 0 and made == last:
                break
            last = made
        time.sleep(LOOK_S)
        self._log.look(time.time())
        self.seen.look()

    def facts(self, output: Path) -> Facts:
        """All of it."""
        return Facts(
            seconds=self._seconds, warm_up_s=min(self._options.warm_up_s, self._seconds * WARM_UP_SHARE),
            series=self.series, outcomes=self._running.outcomes(), waiting=self.seen.waiting(), ages=self.seen.ages,
            events=self.seen.events, received=received(output), opened=self.seen.opened,
            tracks={name: len(tracks) for name, tracks in self.seen.tracks.items()},
            manipulated=[name for name, manipulated in CAMERAS.items() if manipulated], faults=self.faults,
            too_often=self._log.too_often(), lines=self._log.summary(), least_s=self._options.least_s,
            busy=self._watch.others().share, names=list(CAMERAS),
        )  # fmt: skip


def _keep(out: Path, found: Mapping[str, Any], course: _Course, log: Path) -> None:
    """The report, the samples, the log and the picture, for people."""
    out.mkdir(parents=True, exist_ok=True)
    samples = {name: {**asdict(one), "pids": sorted(one.pids)} for name, one in course.series.items()}
    faults = [asdict(fault) for fault in course.faults]
    (out / "soak.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "samples.json").write_text(json.dumps({"series": samples, "faults": faults}), encoding="utf-8")
    shutil.copyfile(log, out / "log.jsonl")
    plot.draw(out / "soak.webp", found, course.series, course.faults)


def _show(found: dict[str, Any]) -> None:
    """What was found, for people: the roles first, then the checks."""
    console = Console()
    for name, role in found["roles"].items():
        slope = role["rss_mb_h"]
        words = f"{slope['per_hour']:+.2f} MB/h ({slope['low']:+.2f} to {slope['high']:+.2f})" if slope else "no slope"
        console.print(
            f"{name:11} {words:36} {role['memory']:10} descriptors {role['fds']} {role['descriptors']}, "
            f"threads {role['threads']} {role['thread_count']}"
        )
    console.print(figures.table(found["checks"], f"{found['minutes']} minutes: {found['verdict']}"))
    console.print(figures.table({name: value for name, value in found.items() if name not in ("roles", "checks")}))
    for what in (
        *found["implausible"],
        *(f"{name}: {most} lines at once" for name, most in found["too_often"].items()),
    ):
        console.print(f"- {what}")
