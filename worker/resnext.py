"""ResNeXt without its classifier.

Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017.

Parameters have the names and places that torchvision gives them, so that its weights fit; a test compares both. It is
written here since importing torchvision, which brings PyTorch's compiler, took every worker 2 s and 170 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

EXPANSION = 4  # of a bottleneck: channels out of it for each of its stage's planes
STEM = 64
FEATURES = 512 * EXPANSION  # channels of the last stage, 2048


class Bottleneck(nn.Module):
    """1x1 down, 3x3 in groups, 1x1 up, and the input beside it; where it strides, the 3x3 does."""

    def __init__(self, inward: int, planes: int, stride: int, groups: int, width_per_group: int) -> None:
        super().__init__()
        width, out = planes * width_per_group // 64 * groups, planes * EXPANSION
        self.conv1 = nn.Conv2d(inward, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inward != out:
            self.downsample = nn.Sequential(nn.Conv2d(inward, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, inward: Tensor) -> Tensor:
        """(N, inward, S, S) to (N, 4 planes, S / stride, S / stride)."""
        out = self.relu(self.bn1(self.conv1(inward)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        beside = inward if self.downsample is None else self.downsample(inward)
        return cast(Tensor, self.relu(out + beside))


class ResNeXt(nn.Module):
    """Images (N, channels, S, S) to features (N, 2048): a stem, four stages of bottlenecks, and the mean."""

    def __init__(self, layers: Sequence[int], groups: int, width_per_group: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        shape = (groups, width_per_group)
        first, second, third, fourth = layers
        self.layer1 = _stage(STEM, 64, first, 1, *shape)
        self.layer2 = _stage(64 * EXPANSION, 128, second, 2, *shape)
        self.layer3 = _stage(128 * EXPANSION, 256, third, 2, *shape)
        self.layer4 = _stage(256 * EXPANSION, 512, fourth, 2, *shape)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        for module in self.modules():
            # He et al., ICCV 2015; a batch norm begins as the identity. On `meta` it would import PyTorch's compiler.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def third(self, images: Tensor) -> Tensor:
        """Images (N, channels, S, S) to what the third stage makes of them, (N, 1024, S/16, S/16)."""
        found = self.maxpool(self.relu(self.bn1(self.conv1(images))))  # (N, 64, S/4, S/4)
        return cast(Tensor, self.layer3(self.layer2(self.layer1(found))))

    def rest(self, third: Tensor) -> Tensor:
        """That (N, 1024, S/16, S/16) to features (N, 2048)."""
        return cast(Tensor, self.avgpool(self.layer4(third))).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, channels, S, S) to features (N, 2048)."""
        return self.rest(self.third(images))


def _stage(inward: int, planes: int, blocks: int, stride: int, groups: int, width_per_group: int) -> nn.Sequential:
    """`blocks` bottlenecks, the first of which strides."""
    first = Bottleneck(inward, planes, stride, groups, width_per_group)
    more = (Bottleneck(planes * EXPANSION, planes, 1, groups, width_per_group) for _ in range(blocks - 1))
    return nn.Sequential(first, *more)
