"""Looks at the tracks that are due: ends the alerts of those that fell silent, counts the scores that waited too long.

Any number of workers may do it at once: what the first one does counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import redis
from redis.client import Pipeline

from wire.keys import Keys
from wire.messages import AlertEvent, CameraState
from wire.settings import Settings
from worker import alerts
from worker.level import Rules
from worker.openings import OpeningsStore
from worker.publish import Publisher, evidence, read_state, split_member, watch

PERIOD_S = 1.0


class Expiry:
    """A tick to be called every PERIOD_S."""

    def __init__(
        self, bus: redis.Redis, keys: Keys, settings: Settings, rules: Rules, clock: Callable[[], float]
    ) -> None:
        self._bus, self._keys, self._rules, self._clock = bus, keys, rules, clock
        self._publish, self._openings = Publisher(keys, settings), OpeningsStore(keys, settings.alerts)
        self._camera_fresh_s = settings.dashboard.stale_after_s
        self._listening_since = clock()

    def restart(self) -> None:
        """Count silence and waiting from now on: while we could not listen, no track could be heard."""
        self._listening_since = self._clock()

    def tick(self) -> list[AlertEvent]:
        """Do what is due; the events. Raises redis.RedisError."""
        now = self._clock()
        self._listening_since = min(self._listening_since, now)
        farthest = now + max(self._rules.end_after_s, self._rules.hold_s)
        due = self._bus.zrangebyscore(self._keys.due_tracks, "-inf", now)
        ahead = self._bus.zrangebyscore(self._keys.due_tracks, f"({farthest}", "+inf")  # the clock stepped back
        members = cast("list[bytes]", due) + cast("list[bytes]", ahead)
        return [event for member in members for event in self._look(member, now)]

    def _look(self, member: bytes, now: float) -> list[AlertEvent]:
        try:
            with self._bus.pipeline() as pipe:
                return self._attempt(pipe, member, now)
        except redis.WatchError:
            return []  # a score came, or another worker was first; the next tick sees

    def _attempt(self, pipe: Pipeline, member: bytes, now: float) -> list[AlertEvent]:
        camera, track = split_member(member)
        read = [self._keys.track(camera, track), *self._openings.names([camera])]
        watch(pipe, *read)
        raw = cast("list[bytes | None]", pipe.mget([self._keys.camera(camera), *read]))
        before = read_state(raw[1], camera, track)
        openings, live = self._openings.parse([camera], raw[2:]), self._is_live(raw[0], now)
        quiet, since = openings.quiet(camera), self._listening_since
        after, told = alerts.tick(before, self._rules, now, quiet, live=live, since=since)
        due = alerts.due(after, self._rules)
        if after is before and due is not None:
            return []
        events = [one.event for one in told]
        openings.note(events)
        found = evidence(pipe, self._keys, told, {})
        pipe.multi()
        if after is before:  # nothing is open and nothing waits: the member is a leftover
            pipe.zrem(self._keys.due_tracks, member)
        else:
            self._publish.state(pipe, before, after, due, {})
        self._openings.write(pipe, openings, events)
        for event in events:
            self._publish.event(pipe, event)
        for part in found:
            self._publish.evidence(pipe, part, now)
        pipe.execute()
        return events

    def _is_live(self, raw: bytes | None, now: float) -> bool:
        """Whether the camera's own state says that it still delivers."""
        state = CameraState.read(raw)
        return state is not None and state.state == "live" and abs(now - state.updated) <= self._camera_fresh_s
