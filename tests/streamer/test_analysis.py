from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamer.analysis import QUICK_FACE_PX, WHOLE_EVERY, Analysis, preview
from streamer.faces import Face, Haar
from streamer.sampling import Sample
from tests.support import clips
from wire.messages import Box
from wire.settings import StreamerSettings, WindowSettings

SIZE = (640, 480)


class Scripted:
    """Finds what it is told, in the picture it is given, and keeps the widths it was given."""

    name = "scripted"

    def __init__(self, *boxes: Box) -> None:
        self.boxes, self.widths = boxes, list[int]()

    def detect(self, bgr: np.ndarray) -> list[Face]:
        self.widths.append(bgr.shape[1])
        scale = bgr.shape[1] / SIZE[0]
        return [Face((x * scale, y * scale, w * scale, h * scale), 1.0) for x, y, w, h in self.boxes]


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


PICTURE = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
BOX = (200.0, 100.0, 160.0, 200.0)


def test_pictures_to_windows_with_a_real_detector() -> None:
    analysis = make(Haar(640, 32))
    windows = []
    for index, picture in enumerate(clips.gliding(2, fps=6)):
        windows += analysis.analyse(at(index), picture)
    assert [w.seq for w in windows] == list(range(5))
    crop = cv2.imdecode(np.frombuffer(windows[0].frames[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert crop is not None
    assert crop.shape == (224, 224, 3)
    assert len(Haar(640, 32).detect(crop.astype(np.uint8))) == 1  # the crop shows the face
    assert windows[0].quality.sharpness > 15


def test_between_whole_searches_a_smaller_picture_is_searched() -> None:
    detector = Scripted(BOX)
    analysis = make(detector)
    for index in range(WHOLE_EVERY + 1):
        analysis.analyse(at(index), PICTURE)
    small = round(640 * QUICK_FACE_PX / 200)
    assert detector.widths == [640, *[small] * (WHOLE_EVERY - 1), 640]
    assert analysis.sightings[0].box == pytest.approx(BOX)


def test_a_small_face_is_not_made_smaller() -> None:
    detector = Scripted((200.0, 100.0, 60.0, 80.0))
    analysis = make(detector)
    for index in range(3):
        analysis.analyse(at(index), PICTURE)
    assert set(detector.widths) == {640}


def test_a_face_missed_in_the_smaller_picture_is_looked_for_in_the_whole() -> None:
    detector = Scripted(BOX)
    analysis = make(detector)
    analysis.analyse(at(0), PICTURE)
    detector.boxes = ()
    analysis.analyse(at(1), PICTURE)
    assert detector.widths[1:] == [round(640 * QUICK_FACE_PX / 200), 640]


def test_with_nobody_there_every_other_sample_is_searched() -> None:
    detector = Scripted()
    analysis = make(detector)
    for index in range(6):
        analysis.analyse(at(index), PICTURE)
    assert len(detector.widths) == 3


def test_in_a_hurry_every_other_search_is_left_out_and_no_window_is_lost() -> None:
    detector = Scripted(BOX)
    analysis = make(detector)
    windows = [w for index in range(12) for w in analysis.analyse(at(index), PICTURE, hurry=True)]
    assert len(detector.widths) == 6
    assert [w.frames[-1].index for w in windows] == [3, 5, 7, 9]


def test_a_new_epoch_forgets_everything() -> None:
    analysis = make(Scripted(BOX))
    for index in range(3):
        analysis.analyse(at(index), PICTURE)
    windows = [w for index in range(4) for w in analysis.analyse(at(index, epoch=9), PICTURE)]
    assert [(w.epoch, w.track, w.seq) for w in windows] == [(9, "9-0", 0)]


def test_the_preview_is_small_and_shows_the_boxes() -> None:
    analysis = make(Scripted(BOX))
    analysis.analyse(at(0), PICTURE)
    plain = np.full((960, 1280, 3), 90, np.uint8)
    picture = cv2.imdecode(np.frombuffer(preview(plain, analysis.sightings), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (480, 640, 3)
    assert picture[50:151, 100:181, 1].max() > 150  # half of BOX: the picture was halved
    assert picture[200:, 300:, 1].max() < 110
