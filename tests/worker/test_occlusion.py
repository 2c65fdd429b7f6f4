"""Where a score comes from, on networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from worker.occlusion import CELLS, covered, falls
from worker.preprocess import Image, Pixels


def image(side: int = 70) -> Image:
    rows, columns = np.indices((side, side))
    pattern = (rows + columns) % 2 * 160 + 48  # a chessboard: fine detail everywhere
    return np.repeat(pattern[:, :, None], 3, 2).astype(np.uint8)


def detail(images: Pixels, top: int, left: int, size: int) -> list[float]:
    """A network that looks at the fine detail of one square alone."""
    part = images[:, top : top + size, left : left + size].astype(np.float32)
    found: list[float] = np.abs(part[:, :, 1:] - part[:, :, :-1]).mean((1, 2, 3)).tolist()
    return found


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 3), (6, 1), (2, 5)])
def test_the_part_that_makes_the_score_is_found(row: int, column: int) -> None:
    grid = np.array(falls(detail(covered(image()), 10 * row, 10 * column, 10)))
    assert grid.shape == (CELLS, CELLS)
    assert np.unravel_index(grid.argmax(), grid.shape) == (row, column)
    far = np.array([[max(abs(r - row), abs(c - column)) > 2 for c in range(CELLS)] for r in range(CELLS)])
    assert np.abs(grid[far]).max() < 0.01 * grid.max(), "what it does not look at changes nothing"


def test_the_first_is_the_picture_itself_and_every_pixel_is_covered_by_some() -> None:
    plain = image()
    made = covered(plain)
    assert made.shape == (1 + CELLS * CELLS, 70, 70, 3)
    assert np.array_equal(made[0], plain)
    changed = np.abs(made[1:].astype(int) - plain).max((0, 3))
    assert changed.min() > 40, "but for the grain, the chessboard is gone everywhere"
    assert changed.mean() > 72


def test_the_same_picture_gives_the_same() -> None:
    assert np.array_equal(covered(image()), covered(image()))
