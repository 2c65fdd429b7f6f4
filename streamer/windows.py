"""Putting windows together: T consecutive crops of one track, a new window every S crops. Pure.

A window holds consecutive samples of one epoch and nothing else. A sample in which the face was missed is held back: it
becomes part of the track when the next sample has the face again, and is thrown away when the track ends.

Live, a track that ends before it filled a window gives none. From a file nothing more will come, so there it may give
one short window (`short`), about which the worker is unsure but which has a score.
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
    sample: Sample  # the first; all have its epoch and size
    crops: list[Crop] = field(default_factory=list)  # the last T at most
    held: list[Crop] = field(default_factory=list)
    since: int = 0  # crops since the last window
    seq: int = 0


class WindowBuilder:
    """The windows of one camera. With `short`, a track that is over and never filled a window gives a short one."""

    def __init__(self, camera: str, frames: int, stride: int, max_gap: float, short: bool = False) -> None:
        self._camera, self._frames, self._stride, self._max_gap = camera, frames, stride, max_gap
        self._short = short
        self._lines: dict[str, _Line] = {}

    def add(self, sample: Sample, crops: Iterable[Crop], now: float) -> list[Window]:
        """All of a sample's crops at once; tracks that are not among them are over. `now` stamps the windows."""
        crops = list(crops)
        made = self._end(set() if sample.first else {crop.track for crop in crops}, now)
        for crop in crops:
            line = self._lines.setdefault(crop.track, _Line(sample))
            if not crop.detected:
                line.held.append(crop)
                continue
            for ready in (*line.held, crop):
                window = self._append(line, ready, now)
                if window:
                    made.append(window)
            line.held.clear()
        return made

    def finish(self, now: float) -> list[Window]:
        """The video is over, and with it every track: with `short`, the windows that never got full."""
        return self._end(set(), now)

    def _end(self, going_on: set[str], now: float) -> list[Window]:
        over = [self._lines.pop(track) for track in list(self._lines) if track not in going_on]
        return [self._window(line, now) for line in over if self._short and line.crops and not line.seq]

    def _append(self, line: _Line, crop: Crop, now: float) -> Window | None:
        if line.crops and not self._continues(line.crops[-1].frame, crop.frame):
            line.crops.clear()
        line.crops.append(crop)
        line.since += 1
        del line.crops[: -self._frames]
        if len(line.crops) < self._frames or (line.seq and line.since < self._stride):
            return None
        return self._window(line, now)

    def _window(self, line: _Line, now: float) -> Window:
        window = Window(
            camera=self._camera,
            track=line.crops[-1].track,
            epoch=line.sample.epoch,
            seq=line.seq,
            frame_size=line.sample.size,
            quality=summary([c.measure for c in line.crops]),
            enqueued=now,
            frames=tuple(c.frame for c in line.crops),
        )
        line.seq, line.since = line.seq + 1, 0
        return window

    def _continues(self, last: Frame, new: Frame) -> bool:
        return new.index == last.index + 1 and 0 <= new.captured - last.captured <= self._max_gap
