"""The detector: a ResNeXt per frame, mostly with a small projection, and a temporal head per window.

One definition for training and serving. `encode` runs once per frame and its result is what Redis caches; `head` runs
once per window on T cached features. Both work on any batch size and any square input the stride of 32 divides well.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.resnext import FEATURES, ResNeXt

HeadName = Literal["gru", "lstm", "transformer", "mean", "lineage"]
Readout = Literal["last", "mean"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


Layers = Annotated[int, msgspec.Meta(ge=1, le=64)]  # bounds hold where a file is read: it may come from anybody
Width = Annotated[int, msgspec.Meta(ge=1, le=8192)]
Offset = Annotated[float, msgspec.Meta(ge=-10, le=10)]
Scale = Annotated[float, msgspec.Meta(ge=1e-3, le=1e3)]


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Architecture and preprocessing: everything needed to build a Detector and to feed it.

    The defaults are ResNeXt-50 32x4d at 224 px, into which torchvision's ImageNet weights fit.
    `crop_margin` is the side of the square the network sees in units of max(w, h) of the detector's face box.
    """

    layers: tuple[Layers, Layers, Layers, Layers] = (3, 4, 6, 3)
    groups: Annotated[int, msgspec.Meta(ge=1, le=256)] = 32
    width_per_group: Annotated[int, msgspec.Meta(ge=1, le=256)] = 4
    projection: bool = True  # without one the head sees the encoder's features, and feature_dim is 2048
    feature_dim: Width = 256  # D, what is cached per frame
    head: HeadName = "gru"
    head_dim: Width = 128
    readout: Readout = "last"  # of the lineage head
    frames: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16  # T
    input_size: Annotated[int, msgspec.Meta(ge=16, le=1024)] = 224  # S, pixels
    mean: tuple[Offset, Offset, Offset] = IMAGENET_MEAN
    std: tuple[Scale, Scale, Scale] = IMAGENET_STD
    colour: Literal["rgb", "bgr"] = "rgb"  # order of the channels, and of mean and std
    crop_margin: Annotated[float, msgspec.Meta(ge=0.1, le=4)] = 0.8
    residual: bool = False  # the network also sees what a small blur takes away, three channels beside the colours


EDGE = ModelConfig(layers=(2, 2, 2, 2), groups=16, width_per_group=4, head="mean", input_size=112, residual=True)
"""ResNeXt-26 16x4d at 112 px, some four times as fast as 32x4d on a CPU; the default checkpoint's."""
RESIDUAL_GAIN = 4.0  # a residual is some four times as small as a picture


class Residual(nn.Module):
    """Images (N, 3, S, S) to (N, 6, S, S): beside the colours, what a 3x3 binomial blur takes away, amplified.

    Content moves it little, noise, sharpness and seams move it much: Fridrich & Kodovsky, "Rich Models for Steganalysis
    of Digital Images", IEEE TIFS 2012, train on nothing else.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images to images and residuals."""
        return with_residual(images, blur_kernel(images))


class MeanHead(nn.Module):
    """Logistic regression on the mean of the frames' features: no memory, blind to their order."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out = nn.Linear(dim, 1)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (B, T, D) and mask (B, T), True where a frame counts, to logits (B)."""
        return cast(Tensor, self.out(masked_mean(features, mask))).squeeze(-1)


class RecurrentHead(nn.Module):
    """A bidirectional GRU or LSTM over the frames, read out as the mean of its states."""

    def __init__(self, kind: Literal["gru", "lstm"], dim: int, hidden: int) -> None:
        super().__init__()
        cell = nn.GRU if kind == "gru" else nn.LSTM
        self.rnn = cell(dim, hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, 1)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (B, T, D) and mask (B, T) to logits (B)."""
        states, _ = self.rnn(features)  # (B, T, 2H)
        return cast(Tensor, self.out(masked_mean(states, mask))).squeeze(-1)


class TransformerHead(nn.Module):
    """Two pre-norm transformer layers with learned positions, read out as the mean of the frames."""

    def __init__(self, dim: int, hidden: int, frames: int) -> None:
        super().__init__()
        self.inward = nn.Linear(dim, hidden)
        self.position = nn.Parameter(torch.zeros(1, frames, hidden))
        layer = nn.TransformerEncoderLayer(hidden, 4, 4 * hidden, 0.1, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(hidden, 1)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (B, T, D), T at most the configured number of frames, and mask (B, T) to logits (B)."""
        tokens = self.inward(features) + self.position[:, : features.shape[1]]  # (B, T, H)
        states = self.blocks(tokens, src_key_padding_mask=None if mask is None else ~mask)
        return cast(Tensor, self.out(masked_mean(states, mask))).squeeze(-1)


class LineageHead(nn.Module):
    """The head of the community's ResNeXt-50 + LSTM models, as it behaves where they are served; theirs are the names.

    Their LSTM takes the first axis for time and is given (batch, time, D), one window at a time: every frame is then a
    sequence of its own that starts from a zero state, and the recurrent weights never act. Here that is written out.
    Readout `last` takes the newest frame's state, as their applications do; `mean` the frames' mean, as in training.
    """

    def __init__(self, dim: int, readout: Readout) -> None:
        super().__init__()
        self.readout = readout
        self.lstm = nn.LSTM(dim, dim, bias=False)
        self.linear1 = nn.Linear(dim, 2)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (B, T, D) and mask (B, T) to logits (B); their sigmoid is the softmax's first class, FAKE."""
        if self.readout == "last":
            features, mask = newest(features, mask).unsqueeze(1), None  # (B, 1, D)
        states, _ = self.lstm(features.flatten(0, 1).unsqueeze(0))  # (1, B*T, D): B*T sequences of one step
        fake, real = self.linear1(masked_mean(states.view(features.shape), mask)).unbind(-1)
        return cast(Tensor, fake - real)


class Detector(nn.Module):
    """Frames in, one logit per window out; the larger, the more synthetic."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.inward = Residual() if config.residual else nn.Identity()
        self.encoder = ResNeXt(config.layers, config.groups, config.width_per_group, 6 if config.residual else 3)
        self.projection = _build_projection(config)
        self.temporal = _build_head(config)

    def encode(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, S, S) to features (N, D)."""
        return cast(Tensor, self.projection(self.encoder(self.inward(images))))  # (N, 2048) -> (N, D)

    def head(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (B, T, D), optionally mask (B, T) with True where a frame counts, to logits (B)."""
        return cast(Tensor, self.temporal(features, mask))

    def forward(self, windows: Tensor) -> Tensor:
        """Windows (B, T, 3, S, S) to logits (B)."""
        batch, frames = windows.shape[:2]
        features = self.encode(windows.flatten(0, 1))  # (B*T, D)
        return self.head(features.view(batch, frames, -1))


def blur_kernel(like: Tensor) -> Tensor:
    """The binomial blur as weights (3, 1, 3, 3), one group per colour, with the device and type of `like`."""
    line = torch.tensor([0.25, 0.5, 0.25], device=like.device, dtype=like.dtype)
    return torch.outer(line, line).expand(3, 1, 3, 3)


def with_residual(images: Tensor, kernel: Tensor) -> Tensor:
    """Images (N, 3, S, S) and beside them what the blur takes away: (N, 6, S, S)."""
    soft = functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    return torch.cat([images, RESIDUAL_GAIN * (images - soft)], 1)


def masked_mean(states: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of states (B, T, D) over the frames where mask (B, T) is True; over all of them without a mask."""
    if mask is None:
        return states.mean(1)
    weight = mask.to(states.dtype).unsqueeze(-1)  # (B, T, 1)
    return (states * weight).sum(1) / weight.sum(1).clamp(min=1)


def newest(features: Tensor, mask: Tensor | None) -> Tensor:
    """The last of features (B, T, D) where mask (B, T) is True; the last of all without a mask."""
    if mask is None:
        return features[:, -1]
    order = torch.arange(mask.shape[1], device=mask.device)
    return features[torch.arange(len(mask), device=mask.device), (mask * order).argmax(1)]


def _build_projection(config: ModelConfig) -> nn.Module:
    if config.projection:
        return nn.Sequential(nn.Linear(FEATURES, config.feature_dim), nn.LayerNorm(config.feature_dim))
    if config.feature_dim != FEATURES:
        raise ValueError(f"without a projection feature_dim is {FEATURES}, not {config.feature_dim}")
    return nn.Identity()


def _build_head(config: ModelConfig) -> nn.Module:
    if config.head == "lineage":
        return LineageHead(config.feature_dim, config.readout)
    if config.head == "mean":
        return MeanHead(config.feature_dim)
    if config.head == "transformer":
        return TransformerHead(config.feature_dim, config.head_dim, config.frames)
    return RecurrentHead(config.head, config.feature_dim, config.head_dim)
