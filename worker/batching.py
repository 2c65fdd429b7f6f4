"""Which windows are scored together: pure policy, with the time handed in.

A batch closes when it is full or when its oldest window has waited for the deadline. The places of a batch go round
the cameras that have windows waiting, so a camera with many faces fills what the others leave and no more.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """Windows that wait, by camera; each camera's own stay in their order."""

    def __init__(self, size: int, deadline_s: float) -> None:
        self._size, self._deadline = size, deadline_s
        self._lanes: dict[str, deque[tuple[float, Item]]] = {}
        self._ring: deque[str] = deque()  # cameras with something waiting, the next to be served first
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def items(self) -> list[Item]:
        """Everything that waits, camera by camera."""
        return [item for lane in self._lanes.values() for _, item in lane]

    def add(self, camera: str, item: Item, now: float) -> None:
        """Let `item` wait for its turn."""
        if camera not in self._lanes:
            self._lanes[camera] = deque()
            self._ring.append(camera)
        self._lanes[camera].append((now, item))
        self._waiting += 1

    def wait_s(self, now: float) -> float | None:
        """Seconds until a batch is due, 0 when one is; None while nothing waits."""
        if not self._waiting:
            return None
        if self._waiting >= self._size:
            return 0.0
        oldest = min(lane[0][0] for lane in self._lanes.values())
        return min(self._deadline, max(0.0, oldest + self._deadline - now))

    def take(self) -> list[Item]:
        """The next batch, at most `size`: one window of each camera in turn."""
        batch: list[Item] = []
        while self._ring and len(batch) < self._size:
            camera = self._ring.popleft()
            lane = self._lanes[camera]
            batch.append(lane.popleft()[1])
            if lane:
                self._ring.append(camera)
            else:
                del self._lanes[camera]
        self._waiting -= len(batch)
        return batch
