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


def test_cameras_that_are_left_out_keep_their_turn() -> None:
    batcher = filled(["crowd"] * 3 + ["door"] * 3, size=8)
    assert batcher.take(2, {"crowd"}) == [3, 4]
    assert batcher.take() == [0, 5, 1, 2]


def test_closed_by_size_or_by_the_deadline_of_the_oldest() -> None:
    batcher = filled([], size=4, deadline_s=0.04)
    assert batcher.wait_s(0.0) is None
    batcher.add("a", 1, now=1.0)
    batcher.add("b", 2, now=1.005)
    assert batcher.wait_s(1.005) == pytest.approx(0.035)
    assert batcher.wait_s(1.03) == pytest.approx(0.01)
    assert batcher.wait_s(1.05) == 0
    batcher.add("a", 3, now=1.03)
    assert batcher.wait_s(1.01, size=3) == 0, "as full as it may get"
    batcher.add("a", 4, now=1.03)
    assert batcher.wait_s(1.01) == 0, "full"


def test_nobody_waits_where_nothing_will_come_in_time() -> None:
    batcher = filled([], size=3, deadline_s=0.04)
    batcher.add("a", 1, now=1.0)
    assert batcher.wait_s(1.0) == 0, "nothing is known yet"
    batcher.add("a", 2, now=1.2)
    assert batcher.wait_s(1.2) == 0, "one in 200 ms"
    batcher.take()
    for number in range(20):
        batcher.add("a", number, now=1.2 + 0.01 * number)
        batcher.take()
    batcher.add("a", 3, now=1.4)
    assert batcher.wait_s(1.4) == 0.04, "one in 10 ms"
    assert batcher.wait_s(1.435) == 0, "and none in what is left"


@given(st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 5)), max_size=40), st.integers(1, 8), st.floats(0, 0.1))
def test_no_window_waits_above_the_ceiling_and_no_full_batch_waits(
    events: list[tuple[float, int]], size: int, deadline_s: float
) -> None:
    """Asked whenever something came or its own answer says so, as the intake asks."""
    batcher: Batcher[float] = Batcher(size, deadline_s)
    now, waited = 0.0, [0.0]
    for pause, count in [*events, (1.0, 0)]:
        end = now + pause
        while (wait := batcher.wait_s(now)) is not None and now + wait <= end:
            assert wait <= deadline_s
            now += wait
            if batcher.wait_s(now) == 0:
                waited += [now - came for came in batcher.take()]
        now = end
        for _ in range(count):
            batcher.add("a", now, now)
        assert len(batcher) < size or batcher.wait_s(now) == 0
    assert max(waited) <= deadline_s + 1e-9
    assert len(batcher) == 0


@given(QUEUE, st.integers(0, 30), st.integers(0, 30))
def test_the_longest_queue_gives_way_first(cameras: list[str], keep: int, most: int) -> None:
    batcher, before = filled(cameras), Counter(cameras)
    shed = batcher.shed(lambda _camera, _item: True, keep, most)
    assert len(shed) == max(0, min(most, len(cameras) - keep))
    after = before - Counter(cameras[number] for number in shed)
    gave = [camera for camera in before if after[camera] < before[camera]]
    assert all(after[camera] >= max(after.values(), default=0) - 1 for camera in gave)
    assert sorted(shed + batcher.items()) == list(range(len(cameras)))
    left = sum(len(batch) for batch in iter(batcher.take, []))
    assert left == len(cameras) - len(shed), "the ring is whole"


def test_a_clock_stepping_back_does_not_hold_a_batch_for_longer_than_the_deadline() -> None:
    batcher = filled([], size=3, deadline_s=0.04)
    batcher.add("a", 1, now=5000.0)
    batcher.add("a", 2, now=5000.01)
    assert batcher.wait_s(1000.0) == 0.04


@given(QUEUE, st.integers(0, 20), st.integers(1, 5))
def test_the_least_are_drawn_and_the_rest_keep_their_order(cameras: list[str], count: int, modulus: int) -> None:
    batcher = filled(cameras)
    asked = [number for number, camera in enumerate(cameras) if camera != "d"]
    drawn = batcher.draw(count, lambda camera, item: None if camera == "d" else (item % modulus, -item))
    assert drawn == sorted(asked, key=lambda item: (item % modulus, -item))[:count]
    left = []
    while batch := batcher.take():
        left += batch
    assert sorted(left + drawn) == list(range(len(cameras)))
    for camera in "abcd":
        own = [number for number in left if cameras[number] == camera]
        assert own == sorted(own)
