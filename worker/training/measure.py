"""Stored faces through a detector: how well real and fake are told apart, and how well a linear model on blur does.

Clips are judged by `unmask evaluate`, through the serving path. Here are the sets that are no clips: single crops of
groups never trained on, and blends of people never trained on.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import count
from typing import NamedTuple

import msgspec
import numpy as np
import torch

from worker.model import Detector
from worker.preprocess import Image, centre_cut, normalise
from worker.training.metrics import PROBE_PX, PROBE_SHARE, Array, Figure, auc_figure, probe_scores, shortcuts
from worker.training.sampler import Batch
from worker.training.sets import Windows, blended_windows, crop_windows
from worker.training.store import Pack


class Result(msgspec.Struct, frozen=True):
    """One set: AUC of the detector, of the shortcut probe, and how many items and groups."""

    auc: Figure
    probe: Figure
    items: int
    groups: int


@torch.inference_mode()
def features_of(detector: Detector, crops: Sequence[Image], margin: float, chunk: int = 32) -> torch.Tensor:
    """Features (N, D) of crops cut at `margin`, through the serving path's cut, resize and normalisation."""
    config = detector.config
    out = []
    for start in range(0, len(crops), chunk):
        some = crops[start : start + chunk]
        images = [centre_cut(np.asarray(crop), config.crop_margin / margin, config.input_size) for crop in some]
        out.append(detector.encode(normalise(images, config).contiguous(memory_format=torch.channels_last)))
    return torch.cat(out) if out else torch.empty(0, config.feature_dim)


@torch.inference_mode()
def frame_logits(detector: Detector, crops: Sequence[Image], margin: float) -> Array:
    """Logits (N) of single crops, each a window of one frame."""
    logits = detector.head(features_of(detector, crops, margin).unsqueeze(1))
    return logits.double().numpy()


@torch.inference_mode()
def window_features(detector: Detector, windows: Windows) -> list[torch.Tensor]:
    """Features (T, D) of every window; the crops of many windows are encoded together."""
    out: list[torch.Tensor] = [torch.empty(0)] * len(windows.crops)
    for margin in sorted(set(windows.margins)):
        which = [i for i, value in enumerate(windows.margins) if value == margin]
        encoded = features_of(detector, [crop for i in which for crop in windows.crops[i]], margin)
        parts = torch.split(encoded, [len(windows.crops[i]) for i in which])
        for i, part in zip(which, parts, strict=True):
            out[i] = part
    return out


@torch.inference_mode()
def window_logits(detector: Detector, windows: Windows) -> Array:
    """Logits of windows, each through the encoder and the temporal head."""
    features = window_features(detector, windows)
    return np.array([float(detector.head(part.unsqueeze(0))) for part in features])


def probe(windows: Windows) -> Array:
    """Out-of-fold scores of the linear model on blur and high-frequency energy, one middle crop a window."""
    middles = (np.asarray(crops[len(crops) // 2]) for crops in windows.crops)
    features = [shortcuts(centre_cut(crop, PROBE_SHARE, PROBE_PX)) for crop in middles]
    return probe_scores(np.array(features), windows.labels, windows.groups)


def probe_pairs(batches: Sequence[Batch]) -> Figure:
    """AUC of the linear model on training pairs as the network gets them: what could be learned from blur alone."""
    features = np.array([shortcuts(image) for batch in batches for image in batch.images])
    labels = np.concatenate([batch.labels for batch in batches]).astype(np.int64)
    pairs = [
        f"{number}-{i % len(batch.sources)}" for number, batch in enumerate(batches) for i in range(len(batch.images))
    ]
    return auc_figure(probe_scores(features, labels, pairs), labels, pairs)


class Scored(NamedTuple):
    """Windows with their logits and the probe's scores."""

    windows: Windows
    logits: Array
    probed: Array

    def result(self) -> Result:
        """How well they are told apart."""
        labels, groups = self.windows.labels, self.windows.groups
        figures = (auc_figure(self.logits, labels, groups), auc_figure(self.probed, labels, groups))
        return Result(*figures, items=len(labels), groups=len(set(groups)))


def scored(detector: Detector, windows: Windows) -> Scored:
    """Windows through the detector and through the probe."""
    return Scored(windows, window_logits(detector, windows), probe(windows))


def apart(name: str, taken: Container[str]) -> str:
    """`name`, with a number where it is taken: two sets of one name have two figures."""
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(free for free in names if free not in taken)


def report(detector: Detector, packs: Sequence[Pack]) -> dict[str, Result]:
    """Single crops of the held groups, by source, and subtle and coarse blends of the held faces."""
    found: dict[str, Result] = {}
    for pack in packs:
        groups = [members for members in pack.groups("held").values() if all(members)]
        if groups:
            source = pack.rows[groups[0][0][0]].source
            found[apart(f"{source}_frames", found)] = scored(detector, crop_windows(pack, "held")).result()
    for kind in ("subtle", "coarse"):
        blends = blended_windows(packs, kind)
        if blends.crops:
            found[f"{kind}_blends"] = scored(detector, blends).result()
    return found
