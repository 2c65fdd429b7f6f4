"""Under overload tracks take turns: the windows that are scored follow each other, and every track gets its part."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.overload import PERIOD_S, TARGET_S, Arrival, crowd, simulate, steady
from worker.shedding import TURN_S, Division, lot

CAPACITY = 40.0  # windows a second


def faces(factor: float) -> int:
    """How many ask for `factor` times the capacity."""
    return round(factor * CAPACITY * PERIOD_S)


def in_a_row(scored: list[Arrival]) -> float:
    """The mean number of windows of a track that were scored one after the other."""
    runs, last = 0, dict[tuple[str, str], float]()
    for captured, camera, track in sorted(scored):
        runs += captured - last.get((camera, track), -TURN_S) > 1.5 * PERIOD_S
        last[camera, track] = captured
    return len(scored) / runs


@pytest.mark.parametrize("cameras", [1, 4, 26, 107])
def test_turns_are_long_and_every_track_gets_its_part(cameras: int) -> None:
    run = simulate(crowd(faces(4), cameras, 250), CAPACITY, until=240)
    late = [one for one, _ in run.scored if one[0] > 20]
    assert in_a_row(late) > 5
    scored, mean = Counter(one[1:] for one in late), len(late) / faces(4)
    assert len(scored) == faces(4)
    assert min(scored.values()) > 0.4 * mean
    assert max(scored.values()) < 1.7 * mean


@pytest.mark.parametrize("factor", [1.3, 2, 4, 10])
@pytest.mark.parametrize("cameras", [1, 5, 26])
def test_what_is_scored_is_fresh_and_nothing_is_idle(factor: float, cameras: int) -> None:
    run = simulate(crowd(faces(factor), cameras, 60), CAPACITY, until=50)
    ages = run.ages(after=15)
    assert max(ages) <= TARGET_S + 0.2
    assert sum(ages) / len(ages) < 0.75 * TARGET_S
    assert len(run.scored) > 0.97 * 50 * CAPACITY


def test_a_camera_within_its_share_loses_nothing_to_a_crowd() -> None:
    quiet = [one for camera, rate in (("a", 1.5), ("b", 3.0), ("c", 1.5)) for one in steady(camera, rate, 60)]
    run = simulate(steady("crowd", 150, 60) + quiet, CAPACITY, until=50)
    assert {camera for _, camera, _ in run.shed} == {"crowd"}
    assert max(run.ages(after=10, cameras="b")) < 0.3
    assert in_a_row([one for one, _ in run.scored if one[1] == "crowd" and one[0] > 10]) > 5


def test_shedding_ends_when_the_overload_does() -> None:
    calm = [(20 + captured, camera, track) for captured, camera, track in crowd(faces(0.5), 4, 30)]
    run = simulate(crowd(faces(4), 4, 20) + calm, CAPACITY)
    assert run.shed
    assert max(captured for captured, _, _ in run.shed) < 21


@given(st.text(max_size=8), st.text(max_size=8), st.floats(0, 2e9))
def test_a_lot_holds_for_a_turn(camera: str, track: str, captured: float) -> None:
    lots = [lot(camera, track, captured + TURN_S * n / 10) for n in range(10)]
    assert all(0 <= one < 1 for one in lots)
    assert sum(a != b for a, b in pairwise(lots)) <= 1


def test_lots_are_even_over_the_turns_and_over_the_tracks() -> None:
    turns = [lot("cam", "1-7", TURN_S * n) for n in range(100)]
    assert 20 <= sum(one < 0.25 for one in turns) <= 30
    gaps = [n for n, one in enumerate(turns) if one < 0.25]
    assert max(b - a for a, b in pairwise(gaps)) <= 5
    tracks = [lot("cam", f"1-{n}", 0.0) for n in range(1000)]
    assert sum(one < 0.25 for one in tracks) == pytest.approx(250, rel=0.2)


def test_workers_of_any_process_agree() -> None:
    assert lot("door", "1795419664941-7", 1795419664.9) == pytest.approx(0.437366, abs=1e-6)


def test_a_turn_is_as_large_as_the_part() -> None:
    division = Division({"crowd": 30.0, "hall": 20.0, "door": 2.0}, 22, standing=False)
    assert division.share == 10
    ranks = [division.rank("crowd", str(track), 0.0) for track in range(1000)]
    assert sum(rank <= 1 for rank in ranks) == pytest.approx(1000 / 3, rel=0.15)
    ranks = [division.rank("hall", str(track), 0.0) for track in range(1000)]
    assert sum(rank <= 1 for rank in ranks) == pytest.approx(1000 / 2, rel=0.15)
