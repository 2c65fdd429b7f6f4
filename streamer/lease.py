"""Who runs which camera: a lease per camera in Redis, and a fair share for each of several streamers.

A streamer that knows of one with at least two cameras more asks for one of them under `<lease>:wanted`, and the other,
seeing the wish, lets go. A camera that stays free is taken by whoever knows it. The plan is pure, each step atomic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from wire.keys import Keys

GRACE_S = 2.0  # a camera free for longer than this is taken even beyond the fair share
WISH_MS = 3000

_ACQUIRE = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a streamer does next."""

    acquire: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    want: tuple[str, ...] = ()


def plan(me: str, owners: Mapping[str, str | None], wanted: Mapping[str, str | None], overdue: frozenset[str]) -> Plan:
    """Next steps of streamer `me`. `overdue`: cameras that have been free for longer than the grace time."""
    streamers = {me} | {name for name in (*owners.values(), *wanted.values()) if name}
    held = {name: sum(owner == name for owner in owners.values()) for name in streamers}
    mine = [camera for camera, owner in owners.items() if owner == me]
    free = [camera for camera, owner in owners.items() if owner is None]
    room = max(0, -(-len(owners) // len(streamers)) - len(mine))
    acquire = free[:room] + [camera for camera in free[room:] if camera in overdue]
    release = []
    for camera in mine:
        wisher = wanted.get(camera)
        if wisher and held[me] - held[wisher] >= 2:
            release.append(camera)
            held[me], held[wisher] = held[me] - 1, held[wisher] + 1
    held[me] += len(acquire)
    want = []
    for camera, owner in sorted(owners.items(), key=lambda pair: -held[pair[1] or me]):
        if owner is None or owner == me or held[owner] - held[me] < 2:
            continue
        held[owner] -= 1
        if wanted.get(camera) in (None, me):  # else it goes to another who asked first
            want.append(camera)
            held[me] += 1
    return Plan(tuple(acquire), tuple(release), tuple(want))


class Leases:
    """The leases of one streamer. Every method raises redis.RedisError when Redis is away."""

    def __init__(self, bus: redis.Redis, keys: Keys, owner: str, ttl_s: float) -> None:
        self.owner = owner
        self._bus, self._keys, self._ttl_ms = bus, keys, round(ttl_s * 1000)
        self._acquire = bus.register_script(_ACQUIRE)
        self._release = bus.register_script(_RELEASE)
        self._free_since: dict[str, float] = {}

    def acquire(self, camera: str) -> bool:
        """Take or renew the lease; False when another streamer has it."""
        lease = self._keys.lease(camera)
        return bool(self._acquire(keys=[lease, self._wish(camera)], args=[self.owner, self._ttl_ms]))

    def release(self, camera: str) -> None:
        """Give the lease back, if it is ours."""
        self._release(keys=[self._keys.lease(camera)], args=[self.owner])

    def step(self, cameras: list[str], now: float) -> set[str]:
        """Renew, take, give back and ask, once; the cameras that are ours after it."""
        owners, wanted = (
            self._look([self._keys.lease(c) for c in cameras]),
            self._look([self._wish(c) for c in cameras]),
        )
        by_camera = dict(zip(cameras, owners, strict=True))
        self._free_since = {
            c: min(now, self._free_since.get(c, now)) for c, owner in by_camera.items() if owner is None
        }
        overdue = frozenset(c for c, since in self._free_since.items() if now - since > GRACE_S)
        todo = plan(self.owner, by_camera, dict(zip(cameras, wanted, strict=True)), overdue)
        for camera in todo.release:
            self.release(camera)
        for camera in todo.want:
            self._bus.set(self._wish(camera), self.owner, px=WISH_MS, nx=True)
        mine = {camera for camera, owner in by_camera.items() if owner == self.owner}
        return self._acquire_all(sorted((mine | set(todo.acquire)) - set(todo.release)))

    def _acquire_all(self, cameras: list[str]) -> set[str]:
        """As `acquire`, of all at once: one after the other, on a slow network, the first would end before the last."""
        with self._bus.pipeline(transaction=False) as pipe:
            for camera in cameras:
                pipe.eval(_ACQUIRE, 2, self._keys.lease(camera), self._wish(camera), self.owner, self._ttl_ms)
            taken = pipe.execute()
        return {camera for camera, ours in zip(cameras, taken, strict=True) if ours}

    def _look(self, keys: list[str]) -> list[str | None]:
        if not keys:
            return []
        values: list[bytes | None] = self._bus.mget(keys)  # type: ignore[assignment]
        return [value.decode() if value else None for value in values]

    def _wish(self, camera: str) -> str:
        return f"{self._keys.lease(camera)}:wanted"
