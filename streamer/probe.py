"""Trying a camera once: does it open, and does a picture come out?"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from streamer import foreign, sources
from streamer.reader import Context
from streamer.sources import NO_PLUGINS
from wire.errors import SourceError, SourceErrorKind
from wire.redact import redact
from wire.settings import CameraSettings, SourceSettings


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of it. `kind` is empty and `message` says what was seen when `ok`."""

    ok: bool
    kind: SourceErrorKind | str
    message: str
    codec: str = ""
    size: tuple[int, int] = (0, 0)
    fps: float = 0.0
    remedy: str = ""


def probe(camera: CameraSettings, timeout: float, plugins: Mapping[str, SourceSettings] = NO_PLUGINS) -> Probe:
    """Open `camera` and decode one frame, within `timeout` seconds. Raises UsageError, nothing else."""
    source = sources.parse(camera, timeout, timeout, plugins=plugins)
    stop = threading.Event()
    found: list[Probe] = []

    def work() -> None:
        try:
            with foreign.reader(source, Context(stop)) as reader:
                info = reader.open()
                for frame in reader.frames():
                    size = frame.size
                    message = f"{info.codec} {size[0]}x{size[1]} {info.fps:.4g} frames/s"
                    found.append(Probe(True, "", message, info.codec, size, info.fps))
                    return
            found.append(_bad(SourceError("no-video", source.name, "no picture")))
        except SourceError as error:
            found.append(_bad(error))
        except Exception as error:  # a decoder's surprise, as in CameraRuntime
            found.append(_bad(SourceError("failed", source.name, type(error).__name__)))

    thread = threading.Thread(target=work, name="probe", daemon=True)
    thread.start()
    thread.join(timeout)
    stop.set()
    waited = "nobody has pushed a picture" if source.listen else "no picture"
    return found[0] if found else _bad(SourceError("timeout", source.name, f"{waited} within {timeout:g} s"))


def _bad(error: SourceError) -> Probe:
    return Probe(False, error.kind, redact(error.cause), remedy=error.remedy)
