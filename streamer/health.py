"""Whether a camera's picture still moves, and how fast. Pure: times are passed in."""

from __future__ import annotations

from collections import deque


class FpsMeter:
    """Events a second over the last `span_s` seconds."""

    def __init__(self, span_s: float = 4.0) -> None:
        self._span = span_s
        self._times: deque[float] = deque()
        self._start: float | None = None

    def add(self, now: float) -> None:
        """One event."""
        if self._times and now < self._times[-1]:  # the wall clock was set back
            self._times.clear()
            self._start = None
        if self._start is None:
            self._start = now
        self._times.append(now)
        self._forget(now)

    def rate(self, now: float) -> float:
        """Events a second; 0 when there were none lately. A meter younger than its span divides by its age."""
        self._forget(now)
        if self._start is None or not self._times:
            return 0.0
        age = now - self._start
        if age < self._span:
            return (len(self._times) - 1) / age if age > 0 else 0.0
        return len(self._times) / self._span

    @property
    def count(self) -> int:
        """Events of the last span, as of the last `add`."""
        return len(self._times)

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - self._span:
            self._times.popleft()


class FreezeDetector:
    """A camera is frozen when no frame came for `after_s`, or when frames come but their timestamp stands still."""

    def __init__(self, after_s: float) -> None:
        self._after = after_s
        self._pts: float | None = None
        self._advanced: float | None = None

    def seen(self, captured: float, pts: float | None) -> None:
        """A frame was decoded. One without a timestamp counts as an advance: there is nothing to hold against it.

        By capture time, since FFmpeg hands out the last frame of a silent stream only when its time-out has passed.
        """
        if self._advanced is None or pts is None or pts != self._pts:
            self._advanced = captured
        self._pts = pts

    def frozen(self, now: float) -> bool:
        """Whether the picture stands still; not before the first frame."""
        if self._advanced is not None and now < self._advanced:  # the wall clock was set back
            self._advanced = now
        return self._advanced is not None and now - self._advanced > self._after
