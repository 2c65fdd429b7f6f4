"""Pictures changed a little so that the network errs: what an attacker gains who knows the weights.

FGSM (Goodfellow et al., 2015, arXiv:1412.6572) is one step along the sign of the gradient; PGD (Madry et al., 2018,
arXiv:1706.06083) repeats smaller ones from a random start and stays within the bound. All frames of a window are
changed together, at the size the network sees: whoever can do that controls the picture behind the camera's lens.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch

from worker.model import Detector
from worker.preprocess import Pixels, normalise

RELATIVE_STEP = 2.5  # of bound / steps, as Madry et al. take it: far enough to cross the ball


class Attack(NamedTuple):
    """How far any value of any pixel may move, of 255; in how many steps; and whether it starts at random."""

    bound: float
    steps: int

    @property
    def name(self) -> str:
        """As the field writes it."""
        return f"{'FGSM' if self.steps == 1 else f'PGD-{self.steps}'} {self.bound:g}/255"


def attack(model: Detector, images: Pixels, how: Attack, towards: Literal["real", "fake"], seed: int = 0) -> Pixels:
    """The frames of one window (T, S, S, 3), changed so that it scores as `towards`; whole grey levels, as a file."""
    config, sign = model.config, 1.0 if towards == "fake" else -1.0
    mean, std = (255 * torch.tensor(values).view(1, 3, 1, 1) for values in (config.mean, config.std))
    scale = 1 / std  # from grey levels to normalised values
    clean = normalise(images, config)
    low, high = -mean * scale, (255 - mean) * scale
    step = (how.bound if how.steps == 1 else RELATIVE_STEP * how.bound / how.steps) * scale
    moved = clean.clone()
    if how.steps > 1:
        noise = torch.rand(clean.shape, generator=torch.Generator().manual_seed(seed))
        moved += (2 * noise - 1) * how.bound * scale
    for _ in range(how.steps):
        moved = moved.detach().requires_grad_(True)
        logit = model(moved.unsqueeze(0)).sum()
        (gradient,) = torch.autograd.grad(logit, moved)
        moved = moved.detach() + sign * step * gradient.sign()
        moved = torch.minimum(torch.maximum(moved, clean - how.bound * scale), clean + how.bound * scale)
        moved = torch.minimum(torch.maximum(moved, low), high)
    levels = (moved.detach() / scale + mean).round().clamp(0, 255)
    pictures = levels.permute(0, 2, 3, 1).numpy().astype(np.uint8)
    return np.ascontiguousarray(pictures[..., ::-1] if config.colour == "rgb" else pictures)
