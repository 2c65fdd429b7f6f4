"""Fakes of motion: the real one only moves, the fake's replaced part lives a life of its own."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worker.training.making import POINTS, PX, face
from worker.training.drive import draw_motion, driven, move, open_mouth, still_to_clip, trembling, walk


def difference(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    return np.array([np.abs(x.astype(int) - y).mean(2) for x, y in zip(a, b, strict=True)])


def test_a_walk_keeps_its_spread_and_its_smoothness() -> None:
    values = np.array(walk(20_000, 0.5, np.random.default_rng(0), smooth=0.6))
    assert values.std() == pytest.approx(0.5, rel=0.05)
    assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(0.6, abs=0.03)


def test_the_points_move_with_the_picture() -> None:
    image = np.zeros((PX, PX, 3), np.uint8)
    x, y = round(POINTS[0]), round(POINTS[1])
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    motion = draw_motion(8, np.random.default_rng(5))
    for frame in range(8):
        moved, points = move(image, POINTS, motion, frame)
        ys, xs = np.nonzero(moved[..., 0] > 100)
        assert abs(xs.mean() - points[0]) < 1
        assert abs(ys.mean() - points[1]) < 1


def test_a_mouth_opens_below_its_line_only() -> None:
    image = face(1)
    opened = open_mouth(image, POINTS, 0.3)
    assert np.array_equal(opened[:30], image[:30])
    assert np.abs(opened[44:60].astype(int) - image[44:60]).mean() > 1
    assert np.array_equal(open_mouth(image, POINTS, 0.0), image)


@pytest.mark.parametrize("coarse", [False, True])
def test_trembling_touches_every_frame_and_not_the_rim(coarse: bool) -> None:
    clip, points = still_to_clip(face(2), POINTS, 6, np.random.default_rng(1))
    fake = trembling(clip, points, np.random.default_rng(2), coarse)
    changed = difference(clip, fake)
    assert (changed.mean((1, 2)) > 0.3).all()
    assert changed[:, :3].max() == 0


def test_a_driven_face_is_written_anew_in_every_frame() -> None:
    clip, points = still_to_clip(face(2), POINTS, 8, np.random.default_rng(1))
    fake = driven(clip, points, np.random.default_rng(4))
    changed = difference(clip, fake)
    assert (changed.mean((1, 2)) > 0.2).all()
    assert changed[:, :6].max() == 0
    inside = changed.max(0) > 2
    steps = [difference(frames[:-1], frames[1:])[:, inside].mean() for frames in (clip, fake)]
    assert steps[1] > steps[0]  # what was replaced moves more than the head does


def test_the_same_seed_gives_the_same_fake() -> None:
    clip, points = still_to_clip(face(3), POINTS, 4, np.random.default_rng(1))
    first, again = (driven(clip, points, np.random.default_rng(9)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
