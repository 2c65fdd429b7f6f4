from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamer.motion import LEVELS, WIDTH, Motion
from streamer.pixels import Picture, View

SIZE = (1280, 720)
STILL = np.full((45, WIDTH), 100, np.uint8)
FACE = (600.0, 300.0, 140.0, 180.0)


def searched(at: float = 10.0) -> Motion:
    motion = Motion(3.0)
    motion.searched(STILL, at, ())
    return motion


def changed(row: int, column: int, by: int = LEVELS + 1) -> Picture:
    blocks = STILL.copy()
    blocks[row, column] += by
    return blocks


def test_the_first_picture_and_one_of_another_size_are_due() -> None:
    assert Motion(3.0).due(STILL, 0.0, (), SIZE)
    assert searched().due(STILL[:40], 10.0, (), SIZE)
    motion = searched()
    motion.restart()
    assert motion.due(STILL, 10.1, (), SIZE)


def test_a_still_picture_is_due_only_after_a_while_or_when_time_runs_backwards() -> None:
    motion = searched(10.0)
    assert [motion.due(STILL, at, (), SIZE) for at in (10.0, 12.9, 13.0, 9.9)] == [False, False, True, True]


def test_one_block_is_a_change_and_noise_is_none() -> None:
    assert searched().due(changed(3, 70), 10.2, (), SIZE)
    assert not searched().due(changed(3, 70, LEVELS), 10.2, (), SIZE)
    noise = np.random.default_rng(2).normal(100, 12, (720, 1280, 1)).clip(0, 255).astype(np.uint8)
    again = np.random.default_rng(3).normal(100, 12, (720, 1280, 1)).clip(0, 255).astype(np.uint8)
    motion = Motion(3.0)
    motion.searched(View(noise.repeat(3, 2)).blocks(WIDTH), 10.0, ())
    assert not motion.due(View(again.repeat(3, 2)).blocks(WIDTH), 10.2, (), SIZE)


def test_slow_changes_add_up() -> None:
    motion = searched()
    assert [motion.due(changed(3, 70, by), 10.0 + by / 6, (), SIZE) for by in range(9)] == [False] * 7 + [True] * 2


def test_a_change_where_a_followed_face_is_is_none() -> None:
    assert not searched().due(changed(24, 42), 10.2, [FACE], SIZE)
    assert searched().due(changed(24, 42), 10.2, (), SIZE)
    assert searched().due(changed(24, 60), 10.2, [FACE], SIZE)
    motion = Motion(3.0)
    motion.searched(STILL, 10.0, [FACE])
    assert not motion.due(changed(24, 42), 10.2, (), SIZE)  # it has left the place it had then


def test_the_smallest_face_that_comes_is_a_change() -> None:
    plain = np.full((720, 1280, 3), 100, np.uint8)
    came = plain.copy()
    came[401:433, 805:837] = 140
    motion = Motion(3.0)
    motion.searched(View(plain).blocks(WIDTH), 10.0, ())
    assert motion.due(View(came).blocks(WIDTH), 10.2, (), SIZE)


@given(st.tuples(st.floats(-500, 2000), st.floats(-500, 2000), st.floats(1, 900), st.floats(1, 900)))
def test_a_box_may_reach_over_the_edge(box: tuple[float, float, float, float]) -> None:
    assert searched().due(STILL, 10.2, [box], SIZE) is False
