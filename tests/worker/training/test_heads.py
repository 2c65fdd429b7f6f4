"""Heads on frozen features: padding, and a head that can tell an order from its shuffle."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from tests.worker.test_model import TINY, tiny
from tests.worker.training.making import pack
from worker.model import Detector
from worker.training import heads
from worker.training.heads import Features, compare, featured, fit_head, measure
from worker.training.sets import Windows


def ramps(count: int) -> Features:
    """Windows (B, 4, 8) that rise (1) or fall (0) over their frames: their means are alike."""
    rng = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % 2
    slope = torch.linspace(-1, 1, 4).view(1, 4, 1) * (2 * labels - 1).view(-1, 1, 1)
    features = slope.expand(count, 4, 8) + 0.1 * torch.randn(count, 4, 8, generator=rng)
    names = [str(i) for i in range(count)]
    windows = Windows([[]] * count, labels.numpy().astype(np.int64), names, ["x"] * count, [1.4] * count)
    return Features(features, torch.ones(count, 4, dtype=torch.bool), windows)


def test_padding_masks_what_is_missing(tmp_path: Path) -> None:
    crops = list(pack(tmp_path, "x", 6, 0, 1.4).crops)
    windows = Windows([crops[:2], crops], np.array([0, 1]), ["a", "b"], ["x", "x"], [1.4, 1.4])
    found = featured(tiny(), windows)
    assert found.values.shape == (2, 4, 8)
    assert found.mask.tolist() == [[True, True, False, False], [True] * 4]
    assert found.values[0, 2:].eq(0).all()


def test_gru_learns_order_and_mean_can_not() -> None:
    seen = ramps(60)
    base = Detector(msgspec.structs.replace(TINY, head="mean"))
    gru, mean = (fit_head(name, base, seen, 60) for name in ("gru", "mean"))
    assert measure(gru, seen, shuffle=False).value > 0.95
    assert measure(gru, seen, shuffle=True).value < 0.9
    ordered, shuffled = (measure(mean, seen, shuffle).value for shuffle in (False, True))
    assert abs(ordered - shuffled) < 0.02


def test_compare_judges_every_head_on_every_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MADE", 4)
    monkeypatch.setattr(heads, "MADE_HELD", 4)
    train, dev = pack(tmp_path / "a", "x", 32, 1, 1.4), pack(tmp_path / "b", "x", 32, 1, 1.4, "dev")
    for made, split in ((train, "train"), (dev, "dev")):  # eight frames a run, so that runs are long enough
        made.rows = [
            msgspec.structs.replace(row, name=f"{split}{i // 8}", label=i // 8 % 2) for i, row in enumerate(made.rows)
        ]
    found = compare(tiny(), [train, dev, pack(tmp_path / "c", "y", 4, 0, 1.4, "held")], steps=2)
    assert set(found) == {"clips", "made"}
    for figures in found.values():
        assert set(figures) == {"mean", "gru", "lstm", "transformer"}
        assert figures["mean"].ordered.value == figures["mean"].shuffled.value
