"""How busy a worker is, how full its batches are and how old what it reads, over the last seconds.

Times are passed in; any thread may ask.
"""

from __future__ import annotations

import threading
from collections import deque

SPAN_S = 10.0


class Load:
    """Stretches of work of one worker whose batches hold `largest` windows at most."""

    def __init__(self, largest: int, began: float, span_s: float = SPAN_S) -> None:
        self._largest, self._began, self._span = largest, began, span_s
        self._until = began
        self._work: deque[tuple[float, float, int]] = deque()  # from, to, windows
        self._reads: deque[tuple[float, list[float], int]] = deque()  # when, ages of what is scored, windows shed
        self._lock = threading.Lock()

    def add(self, start: float, end: float, windows: int) -> None:
        """Something was done from `start` to `end`; `windows` is 0 where it was no batch. What overlaps counts once."""
        with self._lock:
            start, self._until = max(start, self._until), max(end, self._until)
            self._work.append((start, end, windows))
            while self._work and self._work[0][1] < end - self._span:
                self._work.popleft()

    def read(self, now: float, ages: list[float], shed: int) -> None:
        """A batch was read: the ages (seconds) of the windows to be scored, and how many others were given up."""
        with self._lock:
            self._reads.append((now, ages, shed))
            while self._reads[0][0] < now - self._span:
                self._reads.popleft()

    def queue_age(self, now: float) -> float | None:
        """Mean age, capture to dequeue, of the windows read in the span; None where there was none."""
        ages = [age for _, read, _ in self._recent(now) for age in read]
        return sum(ages) / len(ages) if ages else None

    def shed(self, now: float) -> int:
        """Windows given up in the span."""
        return sum(shed for _, _, shed in self._recent(now))

    def _recent(self, now: float) -> list[tuple[float, list[float], int]]:
        with self._lock:
            return [one for one in self._reads if one[0] >= now - self._span]

    def busy(self, now: float) -> float:
        """The share of the span that was work, 0..1; a worker younger than the span divides by its age."""
        first = max(self._began, now - self._span)
        if now <= first:
            return 0.0
        with self._lock:
            worked = sum(max(0.0, min(end, now) - max(start, first)) for start, end, _ in self._work)
        return min(1.0, worked / (now - first))

    def batch_fill(self, now: float) -> float | None:
        """Mean windows per batch over the largest batch; None where there was no batch in the span."""
        with self._lock:
            sizes = [windows for _, end, windows in self._work if windows and end >= now - self._span]
        return sum(sizes) / len(sizes) / self._largest if sizes else None
