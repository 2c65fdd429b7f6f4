"""The last seconds of one camera's packets, as they were received. Pure: nothing here knows FFmpeg.

Bounded by time and by bytes, and cut only in front of key frames, so that whatever is in it can be decoded. The
camera's thread adds; any thread may ask.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

MOST_BYTES = 32_000_000
BACK_S = 1.0  # frames come in another order than their packets, by less; by more the wall clock was set back
SLACK_S = 8.0  # an alert opens some seconds after its frames were taken: queue, batch, and `alerts.hold_s`

Size = tuple[int, int]


@dataclass(slots=True)
class Stretch:
    """What the packets of one opening of a source have in common: what it takes to decode them."""

    codec: str
    time_base: Fraction = Fraction(1, 90_000)  # of `pts` and `dts`
    extradata: bytes | None = None
    pix_fmt: str | None = None
    crop: tuple[int, int, int, int] | None = None  # x, y, width, height, of the upright picture
    rotation: int = 0  # degrees, as of the frames that were decoded
    template: Any = None  # what a muxer copies the stream's parameters from; None: they can't be copied
    pictures: bool = False  # not packets as received, but JPEGs of the frames that were analysed


@dataclass(slots=True, eq=False)
class Kept:
    """One packet. `captured` is known once its frame was decoded, and stays None where none came of it."""

    number: int  # grows through the life of the ring
    stretch: Stretch
    data: bytes = field(repr=False)
    pts: int | None
    dts: int | None
    key: bool
    captured: float | None = None


@dataclass(slots=True)
class _Group:
    """A key frame and what depends on it."""

    packets: list[Kept]
    size: int = 0

    @property
    def captured(self) -> float | None:
        return next((packet.captured for packet in self.packets if packet.captured is not None), None)


class PacketRing:
    """Packets of the last `seconds` and what it takes to decode them, but of no more than `most_bytes`."""

    def __init__(self, seconds: float, most_bytes: int = MOST_BYTES) -> None:
        self._seconds, self._most = seconds, most_bytes
        self._lock = threading.Lock()
        self._groups: deque[_Group] = deque()
        self._stretch: Stretch | None = None
        self._number = self._bytes = 0
        self._newest: float | None = None
        self._whole = False  # whether the next packet continues the last group

    @property
    def newest(self) -> float | None:
        """The newest capture time, or None when there is none."""
        return self._newest

    @property
    def stretch(self) -> Stretch | None:
        """What was begun last, its packets forgotten or not."""
        return self._stretch

    @property
    def wants_pictures(self) -> bool:
        """Whether it is to be filled with JPEGs, since the source's own packets are too large."""
        stretch = self._stretch
        return stretch is not None and stretch.pictures

    @property
    def size(self) -> int:
        """All packets together, bytes."""
        return self._bytes

    def clear(self) -> None:
        """The source is gone: what comes next has nothing to do with what is here."""
        with self._lock:
            self._groups.clear()
            self._bytes, self._newest, self._whole = 0, None, False

    def begin(self, stretch: Stretch) -> None:
        """The source was opened (again, where a file is looped); the next packets are of this stretch."""
        with self._lock:
            self._stretch, self._whole = stretch, False

    def add(self, data: bytes, pts: int | None, dts: int | None, key: bool) -> Kept | None:
        """Keep a packet; None where there is no key frame it could be decoded from. `begin` comes first."""
        with self._lock:
            assert self._stretch is not None
            if not (key or self._whole):
                return None
            self._number += 1
            kept = Kept(self._number, self._stretch, data, pts, dts, key)
            if key:
                self._groups.append(_Group([kept], len(data)))
            else:
                self._groups[-1].packets.append(kept)
                self._groups[-1].size += len(data)
            self._bytes += len(data)
            self._whole = True
            self._forget(lambda: self._bytes > self._most)
            return kept

    def stamp(self, kept: Kept, captured: float) -> None:
        """The packet's frame was decoded: this is when it was taken."""
        with self._lock:
            kept.captured = captured
            if not self._groups or kept.number < self._groups[0].packets[0].number:
                return  # forgotten meanwhile
            if self._newest is not None and captured < self._newest - BACK_S:  # nothing of before would ever grow old
                self._forget(lambda: len(self._groups) > 1 and self._groups[1].packets[0].number <= kept.number)
            self._newest = captured
            self._forget(lambda: self._second_reaches_back(captured - self._seconds))

    def change(self, kept: Kept, stretch: Stretch) -> None:
        """The picture's parameters changed at this packet: all before its group goes, the rest is of `stretch`."""
        with self._lock:
            self._stretch = stretch
            self._forget(lambda: len(self._groups) > 1 and self._groups[1].packets[0].number <= kept.number)
            for group in self._groups:
                for packet in group.packets:
                    packet.stretch = stretch

    def since(self, captured: float) -> list[Kept]:
        """All packets from the last key frame at or before `captured` on, else from the first, in decoding order."""
        with self._lock:
            return self._since(captured)

    def moment(self, captured: float, tolerance_s: float) -> list[Kept]:
        """What it takes to decode the frame nearest to `captured`, which is the last packet's; empty if none is near.

        Frames a key frame overtook (open groups, shown before it) need the group before theirs.
        """
        with self._lock:
            stamped = [packet for packet in self._since(float("-inf")) if packet.captured is not None]
            target = min(stamped, key=lambda packet: abs((packet.captured or 0.0) - captured), default=None)
            if target is None or target.captured is None or abs(target.captured - captured) > tolerance_s:
                return []
            return [packet for packet in self._since(target.captured) if packet.number <= target.number]

    def _since(self, captured: float) -> list[Kept]:
        groups, first = list(self._groups), 0
        for index, group in enumerate(groups):
            if group.captured is not None and group.captured <= captured:
                first = index
        return [packet for group in groups[first:] for packet in group.packets]

    def _second_reaches_back(self, captured: float) -> bool:
        return len(self._groups) > 1 and (self._groups[1].captured or float("inf")) <= captured

    def _forget(self, more: Callable[[], bool]) -> None:
        """Drop groups from the front for as long as `more()`; without its key frame the newest is lost as a whole."""
        while self._groups and more():
            self._bytes -= self._groups.popleft().size
        if not self._groups:
            self._newest, self._whole = None, False
