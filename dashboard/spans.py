"""A window's way from capture to alert as spans of one trace, from the stamps that messages carry. Pure.

A window and the alert it raises share a camera, a track and the capture time of the window's newest picture: the
trace's id is made of these, and so is the decision to take it. So no message carries a trace context, and streamer and
worker have nothing to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from wire.messages import AlertEvent, Role, Score


@dataclass(frozen=True, slots=True)
class Span:
    """One stage; times are Unix seconds. `parent` is None for the window itself."""

    name: str
    role: Role  # whose time it was
    trace: int  # 128 bits
    id: int  # 64 bits
    parent: int | None
    start: float
    end: float
    attributes: Mapping[str, str | float | int] = field(default_factory=dict)


def trace_id(camera: str, track: str, captured: float) -> int:
    """The same wherever it is asked for; never 0, which is no id."""
    return _hash(f"{camera}/{track}@{captured!r}", 16)


def taken(trace: int, share: float) -> bool:
    """Whether this trace is among the `share` of all that are taken."""
    return (trace & 0xFFFF_FFFF_FFFF_FFFF) < share * 2**64


def of_score(score: Score, committed: float, seen: float) -> list[Span]:
    """The window and its stages; `committed`: when Redis took the score. Clocks that disagree make none negative."""
    trace = trace_id(score.camera, score.track, score.captured)
    root = _hash(f"{trace}/window", 8)
    steps: tuple[tuple[str, Role, float], ...] = (
        ("capture", "streamer", score.captured), ("encode", "streamer", score.enqueued),
        ("queue", "worker", score.dequeued), ("score", "worker", score.scored), ("commit", "worker", committed),
        ("fan-out", "dashboard", seen),
    )  # fmt: skip
    about: dict[str, str | float | int] = {
        "unmask.window": score.window, "unmask.camera": score.camera, "unmask.track": score.track,
        "unmask.verdict": score.verdict, "unmask.p_fake": score.p_fake, "unmask.model": score.model,
    }  # fmt: skip
    spans, at = [], score.started
    for name, role, until in steps:
        end = max(at, until)
        spans.append(Span(name, role, trace, _hash(f"{trace}/{name}", 8), root, at, end))
        at = end
    return [Span("window", "streamer", trace, root, None, score.started, at, about), *spans]


def of_alert(event: AlertEvent, committed: float, seen: float) -> list[Span]:
    """What became of the window's alert; empty where a camera or an operator caused it, not a window."""
    alert = event.alert
    if not alert.track or event.event == "review":
        return []
    trace = trace_id(alert.camera, alert.track, alert.updated)
    root, name = _hash(f"{trace}/window", 8), f"alert {event.event}"
    about = {
        "unmask.alert": alert.id, "unmask.camera": alert.camera, "unmask.track": alert.track, "unmask.kind": alert.kind,
        "unmask.severity": alert.severity,
    }  # fmt: skip
    alerted, known = max(event.at, committed), max(event.at, committed, seen)
    mine = _hash(f"{trace}/{name}", 8)
    fan_out = Span("fan-out", "dashboard", trace, _hash(f"{trace}/{name}/fan-out", 8), mine, alerted, known)
    return [Span(name, "worker", trace, mine, root, event.at, alerted, about), fan_out]


def _hash(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest()) or 1
