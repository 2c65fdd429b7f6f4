from __future__ import annotations

import cv2
import numpy as np
import pytest
from msgspec import UNSET

from streamer import regions
from streamer.analysis import STILL_S, WHOLE_EVERY, Analysis, preview
from streamer.faces import Face, Haar
from streamer.pixels import Picture, View
from streamer.sampling import Sample
from tests.support import clips
from wire.messages import Box
from wire.settings import StreamerSettings, WindowSettings

SIZE = (640, 480)


class Scripted:
    """Finds what it is told, in the part of PICTURE it is given, and keeps the sizes it was given."""

    name = "scripted"

    def __init__(self, *boxes: Box) -> None:
        self.boxes, self.sizes = boxes, list[tuple[int, int]]()

    def detect(self, bgr: Picture) -> list[Face]:
        self.sizes.append((bgr.shape[1], bgr.shape[0]))
        return [Face(box, 1.0) for box in self.boxes]

    def width(self, frame: int) -> int:
        return frame

    def look(self, bgr: Picture) -> list[Face]:
        self.sizes.append((bgr.shape[1], bgr.shape[0]))
        left, top = (4.0 * value for value in bgr[0, 0, :2])
        scale = (4.0 * bgr[0, -1, 0] - left) / (bgr.shape[1] - 1)
        return [
            Face(((x - left) / scale, (y - top) / scale, w / scale, h / scale), 1.0)
            for x, y, w, h in self.boxes
            if left < x + w / 2 < left + scale * bgr.shape[1] and top < y + h / 2 < top + scale * bgr.shape[0]
        ]


def make(detector: object, frames: int = 4, stride: int = 2) -> Analysis:
    return Analysis(
        "cam",
        6.0,
        detector,  # type: ignore[arg-type]
        StreamerSettings(),
        WindowSettings(frames=frames, stride=stride),
        clock=lambda: 50.0,
    )


def at(index: int, epoch: int = 3) -> Sample:
    return Sample(epoch, index, 10 + index / 6, SIZE)


PICTURE = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)  # and where one is in it: x / 4, y / 4
PICTURE[..., 0], PICTURE[..., 1] = np.arange(SIZE[0]) // 4, np.arange(SIZE[1])[:, None] // 4
VIEW = View(PICTURE)
CHANGED = View(cv2.rectangle(PICTURE.copy(), (600, 440), (630, 470), (0, 0, 255), -1))  # in a corner
SMALL = (200.0, 100.0, 60.0, 80.0)
BOX = (200.0, 100.0, 160.0, 200.0)


def test_pictures_to_windows_with_a_real_detector() -> None:
    analysis = make(Haar(640, 32))
    windows = []
    for index, picture in enumerate(clips.gliding(2, fps=6)):
        windows += analysis.analyse(at(index), View(picture))
    assert [w.seq for w in windows] == list(range(5))
    assert [w.margin for w in windows] == [0.8] * 5
    portrait = windows[0].portrait
    assert portrait
    assert portrait.margin == 1.4
    crop, sent = (
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        for jpeg in (portrait.jpeg, windows[0].frames[-1].jpeg)
    )
    assert crop is not None
    assert sent is not None
    assert crop.shape == (224, 224, 3)
    assert len(Haar(640, 32).detect(crop.astype(np.uint8))) == 1  # the portrait shows the face
    inner = np.abs(crop[48:-48, 48:-48].astype(int) - sent)[2:-2, 2:-2]
    assert inner.max() == 0, "what is sent is its middle, block for block of the JPEG"
    assert windows[0].quality.sharpness > 15


@pytest.mark.parametrize("box", [BOX, SMALL])
def test_between_whole_searches_only_the_surroundings_are_searched(box: Box) -> None:
    detector = Scripted(box)
    analysis = make(detector)
    for index in range(WHOLE_EVERY + 1):
        analysis.analyse(at(index), CHANGED if index == WHOLE_EVERY else VIEW)
        assert analysis.sightings[0].box == pytest.approx(box, rel=0.03, abs=4)
    assert detector.sizes[0] == detector.sizes[WHOLE_EVERY] == SIZE
    assert max(4 * width * height for width, height in detector.sizes[1:-1]) < SIZE[0] * SIZE[1]


def test_a_face_missed_in_its_surroundings_is_looked_for_in_the_whole() -> None:
    detector = Scripted(BOX)
    analysis = make(detector)
    analysis.analyse(at(0), VIEW)
    detector.boxes = ()
    analysis.analyse(at(1), VIEW)
    assert detector.sizes[1:] == [regions.around(BOX, SIZE, regions.scale_for(BOX, 1.0))[2:], SIZE]


def test_two_faces_are_followed_each_in_its_own_surroundings() -> None:
    boxes = SMALL, (420.0, 300.0, 50.0, 70.0)
    detector = Scripted(*boxes)
    analysis = make(detector)
    for index in range(3):
        analysis.analyse(at(index), VIEW)
    assert [s.box for s in analysis.sightings] == [pytest.approx(box, abs=4) for box in boxes]
    assert len(detector.sizes) == 5


def test_one_face_does_not_stand_for_two() -> None:
    detector = Scripted(SMALL, (250.0, 110.0, 60.0, 80.0))
    analysis = make(detector)
    analysis.analyse(at(0), VIEW)
    assert len(analysis.sightings) == 2
    detector.boxes = ((225.0, 105.0, 60.0, 80.0),)
    analysis.analyse(at(1), VIEW)
    assert detector.sizes[-1] == SIZE
    assert sum(sighting.detected for sighting in analysis.sightings) == 1


def test_a_crowd_is_searched_as_a_whole() -> None:
    detector = Scripted(*((x, y, 60.0, 80.0) for x in (40.0, 180.0, 320.0, 460.0) for y in (40.0, 250.0)))
    analysis = make(detector)
    for index in range(3):
        analysis.analyse(at(index), VIEW)
    assert set(detector.sizes) == {SIZE}
    assert len(analysis.sightings) == 8


def test_where_nothing_changes_outside_of_the_followed_face_only_that_is_looked_for() -> None:
    detector = Scripted(BOX)
    analysis = make(detector)
    seconds = 2 * STILL_S
    for index in range(round(6 * seconds) + 1):
        analysis.analyse(at(index), VIEW)
    assert sum(size == SIZE for size in detector.sizes) == 3  # at 0, STILL_S, 2 STILL_S
    assert len(detector.sizes) == len(range(round(6 * seconds) + 1))


def test_with_nobody_there_every_other_sample_is_searched_as_long_as_something_moves() -> None:
    detector = Scripted()
    analysis = make(detector)
    for index in range(6):
        analysis.analyse(at(index), CHANGED if index % 4 else VIEW)
    assert len(detector.sizes) == 3
    for index in range(6, 12):
        analysis.analyse(at(index), VIEW)
    assert len(detector.sizes) == 3


def test_in_a_hurry_every_other_search_is_left_out_and_no_window_is_lost() -> None:
    detector = Scripted(BOX)
    analysis = make(detector)
    windows = [w for index in range(12) for w in analysis.analyse(at(index), VIEW, hurry=True)]
    assert len(detector.sizes) == 6
    assert [w.frames[-1].index for w in windows] == [3, 5, 7, 9]


def test_a_new_epoch_forgets_everything() -> None:
    analysis = make(Scripted(BOX))
    for index in range(3):
        analysis.analyse(at(index), VIEW)
    windows = [w for index in range(4) for w in analysis.analyse(at(index, epoch=9), VIEW)]
    assert [(w.epoch, w.track, w.seq) for w in windows] == [(9, "9-0", 0)]


def test_the_preview_is_small_and_shows_the_boxes() -> None:
    analysis = make(Scripted(BOX))
    analysis.analyse(at(0), VIEW)
    plain = np.full((960, 1280, 3), 90, np.uint8)
    picture = cv2.imdecode(np.frombuffer(preview(View(plain), analysis.sightings), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (480, 640, 3)
    assert picture[50:151, 100:181, 1].max() > 150  # half of BOX: the picture was halved
    assert picture[200:, 300:, 1].max() < 110
    assert np.ptp(picture, axis=2).max() < 20, "no colour that could be taken for a verdict"


def test_a_window_of_whole_crops_needs_no_portrait() -> None:
    analysis = Analysis(
        "cam", 6.0, Scripted(BOX), StreamerSettings(), WindowSettings(frames=2, stride=2).whole, clock=lambda: 50.0
    )  # fmt: skip
    (window,) = [w for index in range(2) for w in analysis.analyse(at(index), VIEW)]
    assert (window.margin, window.portrait) == (1.4, UNSET)
    sent = cv2.imdecode(np.frombuffer(window.frames[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert sent is not None
    assert sent.shape == (224, 224, 3)
