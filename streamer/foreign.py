"""Sources of the operator's own: what a plugin connects to, read under the same limits as any camera.

The plugin runs in the camera's thread, in the confined process: what it raises costs its connection, and a call of it
that does not return ends the process in the camera's name, as a decoder's would (docs/hostile-media.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import av
import numpy as np

from streamer.catchup import Do
from streamer.reader import Context, Decoded, Reader, StreamInfo
from streamer.sources import Foreign, Source, parse
from wire.errors import SourceError, SourceErrorKind, UnmaskError
from wire.plugins import VideoSource
from wire.redact import redact, remember_url
from wire.watchdog import Calls

_KINDS: tuple[tuple[type[BaseException], SourceErrorKind], ...] = (
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "disconnected"),
    (EOFError, "disconnected"),
    (FileNotFoundError, "not-found"),
    (PermissionError, "unauthorised"),
    (MemoryError, "over-limit"),
)


def reader(source: Source, context: Context | None = None) -> Reader:
    """What reads `source`: ours, for one that a plugin opens the plugin's. Raises SourceError where that fails."""
    if source.foreign is None:
        return Reader(source, context)
    context = context or Context()
    made = _connect(source, source.foreign, context.calls)
    if not isinstance(made, str):
        return PluginReader(source, made, context)
    return Reader(_of_url(source, source.foreign, made), context)


def _connect(source: Source, foreign: Foreign, calls: Calls) -> VideoSource | str:
    try:
        with calls.under_way(f"opening {source.name}"):
            made: VideoSource | str = foreign.plugin.load()(source.target, **foreign.options)
            return made
    except Exception as error:
        raise _failure(error, source) from None


def _of_url(source: Source, foreign: Foreign, url: str) -> Source:
    """A url that a plugin has returned, under the camera's name and limits; of our own schemes only."""
    remember_url(url, passing=True)
    camera = foreign.camera.model_copy(update={"url": url})  # not validated again: no ${NAME} is filled in
    try:
        found = parse(camera, source.open_timeout_s, source.silence_s)
    except UnmaskError as error:
        raise SourceError("failed", source.name, f"{foreign.plugin} returned an {redact(error.cause)}") from None
    return replace(found, name=source.name, max_pixels=source.max_pixels, max_fps=source.max_fps)


class PluginReader(Reader):
    """One connection of a plugin, its frames stamped, limited and kept as a camera's are."""

    def __init__(self, source: Source, video: VideoSource, context: Context) -> None:
        super().__init__(source, context)
        self._plugin: VideoSource | None = video
        assert source.foreign is not None
        self._called = str(source.foreign.plugin)

    def open(self) -> StreamInfo:
        """It is open since it was made."""
        if self._recorder is not None:
            self._recorder.open_pictures()
        self.info = StreamInfo(self._called, (0, 0), 0.0, None)
        return self.info

    def close(self) -> None:
        """Let go of the source; may be called twice."""
        plugin, self._plugin = self._plugin, None
        if plugin is not None:
            with suppress(Exception), self._calls.under_way(f"closing {self.source.name}"):
                plugin.close()

    def frames(self) -> Iterator[Decoded]:
        """See Reader. Raises SourceError, also where what comes is no picture or over a limit."""
        assert self._plugin is not None
        frames = iter(self._plugin.frames())
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                with self._calls.under_way(f"reading {self.source.name}"):
                    picture = next(frames, None)
            except Exception as error:
                raise _failure(error, self.source) from None
            if picture is None:
                raise SourceError("disconnected", self.source.name, "the stream ended")
            if self._stop.is_set():
                return
            waited_s = time.monotonic() - began
            self._waited_s += waited_s
            if self._catch_up.packet(True, waited_s) is Do.LEAVE:  # each is as good as a key frame
                if self._catch_up.stuck(self._clock()):
                    raise SourceError("disconnected", self.source.name, "too far behind")
                continue
            frame = self._frame(picture.rgb)
            pts = None if picture.time is None else float(picture.time)
            captured, lag = self._place(pts, 0.0)
            self._catch_up.frame(lag, self._capture.kept_up, self._clock())
            self._check_pace()
            yield Decoded(self, frame, pts, captured, lag)

    def _frame(self, rgb: Any) -> av.VideoFrame:
        shape = (str(rgb.dtype), *rgb.shape) if isinstance(rgb, np.ndarray) else (type(rgb).__name__,)
        if not (len(shape) == 4 and (shape[0], shape[3]) == ("uint8", 3) and rgb.size):
            given = " x ".join(map(str, shape))
            raise SourceError("failed", self.source.name, f"{self._called} gave {given}, not uint8 x H x W x 3")
        self._check_size(rgb.shape[1], rgb.shape[0])
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")


def _failure(error: Exception, source: Source) -> SourceError:
    if isinstance(error, SourceError):
        return error
    kind: SourceErrorKind = next((kind for type_, kind in _KINDS if isinstance(error, type_)), "failed")
    words = redact(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
    return SourceError(kind, source.name, words)
