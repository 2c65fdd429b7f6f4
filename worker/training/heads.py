"""Temporal heads on frozen features: does the order of the frames tell anything that their mean does not?

DESIGN's rule: a temporal head ships only when it beats `mean` on held-out clips *and* loses by shuffling the frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.model import Detector, HeadName
from worker.training.measure import window_features
from worker.training.metrics import Figure, auc_figure
from worker.training.sets import Windows, by_clip, clip_windows, joined, moving_windows
from worker.training.store import Pack

HEADS: tuple[HeadName, ...] = ("mean", "gru", "lstm", "transformer")
MADE, MADE_HELD = 600, 200  # self-made pairs fitted to, and measured on


class HeadResult(msgspec.Struct, frozen=True):
    """AUC by clip of one head, with the frames in order and shuffled."""

    ordered: Figure
    shuffled: Figure


class Features(msgspec.Struct, frozen=True):
    """Windows as a head sees them: features (B, T, D), mask (B, T), and whose they are."""

    values: Tensor
    mask: Tensor
    windows: Windows


def featured(detector: Detector, windows: Windows) -> Features:
    """Windows through the encoder, padded to the configured number of frames."""
    frames, parts = detector.config.frames, window_features(detector, windows)
    values = torch.zeros(len(parts), frames, detector.config.feature_dim)
    mask = torch.zeros(len(parts), frames, dtype=torch.bool)
    for row, part in enumerate(parts):
        count = min(frames, len(part))
        values[row, :count], mask[row, :count] = part[:count], True
    return Features(values, mask, windows)


def fit_head(name: HeadName, detector: Detector, seen: Features, steps: int) -> Detector:
    """A detector with a fresh head of this name, fitted to features; its encoder is left as it comes."""
    torch.manual_seed(0)
    fresh = Detector(msgspec.structs.replace(detector.config, head=name))
    labels = torch.from_numpy(seen.windows.labels).float()
    positive = (labels == 0).sum() / (labels == 1).sum().clamp(min=1)
    optimizer = torch.optim.AdamW(fresh.temporal.parameters(), 1e-3, weight_decay=0.1)
    fresh.train()
    for _ in range(steps):
        drawn = torch.randint(len(labels), (min(64, len(labels)),))
        logits = fresh.head(seen.values[drawn], seen.mask[drawn])
        loss = functional.binary_cross_entropy_with_logits(logits, labels[drawn], pos_weight=positive)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return fresh.eval()


@torch.inference_mode()
def measure(model: Detector, held: Features, shuffle: bool) -> Figure:
    """AUC by clip, optionally with each window's own frames in random order."""
    values = held.values
    if shuffle:
        rng = np.random.default_rng(0)
        values = values.clone()
        for row in range(len(values)):
            count = int(held.mask[row].sum())
            values[row, :count] = values[row, torch.from_numpy(rng.permutation(count))]
    scores, labels, names, _ = by_clip(held.windows, model.head(values, held.mask).double().numpy())
    return auc_figure(scores, labels, names)


def compare(detector: Detector, packs: Sequence[Pack], steps: int = 500) -> dict[str, dict[str, HeadResult]]:
    """Every head, fitted on the packs' train clips and self-made moving fakes, measured per set of held-out windows.

    The sets: `clips`, the packs' dev clips, and `made`, moving fakes of people held out.
    """
    frames = detector.config.frames
    made = moving_windows(packs, "train", MADE, frames, seed=31)
    fitted = featured(detector, joined([*(clip_windows(pack, "train") for pack in packs), made]))
    tests: Mapping[str, Windows] = {
        "clips": joined([clip_windows(pack, "dev") for pack in packs]),
        "made": moving_windows(packs, "held", MADE_HELD, frames, seed=32),
    }
    held = {name: featured(detector, windows) for name, windows in tests.items() if windows.crops}
    found: dict[str, dict[str, HeadResult]] = {name: {} for name in held}
    for head in HEADS:
        model = fit_head(head, detector, fitted, steps)
        for name, features in held.items():
            ordered, shuffled = (measure(model, features, shuffle) for shuffle in (False, True))
            found[name][head] = HeadResult(ordered, shuffled)
    return found
