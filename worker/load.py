"""How busy a worker is and how full its batches are, over the last seconds. Times are passed in; any thread may ask."""

from __future__ import annotations

import threading
from collections import deque

SPAN_S = 10.0


class Load:
    """Stretches of work of one worker whose batches hold `largest` windows at most."""

    def __init__(self, largest: int, began: float, span_s: float = SPAN_S) -> None:
        self._largest, self._began, self._span = largest, began, span_s
        self._work: deque[tuple[float, float, int]] = deque()  # from, to, windows
        self._lock = threading.Lock()

    def add(self, start: float, end: float, windows: int) -> None:
        """Something was done from `start` to `end`; `windows` is 0 where it was no batch."""
        with self._lock:
            self._work.append((start, end, windows))
            while self._work and self._work[0][1] < end - self._span:
                self._work.popleft()

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
