from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lanes import MOST_LANES, Lanes, batch_size, batch_sizes, lane_count, split


def test_batch_sizes_are_powers_of_two_up_to_the_chunk() -> None:
    assert batch_sizes(64) == (1, 2, 4, 8, 16, 32, 64)
    assert batch_sizes(48) == (1, 2, 4, 8, 16, 32, 48)
    assert batch_sizes(1) == (1,)


@given(st.integers(1, 300), st.data())
def test_a_slice_gets_the_least_size_that_takes_it(most: int, data: st.DataObject) -> None:
    count, sizes = data.draw(st.integers(1, most)), batch_sizes(most)
    size = batch_size(count, sizes)
    assert size in sizes
    assert count <= size < 2 * count
    assert all(other < count for other in sizes if other < size)
    assert list(sizes) == sorted(set(sizes))


@given(st.integers(0, 300), st.sampled_from([(1,), (1, 4, 16), (1, 2, 4, 8)]))
def test_sizes_that_make_up_a_slice(count: int, sizes: tuple[int, ...]) -> None:
    found = split(count, sizes)
    assert sum(found) == count
    assert found == sorted(found, reverse=True)
    assert all(found.count(small) < large // small for small, large in pairwise(sizes))


def test_too_many_images_at_once() -> None:
    with pytest.raises(ValueError, match="65 images at once, at most 64 are taken"):
        batch_size(65, batch_sizes(64))


@pytest.mark.parametrize(("cores", "lanes"), [(1, 2), (2, 2), (5, 5), (192, MOST_LANES)])
def test_a_lane_a_core_within_reason(cores: int, lanes: int) -> None:
    assert lane_count(cores) == lanes


def test_a_lane_has_one_holder_and_threads_wait_for_theirs() -> None:
    lanes, most, threads = Lanes([[0], [0], [0]]), [0], 8
    start = threading.Barrier(threads)

    def work(_: int) -> None:
        start.wait()
        for _ in range(200):
            with lanes.lend() as held:
                held[0] += 1
                most[0] = max(most[0], held[0])
                held[0] -= 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    assert most == [1]
    with lanes.lend(), lanes.lend(), lanes.lend():
        pass  # none was lost


def test_a_failure_gives_the_lane_back() -> None:
    lanes = Lanes(["only"])
    with pytest.raises(RuntimeError), lanes.lend():
        raise RuntimeError
    with lanes.lend() as held:
        assert held == "only"
