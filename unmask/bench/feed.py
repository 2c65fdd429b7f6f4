"""Windows for a worker under test: tracks as they come live, and a queue that is kept just full enough.

The crops are made before; the frames of a track are kept as long as its windows share them, so that sending a window
costs one copy of its bytes. What the feeder uses of the processor is part of what is reported.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle

import redis

from unmask.bench.crops import Pool
from wire.keys import FIELD, Keys
from wire.messages import Frame, Quality, Window

SIZE = (1280, 720)
BOX = (540.0, 200.0, 180.0, 226.0)
QUALITY = Quality(face_px=226.0, sharpness=120.0, brightness=128.0, yaw=0.0)
POLL_S = 0.02


class Track:
    """One face: its windows in order, each with `stride` new frames, whose views come from `pool`, from `first` on."""

    def __init__(
        self, camera: str, number: int, epoch: int, frames: int, stride: int, pool: Pool, first: int = 0
    ) -> None:
        self._camera, self._name, self._epoch, self._pool = camera, f"{epoch}-{number}", epoch, pool
        self._views = cycle([*pool.views[first:], *pool.views[:first]])
        self._length, self._stride = frames, stride
        self._frames: deque[Frame] = deque(maxlen=frames)
        self._index = self._seq = 0

    def next(self, now: float) -> Window:
        """The next window; its new frames were captured at `now`, a millisecond apart."""
        fresh = self._stride if self._frames else self._length
        for back in range(fresh - 1, -1, -1):
            self._frames.append(Frame(self._index, now - back / 1000, BOX, next(self._views)))
            self._index += 1
        self._seq += 1
        return Window(
            camera=self._camera, track=self._name, epoch=self._epoch, seq=self._seq - 1, frame_size=SIZE,
            quality=QUALITY, enqueued=now, frames=tuple(self._frames), margin=self._pool.margin,
            portrait=self._pool.portrait,
        )  # fmt: skip


def tracks(
    faces: int, per_camera: int, epoch: int, frames: int, stride: int, pool: Pool, name: str = "bench"
) -> list[Track]:
    """`faces` tracks over cameras NAME-0, NAME-1 of `per_camera` faces, each beginning at another view."""
    return [
        Track(
            f"{name}-{face // per_camera}", face % per_camera, epoch, frames, stride,
            pool, face * 7 % len(pool.views),
        )
        for face in range(faces)
    ]  # fmt: skip


class Feeder:
    """Keeps `depth` windows between here and the worker's last commit, and reads its counter on the way."""

    def __init__(self, bus: redis.Redis, keys: Keys, depth: int) -> None:
        self._bus, self._keys, self.depth = bus, keys, depth
        self.cpu_s = 0.0  # processor time of all feeding so far

    def run(self, faces: Sequence[Track], until: Callable[[float, int], bool]) -> list[tuple[float, int]]:
        """Send the tracks' windows in turn until `until(seconds, windows scored)`, both since the beginning.

        Returns the counter, as often as it was read: (seconds, scored).
        """
        turn, began, cpu = cycle(faces), time.monotonic(), time.process_time()
        waiting, first = self._look()
        read = [(0.0, 0)]
        while not until(*read[-1]):
            if (room := self.depth - waiting) > 0:
                self._send([next(turn) for _ in range(room)])
            time.sleep(POLL_S)
            waiting, scored = self._look()
            read.append((time.monotonic() - began, scored - first))
        self.cpu_s += time.process_time() - cpu
        return read

    def drain(self, timeout_s: float) -> bool:
        """Wait until the worker has settled everything; False where it has not in time."""
        end = time.monotonic() + timeout_s
        while self._look()[0]:
            if time.monotonic() > end:
                return False
            time.sleep(POLL_S)
        return True

    def unscored(self) -> int:
        """Windows that were settled without a score, for whatever reason, since the keys were made."""
        return sum(int(count) for name, count in self._outcomes().items() if name != b"scored")

    def _outcomes(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = self._bus.hgetall(self._keys.outcomes)  # type: ignore[assignment]
        return found

    def _send(self, ready: Sequence[Track]) -> None:
        with self._bus.pipeline(transaction=False) as pipe:
            for one in ready:
                pipe.xadd(self._keys.windows, {FIELD: one.next(time.time()).encode()})
            pipe.execute()

    def _look(self) -> tuple[int, int]:
        """Windows not settled yet, and windows scored so far."""
        with self._bus.pipeline(transaction=False) as pipe:
            pipe.xlen(self._keys.windows)
            pipe.hget(self._keys.outcomes, "scored")
            waiting, scored = pipe.execute()
        return int(waiting), int(scored or 0)
