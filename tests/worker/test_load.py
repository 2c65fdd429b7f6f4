"""How busy a worker is, by a clock of our own."""

from __future__ import annotations

import pytest

from worker.load import Load


def test_half_of_the_time_at_work_is_half_busy() -> None:
    load = Load(16, began=0.0)
    for second in range(20):
        load.add(second, second + 0.5, 8)
    assert load.busy(20.0) == pytest.approx(0.5, abs=0.06)
    assert load.batch_fill(20.0) == 0.5


def test_a_young_worker_divides_by_its_age() -> None:
    load = Load(16, began=100.0)
    load.add(100.0, 101.0, 16)
    assert load.busy(102.0) == 0.5
    assert load.busy(100.0) == 0.0


def test_the_past_is_forgotten() -> None:
    load = Load(16, began=0.0)
    load.add(0.0, 5.0, 4)
    assert load.busy(30.0) == 0.0
    assert load.batch_fill(30.0) is None


def test_work_that_is_no_batch_does_not_count_for_the_fill() -> None:
    load = Load(4, began=0.0)
    load.add(0.0, 1.0, 0)
    assert load.batch_fill(2.0) is None
    assert load.busy(2.0) == 0.5


def test_the_age_of_what_was_read_and_what_was_given_up() -> None:
    load = Load(4, began=0.0)
    assert load.queue_age(0.0) is None
    load.read(1.0, [0.1, 0.3], 0)
    load.read(2.0, [], 7)
    assert load.queue_age(3.0) == pytest.approx(0.2)
    assert load.shed(3.0) == 7
    load.read(13.0, [], 0)
    assert (load.queue_age(13.0), load.shed(13.0)) == (None, 0)


def test_what_two_lines_do_at_once_counts_once() -> None:
    load = Load(4, began=0.0)
    load.add(0.0, 4.0, 4)
    load.add(1.0, 5.0, 4)  # of another shard
    load.add(2.0, 3.0, 4)
    assert load.busy(10.0) == 0.5
