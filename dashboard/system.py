"""How the line is doing: rolling quantiles of its stages, what became of windows, and whether it keeps up. Pure.

A window passes capture -> enqueue -> dequeue -> scored -> seen here; a stage is the time between two of these stamps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from typing import Literal

from wire.messages import Score, ServiceState

WINDOW_S = 60.0
MAX_SAMPLES = 8192  # 136 scores a second; beyond that the span shrinks, the quantiles stay right for what is left
STAGES = ("ingest", "queue", "score", "deliver", "total")
OUTCOMES = ("made", "scored", "stale", "dead", "duplicate", "trimmed")
LOOK_S = 0.5  # looks closer than this are one
LEAST_S = 10.0  # of counting before anything is said about capacity
SILENT_S = 10.0  # a look at Redis older than this says nothing about the present

OUT_SHARE = 0.01  # of the last minute's windows that were dropped
OUT_WAIT_S = 5.0
NEAR_WAIT_S = 1.0
NEAR_BUSY = 0.85  # of the time of all workers together

CapacityState = Literal["ok", "near", "out", "unknown"]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of one stage, in seconds; None where there was no sample."""

    name: str
    p50: float | None
    p95: float | None
    p99: float | None
    count: int


class Rolling:
    """Samples of the last `span_s` seconds, at most `limit`; each is a tuple with one value for every name."""

    def __init__(self, names: Sequence[str], span_s: float = WINDOW_S, limit: int = MAX_SAMPLES) -> None:
        self._names, self._span = tuple(names), span_s
        self._samples: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=limit)

    def add(self, at: float, values: tuple[float, ...]) -> None:
        """Take one sample; times do not go back but for a clock that is set, which forgets what lies ahead of it."""
        while self._samples and self._samples[-1][0] > at:
            self._samples.pop()
        self._forget(at)
        self._samples.append((at, values))

    def quantiles(self, now: float) -> list[Quantiles]:
        """By the nearest rank: the least value that at least the given share of all samples does not exceed."""
        self._forget(now)
        columns: Iterable[tuple[float, ...]] = zip(*(values for _, values in self._samples), strict=True)
        found = []
        for name, column in zip(self._names, list(columns) or [()] * len(self._names), strict=True):
            ordered = sorted(column)
            p50, p95, p99 = (_rank(ordered, share) for share in (0.5, 0.95, 0.99))
            found.append(Quantiles(name, p50, p95, p99, len(ordered)))
        return found

    def _forget(self, now: float) -> None:
        while self._samples and self._samples[0][0] < now - self._span:
            self._samples.popleft()


def _rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def stages(score: Score, seen: float) -> tuple[float, ...]:
    """Seconds of each of STAGES for one score; two clocks that disagree make none negative."""
    stamps = (score.captured, score.enqueued, score.dequeued, score.scored, seen)
    steps = [later - earlier for earlier, later in pairwise(stamps)]
    return tuple(max(0.0, step) for step in (*steps, seen - score.captured))


@dataclass(frozen=True, slots=True)
class Load:
    """What one look at Redis found. Times are seconds, `oldest_s` is by Redis's own clock."""

    at: float
    windows: int = 0  # wait or are being scored
    oldest_s: float = 0.0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    detectors: Mapping[str, int] = field(default_factory=dict)  # "<name> <version> <outcome>" -> windows
    evidence: int = 0  # alerts with evidence
    evidence_bytes: int = 0


class Minute:
    """What totals grew by within the last minute, from totals looked at now and then."""

    def __init__(self, span_s: float = WINDOW_S) -> None:
        self._span = span_s
        self._looks: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=256)

    def add(self, at: float, totals: Mapping[str, int]) -> None:
        """Take the totals of one look; where one has shrunk, counting began anew."""
        if self._looks:
            before_at, before = self._looks[-1]
            if at < before_at or any(totals.get(name, 0) < count for name, count in before.items()):
                self._looks.clear()
        if len(self._looks) > 1 and at - self._looks[-2][0] < LOOK_S:  # however often it is looked
            self._looks.pop()
        self._looks.append((at, totals))
        while len(self._looks) > 2 and self._looks[1][0] <= at - self._span:
            self._looks.popleft()

    @property
    def counted_s(self) -> float:
        """Over how many seconds was counted: the span, or less shortly after the start."""
        return self._looks[-1][0] - self._looks[0][0] if self._looks else 0.0

    def growth(self) -> dict[str, int]:
        """By name."""
        if not self._looks:
            return {}
        first, last = self._looks[0][1], self._looks[-1][1]
        return {name: count - first.get(name, 0) for name, count in last.items()}


@dataclass(frozen=True, slots=True)
class Capacity:
    """Whether the workers keep up, and in one sentence why that is thought."""

    state: CapacityState
    words: str


class System:
    """What the hub gathers for the system view."""

    def __init__(self) -> None:
        self.latencies = Rolling(STAGES)
        self.minute = Minute()
        self.load: Load | None = None
        self.services: tuple[ServiceState, ...] = ()

    def look(self, load: Load) -> None:
        """Take what a look at Redis found."""
        self.load = load
        self.minute.add(load.at, load.outcomes)

    def capacity(self, now: float, reached: bool) -> Capacity:
        """Whether the workers keep up; `reached`: Redis answers and has been read."""
        if not reached or self.load is None or now - self.load.at > SILENT_S:
            return Capacity("unknown", "Redis does not answer, so nothing is known of the line.")
        return judge(self.load, self.minute, self.services)


def judge(load: Load, minute: Minute, services: Iterable[ServiceState]) -> Capacity:
    """Whether the workers keep up, from the queue, the last minute's losses and the workers' own words."""
    ready = [service for service in services if service.state == "ready"]
    workers = [service for service in ready if service.role == "worker"]
    if not workers:
        waiting = f"{_count(load.windows, 'window')} wait" if load.windows else "nothing is scored"
        return Capacity("out" if load.windows else "unknown", f"No worker is ready: {waiting}; start one.")
    if not any(service.role == "streamer" for service in ready):
        return Capacity("unknown", "No streamer is ready, so no window is made; start one.")
    if minute.counted_s < LEAST_S:
        return Capacity("unknown", f"Counted for {minute.counted_s:.0f} s only: too short to tell.")
    grown = minute.growth()
    dropped = grown.get("stale", 0) + grown.get("trimmed", 0)
    share = dropped / max(1, dropped + grown.get("scored", 0))
    facts = f"windows wait {_seconds(load.oldest_s)}, {_share(share)} dropped in the last minute{_load_of(workers)}"
    there_s = max(load.at - worker.since for worker in workers)
    late = dropped or load.oldest_s >= NEAR_WAIT_S
    if late and load.oldest_s < OUT_WAIT_S and there_s < WINDOW_S:  # for want of a worker, not of its speed
        lone = "the worker has" if len(workers) == 1 else "the workers have"
        return Capacity("unknown", f"Too soon to tell, {lone} been there for {max(0.0, there_s):.0f} s only: {facts}.")
    if share >= OUT_SHARE or load.oldest_s >= OUT_WAIT_S:
        return Capacity("out", f"Out of capacity: {facts}; add a worker or lower analysis_fps.")
    if late or (_mean(w.busy for w in workers) or 0) >= NEAR_BUSY:
        return Capacity("near", f"Near its limit: {facts}; add a worker before adding cameras.")
    if not grown.get("made") and not grown.get("scored"):
        return Capacity("ok", "Idle: no window was made in the last minute.")
    return Capacity("ok", f"Keeps up: {facts}.")


def _load_of(workers: Sequence[ServiceState]) -> str:
    """What the workers say of themselves, as the end of a sentence."""
    busy, fill = _mean(worker.busy for worker in workers), _mean(worker.batch_fill for worker in workers)
    words = f", {_count(len(workers), 'worker')} {100 * busy:.0f} % busy" if busy is not None else ""
    return words + (f", batches {100 * fill:.0f} % full" if fill is not None else "")


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _share(share: float) -> str:
    return f"{100 * share:.{0 if share >= 0.01 else 1}f} % were" if share else "none was"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 3 else f"{seconds:.0f} s"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
