"""What a track's scores amount to, one after another: median, hysteresis, dwell. Pure."""

from __future__ import annotations

from statistics import median

import msgspec

from wire.messages import AlertKind, Box, Verdict
from wire.settings import AlertSettings


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """AlertSettings with the checkpoint's thresholds filled in; `exit` is at most `enter`."""

    enter: float
    exit: float
    spike: float | None
    median_of: int
    min_windows: int
    dwell_s: float
    cooldown_s: float
    cooldown_overall_s: float
    hold_s: float
    update_s: float
    end_after_s: float

    @classmethod
    def of(cls, settings: AlertSettings, suspect: float, fake: float) -> Rules:
        """The rules in force for a checkpoint with these two thresholds."""
        enter = fake if settings.enter is None else settings.enter
        leave = suspect if settings.exit is None else settings.exit
        same = {name: getattr(settings, name) for name in cls.__struct_fields__ if name not in ("enter", "exit")}
        return cls(enter=enter, exit=min(enter, leave), **same)


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One window's score; one that is `unsure` does not count."""

    seq: int
    captured: float
    p_fake: float
    verdict: Verdict
    model: str
    heard: float  # wall clock of its arrival
    place: tuple[Box, tuple[int, int]] | None = None  # of the newest frame: the face, and the frame's size


class Level(msgspec.Struct, frozen=True, array_like=True):
    """What the scores so far amount to; `kind` is None while they amount to no alert."""

    recent: tuple[float, ...] = ()  # the last K scores that count
    counted: int = 0
    kind: AlertKind | None = None
    above_since: float | None = None
    below_since: float | None = None
    since: float = 0.0  # start of the present or last run, the stretch that led to and made up an alert
    peak: float = 0.0  # over the run, as the next three
    total: float = 0.0
    windows: int = 0
    top_median: float = 0.0


def advance(level: Level, point: Point, rules: Rules) -> Level:
    """`level` after one more score in order: hysteresis, dwell and the run's figures."""
    if point.verdict == "unsure":
        return level
    time, score = point.captured, point.p_fake
    recent = (*level.recent, score)[-rules.median_of :]
    middle, counted = median(recent), level.counted + 1
    spiking = rules.spike is not None and score >= rules.spike
    above = _since(level.above_since, time, middle >= rules.enter and counted >= rules.min_windows)
    below = _since(level.below_since, time, level.kind is not None and middle < rules.exit and not spiking)
    kind = level.kind
    if below is not None and time - below >= rules.dwell_s:
        kind, below = None, None
    elif above is not None and time - above >= rules.dwell_s:
        kind = "sustained"
    elif kind is None and spiking:
        kind = "spike"
    was_running = level.kind is not None or level.above_since is not None
    running = kind is not None or above is not None
    since, peak, total, windows, top = level.since, level.peak, level.total, level.windows, level.top_median
    if running and not was_running:
        since, peak, total, windows, top = time, 0.0, 0.0, 0, 0.0
    if running or was_running:
        peak, total, windows, top = max(peak, score), total + score, windows + 1, max(top, middle)
    return Level(recent, counted, kind, above, below, since, peak, total, windows, top)


def _since(since: float | None, time: float, holds: bool) -> float | None:
    if not holds:
        return None
    return time if since is None else min(since, time)
