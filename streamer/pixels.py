"""A decoded frame as upright BGR pictures: the same for the analysis and for the evidence, so that boxes fit both.

Converting costs as much as half the decoding, so a frame is converted only where somebody looks at it: all of it for a
search of the whole picture, else just the surroundings of the followed faces, cut out of the decoder's own planes.
Both ways give the same pixels.
"""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Region = tuple[int, int, int, int]  # x, y, width, height in pixels

# Formats that can be cut before they are converted, limited and full range: a brightness for each pixel, two colours
# for each four. FFmpeg converts the others, nv12 among them, with filters that look over the edge of a part.
CUTTABLE = ("yuv420p", "yuvj420p")
STEPS = (1, 2, 2)  # pixels of the picture for one sample of each plane, in each direction
STEP = 32  # sizes of cut-out parts: the converter is set up anew for each size it has not just had


class View:
    """One picture, and the parts of it that are asked for. For one thread, and read-only: the parts share memory."""

    def __init__(self, bgr: Picture) -> None:
        self._bgr: Picture | None = bgr
        self.size = (bgr.shape[1], bgr.shape[0])

    def bgr(self) -> Picture:
        """All of it: uint8, height x width x 3, upright."""
        assert self._bgr is not None
        return self._bgr

    def part(self, region: Region) -> Picture:
        """That part of `bgr`, which must lie within the picture."""
        x, y, width, height = region
        return self.bgr()[y : y + height, x : x + width]

    def blocks(self, across: int) -> Picture:
        """The mean brightness of square blocks, so many `across`: uint8, rows x `across`."""
        return cv2.cvtColor(_reduced(self.bgr(), across), cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)


class FrameView(View):
    """A decoded frame, converted when asked for. `part` and `whole`: reformatters that are kept from frame to frame."""

    def __init__(
        self,
        frame: av.VideoFrame,
        whole: VideoReformatter,
        part: VideoReformatter,
        rotation: int = 0,
        crop: Region | None = None,
    ) -> None:
        self._frame, self._whole, self._part, self._rotation, self._crop = frame, whole, part, rotation, crop
        self._bgr = None
        self.size = crop[2:] if crop else turned((frame.width, frame.height), rotation)

    def bgr(self) -> Picture:
        """All of it, converted once."""
        if self._bgr is None:
            self._bgr = upright(self._frame, self._whole, self._rotation, self._crop)
        return self._bgr

    def part(self, region: Region) -> Picture:
        """That part of `bgr`, which must lie within the picture."""
        if self._bgr is not None or not self._cuttable:
            return super().part(region)
        x, y, width, height = region
        if self._crop:
            x, y = x + self._crop[0], y + self._crop[1]
        left, top = x - x % 2, y - y % 2
        size = (_up(x + width - left), _up(y + height - top))
        small = _cut(self._frame, left, top, size)
        picture = to_bgr(small, self._part)
        return picture[y - top : y - top + height, x - left : x - left + width]

    def blocks(self, across: int) -> Picture:
        """The mean brightness of square blocks, so many `across`: uint8, rows x `across`."""
        if not self._cuttable or self._crop:
            return super().blocks(across)
        return _reduced(_samples(self._frame, 0), across)

    @property
    def _cuttable(self) -> bool:
        return self._frame.format.name in CUTTABLE and not round(self._rotation / 90) % 4


def upright(frame: av.VideoFrame, reformatter: VideoReformatter, rotation: int, crop: Region | None) -> Picture:
    """uint8, height x width x 3. `rotation`: degrees counterclockwise; `crop`: x, y, width, height after turning."""
    picture = to_bgr(frame, reformatter)
    if turns := round(rotation / 90) % 4:  # phones film sideways and say so
        picture = np.ascontiguousarray(np.rot90(picture, turns))
    if crop:
        x, y, width, height = crop
        picture = np.ascontiguousarray(picture[y : y + height, x : x + width])
    return picture


def to_bgr(frame: av.VideoFrame, reformatter: VideoReformatter) -> Picture:
    """uint8, height x width x 3, as the camera sent it. In this thread alone: the cameras share the processor."""
    return reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray().astype(np.uint8, copy=False)


def turned(size: tuple[int, int], rotation: int) -> tuple[int, int]:
    """Width and height after turning by so many degrees."""
    return (size[1], size[0]) if rotation % 180 else size


def _reduced(picture: Picture, across: int) -> Picture:
    size = across, max(1, round(across * picture.shape[0] / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _up(length: int) -> int:
    return -(-length // STEP) * STEP


def _cut(frame: av.VideoFrame, left: int, top: int, size: tuple[int, int]) -> av.VideoFrame:
    """A frame of that size, with what `frame` shows from (left, top) on; beyond its edge, nothing in particular."""
    part = av.VideoFrame(*size, frame.format.name)
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    for index, step in enumerate(STEPS):
        source, target = _samples(frame, index), _samples(part, index)
        piece = source[top // step :, left // step :][: target.shape[0], : target.shape[1]]
        target[: piece.shape[0], : piece.shape[1]] = piece
    return part


def _samples(frame: av.VideoFrame, index: int) -> Picture:
    """A plane's samples without its padding, in place."""
    plane: Any = frame.planes[index]  # PyAV's types don't say that it is a buffer
    rows: Picture = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
