"""Pictures: cut at the streamer's margin where there is room, kept whole, to the byte, where the face fills them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.faces import Detector, Face
from tests.support.clips import FACE, face_at, portrait
from tests.unmask.data.conftest import SETTINGS
from unmask.data.pictures import choose, still

MARGIN = SETTINGS.window.crop_margin


def tight(path: Path, side: int = 124) -> bytes:
    """A square crop of the portrait's face, `side` px wide, enlarged as those of DFDC are."""
    x, y, w, h = FACE
    left, top = x + w // 2 - side // 2, y + h // 2 - side // 2
    crop = cv2.resize(portrait()[top : top + side, left : left + side], (224, 224))
    cv2.imwrite(str(path), crop)
    return path.read_bytes()


def test_a_face_with_room_around_it_is_cut(folder: Path, haar: Detector) -> None:
    found = still(folder / "face.jpg", haar, SETTINGS, 0, None)
    assert found is not None
    assert (found.margin, found.size, found.points) == (MARGIN, 224, None)
    image = cv2.imdecode(np.frombuffer(found.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (224, 224, 3)


def test_a_tight_crop_is_kept_to_the_byte_whatever_is_found_in_it(tmp_path: Path, haar: Detector) -> None:
    raw = tight(tmp_path / "a.jpg")
    found = still(tmp_path / "a.jpg", haar, SETTINGS, 0.8, None)
    assert found is not None
    assert (found.jpeg, found.margin, found.size) == (raw, 0.8, 224)
    cv2.imwrite(str(tmp_path / "grey.jpg"), np.full((200, 200, 3), 90, np.uint8))
    grey = still(tmp_path / "grey.jpg", haar, SETTINGS, 0.8, None)
    assert grey is not None
    assert (grey.size, grey.points) == (200, None)


def test_a_tight_crop_nobody_announced_gets_its_own_margin(tmp_path: Path, yunet: Detector) -> None:
    raw = tight(tmp_path / "a.jpg", 124)
    found = still(tmp_path / "a.jpg", yunet, SETTINGS, 0, None)
    assert found is not None
    assert found.jpeg == raw
    assert found.margin == pytest.approx(124 / max(FACE[2:]), rel=0.15)
    assert found.points is not None
    assert 0 < found.points[0] < found.points[2] < 224


def test_what_is_kept_whole_is_square_and_no_larger_than_a_crop(tmp_path: Path, haar: Detector) -> None:
    x, y, w, h = FACE
    close = cv2.resize(portrait()[y : y + h, x + 5 : x + w + 25], None, fx=6, fy=6)
    cv2.imwrite(str(tmp_path / "close.png"), close)
    found = still(tmp_path / "close.png", haar, SETTINGS, 0.9, None)
    assert found is not None
    assert (found.size, found.margin) == (224, 0.9)
    assert found.jpeg.startswith(b"\xff\xd8\xff")


def test_the_hint_says_which_face(tmp_path: Path, haar: Detector) -> None:
    two = np.hstack([face_at((160, 120), 80, (320, 240)), face_at((160, 120), 60, (320, 240))])
    cv2.imwrite(str(tmp_path / "two.png"), two)
    hint = (320 + 130.0, 82.0, 60.0, 76.0)
    largest, hinted = (still(tmp_path / "two.png", haar, SETTINGS, 0, box) for box in (None, hint))
    assert largest is not None
    assert hinted is not None
    assert largest.jpeg != hinted.jpeg
    assert still(tmp_path / "two.png", haar, SETTINGS, 0, (0.0, 0.0, 20.0, 20.0)) is None


def test_choose() -> None:
    small, large = Face((0, 0, 10, 10), 1.0), Face((50, 0, 20, 20), 1.0)
    assert choose([small, large], None) is large
    assert choose([small, large], (1, 1, 10, 10)) is small
    assert choose([], None) is None
    assert choose([small], (50, 50, 10, 10)) is None


def test_points_of_a_still(folder: Path, yunet: Detector) -> None:
    found = still(folder / "face.jpg", yunet, SETTINGS, 0, tuple(map(float, FACE)))  # type: ignore[arg-type]
    assert found is not None
    assert found.points is not None
    right_eye, left_eye, nose = found.points[0:2], found.points[2:4], found.points[4:6]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert nose[1] > right_eye[1]


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_no_picture(tmp_path: Path, haar: Detector, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match="not a picture"):
        still(tmp_path / "a.jpg", haar, SETTINGS, 0, None)


def test_nobody(tmp_path: Path, haar: Detector) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((200, 300, 3), 90, np.uint8))
    assert still(tmp_path / "grey.png", haar, SETTINGS, 0, None) is None
