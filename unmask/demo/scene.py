"""Makes the demo's video: the portrait as a swaying, talking, noisy camera picture; on request with a face blended in.

The manipulation is a coarse self-blend (the idea of Shiohara & Yamasaki, "Detecting Deepfakes with Self-Blended
Images", CVPR 2022): a warped, recoloured, softened copy of the face is put over the face through a feathered mask that
trembles as a bad swap does. How coarse it is was chosen so that the baseline checkpoint sees it: with the skin tone
kept and half the resolution it scores well under the alert threshold. The detector is told nothing: it sees the decoded
pixels like any camera's.
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

Picture = NDArray[np.uint8]
PICTURE = Path(__file__).with_name("face.jpg")
SIZE = (854, 480)
FPS = 25
FACE = (178.0, 63.0, 90.0, 113.0)  # x, y, width, height of the face in the portrait, pixels
MOUTH = (223.0, 146.0)


def render(path: Path, *, manipulated: bool, seconds: float = 8.0, mirror: bool = False, seed: int = 0) -> Path:
    """Write an H.264 clip of SIZE at FPS whose motion is periodic, so that it loops without a jump. Returns `path`."""
    with av.open(str(path), "w", format="mp4") as container:
        # One slice a frame, as cameras send it; PyAV's default is one a thread.
        options = {"preset": "veryfast", "crf": "20", "bf": "0", "x264-params": "sliced-threads=0:slices=1"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.codec_context.gop_size = FPS
        for number, picture in enumerate(frames(manipulated, seconds, mirror, seed)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames(manipulated: bool, seconds: float, mirror: bool = False, seed: int = 0) -> Iterator[Picture]:
    """The clip's pictures: uint8, height x width x 3, BGR."""
    read = cv2.imread(str(PICTURE))
    if read is None:
        raise FileNotFoundError(PICTURE)
    portrait = read.astype(np.uint8, copy=False)
    noise = np.random.default_rng(seed)
    count = round(seconds * FPS)
    for number in range(count):
        phase = 2 * math.pi * number / count
        picture = _talk(portrait, phase)
        if manipulated:
            picture = swap(picture, noise)
        yield _camera(picture, phase, mirror, noise)


def swap(picture: Picture, noise: np.random.Generator) -> Picture:
    """`picture` (the 512 px portrait) with a warped, recoloured, softer copy of its face blended over the face."""
    height, width = picture.shape[:2]
    x, y, w, h = FACE
    centre = (x + w / 2, y + h / 2)
    tremble = noise.normal(0, 0.6, 2)
    turn = cv2.getRotationMatrix2D(centre, 5.0 + float(noise.normal(0, 0.4)), 1.18)
    turn[0, 2] += 3.0 + tremble[0]
    turn[1, 2] += -2.0 + tremble[1]
    turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(turned, None, fx=0.31, fy=0.31, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    other = np.clip(soft * np.array([0.83, 1.03, 0.87], np.float32) + 2, 0, 255)
    ellipse = np.zeros((height, width), np.float32)
    axes = (round(w * 0.44), round(h * 0.43))
    cv2.ellipse(ellipse, (round(centre[0] + tremble[0]), round(centre[1] + 4 + tremble[1])), axes, 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(ellipse, (0, 0), 2.8)[:, :, None]
    blended: Picture = (picture * (1 - mask) + other * mask).astype(np.uint8)
    return blended


def _talk(portrait: Picture, phase: float) -> Picture:
    """The mouth region stretched up and down, twelve times a loop, so that the face moves within itself."""
    height, width = portrait.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    near = np.exp(-(((columns - MOUTH[0]) / 26) ** 2 + ((rows - MOUTH[1]) / 18) ** 2)).astype(np.float32)
    opening = np.float32(2.2 * (0.5 - 0.5 * math.cos(12 * phase)))
    moved = cv2.remap(portrait, columns, rows - near * opening, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8, copy=False)


def _camera(picture: Picture, phase: float, mirror: bool, noise: np.random.Generator) -> Picture:
    """What a camera before the person sees: a 16:9 cut that sways, breathes and is noisy."""
    width, height = SIZE
    scale = width / 400 * (1 + 0.02 * math.sin(phase))
    view = cv2.getRotationMatrix2D((223.0, 120.0), 2.0 * math.sin(phase + 1), scale)
    view[0, 2] += width / 2 - 223.0 + 14 * math.sin(phase) + 3 * math.sin(3 * phase)
    view[1, 2] += height * 0.46 - 120.0 + 6 * math.sin(2 * phase)
    seen = cv2.warpAffine(picture, view, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    if mirror:
        seen = cv2.flip(seen, 1)
    light = 1 + 0.02 * math.sin(2 * phase)
    noisy: Picture = np.clip(seen * light + noise.normal(0, 2.0, (height, width, 1)), 0, 255).astype(np.uint8)
    return noisy
