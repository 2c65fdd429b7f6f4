"""Where a fake differs from the real picture of the same instant: a mask of what was replaced, without any label.

Only pairs that lie exactly on each other tell that, and many do: the rim of the crop, which no swap touches, shows it.
"""

from __future__ import annotations

import cv2
import numpy as np

from worker.preprocess import Image
from worker.training.blend import Mask

RIM = 0.09  # of the side: left, right and top; a chin or a collar may differ at the bottom
STILL = 5.0  # grey values between the rims of pictures that lie on each other: noise and codec, no shift
BLUR = 0.035  # of the side: single pixels agree by chance


def replaced(real: Image, fake: Image) -> Mask | None:
    """The mask (P, P), 1 where `fake` shows something else than `real`; None where the two are not aligned."""
    if real.shape != fake.shape:
        return None
    difference = cv2.absdiff(real, fake).max(2)
    size = difference.shape[0]
    width = max(2, round(RIM * size))
    rim = np.concatenate(
        [
            difference[:width].ravel(),
            difference[width:-width, :width].ravel(),
            difference[width:-width, -width:].ravel(),
        ]
    )
    if float(np.median(rim)) > STILL:
        return None
    soft = cv2.GaussianBlur(difference.astype(np.float32), (0, 0), BLUR * size)
    quiet = float(np.median(np.concatenate([soft[:, :width].ravel(), soft[:, -width:].ravel()])))
    return np.asarray(soft > max(4.0, 1.8 * quiet), np.float32)
