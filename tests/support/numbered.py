"""Clips whose every frame carries its own number, readable after any encoding; and a face's box beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SIZE = (320, 240)
BITS, BAR = 8, 32
BOX = (100.0, 120.0, 60.0, 80.0)
FPS = 25

Picture = NDArray[np.uint8]
CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    "h264": ("libx264", {"preset": "ultrafast", "g": "25", "bf": "0", "sc_threshold": "0"}, "mp4"),
    "b-frames": (
        "libx264",
        {"preset": "veryfast", "g": "25", "bf": "3", "sc_threshold": "0", "x264-params": "open-gop=1:b-pyramid=normal"},
        "mp4",
    ),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "keyint=25:log-level=none:pools=1"}, "mp4"),
    "mjpeg": ("mjpeg", {}, "avi"),
    "raw": ("rawvideo", {}, "nut"),
}


def picture(number: int, size: tuple[int, int] = SIZE) -> Picture:
    """A grey picture, BGR, with the bits of `number` (0..255) as bars along its top."""
    made = np.full((size[1], size[0], 3), 110, np.uint8)
    for bit in range(BITS):
        made[:40, bit * BAR : (bit + 1) * BAR] = 230 if number >> bit & 1 else 25
    made[:, -8:] = 40 + number % 50 * 4  # so that no frame is the repetition of another
    return made


def read(made: Picture) -> int:
    """The number in such a picture."""
    return sum(int(made[8:32, bit * BAR + 8 : (bit + 1) * BAR - 8].mean() > 128) << bit for bit in range(BITS))


def write(path: Path, kind: str, count: int = 100, first: int = 0, size: tuple[int, int] = SIZE) -> Path:
    """`count` numbered frames, 25 a second, a key frame every second; `kind`: one of CODECS."""
    codec, options, extension = CODECS[kind]
    path = path.with_suffix(f".{extension}")
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=FPS, options=options, width=size[0], height=size[1])
        stream.pix_fmt = "yuvj420p" if kind == "mjpeg" else "yuv420p"
        stream.thread_count = 1
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(first + index, size), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def packets(path: Path) -> list[Any]:
    """The packets of a file: (bytes, pts, dts, key), times in seconds."""
    with av.open(str(path)) as container:
        return [
            (bytes(p), float((p.pts or 0) * p.time_base), float((p.dts or 0) * p.time_base), p.is_keyframe)
            for p in container.demux(video=0)
            if p.size
        ]


def annexb(path: Path) -> Path:
    """The file's H.264 as a raw stream, with parameter sets in it, as a camera's network stream has them."""
    raw = path.with_suffix(".h264")
    with av.open(str(path)) as source, av.open(str(raw), "w", format="h264") as sink:
        stream = source.streams.video[0]
        copy = sink.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                sink.mux(packet)
    return raw


def units(data: bytes, prefixed: bool) -> list[bytes]:
    """The coded slices in a packet of H.264, either length-prefixed or between start codes."""
    found = []
    if prefixed:
        while data:
            size = int.from_bytes(data[:4], "big")
            found.append(data[4 : 4 + size])
            data = data[4 + size :]
    else:
        found = [unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", data) if unit.rstrip(b"\0")]
    return [unit.rstrip(b"\0") for unit in found if unit[0] & 31 in (1, 5)]


def numbers(pictures: Iterator[av.VideoFrame]) -> list[int]:
    """The numbers in decoded frames."""
    return [read(frame.to_ndarray(format="bgr24")) for frame in pictures]
