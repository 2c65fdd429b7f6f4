"""Cutting crops and comparing boxes; the finder itself needs a model file that is not in the repository."""

from __future__ import annotations

import numpy as np
import pytest

from worker.training.faces import Face, cut, overlap


def marked(x: int, y: int, size: int = 200) -> np.ndarray:  # type: ignore[type-arg]
    image = np.zeros((size, size, 3), np.uint8)
    image[y - 4 : y + 4, x - 4 : x + 4] = 255
    return image


def test_cut_is_centred_on_the_box_and_carries_the_points_along() -> None:
    face = Face((80, 70, 40, 60), (100.0, 100.0) * 5)
    crop, points = cut(marked(100, 100), face, 84)
    assert crop.shape == (84, 84, 3)
    assert crop[42, 42].tolist() == [255, 255, 255]
    assert points == pytest.approx((42.0, 42.0) * 5, abs=0.6)


def test_side_is_margin_times_the_longer_side() -> None:
    """60 x 1.4 = 84: at 84 px nothing is scaled, the mark keeps its 8 x 8 pixels."""
    crop, _ = cut(marked(100, 100), Face((80, 70, 40, 60), (0.0,) * 10), 84)
    assert int((crop[..., 0] == 255).sum()) == 64


def test_beyond_the_picture_the_edge_repeats() -> None:
    image = np.full((100, 100, 3), 7, np.uint8)
    crop, points = cut(image, Face((-10, -10, 40, 40), (0.0,) * 10), 56)
    assert (crop == 7).all()
    assert points[0] == pytest.approx(18.0)


def test_overlap() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == pytest.approx(1)
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 20, 5, 5)) == 0
