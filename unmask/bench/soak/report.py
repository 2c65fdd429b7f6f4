"""From what was seen to what is said: each check holds, fails, or is undecided. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from unmask.bench.figures import percentile
from unmask.bench.soak import trend
from unmask.bench.soak.failing import Fault
from unmask.bench.soak.sampling import Series
from unmask.bench.soak.trend import Verdict

LIMIT_MB_H = 1.0
SLACK = 3  # descriptors or threads: a camera that reconnects has some more or less
CAMERA_KINDS = ("offline", "frozen")
SURELY_TOLD_S = 42.0  # alerts.offline_after_s, and up to 10 s until a frozen camera counts as away
LOST = ("stale", "trimmed", "dead")


@dataclass
class Facts:
    """What a soak saw."""

    seconds: float
    warm_up_s: float
    series: Mapping[str, Series]
    outcomes: Mapping[str, int]
    waiting: int
    ages: Sequence[float]
    events: Counter[str]  # alert events in Redis
    received: Counter[str]  # and at the subscriber
    opened: Mapping[str, Counter[str]]  # by camera, alerts by kind
    tracks: Mapping[str, int]  # by camera, tracks that were scored
    manipulated: Sequence[str]
    faults: Sequence[Fault]  # those that are over
    too_often: Mapping[str, int]
    lines: Mapping[str, Mapping[str, object]]
    least_s: float = trend.LEAST_S
    busy: float = 0.0
    names: Sequence[str] = field(default_factory=tuple)  # of the cameras, by number


def report(facts: Facts) -> dict[str, Any]:
    """The whole result; `verdict` is the worst of the checks."""
    roles = {name: _role(series.after(facts.warm_up_s), facts.least_s) for name, series in facts.series.items()}
    checks: dict[str, Verdict] = {
        "memory": trend.worst([one["memory"] for one in roles.values()]),
        "descriptors": trend.worst([one["descriptors"] for one in roles.values()]),
        "threads": trend.worst([one["thread_count"] for one in roles.values()]),
        "log": _holds(not facts.too_often and not any("Traceback" in line for line in facts.lines)),
        "accounting": _holds(unaccounted(facts) == 0 and facts.outcomes.get("made", 0) > 0),
        "alerts": _holds(not implausible(facts)),
        "restarts": _holds(all(len(series.pids) == 1 for series in facts.series.values())),
    }
    settled = ("made", "scored", *LOST, "unsent")
    return {
        "verdict": trend.worst(list(checks.values())),
        "checks": checks,
        "minutes": round(facts.seconds / 60, 2),
        "warm_up_minutes": round(facts.warm_up_s / 60, 2),
        "limit_mb_h": LIMIT_MB_H,
        "roles": roles,
        "outcomes": {name: facts.outcomes.get(name, 0) for name in settled} | {"waiting": facts.waiting},
        "unaccounted": unaccounted(facts),
        "age_p50_s": _rounded(percentile(facts.ages, 50)),
        "age_p95_s": _rounded(percentile(facts.ages, 95)),
        "age_max_s": _rounded(max(facts.ages, default=float("nan"))),
        "alerts": {name: dict(kinds) for name, kinds in sorted(facts.opened.items())},
        "alerts_lost": len(facts.events - facts.received),
        "alerts_doubled": sum(count - 1 for count in facts.received.values()),
        "implausible": implausible(facts),
        "faults": dict(Counter(fault.kind for fault in facts.faults)),
        "too_often": dict(facts.too_often),
        "lines": {name: dict(line) for name, line in facts.lines.items()},
        "busy": round(facts.busy, 3),
    }


def unaccounted(facts: Facts) -> int:
    """Windows made of which nothing is known; below 0 where more became of them than were made."""
    settled = sum(facts.outcomes.get(name, 0) for name in ("scored", *LOST))
    return facts.outcomes.get("made", 0) - settled - facts.waiting


def implausible(facts: Facts) -> list[str]:
    """What the alerts have against them, in words."""
    found = []
    if lost := facts.events - facts.received:
        found.append(f"{len(lost)} alert events did not reach the subscriber")
    if doubled := [name for name, count in facts.received.items() if count > 1]:
        found.append(f"{len(doubled)} alert events reached the subscriber more than once")
    for number, name in enumerate(facts.names):
        kinds = facts.opened.get(name, Counter())
        mine = [fault for fault in facts.faults if fault.camera == number]
        if name in facts.manipulated and not 1 <= kinds["sustained"] <= facts.tracks.get(name, 0):
            found.append(f"{name}: {kinds['sustained']} alerts of {facts.tracks.get(name, 0)} manipulated tracks")
        if name not in facts.manipulated and kinds["sustained"]:
            found.append(f"{name}: {kinds['sustained']} alerts of an untouched face")
        told = sum(kinds[kind] for kind in CAMERA_KINDS)
        if not sum(fault.until - fault.at >= SURELY_TOLD_S for fault in mine) <= told <= 2 * len(mine):
            found.append(f"{name}: {told} alerts of the camera for {len(mine)} faults")
    return found


def _role(series: Series, least_s: float) -> dict[str, Any]:
    """One role after the warm-up."""
    growth = trend.slope(series.times, series.rss_mb)
    return {
        "memory": trend.judge(growth, LIMIT_MB_H, least_s),
        "descriptors": trend.flat(series.times, series.fds, SLACK, least_s),
        "thread_count": trend.flat(series.times, series.threads, SLACK, least_s),
        "rss_mb": _ends(series.rss_mb),
        "rss_mb_h": _rounded_slope(growth),
        "own_mb": _ends(series.own_mb),
        "own_mb_h": _rounded_slope(trend.slope(series.times, series.own_mb)),
        "fds": _ends(series.fds),
        "threads": _ends(series.threads),
    }


def _ends(values: Sequence[float]) -> list[float]:
    """First, largest, last."""
    return [round(value, 1) for value in (values[0], max(values), values[-1])] if values else []


def _rounded_slope(slope: trend.Slope | None) -> dict[str, float] | None:
    return {name: round(value, 2) for name, value in asdict(slope).items()} if slope else None


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 3)


def _holds(good: bool) -> Verdict:
    return "holds" if good else "fails"
