"""From the streamer's crops to the network's input: the one path that training, evaluation and serving share.

Square crops come with their `margin`: their side over max(w, h) of the face box, on which they are centred. The network
sees the centre of that, `crop_margin` times max(w, h), resized to the checkpoint's input size.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from worker.model import ModelConfig

Image = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]  # (N, S, S, 3), BGR, cut and resized, not normalised
STREAM_MARGIN = 1.4
ALIASES = 1.25  # times that a picture may shrink before bilinear sampling skips pixels


def pixels(
    crops: Sequence[bytes | Image], config: ModelConfig, margin: float | Sequence[float] = STREAM_MARGIN
) -> Pixels:
    """Crops, each a JPEG or an array (H, W, 3) in BGR, cut and resized to (N, S, S, 3): what a backend is given.

    `margin` is what the crops were cut at, all of them or each. Raises ValueError when a crop is no picture.
    """
    margins = [margin] * len(crops) if isinstance(margin, int | float) else margin
    size = config.input_size
    made = np.empty((len(crops), size, size, 3), np.uint8)
    for index, (crop, own) in enumerate(zip(crops, margins, strict=True)):
        made[index] = centre_cut(decode(crop), config.crop_margin / own, size)
    return made


def decode(crop: bytes | Image) -> Image:
    """A crop as an array (H, W, 3) in BGR. Raises ValueError when it is no picture."""
    if isinstance(crop, np.ndarray):
        image = crop
    else:
        raw = np.frombuffer(crop, np.uint8)
        decoded = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
        if decoded is None:
            raise ValueError(f"crop of {len(crop)} bytes is no picture OpenCV can decode")
        image = decoded.astype(np.uint8, copy=False)
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"crop has shape {image.shape}, expected height x width x 3")
    return image


def centre_cut(image: Image, share: float, size: int) -> Image:
    """The centred square of `share` of the shorter side, at most all of it, resized to (size, size, 3)."""
    height, width = image.shape[:2]
    side = min(height, width, max(1, round(share * min(height, width))))
    top, left = (height - side) // 2, (width - side) // 2
    return resize(image[top : top + side, left : left + side], size)


def resize(image: Image, size: int) -> Image:
    """`image` as (size, size, 3): area-averaged where it shrinks so much that it would alias, else bilinear.

    From 128 to 112 px that is an eighth of the time, and moves p_fake of a dev video by .003 (median), .026 at most.
    """
    if image.shape[0] == size and image.shape[1] == size:
        return image
    method = cv2.INTER_AREA if min(image.shape[:2]) > ALIASES * size else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=method).astype(np.uint8, copy=False)


def normalise(images: Sequence[Image] | Pixels, config: ModelConfig) -> Tensor:
    """BGR images (S, S, 3) to float32 (N, 3, S, S) in the checkpoint's colour order, mean and standard deviation."""
    batch = np.asarray(images)
    if config.colour == "rgb":
        batch = batch[..., ::-1]
    pixels = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float().div_(255)  # (N, 3, S, S)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (config.mean, config.std))
    return pixels.sub_(mean).div_(std).contiguous()
