"""The clip that the cameras of a benchmark play: one moving face before a moving, noisy background.

It costs a decoder what a camera's picture costs: 1280x720, CABAC, no B-frames, a key frame every two seconds, noise and
motion enough to fill a camera's bit rate. The motion is periodic, so that a loop does not jump.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.pixels import Picture
from unmask.bench.crops import read_portrait
from unmask.demo.scene import FACE

Mask = NDArray[np.float32]
SIZE, FPS, SECONDS = (1280, 720), 25, 8.0
BIT_RATE = 3_000_000
GOP_S = 2
FACE_PX = (140.0, 35.0)  # width of the face box: least, and how much more at most
HEAD = (0.75, 0.6, 0.75, 0.9)  # what is shown of the portrait around the face: left, top, right, bottom, in boxes
GRAIN = 2.5  # standard deviation of the noise
NOISES = 6  # noise pictures, each used at many offsets


def render(path: Path, told: Callable[[float], None] = lambda _: None, seconds: float = SECONDS) -> Path:
    """Write the clip as MP4; `told` hears the share that is done. Returns `path`."""
    rate = str(BIT_RATE // 1000)
    options = {
        "preset": "veryfast", "bf": "0", "sc_threshold": "0", "maxrate": f"{rate}k", "bufsize": f"{rate}k",
        "x264-params": "sliced-threads=0:slices=1",
    }  # fmt: skip
    total = round(seconds * FPS)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.bit_rate, stream.time_base = "yuv420p", BIT_RATE, Fraction(1, FPS)
        stream.codec_context.gop_size = GOP_S * FPS
        for number, picture in enumerate(pictures(total)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
            told((number + 1) / total)
        container.mux(stream.encode(None))
    return path


def pictures(total: int, seed: int = 0) -> Iterator[Picture]:
    """`total` pictures of one period: uint8, height x width x 3, BGR."""
    chance, portrait = np.random.default_rng(seed), read_portrait()
    width, height = SIZE
    wall = _wall(chance)
    noises = [chance.normal(0, GRAIN, (2 * height, 2 * width)).astype(np.int8) for _ in range(NOISES)]
    mask = _mask(portrait.shape[0], portrait.shape[1])
    for number in range(total):
        phase = 2 * math.pi * number / total
        left, top = round(24 + 20 * math.sin(phase)), round(24 + 12 * math.sin(2 * phase))
        picture = wall[top : top + height, left : left + width].copy()
        _passer(picture, phase)
        _head(picture, portrait, mask, phase)
        down, right = int(chance.integers(height)), int(chance.integers(width))
        noise = noises[number % NOISES][down : down + height, right : right + width]
        yield cv2.add(picture, cv2.merge([noise] * 3), dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _wall(chance: np.random.Generator) -> Picture:
    """A textured background, larger than the picture, over which the camera sways."""
    width, height = SIZE[0] + 48, SIZE[1] + 48
    wall = np.full((height, width, 3), 118.0, np.float32)
    for cells, strength in ((9, 30), (40, 18), (160, 10)):
        grey = chance.normal(0, strength, (cells * 9 // 16 + 2, cells + 2, 1))
        coarse = (grey + chance.normal(0, strength / 5, (*grey.shape[:2], 3))).astype(np.float32)
        wall += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    made: Picture = np.clip(wall, 0, 255).astype(np.uint8)
    return made


def _passer(picture: Picture, phase: float) -> None:
    """Something that moves behind the person."""
    x = round(SIZE[0] * (0.5 + 0.42 * math.cos(phase)))
    cv2.ellipse(picture, (x, 560), (70, 190), 0, 0, 360, (86, 74, 60), -1)


def _mask(height: int, width: int) -> Mask:
    """Where the portrait is shown, 0..1, soft at its edge."""
    x, y, w, h = FACE
    left, top, right, bottom = HEAD
    x0, y0 = round(x - left * w), max(8, round(y - top * h))
    mask = np.zeros((height, width), np.float32)
    mask[y0 : round(y + (1 + bottom) * h), x0 : round(x + (1 + right) * w)] = 1.0
    return cv2.GaussianBlur(mask, (0, 0), 3.0).astype(np.float32)


def _head(picture: Picture, portrait: Picture, mask: Mask, phase: float) -> None:
    """The head, swaying and breathing, blended into the picture."""
    x, y, w, h = FACE
    scale = (FACE_PX[0] + FACE_PX[1] * (0.5 - 0.5 * math.cos(phase))) / w
    centre_x = SIZE[0] * (0.5 + 0.08 * math.sin(phase))
    centre_y = SIZE[1] * (0.42 + 0.03 * math.sin(2 * phase))
    view = cv2.getRotationMatrix2D((x + w / 2, y + h / 2), 3.0 * math.sin(phase), scale)
    view[0, 2] += centre_x - (x + w / 2)
    view[1, 2] += centre_y - (y + h / 2)
    seen = cv2.warpAffine(portrait, view, SIZE, flags=cv2.INTER_LINEAR)
    share = cv2.warpAffine(mask, view, SIZE, flags=cv2.INTER_LINEAR)[:, :, None]
    picture[:] = (picture * (1 - share) + seen * share).astype(np.uint8)
