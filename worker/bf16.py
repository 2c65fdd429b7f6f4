"""The encoder as a GPU runs it: bytes in, float16 out, the convolutions in bf16 with their batch norms folded in.

Nothing in it touches the host once it is built, so CUDA can capture it; it runs on a CPU too, where it is checked.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from worker.model import Detector, Residual, blur_kernel, with_residual

_PAIRS = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"), ("0", "1"))  # of ResNeXt, Bottleneck, downsample


class Bf16Encoder(nn.Module):
    """Detector.encode with the normalisation before it. A copy: the model it is made from stays as it is.

    Pixels are normalised and sharpened in fp32 as everywhere else, since a residual in bf16 would be mostly rounding;
    the projection and its norm are fp32 as well, and cost nothing.
    """

    mean: Tensor
    std: Tensor
    kernel: Tensor

    def __init__(self, model: Detector) -> None:
        super().__init__()
        config = model.config
        self._flipped, self._residual = config.colour == "rgb", isinstance(model.inward, Residual)
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1))
        self.register_buffer("kernel", blur_kernel(self.mean))
        self.projection = copy.deepcopy(model.projection)
        encoder = fold(copy.deepcopy(model.encoder).eval())
        self.encoder = encoder.to(torch.bfloat16).to(memory_format=torch.channels_last)
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 pixels (N, S, S, 3) in BGR to float16 features (N, D)."""
        ordered = pixels.flip(3) if self._flipped else pixels
        images = ordered.permute(0, 3, 1, 2).float().div(255).sub(self.mean).div(self.std)  # (N, 3, S, S)
        if self._residual:
            images = with_residual(images, self.kernel)
        found = self.encoder(images.to(torch.bfloat16, memory_format=torch.channels_last))  # (N, 2048)
        return cast(Tensor, self.projection(found.float())).half()


def fold(encoder: nn.Module) -> nn.Module:
    """Puts every batch norm of a ResNeXt in evaluation into the convolution before it; returns it."""
    for owner, conv, norm in list(_normed(encoder)):
        setattr(owner, conv, fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    return encoder


def _normed(encoder: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Owner and names of every convolution and the batch norm that follows it."""
    for owner in encoder.modules():
        for conv, norm in _PAIRS:
            if isinstance(getattr(owner, norm, None), nn.BatchNorm2d):
                yield owner, conv, norm
