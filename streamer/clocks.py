"""When each frame was taken, as far as its timestamp and its arrival tell. Pure: times are passed in."""

from __future__ import annotations

import math


class CaptureClock:
    """Wall time at which a frame was taken, from its timestamp and its arrival.

    Networks and decoders delay frames but never hasten them, so the smallest difference between arrival and timestamp
    seen so far is the best estimate of the offset between the two clocks. Cameras that pause for half a second around
    a key frame thus keep an even capture clock, and how far we lag behind the camera is known. Where we wait for frames
    for a good part of the time, they are not late through our fault, and the offset gives way: that follows clocks that
    run slower than ours, and the made-up timestamps of MJPEG. Where we do not, the frame lay in a buffer meanwhile, for
    however long, and is as old as it says. A wait now and then is none: on a machine that has too much to do, a thread
    waits for its turn as well.
    """

    FOLLOW_S = 0.5  # time constant of giving way
    IDLE_S = 0.005  # a frame that is there already takes less
    SPAN_S = 1.0  # over which it is judged how much of the time is spent waiting
    SPARE = 0.25  # of the time: who waits for so much keeps up. With cores too few by half it is .02 to .11
    BACK_S = 0.5  # a wall clock set back by less is waited for
    JUMP_S = 5.0  # a frame that was waited for and says it is older than this was renumbered, not delayed

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last_pts = 0.0
        self._last = self._arrived = float("-inf")
        self._waiting = 0.0  # share of the last SPAN_S
        self.kept_up = False  # whether the newest frame was waited for by someone who has time to wait

    def stamp(self, pts: float | None, arrival: float, waited_s: float) -> float:
        """Capture time: never after `arrival`, never before that of the frame before. `waited_s`: for the frame.

        Unless the wall clock is set back by more than BACK_S: capture times then begin anew.
        """
        if arrival < self._last - self.BACK_S:
            self._offset, self._last = None, float("-inf")
        self._judge(arrival, waited_s)
        captured = arrival
        if pts is not None:
            offset = arrival - pts
            late = offset - self._offset if self._offset is not None else 0.0
            if self._offset is None or pts < self._last_pts or (self.kept_up and late > self.JUMP_S):
                self._offset = offset
            elif self.kept_up and late > 0:
                # By the frames' own time: one frame after a long silence must not move the offset much.
                self._offset += (offset - self._offset) * (1 - math.exp((self._last_pts - pts) / self.FOLLOW_S))
            self._offset = min(self._offset, offset)
            captured = pts + self._offset
            self._last_pts = pts
        self._last = max(self._last, min(captured, arrival))
        return self._last

    def _judge(self, arrival: float, waited_s: float) -> None:
        passed = max(arrival - self._arrived, waited_s, 1e-3)
        kept = math.exp(-passed / self.SPAN_S)
        self._waiting = kept * self._waiting + (1 - kept) * min(1.0, waited_s / passed)
        self._arrived = arrival
        self.kept_up = waited_s > self.IDLE_S and self._waiting > self.SPARE


class MediaClock:
    """Seconds of video shown so far, from timestamps that may be missing, start anywhere, or be renumbered.

    Never runs backwards. `step` (seconds) stands in where a timestamp is missing; a step of more than `jump_s` is a
    renumbering. In a file a long pause is real, so there it is infinite.
    """

    def __init__(self, step: float, jump_s: float = float("inf")) -> None:
        self._step, self._jump = step, jump_s
        self._offset: float | None = None
        self._last = -step

    def at(self, pts: float | None) -> float:
        """Media time of the next frame; 0 for the first."""
        media = self._last + self._step
        if pts is not None:
            if self._offset is None or not -self._jump < pts + self._offset - self._last < self._jump:
                self._offset = media - pts
            media = max(pts + self._offset, self._last)
        self._last = media
        return media

    def rewind(self) -> None:
        """The same file begins again; time goes on one step after its last frame."""
        self._offset = None
