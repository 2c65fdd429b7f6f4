"""Kept packets decoded again, by a decoder of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import av
import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter

from streamer.pixels import Picture, upright
from streamer.ring import Kept, Stretch


def decode(packets: Sequence[Kept]) -> Iterator[tuple[Kept, av.VideoFrame]]:
    """Each packet with its frame, in the order in which they are shown; damaged ones are left out.

    Raises av.error.FFmpegError, ValueError where there is no decoder that takes them.
    """
    decoder: VideoCodecContext | None = None
    stretch: Stretch | None = None
    for index, kept in enumerate(packets):
        if decoder is None or kept.stretch is not stretch:
            yield from _frames(decoder, None, packets)
            decoder, stretch = _decoder(kept.stretch), kept.stretch
        packet: Packet[Any] = Packet(kept.data)
        packet.pts = packet.dts = index  # comes back with the frame
        yield from _frames(decoder, packet, packets)
    yield from _frames(decoder, None, packets)


def last(packets: Sequence[Kept]) -> Picture | None:
    """The upright picture of the last packet; None where it can't be decoded. Raises as `decode` does."""
    for kept, frame in decode(packets):
        if kept is packets[-1]:
            return upright(frame, VideoReformatter(), kept.stretch.rotation, kept.stretch.crop)
    return None


def _decoder(stretch: Stretch) -> VideoCodecContext:
    decoder = cast(VideoCodecContext, av.CodecContext.create(stretch.codec, "r"))
    decoder.extradata = stretch.extradata
    decoder.thread_count = 1
    if stretch.codec == "h264":
        decoder.options = {"strict": "1"}  # else frames are lost until it has learned how far they are reordered
    return decoder


def _frames(
    decoder: VideoCodecContext | None, packet: Packet[Any] | None, packets: Sequence[Kept]
) -> Iterator[tuple[Kept, av.VideoFrame]]:
    """What the decoder gives out for a packet; for None, whatever it still holds."""
    if decoder is None:
        return
    try:
        frames = decoder.decode(packet)
    except av.error.InvalidDataError:
        return
    for frame in frames:
        if frame.pts is not None:
            yield packets[frame.pts], frame
