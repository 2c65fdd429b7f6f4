"""Rings filled by a real reader from numbered clips."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path

from streamer import sources
from streamer.reader import Context, Reader
from streamer.recorder import keep_picture
from streamer.ring import PacketRing
from tests.streamer.conftest import FastTime
from tests.support import numbered
from wire.messages import Evidence, Frame, Quality
from wire.settings import CameraSettings


@dataclass
class Recorded:
    """A ring, and the capture time and number (where the picture is whole) of every frame that was read."""

    ring: PacketRing
    times: list[float]
    numbers: list[int]


def record(
    path: Path,
    most: int = 10_000,
    loop: bool = False,
    ring: PacketRing | None = None,
    crop: tuple[int, int, int, int] | None = None,
    start: float = 1000.0,
) -> Recorded:
    """Read a file as a camera's thread would, in a time of its own from `start` on."""
    fast = FastTime()
    fast.now = start
    made = Recorded(ring or PacketRing(3600), [], [])
    source = dataclasses.replace(sources.parse(CameraSettings(url=str(path), loop=loop)), crop=crop)
    with Reader(source, Context(fast.stop, fast.clock, made.ring)) as reader:
        for frame in itertools.islice(reader.frames(), most):
            view = frame.view()
            keep_picture(made.ring, view, frame.captured)
            made.times.append(frame.captured)
            if crop is None:
                made.numbers.append(numbered.read(view.bgr()))
    return made


def evidence(captured: float, alert: str = "a", size: tuple[int, int] = numbered.SIZE) -> Evidence:
    """A window of two frames, the newest of `captured`."""
    frames = tuple(Frame(index, captured - (1 - index) / 6, numbered.BOX, b"jpeg") for index in range(2))
    quality = Quality(face_px=80.0, sharpness=50.0, brightness=120.0)
    return Evidence(
        alert=alert, window="cam/1-1/0", model="m", threshold=0.5, p_fake=0.9, quality=quality, frame_size=size,
        frames=frames,
    )  # fmt: skip
