"""A stream through the real pipeline: the streamer's scan, the worker's scorer, the worker's commit and expiry rules.

Nothing is decided here. The clock is the stream's: a window is scored and settled at the capture time of the frame that
completed it, so the figures hold the time that evidence takes and leave out the machine's own (network, queue, model).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from streamer.scan import windows_of_file
from wire.messages import AlertEvent
from wire.settings import Settings
from worker import alerts, commit
from worker.alerts import TrackState
from worker.commit import TrackId, Work
from worker.expiry import PERIOD_S
from worker.level import Rules
from worker.openings import Openings
from worker.queue import Entry
from worker.scorer import Scorer

BATCH = 16


def watch(path: Path, settings: Settings, scorer: Scorer, progress: Callable[[float], None]) -> list[Work]:
    """The stream's windows with their scores, pictures left out. The camera's name is the file's stem.

    The scorer keeps features by camera and track: no two streams that it sees may have the same stem.
    """
    works: list[Work] = []
    windows = windows_of_file(path, settings, progress, short=False)
    while batch := list(itertools.islice(windows, BATCH)):
        for window, score in zip(batch, scorer.score(batch), strict=True):
            bare = replace(window, frames=tuple(replace(frame, jpeg=b"") for frame in window.frames))
            works.append(Work(Entry(b"", b"", 1, window.enqueued), bare, score))
    return works


def alarms(works: Sequence[Work], rules: Rules) -> list[AlertEvent]:
    """The alert events of one camera's windows under `rules`, in order; what is due is looked at every PERIOD_S."""
    states: dict[TrackId, TrackState] = {}
    openings = Openings()
    events: list[AlertEvent] = []
    tick = 0.0
    for work in sorted(works, key=lambda work: work.window.enqueued):
        now = work.window.enqueued
        while tick <= now:
            events += _ticked(states, openings, rules, tick)
            tick += PERIOD_S
        camera, track = work.track
        state = states.get(work.track) or TrackState(camera=camera, track=track)
        made = commit.plan([work], {work.track: state}, openings, rules, now)
        states.update(made.states)
        openings = made.openings
        events += made.events
    while any(alerts.due(state, rules) is not None for state in states.values()):
        events += _ticked(states, openings, rules, tick)
        tick += PERIOD_S
    return events


def _ticked(states: dict[TrackId, TrackState], openings: Openings, rules: Rules, now: float) -> list[AlertEvent]:
    events: list[AlertEvent] = []
    for (camera, track), state in states.items():
        if (due := alerts.due(state, rules)) is not None and due <= now:
            states[camera, track], told = alerts.tick(state, rules, now, openings.quiet(camera))
            made = [one.event for one in told]
            openings.note(made)
            events += made
    return events
