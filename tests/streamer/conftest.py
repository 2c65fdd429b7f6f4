"""Clips made once, a sink that keeps what a camera offers, and a face finder that knows where the face is."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import structlog
from numpy.typing import NDArray

from streamer.faces import Face
from tests.support import clips
from wire.messages import CameraState, Window
from wire.telemetry import Log


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def face_clip(folder: Path) -> Path:
    """Four seconds, 640x480 at 25 frames a second, one face."""
    return clips.write(folder / "face.mp4", clips.gliding(4))


@pytest.fixture(scope="session")
def plain_clip(folder: Path) -> Path:
    """Two seconds without a face."""
    return clips.write(folder / "plain.mp4", clips.plain(2))


@pytest.fixture(scope="session")
def resized_clip(folder: Path) -> Path:
    """Raw H.264, eight seconds, whose size changes after four."""
    return clips.write_resized(folder / "resized.h264", seconds=8)


@pytest.fixture(scope="session")
def audio_clip(folder: Path) -> Path:
    """Sound only."""
    return clips.write_audio_only(folder / "audio.mp4")


@pytest.fixture
def log() -> Log:
    """A logger that says nothing."""
    logger: Log = structlog.wrap_logger(None, processors=[_drop])
    return logger


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


class FixedDetector:
    """Says that a face is in the middle of every picture."""

    name = "fixed"

    def detect(self, bgr: NDArray[np.uint8]) -> list[Face]:
        height, width = bgr.shape[:2]
        return [Face((width * 0.4, height * 0.3, width * 0.2, height * 0.3), 1.0)]

    def width(self, frame: int) -> int:
        return frame

    def look(self, bgr: NDArray[np.uint8]) -> list[Face]:
        return []  # a part of a picture has no such middle: the whole is searched each time


class KeepingSink:
    """Keeps everything a camera offers."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.states: list[CameraState] = []
        self.previews: list[tuple[str, bytes]] = []
        self.lock = threading.Lock()

    def offer_window(self, window: Window) -> None:
        with self.lock:
            self.windows.append(window)

    def offer_state(self, state: CameraState) -> None:
        with self.lock:
            self.states.append(state)

    def offer_preview(self, camera: str, jpeg: bytes) -> None:
        with self.lock:
            self.previews.append((camera, jpeg))


@pytest.fixture
def sink() -> KeepingSink:
    return KeepingSink()


class FastTime:
    """A clock, and a stop event whose waiting moves it: real time without the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stop = threading.Event()
        self.stop.wait = self._wait  # type: ignore[method-assign]

    def _wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0
        return self.stop.is_set()

    def clock(self) -> float:
        return self.now
