from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import crops
from streamer.crops import Measure
from streamer.pixels import View
from tests.support import clips
from wire.messages import Box


def ramp(width: int = 640, height: int = 480) -> np.ndarray:
    """Blue grows with x, green with y."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = (np.arange(width) * 255 // width)[None]
    picture[..., 1] = (np.arange(height) * 255 // height)[:, None]
    return picture


def test_the_crop_is_centred_on_the_box_and_as_wide_as_the_margin_says() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    cv2.rectangle(picture, (250, 150), (349, 269), (255, 255, 255), -1)  # 100 x 120
    crop = crops.cut(View(picture), (250, 150, 100, 120), 1.5, 180)
    bright = np.argwhere(crop[..., 0] > 127)
    assert bright.min(0) == pytest.approx([30, 40], abs=1)
    assert bright.max(0) == pytest.approx([149, 139], abs=1)


def test_outside_of_the_frame_the_edge_is_repeated() -> None:
    crop = crops.cut(View((255 - ramp()).astype(np.uint8)), (-60, -60, 120, 120), 1.0, 120)
    assert crop[0, 0].tolist() == pytest.approx([255, 255, 255], abs=1)
    assert np.ptp(crop[:40, :, 1]) <= 1
    assert np.ptp(crop[:, :40, 0]) <= 1


@given(
    st.tuples(st.floats(-300, 900), st.floats(-300, 900), st.floats(0.5, 900), st.floats(0.5, 900)),
    st.sampled_from([(64, 48), (640, 480)]),
)
def test_any_box_gives_a_crop(box: Box, size: tuple[int, int]) -> None:
    crop = crops.cut(View(ramp(*size)), box, 1.4, 32)
    assert (crop.shape, crop.dtype) == ((32, 32, 3), np.uint8)


def test_the_jpeg_is_bgr_and_close() -> None:
    crop = crops.cut(View(clips.face_at((320, 220), 130)), (255, 140, 130, 163), 1.4, 224)
    data = crops.encode(crop, 95)
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    assert back.shape == (224, 224, 3)
    assert float(np.abs(back.astype(int) - crop).mean()) < 3
    assert len(crops.encode(crop, 50)) < len(data)


def test_measures() -> None:
    crop = crops.cut(View(clips.portrait()), clips.FACE, 1.4, 224)
    sharp = crops.measure(crop, (0, 0, 90, 113), None)
    blurred = crops.measure(cv2.GaussianBlur(crop, (0, 0), 6).astype(np.uint8), (0, 0, 90, 113), None)
    dark = crops.measure((crop // 8).astype(np.uint8), (0, 0, 90, 113), None)
    assert sharp.face_px == 113
    assert sharp.sharpness > 15 > blurred.sharpness  # 15: the default below which a verdict is unsure
    assert sharp.brightness > 60
    assert dark.brightness < 30
    assert sharp.yaw is None


def test_yaw() -> None:
    eyes = ((100.0, 100.0), (140.0, 100.0))
    mouth = ((105.0, 150.0), (135.0, 150.0))
    assert crops.yaw((*eyes, (120.0, 125.0), *mouth)) == pytest.approx(0)
    assert crops.yaw((*eyes, (144.0, 125.0), *mouth)) == pytest.approx(0.6)
    assert crops.yaw((*eyes, (96.0, 125.0), *mouth)) == pytest.approx(-0.6)
    assert crops.yaw(((100.0, 100.0), (100.0, 100.0), (120.0, 125.0), *mouth)) is None


def test_a_tilted_head_is_not_turned() -> None:
    assert crops.yaw(((0.0, 0.0), (30.0, 30.0), (0.0, 30.0), (0.0, 0.0), (0.0, 0.0))) == pytest.approx(0)


def test_summary_takes_medians_and_leaves_out_a_yaw_seldom_seen() -> None:
    measures = [Measure(10.0 * i, i, 2.0 * i, 0.1 * i if i > 2 else None) for i in range(5)]
    quality = crops.summary(measures)
    assert (quality.face_px, quality.sharpness, quality.brightness, quality.yaw) == (20, 2, 4, None)
    assert crops.summary(measures[2:]).yaw == pytest.approx(0.35)
