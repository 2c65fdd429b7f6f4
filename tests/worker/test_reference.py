"""What a camera's reference does to its logits: bounded, monotone, nothing where it has no business."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from tests.worker.making import score, settings, tiny_checkpoint, window
from wire.messages import Reference
from worker import checkpoint
from worker.calibration import probability
from worker.checkpoint import Meta, Threshold, Thresholds, Typical
from worker.reference import CAMERA_SHARE, Enrolment, Gathered, limit, shift, weight
from worker.scorer import Scorer

NUMBER = st.floats(-1e6, 1e6)
REAL = Typical(median=-2.0, spread=2.0)


def reference(median: float = 1.0, tracks: int = 5, minutes: float = 5.0, spread: float = 2.0) -> Reference:
    return Reference(
        camera="door", model="tiny", made=0.0, minutes=minutes, windows=9 * tracks, tracks=tracks, median=median,
        spread=spread, expected=REAL.median, expected_spread=REAL.spread,
    )  # fmt: skip


@given(st.builds(reference, NUMBER, st.integers(0, 10**6), st.floats(0, 1e6), st.floats(0, 1e6)), st.floats(0, 100))
def test_the_shift_is_bounded_and_never_beyond_the_difference(made: Reference, most: float) -> None:
    moved = shift(made, "tiny", most)
    assert abs(moved) <= most
    assert abs(moved) <= abs(made.expected - made.median)
    assert moved * (made.expected - made.median) >= 0
    assert 0 <= weight(made) <= 1


@given(NUMBER, NUMBER)
def test_the_higher_the_camera_scores_the_more_is_taken_away(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert shift(reference(low), "tiny", 1.0) >= shift(reference(high), "tiny", 1.0)


@given(st.integers(1, 50), st.floats(0.1, 50))
def test_more_people_or_more_minutes_never_count_less(tracks: int, minutes: float) -> None:
    now = weight(reference(tracks=tracks, minutes=minutes))
    assert weight(reference(tracks=tracks + 1, minutes=minutes)) >= now
    assert weight(reference(tracks=tracks, minutes=minutes + 1)) >= now


def test_one_face_lost_and_found_is_no_crowd() -> None:
    assert weight(reference(tracks=400, minutes=1)) == weight(reference(tracks=1, minutes=1))
    assert weight(reference(tracks=1, minutes=60)) == weight(reference(tracks=1, minutes=1)) == 0.25 / 1.25


def test_no_reference_or_that_of_another_model_moves_nothing() -> None:
    assert shift(None, "tiny", 1.0) == 0.0
    assert shift(reference(), "other", 1.0) == 0.0
    assert shift(reference(), "tiny", 1.0) != 0.0


@pytest.mark.parametrize("field", ["median", "spread", "expected", "expected_spread"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_moves_nothing_beyond_the_limit(field: str, value: float) -> None:
    assert abs(shift(replace(reference(), **{field: value}), "tiny", 1.0)) <= 1.0


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.3, 20), st.floats(0.001, 0.999))
def test_the_limit_never_moves_a_verdict_by_two_steps_nor_p_by_a_quarter(
    one: float, other: float, temperature: float, p: float
) -> None:
    suspect, fake = sorted((one, other))
    marks = Thresholds(Threshold(suspect, 0.05), Threshold(fake, 0.01))
    most = limit(Meta(
        name="m", config=checkpoint.describe().config, temperature=temperature, thresholds=marks, data_digest="",
        passes=0, metrics={}, baseline=True, created="",
    ))  # fmt: skip
    moved = probability(temperature * math.log(p / (1 - p)) - most, temperature)
    assert p - moved < 0.25
    if p >= fake:
        assert moved >= suspect - 1e-9, "what was fake is suspect at least"


def test_each_track_counts_once_in_the_median() -> None:
    made = Gathered({"a": [5.0] * 100, "b": [1.0, 2.0, 3.0], "c": [0.0]}).reference("door", "tiny", 7.0, 2.0, REAL)
    assert (made.median, made.windows, made.tracks, made.made) == (2.0, 104, 3, 7.0)
    assert made.spread == pytest.approx(1.4826 * 3.0)


def test_the_likeness_of_a_few_windows_proves_nothing() -> None:
    made = Gathered({"a": [1.0, 1.0, 1.0]}).reference("door", "tiny", 0.0, 1.0, REAL)
    assert made.spread == math.sqrt(1 - CAMERA_SHARE) * REAL.spread


def test_only_sure_windows_of_this_camera_and_model_filmed_since_the_beginning_count() -> None:
    enrolment = Enrolment("door", "tiny", since=1000.0)
    enrolment.add(score(1, 0.5))
    enrolment.add(score(2, 0.5, track="1-1"))
    for other in (
        score(3, 0.5, camera="hall"), score(0, 0.5), replace(score(4, 0.5), model="old"),
        replace(score(5, 0.5, verdict="unsure"), reason="face too small (20 px, needs 48)"),
    ):  # fmt: skip
        enrolment.add(other)
    assert enrolment.gathered.tracks == {"1-0": [0.0], "1-1": [0.0]}
    assert enrolment.unsure == {"face too small": 1}
    assert enrolment.foreign == {"old": 1}


def test_the_scorer_keeps_the_raw_logit_and_says_what_it_added(tmp_path: Path) -> None:
    scorer = Scorer(settings(tiny_checkpoint(tmp_path / "t.safetensors")))
    plain, moved = scorer.judge(window(), 1.0, 0.0), scorer.judge(window(), 1.0, 0.0, shift=-3.0)
    assert (plain.logit, moved.logit) == (1.0, 1.0)
    assert plain.p_fake == probability(1.0, 1.0)
    assert moved.p_fake == probability(-2.0, 1.0)
    assert moved.shift == -3.0
    assert plain.shift is UNSET
