"""A detector that compares sharpness: a face pasted in is often softer than what is around it. No defence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.plugins import FaceWindow

FACE = 0.5  # side of what counts as the face's inside, over the face box


class Detector:
    """`gain`: how much a ratio weighs; below `least` variance around the face there is nothing to compare with."""

    def __init__(self, gain: float = 2.0, least: float = 4.0) -> None:
        self._gain, self._least = gain, least

    def warm_up(self) -> None:
        """Score a made-up window once."""
        self.score([FaceWindow(np.zeros((2, 64, 64, 3), np.uint8), (0.0, 0.1), 1.4)])

    def score(self, windows: Sequence[FaceWindow]) -> list[float | None]:
        """Log-odds for each window, None where its pictures are flat."""
        return [self._score(window) for window in windows]

    def _score(self, window: FaceWindow) -> float | None:
        edges = edge_strength(window.crops)
        inside = np.zeros(edges.shape[1:], np.bool_)
        height, width = inside.shape
        half_height, half_width = (max(1, round(side * FACE / window.margin / 2)) for side in (height, width))
        inside[
            height // 2 - half_height : height // 2 + half_height, width // 2 - half_width : width // 2 + half_width
        ] = True
        around, within = float(edges[:, ~inside].var()), float(edges[:, inside].var())
        if around < self._least:
            return None
        return self._gain * float(np.log(around / max(within, 1e-6)))


def edge_strength(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """T x H x W x 3 to the Laplacian of the grey pictures, T x (H - 2) x (W - 2)."""
    grey = crops.astype(np.float32).mean(axis=3)
    middle = grey[:, 1:-1, 1:-1]
    return grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * middle
