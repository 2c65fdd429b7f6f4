"""Looks after the cameras: raises and ends their own alerts. Any number of workers may do it: the first one counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import redis
from redis.client import Pipeline

from wire.keys import Keys
from wire.messages import AlertEvent, CameraState
from wire.settings import Settings
from worker.cameras import Limits, Look, Troubles, look, remove
from worker.openings import snoozed, snoozes
from worker.publish import Publisher, watch


class Patrol:
    """A tick to be called about once a second."""

    def __init__(self, bus: redis.Redis, keys: Keys, settings: Settings, clock: Callable[[], float]) -> None:
        self._bus, self._keys, self._clock = bus, keys, clock
        self._limits, self._publish = Limits.of(settings), Publisher(keys, settings)
        self._looking_since = clock()

    def restart(self) -> None:
        """Count everything from now on: while we could not look, no camera could be seen."""
        self._looking_since = self._clock()

    def tick(self) -> list[AlertEvent]:
        """Look at every camera; what has become of it, in one transaction. Raises redis.RedisError."""
        try:
            with self._bus.pipeline() as pipe:
                return self._attempt(pipe)
        except redis.WatchError:
            return []  # another worker was first; the next tick sees

    def _attempt(self, pipe: Pipeline) -> list[AlertEvent]:
        now = self._clock()
        self._looking_since = min(self._looking_since, now)
        watch(pipe, self._keys.camera_troubles)
        before = self._remembered(pipe)
        names = sorted(name.decode() for name in cast("set[bytes]", pipe.smembers(self._keys.camera_names)))
        after: dict[str, Troubles] = {}
        events: list[AlertEvent] = []
        for name, (state, quiet) in self._seen(pipe, names).items():
            at = Look(now, self._looking_since, quiet)
            after[name], made = look(before.get(name) or Troubles(camera=name), state, self._limits, at)
            events += made
        for name in before.keys() - after.keys():
            events += remove(before[name], now)
        self._write(pipe, before, {name: known for name, known in after.items() if known.of}, events)
        return events

    def _seen(self, pipe: Pipeline, names: list[str]) -> dict[str, tuple[CameraState | None, bool]]:
        """Of each camera its newest state, and whether it is snoozed."""
        raw = cast("list[Any]", pipe.mget([self._keys.camera(name) for name in names] + snoozes(self._keys, names)))
        quiet = snoozed(names, raw[len(names) :])
        return {name: (CameraState.read(data), name in quiet) for name, data in zip(names, raw, strict=False)}

    def _remembered(self, pipe: Pipeline) -> dict[str, Troubles]:
        found = cast("dict[bytes, bytes]", pipe.hgetall(self._keys.camera_troubles))
        known = {name.decode(): Troubles.read(data) for name, data in found.items()}
        return {name: one or Troubles(camera=name) for name, one in known.items()}

    def _write(
        self, pipe: Pipeline, before: dict[str, Troubles], after: dict[str, Troubles], events: list[AlertEvent]
    ) -> None:
        if before == after:
            return
        pipe.multi()
        if changed := {name: known.encode() for name, known in after.items() if known != before.get(name)}:
            pipe.hset(self._keys.camera_troubles, mapping=changed)  # type: ignore[arg-type]
        if gone := before.keys() - after.keys():
            pipe.hdel(self._keys.camera_troubles, *gone)
        for event in events:
            self._publish.event(pipe, event)
        pipe.execute()
