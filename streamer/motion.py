"""Whether a picture has changed since it was last searched for faces: where nothing moves, nobody can have come. Pure.

Compared are means of blocks, which a camera's noise does not move, with those of the last search, not of the last
sample, so that slow changes add up. Where a followed face is, or was at that search, a change says nothing. However
still the picture, it is searched once in `most_s`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamer.pixels import Picture
from streamer.tracking import longer
from wire.messages import Box

WIDTH = 80  # blocks across the picture: the smallest face followed by default, 32 px of 1280, covers four
LEVELS = 6  # change of a block's mean, of 255, that counts
AROUND = 2.0  # of a followed face's size: its hair and shoulders move with it, and so far it is searched anyway


class Motion:
    """One camera's last searched picture."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._searched: Picture | None = None
        self._at = 0.0
        self._boxes: list[Box] = []

    def restart(self) -> None:
        """A new stretch of video."""
        self._searched = None

    def searched(self, blocks: Picture, captured: float, followed: Iterable[Box]) -> None:
        """The picture with these blocks (uint8, rows x WIDTH) was searched as a whole."""
        self._searched, self._at, self._boxes = blocks, captured, list(followed)

    def due(self, blocks: Picture, captured: float, followed: Iterable[Box], size: tuple[int, int]) -> bool:
        """Whether a picture of that `size` with these blocks should be searched as a whole; `followed`: in pixels."""
        last = self._searched
        if last is None or last.shape != blocks.shape or not 0 <= captured - self._at < self._most_s:
            return True
        change = np.abs(blocks.astype(np.int16) - last) > LEVELS
        for box in (*followed, *self._boxes):
            change[_rows(box[1], box[3], box, size[1], blocks.shape[0]), _rows(box[0], box[2], box, size[0], WIDTH)] = 0
        return bool(change.any())


def _rows(start: float, length: float, box: Box, size: int, blocks: int) -> slice:
    """The blocks that a followed face covers in one direction."""
    middle, reach = start + length / 2, AROUND * longer(box) / 2
    scale = blocks / size
    return slice(max(0, int((middle - reach) * scale)), max(0, int((middle + reach) * scale) + 1))
