"""Opens a source with PyAV and yields its decoded frames with their capture times.

A read that blocks inside FFmpeg can't be interrupted from outside (an interrupt callback would take the GIL at every
poll), but each one ends by itself after a bounded time; whoever stops a reader waits a little and then lets go of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import av
import av.error
import av.logging
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from streamer import certificate, desktop
from streamer.catchup import LEAVE_S, CatchUp, Do
from streamer.clocks import CaptureClock, MediaClock
from streamer.hardware import Hardware
from streamer.health import FpsMeter
from streamer.pixels import FrameView, Picture, turned
from streamer.push import Push
from streamer.recorder import Recorder
from streamer.ring import PacketRing
from streamer.sources import VIDEO_CODECS, Source, classify
from streamer.web import Web
from wire.errors import SourceError
from wire.redact import redact
from wire.watchdog import Calls

BAD_PACKETS = 250  # in a row, after which a stream counts as undecodable; one damaged group of pictures is fewer
PACE_S = 20.0  # a camera that was stopped for so long may send all of it at once
BACK_S = 0.5  # a wall clock set back by less is waited for
JUMP_S = 5.0  # live timestamps that jump by more are renumbered
NOT_VIDEO = ("tty", "image2", "lrc", "srt", "webvtt")  # FFmpeg takes any text file for a terminal recording

av.logging.set_level(None)  # FFmpeg's own lines quote urls with their passwords


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What an opened source says of itself."""

    codec: str
    size: tuple[int, int]
    fps: float
    duration_s: float | None  # of a file


class Decoded:
    """One frame; the picture is converted only when it is asked for, since most frames are not analysed."""

    __slots__ = ("_frame", "_reader", "captured", "lag", "pts")

    def __init__(self, reader: Reader, frame: av.VideoFrame, pts: float | None, captured: float, lag: float) -> None:
        self._reader, self._frame = reader, frame
        self.pts, self.captured, self.lag = pts, captured, lag

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as `bgr` will have them."""
        crop = self._reader.source.crop
        return crop[2:] if crop else turned((self._frame.width, self._frame.height), self._frame.rotation)

    def view(self) -> FrameView:
        """The picture, to be converted as far as it is looked at; good until the next frame is asked for."""
        reader = self._reader
        return FrameView(self._frame, reader.whole, reader.part, self._frame.rotation, reader.source.crop)

    def bgr(self) -> Picture:
        """uint8, height x width x 3, upright."""
        return self.view().bgr()


@dataclass(frozen=True)
class Context:
    """What a reader works with besides its source; a camera has one for all its readers."""

    stop: threading.Event = field(default_factory=threading.Event)  # ends `frames`
    clock: Callable[[], float] = time.time  # seconds since 1970
    ring: PacketRing | None = None  # where packets are kept for clips
    hardware: Hardware | None = None  # that decodes
    calls: Calls = field(default_factory=Calls)
    waiting: Callable[[str], None] = lambda why: None  # told while nobody pushes: why the last one was refused, or ""


class Reader:
    """One opening of one source. Not reusable; everything but the stop event and the ring belongs to one thread."""

    def __init__(self, source: Source, context: Context | None = None) -> None:
        context = context or Context()
        self.source = source
        self._waiting = context.waiting
        self._calls, self._call = context.calls, f"decoding {source.name}"
        self.info: StreamInfo | None = None
        self.whole, self.part = VideoReformatter(), VideoReformatter()  # one for each size that comes again
        self._stop, self._clock = context.stop, context.clock
        self._container: InputContainer | None = None
        self._capture = CaptureClock()
        self._paced = source.paced
        self._catch_up = CatchUp()
        self._waited_s = 0.0  # since the frame before
        self._start: float | None = None  # wall time of media time 0, where reading is paced
        self._newest = float("-inf")  # wall time when the last frame was read
        self._recorder = Recorder(context.ring, source.crop) if context.ring is not None else None
        self._hardware, self._shown = context.hardware, 0
        self._web: Web | None = None
        self._push: Push | None = None
        self._window: desktop.Window | None = None
        self._pace = FpsMeter(PACE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def behind_since(self) -> float | None:
        """From when on what comes is too old to be decoded, see CatchUp; None while it is not."""
        return self._catch_up.leaving_since

    def close(self) -> None:
        """Let go of the source; may be called twice."""
        if self._container is not None:
            self._container.close()
            self._container = None
        if self._web is not None:
            self._web.close()
        if self._push is not None:
            self._push.close()
        if self._window is not None:
            self._window.close()

    def open(self) -> StreamInfo:
        """Connect and find the picture; where it is pushed to us, however long that takes. Raises SourceError."""
        began = time.monotonic()
        options: dict[str, Any] = {"options": self._options(), "format": self.source.format}
        if self.source.web:
            self._web = Web(
                self.source.target,
                self.source.name,
                self.source.hosts,
                self.source.open_timeout_s,
                self.source.silence_s,
                self.source.options,
            )
            options["io_open"] = self._web.open
        elif self.source.listen is not None:
            place, silence_s = self.source.listen, self.source.silence_s
            self._push = Push(place, self.source.name, silence_s, self._stop, self._waiting)
            self._push.wait()
        elif self.source.live:
            # No time-out for reading: the callback that would check it takes the GIL a thousand times a second.
            options["timeout"] = (self.source.open_timeout_s, None)
        try:
            self._container = self._connect(options)
            stream = self._video(self._container)
            if self._web is not None:
                self._web.opened()
        except (av.error.FFmpegError, OSError, ValueError, LookupError, MemoryError) as error:
            self.close()
            waited = time.monotonic() - began
            if refused := certificate.refusal(self.source):
                raise refused from None
            raise classify(error, self.source, opened=False, waited_s=waited) from None
        except SourceError:
            self.close()
            raise
        if self._recorder is not None:
            self._recorder.open(stream)
        context = stream.codec_context
        duration = self._container.duration
        self.info = StreamInfo(
            codec=context.name,
            size=(context.width, context.height),
            fps=float(stream.average_rate or stream.guessed_rate or 0),
            duration_s=duration / av.time_base if duration else None,
        )
        # A recording behind a url would come as fast as the network carries it.
        self._paced = self.source.paced or (self.source.target.startswith("http") and bool(duration))
        return self.info

    def _options(self) -> dict[str, str]:
        limit = self.source.max_pixels
        options = self.source.options | ({"max_pixels": str(limit)} if limit else {})
        if self.source.window is not None:
            self._window = desktop.find(self.source.target.rpartition("+")[0], self.source.window, self.source.name)
            options["window_id"] = str(self._window.id)
        return options

    def _connect(self, options: dict[str, Any]) -> InputContainer:
        """Open on the device, if there is one, else, or if that fails, on the CPU."""
        if self._push is not None:
            pushed: InputContainer = av.open(self._push, "r", **options)
            return pushed
        accel = self._hardware.accel() if self._hardware else None
        failed: BaseException | None = None
        if accel is not None:
            try:
                on_device: InputContainer = av.open(self.source.target, "r", hwaccel=accel, **options)
                return on_device
            except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
                failed = error
        on_cpu: InputContainer = av.open(self.source.target, "r", **options)
        if self._hardware and failed:  # that it opens now shows that it was not the source's fault
            self._hardware.give_up(getattr(failed, "strerror", None) or type(failed).__name__)
        return on_cpu

    def blame_device(self, error: BaseException) -> None:
        """Something failed that may be the device's fault: it is not used any more."""
        stream = self._container.streams.video[0] if self._container and self._container.streams.video else None
        if self._hardware and stream and stream.codec_context and stream.codec_context.is_hwaccel:
            self._hardware.give_up(redact(f"{type(error).__name__}: {error}"))

    def _video(self, container: InputContainer) -> VideoStream:
        name = container.format.name
        if name in NOT_VIDEO or name.endswith("_pipe"):
            raise SourceError("no-video", self.source.name, "not a video file")
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise SourceError("no-video", self.source.name, "sound only")
        # PyAV gives a stream no context where FFmpeg has no decoder for it.
        context: Any = streams[0].codec_context
        if context is None:
            raise SourceError("unsupported-codec", self.source.name, "no decoder")
        if self.source.network and context.name not in VIDEO_CODECS:
            raise SourceError("unsupported-codec", self.source.name, f"{context.name} is not decoded from a network")
        self._check_size(context.width, context.height)
        if self.source.max_pixels and not context.is_open:
            context.options = {**context.options, "max_pixels": str(self.source.max_pixels)}
        context.thread_count = 1  # more threads cost memory and delay, and save nothing over many cameras
        return streams[0]

    def _check_size(self, width: int, height: int) -> None:
        """Raises SourceError where a picture of this size is not to be decoded."""
        limit = self.source.max_pixels
        if limit and width * height > limit:
            reason = f"{width}x{height} is {width * height / 1e6:.1f} megapixels, the limit is {limit / 1e6:.1f}"
            raise SourceError("over-limit", self.source.name, reason)

    def _check_refused(self, error: av.error.FFmpegError, width: int, height: int) -> None:
        """Raises SourceError where the decoder did not take a packet because of its size, which it may not tell."""
        self._check_size(width, height)
        limit = self.source.max_pixels
        if limit and not width and isinstance(error, av.error.ArgumentError):
            raise SourceError("over-limit", self.source.name, f"a picture of more than {limit / 1e6:.1f} megapixels")

    def _check_pace(self) -> None:
        """Raises SourceError where a live source has sent too many frames for PACE_S, which a backlog does not."""
        limit = self.source.max_fps
        if limit is None or not self.source.network:
            return
        now = time.monotonic()
        self._pace.add(now)
        if self._pace.count > limit * PACE_S:
            reason = f"more than {limit:g} frames a second for {PACE_S:.0f} s"
            raise SourceError("over-limit", self.source.name, reason)

    def frames(self) -> Iterator[Decoded]:
        """Frames until `stop` is set or a plain file ends; SourceError when a live source does, or anything fails."""
        info = self.open() if self._container is None else self.info
        assert info is not None
        media = MediaClock(1 / (info.fps or 25), JUMP_S if self.source.live else float("inf"))
        while not self._stop.is_set():
            shown = 0
            for frame in self._decode():
                pts = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else None
                captured, lag = self._place(pts, media.at(pts))
                self._catch_up.frame(lag, self._paced or self._capture.kept_up, self._clock())
                if self._stop.is_set():
                    return
                self._check_pace()
                if self._window is not None:
                    self._window.check(captured)
                shown += 1
                self._shown += 1
                if self._recorder is not None:
                    self._recorder.frame(frame, captured)
                yield Decoded(self, frame, pts, captured, lag)
            if self._stop.is_set():
                return
            if self.source.live:
                raise SourceError("disconnected", self.source.name, "the stream ended")
            if not shown:
                raise SourceError("failed", self.source.name, "no picture could be decoded")
            if not self.source.loop:
                return
            media.rewind()
            self.close()
            self.open()

    def _place(self, pts: float | None, media: float) -> tuple[float, float]:
        """Capture time of a frame and how late it is, seconds; paced sources are waited for here."""
        if self.source.live and not self._paced:
            now = self._clock()
            captured = self._capture.stamp(pts, now, self._waited_s)
            self._waited_s = 0.0
            return captured, now - captured
        if not self._paced:
            return media, 0.0
        now = self._clock()
        if self._start is not None and now < self._newest - BACK_S:  # the wall clock was set back
            self._start -= self._newest - now
        self._newest = now
        if self._start is None or now - self._start - media > LEAVE_S:  # too late to be caught up with
            self._start = now - media
        captured = self._start + media
        if captured > now:
            self._stop.wait(captured - now)
        return captured, max(0.0, now - captured)

    def _decode(self) -> Iterator[av.VideoFrame]:
        assert self._container is not None
        container, bad = self._container, 0
        stream = self._video(container)
        try:
            for packet, waited_s in self._timed(container.demux(stream)):
                if self._recorder is not None:
                    self._recorder.packet(packet)
                what = self._catch_up.packet(packet.is_keyframe, waited_s)
                if what is Do.LEAVE:
                    if self._stop.is_set():
                        return
                    if self._catch_up.stuck(self._clock()):
                        raise SourceError("disconnected", self.source.name, "too far behind, and no key frame comes")
                    continue
                if what is Do.RESUME:
                    stream.codec_context.flush_buffers()
                try:
                    with self._calls.under_way(self._call):
                        frames = packet.decode()
                except (av.error.InvalidDataError, av.error.ArgumentError) as error:  # damaged, cut off, or too large
                    self._check_refused(error, stream.codec_context.width, stream.codec_context.height)
                    bad += 1
                    if bad > BAD_PACKETS:
                        self.blame_device(av.error.InvalidDataError(0, "no packet could be decoded"))
                        raise SourceError("failed", self.source.name, "the picture can't be decoded") from None
                    continue
                bad = 0 if frames else bad
                yield from frames
                if self._stop.is_set():
                    return
        except (av.error.FFmpegError, OSError, MemoryError) as error:
            if not self._shown:
                self.blame_device(error)
            raise classify(error, self.source, opened=True) from None

    def _timed(self, packets: Iterator[Packet[VideoStream]]) -> Iterator[tuple[Packet[VideoStream], float]]:
        """`packets`, and for how many seconds each was waited for."""
        while True:
            began = time.monotonic()
            packet = next(packets, None)
            waited_s = time.monotonic() - began
            self._waited_s += waited_s
            if packet is None:
                return
            yield packet, waited_s
