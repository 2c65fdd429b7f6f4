"""`unmask enrol`: what a camera scores while its picture is known to be real becomes the reference of its later scores.

It listens to the running system's scores as any consumer does; nothing is stored before the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from math import log
from pathlib import Path
from typing import Any

import redis
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from unmask import running, server
from wire import bus
from wire.errors import CheckpointError, DecodeError, UnmaskError, UsageError
from wire.heartbeat import alive
from wire.keys import FIELD
from wire.messages import CameraState, Reference, Score
from wire.settings import Settings
from worker import checkpoint
from worker.calibration import probability
from worker.checkpoint import Meta, Typical
from worker.reference import Enrolment, limit, shift, weight

BLOCK_MS = 250
PAGE = 500
INTERRUPTED = 130


class Station:
    """One camera of a running system, by its name in Redis. Raises UsageError, RedisUnreachable."""

    def __init__(self, settings: Settings, camera: str) -> None:
        client, self.url = running.connect(settings)
        self._open = ExitStack()
        self._open.enter_context(client)
        self.spaces, self.camera = self._open.enter_context(server.spaces(settings, client)), camera
        space = self.spaces.camera(camera)
        self.client, self.keys = space.bus, space.keys
        self._stale_after_s = settings.dashboard.stale_after_s

    def close(self) -> None:
        """Close the connections."""
        self._open.close()

    def state(self) -> CameraState | None:
        """What a streamer last said of the camera."""
        return CameraState.read(self.client.get(self.keys.camera(self.camera)))

    def require_live(self, now: float) -> None:
        """Raises UsageError for a camera nobody knows, UnmaskError for one that shows no present picture."""
        names: list[Any] = [space.bus.smembers(space.keys.camera_names) for space in self.spaces.shards]
        known = sorted(name.decode(errors="replace") for each in names for name in each)
        if self.camera not in known:
            remedy = f"choose one of {', '.join(known)}" if known else "start a streamer with cameras first"
            raise UsageError(f"no camera is called {self.camera!r}", remedy)
        if trouble := self.trouble(self.state(), now):
            raise UnmaskError(f"camera {self.camera!r} is not live ({trouble})", "enrol it when its picture is there")

    def trouble(self, state: CameraState | None, now: float) -> str:
        """Why there is no present picture, in words; "" where there is one."""
        if state is None:
            return "never reported"
        if state.state != "live":
            return state.state
        return "stale: its streamer is silent" if now - state.updated > self._stale_after_s else ""

    def reference(self) -> Reference | None:
        """The stored reference. Raises UnmaskError for one that this build can't read."""
        raw: Any = self.client.get(self.keys.reference(self.camera))
        try:
            return Reference.decode(raw) if raw else None
        except DecodeError as error:
            raise UnmaskError(f"the reference of {self.camera!r} can't be read ({error.reason}), nothing goes by it",
                              "enrol the camera again, or --remove it") from None  # fmt: skip


@contextmanager
def at(settings: Settings, camera: str) -> Iterator[Station]:
    """The camera's station while it is needed. Raises UsageError, and UnmaskError whenever Redis goes away."""
    station = Station(settings, camera)
    try:
        yield station
    except (redis.RedisError, OSError) as error:
        raise bus.failed(station.url, error) from error
    finally:
        station.close()


def run(settings: Settings, camera: str, minutes: float, force: bool) -> int:
    """Collect, store, say what changes; the exit code. Raises UnmaskError with nothing stored."""
    with at(settings, camera) as station:
        station.require_live(time.time())
        meta, real = comparable(settings.worker.checkpoint or checkpoint.DEFAULT)
        try:
            enrolment = _watched(station, meta, minutes * 60)
        except KeyboardInterrupt:
            Console(stderr=True).print("unmask: interrupted, nothing was stored", highlight=False)
            return INTERRUPTED
        reference = concluded(station, enrolment, meta, real, minutes, force, time.time())
        station.client.set(station.keys.reference(camera), reference.encode())
    describe(reference, meta, Console(highlight=False, soft_wrap=True))
    return 0


def comparable(path: Path) -> tuple[Meta, Typical]:
    """What the checkpoint says of itself and of its real windows. Raises CheckpointError where it doesn't."""
    meta = checkpoint.describe(path)
    if meta.real is None:
        remedy = "add that with 'python -m worker.training real', or name one that 'unmask train' wrote"
        raise CheckpointError(path, "does not say what real windows give, so there is nothing to compare with", remedy)
    return meta, meta.real


def _watched(station: Station, meta: Meta, seconds: float) -> Enrolment:
    """What came in `seconds`, under a progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}", markup=False),
    )
    enrolment = Enrolment(station.camera, meta.model_id, time.time())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"enrolling {station.camera}", total=seconds, found="no window yet")

        def tell(passed: float) -> None:
            progress.update(task, completed=passed, found=found(enrolment, meta))

        collect(station, enrolment, seconds, time.monotonic, tell)
    return enrolment


def collect(
    station: Station, enrolment: Enrolment, seconds: float, clock: Callable[[], float], tell: Callable[[float], None]
) -> None:
    """Feed the enrolment the scores that come in `seconds`; `tell` gets the seconds passed. Raises redis.RedisError."""
    newest: Any = station.client.xrevrange(station.keys.scores, count=1)
    last, began = newest[0][0] if newest else b"0", clock()
    while (passed := clock() - began) < seconds:
        tell(passed)
        block = max(1, min(BLOCK_MS, round(1000 * (seconds - passed))))
        answer: Any = station.client.xread({station.keys.scores: last}, count=PAGE, block=block)
        for id, fields in answer[0][1] if answer else ():
            last = id
            if score := Score.read(fields.get(FIELD)):
                enrolment.add(score)


def found(enrolment: Enrolment, meta: Meta) -> str:
    """What there is so far, in words."""
    gathered, doubtful = enrolment.gathered, enrolment.unsure.total()
    unsure = f", {doubtful} unsure" if doubtful else ""
    if not gathered.windows:
        return f"no sure window yet{unsure}"
    p = probability(gathered.median, meta.temperature)
    return f"{gathered.windows} windows{unsure}, {len(gathered.tracks)} tracks, median p {p:.2f}"


def concluded(
    station: Station, enrolment: Enrolment, meta: Meta, real: Typical, minutes: float, force: bool, now: float
) -> Reference:
    """The reference that may be stored. Raises UnmaskError for too little, or for what looks like a fake."""
    gathered = enrolment.gathered
    if not gathered.windows:
        raise UnmaskError(f"camera {station.camera!r} gave nothing to enrol: {why_none(station, enrolment, now)}",
                          "nothing was stored; somebody must face the camera well lit and near")  # fmt: skip
    p = probability(gathered.median, meta.temperature)
    if p >= meta.thresholds.suspect.p and not force:
        raise UnmaskError(
            f"the picture of {station.camera!r} scores like a fake (median p {p:.2f}, suspect from "
            f"{meta.thresholds.suspect.p:.2f}), nothing was stored",
            "look at what it shows; --force enrols it, if you know it to be real",
        )
    return gathered.reference(station.camera, meta.model_id, now, minutes, real)


def why_none(station: Station, enrolment: Enrolment, now: float) -> str:
    """Why no sure window came, in words."""
    if enrolment.foreign:
        model = enrolment.foreign.most_common(1)[0][0]
        return f"its scores are of model {model}, not of this configuration's checkpoint"
    if enrolment.unsure:
        reason, count = enrolment.unsure.most_common(1)[0]
        return f"none of {enrolment.unsure.total()} windows was sure ({count}: {reason})"
    if not alive(station.spaces.home.bus, station.spaces.home.keys, "worker"):
        return "no worker is running"
    state = station.state()
    if trouble := station.trouble(state, now):
        return f"the camera is {trouble}"
    return "no face was in view" if state and state.faces == 0 else "no window of a face was complete in that time"


def describe(reference: Reference, meta: Meta, console: Console) -> None:
    """What a reference rests on and what it changes, for people."""
    people = f"{reference.tracks} tracks" if reference.tracks > 1 else "1 track"
    made = datetime.fromtimestamp(reference.made).strftime("%Y-%m-%d %H:%M")
    console.print(f"{reference.camera}: {reference.windows} windows of {people} in {reference.minutes:g} minutes, "
                  f"{made}, {reference.model}", markup=False)  # fmt: skip
    if reference.model != meta.model_id:
        console.print(f"  not in force: the checkpoint is {meta.model_id}; enrol the camera again", markup=False)
        return
    apart = reference.median - reference.expected
    moved = shift(reference, meta.model_id, limit(meta))
    direction, change = ("higher", "lowered") if apart > 0 else ("lower", "raised")
    marks = meta.thresholds.suspect.p, meta.thresholds.fake.p
    console.print(f"  its real windows' logits are {abs(apart):.2f} {direction} than the checkpoint expects "
                  f"({reference.median:+.2f}, expected {reference.expected:+.2f})")  # fmt: skip
    console.print(f"  scores are {change} by {abs(moved):.2f} ({weight(reference):.0%} of that is taken to be the "
                  f"camera's, at most {limit(meta):.2f})")  # fmt: skip
    for name, p in zip(("suspect", "fake"), marks, strict=True):
        logit = _logit(p, meta) - moved
        console.print(f"  {name} is now what scored p {probability(logit, meta.temperature):.3f}, instead of {p:.3f}")
    if reference.tracks == 1:
        console.print("  only one track was seen: this is a reference of the person as much as of the camera",
                      style="yellow")  # fmt: skip


def _logit(p: float, meta: Meta) -> float:
    return meta.temperature * log(p / (1 - p))


def show(settings: Settings, camera: str) -> int:
    """Print the camera's reference; 1 where it has none. Raises UnmaskError."""
    with at(settings, camera) as station:
        reference = station.reference()
    console = Console(highlight=False, soft_wrap=True)
    if reference is None:
        console.print(f"{camera}: no reference, its scores are the checkpoint's own", markup=False)
        return 1
    describe(reference, checkpoint.describe(settings.worker.checkpoint or checkpoint.DEFAULT), console)
    return 0


def remove(settings: Settings, camera: str) -> int:
    """Take the camera's reference away; 1 where it has none. Raises UnmaskError."""
    with at(settings, camera) as station:
        gone = station.client.delete(station.keys.reference(camera))
    said = "reference removed" if gone else "no reference"
    Console(highlight=False, soft_wrap=True).print(f"{camera}: {said}, its scores are the checkpoint's own",
                                                   markup=False)  # fmt: skip
    return 0 if gone else 1
