"""A whole file through the live path's code, as fast as it can be read, on the file's own timestamps."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from streamer import models, sources
from streamer.analysis import Analysis
from streamer.models import Choice
from streamer.pixels import Picture, Region, View
from streamer.reader import Reader
from streamer.sampling import Size
from wire.errors import SourceError
from wire.messages import Window
from wire.settings import CameraSettings, Settings

ANALYSIS_FPS: float = CameraSettings.model_fields["analysis_fps"].default
Cut = Callable[[Size], Region]  # from the frame's width and height to the part of it that is analysed
SEAM_PX = 4  # left out on either side of the middle of a side-by-side video: its encoder smears one half into the other
STILLS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def whole(size: Size) -> Region:
    """All of the frame."""
    return 0, 0, *size


def left_half(size: Size) -> Region:
    """The left picture of a side-by-side video."""
    return 0, 0, max(1, size[0] // 2 - SEAM_PX), size[1]


def right_half(size: Size) -> Region:
    """The right picture of a side-by-side video."""
    start = min(size[0] // 2 + SEAM_PX, size[0] - 1)
    return start, 0, size[0] - start, size[1]


def opened(path: str | Path) -> Reader:
    """A reader of the file, not yet opened, that goes as fast as the file can be read."""
    source = sources.parse(CameraSettings(url=f"file:{path}"))
    return Reader(dataclasses.replace(source, name=str(path), paced=False))


def windows_of_file(
    path: str | Path,
    settings: Settings,
    progress: Callable[[float], None] = lambda done: None,
    choice: Choice | None = None,
    cut: Cut = whole,
    short: bool = True,
) -> Iterator[Window]:
    """The file's windows in order; capture times are seconds from its start, `progress` gets 0..1.

    With `short`, which live video never has, a face that was not seen for a whole window gives one short one. `choice`
    saves looking for the detector again.
    Raises SourceError for what is not a video, ServiceError when the wanted detector can't be had.
    """
    with opened(path) as reader:
        info = reader.open()
        newest = 0.0
        analysis = _analysis(path, settings, choice, ANALYSIS_FPS, lambda: newest, short)
        for frame in reader.frames():
            newest = frame.captured
            region = cut(frame.size)
            sample = analysis.sampler.take(frame.captured, region[2:])
            if sample is None:
                continue
            everything = region == whole(frame.size)
            view = frame.view() if everything else View(part(frame.bgr(), region))
            yield from analysis.analyse(sample, view)
            if info.duration_s:
                progress(min(1.0, frame.captured / info.duration_s))
        yield from analysis.finish()
    progress(1.0)


def windows_of_still(
    path: str | Path, settings: Settings, choice: Choice | None = None, cut: Cut = whole
) -> Iterator[Window]:
    """A picture as a video of one frame: a window of one crop for each face. Raises as `windows_of_file`."""
    picture = _read(Path(path))
    region = cut((picture.shape[1], picture.shape[0]))
    analysis = _analysis(path, settings, choice, fps=1.0, clock=lambda: 0.0)
    sample = analysis.sampler.take(0.0, region[2:])
    assert sample is not None  # the first frame always is one
    yield from analysis.analyse(sample, View(part(picture, region)))
    yield from analysis.finish()


def _analysis(
    path: str | Path,
    settings: Settings,
    choice: Choice | None,
    fps: float,
    clock: Callable[[], float],
    short: bool = True,
) -> Analysis:
    detector = (choice or models.choose(settings.streamer, settings.models)).make(settings.streamer)
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(path).stem)[:64] or "file"
    return Analysis(name, fps, detector, settings.streamer, settings.window, clock, short=short)


def part(bgr: Picture, region: Region) -> Picture:
    """That part of a picture, as a picture of its own."""
    x, y, width, height = region
    return np.ascontiguousarray(bgr[y : y + height, x : x + width])


def _read(path: Path) -> Picture:
    try:
        raw = np.fromfile(path, np.uint8)
    except FileNotFoundError:
        raise SourceError("not-found", str(path), "no such file") from None
    except OSError as error:
        raise SourceError("failed", str(path), error.strerror or "can't be read") from None
    picture = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    if picture is None:
        raise SourceError("failed", str(path), "not a picture")
    return picture.astype(np.uint8, copy=False)
