"""Where a score comes from, on networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from worker.occlusion import CELLS, covered, falls

STD = (0.229, 0.224, 0.225)


def image(side: int = 70) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    pattern = ((rows + columns) % 2).float() * 2 - 1  # a chessboard: fine detail everywhere
    return pattern.expand(3, side, side).clone()


def detail(images: torch.Tensor, top: int, left: int, size: int) -> list[float]:
    """A network that looks at the fine detail of one square alone."""
    part = images[:, :, top : top + size, left : left + size]
    return (part[..., 1:] - part[..., :-1]).abs().mean((1, 2, 3)).tolist()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 3), (6, 1), (2, 5)])
def test_the_part_that_makes_the_score_is_found(row: int, column: int) -> None:
    grid = np.array(falls(detail(covered(image(), STD), 10 * row, 10 * column, 10)))
    assert grid.shape == (CELLS, CELLS)
    assert np.unravel_index(grid.argmax(), grid.shape) == (row, column)
    far = np.array([[max(abs(r - row), abs(c - column)) > 2 for c in range(CELLS)] for r in range(CELLS)])
    assert np.abs(grid[far]).max() < 0.01 * grid.max(), "what it does not look at changes nothing"


def test_the_first_is_the_picture_itself_and_every_pixel_is_covered_by_some() -> None:
    plain = image()
    made = covered(plain, STD)
    assert made.shape == (1 + CELLS * CELLS, 3, 70, 70)
    assert torch.equal(made[0], plain)
    changed = (made[1:] - plain).abs().amax((0, 1))
    assert float(changed.min()) > 0.2, "but for the grain, the chessboard is gone everywhere"
    assert float(changed.mean()) > 0.9


def test_the_same_picture_gives_the_same() -> None:
    assert torch.equal(covered(image(), STD), covered(image(), STD))
