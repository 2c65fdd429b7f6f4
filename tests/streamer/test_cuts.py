from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamer.analysis import Analysis
from streamer.faces import Face
from streamer.pixels import Picture, View
from streamer.sampling import Sample
from tests.support.clips import face_at
from wire.messages import Box, Window
from wire.settings import StreamerSettings, WindowSettings

SIZE = (640, 480)
GRID: tuple[Box, ...] = tuple((60.0 + 320 * x, 40.0 + 240 * y, 120.0, 150.0) for y in (0, 1) for x in (0, 1))
SPEAKER: tuple[Box, ...] = ((240.0, 140.0, 160.0, 200.0),)
# Where the tiles have come closer, the second row's faces lie over where the first's were.
CLOSER: tuple[Box, ...] = tuple((x, y * 0.5 + 20, w, h) for x, y, w, h in GRID)


def person(number: int) -> Picture:
    """Somebody in a room: the portrait with another skin, hair and wall for each number; 160 x 160."""
    picture = cv2.resize(face_at((160, 130), 130, (320, 320)), (160, 160), interpolation=cv2.INTER_AREA)
    order = ((0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0))[number % 4]
    shade = (1.0, 0.55, 1.25, 0.8)[number % 4]
    return np.clip(picture[..., order] * shade + 25 * (number // 4), 0, 255).astype(np.uint8)


def show(people: list[int], boxes: tuple[Box, ...], shift: float = 0.0) -> View:
    """A call's window: each person's tile around their box."""
    picture = np.full((SIZE[1], SIZE[0], 3), 30, np.uint8)
    for number, (x, y, w, h) in zip(people, boxes, strict=True):
        left, top, side = round(x + shift - w * 0.4), round(y - h * 0.3), round(1.6 * h)
        tile = cv2.resize(person(number), (side, side))
        x0, y0, x1, y1 = max(0, left), max(0, top), min(SIZE[0], left + side), min(SIZE[1], top + side)
        picture[y0:y1, x0:x1] = tile[y0 - top : y1 - top, x0 - left : x1 - left]
    return View(picture)


class Told:
    """Finds the boxes it is told, in whole pictures only."""

    name, boxes = "told", ()

    def detect(self, bgr: Picture) -> list[Face]:
        return [Face(box, 1.0) for box in self.boxes]

    def width(self, frame: int) -> int:
        return frame

    def look(self, bgr: Picture) -> list[Face]:
        return []


class Call:
    """A call that is watched, a sample at a time."""

    def __init__(self) -> None:
        self.told, self.index, self.windows = Told(), 0, list[Window]()
        settings = StreamerSettings(), WindowSettings(frames=4, stride=2)
        self.analysis = Analysis("call", 6.0, self.told, *settings, clock=lambda: 50.0)

    def see(self, people: list[int], boxes: tuple[Box, ...], samples: int = 1, missed: bool = False) -> list[str]:
        """The tracks in the order of the boxes, after so many samples."""
        for _ in range(samples):
            self.told.boxes = () if missed else boxes  # type: ignore[assignment]
            sample = Sample(3, self.index, 10 + self.index / 6, SIZE)
            shift = 4.0 * (self.index % 3)
            self.windows += self.analysis.analyse(sample, show(people, boxes, shift))
            self.index += 1
        named = {sighting.box: sighting.track for sighting in self.analysis.sightings}
        return [named.get(box, "") for box in boxes]


def test_tiles_of_a_grid_are_tracks_of_their_own_and_stay() -> None:
    call = Call()
    first = call.see([0, 1, 2, 3], GRID)
    assert len(set(first)) == 4
    assert call.see([0, 1, 2, 3], GRID, samples=12) == first
    assert {window.track for window in call.windows} == set(first)


def unmixed(call: Call, change: int) -> None:
    """No window holds samples from before and from after."""
    assert call.windows
    for window in call.windows:
        assert len({frame.index >= change for frame in window.frames}) == 1, window.id


@pytest.mark.parametrize("missed", [False, True])
def test_the_next_speaker_in_the_same_place_is_another_track(missed: bool) -> None:
    call = Call()
    (before,) = call.see([0], SPEAKER, samples=7)
    if missed:  # the cut is a blend in which nobody is found
        call.see([0], SPEAKER, missed=True)
    change = call.index
    (after,) = call.see([1], SPEAKER)
    assert after
    assert after != before
    assert call.see([1], SPEAKER, samples=8) == [after]
    unmixed(call, change)
    assert {window.track for window in call.windows} == {before, after}


def test_people_who_change_their_tiles_are_other_tracks() -> None:
    call = Call()
    before = call.see([0, 1, 2, 3], GRID, samples=7)
    change = call.index
    after = call.see([2, 1, 0, 3], GRID)
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, False, True]
    call.see([2, 1, 0, 3], GRID, samples=6)
    moved = [window for window in call.windows if window.track not in (before[1], before[3])]
    assert moved
    assert all(len({frame.index >= change for frame in window.frames}) == 1 for window in moved)


def test_a_layout_whose_tiles_lie_over_those_before_mixes_nobody() -> None:
    call = Call()
    before = call.see([0, 1, 2, 3], GRID, samples=7)
    change = call.index
    call.see([4, 5, 2, 3], CLOSER, samples=8)
    unmixed(call, change)
    assert {window.track for window in call.windows} - set(before)


def test_light_that_changes_slowly_and_a_head_that_moves_are_no_cut() -> None:
    call = Call()
    tracks = set()
    for step in range(20):
        call.told.boxes = ((240.0 + 6 * step, 140.0, 160.0, 200.0),)  # type: ignore[assignment]
        bright = show([0], call.told.boxes).bgr().astype(np.float32) * (1 - 0.02 * step)  # type: ignore[arg-type]
        call.analysis.analyse(Sample(3, step, 10 + step / 6, SIZE), View(bright.astype(np.uint8)))
        tracks |= {sighting.track for sighting in call.analysis.sightings}
    assert len(tracks) == 1
