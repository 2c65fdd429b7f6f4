"""Crops as a streamer would send them, made from the repository's portrait: no two alike, sizes like a camera's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from streamer.crops import cut, encode, middle
from streamer.pixels import Picture, View
from unmask.demo.scene import FACE, PICTURE
from wire.messages import WHOLE_MARGIN, Portrait
from wire.settings import WindowSettings

GRAIN = 4.0  # standard deviation of the noise: about 20 kB a crop at quality 95


class Pool(NamedTuple):
    """What windows are made of: different views of the face, their margin, and the portrait in each window."""

    views: Sequence[bytes]
    margin: float = WHOLE_MARGIN
    portrait: Portrait | UnsetType = UNSET


def pool(count: int, window: WindowSettings, seed: int = 0) -> Pool:
    """`count` JPEG views of the face, each shifted, scaled, lit and noisy in its own way."""
    share, made = window.seen_margin / window.crop_margin, list(pictures(count, window, seed))
    views = [encode(middle(one, share), window.jpeg_quality) for one in made]
    portrait = Portrait(window.crop_margin, encode(made[0], window.jpeg_quality)) if share < 1 else UNSET
    return Pool(views, window.seen_margin, portrait)


def pictures(count: int, window: WindowSettings, seed: int) -> Iterator[Picture]:
    """The squares that crops are made of, uint8, `crop_size` x `crop_size` x 3, BGR."""
    source, chance = read_portrait(), np.random.default_rng(seed)
    x, y, width, height = FACE
    for _ in range(count):
        scale, (right, down) = chance.uniform(0.85, 1.25), chance.normal(0, 6, 2)
        box = (x + right, y + down, width * scale, height * scale)
        yield _seen(cut(View(source), box, window.crop_margin, window.crop_size), chance)


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
