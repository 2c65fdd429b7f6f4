"""Where the evidence of alerts is kept: one hash per alert, its parts written by whoever has them.

| part | message | from |
| --- | --- | --- |
| `window` | Evidence | the worker, in the transaction that opens the alert |
| `trace` | Trace | the worker, with every event of the alert |
| `explanation` | Explanation | the worker, some seconds later |
| `picture`, `clip` | Picture, Clip | the streamer that has the camera, some seconds later |

Kept for `alerts.evidence_days`; when all of it together exceeds `alerts.evidence_mb`, the oldest alert's goes first. A
part of an alert whose `window` is no longer kept is not taken.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import redis
from redis.client import Pipeline

from wire.keys import Keys
from wire.messages import Clip, Evidence, Explanation, Message, Picture, Trace
from wire.settings import AlertSettings

Part = Literal["window", "trace", "explanation", "picture", "clip"]
PARTS: dict[Part, type[Message]] = {
    "window": Evidence, "trace": Trace, "explanation": Explanation, "picture": Picture, "clip": Clip,
}  # fmt: skip
Kept = Evidence | Trace | Explanation | Picture | Clip
_OF = {kind: part for part, kind in PARTS.items()}
M = TypeVar("M", bound=Message)

_PUT = """
local evidence, index, sizes = KEYS[1], KEYS[2], KEYS[3]
local id, part, data, at, keep_ms, most, prefix = unpack(ARGV)
local function forget(old)
  redis.call('HINCRBY', sizes, '', 0 - (redis.call('HGET', sizes, old) or 0))  -- "-0" is no number to Redis
  redis.call('HDEL', sizes, old)
  redis.call('ZREM', index, old)
  redis.call('DEL', prefix .. old)
end
for _, old in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', '(' .. (at - keep_ms / 1000))) do forget(old) end
if part ~= 'window' and redis.call('EXISTS', evidence) == 0 then return 0 end
local before = redis.call('HSTRLEN', evidence, part)
redis.call('HSET', evidence, part, data)
if redis.call('ZADD', index, 'NX', at, id) == 1 then redis.call('PEXPIRE', evidence, keep_ms) end
redis.call('HINCRBY', sizes, id, #data - before)
local total = redis.call('HINCRBY', sizes, '', #data - before)
while total > tonumber(most) do
  local oldest = redis.call('ZRANGE', index, 0, 1)
  local victim = oldest[1] ~= id and oldest[1] or oldest[2]
  if not victim then break end
  forget(victim)
  total = tonumber(redis.call('HGET', sizes, ''))
end
return 1
"""


class EvidenceStore:
    """Puts parts of evidence into Redis, under the age and size limits of the settings."""

    def __init__(self, keys: Keys, settings: AlertSettings) -> None:
        self._keys = keys
        self._keep_ms = round(settings.evidence_days * 86_400_000)
        self._most = settings.evidence_mb * 1_000_000

    def put(self, bus: redis.Redis | Pipeline, message: Kept, at: float) -> Any:
        """Keep one part, as one command: 1 if it was taken. In a pipeline it is queued. Raises redis.RedisError.

        `at`: the wall clock.
        """
        keys = self._keys
        return bus.eval(
            _PUT, 3, keys.evidence(message.alert), keys.evidence_index, keys.evidence_bytes,
            message.alert, _OF[type(message)], message.encode(), repr(at), str(self._keep_ms), str(self._most),
            keys.evidence(""),
        )  # fmt: skip


def read(parts: dict[bytes, bytes], kind: type[M]) -> M | None:
    """One part of an alert's evidence hash, or None where it is not there or can't be read."""
    return kind.read(parts.get(_OF[kind].encode()))
