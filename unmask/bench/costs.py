"""What each part of a fleet costs, and which is full first. Pure arithmetic over counters, processor seconds above all.

Three spans tell apart what a part costs by being there (with so many cameras known), by cameras before which nobody
is, and by windows; processor seconds and not wall clock, so that others on the machine change little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

FULL = 0.9  # of a core, for a part that has one thread, or whose threads take turns under Python's lock
MACHINE_FULL = 0.93
ROOM = 0.6  # of a core, that a plan gives such a part: what waits for it grows fast beyond
ONE_CORE = {"redis": "Redis' one thread", "worker": "a worker", "dashboard": "the dashboard"}
P95_MS = 500.0  # longest from capture to score, as `unmask bench cameras` has it
ALERT_MS = 1000.0  # longest p99 from an alert to its subscribers
LOST = ("stale", "dead", "trimmed", "unsent")  # what may become of a window besides a score
PACE = 0.95  # of the windows that are due must be made


@dataclass(frozen=True)
class Reading:
    """Counters that only grow, at one moment (seconds): processor seconds by part, windows, bytes."""

    at: float
    counts: Mapping[str, float]


@dataclass(frozen=True)
class Span:
    """By how much they grew between two readings."""

    seconds: float
    counts: Mapping[str, float]

    @classmethod
    def between(cls, first: Reading, last: Reading) -> Span:
        """The differences."""
        grown = {name: max(0.0, count - first.counts.get(name, 0.0)) for name, count in last.counts.items()}
        return cls(max(1e-9, last.at - first.at), grown)

    def rate(self, name: str) -> float:
        """A second: of processor seconds the cores that were used."""
        return self.counts.get(name, 0.0) / self.seconds


@dataclass(frozen=True)
class Cost:
    """What one part costs."""

    known: float  # a second, of each camera that is known, whatever it does
    empty: float  # a second of a camera's own time, for its state, preview and lease
    window: float

    def camera(self, windows_per_s: float) -> float:
        """A second, of a camera with a face in real time."""
        return self.known + self.empty + windows_per_s * self.window


def cost(name: str, rest: Span, empty: Span, full: Span, cameras: int, speed: float) -> Cost:
    """Of a counter: from a span in which nothing was sent, one without faces and one with them."""
    known, nobody, faces = rest.rate(name), empty.rate(name), full.rate(name)
    sent, scored = max(0.0, nobody - known), max(1e-9, full.rate("scored"))
    return Cost(known / cameras, sent / (cameras * speed), max(0.0, faces - known - sent) / scored)


def plan(cameras: int, costs: Mapping[str, float]) -> dict[str, int]:
    """How many of each part so many cameras want, by its core's share of one camera, if each gets ROOM of a core."""
    return {name: math.ceil(cameras * share / ROOM) for name, share in costs.items()}


def why_not(planned: float, span: Span, p95_ms: float | None, alert_p99_ms: float | None, missing: int) -> str:
    """Why a step did not hold; empty where it did. `planned`: windows a second."""
    if lost := {name: count for name in LOST if (count := round(span.counts.get(name, 0.0)))}:
        return f"{sum(lost.values())} windows lost: {', '.join(f'{count} {name}' for name, count in lost.items())}"
    if missing:
        return f"{missing} alert events did not reach a subscriber"
    if span.rate("made") < PACE * planned:
        return f"the streamers made {span.rate('made'):.0f} of {planned:.0f} windows a second"
    if p95_ms is None or p95_ms > P95_MS:
        return f"p95 from capture to score above {P95_MS:.0f} ms"
    if alert_p99_ms is not None and alert_p99_ms > ALERT_MS:
        return f"p99 from an alert to its subscribers above {ALERT_MS:.0f} ms"
    return ""


def full(span: Span, workers: int, processors: int) -> str:
    """What was full in a span, in words; "nothing" where no part was."""
    shares = {part: span.rate(part) / (workers if part == "worker" else 1) for part in ONE_CORE}
    part = max(shares, key=shares.__getitem__)
    if shares[part] >= FULL:
        return ONE_CORE[part]
    return f"the machine's {processors} cores" if span.rate("machine") >= MACHINE_FULL * processors else "nothing"
