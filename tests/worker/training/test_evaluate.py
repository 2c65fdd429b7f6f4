"""Evaluation sets: what is in them, and that they go through the serving path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worker.test_model import tiny
from tests.worker.training.making import pack
from worker.preprocess import prepare
from worker.training import evaluate, sets


def test_features_are_those_of_the_serving_path(tmp_path: Path) -> None:
    crops, model = pack(tmp_path, "x", 3, 0, 1.4).crops, tiny()
    with torch.inference_mode():
        served = model.encode(prepare([np.asarray(crop) for crop in crops], model.config, 1.4))
    torch.testing.assert_close(evaluate.features_of(model, list(crops), 1.4), served)


def test_mean_head_averages_the_frames_logits(tmp_path: Path) -> None:
    made, model = pack(tmp_path, "x", 1, 3, 1.4), tiny()
    window = sets.Windows([list(made.crops)], np.array([1]), ["a"], ["x"], [1.4])
    single = evaluate.frame_logits(model, list(made.crops), 1.4)
    assert np.allclose(evaluate.window_logits(model, window), single.mean(), atol=1e-5)


def test_clip_windows_are_runs_long_enough(tmp_path: Path) -> None:
    made = pack(tmp_path, "x", 3, 0, 1.4, "dev")
    assert sets.clip_windows(made, "dev", frames=2).crops == []
    windows = sets.clip_windows(made, "dev", frames=1)
    assert (len(windows.crops), windows.groups) == (3, ["0-0", "1-0", "2-0"])


def test_still_windows_share_their_picture(tmp_path: Path) -> None:
    made = pack(tmp_path, "x", 3, 0, 1.4, "held")
    real = sets.still_windows(made, [0, 1, 2], "as-is", 3, seed=1)
    fake = sets.still_windows(made, [0, 1, 2], "coarse", 3, seed=1)
    both = sets.joined([real, fake])
    assert both.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert both.groups == ["0", "1", "2"] * 2
    assert [len(crops) for crops in both.crops] == [3] * 6
    assert sets.picked(both, [1, 4]).groups == ["1", "1"]


def test_blended_clips_pair_every_real_clip(tmp_path: Path) -> None:
    windows = sets.blended_clips(pack(tmp_path, "x", 2, 1, 1.4, "dev"), "dev", coarse=True)
    assert windows.labels.tolist() == [0, 1, 0, 1]
    real, fake = windows.crops[0][0], windows.crops[1][0]
    assert np.abs(real.astype(int) - fake).mean() > 1


def test_by_clip_averages() -> None:
    windows = sets.Windows([[]] * 3, np.array([0, 1, 1]), ["a", "b", "b"], ["x", "y", "y"], [1.4] * 3)
    means, labels, names, sources = sets.by_clip(windows, np.array([0.0, 1.0, 3.0]))
    assert (means.tolist(), labels.tolist(), names, sources) == ([0.0, 2.0], [0, 1], ["a", "b"], ["x", "y"])


def test_alarms_count_real_windows_only(tmp_path: Path) -> None:
    made, model = pack(tmp_path, "x", 3, 1, 1.4, "dev"), tiny()
    windows = sets.clip_windows(made, "dev", frames=1)
    assert evaluate.alarms(model, windows, 1.0, 0.0).value == 1.0
    assert evaluate.alarms(model, windows, 1.0, 1.1).value == 0.0


def test_scored_by_window_and_by_clip() -> None:
    windows = sets.Windows([[]] * 4, np.array([0, 0, 1, 1]), ["a", "a", "b", "c"], ["x"] * 4, [1.4] * 4)
    judged = evaluate.Scored(windows, np.array([0.0, 0.9, 1.0, 0.5]), np.zeros(4))
    assert judged.result().auc.value == 0.75
    by_clip = judged.result(clips=True)
    assert (by_clip.auc.value, by_clip.items, by_clip.probe.value) == (1.0, 3, 0.5)
    assert judged.result(which=[1, 3]).auc.value == 0.0


def test_report_has_every_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = {
        "dfdc": pack(tmp_path / "dfdc", "DFDC", 5, 1, 0.8, "held"),
        "stills": pack(tmp_path / "stills", "lfw", 5, 0, 1.4, "held"),
        "dev": pack(tmp_path / "dev", "ghost", 5, 1, 1.4, "dev"),
    }
    monkeypatch.setattr(evaluate, "clip_windows", lambda made, split: sets.clip_windows(made, split, frames=1))
    found = evaluate.report(tiny(), packs)
    assert set(found) == {
        "dfdc_frames", "subtle_stills", "coarse_stills", "subtle_clips", "coarse_clips", "dev_all", "dev_swaps",
    }  # fmt: skip
    assert found["dev_all"].items == 10
    assert all(0 <= r.auc.lo <= r.auc.value <= r.auc.hi <= 1 for r in found.values())
