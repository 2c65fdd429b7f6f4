"""Heads on frozen features: padding, and a head that can tell an order from its shuffle."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import torch

from tests.worker.test_model import TINY, tiny
from tests.worker.training.making import pack
from worker.model import Detector
from worker.training.heads import compare, fit_head, measure, padded
from worker.training.sets import Windows


def ramps(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Windows (B, 4, 8) that rise (1) or fall (0) over their frames: their means are alike."""
    rng = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % 2
    slope = torch.linspace(-1, 1, 4).view(1, 4, 1) * (2 * labels - 1).view(-1, 1, 1)
    features = slope.expand(count, 4, 8) + 0.1 * torch.randn(count, 4, 8, generator=rng)
    return features, torch.ones(count, 4, dtype=torch.bool), labels.float()


def test_padding_masks_what_is_missing() -> None:
    features, mask = padded([torch.ones(2, 8), torch.ones(6, 8)], 4)
    assert features.shape == (2, 4, 8)
    assert mask.tolist() == [[True, True, False, False], [True] * 4]
    assert features[0, 2:].eq(0).all()


def test_gru_learns_order_and_mean_can_not() -> None:
    features, mask, labels = ramps(60)
    names = [str(i) for i in range(60)]
    windows = Windows([[]] * 60, labels.numpy().astype(np.int64), names, ["x"] * 60, [1.4] * 60)
    base = Detector(msgspec.structs.replace(TINY, head="mean"))
    gru = fit_head("gru", base, features, mask, labels, 60)
    mean = fit_head("mean", base, features, mask, labels, 60)
    assert measure(gru, features, mask, windows, shuffle=False).value > 0.95
    assert measure(gru, features, mask, windows, shuffle=True).value < 0.9
    ordered, shuffled = (measure(mean, features, mask, windows, shuffle).value for shuffle in (False, True))
    assert abs(ordered - shuffled) < 0.02


def test_compare_judges_every_head(tmp_path: Path) -> None:
    train, dev = pack(tmp_path / "a", "x", 32, 1, 1.4), pack(tmp_path / "b", "x", 32, 1, 1.4, "dev")
    for made, split in ((train, "train"), (dev, "dev")):  # eight frames a run, so that runs are long enough
        made.rows = [
            msgspec.structs.replace(row, name=f"{split}{i // 8}", label=i // 8 % 2) for i, row in enumerate(made.rows)
        ]
    found = compare(tiny(), train, dev, steps=2)
    assert set(found) == {"mean", "gru", "lstm", "transformer"}
    assert found["mean"].ordered.value == found["mean"].shuffled.value
