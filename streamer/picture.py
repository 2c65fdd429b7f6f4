"""The whole frame of an alert with its face boxed, for its evidence."""

from __future__ import annotations

import math

from streamer import crops, playback
from streamer.pixels import Picture as Pixels
from streamer.ring import PacketRing
from wire.messages import Box, Evidence, Picture

JPEG_QUALITY = 90
LINE_PX = 2
RED = (60, 60, 235)
TOLERANCE_S = 0.02  # frames this far apart are two


def make(ring: PacketRing, evidence: Evidence) -> Picture | None:
    """The newest frame of the evidence's window; None where the ring does not hold it.

    Raises av.error.FFmpegError or ValueError where it can't be decoded.
    """
    newest = evidence.frames[-1]
    packets = ring.moment(newest.captured, TOLERANCE_S)
    pixels = playback.last(packets) if packets else None
    if pixels is None or pixels.shape[1::-1] != evidence.frame_size:
        return None
    draw(pixels, newest.box)
    return Picture(
        alert=evidence.alert,
        captured=packets[-1].captured or newest.captured,
        box=newest.box,
        frame_size=evidence.frame_size,
        jpeg=crops.encode(pixels, JPEG_QUALITY),
    )


def draw(pixels: Pixels, box: Box) -> None:
    """A line around the box, not one pixel of which is in it."""
    x, y, width, height = box
    left, top = math.floor(x), math.floor(y)
    right, bottom = math.ceil(x + width), math.ceil(y + height)
    rows = slice(max(0, top - LINE_PX), max(0, bottom + LINE_PX))
    columns = slice(max(0, left - LINE_PX), max(0, right + LINE_PX))
    for edge in (top - LINE_PX, bottom):
        pixels[max(0, edge) : max(0, edge + LINE_PX), columns] = RED
    for edge in (left - LINE_PX, right):
        pixels[rows, max(0, edge) : max(0, edge + LINE_PX)] = RED
