"""Cameras that brought a streamer down: counted in Redis for all streamers, and kept out for ever longer.

The policy is pure, the register small: one hash, empty where nothing has happened. docs/decisions/0010 says why.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import redis

from wire.keys import Keys

HOLDS_S = (30.0, 120.0, 480.0, 1920.0, 3600.0)  # after the first crash, the second, and so on
FORGET_S = 86_400.0  # a camera that has done no harm for so long is as good as new


class Crashes(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one camera."""

    count: int
    last: float  # wall clock

    def until(self) -> float:
        """When it may be tried again."""
        return self.last + HOLDS_S[min(self.count, len(HOLDS_S)) - 1]

    def held(self, now: float) -> bool:
        """Whether it is kept out. A clock that was set back does not keep it out for ever."""
        return self.last - HOLDS_S[0] < now < self.until()

    def again(self, now: float) -> Crashes:
        """After another crash."""
        return Crashes(self.count + 1 if abs(now - self.last) < FORGET_S else 1, now)


class Quarantine:
    """The register. Every method raises redis.RedisError when Redis is away."""

    def __init__(self, bus: redis.Redis, keys: Keys) -> None:
        self._bus, self._key = bus, keys.crashes

    def convict(self, camera: str, now: float) -> Crashes:
        """The camera has brought a streamer down."""
        crashes = self._known().get(camera, Crashes(0, now)).again(now)
        self._bus.hset(self._key, camera, msgspec.msgpack.encode(crashes))
        return crashes

    def held(self, cameras: Collection[str], now: float) -> dict[str, Crashes]:
        """Which of the cameras are to be left alone now. What is long past is forgotten."""
        known = self._known()
        past = [camera for camera, crashes in known.items() if abs(now - crashes.last) >= FORGET_S]
        if past:
            self._bus.hdel(self._key, *past)
        return {camera: known[camera] for camera in known.keys() & cameras if known[camera].held(now)}

    def _known(self) -> dict[str, Crashes]:
        found: dict[bytes, bytes] = self._bus.hgetall(self._key)  # type: ignore[assignment]
        known = {}
        for camera, data in found.items():
            try:
                known[camera.decode()] = msgspec.msgpack.decode(data, type=Crashes)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._bus.hdel(self._key, camera)
        return known
