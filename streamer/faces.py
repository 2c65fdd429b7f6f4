"""Finding faces in a picture: YuNet where its file can be had, else OpenCV's Haar cascade."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from streamer.nets import Nets
from streamer.pixels import Picture
from wire.messages import Box

Point = tuple[float, float]
Landmarks = tuple[Point, Point, Point, Point, Point]

CASCADE = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
YUNET_SCORE = 0.7
YUNET_STRIDE = 32  # its input is filled up to a multiple of it, and the network laid out for that
YUNET_MAX_PX = 300  # above this YuNet misses faces: a close-up is searched once more, smaller
# On 120 photographs and frames of 80 videos: 85 % of the faces YuNet finds, no box elsewhere; a finer scale of 1.15
# finds 86 %, and something that is no face in every 20th picture.
HAAR_NEIGHBOURS = 5
HAAR_SCALE = 1.2
HAAR_MIN_PX = 24  # the cascade was trained on 20x20 px
# Haar's square against YuNet's box for the same face, in units of the square's side: offset of the centre, width,
# height. Medians over the demo's portrait and 182 photographs at 640x360 (standard deviations 0.08, 0.03, 0.07, 0.09);
# mapped boxes overlap YuNet's with a median IoU of 0.83 (5th percentile 0.63).
HAAR_TO_YUNET = (0.0, 0.02, 0.88, 1.15)


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face, in pixels of the whole frame."""

    box: Box
    score: float
    landmarks: Landmarks | None = None  # right eye, left eye, nose tip, right and left corner of the mouth

    def scaled(self, scale: float, left: float = 0.0, top: float = 0.0) -> Face:
        """This face where every pixel is `scale` pixels and the picture begins at (left, top) of a larger one."""
        x, y, width, height = (value * scale for value in self.box)
        points = tuple((a * scale + left, b * scale + top) for a, b in self.landmarks) if self.landmarks else None
        return Face((x + left, y + top, width, height), self.score, points)  # type: ignore[arg-type]


class Detector(Protocol):
    """The seam: anything that finds faces. Shared between the cameras' threads."""

    name: str

    def detect(self, bgr: Picture) -> list[Face]:
        """Faces in a whole frame `bgr` (uint8, height x width x 3), in its own pixels, in no particular order."""
        ...

    def width(self, frame: int) -> int:
        """How wide `detect` makes a frame that is `frame` pixels wide, before it searches it."""
        ...

    def look(self, bgr: Picture) -> list[Face]:
        """Faces in a part of a frame that has been reduced to that scale already, in its own pixels."""
        ...


class YuNet:
    """YuNet (Wu et al., 2023): boxes with five landmarks."""

    name = "yunet"

    def __init__(self, model: Path, detect_width: int) -> None:
        self._width = detect_width
        self._nets = Nets(lambda: cv2.FaceDetectorYN.create(str(model), "", (320, 320), YUNET_SCORE, 0.3, 500))

    def detect(self, bgr: Picture) -> list[Face]:
        """Faces of about 10 to 300 px of the reduced picture, and close-ups."""
        found = self._search(bgr, self._width)
        longest = max(bgr.shape[0] / bgr.shape[1], 1) * min(self._width, bgr.shape[1])
        if not found and longest > YUNET_MAX_PX:
            found = self._search(bgr, round(self._width * 0.4))
        return found

    def width(self, frame: int) -> int:
        """As wide as it was told to."""
        return min(self._width, frame)

    def look(self, bgr: Picture) -> list[Face]:
        """Faces of about 10 to 300 px."""
        size = bgr.shape[1], bgr.shape[0]
        with self._nets.take((_up(size[0]), _up(size[1]))) as net:
            net.setInputSize(size)
            _, rows = net.detect(bgr)
        return [] if rows is None else [self._face(row, float(row[14])) for row in rows]

    def _search(self, bgr: Picture, width: int) -> list[Face]:
        small, scale = shrink(bgr, width)
        return [face.scaled(scale) for face in self.look(small)]

    @staticmethod
    def _face(row: Any, score: float) -> Face:
        x, y, width, height, *points = (float(value) for value in row[:14])
        pairs = tuple((points[i], points[i + 1]) for i in range(0, 10, 2))
        return Face((x, y, width, height), score, pairs)  # type: ignore[arg-type]


class Haar:
    """OpenCV's frontal face cascade alt2; its squares are mapped to the boxes YuNet would give."""

    name = "haar"

    def __init__(self, detect_width: int, min_face_px: float) -> None:
        self._width, self._min_face = detect_width, min_face_px
        self._nets = Nets(lambda: cv2.CascadeClassifier(str(CASCADE)))

    def detect(self, bgr: Picture) -> list[Face]:
        """Upright frontal faces. The picture is made no larger than the smallest wanted face needs: time is area."""
        small, scale = shrink(bgr, self.width(bgr.shape[1]))
        return [face.scaled(scale) for face in self.look(small)]

    def width(self, frame: int) -> int:
        """So wide that the smallest wanted face is as large as the cascade's smallest."""
        needed = round(frame * HAAR_MIN_PX / (self._min_face * HAAR_TO_YUNET[2]))
        return min(frame, max(160, min(self._width, needed)))

    def look(self, bgr: Picture) -> list[Face]:
        """Upright frontal faces of 24 px and more."""
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
        with self._nets.take((0, 0)) as net:
            squares = net.detectMultiScale(grey, HAAR_SCALE, HAAR_NEIGHBOURS, minSize=(HAAR_MIN_PX, HAAR_MIN_PX))
        return [Face(like_yunet(*(float(value) for value in square)), 1.0) for square in squares]


def like_yunet(x: float, y: float, width: float, height: float) -> Box:
    """The box YuNet would give for the face in one of Haar's squares."""
    dx, dy, across, down = HAAR_TO_YUNET
    centre_x, centre_y = x + width * (0.5 + dx), y + height * (0.5 + dy)
    return centre_x - width * across / 2, centre_y - height * down / 2, width * across, height * down


def shrink(bgr: Picture, width: int) -> tuple[Picture, float]:
    """`bgr` no wider than `width`, and what its pixels must be multiplied with to be the original's."""
    if bgr.shape[1] <= width:
        return bgr, 1.0
    scale = bgr.shape[1] / width
    return resize(bgr, (width, max(1, round(bgr.shape[0] / scale)))), scale


def _up(length: int) -> int:
    return -(-length // YUNET_STRIDE) * YUNET_STRIDE


def resize(bgr: Picture, size: tuple[int, int]) -> Picture:
    """`bgr` with that width and height."""
    if (bgr.shape[1], bgr.shape[0]) == size:
        return np.ascontiguousarray(bgr)
    return cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
