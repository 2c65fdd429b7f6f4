"""Schedules: deterministic, without overlap, with real and fake faces."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.live.schedule import CAMERA_S, PAUSE_S, VISIT_S, Show, bounce, deal, plan, watched
from wire.errors import UsageError

SHOWS = [Show(Path(f"{source}/{n}.mp4"), fake, source) for fake in (True, False) for source in "ab" for n in range(4)]


@given(st.floats(1, 60), st.integers(0, 99))
def test_a_plan(minutes: float, seed: int) -> None:
    cameras = plan(SHOWS, minutes, seed)
    assert cameras == plan(SHOWS, minutes, seed)
    assert len({camera.name for camera in cameras}) == len(cameras) == watched(minutes) >= 2
    for camera in cameras:
        times = [0.0, *(time for visit in camera.visits for time in (visit.start, visit.end)), camera.seconds]
        pauses = [later - earlier for earlier, later in zip(times[::2], times[1::2], strict=True)]
        assert pauses == [PAUSE_S] * len(pauses)
        assert all(VISIT_S[0] <= visit.end - visit.start <= VISIT_S[1] for visit in camera.visits)
        assert camera.seconds <= max(CAMERA_S, VISIT_S[1] + 2 * PAUSE_S)
    fakes = [any(visit.show.fake for visit in camera.visits) for camera in cameras]
    assert any(fakes)
    assert not all(fakes)


def test_fewer_minutes_are_the_first_cameras() -> None:
    whole = plan(SHOWS, 30, 5)
    assert plan(SHOWS, 8, 5) == whole[: watched(8)]
    assert plan(SHOWS, 30, 6) != whole


def test_real_and_fake_faces_are_seen_about_as_long() -> None:
    visits = [visit for camera in plan(SHOWS, 120, 3) for visit in camera.visits]
    fake = sum(visit.end - visit.start for visit in visits if visit.show.fake)
    assert 0.35 < fake / sum(visit.end - visit.start for visit in visits) < 0.55


@given(st.integers(0, 99))
def test_a_deck_is_dealt_whole_before_any_show_comes_again(seed: int) -> None:
    dealt = list(islice(deal(SHOWS, np.random.default_rng(seed)), 2 * len(SHOWS)))
    assert {show.path for show in dealt[: len(SHOWS)]} == {show.path for show in SHOWS}
    assert all(one.source != two.source for one, two in pairwise(dealt[: len(SHOWS)]))


@pytest.mark.parametrize(("fake", "word"), [(True, "real"), (False, "fake")])
def test_both_kinds_are_needed(fake: bool, word: str) -> None:
    with pytest.raises(UsageError, match=f"no {word} clip"):
        plan([show for show in SHOWS if show.fake == fake], 4, 0)


@given(st.integers(1, 30))
def test_pictures_bounce(count: int) -> None:
    order = [bounce(number, count) for number in range(4 * count)]
    assert order[:count] == list(range(count))
    assert all(abs(one - two) == (count > 1) for one, two in pairwise(order))
