"""A ResNeXt-50 + LSTM model of the community's layout with made-up weights, and its forward pass written on its own.

Nothing here is ours but the pictures: what serves such a file is compared with this.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torchvision.models import resnext50_32x4d

Picture = npt.NDArray[np.uint8]
SIDE = 112
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class Lineage(nn.Module):
    """Their modules under their names; `forward` does what theirs does, dropout off."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(*list(resnext50_32x4d(weights=None).children())[:-2])
        self.lstm = nn.LSTM(2048, 2048, 1, False)  # the fourth argument is `bias`, whatever they meant by it
        self.linear1 = nn.Linear(2048, 2)

    def states(self, x: Tensor) -> Tensor:
        """Normalised BGR pictures (B, T, 3, 112, 112) to the LSTM's outputs (B, T, 2048); B is their time axis."""
        batch, time = x.shape[:2]
        maps = self.model(x.flatten(0, 1))
        pooled = maps.mean((2, 3)).view(batch, time, 2048)
        return self.lstm(pooled, None)[0]

    def forward(self, x: Tensor, readout: str) -> Tensor:
        """The softmax over (FAKE, REAL) of each of B videos, (B, 2)."""
        states = self.states(x)
        return self.linear1(states[:, -1] if readout == "last" else states.mean(1)).softmax(1)


def picture(seed: int, side: int) -> Picture:
    """A smooth patch of colour with some noise, as different from seed to seed as can be; side x side, BGR."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (4, 4, 3)).astype(np.float32) * random.uniform(0.2, 1.0, 3).astype(np.float32)
    smooth = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + random.normal(0, random.uniform(1, 30), (side, side, 3)), 0, 255).astype(np.uint8)


def face_box(crop: Picture, margin: float) -> Picture:
    """What is left of a crop of `margin` times the face box where no margin is wanted, at 112 px."""
    side = round(len(crop) / margin)
    edge = (len(crop) - side) // 2
    return cv2.resize(crop[edge : edge + side, edge : edge + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def normalised(pictures: list[Picture]) -> Tensor:
    """112 px BGR pictures to (1, T, 3, 112, 112): ImageNet's figures for R, G, B on B, G, R."""
    stack = (np.stack(pictures).astype(np.float32) / 255 - MEAN) / STD
    return torch.from_numpy(stack.transpose(0, 3, 1, 2).copy()).unsqueeze(0)


@torch.no_grad()
def made_up(seed: int = 0) -> Lineage:
    """Random weights, made so that activations keep their scale and the verdicts differ from picture to picture."""
    torch.manual_seed(seed)
    model = Lineage().train()
    for name, norm in model.model.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            low, high = (0.1, 0.3) if name.endswith("bn3") else (0.5, 1.0)  # a trained block adds little to its input
            norm.weight.uniform_(low, high)
            norm.bias.normal_(0, 0.1)
            norm.momentum = None  # the running statistics are those of the one batch below
    states = model.states(normalised([picture(1000 + i, SIDE) for i in range(10)]))[0]  # (T, 2048)
    fake, real = model.linear1.weight
    margin = states @ (fake - real)
    model.linear1.weight *= 1.5 / margin.std()
    model.linear1.bias[:] = torch.tensor([-0.75, 0.75]) * (margin.mean() / margin.std())
    return model.eval()
