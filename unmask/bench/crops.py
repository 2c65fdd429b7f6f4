"""Crops as a streamer would send them, made from the repository's portrait: no two alike, sizes like a camera's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.crops import cut, encode
from streamer.pixels import Picture, View
from unmask.demo.scene import FACE, PICTURE
from wire.settings import WindowSettings

GRAIN = 4.0  # standard deviation of the noise: about 20 kB a crop at quality 95


def jpegs(count: int, window: WindowSettings, seed: int = 0) -> list[bytes]:
    """`count` JPEG crops of the face, each shifted, scaled, lit and noisy in its own way."""
    portrait, chance = read_portrait(), np.random.default_rng(seed)
    x, y, width, height = FACE
    made = []
    for _ in range(count):
        scale, (right, down) = chance.uniform(0.85, 1.25), chance.normal(0, 6, 2)
        box = (x + right, y + down, width * scale, height * scale)
        crop = cut(View(portrait), box, window.crop_margin, window.crop_size)
        made.append(encode(_seen(crop, chance), window.jpeg_quality))
    return made


def read_portrait() -> Picture:
    """The demo's portrait: uint8, 512 x 512 x 3, BGR."""
    read = cv2.imread(str(PICTURE))
    if read is None:
        raise FileNotFoundError(PICTURE)
    return read.astype(np.uint8, copy=False)


def _seen(crop: Picture, chance: np.random.Generator) -> Picture:
    """The crop as a sensor has it."""
    light = chance.uniform(0.8, 1.15)
    noise: NDArray[np.float32] = chance.normal(0, GRAIN, crop.shape).astype(np.float32)
    seen: Picture = np.clip(crop * light + noise, 0, 255).astype(np.uint8)
    return seen
