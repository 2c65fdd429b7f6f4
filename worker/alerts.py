"""When window scores become an alert: pure functions of a track's state, one score, the rules and the time handed in.

What holds, and is tested:

- **Scores of a track count strictly in the order of their numbers**, each once. One whose predecessors are settled
  (scored, stale or dead) counts at once; another waits for them, `hold_s` at most. One that comes when its place was
  given up is settled and counts for nothing. So neither order of arrival nor repetition changes a single event.
- **Events of a track alternate** new, update..., end, new, ...; at most one alert is open; every id is used once.

A number, unlike the clock, never steps back. Times of an alert are capture times, and they pace its updates; `now` is
the wall clock: it dates announcements, and tells how long a score has waited and a track has been silent.
"""

from __future__ import annotations

from bisect import bisect_left
from statistics import median
from typing import ClassVar

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from wire.messages import Alert, AlertEvent, AlertKind, EndReason, Message, Score, Severity, Trace, Verdict
from worker import seqs
from worker.level import Level, Point, Rules, advance

WAITING = 64  # scores of a track that wait at most; one more, and the first gap is given up
BEFORE, BEFORE_S = 64, 30.0  # of the trace that is kept while no alert is open: marks, and their age
DURING = 512  # marks of the trace of an open alert; more, and the older half is thinned

Mark = tuple[float, float, Verdict]  # captured, p_fake, verdict


class Quiet(msgspec.Struct, frozen=True):
    """What holds openings back; times are the capture times at which an alert last opened."""

    camera_opened: float | None = None
    last_opened: float | None = None  # on any camera
    snoozed: bool = False

    def holds(self, captured: float, rules: Rules) -> bool:
        """Whether no alert may open now. A time far in the future, by a clock that was wrong, holds nothing back."""
        pairs = ((self.camera_opened, rules.cooldown_s), (self.last_opened, rules.cooldown_overall_s))
        return self.snoozed or any(last is not None and abs(captured - last) < span for last, span in pairs)


class TrackState(Message, frozen=True, kw_only=True):
    """All that is remembered of one track between two of its windows."""

    kind_name: ClassVar[str] = "track state"
    camera: str
    track: str
    settled: seqs.Ranges = ()  # windows whose outcome is decided
    next: int = 0  # the first window that is neither counted nor given up
    waiting: tuple[Point, ...] = ()  # scores of later windows, by seq
    level: Level = Level()
    trace: tuple[Mark, ...] = ()  # what was counted lately, and all of the open alert
    heard: float = 0.0  # wall clock when the last window was settled
    alert: Alert | None = None  # the open alert as last announced
    announced: float = 0.0  # capture time of that


class Told(msgspec.Struct, frozen=True):
    """A transition and the trace up to it. `seq`: the window that opened the alert, None unless the event is `new`."""

    event: AlertEvent
    trace: Trace
    seq: int | None = None


Step = tuple[TrackState, tuple[Told, ...]]
NOTHING = Quiet()


def step(state: TrackState, score: Score, rules: Rules, now: float, quiet: Quiet = NOTHING) -> Step:
    """The state after `score`, and what that makes known: nothing if it must wait, more if others waited for it."""
    if seqs.contains(state.settled, score.seq):
        return state, ()
    waiting = list(state.waiting)
    if score.seq >= state.next:
        place = score.box, score.frame_size
        point = Point(score.seq, score.captured, score.p_fake, score.verdict, score.model, now, place)
        waiting.insert(bisect_left(waiting, score.seq, key=_number), point)
    state = replace(state, settled=seqs.add(state.settled, score.seq), waiting=tuple(waiting), heard=now)
    return _release(state, rules, now, quiet, rules.hold_s)


def settle(state: TrackState, seq: int, rules: Rules, now: float, quiet: Quiet = NOTHING) -> Step:
    """The state after a window that got no score, stale or dead: others may have waited for it, and the face is still
    there, so that an alert neither ends nor opens anew with every turn of its track under overload."""
    if seqs.contains(state.settled, seq):
        return state, ()
    state = replace(state, settled=seqs.add(state.settled, seq), heard=now)
    return _release(state, rules, now, quiet, rules.hold_s)


def tick(
    state: TrackState, rules: Rules, now: float, quiet: Quiet = NOTHING, *, live: bool = True, since: float = 0.0
) -> Step:
    """Count what has waited for `hold_s`; end the alert of a track that had no window for `end_after_s`.

    `live`: whether the camera still delivers. `since`: from when on the caller could hear a score at all. An alert that
    ends takes the scores that led to it along.
    """
    state = _not_ahead(state, now)
    silent = now - max(state.heard, since) >= rules.end_after_s
    state, told = _release(state, rules, now, quiet, 0.0 if silent else rules.hold_s, since)
    if state.alert is None or not silent:
        return state, told
    state, last = _close(state, rules, now, "track-ended" if live else "camera-lost")
    return replace(state, level=Level()), (*told, *last)


def due(state: TrackState, rules: Rules) -> float | None:
    """When `tick` will have something to do, if no score comes before."""
    if state.alert is None and not state.waiting:
        return None
    return min([state.heard + rules.end_after_s, *(point.heard + rules.hold_s for point in state.waiting)])


def _not_ahead(state: TrackState, now: float) -> TrackState:
    """The state with no time after `now`: when the clock stepped back, waiting and silence count from there."""
    if all(heard <= now for heard in (state.heard, *(point.heard for point in state.waiting))):
        return state
    waiting = tuple(replace(point, heard=min(point.heard, now)) for point in state.waiting)
    return replace(state, heard=min(state.heard, now), waiting=waiting)


def _release(state: TrackState, rules: Rules, now: float, quiet: Quiet, hold_s: float, since: float = 0.0) -> Step:
    """Count what waits for nothing any more: up to the first window that is not settled, after the last overdue one."""
    overdue = [point.seq for point in state.waiting if now - max(point.heard, since) >= hold_s]
    overdue += [point.seq for point in state.waiting[:-WAITING]]
    until = seqs.after(state.settled, max([state.next, *overdue]))
    if until == state.next:
        return state, ()
    ready = bisect_left(state.waiting, until, key=_number)
    points, state = state.waiting[:ready], replace(state, next=until, waiting=state.waiting[ready:])
    made: list[Told] = []
    for point in points:
        state, told = _count(state, point, rules, now, quiet)
        made += told
        if any(one.event.event == "new" for one in told):
            quiet = replace(quiet, camera_opened=point.captured, last_opened=point.captured)
    return state, tuple(made)


def _count(state: TrackState, point: Point, rules: Rules, now: float, quiet: Quiet) -> Step:
    trace = _record(state.trace, (point.captured, point.p_fake, point.verdict), state.alert is not None)
    state = replace(state, level=advance(state.level, point, rules), trace=trace)
    if point.verdict == "unsure":
        return state, ()
    if state.alert is None:
        return _open(state, point, rules, now, quiet)
    if state.level.kind is None:
        return _close(state, rules, now, "cleared")
    return _update(state, rules, now)


def _record(trace: tuple[Mark, ...], mark: Mark, alerted: bool) -> tuple[Mark, ...]:
    """The trace with one more mark. Too long, its older half keeps the higher of each two neighbours."""
    if not alerted:
        return (*(old for old in trace[1 - BEFORE :] if abs(mark[0] - old[0]) <= BEFORE_S), mark)
    if len(trace) >= DURING:
        older, newer = trace[: DURING // 2], trace[DURING // 2 :]
        trace = (*(max(pair, key=_height) for pair in zip(older[::2], older[1::2], strict=True)), *newer)
    return (*trace, mark)


def _open(state: TrackState, point: Point, rules: Rules, now: float, quiet: Quiet) -> Step:
    """Announce what the level says, unless openings are held back; the next score asks again."""
    if state.level.kind is None or quiet.holds(point.captured, rules):
        return state, ()
    alert = Alert(
        id=f"{state.camera}-{state.track}-{point.seq}",  # a window counts once, so no id comes twice
        camera=state.camera,
        track=state.track,
        kind=state.level.kind,
        severity="warning",
        started=state.level.since,
        updated=point.captured,
        score=0.0,
        peak=0.0,
        mean=0.0,
        windows=0,
        threshold=rules.enter,
        model=point.model,
        box=point.place[0] if point.place else UNSET,
        frame_size=point.place[1] if point.place else UNSET,
    )
    return _announce(state, AlertEvent(event="new", at=now, alert=_restate(alert, state, rules)), point.seq)


def _update(state: TrackState, rules: Rules, now: float) -> Step:
    """Announce a change of kind or severity at once, of the figures every `update_s`."""
    assert state.alert is not None
    alert = _restate(state.alert, state, rules)
    changed = (alert.kind, alert.severity) != (state.alert.kind, state.alert.severity)
    if not changed and abs(alert.updated - state.announced) < rules.update_s:
        return state, ()
    return _announce(state, AlertEvent(event="update", at=now, alert=alert))


def _close(state: TrackState, rules: Rules, now: float, reason: EndReason) -> Step:
    assert state.alert is not None
    alert = _restate(state.alert, state, rules)
    ended = replace(alert, ended=max(alert.started, alert.updated), end_reason=reason)
    state, told = _announce(state, AlertEvent(event="end", at=now, alert=ended))
    return replace(state, alert=None), told


def _announce(state: TrackState, event: AlertEvent, seq: int | None = None) -> Step:
    trace = Trace(alert=event.alert.id, points=state.trace)
    return replace(state, alert=event.alert, announced=event.alert.updated), (Told(event, trace, seq),)


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
        updated=state.trace[-1][0] if state.trace else alert.updated,
        score=median(level.recent) if level.recent else alert.score,
        peak=peak,
        mean=min(peak, level.total / level.windows) if level.windows else alert.mean,
        windows=level.windows or alert.windows,
        threshold=rules.spike if kind == "spike" and rules.spike is not None else rules.enter,
    )


def _number(point: Point) -> int:
    return point.seq


def _height(mark: Mark) -> float:
    return mark[1]
