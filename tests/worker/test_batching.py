from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.batching import Batcher

QUEUE = st.lists(st.sampled_from("abcd"), max_size=80)


def filled(cameras: list[str], size: int = 8, deadline_s: float = 0.04) -> Batcher[int]:
    batcher: Batcher[int] = Batcher(size, deadline_s)
    for number, camera in enumerate(cameras):
        batcher.add(camera, number, now=0.0)
    return batcher


@given(QUEUE, st.integers(1, 20))
def test_nothing_is_lost_and_each_camera_keeps_its_order(cameras: list[str], size: int) -> None:
    batcher = filled(cameras, size)
    taken = []
    while batch := batcher.take():
        assert len(batch) <= size
        taken += batch
    assert sorted(taken) == list(range(len(cameras)))
    for camera in "abcd":
        own = [number for number in taken if cameras[number] == camera]
        assert own == sorted(own)
    assert len(batcher) == 0


@given(QUEUE, st.integers(1, 20))
def test_a_camera_with_more_waiting_is_behind_by_at_most_one(cameras: list[str], size: int) -> None:
    batcher, left = filled(cameras, size), Counter(cameras)
    while batch := batcher.take():
        got = Counter(cameras[number] for number in batch)
        left -= got
        hungry = [got[camera] for camera in left]
        if hungry:
            assert max(got.values()) - min(hungry) <= 1


def test_twenty_faces_leave_the_other_camera_its_half() -> None:
    batcher = filled(["crowd"] * 20 + ["door"] * 4, size=8)
    assert batcher.take() == [0, 20, 1, 21, 2, 22, 3, 23]


def test_more_cameras_than_places_take_turns() -> None:
    batcher = filled(["a", "b", "c"] * 2, size=2)
    assert [batcher.take(), batcher.take(), batcher.take()] == [[0, 1], [2, 3], [4, 5]]


def test_closed_by_size_or_by_the_deadline_of_the_oldest() -> None:
    batcher = filled([], size=3, deadline_s=0.04)
    assert batcher.wait_s(0.0) is None
    batcher.add("a", 1, now=1.0)
    batcher.add("b", 2, now=1.03)
    assert batcher.wait_s(1.03) == pytest.approx(0.01)
    assert batcher.wait_s(1.05) == 0
    batcher.add("a", 3, now=1.03)
    assert batcher.wait_s(1.03) == 0, "full"


def test_a_clock_stepping_back_does_not_hold_a_batch_for_longer_than_the_deadline() -> None:
    batcher = filled([], size=3, deadline_s=0.04)
    batcher.add("a", 1, now=5000.0)
    assert batcher.wait_s(1000.0) == 0.04
