"""Temporal heads on frozen features: does the order of the frames tell anything that their mean does not?

DESIGN's rule: a temporal head ships only when it beats `mean` on held-out clips *and* loses by shuffling the frames.
"""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.model import Detector, HeadName
from worker.training.data import Pack
from worker.training.evaluate import window_features
from worker.training.metrics import Figure, auc_figure
from worker.training.sets import Windows, by_clip, clip_windows


class HeadResult(msgspec.Struct, frozen=True):
    """AUC by clip of one head, with the frames in order and shuffled."""

    ordered: Figure
    shuffled: Figure


def padded(features: list[Tensor], frames: int) -> tuple[Tensor, Tensor]:
    """Windows of at most `frames` features as (B, T, D), and the mask (B, T) of what is there."""
    out = torch.zeros(len(features), frames, features[0].shape[1])
    mask = torch.zeros(len(features), frames, dtype=torch.bool)
    for row, part in enumerate(features):
        count = min(frames, len(part))
        out[row, :count], mask[row, :count] = part[:count], True
    return out, mask


def fit_head(
    name: HeadName, detector: Detector, features: Tensor, mask: Tensor, labels: Tensor, steps: int
) -> Detector:
    """A detector with a fresh head of this name, fitted to features (B, T, D); its encoder is left as it comes."""
    torch.manual_seed(0)
    fresh = Detector(msgspec.structs.replace(detector.config, head=name))
    positive = (labels == 0).sum() / (labels == 1).sum().clamp(min=1)
    optimizer = torch.optim.AdamW(fresh.temporal.parameters(), 1e-3, weight_decay=0.1)
    fresh.train()
    for _ in range(steps):
        drawn = torch.randint(len(labels), (min(64, len(labels)),))
        logits = fresh.head(features[drawn], mask[drawn])
        loss = functional.binary_cross_entropy_with_logits(logits, labels[drawn], pos_weight=positive)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return fresh.eval()


@torch.inference_mode()
def measure(model: Detector, features: Tensor, mask: Tensor, windows: Windows, shuffle: bool) -> Figure:
    """AUC by clip on windows' features, optionally with each window's own frames in random order."""
    if shuffle:
        rng = np.random.default_rng(0)
        features = features.clone()
        for row in range(len(features)):
            count = int(mask[row].sum())
            features[row, :count] = features[row, torch.from_numpy(rng.permutation(count))]
    scores, labels, names, _ = by_clip(windows, model.head(features, mask).double().numpy())
    return auc_figure(scores, labels, names)


def compare(detector: Detector, train: Pack, dev: Pack, steps: int = 300) -> dict[str, HeadResult]:
    """Every head, fitted on the train clips' frozen features and measured on the dev clips."""
    frames = detector.config.frames
    fitted, held = clip_windows(train, "train"), clip_windows(dev, "dev")
    features, mask = padded(window_features(detector, fitted), frames)
    features, mask = features.clone(), mask.clone()  # out of inference mode: the heads learn on them
    tested, seen = padded(window_features(detector, held), frames)
    labels = torch.from_numpy(fitted.labels).float()
    names: list[HeadName] = ["mean", "gru", "lstm", "transformer"]
    found: dict[str, HeadResult] = {}
    for name in names:
        model = fit_head(name, detector, features, mask, labels, steps)
        ordered, shuffled = (measure(model, tested, seen, held, shuffle) for shuffle in (False, True))
        found[name] = HeadResult(ordered, shuffled)
    return found
