"""Packs made of drawn faces: small, deterministic, nobody's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from worker.preprocess import Image
from worker.training.store import Pack, Points, Row, Split, Writer

PX = 64
POINTS: Points = (24.0, 26.0, 40.0, 26.0, 32.0, 35.0, 26.0, 44.0, 38.0, 44.0)


def write_pack(folder: Path, crops: list[Image], rows: list[Row]) -> None:
    """Crops and their rows as a store, without loss."""
    with Writer(folder, {}) as writer:
        for number, (crop, row) in enumerate(zip(crops, rows, strict=True)):
            writer.add(str(number), "", [(row, cv2.imencode(".png", crop)[1].tobytes())])


def face(seed: int) -> Image:
    """A textured oval with eyes and a mouth on a textured ground."""
    rng = np.random.default_rng(seed)
    image = rng.integers(60, 120, (PX, PX, 3)).astype(np.uint8)
    skin = tuple(int(v) for v in rng.integers(120, 220, 3))
    cv2.ellipse(image, (32, 34), (18, 24), 0, 0, 360, skin, -1)
    for x, y in ((24, 26), (40, 26), (32, 44)):
        cv2.circle(image, (x, y), 3, (20, 20, 20), -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.7), np.uint8)


def pack(folder: Path, source: str, groups: int, fakes: int, margin: float, split: Split = "train") -> Pack:
    """`groups` groups of one real face and `fakes` fakes: the same face with a bright patch."""
    crops: list[Image] = []
    rows: list[Row] = []
    for group in range(groups):
        for fake in range(1 + fakes):
            image = face(group)
            if fake:
                image[22:48, 22:42] = 255 - image[22:48, 22:42] // 2
            crops.append(image)
            name = f"{group}-{fake}"
            pair = f"{group}" if source == "paired" else ""
            rows.append(Row(name, source, int(fake > 0), str(group), split, margin, POINTS, 0, pair))
    write_pack(folder, crops, rows)
    return Pack(folder)
