"""From a picture to one crop: cut as the streamer cuts, or kept whole where the face fills it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from streamer import crops
from streamer.faces import Detector, Face
from streamer.pixels import Picture, View
from streamer.tracking import iou, longer
from unmask.data.clips import within
from wire.messages import Box
from wire.settings import Settings
from worker.training.store import Points

BORDER = 48 / 224  # of the shorter side: faces that fill the picture are found only with something around them
HINT_IOU = 0.2
SQUARE = 1.15  # longer over shorter side up to which a picture counts as a crop somebody made
JPEG = b"\xff\xd8\xff"
LARGEST = 2.0  # in crop sizes: a larger picture is not kept as it is


class Still(NamedTuple):
    """One crop: `margin` is its side over max(w, h) of the face, `size` its side in pixels."""

    jpeg: bytes
    margin: float
    size: int
    points: Points | None


def still(path: Path, detector: Detector, settings: Settings, margin: float, hint: Box | None) -> Still | None:
    """The crop of the face in a picture, the one at `hint` or the largest; None where there is none.

    `margin`: the picture is a crop of that margin, and is kept even where no face is found in it; 0: unknown. Raises
    OSError and ValueError for what is no picture.
    """
    raw = path.read_bytes()
    bgr = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR) if raw else None
    if bgr is None:
        raise ValueError("not a picture OpenCV can decode")
    picture = bgr.astype(np.uint8, copy=False)
    if margin:
        face = choose(bordered(picture, detector), hint)
        return whole(raw, picture, face, margin, settings)
    face = choose(detector.detect(picture), hint) or choose(bordered(picture, detector), hint)
    if face is None:
        return None
    short, long = sorted(picture.shape[:2])
    if short < settings.window.crop_margin * longer(face.box) and long <= SQUARE * short:
        return whole(raw, picture, face, short / longer(face.box), settings)
    margin, size = settings.window.crop_margin, settings.window.crop_size
    crop = crops.encode(crops.cut(View(picture), face.box, margin, size), settings.window.jpeg_quality)
    return Still(crop, margin, size, within(face.landmarks, face.box, margin, size) if face.landmarks else None)


def bordered(picture: Picture, detector: Detector) -> list[Face]:
    """Faces found with the picture's edge repeated around it, in the picture's own pixels."""
    pad = round(BORDER * min(picture.shape[:2]))
    wide = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    return [moved(face, -pad) for face in detector.detect(wide)]


def moved(face: Face, by: float) -> Face:
    """`face` with `by` pixels added to every coordinate."""
    x, y, width, height = face.box
    points = tuple((a + by, b + by) for a, b in face.landmarks) if face.landmarks else None
    return Face((x + by, y + by, width, height), face.score, points)  # type: ignore[arg-type]


def choose(faces: Sequence[Face], hint: Box | None) -> Face | None:
    """The face at `hint`, or the largest without one."""
    if hint is None:
        return max(faces, key=lambda face: longer(face.box), default=None)
    best = max(faces, key=lambda face: iou(face.box, hint), default=None)
    return best if best is not None and iou(best.box, hint) > HINT_IOU else None


def whole(raw: bytes, picture: Picture, face: Face | None, margin: float, settings: Settings) -> Still:
    """The picture as it is, to the byte where it is a square JPEG of about the crops' size; else its middle square."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    verbatim = height == width and raw.startswith(JPEG) and side <= LARGEST * settings.window.crop_size
    size = side if verbatim else min(side, settings.window.crop_size)
    if not verbatim:
        square = np.ascontiguousarray(picture[top : top + side, left : left + side])
        method = cv2.INTER_AREA
        raw = crops.encode(cv2.resize(square, (size, size), interpolation=method).astype(np.uint8, copy=False),
                           settings.window.jpeg_quality)  # fmt: skip
    points: Points | None = None
    if face is not None and face.landmarks:
        scale = size / side
        points = tuple(round((v - o) * scale, 2) for p in face.landmarks for v, o in zip(p, (left, top), strict=True))
    return Still(raw, round(margin, 4), size, points)
