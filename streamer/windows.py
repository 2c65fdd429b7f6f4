"""Putting windows together: T consecutive crops of one track, a new window every S crops. Pure.

A window holds consecutive samples of one epoch and nothing else. A sample in which the face was missed is held back: it
becomes part of the track when the next sample has the face again, and is thrown away when the track ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from streamer.crops import Measure, summary
from streamer.sampling import Sample
from wire.messages import Frame, Window


@dataclass(frozen=True, slots=True)
class Crop:
    """One frame of one track."""

    track: str
    frame: Frame
    measure: Measure
    detected: bool


@dataclass(slots=True)
class _Line:
    crops: list[Crop] = field(default_factory=list)  # the last T at most
    held: list[Crop] = field(default_factory=list)
    since: int = 0  # crops since the last window
    seq: int = 0


class WindowBuilder:
    """The windows of one camera."""

    def __init__(self, camera: str, frames: int, stride: int, max_gap: float) -> None:
        self._camera, self._frames, self._stride, self._max_gap = camera, frames, stride, max_gap
        self._lines: dict[str, _Line] = {}

    def add(self, sample: Sample, crops: Iterable[Crop], now: float) -> list[Window]:
        """All of a sample's crops at once; tracks that are not among them are over. `now` stamps the windows."""
        before, self._lines = ({} if sample.first else self._lines), {}
        made = []
        for crop in crops:
            line = self._lines[crop.track] = before.get(crop.track) or _Line()
            if not crop.detected:
                line.held.append(crop)
                continue
            for ready in (*line.held, crop):
                window = self._append(line, ready, sample, now)
                if window:
                    made.append(window)
            line.held.clear()
        return made

    def _append(self, line: _Line, crop: Crop, sample: Sample, now: float) -> Window | None:
        if line.crops and not self._continues(line.crops[-1].frame, crop.frame):
            line.crops.clear()
        line.crops.append(crop)
        line.since += 1
        del line.crops[: -self._frames]
        if len(line.crops) < self._frames or (line.seq and line.since < self._stride):
            return None
        window = Window(
            camera=self._camera,
            track=crop.track,
            epoch=sample.epoch,
            seq=line.seq,
            frame_size=sample.size,
            quality=summary([c.measure for c in line.crops]),
            enqueued=now,
            frames=tuple(c.frame for c in line.crops),
        )
        line.seq, line.since = line.seq + 1, 0
        return window

    def _continues(self, last: Frame, new: Frame) -> bool:
        return new.index == last.index + 1 and 0 <= new.captured - last.captured <= self._max_gap
