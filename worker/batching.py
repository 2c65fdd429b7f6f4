"""Which windows are scored together: pure policy, with the time handed in.

Behind another, a batch closes when it is full, when its oldest window has waited for the deadline, or at once when by
the pace of arrivals nothing would join it before; where the device is idle, the caller takes what there is. The places
of a batch go round the cameras that have windows waiting, so a camera with many faces fills what the others leave and
no more.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

Item = TypeVar("Item")
WEIGHT = 0.2  # of the newest gap between two arrivals in the mean
LONGEST = 4.0  # deadlines; a longer gap counts as this, so that one pause is forgotten after a few arrivals


class Batcher(Generic[Item]):
    """Windows that wait, by camera; each camera's own stay in their order."""

    def __init__(self, size: int, deadline_s: float) -> None:
        self._size, self._deadline = size, deadline_s
        self._lanes: dict[str, deque[tuple[float, Item]]] = {}
        self._ring: deque[str] = deque()  # cameras with something waiting, the next to be served first
        self._waiting = 0
        self._arrived: float | None = None
        self._gap: float | None = None  # mean seconds between arrivals; what arrives at once is one

    def __len__(self) -> int:
        return self._waiting

    def items(self) -> list[Item]:
        """Everything that waits, camera by camera."""
        return [item for lane in self._lanes.values() for _, item in lane]

    def heads(self) -> list[Item]:
        """The first in the order of each camera."""
        return [lane[0][1] for lane in self._lanes.values()]

    def add(self, camera: str, item: Item, now: float) -> None:
        """Let `item` wait for its turn."""
        if camera not in self._lanes:
            self._lanes[camera] = deque()
            self._ring.append(camera)
        self._lanes[camera].append((now, item))
        self._waiting += 1
        self._arrive(now)

    def wait_s(self, now: float, size: int | None = None) -> float | None:
        """Seconds until a batch (of `size`, if that is less) is due, 0 when one is; None while nothing waits."""
        if not self._waiting:
            return None
        if self._waiting >= min(self._size, size or self._size):
            return 0.0
        oldest = min(lane[0][0] for lane in self._lanes.values())
        left = min(self._deadline, max(0.0, oldest + self._deadline - now))
        return left if self._gap is not None and self._gap <= left else 0.0

    def take(self, size: int | None = None, without: Collection[str] = ()) -> list[Item]:
        """The next batch, at most `size` and never more than its own: one window of each camera in turn, none of those
        `without`."""
        batch: list[Item] = []
        passed: list[str] = []
        while self._ring and len(batch) < min(self._size, size or self._size):
            camera = self._ring.popleft()
            if camera in without:
                passed.append(camera)
                continue
            batch.append(self._pop(camera))
            if camera in self._lanes:
                self._ring.append(camera)
        self._ring.extendleft(reversed(passed))
        return batch

    def shed(self, old: Callable[[str, Item], bool], keep: int, most: int) -> list[Item]:
        """Take out up to `most` that are `old`, from the longest queue first, while more than `keep` wait."""
        found: list[Item] = []
        lanes = {camera: len(lane) for camera, lane in self._lanes.items()}
        while lanes and self._waiting > keep and len(found) < most:
            camera = max(lanes, key=lanes.__getitem__)
            if not old(camera, self._lanes[camera][0][1]):
                del lanes[camera]
                continue
            found.append(self._pop(camera))
            lanes[camera] -= 1
            if camera not in self._lanes:
                del lanes[camera]
                self._ring.remove(camera)
        return found

    def draw(self, count: int, key: Callable[[str, Item], tuple[float, ...] | None]) -> list[Item]:
        """Take out the `count` of the least `key`, in its order; whatever has None stays."""
        if count <= 0:
            return []
        keyed = [
            (place, camera, at)
            for camera, lane in self._lanes.items()
            for at, (_, item) in enumerate(lane)
            if (place := key(camera, item)) is not None
        ]
        chosen = heapq.nsmallest(count, keyed)
        found = [self._lanes[camera][at][1] for _, camera, at in chosen]
        for _, camera, at in sorted(chosen, key=lambda one: -one[2]):
            del self._lanes[camera][at]
        self._waiting -= len(found)
        for camera in {camera for _, camera, _ in chosen if not self._lanes[camera]}:
            del self._lanes[camera]
            self._ring.remove(camera)
        return found

    def _pop(self, camera: str) -> Item:
        lane = self._lanes[camera]
        _, item = lane.popleft()
        self._waiting -= 1
        if not lane:
            del self._lanes[camera]
        return item

    def _arrive(self, now: float) -> None:
        if self._arrived is not None and now != self._arrived:
            gap = min(max(0.0, now - self._arrived), LONGEST * self._deadline)
            self._gap = gap if self._gap is None else (1 - WEIGHT) * self._gap + WEIGHT * gap
        self._arrived = now
