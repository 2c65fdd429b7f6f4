from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamer import regions
from streamer.faces import Detector, Face, Haar, YuNet, like_yunet, resize, shrink
from streamer.models import FILE
from streamer.pixels import View
from streamer.tracking import iou
from tests.support import clips


@pytest.fixture(params=["haar", "yunet"])
def detector(request: pytest.FixtureRequest) -> Detector:
    if request.param == "haar":
        return Haar(640, 32)
    model = request.getfixturevalue("shared") / "models" / FILE
    return YuNet(Path(model), 640)


def truth(centre: tuple[float, float], width: float) -> tuple[float, float, float, float]:
    height = width * clips.FACE[3] / clips.FACE[2]
    return centre[0] - width / 2, centre[1] - height / 2, width, height


@pytest.mark.parametrize(
    ("centre", "width", "size"),
    [
        ((320, 220), 130, (640, 480)),
        ((200, 240), 60, (640, 480)),
        ((1200, 500), 200, (1920, 1080)),
        ((320, 260), 300, (640, 480)),  # a close-up
    ],
)
def test_finds_the_face_in_pixels_of_the_whole_frame(
    detector: Detector, centre: tuple[float, float], width: float, size: tuple[int, int]
) -> None:
    faces = detector.detect(clips.face_at(centre, width, size))
    assert len(faces) == 1
    assert iou(faces[0].box, truth(centre, width)) > 0.6, faces[0].box


def test_finds_nothing_where_nothing_is(detector: Detector) -> None:
    assert detector.detect(next(clips.plain(1))) == []


def test_yunet_gives_landmarks_in_pixels_of_the_whole_frame(shared: Path) -> None:
    face = YuNet(shared / "models" / FILE, 640).detect(clips.face_at((1200, 500), 200, (1920, 1080)))[0]
    assert face.landmarks is not None
    right, left, nose, *_ = face.landmarks
    assert right[0] < nose[0] < left[0]
    assert 1100 < nose[0] < 1300
    assert 0.7 < face.score <= 1


def test_a_face_looked_for_in_its_surroundings_gets_the_box_of_a_whole_search(shared: Path) -> None:
    yunet, size, scale = YuNet(shared / "models" / FILE, 640), (1280, 720), 2.0
    for step in range(8):
        view = View(clips.face_at((300 + 83 * step, 250 + 29 * step), 100 + 9 * step, size))
        whole = yunet.detect(view.bgr())[0]
        region = regions.around(whole.box, size, scale)
        place = regions.in_frame(region, size, scale)
        faces = [f.scaled(scale, *place[:2]) for f in yunet.look(resize(view.part(place), region[2:]))]
        assert len(faces) == 1
        assert iou(faces[0].box, whole.box) > 0.96
        assert faces[0].score == pytest.approx(whole.score, abs=0.01)


def test_sizes_the_network_is_laid_out_alike_for_share_it_and_no_face_moves(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, create, made = shared / "models" / FILE, cv2.FaceDetectorYN.create, list[str]()

    def counted(*about: Any) -> Any:
        made.append(about[0])
        return create(*about)

    monkeypatch.setattr(cv2.FaceDetectorYN, "create", counted)
    sizes = [(192, 192), (192, 168), (185, 192), (192, 161), (192, 192)]
    pictures = [clips.face_at((96, 90), 90, size) for size in sizes]
    alone = [YuNet(model, 640).look(picture) for picture in pictures]
    made.clear()
    yunet = YuNet(model, 640)
    assert [yunet.look(picture) for picture in pictures] == alone
    assert all(len(faces) == 1 for faces in alone)
    assert len(made) == 1


def test_threads_share_a_detector(detector: Detector) -> None:
    pictures = [clips.face_at((200 + 40 * i, 240), 90 + 10 * i, (640, 480)) for i in range(4)]
    alone = [detector.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(detector.detect, pictures)) == alone


def test_the_mapping_keeps_the_centre_about_where_it_is() -> None:
    x, y, width, height = like_yunet(100, 100, 100, 100)
    assert (x + width / 2, y + height / 2) == pytest.approx((150, 152))
    assert height > width


def test_shrink() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    assert shrink(picture, 640)[0] is picture
    small, scale = shrink(picture, 160)
    assert (small.shape, scale) == ((120, 160, 3), 4.0)


def test_a_face_scales_whole() -> None:
    face = Face((1, 2, 3, 4), 0.9, ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5))).scaled(2)
    assert (face.box, face.score) == ((2, 4, 6, 8), 0.9)
    assert face.landmarks == ((2, 2), (4, 4), (6, 6), (8, 8), (10, 10))


def test_a_face_scales_to_its_place_in_a_larger_picture() -> None:
    face = Face((1, 2, 3, 4), 0.9, ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5))).scaled(2, 10, 20)
    assert face.box == (12, 24, 6, 8)
    assert face.landmarks == ((12, 22), (14, 24), (16, 26), (18, 28), (20, 30))
