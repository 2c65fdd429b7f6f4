"""A whole file through the live path's code, as fast as it can be read, on the file's own timestamps."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from streamer import models, sources
from streamer.analysis import Analysis
from streamer.reader import Reader
from wire.messages import Window
from wire.settings import CameraSettings, Settings

ANALYSIS_FPS: float = CameraSettings.model_fields["analysis_fps"].default


def opened(path: str | Path) -> Reader:
    """A reader of the file, not yet opened, that goes as fast as the file can be read."""
    source = sources.parse(CameraSettings(url=f"file:{path}"))
    return Reader(dataclasses.replace(source, name=str(path), paced=False), threading.Event())


def windows_of_file(
    path: str | Path, settings: Settings, progress: Callable[[float], None] = lambda done: None
) -> Iterator[Window]:
    """The file's windows in order; capture times are seconds from its start, `progress` gets 0..1.

    Raises SourceError for what is not a video, ServiceError when the wanted detector can't be had.
    """
    with opened(path) as reader:
        info = reader.open()
        detector = models.choose(settings.streamer, settings.models).make(settings.streamer)
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", Path(path).stem)[:64] or "file"
        newest = 0.0
        analysis = Analysis(name, ANALYSIS_FPS, detector, settings.streamer, settings.window, clock=lambda: newest)
        for frame in reader.frames():
            newest = frame.captured
            sample = analysis.sampler.take(frame.captured, frame.size)
            if sample is None:
                continue
            yield from analysis.analyse(sample, frame.bgr())
            if info.duration_s:
                progress(min(1.0, frame.captured / info.duration_s))
    progress(1.0)
