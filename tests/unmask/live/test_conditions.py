"""How a stream condition is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.live.conditions import GRID, QUICK, Condition, parse
from wire.errors import UsageError


@given(
    st.builds(
        Condition, st.integers(144, 2160), st.integers(30, 50_000), st.integers(1, 60), st.sampled_from([0, 0.5, 5])
    )
)
def test_a_condition_is_read_as_it_is_written(condition: Condition) -> None:
    assert parse(condition.name) == condition
    assert not any(side % 2 for side in condition.size)


def test_usual_sizes() -> None:
    assert [parse(f"{height}p/500k/15").size for height in (1080, 720, 360)] == [(1920, 1080), (1280, 720), (640, 360)]


@pytest.mark.parametrize(
    "text", ["720p", "720p/1000/25", "720p/1000k/25/5", "9p/1000k/25", "720p/1000k/0", "1p/1k/1/loss99"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="loss1"):
        parse(text)


def test_the_grid_varies_and_repeats_nothing() -> None:
    assert len(set(GRID)) == len(GRID)
    assert {condition.loss for condition in GRID} == {0.0, 1.0, 5.0}
    assert set(QUICK) <= set(GRID)
