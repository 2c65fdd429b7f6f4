"""Cutting the square picture of a face out of a frame, and how good that picture is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np

from streamer.faces import Landmarks
from streamer.pixels import Picture, View
from wire.messages import Box, Quality

SHARPNESS_PX = 112  # sharpness is measured at this size, so that it does not depend on the crop's


@dataclass(frozen=True, slots=True)
class Measure:
    """How good one crop is; the fields are those of `wire.messages.Quality`."""

    face_px: float
    sharpness: float
    brightness: float
    yaw: float | None


def square(box: Box, margin: float) -> tuple[int, int, int]:
    """Left, top and side of the square of side `margin` * longer side of `box` around its centre, whole pixels."""
    x, y, width, height = box
    side = max(2, round(margin * max(width, height)))
    return round(x + width / 2 - side / 2), round(y + height / 2 - side / 2), side


def cut(view: View, box: Box, margin: float, size: int) -> Picture:
    """The square of side `margin` * longer side of `box` around its centre, resized to `size` x `size` pixels.

    What lies outside of the frame repeats the frame's edge.
    """
    left, top, side = square(box, margin)
    columns, rows = view.size
    # A box wholly outside of the frame can only come from rounding at its edge; one row or column is then repeated.
    x0, x1 = min(max(left, 0), columns - 1), max(min(left + side, columns), 1)
    y0, y1 = min(max(top, 0), rows - 1), max(min(top + side, rows), 1)
    inside = view.part((x0, y0, max(x1 - x0, 1), max(y1 - y0, 1)))
    before_y, before_x = min(max(0, -top), side), min(max(0, -left), side)
    after_y, after_x = side - before_y - inside.shape[0], side - before_x - inside.shape[1]
    if before_y or before_x or after_y > 0 or after_x > 0:
        inside = cv2.copyMakeBorder(
            inside, before_y, max(after_y, 0), before_x, max(after_x, 0), cv2.BORDER_REPLICATE
        ).astype(np.uint8, copy=False)
    shape = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return cv2.resize(inside, (size, size), interpolation=shape).astype(np.uint8, copy=False)


def middle(picture: Picture, share: float) -> Picture:
    """The centred square of `share` of a square picture's side, at most all of it: not copied.

    Of 224 px and a share of 4/7 it begins at 48: a multiple of JPEG's 16, so that its blocks are those of the whole
    picture and its pixels decode to the same values.
    """
    side = min(len(picture), max(2, round(share * len(picture))))
    edge = (len(picture) - side) // 2
    return picture[edge : edge + side, edge : edge + side]


def encode(bgr: Picture, quality: int) -> bytes:
    """JPEG of `bgr`, quality 0..100."""
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def measure(crop: Picture, box: Box, landmarks: Landmarks | None) -> Measure:
    """The quality of one crop of the face that was detected in `box`."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (SHARPNESS_PX, SHARPNESS_PX), interpolation=cv2.INTER_AREA)
    return Measure(
        face_px=max(box[2], box[3]),
        sharpness=float(cv2.Laplacian(small, cv2.CV_64F).var()),
        brightness=float(grey.mean()),
        yaw=yaw(landmarks) if landmarks else None,
    )


def yaw(landmarks: Landmarks) -> float | None:
    """Offset of the nose from the middle of the eyes, along the line between them, over their distance."""
    right, left, nose = landmarks[:3]
    across, down = left[0] - right[0], left[1] - right[1]
    distance = math.hypot(across, down)
    if distance < 1e-6:
        return None  # full profile: both eyes at one place
    middle_x, middle_y = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
    return ((nose[0] - middle_x) * across + (nose[1] - middle_y) * down) / distance**2


def summary(measures: Sequence[Measure]) -> Quality:
    """Medians over a window's frames; the yaw's where at least half of the frames have landmarks."""
    yaws = [m.yaw for m in measures if m.yaw is not None]
    return Quality(
        face_px=median(m.face_px for m in measures),
        sharpness=median(m.sharpness for m in measures),
        brightness=median(m.brightness for m in measures),
        yaw=median(yaws) if 2 * len(yaws) >= len(measures) and yaws else None,
    )
