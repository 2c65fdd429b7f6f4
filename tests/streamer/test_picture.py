from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer import picture
from tests.streamer.recorded import evidence, record
from tests.support import numbered

X, Y, W, H = (round(value) for value in numbered.BOX)


def opened(jpeg: bytes) -> NDArray[np.uint8]:
    made = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert made is not None
    return made.astype(np.uint8, copy=False)


@pytest.mark.parametrize("kind", numbered.CODECS)
def test_the_newest_frame_of_the_window_at_full_size_with_its_box(tmp_path: Path, kind: str) -> None:
    made = record(numbered.write(tmp_path / "clip", kind))
    found = picture.make(made.ring, evidence(made.times[57]))
    assert found is not None
    assert (found.alert, found.captured, found.box) == ("a", made.times[57], numbered.BOX)
    shown = opened(found.jpeg)
    assert shown.shape[1::-1] == found.frame_size == numbered.SIZE
    assert numbered.read(shown) == 57
    red = shown[..., 2].astype(int) - shown[..., 1] > 60
    assert red[Y - 2 : Y, X : X + W].mean() > 0.9
    assert red[Y : Y + H, X + W : X + W + 2].mean() > 0.9
    assert not red[Y + 4 : Y + H - 4, X + 4 : X + W - 4].any()


def test_not_one_pixel_of_the_face_is_touched() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    picture.draw(pixels, (50.4, 60.0, 30.2, 40.9))
    drawn = pixels.any(axis=2)
    assert not drawn[60:101, 50:81].any()
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (58, 102, 48, 82)
    assert drawn.sum() == 2 * (2 * 35 + 2 * 41)


@pytest.mark.parametrize("box", [(-30.0, -30.0, 60.0, 60.0), (180.0, 180.0, 60.0, 60.0), (-9.0, -9.0, 999.0, 999.0)])
def test_a_box_beyond_the_edge(box: tuple[float, float, float, float]) -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    picture.draw(pixels, box)
    x, y, w, h = box
    inside = pixels[max(0, round(y)) : round(y + h), max(0, round(x)) : round(x + w)]
    assert not inside.any()


def test_a_moment_that_is_gone_or_of_another_size(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "h264", count=30))
    assert picture.make(made.ring, evidence(made.times[0] - 1)) is None
    assert picture.make(made.ring, evidence(made.times[3], size=(640, 480))) is None
    made.ring.clear()
    assert picture.make(made.ring, evidence(made.times[3])) is None


def turned(path: Path) -> Path:
    """The MP4 with a display matrix that turns it clockwise by 90 degrees, as a phone writes it."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    for place, value in enumerate((0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)):
        data[matrix + 4 * place : matrix + 4 * place + 4] = value.to_bytes(4, "big", signed=True)
    made = path.with_suffix(".turned.mp4")
    made.write_bytes(data)
    return made


def test_a_turned_and_cut_picture_is_as_the_analysis_saw_it(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "clip", "h264", count=30)
    made = record(turned(path), crop=(20, 0, 200, 300))
    found = picture.make(made.ring, evidence(made.times[11], size=(200, 300)))
    assert found is not None
    expected = np.rot90(numbered.picture(11), 3)[0:300, 20:220]
    shown = opened(found.jpeg)
    assert shown.shape == expected.shape
    assert float(np.abs(shown[:110].astype(int) - expected[:110]).mean()) < 6
