"""When window scores become an alert: pure functions of a track's state, one score, the rules and the time handed in.

What holds, and is tested:

- **Order and repetition do not matter.** Deliver a set of scores in any order, each any number of times, none of them
  displaced by HISTORY places or more: `settled`, `points`, `base` and `level` come out the same as in order, once
  each. So does whether an alert is open, unless the cool-down holds it back. The *events on the way* may differ: a
  late score can end an alert that was rightly announced on what was known then.
- **Events of a track alternate** new, update..., end, new, ...; at most one alert is open; every id is used once.
- A score whose window was settled before (scored, stale or dead) changes nothing.

Scores are sorted by the window's number within its track, which is its time order and, unlike the clock, never steps
back. Times of an alert are capture times; `now` is the wall clock and only paces updates and silence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import reduce
from statistics import median
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from wire.messages import Alert, AlertEvent, AlertKind, EndReason, Message, Score, Severity
from wire.settings import AlertSettings
from worker import seqs

HISTORY = 64  # windows of a track that may still be rearranged by a late one: 40 s at the default pace


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """AlertSettings with the checkpoint's thresholds filled in; `exit` is at most `enter`."""

    enter: float
    exit: float
    spike: float | None
    median_of: int
    min_windows: int
    dwell_s: float
    cooldown_s: float
    update_s: float
    end_after_s: float

    @classmethod
    def of(cls, settings: AlertSettings, suspect: float, fake: float) -> Rules:
        """The rules in force for a checkpoint with these two thresholds."""
        enter = fake if settings.enter is None else settings.enter
        leave = suspect if settings.exit is None else settings.exit
        return cls(
            enter=enter,
            exit=min(enter, leave),
            spike=settings.spike,
            median_of=settings.median_of,
            min_windows=settings.min_windows,
            dwell_s=settings.dwell_s,
            cooldown_s=settings.cooldown_s,
            update_s=settings.update_s,
            end_after_s=settings.end_after_s,
        )


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One window's score; one that is `unsure` does not count."""

    seq: int
    captured: float
    p_fake: float
    counts: bool


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


class TrackState(Message, frozen=True, kw_only=True):
    """All that is remembered of one track between two of its windows."""

    kind_name: ClassVar[str] = "track state"
    camera: str
    track: str
    settled: seqs.Ranges = ()  # windows whose outcome is decided
    points: tuple[Point, ...] = ()  # the last HISTORY scores, by seq
    base: Level = Level()  # of the scores before those
    level: Level = Level()  # of all scores
    horizon: int = -1  # a score up to this number comes too late to change the level
    heard: float = 0.0  # wall clock at the last new score
    alert: Alert | None = None  # the open alert as last announced
    announced: float = 0.0  # wall clock of that


Events = tuple[AlertEvent, ...]


def step(
    state: TrackState, score: Score, rules: Rules, now: float, camera_last_opened: float | None
) -> tuple[TrackState, Events]:
    """The state after `score`, and the alert event it makes, if any.

    `camera_last_opened` is the capture time at which the camera's last alert opened (any track), for the cool-down.
    """
    if seqs.contains(state.settled, score.seq):
        return state, ()
    point = Point(score.seq, score.captured, score.p_fake, score.verdict != "unsure")
    state = replace(_absorb(state, point, rules), settled=seqs.add(state.settled, score.seq), heard=now)
    if not point.counts:
        return state, ()
    if state.alert is None:
        return _open(state, score, rules, now, camera_last_opened)
    if state.level.kind is None:
        return _close(state, rules, now, "cleared")
    return _update(state, rules, now)


def settle(state: TrackState, seq: int) -> TrackState:
    """The state after a window that got no score: stale or dead. Delivered again, it will be recognised."""
    return replace(state, settled=seqs.add(state.settled, seq))


def expire(state: TrackState, rules: Rules, now: float, camera_live: bool = True) -> tuple[TrackState, Events]:
    """Ends an open alert whose track has had no score for `end_after_s`; forgets the scores that led to it."""
    if state.alert is None:
        return state, ()
    if state.heard > now:  # the clock stepped back: count the silence from here
        return replace(state, heard=now), ()
    if now - state.heard < rules.end_after_s:
        return state, ()
    state, events = _close(state, rules, now, "track-ended" if camera_live else "camera-lost")
    horizon = state.points[-1].seq if state.points else state.horizon
    return replace(state, points=(), base=Level(), level=Level(), horizon=horizon), events


def fold(level: Level, points: Iterable[Point], rules: Rules) -> Level:
    """`level` after `points` in their order."""
    return reduce(lambda before, point: advance(before, point, rules), points, level)


def advance(level: Level, point: Point, rules: Rules) -> Level:
    """`level` after one more score in order: hysteresis, dwell and the run's figures."""
    if not point.counts:
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


def _absorb(state: TrackState, point: Point, rules: Rules) -> TrackState:
    """The state with `point` in its place; in order it costs one step, late a fold over the history."""
    if point.seq <= state.horizon:
        return state
    points, base, horizon = state.points, state.base, state.horizon
    if not points or point.seq > points[-1].seq:
        points, level = (*points, point), advance(state.level, point, rules)
    else:
        at = bisect_left(points, point.seq, key=lambda known: known.seq)
        points = (*points[:at], point, *points[at:])
        level = fold(base, points, rules)
    if len(points) > HISTORY:
        base, horizon, points = advance(base, points[0], rules), points[0].seq, points[1:]
    return replace(state, points=points, base=base, level=level, horizon=horizon)


def _open(
    state: TrackState, score: Score, rules: Rules, now: float, camera_last_opened: float | None
) -> tuple[TrackState, Events]:
    """Announce what the level says, unless the camera is cooling down; the next score asks again."""
    level = state.level
    if level.kind is None or not state.points:
        return state, ()
    newest = state.points[-1].captured
    if camera_last_opened is not None and abs(newest - camera_last_opened) < rules.cooldown_s:
        return state, ()
    alert = Alert(
        id=f"{score.camera}-{score.track}-{score.seq}",  # a window settles once, so no id comes twice
        camera=score.camera,
        track=score.track,
        kind=level.kind,
        severity="warning",
        started=level.since,
        updated=newest,
        score=0.0,
        peak=0.0,
        mean=0.0,
        windows=0,
        threshold=rules.enter,
        model=score.model,
    )
    return _announce(state, _restate(alert, state, rules), "new", now)


def _update(state: TrackState, rules: Rules, now: float) -> tuple[TrackState, Events]:
    """Announce a change of kind or severity at once, of the figures every `update_s`."""
    assert state.alert is not None
    alert = _restate(state.alert, state, rules)
    changed = (alert.kind, alert.severity) != (state.alert.kind, state.alert.severity)
    if not changed and abs(now - state.announced) < rules.update_s:
        return state, ()
    return _announce(state, alert, "update", now)


def _close(state: TrackState, rules: Rules, now: float, reason: EndReason) -> tuple[TrackState, Events]:
    assert state.alert is not None
    alert = _restate(state.alert, state, rules)
    ended = replace(alert, ended=max(alert.started, alert.updated), end_reason=reason)
    return replace(state, alert=None), (AlertEvent(event="end", at=now, alert=ended),)


def _announce(state: TrackState, alert: Alert, event: str, now: float) -> tuple[TrackState, Events]:
    made = AlertEvent(event="new" if event == "new" else "update", at=now, alert=alert)
    return replace(state, alert=alert, announced=now), (made,)


def _restate(alert: Alert, state: TrackState, rules: Rules) -> Alert:
    """`alert` with the figures of the level. A spike may become sustained, never the reverse; severity only rises."""
    level = state.level
    kind: AlertKind = "sustained" if "sustained" in (alert.kind, level.kind) else "spike"
    grave = kind == "sustained" and level.top_median >= (1 + rules.enter) / 2
    peak = max(alert.peak or 0.0, level.peak)
    severity: Severity = "critical" if grave or alert.severity == "critical" else "warning"
    return replace(
        alert,
        kind=kind,
        severity=severity,
        updated=state.points[-1].captured if state.points else alert.updated,
        score=median(level.recent) if level.recent else alert.score,
        peak=peak,
        mean=min(peak, level.total / level.windows) if level.windows else alert.mean,
        windows=level.windows or alert.windows,
        threshold=rules.spike if kind == "spike" and rules.spike is not None else rules.enter,
    )
