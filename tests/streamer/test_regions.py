from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer import regions
from streamer.regions import FACE_PX, GRID, LEAST

SIZE = (1280, 720)


def test_an_ordinary_face_is_looked_for_at_the_scale_of_a_whole_search_a_large_one_is_made_smaller() -> None:
    assert regions.scale_for((0, 0, 140, 180), 2.0) == 2.0
    assert regions.scale_for((0, 0, 480, 400), 2.0) == 480 / FACE_PX


@given(
    st.floats(-50, 1250), st.floats(-50, 700), st.floats(10, 700), st.sampled_from([1.0, 1.5, 2.0, 3.0]),
    st.sampled_from([SIZE, (640, 480), (854, 480), (360, 640), (200, 120)]),
)  # fmt: skip
def test_the_surroundings_begin_on_the_grid_and_lie_within_the_frame(
    x: float, y: float, face: float, whole: float, size: tuple[int, int]
) -> None:
    box = (x, y, face, face)
    scale = regions.scale_for(box, whole)
    left, top, width, height = regions.around(box, size, scale)
    assert left % GRID == top % GRID == 0
    assert left >= 0 <= top
    assert width > 0 < height
    x0, y0, across, down = regions.in_frame((left, top, width, height), size, scale)
    assert 0 <= x0 < x0 + across <= size[0]
    assert 0 <= y0 < y0 + down <= size[1]
    assert across / width == pytest.approx(scale, rel=0.05, abs=1 / width)


@example(540.0, 0.0, 136.0)
@given(st.floats(0, 1100), st.floats(0, 540), st.floats(32, 180))
def test_the_face_has_room_around_it_on_all_sides_but_at_the_frames_edge(x: float, y: float, face: float) -> None:
    left, top, width, height = regions.in_frame(regions.around((x, y, face, face), SIZE, 2.0), SIZE, 2.0)
    room = 0.19 * face  # of 137 px: 256 px around it, which begin up to 32 px from where they are wanted
    assert left <= max(0, x - room)
    assert top <= max(0, y - room)
    assert left + width >= min(SIZE[0], x + face + room)
    assert top + height >= min(SIZE[1], y + face + room)


def test_a_region_has_a_least_size_and_is_no_larger_than_the_picture() -> None:
    assert regions.around((600, 300, 20, 20), SIZE, 2.0)[2:] == (LEAST, LEAST)
    assert regions.around((0, 0, 100, 100), (64, 48), 1.0) == (0, 0, 64, 48)


def test_many_or_large_regions_are_not_worth_it() -> None:
    small = ((0, 0, 192, 192), 2.0)
    assert regions.worth_it([small], SIZE, 2.0)
    assert regions.worth_it([small] * 3, SIZE, 2.0)
    assert not regions.worth_it([small] * 4, SIZE, 2.0)


def test_a_face_at_the_edge_of_its_surroundings_may_be_cut_off_one_at_the_frames_edge_is_not() -> None:
    region = (0, 100, 300, 300)
    assert regions.inside((100, 200, 100, 100), region, SIZE)
    assert regions.inside((0, 200, 100, 100), region, SIZE)
    assert not regions.inside((195, 200, 100, 100), region, SIZE)
    assert not regions.inside((100, 105, 100, 100), region, SIZE)
    assert not regions.inside((100, 295, 100, 100), region, SIZE)
    assert regions.inside((195, 200, 105, 100), region, (300, 720))
