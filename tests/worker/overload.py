"""A worker in simulated time: the whole policy around a server that takes a fixed time a window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from wire.settings import WorkerSettings
from worker.choice import Choice

TARGET_S = 1.0
PERIOD_S = 4 / 6  # of a track's windows
Arrival = tuple[float, str, str]  # captured, camera, track


@dataclass
class Run:
    """What became of the windows: when each was scored, and which were shed."""

    scored: list[tuple[Arrival, float]] = field(default_factory=list)
    shed: list[Arrival] = field(default_factory=list)
    left: int = 0

    def ages(self, after: float = 0.0, cameras: str = "") -> list[float]:
        return [
            end - captured for (captured, camera, _), end in self.scored if end >= after and camera.startswith(cameras)
        ]


def steady(camera: str, rate: float, seconds: float, start: float = 0.0) -> list[Arrival]:
    """Windows of one camera, evenly in time, of as many tracks as it takes."""
    tracks = max(1, round(rate * PERIOD_S))
    return [(start + number / rate, camera, str(number % tracks)) for number in range(int(rate * seconds))]


def crowd(faces: int, cameras: int, seconds: float) -> list[Arrival]:
    """Windows of so many faces, each on one of the cameras."""
    return [
        (PERIOD_S * (n + face / faces), f"c{face % cameras}", str(face))
        for face in range(faces)
        for n in range(int(seconds / PERIOD_S))
    ]


def choosing(**changed: Any) -> Choice[Arrival]:
    chosen = {"target_age_s": TARGET_S, **changed}
    return Choice(WorkerSettings(**chosen), lambda one: one[0], lambda _: 250_000, lambda one: one[2])


def simulate(arrivals: Iterable[Arrival], capacity: float, batch: int = 16, until: float = 1e9) -> Run:
    """One worker with one batch on its way, and a stream that is read in its order as the intake reads it."""
    stream, run, now = sorted(arrivals), Run(), 0.0
    choice = choosing(batch=batch, deadline_ms=40)
    at = 0
    while (at < len(stream) or len(choice)) and now < until:
        choice.divide()
        room = choice.room()
        read = [arrival for arrival in stream[at : at + room] if arrival[0] <= now]
        at += len(read)
        choice.read(len(read) == room > 0)
        for arrival in read:
            choice.add(arrival[1], arrival, now, arrival[0])
        items, shed, _ = choice.take(now, idle=True)
        run.shed += shed
        if not items:
            upcoming = stream[at][0] if at < len(stream) else now
            now = max(now + 0.001, min(upcoming, now + 0.04))
            continue
        took = len(items) / capacity
        now += took
        choice.took(took, len(items))
        run.scored += [(item, now) for item in items]
    run.left = len(choice) + len(stream) - at
    return run
