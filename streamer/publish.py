"""Everything a streamer sends to Redis, from one thread behind fixed queues: a camera never waits for Redis.

While Redis is away, what can't be sent is dropped, counted, and told once a second; nothing is sent twice. Nor is
anything of a camera that is another streamer's by now. Where the leases can't tell that, the camera's key space does:
its owner keeps its state there, and what a streamer in doubt sends goes through only while nobody else has told one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

import redis
from redis.client import Pipeline

from wire import bus as wire_bus
from wire.keys import FIELD, GROUP, Keys
from wire.messages import CameraState, Window
from wire.settings import StreamerSettings
from wire.telemetry import Log, Throttle

QUEUE = 16  # windows of one camera that wait to be sent; about 3 s of two faces
BATCH = 32
CAMERAS_MAXLEN = 1000
PREVIEW_TTL_S = 10
PAUSE_S = 0.2  # after a failure, so that a dead Redis costs no processor time

# Oldest first, what is over either limit; how many. By age: by Redis' clock, which also made the ids; entries a worker
# holds longer than this are stale to the worker, too. By size: only entries no worker was given yet, so that a younger
# one that a worker holds is never gone (worker/commit.py builds on it); what workers hold they bound themselves. An
# entry counts as the mean of the stream. Entries are deleted once settled, so those given out are the pending ones.
_TRIM = """
local now = redis.call('TIME')
local oldest = string.format('%.0f-0', now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1])
local removed = redis.call('XTRIM', KEYS[1], 'MINID', oldest)
local length = redis.call('XLEN', KEYS[1])
local bytes = length > 0 and redis.pcall('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 16) or 0
if type(bytes) == 'number' and bytes > tonumber(ARGV[2]) then
  local last, pending = '-', 0
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local facts = {}
    for at = 1, #group, 2 do facts[group[at]] = group[at + 1] end
    if facts['name'] == ARGV[3] then last, pending = '(' .. facts['last-delivered-id'], facts['pending'] end
  end
  local surplus = length - pending - math.floor(ARGV[2] * length / bytes)
  if surplus > 0 and pending == 0 then
    removed = removed + redis.call('XTRIM', KEYS[1], 'MAXLEN', length - surplus)
  elseif surplus > 0 then
    for _, entry in ipairs(redis.call('XRANGE', KEYS[1], last, '+', 'COUNT', math.min(surplus, 128))) do
      removed = removed + redis.call('XDEL', KEYS[1], entry[1])
    end
  end
end
if removed > 0 then redis.call('HINCRBY', KEYS[2], 'trimmed', removed) end
return removed
"""


class Ownership(Protocol):
    """Whose a camera is, as far as is known here. Any thread may ask."""

    def ours(self, camera: str) -> bool | None:
        """Whether it is ours at this moment; None where its lease may have ended."""

    def keeps(self, camera: str, state: CameraState | None) -> bool:
        """Take the newest state of one in doubt: False, and the camera is given up, where another has told it."""


class Alone:
    """Nobody else is there."""

    def ours(self, camera: str) -> bool:
        """See Ownership."""
        return True

    def keeps(self, camera: str, state: CameraState | None) -> bool:
        """See Ownership."""
        return True


class Publisher:
    """Sends windows, camera states and previews. `offer_*` may be called from any thread and never block."""

    def __init__(
        self,
        bus: redis.Redis,
        keys: Keys,
        limits: StreamerSettings,
        log: Log,
        clock: Callable[[], float],
        ownership: Ownership | None = None,
    ) -> None:
        self.sent = 0
        self.dropped = 0
        self._bus, self._keys, self._log = bus, keys, log
        self._limits = (round(limits.queue_max_age_s * 1000), limits.queue_max_mb * 1_000_000, GROUP)
        self._ownership: Ownership = ownership or Alone()
        self._throttle = Throttle(clock)
        self._wake = threading.Condition()
        self._windows: dict[str, deque[Window]] = {}
        self._states: dict[str, CameraState] = {}
        self._previews: dict[str, bytes] = {}
        self._removed: set[str] = set()
        self._stopping = self._over = False  # over: nothing is tried again
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Return at once; it ends when what waits is sent."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def stop(self, timeout_s: float) -> None:
        """Send what waits, then end; what is left when the time is over is lost."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        with self._wake:
            self._over = True
            self._wake.notify()

    def offer_window(self, window: Window) -> None:
        """Queue a window; the camera's oldest gives way when its queue is full."""
        with self._wake:
            queue = self._windows.setdefault(window.camera, deque())
            if len(queue) >= QUEUE:
                queue.popleft()
                self._lost(1, "Redis does not keep up")
            queue.append(window)
            self._wake.notify()

    def offer_state(self, state: CameraState) -> None:
        """The newest state of a camera replaces one that was not sent yet."""
        with self._wake:
            waiting = self._states.get(state.name)
            if waiting is None or waiting.updated <= state.updated:
                self._states[state.name] = state
            self._wake.notify()

    def offer_preview(self, camera: str, jpeg: bytes) -> None:
        """The newest preview of a camera replaces one that was not sent yet."""
        with self._wake:
            self._previews[camera] = jpeg
            self._wake.notify()

    def remove(self, camera: str) -> None:
        """A camera is no longer configured: what waits of it is dropped, and what Redis shows of it is taken away."""
        with self._wake:
            for waiting in (self._windows, self._states, self._previews):
                waiting.pop(camera, None)
            self._removed.add(camera)
            self._wake.notify()

    def trim(self) -> int:
        """Drop windows that are too old, or too many, from the queue and count them; how many. Raises redis.RedisError.

        What was published was trimmed with it; this is for when nothing is.
        """
        return int(self._trim(self._bus))

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._waiting())
                windows, states, previews = self._take()
                removed, self._removed = self._removed, set()
                if self._over or not (windows or states or previews or removed):
                    return
            try:
                self.sent += self._send(windows, states, previews, removed)
            except Exception as error:  # no memory, or a bug: costs what it was at, and not all that is yet to come
                known = isinstance(error, redis.RedisError)
                with self._wake:
                    self._removed |= removed
                    self._lost(len(windows), wire_bus.reason(error) if known else type(error).__name__)
                    self._pause()

    def _pause(self) -> None:
        """Let a Redis that failed be. To be told to stop ends it, and once stopping that the time is over; `_wake` is
        held."""
        stopping = self._stopping
        self._wake.wait_for(lambda: self._over or self._stopping != stopping, PAUSE_S)

    def _waiting(self) -> bool:
        return bool(self._windows or self._states or self._previews or self._removed)

    def _take(self) -> tuple[list[Window], list[CameraState], list[tuple[str, bytes]]]:
        """What goes out next: windows from all cameras in turn, so that none starves another."""
        windows: list[Window] = []
        while self._windows and len(windows) < BATCH:
            for camera in list(self._windows):
                windows.append(self._windows[camera].popleft())
                if not self._windows[camera]:
                    del self._windows[camera]
        states, previews = list(self._states.values()), list(self._previews.items())
        self._states, self._previews = {}, {}
        return windows, states, previews

    def _send(
        self,
        windows: list[Window],
        states: list[CameraState],
        previews: list[tuple[str, bytes]],
        removed: set[str],
    ) -> int:
        """One transaction: a window is in the queue exactly if it is counted as made; how many there were."""
        cameras = {one.camera for one in windows} | {one.name for one in states} | {name for name, _ in previews}
        ours = {camera: self._ownership.ours(camera) for camera in cameras}
        while True:
            try:
                with self._bus.pipeline(transaction=True) as pipe:
                    known = ours | self._look(pipe, [camera for camera in sorted(ours) if ours[camera] is None])
                    kept = [one for one in windows if known[one.camera]]
                    told = [one for one in states if known[one.name]]
                    self._write(pipe, kept, told, [one for one in previews if known[one[0]]], removed)
                    break
            except redis.WatchError:  # another streamer has just told a state
                continue
        if len(kept) < len(windows):
            with self._wake:
                self._lost(len(windows) - len(kept), "the camera is another streamer's")
        return len(kept)

    def _look(self, pipe: Pipeline, doubtful: list[str]) -> dict[str, bool]:
        """Which of these are still ours by what is told of them, for as long as the transaction takes."""
        if not doubtful:
            return {}
        keys = [self._keys.camera(camera) for camera in doubtful]
        pipe.watch(*keys)  # type: ignore[no-untyped-call]
        told = cast("list[bytes | None]", pipe.mget(keys))
        pipe.multi()
        return {
            camera: self._ownership.keeps(camera, CameraState.read(data))
            for camera, data in zip(doubtful, told, strict=True)
        }

    def _write(
        self,
        pipe: Pipeline,
        windows: list[Window],
        states: list[CameraState],
        previews: list[tuple[str, bytes]],
        removed: set[str],
    ) -> None:
        for window in windows:
            pipe.xadd(self._keys.windows, {FIELD: window.encode()})
        if windows:
            pipe.hincrby(self._keys.outcomes, "made", len(windows))
            self._trim(pipe)
        for state in states:
            message = state.encode()
            pipe.set(self._keys.camera(state.name), message)
            pipe.xadd(self._keys.cameras, {FIELD: message}, maxlen=CAMERAS_MAXLEN, approximate=True)
        for camera, jpeg in previews:
            pipe.set(self._keys.preview(camera), jpeg, ex=PREVIEW_TTL_S)
        for camera in removed:
            pipe.srem(self._keys.camera_names, camera)
            pipe.delete(self._keys.camera(camera), self._keys.preview(camera))
        pipe.execute()

    def _trim(self, bus: redis.Redis) -> Any:
        """One call of the script; of a pipeline, the command is added to it."""
        return bus.eval(_TRIM, 2, self._keys.windows, self._keys.outcomes, *self._limits)

    def _lost(self, windows: int, reason: str) -> None:
        """Count and tell; `_wake` is held."""
        self.dropped += windows
        held = self._throttle.admit("lost")
        if held is not None:
            self._log.warning("windows dropped", reason=reason, dropped=self.dropped, lines_held_back=held)
