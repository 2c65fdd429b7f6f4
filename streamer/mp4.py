"""Kept packets as an MP4 a browser plays: H.264 as it was received where that can be, else encoded anew."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.reformatter import VideoReformatter

from streamer.pixels import Picture, upright
from streamer.playback import decode
from streamer.ring import Kept

TICKS = 90_000  # a second, in what is written here
STEP = TICKS // 25  # between packets whose times say nothing
JUMP_S = 5.0  # a packet this much later than the one before was renumbered
MOST_BYTES = 16_000_000
LONGEST_SIDE = 1920  # of a picture that is encoded anew
COPIED = ("yuv420p", "yuvj420p")  # what browsers decode
OPTIONS = {"movflags": "+faststart"}
ENCODER = {"preset": "veryfast", "crf": "23", "g": "50", "bf": "0"}
SPARE = 0.8  # of the size limit, for the encoder to aim at


@dataclass(frozen=True, slots=True)
class Made:
    """A clip: the capture times of its first and last frame, and the file."""

    started: float
    ended: float
    as_received: bool
    mp4: bytes


class Stopped(Exception):
    """There is no time left to make a clip."""


def make(packets: Sequence[Kept], stopped: Callable[[], bool], most: int = MOST_BYTES) -> Made | None:
    """The clip of `packets`, which begin with a key frame; None where none of them has a picture, or it is too large.

    Raises Stopped, and av.error.FFmpegError or ValueError where the packets can't be decoded.
    """
    times = [kept.captured for kept in packets if kept.captured is not None]
    if not times:
        return None
    copied = can_copy(packets) and sum(len(kept.data) for kept in packets) < SPARE * most
    with _file() as path:
        if copied:
            _copy(packets, path)
        else:
            _encode(packets, path, max(times) - min(times), most, stopped)
        mp4 = path.read_bytes() if path.stat().st_size <= most else b""
    return Made(min(times), max(times), copied, mp4) if mp4 else None


@contextlib.contextmanager
def _file() -> Iterator[Path]:
    """A file that FFmpeg writes and reads again, to put the index first: in memory where the system has such files,
    since a confined streamer may write no others.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            yield Path(folder) / "clip.mp4"
        return
    number = os.memfd_create("clip.mp4")
    try:
        yield Path(f"/proc/self/fd/{number}")
    finally:
        os.close(number)


def can_copy(packets: Sequence[Kept]) -> bool:
    """Whether these are H.264 of one kind, upright and whole, that needs no decoding to be shown."""
    kinds = {(k.stretch.codec, k.stretch.extradata, k.stretch.pix_fmt, k.stretch.rotation) for k in packets}
    if len(kinds) != 1:
        return False
    codec, _, pix_fmt, rotation = kinds.pop()
    whole = not rotation and all(k.stretch.crop is None and k.stretch.template is not None for k in packets)
    return codec == "h264" and pix_fmt in COPIED and whole


def timeline(packets: Sequence[Kept]) -> list[tuple[int, int]]:
    """(pts, dts) of each packet, in ticks from the first's dts on; dts grows, and pts is never before it.

    As the packets' own timestamps say. Where these break off (a file played again, a camera that renumbers), it goes
    on by capture time. Packets without timestamps have their capture times.
    """
    made: list[tuple[int, int]] = []
    origin = next((kept.captured for kept in packets if kept.captured is not None), 0.0)
    offset, before = 0, None
    for kept in packets:
        pts, dts = _own(kept)
        broken = before is None or before[0] is not kept.stretch or not 0 <= dts - before[1] < JUMP_S * TICKS
        if broken and made:
            by_clock = None if kept.captured is None else made[0][0] + round((kept.captured - origin) * TICKS)
            offset = (made[-1][1] + STEP if by_clock is None else by_clock) - pts
        before = kept.stretch, dts
        dts = max(dts + offset, made[-1][1] + 1) if made else dts
        made.append((max(pts + offset, dts), dts))
    first = made[0][1] if made else 0
    return [(pts - first, dts - first) for pts, dts in made]


def _own(kept: Kept) -> tuple[int, int]:
    scale = kept.stretch.time_base * TICKS
    pts = kept.pts if kept.pts is not None else kept.dts
    if pts is None:
        pts = round((kept.captured or 0.0) * TICKS / scale)
    dts = kept.dts if kept.dts is not None else pts
    return round(pts * scale), round(dts * scale)


def _copy(packets: Sequence[Kept], path: Path) -> None:
    with av.open(str(path), "w", format="mp4", options=OPTIONS) as container:
        stream = container.add_stream_from_template(packets[0].stretch.template)
        for kept, (pts, dts) in zip(packets, timeline(packets), strict=True):
            packet: Packet[Any] = Packet(kept.data)
            packet.stream, packet.time_base = stream, Fraction(1, TICKS)
            packet.pts, packet.dts, packet.is_keyframe = pts, dts, kept.key
            container.mux(packet)


def _encode(packets: Sequence[Kept], path: Path, seconds: float, most: int, stopped: Callable[[], bool]) -> None:
    ceiling = round(SPARE * most * 8 / max(seconds, 1.0))  # bits a second
    options = {**ENCODER, "maxrate": str(ceiling), "bufsize": str(ceiling)}
    with av.open(str(path), "w", format="mp4", options=OPTIONS) as container:
        stream: Any = None
        for picture, pts in _pictures(packets, stopped):
            if stream is None:
                height, width = _size(picture)
                rate = max(1, round(len(packets) / max(seconds, 1.0)))
                stream = container.add_stream("libx264", rate=rate, options=options, width=width, height=height)
                stream.codec_context.time_base = Fraction(1, TICKS)
                stream.codec_context.thread_count = 1
            if picture.shape[:2] != (stream.height, stream.width):
                size = stream.width, stream.height
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = pts, Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("no picture")
        container.mux(stream.encode())


def _pictures(packets: Sequence[Kept], stopped: Callable[[], bool]) -> Iterator[tuple[Picture, int]]:
    """Upright pictures and their times in ticks, growing; frames whose time nobody knows are left out."""
    reformatter = VideoReformatter()
    origin, before = None, -1
    for kept, frame in decode(packets):
        if stopped():
            raise Stopped
        if kept.captured is None:
            continue
        origin = kept.captured if origin is None else origin
        before = max(before + 1, round((kept.captured - origin) * TICKS))
        yield upright(frame, reformatter, kept.stretch.rotation, kept.stretch.crop), before


def _size(picture: Picture) -> tuple[int, int]:
    """Height and width to encode: even, and no longer than LONGEST_SIDE."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(2, round(height * scale) // 2 * 2), max(2, round(width * scale) // 2 * 2)
