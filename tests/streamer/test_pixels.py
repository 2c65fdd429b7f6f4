from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from streamer import pixels
from streamer.pixels import FrameView, Picture, View
from tests.support import clips

SIZE = (322, 242)  # neither is a multiple of anything the converter likes
REGIONS = [(0, 0, 322, 242), (0, 0, 64, 64), (31, 17, 100, 99), (200, 100, 122, 142), (321, 241, 1, 1), (7, 9, 33, 65)]


@pytest.fixture(autouse=True)
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Width and height of each picture that is converted."""
    sizes: list[tuple[int, int]] = []
    real = pixels.to_bgr

    def counted(frame: av.VideoFrame, reformatter: VideoReformatter) -> Picture:
        sizes.append((frame.width, frame.height))
        return real(frame, reformatter)

    monkeypatch.setattr(pixels, "to_bgr", counted)
    return sizes


def frame(form: str = "yuv420p", colorspace: int | None = None, color_range: int | None = None) -> av.VideoFrame:
    noise = np.random.default_rng(4).integers(0, 255, (SIZE[1] // 8 + 1, SIZE[0] // 8 + 1, 3), np.uint8)
    picture: NDArray[np.uint8] = np.kron(noise, np.ones((8, 8, 1), np.uint8))[: SIZE[1], : SIZE[0]]
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24").reformat(format=form)
    if colorspace is not None:
        made.colorspace = colorspace
    if color_range is not None:
        made.color_range = color_range
    return made


def view(of: av.VideoFrame, rotation: int = 0, crop: pixels.Region | None = None) -> FrameView:
    return FrameView(of, VideoReformatter(), VideoReformatter(), rotation, crop)


@pytest.mark.parametrize(
    ("form", "colorspace", "color_range"),
    [("yuv420p", None, None), ("yuv420p", 1, 1), ("yuv420p", 5, 2), ("yuvj420p", None, None)],
)
def test_a_part_has_the_pixels_of_the_whole(form: str, colorspace: int | None, color_range: int | None) -> None:
    one = frame(form, colorspace, color_range)
    whole = view(one).bgr()
    for x, y, width, height in REGIONS:
        part = view(one).part((x, y, width, height))
        assert part.shape == (height, width, 3)
        assert (part == whole[y : y + height, x : x + width]).all()


def test_a_part_is_converted_alone_and_the_whole_once(conversions: list[tuple[int, int]]) -> None:
    one = view(frame())
    assert conversions == []
    one.part((31, 17, 100, 99))
    assert conversions == [(128, 128)]
    one.bgr()
    one.bgr()
    one.part((31, 17, 100, 99))
    assert conversions == [(128, 128), SIZE]


@pytest.mark.parametrize("form", ["yuv444p", "nv12", "gray", "bgr24"])
def test_other_formats_are_converted_whole(form: str, conversions: list[tuple[int, int]]) -> None:
    one = view(frame(form))
    whole = one.bgr()
    conversions.clear()
    assert (view(frame(form)).part((31, 17, 100, 99)) == whole[17:116, 31:131]).all()
    assert conversions == [SIZE]


def test_turned_and_cropped_pictures() -> None:
    one, whole = frame(), view(frame()).bgr()
    crop = (11, 5, 200, 180)
    assert view(one, crop=crop).size == (200, 180)
    assert (view(one, crop=crop).part((20, 30, 64, 48)) == whole[35:83, 31:95]).all()
    assert (view(one, crop=crop).bgr() == whole[5:185, 11:211]).all()
    turned = view(one, rotation=90)
    assert turned.size == (SIZE[1], SIZE[0])
    assert (turned.part((3, 4, 50, 60)) == np.rot90(whole)[4:64, 3:53]).all()


def test_a_still() -> None:
    picture = next(clips.plain(1))
    one = View(picture)
    assert one.size == (640, 480)
    assert (one.part((10, 20, 30, 40)) == picture[20:60, 10:40]).all()


def test_frames_of_a_real_decoder_agree_too(face_clip: Path) -> None:
    """Its planes are padded, and belong to the decoder."""

    def frames() -> Iterator[av.VideoFrame]:
        with av.open(str(face_clip)) as container:
            yield from container.decode(video=0)

    part, whole = VideoReformatter(), VideoReformatter()
    for count, one in enumerate(frames()):
        cut = FrameView(one, whole, part).part((101, 33, 260, 240))
        assert (cut == FrameView(one, whole, part).bgr()[33:273, 101:361]).all()
        if count == 10:
            return
