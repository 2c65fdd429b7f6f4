"""The windows stream as one consumer of the group `workers` sees it.

An entry read for the first time is tried together with others. One whose first try ended with its worker (a crash, a
kill, a lost reply) is *claimed alone*, and only that raises its delivery count: a window that kills every worker is
found by its own count and takes none of its neighbours with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import msgspec
import redis

from wire.errors import DecodeError
from wire.keys import FIELD, GROUP, Keys
from wire.messages import Window

SWEEP = 64  # entries taken over from silent consumers at once
GONE_S = 86_400.0  # a worker that has not asked for so long, and was left nothing, is forgotten

# At once: one that comes back in between would lose what it is given.
_FORGET = """
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for at = 1, #consumer, 2 do facts[consumer[at]] = consumer[at + 1] end
  if facts['pending'] == 0 and facts['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts['name'])
  end
end
"""


class Entry(msgspec.Struct, frozen=True):
    """A stream entry: its id, its bytes, how often it was delivered, and when to us."""

    id: bytes
    data: bytes
    deliveries: int
    dequeued: float

    @property
    def entered(self) -> float:
        """When it entered the stream, by Redis' clock."""
        return int(self.id.partition(b"-")[0]) / 1000


class Item(msgspec.Struct, frozen=True):
    """A window with the stream entry it came in."""

    entry: Entry
    window: Window


def read_window(data: bytes) -> Window:
    """The window in `data`. Raises DecodeError, also for one that no worker could score or place in time."""
    window = Window.decode(data)
    if not window.frames:
        raise DecodeError(Window.kind_name, data, "no frames")
    if window.seq < 0 or not all(math.isfinite(frame.captured) for frame in window.frames):
        raise DecodeError(Window.kind_name, data, "a negative number or a capture time that is none")
    return window


class WindowQueue:
    """Reads and claims entries. Every method raises redis.RedisError; a vanished group is made again."""

    def __init__(self, bus: redis.Redis, keys: Keys, consumer: str) -> None:
        self._bus, self._keys, self._consumer = bus, keys, consumer

    def open(self) -> list[bytes]:
        """Make the group where there is none; the ids this consumer was given before and never settled.

        Workers that are gone for good are forgotten: each container has a name of its own.
        """
        self._make_group()
        self._bus.eval(_FORGET, 1, self._keys.windows, GROUP, round(GONE_S * 1000))
        return [row["message_id"] for row in self._pending("-", "+", SWEEP * 16)]

    def read(self, count: int, block_s: float, clock: Callable[[], float]) -> list[Entry]:
        """Up to `count` entries no consumer was given yet; waits up to `block_s` for the first, 0: not at all.

        They are stamped by `clock` when they have come, not when they were waited for.
        """
        block = max(1, round(block_s * 1000)) if block_s > 0 else None
        streams = {self._keys.windows: ">"}
        try:
            reply = self._bus.xreadgroup(GROUP, self._consumer, streams, count=count, block=block)  # type: ignore[arg-type]
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._make_group()  # the server came back without its data
            return []
        rows = cast("list[Any]", reply)
        now = clock()
        return [Entry(id, _data(fields), 1, now) for id, fields in rows[0][1]] if rows else []

    def sweep(self, idle_s: float, held: Collection[bytes]) -> list[bytes]:
        """Take over what no consumer has touched for `idle_s`, this one included, but for what it `held`; the ids.

        Entries that were trimmed from the stream meanwhile leave the pending list here (their trimmer counted them).
        """
        reply = self._bus.xautoclaim(
            self._keys.windows, GROUP, self._consumer, max(1, round(idle_s * 1000)), "0-0", count=SWEEP, justid=True
        )
        return [id for id in cast("list[bytes]", reply) if id not in held]

    def claim(self, id: bytes, now: float) -> Entry | None:
        """One pending entry for one more try, its delivery count raised; None when it is settled or trimmed."""
        before = self._pending(id, id, 1, consumer=None)
        rows = cast("list[Any]", self._bus.xclaim(self._keys.windows, GROUP, self._consumer, 0, [id]))
        if not before or not rows or rows[0][0] is None:
            return None
        return Entry(id, _data(rows[0][1]), before[0]["times_delivered"] + 1, now)

    def touch(self, ids: Sequence[bytes]) -> None:
        """Tell the other consumers that these are still being worked on."""
        if ids:
            self._bus.xclaim(self._keys.windows, GROUP, self._consumer, 0, list(ids), justid=True)

    def _pending(self, low: str | bytes, high: str | bytes, count: int, consumer: str | None = "") -> list[Any]:
        name = self._consumer if consumer == "" else consumer
        rows = self._bus.xpending_range(self._keys.windows, GROUP, low, high, count, name)
        return cast("list[Any]", rows)

    def _make_group(self) -> None:
        try:
            self._bus.xgroup_create(self._keys.windows, GROUP, "0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


def _data(fields: dict[bytes, bytes]) -> bytes:
    """The message of an entry; one without our field counts as empty, which decodes to nothing."""
    return fields.get(FIELD, b"")
