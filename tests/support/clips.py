"""Small H.264 clips made when a test wants them: a public-domain face gliding over a plain picture, or none.

The face is the NASA portrait of unmask/demo (512x512, one face at about x=178 y=63 w=90 h=113), enlarged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

PORTRAIT = Path(__file__).parents[2] / "unmask" / "demo" / "face.jpg"
FACE = (178, 63, 90, 113)  # in the portrait: x, y, width, height

Picture = NDArray[np.uint8]


def portrait() -> Picture:
    """The portrait, BGR, 512x512."""
    picture = cv2.imread(str(PORTRAIT))
    assert picture is not None
    return picture.astype(np.uint8, copy=False)


def face_at(centre: tuple[float, float], face_width: float, size: tuple[int, int] = (640, 480)) -> Picture:
    """A plain picture (width, height) with the portrait's head, its face box `face_width` wide and centred there."""
    x, y, w, h = FACE
    scale = face_width / w
    left, top, right, bottom = x - 0.9 * w, y - 0.55 * h, x + 1.9 * w, y + 1.75 * h
    dx, dy = centre[0] - scale * (x + w / 2), centre[1] - scale * (y + h / 2)
    matrix = np.array([[scale, 0, dx], [0, scale, dy]])
    plain = np.full((size[1], size[0], 3), (120, 110, 100), np.uint8)
    warped = cv2.warpAffine(portrait(), matrix, size, flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x0, y0 = max(0, round(scale * left + dx)), max(0, round(scale * top + dy))
    x1, y1 = min(size[0], round(scale * right + dx)), min(size[1], round(scale * bottom + dy))
    if x1 > x0 and y1 > y0:
        plain[y0:y1, x0:x1] = warped[y0:y1, x0:x1]
    return plain


def gliding(seconds: float, fps: int = 25, size: tuple[int, int] = (640, 480)) -> Iterator[Picture]:
    """A face that moves along a smooth closed path; the end meets the beginning, so that a loop does not jump."""
    total = round(seconds * fps)
    width, height = size
    for index in range(total):
        angle = 2 * math.pi * index / total
        centre = (width * (0.5 + 0.09 * math.sin(angle)), height * (0.45 + 0.05 * math.sin(2 * angle)))
        yield face_at(centre, width * 0.2, size)


def plain(seconds: float, fps: int = 25, size: tuple[int, int] = (640, 480)) -> Iterator[Picture]:
    """No face: a grey picture with a moving bar, so that every frame differs."""
    for index in range(round(seconds * fps)):
        picture = np.full((size[1], size[0], 3), 120, np.uint8)
        cv2.rectangle(picture, (index * 3 % size[0], 0), (index * 3 % size[0] + 12, size[1]), (60, 90, 140), -1)
        yield picture


def write(path: Path, pictures: Iterator[Picture], fps: int = 25) -> Path:
    """Encode as H.264 in MP4: no B-frames, a key frame every second."""
    with av.open(str(path), "w") as container:
        stream = None
        for index, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream("libx264", rate=fps)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"preset": "ultrafast", "crf": "20", "bf": "0", "g": str(fps), "sc_threshold": "0"}
                stream.thread_count = 1
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode())
    return path


def write_resized(path: Path, fps: int = 25, seconds: float = 4) -> Path:
    """A face in raw H.264 whose picture changes from 640x480 to 480x360 in the middle, as a camera's can."""
    with path.open("wb") as out:
        for size in ((640, 480), (480, 360)):
            part = write(path.with_suffix(f".{size[0]}.mp4"), gliding(seconds / 2, fps, size), fps)
            annexb = path.with_suffix(".part.h264")
            with av.open(str(part)) as source, av.open(str(annexb), "w", format="h264") as sink:
                stream = source.streams.video[0]
                copy = sink.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is not None:
                        packet.stream = copy
                        sink.mux(packet)
            out.write(annexb.read_bytes())
    return path


def write_audio_only(path: Path, seconds: float = 1.0) -> Path:
    """A sound file without a picture (MP4, AAC)."""
    rate = 16_000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        tone = np.sin(np.arange(int(rate * seconds)) * 0.1).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
