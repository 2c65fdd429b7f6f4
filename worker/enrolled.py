"""The references of the cameras whose windows this worker scores: one read for all that are due, every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import cast

import redis

from wire.errors import DecodeError
from wire.keys import Keys
from wire.messages import Reference
from wire.telemetry import Log
from worker import reference

PERIOD_S = 2.0  # after which a camera's reference is read again: how late a new one takes effect
CAMERAS = 4096  # remembered; whoever is beyond is read again


class Enrolled:
    """What each camera's logits are shifted by."""

    def __init__(
        self,
        bus: redis.Redis,
        keys: Keys,
        model: str,
        limit: float,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._keys, self._model, self._limit, self._log = bus, keys, model, limit, log
        self._clock = clock
        self._read: dict[str, float] = {}
        self._raw: dict[str, bytes | None] = {}
        self._shifts: dict[str, float] = {}

    def read(self, cameras: Iterable[str]) -> None:
        """Make sure of these cameras' references. Raises redis.RedisError."""
        now = self._clock()
        due = [name for name in dict.fromkeys(cameras) if not now - self._read.get(name, -PERIOD_S) < PERIOD_S]
        if not due:
            return
        found = cast("list[bytes | None]", self._bus.mget([self._keys.reference(name) for name in due]))
        if len(self._read) + len(due) > CAMERAS:
            self._read.clear()
            self._raw.clear()
            self._shifts.clear()
        for name, raw in zip(due, found, strict=True):
            self._read[name] = now
            if raw != self._raw.get(name):
                self._raw[name], self._shifts[name] = raw, self._shift(name, raw)

    def shift(self, camera: str) -> float:
        """What is added to the camera's logits; 0 for one that has no reference of this model."""
        return self._shifts.get(camera, 0.0)

    def _shift(self, camera: str, raw: bytes | None) -> float:
        """The shift by a reference that has changed, which is logged."""
        if raw is None:
            self._log.info("reference removed", camera=camera)
            return 0.0
        try:
            found = Reference.decode(raw)
        except DecodeError as error:
            self._log.warning("reference ignored", camera=camera, why=str(error))
            return 0.0
        if found.model != self._model:
            self._log.warning("reference ignored", camera=camera, why=f"made with {found.model}, not {self._model}")
            return 0.0
        shift = reference.shift(found, self._model, self._limit)
        self._log.info("reference in force", camera=camera, shift=round(shift, 3), tracks=found.tracks)
        return shift
