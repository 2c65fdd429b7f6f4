"""Fills a camera's packet ring while its reader decodes. For each packet: one copy of its bytes, and a mark."""

from __future__ import annotations

import dataclasses
import io
from fractions import Fraction
from typing import Any

import av
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from streamer import crops
from streamer.pixels import View
from streamer.ring import Kept, PacketRing, Stretch

RAW = ("rawvideo", "wrapped_avframe")  # 90 MB a second at 1080p: what is analysed is kept as JPEG instead
JPEG_QUALITY = 90


class Recorder:
    """One connection's recording; a reader calls it from its thread. A new connection begins with an empty ring."""

    def __init__(self, ring: PacketRing, crop: tuple[int, int, int, int] | None) -> None:
        self._ring, self._crop = ring, crop
        self._stretch = Stretch("")
        self._size: tuple[int, int] | None = None
        ring.clear()

    def open(self, stream: VideoStream) -> None:
        """The source was opened, for the first time or to play a file again."""
        context = stream.codec_context
        if context.name in RAW:
            self.open_pictures()
            return
        context.copy_opaque = True
        self._stretch = Stretch(
            codec=context.name,
            time_base=stream.time_base or Fraction(1, 90_000),
            extradata=context.extradata,
            pix_fmt=None if context.is_hwaccel else context.pix_fmt,  # else the device's
            crop=self._crop,
            template=self._template(stream) if context.name == "h264" and context.extradata else None,
        )
        self._size = None
        self._ring.begin(self._stretch)

    def _template(self, stream: VideoStream) -> Any:
        """A stream that holds the parameters of `stream` and outlives its container; None where MP4 can't have them.

        A connection that is as the one before takes over that one's: each is a cycle of 40 kB to its muxer and back.
        """
        before, context = self._ring.stretch, stream.codec_context
        if before and before.template is not None and before.extradata == context.extradata:
            return before.template
        try:
            return av.open(io.BytesIO(), "w", format="mp4").add_stream_from_template(stream)
        except (av.error.FFmpegError, ValueError):
            return None

    def open_pictures(self) -> None:
        """The same for a source that has no packets worth keeping."""
        self._stretch, self._size = Stretch("mjpeg", pictures=True), None
        self._ring.begin(self._stretch)

    def packet(self, packet: Packet[VideoStream]) -> None:
        """A packet that is about to be decoded."""
        if packet.size and not self._stretch.pictures:
            # A copy: FFmpeg's own buffers may belong to a device that is closed by the time they are looked at.
            packet.opaque = self._ring.add(bytes(packet), packet.pts, packet.dts, packet.is_keyframe)

    def frame(self, frame: av.VideoFrame, captured: float) -> None:
        """A decoded frame and when it was taken; the decoder has passed the mark on to it."""
        kept = frame.opaque
        if not isinstance(kept, Kept):
            return
        size = frame.width, frame.height
        if size != self._size:
            if self._size is not None:
                self._stretch = dataclasses.replace(self._stretch, template=None)
                self._ring.change(kept, self._stretch)
            self._size, self._stretch.rotation = size, frame.rotation
        self._ring.stamp(kept, captured)


def keep_picture(ring: PacketRing, view: View, captured: float) -> None:
    """Keep an analysed picture, where the ring wants pictures; BGR, upright."""
    if ring.wants_pictures:
        kept = ring.add(crops.encode(view.bgr(), JPEG_QUALITY), None, None, True)
        if kept is not None:
            ring.stamp(kept, captured)
