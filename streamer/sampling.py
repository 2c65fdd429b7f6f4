"""Which frames are searched for faces, and which of them belong to one uninterrupted stretch of video. Pure."""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]
TOLERANCE_S = 1e-3  # timestamps are rounded to milliseconds by some containers


@dataclass(frozen=True, slots=True)
class Sample:
    """A frame that is to be searched: its place in its epoch, counted from 0."""

    epoch: int  # milliseconds of capture time at which the stretch began; grows from stretch to stretch
    index: int
    captured: float
    size: Size  # width, height

    @property
    def first(self) -> bool:
        """Whether this sample begins an epoch."""
        return self.index == 0


class Sampler:
    """Picks frames so that on average `fps` a second are searched, and numbers them.

    A new epoch begins with the first frame, after `interrupt`, when the picture's size changes, when time runs
    backwards, and when more than two sampling periods lie between two samples.
    """

    def __init__(self, fps: float) -> None:
        self.period = 1.0 / fps
        self._due = float("-inf")
        self._last: Sample | None = None
        self._newest_epoch = -1
        self._cut = True

    @property
    def max_gap(self) -> float:
        """The longest time between two samples of one epoch, seconds."""
        return 2 * self.period + TOLERANCE_S

    def interrupt(self) -> None:
        """The stream was reopened: whatever comes next is another stretch of video."""
        self._cut = True

    def take(self, captured: float, size: Size) -> Sample | None:
        """The sample this frame is, or None when it is not its turn."""
        last = self._last
        cut = self._cut or last is None or size != last.size or captured < last.captured
        if not cut and captured < self._due - TOLERANCE_S:
            return None
        cut = cut or last is None or captured - last.captured > self.max_gap
        # The grid is kept so that the mean rate is right; after a cut or a delay it starts anew.
        self._due = captured + self.period if cut or captured - self._due > self.period else self._due + self.period
        if cut or last is None:
            self._newest_epoch = max(round(captured * 1000), self._newest_epoch + 1)
            sample = Sample(self._newest_epoch, 0, captured, size)
        else:
            sample = Sample(last.epoch, last.index + 1, captured, size)
        self._last, self._cut = sample, False
        return sample
