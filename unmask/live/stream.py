"""Makes the streams: clips spliced along a camera's schedule, encoded as a camera does, damaged as a network does.

Every visit's picture is fitted into the stream's size on black, whatever the clip's own size, real and fake alike.
A frame travels in packets of MTU bytes, each lost by chance. What arrives of a frame is passed on as FFmpeg's RTP
reader does: with holes, or not at all when its beginning is missing. Concealing that is the decoder's business.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import msgspec
import numpy as np
from av.packet import Packet
from msgspec.structs import replace
from numpy.typing import NDArray

from streamer import sources
from streamer.reader import Decoded, Reader
from unmask.live.conditions import Condition
from unmask.live.schedule import Camera, Show, bounce
from wire.errors import SourceError, UsageError
from wire.settings import CameraSettings
from worker.training.manifest import Clip

Picture = NDArray[np.uint8]
SEAM_PX = 4  # left out on either side of a side-by-side clip's middle
SHORTEST_S = 1.5  # played to and fro, a shorter clip is hardly more than a still
MTU = 1400  # bytes of a frame in one network packet
GROUP_S = 2  # from one key frame to the next
BUFFER_S = 1.0  # of the encoder's rate control: a larger key frame is not sent
GREY = 96  # the empty picture of a pause


class Sent(msgspec.Struct, frozen=True):
    """What went into a stream: frames, bytes before loss, network packets, and how many of those were lost."""

    frames: int = 0
    bytes: int = 0
    packets: int = 0
    lost: int = 0

    def __add__(self, other: Sent) -> Sent:
        """Both together."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Sent(*(one + two for one, two in pairs))


class Made(msgspec.Struct, frozen=True):
    """A finished stream."""

    path: Path
    sent: Sent


def shows(clips: Sequence[Clip]) -> tuple[list[Show], list[Path]]:
    """What the clips have to show, a pair two things; and the clips left out as too short. Raises UsageError."""
    made: list[Show] = []
    short: list[Path] = []
    for clip in clips:
        try:
            with open_clip(clip.path) as reader:
                duration = reader.open().duration_s
        except SourceError as error:
            raise UsageError(f"can't read a clip of the manifest ({error.cause})", "correct the manifest") from None
        if duration is not None and duration < SHORTEST_S:
            short.append(clip.path)
        elif clip.label == "pair":
            made += [Show(clip.path, fake, clip.source, "right" if fake else "left") for fake in (False, True)]
        else:
            made.append(Show(clip.path, clip.label == "fake", clip.source))
    return made, short


def open_clip(path: Path) -> Reader:
    """A reader of the file that does not wait for the file's own pace."""
    source = sources.parse(CameraSettings(url=f"file:{path}"))
    return Reader(dataclasses.replace(source, name=path.name, paced=False))


def write(camera: Camera, conditions: Sequence[Condition], folder: Path, seed: int) -> dict[Condition, Made]:
    """Write the camera's stream into `folder` under each of `conditions`, which differ in their loss only.

    MPEG-TS, which keeps gaps as gaps. The file names differ by condition and camera.
    """
    clean = replace(conditions[0], loss=0.0)
    whole = folder / _file(clean, camera)
    sent, made = encode(camera, clean, whole), dict[Condition, Made]()
    for condition in conditions:
        if not condition.loss:
            made[condition] = Made(whole, sent)
            continue
        path = folder / _file(condition, camera)
        made[condition] = Made(path, transmit(whole, condition, path, [seed, *camera.name.encode()]))
    if clean not in made:
        whole.unlink()
    return made


def _file(condition: Condition, camera: Camera) -> str:
    return f"{condition.name.replace('/', '-').replace('.', '_')}-{camera.name}.ts"


def encode(camera: Camera, condition: Condition, path: Path) -> Sent:
    """Write the camera's stream to `path` before anything is lost."""
    sent = Sent()
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=condition.fps, options=_options(condition))
        stream.width, stream.height = condition.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = GROUP_S * condition.fps
        stream.thread_count = 1  # the same bytes every time
        for number, picture in enumerate(pictures(camera, condition)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, condition.fps)
            for packet in stream.encode(frame):
                sent += Sent(1, packet.size, math.ceil(packet.size / MTU))
                container.mux(packet)
    return sent


def transmit(whole: Path, condition: Condition, path: Path, seed: Sequence[int]) -> Sent:
    """Write to `path` what arrives of the stream in `whole`; only its first frame does for certain."""
    rng = np.random.default_rng([*seed, *condition.name.encode()])
    sent = Sent()
    with av.open(str(whole)) as source, av.open(str(path), "w", format="mpegts") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is None:
                continue  # the end
            data = bytes(packet)
            kept = arrivals(len(data), condition.loss if sent.frames else 0.0, rng)
            sent += Sent(1, len(data), len(kept), len(kept) - sum(kept))
            if left := damaged(data, kept):
                arrived = Packet(left)
                arrived.stream, arrived.is_keyframe = stream, packet.is_keyframe
                arrived.pts, arrived.dts, arrived.time_base = packet.pts, packet.dts, packet.time_base
                sink.mux(arrived)
    return sent


def _options(condition: Condition) -> dict[str, str]:
    rate = condition.kbit_s * 1000
    return {
        "preset": "superfast",
        "tune": "zerolatency",
        "b": str(rate),
        "maxrate": str(rate),
        "bufsize": str(round(rate * BUFFER_S)),
        "x264-params": "sliced-threads=0:slices=1:scenecut=0",  # one slice a frame, as cameras send it
    }


def arrivals(size: int, loss: float, rng: np.random.Generator) -> list[bool]:
    """For each network packet of a frame of `size` bytes whether it arrives; `loss` in percent."""
    draws: list[bool] = (rng.random(math.ceil(size / MTU)) >= loss / 100).tolist()
    return draws


def damaged(data: bytes, kept: Sequence[bool]) -> bytes:
    """What is left of a frame; nothing when its beginning is lost, since no reader would find it then."""
    if not kept[0]:
        return b""
    return b"".join(data[at * MTU : (at + 1) * MTU] for at, keep in enumerate(kept) if keep)


def pictures(camera: Camera, condition: Condition) -> Iterator[Picture]:
    """The camera's pictures before encoding, `fps` a second: BGR of the condition's size."""
    width, height = condition.size
    empty = np.full((height, width, 3), GREY, np.uint8)
    shown, total = 0, round(camera.seconds * condition.fps)
    for visit in camera.visits:
        first, end = round(visit.start * condition.fps), round(visit.end * condition.fps)
        yield from (empty for _ in range(first - shown))
        for picture in played(visit.show, condition.fps, end - first):
            yield fit(picture, condition.size)
        shown = end
    yield from (empty for _ in range(total - shown))


def played(show: Show, fps: int, count: int) -> Iterator[Picture]:
    """`count` pictures of a show, `fps` a second, to and fro where it is shorter than that."""
    kept: list[Decoded] = []
    done = 0
    with open_clip(show.path) as reader:
        duration = reader.open().duration_s
        loops = duration is None or duration < count / fps
        for frame in sampled(reader.frames(), fps):
            if done == count:
                return
            if not loops:
                kept.clear()  # only the last picture, for a file that holds less than it says
            kept.append(frame)
            yield half(frame.bgr(), show)
            done += 1
    for number in range(done, count):
        yield half(kept[bounce(number, len(kept))].bgr(), show)


def sampled(frames: Iterator[Decoded], fps: int) -> Iterator[Decoded]:
    """The newest frame at each tick of a clock of `fps`: a slower clip's frames repeat, a faster one's are dropped."""
    held: Decoded | None = None
    tick = 0
    for frame in frames:
        while held is not None and tick / fps < frame.captured - 1e-6:
            yield held
            tick += 1
        held = frame
    while held is not None and tick / fps <= held.captured + 1e-6:
        yield held
        tick += 1


def half(picture: Picture, show: Show) -> Picture:
    """The part of the clip's picture that is shown."""
    middle = picture.shape[1] // 2
    if show.half == "whole":
        return picture
    return picture[:, : middle - SEAM_PX] if show.half == "left" else picture[:, middle + SEAM_PX :]


def fit(picture: Picture, size: tuple[int, int]) -> Picture:
    """`picture` as large as `size` (width, height) allows, centred on black."""
    width, height = size
    scale = min(width / picture.shape[1], height / picture.shape[0])
    wide, high = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - wide) // 2, (height - high) // 2
    canvas[top : top + high, left : left + wide] = cv2.resize(picture, (wide, high), interpolation=method)
    return canvas
