"""Crops as backends get them: of a real face and of made-up patches, with the logits plain PyTorch gives for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from tests.support.lineage import picture
from worker.model import Detector, ModelConfig
from worker.preprocess import STREAM_MARGIN, Image, normalise, pixels, resize

Pixels = npt.NDArray[np.uint8]
PORTRAIT = Path(__file__).parents[2] / "unmask" / "demo" / "face.jpg"
LEFT, TOP, SIDE = 140, 40, 165  # of a square around the face


def crops(count: int, side: int) -> Pixels:
    """`count` different crops (N, side, side, 3), BGR, JPEGs once: shifted and dimmed faces, every third a patch."""
    portrait = cv2.imread(str(PORTRAIT))
    assert portrait is not None
    random = np.random.default_rng(count)
    made = []
    for number in range(count):
        x, y = LEFT + random.integers(-8, 9), TOP + random.integers(-8, 9)
        face = np.clip(portrait[y : y + SIDE, x : x + SIDE] * random.uniform(0.6, 1.1), 0, 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", picture(number, 224) if number % 3 == 2 else face)[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        made.append(resize(np.asarray(decoded, np.uint8), side))
    return np.stack(made)


@torch.inference_mode()
def frame_probabilities(model: Detector, pixels: Pixels) -> npt.NDArray[np.float32]:
    """What fp32 on the CPU makes of each crop alone, 0..1, (N)."""
    features = model.encode(normalise(list(pixels), model.config))
    found: npt.NDArray[np.float32] = torch.sigmoid(model.head(features.unsqueeze(1))).numpy()
    return found


def prepare(crops: Sequence[bytes | Image], config: ModelConfig, margin: float = STREAM_MARGIN) -> torch.Tensor:
    """Crops, each a JPEG or an array (H, W, 3) in BGR, to float32 (N, 3, S, S), as a network is given them."""
    return normalise(pixels(crops, config, margin), config)
