"""Which part of a face makes the score: cover one part after another and see how the logit falls. Pure.

Occlusion (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014) needs nothing of the
network but its answers, so it works with every backend. What covers must say nothing itself. A grey patch or a blurred
copy will not do: of 24 faces that were nothing but blur the default checkpoint gave 23 a logit of 4 to 7, since
softness is what many fakes have. A blurred copy with grain of 8 grey levels got 0.2 on average, within one of zero on
20 of them, so that is what covers, through a soft edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from worker.preprocess import Image, Pixels

Single = npt.NDArray[np.float32]
CELLS = 7  # places along each side
REACH = 2.0  # side of a cover, in cells: neighbours overlap by half
EDGE = 0.25  # standard deviation of its soft edge, in cells
BLUR, GRAIN = 1 / 8, 8.0  # standard deviations: of the blur over the side, of the grain in grey levels


def covered(image: Image) -> Pixels:
    """An image (S, S, 3), and it with each place covered in turn: (1 + CELLS * CELLS, S, S, 3), rows first."""
    side = image.shape[0]
    plain, filling = image.astype(np.float32), _filling(image)
    profiles = [_profile(side, cell) for cell in range(CELLS)]
    made = np.empty((1 + CELLS * CELLS, side, side, 3), np.uint8)
    made[0] = image
    for place, (down, across) in enumerate(product(profiles, profiles), 1):
        mask = np.outer(down, across)[:, :, None]
        made[place] = np.rint(plain * (1 - mask) + filling * mask)
    return made


def falls(logits: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """Rows of the fall of the logit, from the logits of what `covered` made; negative where covering raises it."""
    base, rest = logits[0], logits[1:]
    return tuple(tuple(base - value for value in rest[row * CELLS : (row + 1) * CELLS]) for row in range(CELLS))


def _filling(image: Image) -> Single:
    side = image.shape[0]
    soft = cv2.GaussianBlur(image.astype(np.float32), (0, 0), side * BLUR)
    grain = np.random.default_rng(0).normal(0, GRAIN, (side, side, 1)).astype(np.float32)  # the same for every alert
    made: Single = np.clip(soft + grain, 0, 255).astype(np.float32)
    return made


def _profile(side: int, cell: int) -> Single:
    """How much each pixel of a line is covered, 0..1, when this cell is."""
    width = side / CELLS
    middle = (cell + 0.5) * width
    hard = (np.abs(np.arange(side) + 0.5 - middle) <= width * REACH / 2).astype(np.float32)
    soft: Single = cv2.GaussianBlur(hard.reshape(1, -1), (0, 0), EDGE * width, borderType=cv2.BORDER_REPLICATE)[0]
    return soft
