"""Ends the alerts of tracks that fell silent. Any number of workers may do it at once: the first one's end counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import redis
from redis.client import Pipeline

from wire.errors import DecodeError
from wire.keys import Keys
from wire.messages import AlertEvent, CameraState
from wire.settings import Settings
from worker import alerts
from worker.alerts import Rules
from worker.publish import Publisher, read_state, split_member, watch

PERIOD_S = 1.0


class Expiry:
    """A tick to be called every PERIOD_S."""

    def __init__(
        self, bus: redis.Redis, keys: Keys, settings: Settings, rules: Rules, clock: Callable[[], float]
    ) -> None:
        self._bus, self._keys, self._rules, self._clock = bus, keys, rules, clock
        self._publish = Publisher(keys, settings)
        self._camera_fresh_s = settings.dashboard.stale_after_s
        self._listening_since = clock()

    def restart(self) -> None:
        """Count silence from now on: while we could not listen, no track could be heard."""
        self._listening_since = self._clock()

    def tick(self) -> list[AlertEvent]:
        """End what has been silent for `end_after_s`; the events. Raises redis.RedisError."""
        now, silence = self._clock(), self._rules.end_after_s
        if 0 <= now - self._listening_since < silence:
            return []
        due = self._bus.zrangebyscore(self._keys.open_alerts, "-inf", now - silence)
        ahead = self._bus.zrangebyscore(self._keys.open_alerts, f"({now}", "+inf")  # the clock stepped back
        members = cast("list[bytes]", due) + cast("list[bytes]", ahead)
        return [event for member in members for event in self._expire(member, now)]

    def _expire(self, member: bytes, now: float) -> tuple[AlertEvent, ...]:
        try:
            with self._bus.pipeline() as pipe:
                return self._attempt(pipe, member, now)
        except redis.WatchError:
            return ()  # a score came, or another worker ended it; the next tick sees

    def _attempt(self, pipe: Pipeline, member: bytes, now: float) -> tuple[AlertEvent, ...]:
        camera, track = split_member(member)
        key = self._keys.track(camera, track)
        watch(pipe, key)
        state = read_state(cast("bytes | None", pipe.get(key)), camera, track)
        live = self._is_live(cast("bytes | None", pipe.get(self._keys.camera(camera))), now)
        after, events = alerts.expire(state, self._rules, now, live)
        if after is state and state.alert is not None:
            return ()
        pipe.multi()
        if after is state:  # no alert is open: the member is a leftover
            pipe.zrem(self._keys.open_alerts, member)
        else:
            self._publish.state(pipe, after)
        for event in events:
            self._publish.event(pipe, event)
        pipe.execute()
        return events

    def _is_live(self, raw: bytes | None, now: float) -> bool:
        """Whether the camera's own state says that it still delivers."""
        if raw is None:
            return False
        try:
            state = CameraState.decode(raw)
        except DecodeError:
            return False
        return state.state == "live" and abs(now - state.updated) <= self._camera_fresh_s
