from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.faces import Face
from streamer.tracking import MAX_OFF, MISSES, Tracker, follow, iou, longer
from wire.messages import Box

STEP = 1 / 6


def face(x: float, y: float = 100, size: float = 100) -> Face:
    return Face((x, y, size, size), 1.0)


def make(max_faces: int = 8, min_face_px: float = 32) -> Tracker:
    tracker = Tracker(max_faces, min_face_px)
    tracker.restart(7)
    return tracker


def test_a_moving_face_keeps_its_track() -> None:
    tracker = make()
    ids = {s.track for i in range(30) for s in tracker.update([face(100 + 10 * i)], i * STEP)}
    assert ids == {"7-0"}


def test_two_faces_that_come_in_any_order() -> None:
    tracker = make()
    tracker.update([face(0), face(300)], 0)
    sightings = tracker.update([face(305), face(5)], STEP)
    assert {s.track: s.box[0] for s in sightings} == {"7-0": 5, "7-1": 305}


def test_one_miss_is_carried_on_and_two_end_the_track() -> None:
    tracker = make()
    tracker.update([face(100)], 0)
    carried = tracker.update([], STEP)
    assert [(s.track, s.detected, s.box[0]) for s in carried] == [("7-0", False, 100)]
    assert tracker.update([face(102)], 2 * STEP)[0].track == "7-0"
    for index in range(MISSES):
        assert tracker.update([], (3 + index) * STEP)
    assert tracker.update([], 9 * STEP) == []
    assert tracker.update([face(102)], 10 * STEP)[0].track == "7-1"


def test_a_jump_is_another_track() -> None:
    tracker = make()
    tracker.update([face(0)], 0)
    assert {s.track for s in tracker.update([face(400)], STEP) if s.detected} == {"7-1"}


def test_the_largest_are_followed_and_those_followed_stay() -> None:
    tracker = make(max_faces=2)
    first = tracker.update([face(0, size=50), face(200, size=90), face(400, size=70)], 0)
    assert sorted(s.box[2] for s in first) == [70, 90]
    second = tracker.update([face(0, size=200), face(200, size=90), face(400, size=70)], STEP)
    assert sorted(s.box[2] for s in second) == [70, 90]


def test_small_faces_are_not_followed_but_may_shrink_a_little() -> None:
    tracker = make(min_face_px=50)
    assert tracker.update([face(0, size=49)], 0) == []
    assert tracker.update([face(0, size=50)], STEP)
    assert tracker.update([face(0, size=42)], 2 * STEP)[0].detected
    assert not tracker.update([face(0, size=39)], 3 * STEP)[0].detected


def test_two_boxes_on_one_face_are_one_track() -> None:
    tracker = make()
    tracker.update([face(100)], 0)
    assert len(tracker.update([face(102), face(110, size=90)], STEP)) == 1


def test_a_new_epoch_has_new_tracks() -> None:
    tracker = make()
    tracker.update([face(100)], 0)
    tracker.restart(8)
    assert [s.track for s in tracker.update([face(100)], STEP)] == ["8-0"]


def test_jitter_goes() -> None:
    tracker = make()
    centres = []
    for index in range(60):
        (sighting,) = tracker.update([face(100 + (4 if index % 2 else -4))], index * STEP)
        centres.append(sighting.smooth[0] + sighting.smooth[2] / 2)
    assert max(centres[20:]) - min(centres[20:]) < 2  # of 8


def test_a_fast_face_stays_in_its_crop() -> None:
    tracker = make()
    for index in range(20):
        (sighting,) = tracker.update([face(60 * index)], index * STEP)
        off = abs(sighting.smooth[0] + sighting.smooth[2] / 2 - (sighting.box[0] + 50))
        assert off <= MAX_OFF * 100 + 1e-9


def test_smoothing_does_not_depend_on_the_rate() -> None:
    box, target = (0.0, 0.0, 100.0, 100.0), (10.0, 0.0, 100.0, 100.0)
    twice = follow(follow(box, target, 0.1), target, 0.1)
    assert follow(box, target, 0.2) == pytest.approx(twice)


BOXES = st.tuples(st.floats(-200, 1000), st.floats(-200, 1000), st.floats(1, 500), st.floats(1, 500))


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_bounded(a: Box, b: Box) -> None:
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0 <= iou(a, b) <= 1 + 1e-9
    assert iou(a, a) == pytest.approx(1)


@given(st.lists(st.lists(BOXES, max_size=6), max_size=25), st.integers(1, 4))
def test_invariants(samples: list[list[Box]], max_faces: int) -> None:
    tracker = make(max_faces, 32)
    known: set[str] = set()
    before: dict[str, bool] = {}
    for index, boxes in enumerate(samples):
        sightings = tracker.update([Face(box, 1.0) for box in boxes], index * STEP)
        ids = [s.track for s in sightings]
        assert len(ids) == len(set(ids)) <= max_faces
        assert all(s.track in before or s.track not in known for s in sightings), "a track that was over came back"
        assert all(s.detected or before[s.track] for s in sightings), "missed twice, still there"
        seen = [s.box for s in sightings if s.detected]
        assert len(seen) == len(set(seen)) or len(set(boxes)) < len(boxes)
        for s in sightings:
            assert all(math.isfinite(value) for value in s.smooth)
            assert longer(s.smooth) > 0
        known |= set(ids)
        before = {s.track: s.detected for s in sightings}
