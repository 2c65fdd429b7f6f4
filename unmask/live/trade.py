"""Time-to-alert against false alerts per camera-hour: from a schedule and what was raised on it to figures. Pure.

A fake counts as found by the first alert that opens while it is on screen, and its delay runs from its first frame. One
that no alert found has an infinite delay, so that quantiles over all fakes are those of an operator who waits. An alert
that opens before the grace after a fake is over belongs to nobody. All others are false: alerts per hour in which
a real face, and nothing else, was on screen. Pauses count for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np
from msgspec.structs import replace

from unmask.live.schedule import Camera, Visit
from wire.messages import AlertEvent
from worker.level import Rules
from worker.training.metrics import Figure, rate_figure, share_figure

GRACE_S = 5.0  # after a fake's end
POINTS = 40  # of the trade-off curve
LIMIT = 1e-4  # thresholds stay this far from 0 and 1

Openings = Mapping[str, Sequence[float]]  # camera -> times at which an alert opened


class Caught(msgspec.Struct, frozen=True):
    """One showing of a fake: seconds from its first frame to the alert, infinite where none came."""

    camera: str
    visit: Visit
    delay: float


class Balance(msgspec.Struct, frozen=True):
    """All fakes and all false alerts of a run under one set of rules."""

    fakes: tuple[Caught, ...]
    false_alerts: int
    real_s: float  # seconds in which a false alert could count

    def delay(self, share: float) -> float | None:
        """Seconds until `share` (0..1) of the fakes were alerted; None where that is not reached."""
        return reached([fake.delay for fake in self.fakes], share)

    @property
    def detected(self) -> Figure:
        """Share of fakes that were alerted at all, with its interval by clip."""
        hits = np.array([math.isfinite(fake.delay) for fake in self.fakes])
        return share_figure(hits, [str(fake.visit.show.path) for fake in self.fakes])

    @property
    def false_per_hour(self) -> Figure:
        """False alerts per camera-hour."""
        return rate_figure(self.false_alerts, self.real_s / 3600)


class Point(msgspec.Struct, frozen=True):
    """What one pair of thresholds would have given."""

    enter: float
    exit: float
    median_s: float | None
    p95_s: float | None
    detected: float
    false_alerts: int
    false_per_hour: float


def balance(cameras: Sequence[Camera], openings: Openings, grace: float = GRACE_S) -> Balance:
    """The account of what was raised."""
    fakes = tuple(
        Caught(camera.name, visit, delay(visit, openings.get(camera.name, ())))
        for camera in cameras
        for visit in camera.visits
        if visit.show.fake
    )
    clear = {camera.name: clear_spans(camera, grace) for camera in cameras}
    false = sum(not _within(camera, at, grace) for camera in cameras for at in openings.get(camera.name, ()))
    seconds = sum(end - start for spans in clear.values() for start, end in spans)
    return Balance(fakes, false, seconds)


def delay(visit: Visit, openings: Sequence[float]) -> float:
    """Seconds from the visit's start to the first alert while it lasts, or infinity."""
    return min((at - visit.start for at in openings if visit.start <= at <= visit.end), default=math.inf)


def clear_spans(camera: Camera, grace: float) -> list[tuple[float, float]]:
    """Stretches in which a real face was on screen and the grace of the fake before was over."""
    spans, barred = [], -math.inf
    for visit in camera.visits:
        if visit.show.fake:
            barred = visit.end + grace
        elif max(visit.start, barred) < visit.end:
            spans.append((max(visit.start, barred), visit.end))
    return spans


def _within(camera: Camera, at: float, grace: float) -> bool:
    """Whether a fake is on screen at `at`, or was less than `grace` ago."""
    return any(visit.show.fake and visit.start <= at <= visit.end + grace for visit in camera.visits)


def reached(delays: Sequence[float], share: float) -> float | None:
    """The delay within which at least `share` of all came; None where fewer ever did, or there are none."""
    if not delays:
        return None
    value = sorted(delays)[max(0, math.ceil(share * len(delays) - 1e-9) - 1)]
    return value if math.isfinite(value) else None


def openings(events: Sequence[AlertEvent]) -> list[float]:
    """When alerts opened."""
    return [event.at for event in events if event.event == "new"]


def shifted(rules: Rules, enter: float) -> Rules:
    """`rules` with another `enter`; `exit` and `spike` keep their distance from it in log odds."""
    by = _logit(enter) - _logit(rules.enter)
    spike = None if rules.spike is None else _sigmoid(_logit(rules.spike) + by)
    return replace(rules, enter=enter, exit=min(enter, _sigmoid(_logit(rules.exit) + by)), spike=spike)


def thresholds(scores: Sequence[float], shipped: float, points: int = POINTS) -> list[float]:
    """Values of `enter` worth trying, ascending: the quantiles of the windows' scores, and the one in force."""
    if not scores:
        return [shipped]
    inner = np.quantile(scores, np.linspace(0, 1, points), method="inverted_cdf")
    return sorted({shipped, *(min(1 - LIMIT, max(LIMIT, float(value))) for value in inner)})


def point(made: Balance, rules: Rules) -> Point:
    """A point of the trade-off curve."""
    found = sum(math.isfinite(fake.delay) for fake in made.fakes)
    return Point(
        enter=rules.enter,
        exit=rules.exit,
        median_s=made.delay(0.5),
        p95_s=made.delay(0.95),
        detected=found / len(made.fakes),
        false_alerts=made.false_alerts,
        false_per_hour=made.false_alerts * 3600 / made.real_s,
    )


def coverage(cameras: Sequence[Camera], verdicts: Mapping[str, Sequence[tuple[float, bool]]], hold: float) -> float:
    """Share of the visits' time in which the newest window, at most `hold` seconds old, had a sure verdict.

    `verdicts`: per camera, when each window was finished and whether its verdict was anything but `unsure`.
    """
    sure = total = 0.0
    for camera in cameras:
        total += sum(visit.end - visit.start for visit in camera.visits)
        windows = sorted(verdicts.get(camera.name, ()))
        for (at, known), (following, _) in pairwise([*windows, (math.inf, False)]):
            if known:
                sure += sum(_overlap(visit, at, min(following, at + hold)) for visit in camera.visits)
    return sure / total


def _overlap(visit: Visit, start: float, end: float) -> float:
    return max(0.0, min(visit.end, end) - max(visit.start, start))


def _logit(p: float) -> float:
    p = min(1 - 1e-9, max(1e-9, p))
    return math.log(p / (1 - p))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
