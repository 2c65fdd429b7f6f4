"""Sets of stored faces: what is in them, and that they go through the serving path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.worker.pictures import prepare
from tests.worker.test_model import tiny
from tests.worker.training.making import pack
from worker.training import measure, sets
from worker.training.blend import coarsen
from worker.training.sampler import Mixture, Sampler


def test_features_are_those_of_the_serving_path(tmp_path: Path) -> None:
    crops, model = list(pack(tmp_path, "x", 3, 0, 1.4).crops), tiny()
    with torch.inference_mode():
        served = model.encode(prepare(crops, model.config, 1.4))
    torch.testing.assert_close(measure.features_of(model, crops, 1.4), served)


def test_mean_head_averages_the_frames_logits(tmp_path: Path) -> None:
    made, model = list(pack(tmp_path, "x", 1, 3, 1.4).crops), tiny()
    window = sets.Windows([made], np.array([1]), ["a"], ["x"], [1.4])
    single = measure.frame_logits(model, made, 1.4)
    assert np.allclose(measure.window_logits(model, window), single.mean(), atol=1e-5)


def test_scored_against_the_probe() -> None:
    windows = sets.Windows([[]] * 4, np.array([0, 0, 1, 1]), ["a", "a", "b", "c"], ["x"] * 4, [1.4] * 4)
    found = measure.Scored(windows, np.array([0.0, 0.9, 1.0, 0.5]), np.zeros(4)).result()
    assert (found.auc.value, found.probe.value, found.items, found.groups) == (0.75, 0.5, 4, 3)


def test_the_probe_of_training_pairs_sees_a_shortcut_and_nothing_else(tmp_path: Path) -> None:
    sampler = Sampler([pack(tmp_path, "paired", 12, 1, 1.4)], Mixture(blends=0.0, partial=0.0), 32)
    batches = [sampler.batch(12, 1, step) for step in range(4)]
    same = [batch._replace(images=batch.images[:12] * 2) for batch in batches]
    soft = [b._replace(images=b.images[:12] + [coarsen(i, 0.3) for i in b.images[:12]]) for b in batches]
    assert measure.probe_pairs(same).value == 0.5
    assert measure.probe_pairs(soft).value > 0.7


def test_report_has_every_set(tmp_path: Path) -> None:
    packs = [pack(tmp_path / "dfdc", "DFDC", 6, 1, 0.8, "held"), pack(tmp_path / "stills", "lfw", 6, 0, 1.4, "held")]
    found = measure.report(tiny(), packs)
    assert set(found) == {"DFDC_frames", "subtle_blends", "coarse_blends"}
    assert all(0 <= r.auc.lo <= r.auc.value <= r.auc.hi <= 1 for r in found.values())


def test_report_tells_sets_of_one_name_apart(tmp_path: Path) -> None:
    packs = [pack(tmp_path / folder, "DFDC", size, 1, 0.8, "held") for folder, size in (("a", 4), ("b", 3))]
    found = measure.report(tiny(), packs)
    assert {name: result.items for name, result in found.items()} == {"DFDC_frames": 8, "DFDC_frames-2": 6}
