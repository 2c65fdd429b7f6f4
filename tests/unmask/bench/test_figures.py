"""The benchmarks' arithmetic."""

from __future__ import annotations

import math

import pytest

from unmask.bench import figures


def test_a_rate_runs_from_change_to_change() -> None:
    counts = [(0.0, 0), (1.0, 0), (2.0, 16), (3.0, 16), (4.0, 32), (5.0, 48), (9.0, 48)]
    assert figures.rate(counts) == pytest.approx(32 / 3)


@pytest.mark.parametrize("counts", [[], [(0.0, 0)], [(0.0, 0), (1.0, 5)]])
def test_a_counter_that_hardly_moved_has_no_rate(counts: list[tuple[float, int]]) -> None:
    assert figures.rate(counts) == 0.0


def test_percentiles() -> None:
    assert figures.percentile([1.0, 2.0, 3.0, 4.0], 50) == 2.5
    assert figures.percentile([7.0], 95) == 7.0
    assert math.isnan(figures.percentile([], 50))


@pytest.mark.parametrize(
    ("first", "largest", "steps"),
    [(1, 16, [1, 2, 4, 8, 12, 16]), (1, 1, [1]), (3, 10, [3, 6, 10]), (10, 16, [10, 14, 16]), (8, 8, [8])],
)
def test_the_ramp(first: int, largest: int, steps: list[int]) -> None:
    assert figures.ramp(first, largest) == steps
