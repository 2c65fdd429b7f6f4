"""Clips and a detector made once: the portrait, the cascade that comes with OpenCV, and YuNet where it is at hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.faces import Detector, Haar, YuNet
from streamer.models import FILE
from streamer.pixels import Picture
from tests.support import clips
from wire.settings import Settings

SETTINGS = Settings(streamer={"detector": "haar"})  # type: ignore[arg-type]


@pytest.fixture
def haar() -> Detector:
    return Haar(SETTINGS.streamer.detect_width, SETTINGS.streamer.min_face_px)


@pytest.fixture
def yunet(shared: Path) -> Detector:
    """YuNet; the test skips where its file is not in ../shared."""
    if not (shared / "models" / FILE).is_file():
        pytest.skip(f"no ../shared/models/{FILE} here")
    return YuNet(shared / "models" / FILE, SETTINGS.streamer.detect_width)


def side_by_side(pictures: Iterator[Picture], missing: bool = False) -> Iterator[Picture]:
    """Each picture, and beside it the same but bluer; or nothing but grey."""
    for picture in pictures:
        other = np.full_like(picture, 120) if missing else picture.copy()
        if not missing:
            other[:, :, 0] = np.minimum(other[:, :, 0].astype(int) + 60, 255)
        yield np.hstack([picture, other])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face for 4 s and for 1 s, nobody, a pair, half of one (half.mp4: no fake), what is no video, and a picture."""
    path = tmp_path_factory.mktemp("media")
    small = (320, 240)
    clips.write(path / "face.mp4", clips.gliding(4, 12, small), 12)
    clips.write(path / "short.mp4", itertools.islice(clips.gliding(4, 12, small), 12), 12)
    clips.write(path / "plain.mp4", clips.plain(1, 12, small), 12)
    clips.write(path / "pair.mp4", side_by_side(clips.gliding(2, 12, small)), 12)
    clips.write(path / "half.mp4", side_by_side(clips.gliding(2, 12, small), missing=True), 12)
    (path / "bad.mp4").write_text("this is no video")
    cv2.imwrite(str(path / "face.jpg"), clips.portrait())
    return path
