"""Finding faces while packing: boxes and five points from a YuNet file, and the crop the streamer would cut.

The detector's file is an argument; serving never comes here, the streamer has its own.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from worker.preprocess import STREAM_MARGIN, Image
from worker.training.data import Points

Box = tuple[float, float, float, float]
LONG_SIDE = 480  # YuNet finds faces of 10 to 300 px: larger pictures are scaled down to this first


class Face(msgspec.Struct, frozen=True):
    """A found face: box x, y, w, h and ten coordinates of five points, in pixels of the picture."""

    box: Box
    points: Points


class FaceFinder:
    """YuNet (Wu et al., 2023) on pictures of any size."""

    def __init__(self, model: Path, confidence: float = 0.75) -> None:
        self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), confidence)

    def find(self, image: Image, near: Box | None = None) -> Face | None:
        """The largest face, or the one that overlaps `near` most; None when there is none."""
        scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, found = self._net.detect(small)
        if found is None:
            return None
        faces = [Face(_four(row[:4]), tuple(float(v) for v in row[4:14])) for row in np.asarray(found) / scale]
        if near is None:
            return max(faces, key=lambda face: face.box[2] * face.box[3])
        best = max(faces, key=lambda face: overlap(face.box, near))
        return best if overlap(best.box, near) > 0.2 else None


def _four(row: npt.NDArray[np.float32]) -> Box:
    return float(row[0]), float(row[1]), float(row[2]), float(row[3])


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(0.0, width) * max(0.0, height)
    return both / (a[2] * a[3] + b[2] * b[3] - both + 1e-9)


def cut(image: Image, face: Face, size: int, margin: float = STREAM_MARGIN) -> tuple[Image, Points]:
    """The square of side margin * max(w, h) centred on the face's box, as (size, size, 3), and its points there.

    What lies outside the picture repeats its edge, as in the streamer.
    """
    x, y, w, h = face.box
    side = margin * max(w, h)
    left, top = x + w / 2 - side / 2, y + h / 2 - side / 2
    whole = max(2, round(side))
    x0, y0 = round(left), round(top)
    pad = max(0, -x0, -y0, x0 + whole - image.shape[1], y0 + whole - image.shape[0])
    if pad:
        image = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
    square = image[y0 + pad : y0 + pad + whole, x0 + pad : x0 + pad + whole]
    method = cv2.INTER_AREA if whole > size else cv2.INTER_LINEAR
    crop = cv2.resize(square, (size, size), interpolation=method).astype(np.uint8, copy=False)
    ratio = size / whole
    points = tuple((v - (x0, y0)[k % 2]) * ratio for k, v in enumerate(face.points))
    return crop, points
